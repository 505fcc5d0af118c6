//! `crypto::jws` under one fixed key: compact, detached, `b64:false`.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::jws::{self, Jws, Protected};
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway_fuzz::known::{self, Token};
use mosip_gateway_fuzz::{edit, keys};

/// What `issuer` ever signed. PKCS#1 v1.5 only, where we sign, so that it is the same in every run.
static SIGNED: LazyLock<Vec<Token>> = LazyLock::new(|| {
    let payload = br#"{"response":{"status":true}}"#;
    let unencoded = Protected { alg: SignatureAlgorithm::Rs512, x5c: &[], kid: Some("k"), b64: false };
    let detached = Protected { alg: SignatureAlgorithm::Rs384, x5c: &[], kid: None, b64: true };
    let ours = [unencoded, detached].map(|protected| Token {
        text: jws::sign_detached(keys::issuer_key(), protected, payload).unwrap(),
        detached: Some(payload.to_vec()),
        payload: payload.to_vec(),
    });
    let theirs = known::jwss().iter().map(|token| Token {
        text: token.text.clone(),
        detached: token.detached.clone(),
        payload: token.payload.clone(),
    });
    theirs.chain(ours).collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 3 {
        0 => arbitrary_text(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        _ => there_and_back(mode / 3, rest),
    }
});

/// A token, or a detached one, a line feed, and its payload. It verifies only if `issuer` signed it.
fn arbitrary_text(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let token = lines.next().and_then(|token| std::str::from_utf8(token).ok());
    let detached = lines.next();
    if let Some(payload) = token.and_then(|token| verify(token, detached)) {
        let signed = |known: &Token| {
            Some(known.text.as_str()) == token
                && known.detached.as_deref() == detached
                && known.payload == payload
        };
        assert!(SIGNED.iter().any(signed));
    }
}

/// An edited token, or one with an edited payload, never verifies.
fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let original = input.choose(&SIGNED)?;
    let (token, detached) = match &original.detached {
        Some(payload) if input.arbitrary()? => {
            (Some(original.text.clone()), Some(edit::edited(payload, input)?))
        }
        detached => (edit::edited_text(&original.text, input)?, detached.clone()),
    };
    let Some(token) = token else { return Ok(()) };
    let untouched = token == original.text && detached == original.detached;
    let verified = verify(&token, detached.as_deref());
    assert_eq!(verified, untouched.then(|| original.payload.clone()));
    Ok(())
}

/// What we sign verifies: in its own form, under its own algorithm, and over nothing else.
fn there_and_back(form: u8, payload: &[u8]) {
    let alg = SignatureAlgorithm::ALL[usize::from(form % 4)];
    let certificate = keys::our_certificate().der();
    let detached = form & 4 != 0;
    let protected = Protected {
        alg,
        x5c: if form & 8 == 0 { &[] } else { &[certificate] },
        kid: (form & 16 != 0).then_some("a \"key\""),
        b64: !(detached && form & 32 != 0),
    };
    let sign = if detached { jws::sign_detached } else { jws::sign };
    let token = sign(keys::issuer_key(), protected, payload).unwrap();
    let parsed = Jws::parse(&token).unwrap();
    assert_eq!(parsed.x5c_first(), protected.x5c.first().copied());
    assert_eq!(parsed.kid(), protected.kid);

    // The compact form of an empty payload looks detached.
    let elsewhere = (detached || payload.is_empty()).then_some(payload);
    assert_eq!(verify(&token, elsewhere).as_deref(), Some(payload));
    second_opinion(&token, protected, payload);
    let others: Vec<_> = SignatureAlgorithm::ALL.into_iter().filter(|other| *other != alg).collect();
    assert!(parsed.verify(keys::issuer_public(), &others, elsewhere).is_err());
    if let Some(payload) = elsewhere {
        assert_eq!(verify(&token, Some(&[payload, b"."].concat())), None);
    }
}

/// The signing input of RFC 7515 5.1 and RFC 7797 3, put together by hand.
fn second_opinion(token: &str, protected: Protected<'_>, payload: &[u8]) {
    let segments: Vec<&str> = token.split('.').collect();
    let [header, _, signature] = segments[..] else { panic!("{token}") };
    let encoded = URL_SAFE_NO_PAD.encode(payload);
    let written = if protected.b64 { encoded.as_bytes() } else { payload };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    keys::issuer_public().verify(protected.alg, &[header.as_bytes(), b".", written], &signature).unwrap();
}

fn verify(token: &str, detached: Option<&[u8]>) -> Option<Vec<u8>> {
    let jws = Jws::parse(token).ok()?;
    let payload = jws.verify(keys::issuer_public(), &SignatureAlgorithm::ALL, detached).ok()?;
    Some(payload.bytes.into_owned())
}
