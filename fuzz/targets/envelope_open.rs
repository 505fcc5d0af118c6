//! `mosip::envelope`, all layouts: arbitrary bytes, edits of known envelopes, and the way there and back.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::base64;
use mosip_gateway::mosip::Evidence;
use mosip_gateway::mosip::envelope::{
    self, Flavour, Format, Layout, ParsedEnvelope, Policy, SealOptions, Sealed, SignOver,
};
use mosip_gateway_fuzz::{edit, keys, known};

const UNSIGNED_TOO: Policy = Policy { danger_accept_unsigned: true };

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 4 {
        0 => arbitrary_bytes(rest),
        1 => drop(edited_unsigned(&mut Unstructured::new(rest))),
        2 => drop(edited_signed(&mut Unstructured::new(rest))),
        _ => there_and_back(mode / 4, rest),
    }
});

/// Whatever opens is a known plaintext.
fn arbitrary_bytes(bytes: &[u8]) {
    let data = base64::encode(bytes);
    let message = Sealed { data: &data, signature: None, aad: &[], over: None };
    if let Ok(opened) = envelope::open(keys::ring(), keys::peer("mosip"), message, UNSIGNED_TOO) {
        assert!(known::is_plaintext(opened.get()));
    }
}

/// Without a signature an edited envelope opens to the original plaintext (its thumbprint may be any), or not at all.
fn edited_unsigned(input: &mut Unstructured<'_>) -> Result<()> {
    let original = input.choose(known::envelopes())?;
    let bytes = edit::edited(&original.bytes, input)?;
    let same_aad = input.arbitrary()?;
    let aad: &[u8] = if same_aad { &original.aad } else { input.bytes(input.len())? };
    let data = base64::encode_url(&bytes);
    let message = Sealed { data: &data, signature: None, aad, over: None };
    match envelope::open(keys::ring(), keys::peer("mosip"), message, UNSIGNED_TOO) {
        Ok(opened) => {
            assert_eq!(&**opened.get(), original.plaintext);
            assert_eq!(opened.evidence(), Evidence::DangerUnsigned);
            let bound = ParsedEnvelope::parse(&bytes).is_ok_and(|parts| parts.layout != Layout::VerR2);
            assert!(!bound || aad == original.aad);
        }
        Err(_) => assert!(bytes != original.bytes || aad != original.aad),
    }
    Ok(())
}

/// With a signature over the envelope an edited one never opens; with one over the plaintext, to the original plaintext only; with an
/// edited signature never.
fn edited_signed(input: &mut Unstructured<'_>) -> Result<()> {
    let over_envelope = input.arbitrary()?;
    let original = input.choose(known::envelopes())?;
    let good = if over_envelope { &original.over_envelope } else { &original.over_plaintext };
    let (bytes, signature) = if input.arbitrary()? {
        (original.bytes.clone(), edit::edited(good, input)?)
    } else {
        (edit::edited(&original.bytes, input)?, good.clone())
    };
    let (data, encoded) = (base64::encode(&bytes), base64::encode(&signature));
    let message = Sealed { data: &data, signature: Some(&encoded), aad: &original.aad, over: None };
    match envelope::open(keys::ring(), keys::peer("mosip"), message, Policy::default()) {
        Ok(opened) => {
            assert_eq!(&**opened.get(), original.plaintext);
            assert!(signature == *good && (!over_envelope || bytes == original.bytes));
        }
        Err(_) => assert!(signature != *good || bytes != original.bytes),
    }
    Ok(())
}

/// What we seal and sign opens, in every form.
fn there_and_back(form: u8, plaintext: &[u8]) {
    let options = SealOptions {
        format: if form & 1 == 0 { Format::VerR2 } else { Format::Legacy },
        sign: if form & 2 == 0 { SignOver::Envelope } else { SignOver::Plaintext },
        base64: if form & 4 == 0 { Flavour::Standard } else { Flavour::Url },
    };
    let sealed =
        envelope::seal_message(keys::our_certificate(), Some(keys::mosip_key()), plaintext, options).unwrap();
    let message = Sealed { data: &sealed.data, signature: sealed.signature.as_deref(), aad: &[], over: None };
    let opened = envelope::open(keys::ring(), keys::peer("strict"), message, Policy::default()).unwrap();
    assert_eq!(&**opened.get(), plaintext);
    assert_eq!(opened.key(), Some(keys::our_certificate().thumbprint()));
}
