//! Known answers made by peers that share no code with this project (`tests/vectors/README.md`).

use crate::support::vectors::{cases, pem, private_key, public_key, text};
use mosip_gateway::crypto::CryptoError;
use mosip_gateway::crypto::aead::{self, Nonce};
use mosip_gateway::crypto::jwe::Jwe;
use mosip_gateway::crypto::jws::Jws;
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::crypto::{base64, hmac};
use mosip_gateway::opencrvs::webhook::WebhookSignature;
use mosip_gateway::opencrvs::webhook::verify_signature;

#[test]
fn jws() {
    for case in cases("jws.json") {
        let (name, key) = (text(&case, "name"), public_key(text(&case, "signer")));
        let verified = Jws::parse(text(&case, "token")).and_then(|jws| {
            jws.verify(&key, &SignatureAlgorithm::ALL, case["payload"].as_str().map(str::as_bytes))
                .map(|payload| payload.bytes.into_owned())
        });
        if case["valid"] == true {
            assert_eq!(verified.unwrap(), text(&case, "expect").as_bytes(), "{name}");
        } else {
            assert!(matches!(verified, Err(CryptoError::Signature(_))), "{name}");
        }
    }
}

/// The token that carries a stranger's certificate is good under that stranger's key: so it is the key the caller
/// names that decides, and the certificate is there to be compared.
#[test]
fn jws_with_x5c_of_a_stranger_is_good_under_the_stranger_only() {
    let cases = cases("jws.json");
    let token = cases.iter().find(|case| case["name"] == "x5c-of-a-stranger").map(|case| text(case, "token"));
    let jws = Jws::parse(token.unwrap()).unwrap();
    assert!(jws.verify(&public_key("stranger"), &SignatureAlgorithm::ALL, None).is_ok());
    assert!(jws.verify(&public_key("issuer"), &SignatureAlgorithm::ALL, None).is_err());
    assert_eq!(jws.x5c_first(), Some(&*pem("keys/stranger.crt.pem")));
}

#[test]
fn jwe() {
    for case in cases("jwe.json") {
        let (name, key) = (text(&case, "name"), private_key(text(&case, "recipient")));
        let opened = Jwe::parse(text(&case, "token")).unwrap().decrypt(&key, 1 << 20);
        if case["error"] == "decrypt" {
            assert!(matches!(opened, Err(CryptoError::Decrypt(_))), "{name}");
            continue;
        }
        let plaintext = opened.unwrap();
        let expected = text(&case, "expect").as_bytes();
        if let Some(signer) = case["signer"].as_str() {
            let jws = Jws::parse(str::from_utf8(&plaintext).unwrap()).unwrap();
            let payload = jws.verify(&public_key(signer), &SignatureAlgorithm::ALL, None).unwrap();
            assert_eq!(&*payload.bytes, expected, "{name}");
        } else {
            assert_eq!(&**plaintext, expected, "{name}");
        }
    }
}

#[test]
fn hub() {
    for case in cases("hub.json") {
        let (secret, body) = (text(&case, "secret").as_bytes(), text(&case, "body").as_bytes());
        let verified = hmac::verify_hub_header(secret, [body], text(&case, "header"));
        assert_eq!(verified.is_ok(), case["valid"] == true, "{}", text(&case, "name"));
    }
}

#[test]
fn hub_core() {
    for case in cases("hub-core.json") {
        let (secret, body) = (text(&case, "secret").as_bytes(), text(&case, "body").as_bytes());
        let verify = |header, accepted| verify_signature(secret, body, text(&case, header), accepted).is_ok();
        let name = text(&case, "name");
        let valid = case["valid"] == true;
        assert_eq!(verify("header", WebhookSignature::Core), valid, "{name}");
        assert_eq!(verify("header", WebhookSignature::Either), valid, "{name}");
        assert!(!verify("header", WebhookSignature::Raw), "{name}: OpenCRVS does not sign the raw body");
        if case["header_raw"].is_string() {
            assert!(verify("header_raw", WebhookSignature::Raw), "{name}");
            assert!(verify("header_raw", WebhookSignature::Either), "{name}");
            assert!(!verify("header_raw", WebhookSignature::Core), "{name}");
        }
    }
}

/// The tag is that of `printf 'sha256:%%FF' | openssl dgst -sha256 -hmac s`.
#[test]
fn a_body_that_is_not_utf8_has_no_signature_of_opencrvs() {
    let header = "sha256=c2275d73e5d078bbcc076c14ef07b34a46de91d452f537f4cad45bc57ad600bd";
    for accepted in [WebhookSignature::Core, WebhookSignature::Either] {
        assert!(verify_signature(b"s", b"\xff", header, accepted).is_err(), "{accepted:?}");
    }
}

#[test]
fn signature() {
    for case in cases("signature.json") {
        let envelope = base64::decode(text(&case, "data").as_bytes()).unwrap();
        let signature = base64::decode(text(&case, "signature").as_bytes()).unwrap();
        let signed = match text(&case, "over") {
            "envelope" => envelope,
            "plaintext" => open_ver_r2(&envelope),
            other => panic!("over {other}"),
        };
        let verified =
            public_key(text(&case, "signer")).verify(SignatureAlgorithm::Rs512, &[&signed], &signature);
        assert_eq!(verified.is_ok(), case["valid"] == true, "{}", text(&case, "name"));
    }
}

/// Opens a well-formed VER_R2 envelope to `partner`, by the primitives alone.
fn open_ver_r2(envelope: &[u8]) -> Vec<u8> {
    let (_version_and_thumbprint, rest) = envelope.split_at(6 + 32);
    let (wrapped, rest) = rest.split_at(256);
    let (aad, sealed) = rest.strip_prefix(b"#KEY_SPLITTER#").unwrap().split_at(32);
    let key = private_key("partner").unwrap(wrapped).unwrap();
    let mut buffer = sealed.to_vec();
    aead::open_in_place(&key, Nonce::Twelve(aad.first_chunk().unwrap()), aad, &mut buffer).unwrap().to_vec()
}
