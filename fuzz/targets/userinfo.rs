//! `mosip::esignet`: the userinfo of eSignet, its key set and its claims. Arbitrary bodies, edits of a good one, good signatures (PS256 and
//! ES256) over any claims, and any key set.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::jwk::Jwk;
use mosip_gateway::crypto::jws::{self, Protected};
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::crypto::{base64, jwe};
use mosip_gateway::mosip::esignet::{Expected, read_userinfo};
use mosip_gateway_fuzz::{edit, keys};

const ISSUER: &str = "https://esignet.example.org";
const CLIENT: &str = "client";
const SUBJECT: &str = "4711081500";
const KID: &str = "k1";
const EC_KID: &str = "k2";

const CLAIMS: &str =
    r#"{"sub":"4711081500","given_name":"Leila","aud":["client"],"iss":"https://esignet.example.org"}"#;

static KEY_SET: LazyLock<String> = LazyLock::new(|| {
    let rsa = Jwk::of_rsa(keys::issuer_key().public_key()).unwrap();
    let ec = Jwk::of_ec(keys::ec_issuer_key().public_key());
    let [rsa, ec] = [(KID, rsa), (EC_KID, ec)].map(|(kid, jwk)| {
        let (_, members) = jwk.as_json().split_once('{').unwrap();
        format!(r#"{{"kid":"{kid}",{members}"#)
    });
    format!(r#"{{"keys":[{rsa},{ec}]}}"#)
});

/// With PS256, and with ES256.
static GOOD: LazyLock<[String; 2]> = LazyLock::new(|| SIGNERS.map(|sign| sign(CLAIMS.as_bytes())));

const SIGNERS: [fn(&[u8]) -> String; 2] = [sign_ps256, sign_es256];

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    let signer = usize::from(mode / 5 % 2);
    let (good, sign) = (&GOOD[signer], SIGNERS[signer]);
    match mode % 5 {
        0 => drop(claims(rest, KEY_SET.as_bytes())),
        1 => drop(edited(good, &mut Unstructured::new(rest))),
        2 => any_payload(&sign(rest)),
        3 => sealed(rest),
        _ => drop(claims(good.as_bytes(), rest)),
    }
});

/// Only what the issuer signed is believed, over its own claims.
fn edited(good: &str, input: &mut Unstructured<'_>) -> Result<()> {
    if let Some(token) = edit::edited_text(good, input)? {
        let believed = claims(token.as_bytes(), KEY_SET.as_bytes());
        assert_eq!(believed.is_some(), token.trim() == good);
        assert!(believed.is_none_or(|claims| claims == CLAIMS));
    }
    Ok(())
}

/// What is believed is about the person of the login.
fn any_payload(token: &str) {
    if let Some(claims) = claims(token.as_bytes(), KEY_SET.as_bytes()) {
        let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
        assert_eq!(claims["sub"], SUBJECT);
    }
}

/// What is sealed is worth what is inside.
fn sealed(inside: &[u8]) {
    // What is sealed twice is not opened twice.
    if dots(inside) == 4 {
        return;
    }
    let to = keys::our_key().public_key();
    let token = jwe::encrypt(to, None, inside, true).unwrap();
    assert_eq!(claims(token.as_bytes(), KEY_SET.as_bytes()), claims(inside, KEY_SET.as_bytes()));
}

fn dots(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'.').count()
}

fn sign_ps256(payload: &[u8]) -> String {
    let protected = Protected { alg: SignatureAlgorithm::Ps256, x5c: &[], kid: Some(KID), b64: true };
    jws::sign(keys::issuer_key(), protected, payload).unwrap()
}

fn sign_es256(payload: &[u8]) -> String {
    let header = format!(r#"{{"alg":"ES256","kid":"{EC_KID}"}}"#);
    let signed = format!("{}.{}", base64::encode_url(header.as_bytes()), base64::encode_url(payload));
    let signature = keys::ec_issuer_key().sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64::encode_url(&signature))
}

/// The claims that are believed. No refusal repeats what the token says.
fn claims(body: &[u8], key_set: &[u8]) -> Option<String> {
    let expected = Expected { issuer: ISSUER, client_id: CLIENT, subject: SUBJECT, now: keys::NOW };
    match read_userinfo(body, key_set, keys::ring(), &expected) {
        Ok(known) => Some(known.get().claims().get().to_owned()),
        Err(error) => {
            assert!(!format!("{error:?}").contains(SUBJECT));
            None
        }
    }
}
