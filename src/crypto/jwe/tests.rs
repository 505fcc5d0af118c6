use super::*;

const KEY: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.pkcs8.der");
const PLAINTEXT: &[u8] = b"{\"sub\":\"1\"}";
const CAP: usize = 1 << 20;

fn partner() -> PrivateKey {
    PrivateKey::from_pkcs8_der(KEY).unwrap()
}

fn sealed(deflate: bool) -> String {
    encrypt(partner().public_key(), Some("kid"), PLAINTEXT, deflate).unwrap()
}

fn open(token: &str, cap: usize) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    Jwe::parse(token)?.decrypt(&partner(), cap)
}

/// A token with header and plaintext as given, sealed as it should be.
fn sealed_as_is(header: &str, plaintext: &[u8]) -> String {
    let header = base64::encode_url(header.as_bytes());
    let (session_key, nonce) = (SessionKey::generate(), random());
    let mut sealed = plaintext.to_vec();
    aead::seal_tail(&session_key, Nonce::Twelve(&nonce), header.as_bytes(), &mut sealed, 0).unwrap();
    let (ciphertext, tag) = sealed.split_at(plaintext.len());
    let wrapped = partner().public_key().wrap(&session_key).unwrap();
    let segments = [&wrapped, nonce.as_slice(), ciphertext, tag].map(base64::encode_url);
    format!("{header}.{}", segments.join("."))
}

fn with_segment(token: &str, index: usize, segment: &str) -> String {
    let mut segments: Vec<_> = token.split('.').collect();
    segments[index] = segment;
    segments.join(".")
}

#[test]
fn token_gives_its_plaintext_back() {
    for deflate in [false, true] {
        let token = sealed(deflate);
        let jwe = Jwe::parse(&token).unwrap();
        assert_eq!(jwe.kid(), Some("kid"));
        assert_eq!(jwe.wrapped_len(), partner().modulus_len());
        assert_eq!(*jwe.decrypt(&partner(), CAP).unwrap(), PLAINTEXT);
    }
}

#[test]
fn header_is_the_one_mosip_writes() {
    let header = |token: &str| {
        let (header, _) = token.split_once('.').unwrap();
        String::from_utf8(base64::decode_url_strict(header.as_bytes()).unwrap()).unwrap()
    };
    assert_eq!(
        header(&sealed(true)),
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF","kid":"kid","typ":"JWT","cty":"JWT"}"#
    );
    let bare = encrypt(partner().public_key(), None, PLAINTEXT, false).unwrap();
    assert_eq!(header(&bare), r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"JWT","cty":"JWT"}"#);
}

#[test]
fn plaintext_as_long_as_the_cap_opens_and_a_longer_one_is_refused() {
    for deflate in [false, true] {
        let token = sealed(deflate);
        assert_eq!(*open(&token, PLAINTEXT.len()).unwrap(), PLAINTEXT);
        assert_eq!(open(&token, PLAINTEXT.len() - 1).err(), Some(TOO_LONG));
    }
}

#[test]
fn deflate_bomb_is_refused() {
    let bomb = encrypt(partner().public_key(), None, &vec![0; 16 * CAP], true).unwrap();
    assert!(bomb.len() < CAP / 16);
    assert_eq!(open(&bomb, CAP).err(), Some(TOO_LONG));
}

#[test]
fn deflated_plaintext_with_a_defect_is_refused() {
    const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#;
    let good = deflated(PLAINTEXT).unwrap();
    assert_eq!(*open(&sealed_as_is(HEADER, &good), CAP).unwrap(), PLAINTEXT);
    for (defect, plaintext) in [
        ("empty", vec![]),
        ("not deflated", PLAINTEXT.to_vec()),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("trailing byte", [&good[..], &[0]].concat()),
    ] {
        let refused = open(&sealed_as_is(HEADER, &plaintext), CAP);
        assert!(matches!(refused, Err(CryptoError::Decrypt(_))), "{defect}");
    }
}

/// Every token here is sealed as it should be: it is the header that is refused.
#[test]
fn header_with_a_defect_is_refused() {
    for (defect, header) in [
        ("another key wrapping", r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#),
        ("PKCS#1 v1.5", r#"{"alg":"RSA1_5","enc":"A256GCM"}"#),
        ("direct", r#"{"alg":"dir","enc":"A256GCM"}"#),
        ("another cipher", r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#),
        ("no cipher", r#"{"alg":"RSA-OAEP-256"}"#),
        ("another compression", r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"GZ"}"#),
        ("crit", r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":["x"],"x":1}"#),
        ("empty crit", r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":[]}"#),
        ("name twice", r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","enc":"A256GCM"}"#),
        ("empty", ""),
    ] {
        let refused = open(&sealed_as_is(header, PLAINTEXT), CAP);
        assert!(matches!(refused, Err(CryptoError::Malformed(_))), "{defect}");
    }
}

#[test]
fn token_of_another_shape_is_refused() {
    let token = sealed(false);
    let (four, _) = token.rsplit_once('.').unwrap();
    let cases = [
        ("empty", String::new()),
        ("four segments", four.to_owned()),
        ("six segments", format!("{token}.")),
        ("padded", format!("{token}==")),
        ("16-byte IV", with_segment(&token, 2, &base64::encode_url(&[0; 16]))),
        ("12-byte tag", with_segment(&token, 4, &base64::encode_url(&[0; 12]))),
        ("wrapped key not base64url", with_segment(&token, 1, "*")),
        ("ciphertext not base64url", with_segment(&token, 3, "*")),
    ];
    for (defect, token) in cases {
        assert!(matches!(open(&token, CAP), Err(CryptoError::Malformed(_))), "{defect}");
    }
}

#[test]
fn altered_segment_is_refused_with_one_answer() {
    let token = sealed(false);
    let same_but_header = base64::encode_url(br#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#);
    for (defect, token) in [
        ("header", with_segment(&token, 0, &same_but_header)),
        ("wrapped key", with_segment(&token, 1, &base64::encode_url(&[1; 256]))),
        ("wrapped key of another length", with_segment(&token, 1, &base64::encode_url(&[1; 255]))),
        ("no wrapped key", with_segment(&token, 1, "")),
        ("IV", with_segment(&token, 2, &base64::encode_url(&[0; 12]))),
        ("ciphertext", with_segment(&token, 3, &base64::encode_url(PLAINTEXT))),
        ("no ciphertext", with_segment(&token, 3, "")),
        ("tag", with_segment(&token, 4, &base64::encode_url(&[0; 16]))),
    ] {
        let refused = open(&token, CAP).err();
        assert!(matches!(refused, Some(CryptoError::Decrypt(_))), "{defect}");
        assert_eq!(refused.unwrap().to_string(), "the message does not open", "{defect}");
    }
}
