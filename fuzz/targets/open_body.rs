//! The body of `POST /v1/open`: read as the route reads it, then opened.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::base64;
use mosip_gateway::error::{Code, Error};
use mosip_gateway::json::{self, Object};
use mosip_gateway::mosip::Evidence;
use mosip_gateway::mosip::envelope::Policy;
use mosip_gateway::mosip::primitives::Open;
use mosip_gateway_fuzz::{edit, keys, known};
use serde_json::{Value, json};

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    let policy = Policy { danger_accept_unsigned: mode & 1 != 0 };
    if mode & 2 == 0 {
        open(rest, policy);
    } else if let Ok(body) = assembled(&mut Unstructured::new(rest)) {
        open(body.as_bytes(), policy);
    }
});

/// Whatever comes out was put in by one who knew how; what is refused in opening is refused in the same words.
fn open(body: &[u8], policy: Policy) {
    let request = json::read::<Object<Open<'_>>>(body).map(|Object(request)| request);
    assert!(request.is_err() || body.trim_ascii_start().starts_with(b"{"));
    match request.and_then(|request| request.open(keys::ring(), policy)) {
        Ok(opened) => {
            assert!(known::is_plaintext(opened.get()));
            match opened.evidence() {
                Evidence::DangerUnsigned => assert!(policy.danger_accept_unsigned),
                Evidence::Envelope | Evidence::Plaintext => assert!(is_signed(body)),
                Evidence::DangerPlainKeys => panic!("only a login comes under keys of plain http"),
                Evidence::DangerHubAlone => panic!("only a credential comes under the hub alone"),
            }
        }
        Err(error) => check(&error),
    }
}

/// Whether `body` holds a signature that its peer made: beside an envelope, or inside a JWE, which nobody can alter.
fn is_signed(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap();
    let signature = body["signature"].as_str().and_then(|text| base64::decode(text.as_bytes()).ok());
    let is_jwe = known::jwes().iter().any(|known| body["data"] == known.text);
    is_jwe || signature.is_some_and(|signature| known::is_signature(&signature))
}

fn check(error: &Error) {
    assert!(!error.detail().is_empty() && !error.advice().is_empty());
    match error.code() {
        Code::Decrypt => {
            assert_eq!((error.detail(), error.pointer()), ("the message does not open", None));
            assert!(error.upstream().is_none());
        }
        Code::Malformed
        | Code::Field
        | Code::UnknownKey
        | Code::SignatureInvalid
        | Code::SignatureMissing => {}
        // A peer that is not configured.
        Code::Keys => {}
        other => panic!("{} is no answer to a body", other.as_str()),
    }
}

/// A known message, edited, with the members that the input says.
fn assembled(input: &mut Unstructured<'_>) -> Result<String> {
    let mut body = json!({});
    if input.arbitrary()? {
        let original = input.choose(known::envelopes())?;
        let signature = [&original.over_envelope, &original.over_plaintext];
        body["aad"] = base64::encode(&original.aad).into();
        if input.arbitrary()? {
            body["signature"] = base64::encode(input.choose(&signature)?).into();
        }
        body["from"] = (*input.choose(&["mosip", "strict", "issuer"])?).into();
        body["data"] = base64::encode(&edit::edited(&original.bytes, input)?).into();
    } else {
        let original = input.choose(known::jwes())?;
        body["from"] = (*input.choose(&["issuer", "mosip"])?).into();
        body["data"] = edit::edited_text(&original.text, input)?.unwrap_or_default().into();
    }
    Ok(body.to_string())
}
