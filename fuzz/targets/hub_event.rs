//! `mosip::credential::event`: edits of the known message of the hub, and any text sealed to us, with a signature of the issuer or
//! without.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::base64;
use mosip_gateway::crypto::jws::{self, Protected};
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::error::{Code, Error};
use mosip_gateway::mosip::Verified;
use mosip_gateway::mosip::credential::event::{Issued, IssuedNumber, Notification};
use mosip_gateway::mosip::envelope::{self, Format};
use mosip_gateway_fuzz::{credentials, edit, keys, refusal};
use serde_json::{Value, json};

/// The known message, and the credential in it.
static GOOD: LazyLock<(String, Value)> = LazyLock::new(|| {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/vectors/event.json")).expect("a list of cases");
    let good = cases.iter().find(|case| case["name"] == "good").expect("a good message");
    (good["event"].to_string(), good["expect"].clone())
});

/// Members of a subject that hold the number of a certificate.
const CERTIFICATES: [&str; 4] =
    ["birthCertificateNumber", "opencrvsBRN", "deathCertificateNumber", "opencrvsDRN"];

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 4 {
        0 => check_message(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        2 => sealed(rest, false),
        _ => sealed(rest, true),
    }
});

/// Nobody can alter what is sealed: what comes out is the known credential.
fn check_message(body: &[u8]) {
    match open(body) {
        Ok(issued) => assert_eq!(issued.get().credential, GOOD.1, "nobody sealed this"),
        Err(error) => check(&error),
    }
}

fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let mut body = edit::edited(GOOD.0.as_bytes(), input)?;
    // Bytes are not often base64 after an edit, so half the edits are made inside the sealed text's own bytes.
    if input.arbitrary()? {
        let mut message: Value = serde_json::from_str(&GOOD.0).expect("JSON");
        let text = message["event"]["data"]["credential"].as_str().unwrap_or_default();
        let envelope = edit::edited(&base64::decode(text.as_bytes()).expect("base64"), input)?;
        message["event"]["data"]["credential"] = json!(base64::encode_url(&envelope));
        body = message.to_string().into_bytes();
    }
    check_message(&body);
    Ok(())
}

/// Any text, sealed by one who knows how. Signed by the issuer it is what it says; without that its covered values are known ones.
fn sealed(text: &[u8], is_signed: bool) {
    let envelope = envelope::seal(keys::our_certificate(), text, Format::VerR2).expect("an envelope");
    let proof = is_signed.then(|| {
        let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
        json!({ "signature": jws::sign_detached(keys::issuer_key(), protected, text).expect("a signature") })
    });
    let message = json!({ "event": {
        "id": "1", "data": { "credential": base64::encode_url(&envelope), "proof": proof }
    } });
    match open(message.to_string().as_bytes()) {
        Ok(issued) => {
            let issued = issued.into_inner();
            let plain: Value = serde_json::from_slice(text).expect("JSON");
            assert_eq!(issued.credential, plain);
            assert!(
                is_signed || credentials::is_known(&issued.credential, &issued.covered),
                "nobody signed this"
            );
            assert!(!is_signed || issued.not_covered.is_empty(), "the signature covers every byte");
            let is_covered = |name: &str| issued.covered.contains(&format!("/credentialSubject/{name}"));
            let number = match &issued.number {
                Some(IssuedNumber::Vid(_)) => is_covered("VID"),
                Some(IssuedNumber::Uin(_)) => is_covered("UIN"),
                None => true,
            };
            assert!(number, "a number that nobody signed");
            assert!(issued.certificate_number.is_none() || CERTIFICATES.iter().any(|name| is_covered(name)));
            assert!(plain["credentialSubject"].is_object());
        }
        Err(error) => check(&error),
    }
}

fn open(body: &[u8]) -> std::result::Result<Verified<Issued>, Error> {
    let notification = Notification::read(body)?;
    assert!(!notification.id().trim().is_empty());
    credentials::credentials().verify_issued(&notification, keys::ring(), keys::NOW)
}

fn check(error: &Error) {
    use Code::{
        Decrypt, Field, Keys, Malformed, SignatureInvalid, SignatureMissing, SignerExpired, UnknownKey,
    };
    let codes = [
        Malformed,
        Field,
        UnknownKey,
        Decrypt,
        SignatureInvalid,
        SignatureMissing,
        SignerExpired,
        // The edit named a share, and none is fetched.
        Keys,
    ];
    refusal::check(error, &codes);
}
