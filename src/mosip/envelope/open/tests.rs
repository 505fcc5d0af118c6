use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::clock::Timestamp;
use crate::crypto::jwe;
use crate::crypto::jws::{self, Protected};
use crate::json::{self, Object};
use crate::keys::settings::Uses;
use crate::keys::source::file::parse_own;
use crate::keys::source::file::{KeyFile, Password};
use crate::mosip::envelope::{SealOptions, SealedMessage, SignOver, seal_message};
use crate::mosip::primitives::Open;

/// In the years of the partner's certificate, and of that of `issuer`.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const PARTNER: &[u8] = include_bytes!("../../../../tests/vectors/keys/partner.crt.der");
const ISSUER_KEY: &[u8] = include_bytes!("../../../../tests/vectors/keys/issuer.key.pem");

/// Our key `partner` and the peers `mosip`, `ida`, `issuer`, at `now`.
fn ring(unknown_thumbprint: UnknownThumbprint, now: Timestamp) -> Ring {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let own = crate::keys::settings::OwnKey {
        name: None,
        source: KeyFile::source(dir.join("partner.key.pem"), Password::None),
        cert: Some(dir.join("partner.crt.pem")),
        uses: Uses { sign: true, decrypt: true },
    };
    let peer = |name: &str| crate::keys::settings::Peer {
        name: name.to_owned(),
        file: dir.join(format!("{name}.crt.pem")),
        unknown_thumbprint,
        algs: SignatureAlgorithm::ALL.to_vec(),
    };
    let peers = ["mosip", "ida", "issuer"].map(peer).into();
    Ring::load(
        &crate::keys::settings::Keys {
            own: vec![own],
            peers,
            strict_permissions: false,
            retire_after: std::time::Duration::from_hours(24),
            ca_file: None,
            esignet: None,
            dir: dir.clone(),
        },
        now,
    )
}

fn opened(ring: &Ring, from: &str, data: &str, signature: Option<&str>) -> Result<Vec<u8>> {
    let message = Sealed { data, signature, aad: &[], over: None };
    open(ring, ring.peer(from).unwrap(), message, Policy::default()).map(|opened| opened.get().to_vec())
}

fn case(file: &str, name: &str) -> Value {
    let cases: Vec<Value> = serde_json::from_str(file).unwrap();
    cases.into_iter().find(|case| case["name"] == name).unwrap()
}

/// A token under `kid`, sealed to our key.
fn sealed(kid: Option<&str>, plaintext: &str) -> String {
    let partner = Certificate::from_der(PARTNER).unwrap();
    jwe::encrypt(partner.public_key(), kid, plaintext.as_bytes(), false).unwrap()
}

#[test]
fn kid_that_is_no_thumbprint_is_an_unknown_key_under_reject() {
    let signed = signed_by_issuer(None);
    for kid in ["key-1", "", "6f2b", "not a thumbprint at all, and as long as one might be, or longer"] {
        let token = sealed(Some(kid), &signed);
        let refused = opened(&ring(UnknownThumbprint::Reject, NOW), "issuer", &token, None).unwrap_err();
        assert_eq!(refused.code(), Code::UnknownKey, "{kid}: {refused}");
        assert!(opened(&ring(UnknownThumbprint::Try, NOW), "issuer", &token, None).is_ok(), "{kid}");
    }
    assert!(opened(&ring(UnknownThumbprint::Reject, NOW), "issuer", &sealed(None, &signed), None).is_ok());
}

fn signed_by_issuer(x5c: Option<&[u8]>) -> String {
    let key = parse_own(ISSUER_KEY, None).unwrap().keys.remove(0);
    let x5c: Vec<&[u8]> = x5c.into_iter().collect();
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
    jws::sign(&key, protected, b"{}").unwrap()
}

#[test]
fn nested_token_whose_x5c_is_of_another_is_refused() {
    let ring = ring(UnknownThumbprint::Reject, NOW);
    let issuer = ring.peer("issuer").unwrap().certificate.clone().unwrap();
    let good = sealed(None, &signed_by_issuer(Some(issuer.der())));
    assert_eq!(opened(&ring, "issuer", &good, None).unwrap(), b"{}");
    let bad = sealed(None, &signed_by_issuer(Some(PARTNER)));
    let refused = opened(&ring, "issuer", &bad, None).unwrap_err();
    assert_eq!(refused.code(), Code::SignatureInvalid);
    assert!(refused.detail().contains("x5c"), "{refused}");
}

#[test]
fn nested_token_whose_header_is_refused_is_not_taken_for_an_unsigned_message() {
    let ring = ring(UnknownThumbprint::Reject, NOW);
    let open_unsigned = |plaintext: &str| {
        let message = Sealed { data: &sealed(None, plaintext), signature: None, aad: &[], over: None };
        let policy = Policy { danger_accept_unsigned: true };
        open(&ring, ring.peer("issuer").unwrap(), message, policy).map(|opened| opened.get().to_vec())
    };
    for (header, code) in [
        (r#"{"alg":"HS256"}"#, Code::SignatureInvalid),
        (r#"{"alg":"none"}"#, Code::SignatureInvalid),
        (r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, Code::SignatureInvalid),
        (r#"{"alg":"RS256","alg":"RS256"}"#, Code::Malformed),
        (r#"{"alg":"RS256","x5c":[]}"#, Code::Malformed),
        (r#" {}"#, Code::SignatureInvalid),
    ] {
        let header = base64::encode_url(header.as_bytes());
        for token in [format!("{header}.e30.AAAA"), format!("{header}.e30."), format!("{header}..AAAA")] {
            let refused = open_unsigned(&token).unwrap_err();
            assert_eq!(refused.code(), code, "{token}: {refused}");
        }
        assert!(open_unsigned(&format!(" {header}.{{\"a\":1}}.AAAA\n")).is_err(), "{header}");
    }
    for plaintext in [r#"{"a":"b.c.d"}"#, "a.b.c", "", "..", &sealed(None, "{}")] {
        assert_eq!(open_unsigned(plaintext).unwrap(), plaintext.as_bytes());
    }
}

#[test]
fn nested_token_under_an_expired_certificate_is_refused() {
    let jwe = include_str!("../../../../tests/vectors/jwe.json");
    let case = case(jwe, "nested-jws");
    let token = case["token"].as_str().unwrap();
    assert_eq!(
        opened(&ring(UnknownThumbprint::Reject, NOW), "issuer", token, None).unwrap(),
        case["expect"].as_str().unwrap().as_bytes()
    );
    let late = Timestamp::from_seconds(9_000_000_000);
    let refused = opened(&ring(UnknownThumbprint::Reject, late), "issuer", token, None).unwrap_err();
    assert_eq!(refused.code(), Code::SignatureInvalid);
    assert!(refused.detail().contains("expired"), "{refused}");
}

#[test]
fn base64_in_lines_is_malformed_and_said_to_be_that() {
    let case = case(include_str!("../../../../tests/vectors/signature.json"), "from-mosip");
    let (data, signature) = (case["data"].as_str().unwrap(), case["signature"].as_str().unwrap());
    let ring = ring(UnknownThumbprint::Try, NOW);
    opened(&ring, "mosip", data, Some(signature)).unwrap();
    let in_lines = |text: &str| format!("{}\r\n{}", &text[..64], &text[64..]);
    for (data, signature) in [
        (in_lines(data), signature.to_owned()),
        (data.to_owned(), in_lines(signature)),
        (data.to_owned(), format!("{signature}\n")),
    ] {
        let refused = opened(&ring, "mosip", &data, Some(&signature)).unwrap_err();
        assert_eq!(refused.code(), Code::Malformed, "{refused}");
        assert!(refused.detail().contains("line breaks"), "{refused}");
    }
    assert_eq!(opened(&ring, "mosip", data, Some("#")).unwrap_err().code(), Code::SignatureInvalid);
}

/// A message that is signed over `over`, and what comes of it where the caller says `said`.
fn signed_over(over: SignOver, said: Option<Over>) -> Result<Evidence> {
    let (ring, message) = (ring(UnknownThumbprint::Reject, NOW), sealed_message(over));
    let message =
        Sealed { data: &message.data, signature: message.signature.as_deref(), aad: &[], over: said };
    open(&ring, ring.peer("issuer").unwrap(), message, Policy::default()).map(|opened| {
        assert_eq!(&**opened.get(), b"hello");
        opened.evidence()
    })
}

fn sealed_message(over: SignOver) -> SealedMessage {
    let key = parse_own(ISSUER_KEY, None).unwrap().keys.remove(0);
    let options = SealOptions { sign: over, ..SealOptions::default() };
    seal_message(&Certificate::from_der(PARTNER).unwrap(), Some(&key), b"hello", options).unwrap()
}

#[test]
fn signature_counts_over_what_the_caller_says_alone() {
    for (over, said, found) in [
        (SignOver::Envelope, Some(Over::Envelope), Evidence::Envelope),
        (SignOver::Envelope, None, Evidence::Envelope),
        (SignOver::Plaintext, Some(Over::Plaintext), Evidence::Plaintext),
        (SignOver::Plaintext, None, Evidence::Plaintext),
    ] {
        assert_eq!(signed_over(over, said).unwrap(), found, "{over:?} {said:?}");
    }
    for (over, said, what) in [
        (SignOver::Envelope, Over::Plaintext, "does not cover the plaintext"),
        (SignOver::Plaintext, Over::Envelope, "does not cover the envelope"),
    ] {
        let refused = signed_over(over, Some(said)).unwrap_err();
        assert_eq!(refused.code(), Code::SignatureInvalid, "{refused}");
        assert!(refused.detail().contains(what), "{refused}");
    }
    for said in [Over::Plaintext, Over::Envelope] {
        let refused = signed_over(SignOver::None, Some(said)).unwrap_err();
        assert_eq!(refused.code(), Code::SignatureMissing, "{refused}");
    }
}

#[test]
fn signature_over_an_envelope_that_was_altered_is_refused_before_it_is_opened() {
    let (ring, mut message) = (ring(UnknownThumbprint::Reject, NOW), sealed_message(SignOver::Envelope));
    let mut envelope = base64::decode(message.data.as_bytes()).unwrap();
    *envelope.last_mut().unwrap() ^= 1;
    message.data = base64::encode(&envelope);
    let refused = |over| {
        let signature = message.signature.as_deref();
        let message = Sealed { data: &message.data, signature, aad: &[], over };
        open(&ring, ring.peer("issuer").unwrap(), message, Policy::default()).err().unwrap().code()
    };
    assert_eq!(refused(Some(Over::Envelope)), Code::SignatureInvalid);
    assert_eq!(refused(None), Code::Decrypt);
}

#[test]
fn envelope_of_a_jwe_is_asked_for_in_vain() {
    let (ring, token) = (ring(UnknownThumbprint::Reject, NOW), sealed(None, &signed_by_issuer(None)));
    let asked = |over| {
        let message = Sealed { data: &token, signature: None, aad: &[], over: Some(over) };
        open(&ring, ring.peer("issuer").unwrap(), message, Policy::default()).map(|opened| opened.evidence())
    };
    assert_eq!(asked(Over::Plaintext).unwrap(), Evidence::Plaintext);
    let refused = asked(Over::Envelope).unwrap_err();
    assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some("/over")));
}

#[test]
fn push_of_mosip_reads_as_it_came_and_a_misspelt_member_is_refused() {
    let push = br#"{"id":"","version":"1.0","requestTime":"2026-01-01T00:00:00.000Z","metadata":{},"data":"QQ","signature":"QQ"}"#;
    let read: Open<'_> = json::read(push).unwrap();
    assert_eq!((&*read.data, read.signature.as_deref(), read.from), ("QQ", Some("QQ"), None));
    let refused = json::read::<Open<'_>>(br#"{"data":"QQ","sginature":"QQ"}"#).err().unwrap();
    assert_eq!(refused.code(), Code::Field);
    let refused = json::read::<Open<'_>>(br#"{"signature":"QQ"}"#).err().unwrap();
    assert_eq!(refused.pointer(), Some("/data"));
}

#[test]
fn message_stays_in_the_body_that_it_came_in_unless_it_is_spelt_with_escapes() {
    let plain = json::read::<Object<Open<'_>>>(br#"{"data":"Q/Q"}"#).unwrap().0.data;
    assert!(matches!(plain, Cow::Borrowed("Q/Q")));
    let escaped = json::read::<Object<Open<'_>>>(br#"{"data":"Q\/\u0051"}"#).unwrap().0.data;
    assert!(matches!(escaped, Cow::Owned(text) if text == "Q/Q"));
}

#[test]
fn message_that_is_no_text_of_json_is_refused_whatever_it_is() {
    let ring = ring(UnknownThumbprint::Reject, NOW);
    for (defect, data, code) in [
        ("a line break", "\"QUJD\nQUJD\"", Code::Malformed),
        ("a line break beside an escape", "\"QUJD\n\\u0051UJD\"", Code::Malformed),
        ("NUL in a JWE", "\"a.b.c.d\0.e\"", Code::Malformed),
        ("a lone surrogate", "\"QUJD\\ud800\"", Code::Field),
        ("an escape that is none", "\"QUJD\\x\"", Code::Malformed),
        ("no end", "\"QUJD", Code::Malformed),
        ("a number", "7", Code::Field),
        ("a list of bytes", "[81, 85]", Code::Field),
        ("null", "null", Code::Field),
    ] {
        let body = format!("{{\"from\":\"mosip\",\"data\":{data}}}");
        let opened = json::read::<Object<Open<'_>>>(body.as_bytes())
            .and_then(|asked| asked.0.open(&ring, Policy::default()));
        assert_eq!(opened.err().map(|error| error.code()), Some(code), "{defect}");
    }
}
