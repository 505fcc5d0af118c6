use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.crt.der");
const CERTIFICATE_PEM: &str = include_str!("../../../tests/vectors/keys/partner.crt.pem");
const PLAIN: Protected<'_> = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
const UNENCODED: Protected<'_> = Protected { alg: SignatureAlgorithm::Ps256, b64: false, ..PLAIN };

fn partner() -> PrivateKey {
    PrivateKey::from_pkcs8_der(include_bytes!("../../../tests/vectors/keys/partner.pkcs8.der")).unwrap()
}

/// A token with a header as given and a good signature over it.
fn signed_as_is(header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", base64::encode_url(header.as_bytes()), base64::encode_url(payload));
    let signature = partner().sign(SignatureAlgorithm::Rs256, &[input.as_bytes()]).unwrap();
    format!("{input}.{}", base64::encode_url(&signature))
}

fn header_of(token: &str) -> String {
    let (header, _) = token.split_once('.').unwrap();
    String::from_utf8(base64::decode_url_strict(header.as_bytes()).unwrap()).unwrap()
}

fn verify<'p>(token: &str, detached: Option<&'p [u8]>) -> Result<Payload<'p>, CryptoError> {
    Jws::parse(token)?.verify(partner().public_key(), &SignatureAlgorithm::ALL, detached)
}

#[test]
fn header_stands_in_the_documented_order() {
    let protected = Protected { x5c: &[b"first", b"second"], kid: Some("k\"1"), ..UNENCODED };
    let token = sign_detached(&partner(), protected, b"x").unwrap();
    assert_eq!(
        header_of(&token),
        r#"{"b64":false,"crit":["b64"],"x5c":["Zmlyc3Q=","c2Vjb25k"],"x5t#S256":"p5N7ZLjKpY8Dchu2us9ceMsjX-vg5wsbhM2ZVBRhoI4","kid":"k\"1","alg":"PS256"}"#
    );
    assert_eq!(header_of(&sign(&partner(), PLAIN, b"x").unwrap()), r#"{"alg":"RS256"}"#);
}

#[test]
fn compact_token_gives_its_payload_back() {
    for alg in SignatureAlgorithm::ALL {
        let token = sign(&partner(), Protected { alg, ..PLAIN }, b"{\"a\":1}").unwrap();
        assert!(!Jws::parse(&token).unwrap().is_detached());
        let payload = verify(&token, None).unwrap();
        assert_eq!((payload.alg, &*payload.bytes), (alg, &b"{\"a\":1}"[..]));
    }
}

#[test]
fn detached_token_verifies_over_its_payload_only() {
    for protected in [PLAIN, UNENCODED] {
        let token = sign_detached(&partner(), protected, b"a.b\xff").unwrap();
        assert!(Jws::parse(&token).unwrap().is_detached());
        assert_eq!(&*verify(&token, Some(b"a.b\xff")).unwrap().bytes, b"a.b\xff");
        for other in [&b"a.b"[..], b"a.b\xfe", b""] {
            assert!(matches!(verify(&token, Some(other)), Err(CryptoError::Signature(_))));
        }
    }
}

/// Detached is compact with the middle taken out (RFC 7515 appendix F).
#[test]
fn detached_and_compact_carry_the_same_signature() {
    let payload = vec![0x5a; 100_000];
    let compact = sign(&partner(), PLAIN, &payload).unwrap();
    let detached = sign_detached(&partner(), PLAIN, &payload).unwrap();
    assert_eq!(compact.replacen(&base64::encode_url(&payload), "", 1), detached);
}

#[test]
fn payload_inside_and_outside_or_nowhere_is_refused() {
    let compact = sign(&partner(), PLAIN, b"x").unwrap();
    let detached = sign_detached(&partner(), PLAIN, b"x").unwrap();
    assert!(matches!(verify(&compact, Some(b"x")), Err(CryptoError::Malformed(_))));
    assert!(matches!(verify(&detached, None), Err(CryptoError::Malformed(_))));
}

#[test]
fn unencoded_payload_inside_the_token_is_refused() {
    assert!(matches!(sign(&partner(), UNENCODED, b"x"), Err(CryptoError::Malformed(_))));
    let token = sign_detached(&partner(), UNENCODED, b"x").unwrap().replace("..", ".x.");
    assert!(matches!(verify(&token, None), Err(CryptoError::Malformed(_))));
}

#[test]
fn algorithm_off_the_list_of_the_peer_is_refused() {
    let token = sign(&partner(), PLAIN, b"x").unwrap();
    let jws = Jws::parse(&token).unwrap();
    let refused = jws.verify(partner().public_key(), &[SignatureAlgorithm::Ps256], None);
    assert!(matches!(refused, Err(CryptoError::Signature(_))));
    assert!(jws.verify(partner().public_key(), &[], None).is_err());
}

#[test]
fn null_member_of_the_header_counts_as_absent() {
    let header =
        r#"{"alg":"RS256","kid":null,"x5c":null,"crit":null,"b64":null,"enc":null,"zip":null,"cty":null}"#;
    let token = signed_as_is(header, b"x");
    assert_eq!(verify(&token, None).unwrap().bytes.as_ref(), b"x");
    let parsed = Jws::parse(&token).unwrap();
    assert_eq!((parsed.kid(), parsed.x5c_first()), (None, None));
}

/// Every token here carries a good signature: it is the header that is refused.
#[test]
fn header_with_a_defect_is_refused_under_a_good_signature() {
    verify(&signed_as_is(r#"{"alg":"RS256","crit":["b64"],"b64":true,"typ":"JWT"}"#, b"x"), None).unwrap();
    for (defect, header) in [
        ("no algorithm", r#"{"kid":"1"}"#),
        ("algorithm none", r#"{"alg":"none"}"#),
        ("algorithm null", r#"{"alg":null}"#),
        ("b64 beside a null crit", r#"{"alg":"RS256","crit":null,"b64":false}"#),
        ("crit beside a null b64", r#"{"alg":"RS256","crit":["b64"],"b64":null}"#),
        ("algorithm in lower case", r#"{"alg":"rs256"}"#),
        ("unknown crit", r#"{"alg":"RS256","crit":["exp"],"exp":1}"#),
        ("unknown crit beside a known one", r#"{"alg":"RS256","crit":["b64","exp"],"b64":true,"exp":1}"#),
        ("unknown crit beside b64", r#"{"alg":"RS256","crit":["exp"],"b64":true,"exp":1}"#),
        ("empty crit", r#"{"alg":"RS256","crit":[]}"#),
        ("empty crit beside b64", r#"{"alg":"RS256","crit":[],"b64":true}"#),
        ("crit names what is absent", r#"{"alg":"RS256","crit":["b64"]}"#),
        ("b64 without crit", r#"{"alg":"RS256","b64":true}"#),
    ] {
        let refused = verify(&signed_as_is(header, b"x"), None);
        assert!(matches!(refused, Err(CryptoError::Signature(_))), "{defect}");
    }
    for (defect, header) in [
        ("algorithm twice", r#"{"alg":"none","alg":"RS256"}"#),
        ("unread name twice", r#"{"alg":"RS256","typ":"JWT","typ":"JWT"}"#),
        ("name twice, once escaped", r#"{"alg":"RS256","typ":"JWT","\u0074yp":"JWT"}"#),
        ("algorithm not a string", r#"{"alg":["RS256"]}"#),
        ("crit not a list", r#"{"alg":"RS256","crit":"b64","b64":true}"#),
        ("b64 a string", r#"{"alg":"RS256","crit":["b64"],"b64":"true"}"#),
        ("not an object", r#"["alg","RS256"]"#),
        ("two objects", r#"{"alg":"RS256"}{"alg":"RS256"}"#),
        ("cut short", r#"{"alg":"RS256""#),
        ("empty", ""),
        ("empty x5c", r#"{"alg":"RS256","x5c":[]}"#),
        ("x5c not base64", r#"{"alg":"RS256","x5c":["*"]}"#),
        ("x5c not a list", r#"{"alg":"RS256","x5c":"MIIB"}"#),
    ] {
        let refused = verify(&signed_as_is(header, b"x"), None);
        assert!(matches!(refused, Err(CryptoError::Malformed(_))), "{defect}");
    }
}

#[test]
fn token_of_another_shape_is_refused() {
    let token = sign(&partner(), PLAIN, b"x").unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    for (defect, token) in [
        ("empty", String::new()),
        ("two segments", input.to_owned()),
        ("four segments", format!("{token}.")),
        ("five segments", format!("{token}.e.e")),
        ("padded signature", format!("{token}==")),
        ("newline at the end", format!("{token}\n")),
        ("space at the start", format!(" {token}")),
        ("signature in the standard alphabet", format!("{input}.+/+/")),
    ] {
        assert!(matches!(Jws::parse(&token), Err(CryptoError::Malformed(_))), "{defect}");
    }
    for (defect, token) in [
        ("empty signature", format!("{input}.")),
        ("signature cut short", format!("{input}.{}", &signature[..340])),
    ] {
        assert!(matches!(verify(&token, None), Err(CryptoError::Signature(_))), "{defect}");
    }
}

/// The signature covers the text, so a signer can sign a payload that is no base64url.
#[test]
fn signed_payload_that_is_not_base64url_is_refused() {
    let input = format!("{}.e*", base64::encode_url(br#"{"alg":"RS256"}"#));
    let signature = partner().sign(SignatureAlgorithm::Rs256, &[input.as_bytes()]).unwrap();
    let token = format!("{input}.{}", base64::encode_url(&signature));
    assert!(matches!(verify(&token, None), Err(CryptoError::Malformed(_))));
}

#[test]
fn own_certificate_and_kid_come_back() {
    let protected = Protected { x5c: &[CERTIFICATE], kid: Some("kid"), ..PLAIN };
    let token = sign(&partner(), protected, b"x").unwrap();
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(jws.x5c_first(), Some(CERTIFICATE));
    assert_eq!(jws.kid(), Some("kid"));

    let bare = sign(&partner(), PLAIN, b"x").unwrap();
    let jws = Jws::parse(&bare).unwrap();
    assert_eq!((jws.x5c_first(), jws.kid()), (None, None));
}

/// What the published SDK and today's TypeScript middleware put into `x5c`.
#[test]
fn certificate_as_peers_encode_it_is_read() {
    let wrapped_at_76 = |text: String, newline: &str| {
        let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
        lines.join(newline) + newline
    };
    let pem = CERTIFICATE_PEM.as_bytes();
    for (form, text) in [
        ("base64 of DER", base64::encode(CERTIFICATE)),
        ("base64url of DER", base64::encode_url(CERTIFICATE)),
        ("base64 of DER in lines", wrapped_at_76(base64::encode(CERTIFICATE), "\r\n")),
        ("base64 of PEM", base64::encode(pem)),
        ("base64 of PEM in lines", wrapped_at_76(base64::encode(pem), "\n")),
        ("base64url of PEM", base64::encode_url(pem)),
    ] {
        let header = serde_json::json!({"alg": "RS256", "x5c": [text]}).to_string();
        let token = signed_as_is(&header, b"x");
        assert_eq!(Jws::parse(&token).unwrap().x5c_first(), Some(CERTIFICATE), "{form}");
    }
}

#[test]
fn pem_of_something_else_in_x5c_is_refused() {
    for pem in [
        include_str!("../../../tests/vectors/keys/mosip.pub.pem"),
        "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
    ] {
        let header = serde_json::json!({"alg": "RS256", "x5c": [base64::encode(pem.as_bytes())]}).to_string();
        assert!(matches!(Jws::parse(&signed_as_is(&header, b"x")), Err(CryptoError::Malformed(_))), "{pem}");
    }
}
