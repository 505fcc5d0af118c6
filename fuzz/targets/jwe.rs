//! `crypto::jwe` with one fixed key, and its cap on what is inflated.

#![no_main]

use std::io::Read as _;
use std::sync::LazyLock;

use flate2::bufread::DeflateDecoder;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::aead::{self, Nonce, TAG_LEN};
use mosip_gateway::crypto::base64;
use mosip_gateway::crypto::jwe::{self, Jwe};
use mosip_gateway::crypto::secret::SessionKey;
use mosip_gateway_fuzz::{edit, keys, known};

/// Small, so that the fuzzer reaches it.
const CAP: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 4 {
        0 => arbitrary_text(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        2 => hostile_deflate(rest),
        _ => drop(there_and_back(&mut Unstructured::new(rest))),
    }
});

/// It opens only if it is a known token.
fn arbitrary_text(input: &[u8]) {
    let Ok(token) = std::str::from_utf8(input) else { return };
    if open(token, CAP).is_some() {
        assert!(known::jwes().iter().any(|known| known.text == token));
    }
}

/// Every character of a token counts.
fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let original = input.choose(known::jwes())?;
    if let Some(token) = edit::edited_text(&original.text, input)? {
        assert_eq!(open(&token, CAP).is_some(), token == original.text);
    }
    Ok(())
}

/// Whatever a sender deflated, or did not: what comes out is what it inflates to, all of it, and never beyond the cap.
fn hostile_deflate(deflated: &[u8]) {
    let mut decoder = DeflateDecoder::new(deflated);
    let mut inflated = Vec::new();
    let whole = decoder.by_ref().take(CAP as u64 + 1).read_to_end(&mut inflated).is_ok()
        && inflated.len() <= CAP
        && decoder.into_inner().is_empty();
    assert_eq!(open(&sealed(deflated), CAP), whole.then_some(inflated));
}

/// What we seal opens where it fits under the cap.
fn there_and_back(input: &mut Unstructured<'_>) -> Result<()> {
    let deflate = input.arbitrary()?;
    let cap = usize::from(input.arbitrary::<u16>()?);
    let repeat = usize::from(input.int_in_range(1..=16_u8)?);
    let plaintext = input.bytes(input.len())?.repeat(repeat);
    let token = jwe::encrypt(keys::our_key().public_key(), Some("kid"), &plaintext, deflate).unwrap();
    let fits = plaintext.len() <= cap;
    assert_eq!(open(&token, cap), fits.then_some(plaintext));
    Ok(())
}

fn open(token: &str, cap: usize) -> Option<Vec<u8>> {
    let opened = Jwe::parse(token).ok()?.decrypt(keys::our_key(), cap).ok()?;
    assert!(opened.len() <= cap);
    Some(opened.to_vec())
}

/// A token with `zip=DEF` over bytes that need not be deflated.
fn sealed(deflated: &[u8]) -> String {
    static KEY: LazyLock<(SessionKey, String)> = LazyLock::new(|| {
        let key = SessionKey::from_bytes(&[7; 32]).unwrap();
        let wrapped = base64::encode_url(&keys::our_key().public_key().wrap(&key).unwrap());
        (key, wrapped)
    });
    let (key, wrapped) = &*KEY;
    let header = base64::encode_url(br#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#);
    let nonce = [0; 12];
    let mut body = deflated.to_vec();
    aead::seal_tail(key, Nonce::Twelve(&nonce), header.as_bytes(), &mut body, 0).unwrap();
    let (ciphertext, tag) = body.split_at(body.len() - TAG_LEN);
    let [nonce, ciphertext, tag] = [&nonce, ciphertext, tag].map(base64::encode_url);
    format!("{header}.{wrapped}.{nonce}.{ciphertext}.{tag}")
}
