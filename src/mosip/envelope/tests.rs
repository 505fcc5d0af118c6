use super::*;

const PARTNER: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.crt.der");
const PARTNER_KEY: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.pkcs8.der");

const NAMED: [u8; THUMBPRINT_LEN] = [5; THUMBPRINT_LEN];

/// What stands before the wrapped key in each layout.
fn heads() -> [(Layout, Vec<u8>); 3] {
    [
        (Layout::VerR2, [VERSION.as_slice(), &NAMED].concat()),
        (Layout::LegacyThumbprint, NAMED.to_vec()),
        (Layout::LegacyPlain, Vec::new()),
    ]
}

/// An envelope of made-up bytes.
fn made(head: &[u8], wrapped: usize, body: usize) -> Vec<u8> {
    [head, &vec![7; wrapped], SPLITTER, &vec![9; body]].concat()
}

fn refusal(envelope: &[u8]) -> CryptoError {
    ParsedEnvelope::parse(envelope).err().unwrap()
}

#[test]
fn each_layout_is_told_by_where_its_splitter_stands() {
    for (layout, head) in heads() {
        for len in USUAL_KEY_LENS {
            let envelope = made(&head, len, 100);
            let splitter = head.len() + len;
            let thumbprint = (!head.is_empty()).then(|| Thumbprint::from_bytes(NAMED));
            let (wrapped, body) = (head.len()..splitter, splitter + 14..envelope.len());
            let parsed = ParsedEnvelope::parse(&envelope).unwrap();
            assert_eq!(parsed, ParsedEnvelope { layout, thumbprint, wrapped, body });
            // VER_R2: 32 of additional data and 16 of the tag; else 16 of the tag and 16 of the IV.
            assert_eq!(parsed.ciphertext_len(), if layout == Layout::VerR2 { 52 } else { 68 });
        }
    }
}

#[test]
fn a_key_of_an_unusual_size_is_found_by_its_splitter_up_to_the_bounds() {
    for (layout, head) in heads().into_iter().take(2) {
        for len in [257, 300, 511] {
            let parsed = ParsedEnvelope::parse(&made(&head, len, 100)).unwrap();
            assert_eq!((parsed.layout, parsed.wrapped.len()), (layout, len));
        }
        for len in [0, 1, 255, 513] {
            let refused = refusal(&made(&head, len, 100));
            assert_eq!(refused.stage(), "the wrapped key has no length of an RSA key", "{layout:?} {len}");
        }
    }
}

#[test]
fn a_splitter_before_its_place_or_none_at_all_is_malformed() {
    let early = [VERSION.as_slice(), SPLITTER, &[9; 600]].concat();
    assert_eq!(refusal(&early).stage(), "the wrapped key has no length of an RSA key");
    for none in [&b""[..], b"VER_R2", &[7; 600], b"#KEY_SPLITTER"] {
        assert_eq!(refusal(none).stage(), "no #KEY_SPLITTER# where an envelope has it");
    }
}

#[test]
fn an_envelope_of_an_empty_plaintext_is_one_and_a_shorter_one_is_cut() {
    for (layout, head) in heads() {
        let least = if layout == Layout::VerR2 { 48 } else { 32 };
        assert_eq!(ParsedEnvelope::parse(&made(&head, 256, least)).unwrap().ciphertext_len(), 0);
        let cut = refusal(&made(&head, 256, least - 1));
        assert_eq!(cut.stage(), "the envelope ends before its tag", "{layout:?}");
    }
}

#[test]
fn the_bytes_of_a_splitter_elsewhere_do_no_harm() {
    let mut named = NAMED;
    named[3..17].copy_from_slice(SPLITTER);
    for head in [[VERSION.as_slice(), &named].concat(), named.to_vec()] {
        let mut envelope = made(&head, 256, 100);
        let key = head.len() + 40;
        envelope[key..key + 14].copy_from_slice(SPLITTER);
        let ciphertext = envelope.len() - 60;
        envelope[ciphertext..ciphertext + 14].copy_from_slice(SPLITTER);
        let parsed = ParsedEnvelope::parse(&envelope).unwrap();
        assert_eq!((parsed.wrapped, parsed.body.len()), (head.len()..head.len() + 256, 100));
        assert_eq!(parsed.thumbprint, Some(Thumbprint::from_bytes(named)));
    }
}

/// What `envelope` holds for the partner.
fn opened(mut envelope: Vec<u8>, aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let parts = ParsedEnvelope::parse(&envelope)?;
    let session =
        PrivateKey::from_pkcs8_der(PARTNER_KEY).unwrap().unwrap(&envelope[parts.wrapped.clone()])?;
    let range = open_body(&session, &parts, &mut envelope, aad)?;
    Ok(envelope[range].to_vec())
}

#[test]
fn what_is_sealed_has_the_parts_of_its_layout_and_opens_to_the_byte() {
    let to = Certificate::from_der(PARTNER).unwrap();
    for (format, layout, overhead) in
        [(Format::VerR2, Layout::VerR2, 356), (Format::Legacy, Layout::LegacyThumbprint, 334)]
    {
        for plaintext in [&b""[..], b"{}", &[3; 5000]] {
            let envelope = seal(&to, plaintext, format).unwrap();
            assert_eq!(envelope.len(), plaintext.len() + overhead);
            let parsed = ParsedEnvelope::parse(&envelope).unwrap();
            assert_eq!((parsed.layout, parsed.thumbprint), (layout, Some(to.thumbprint())));
            assert_eq!(parsed.ciphertext_len(), plaintext.len());
            assert_eq!(opened(envelope, &[]).unwrap(), plaintext);
        }
    }
}

#[test]
fn a_changed_byte_of_the_body_or_other_additional_data_is_refused() {
    let to = Certificate::from_der(PARTNER).unwrap();
    for format in [Format::VerR2, Format::Legacy] {
        let envelope = seal(&to, b"plaintext", format).unwrap();
        let body = ParsedEnvelope::parse(&envelope).unwrap().body;
        for at in body {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            assert!(matches!(opened(changed, &[]), Err(CryptoError::Decrypt(_))), "{format:?} {at}");
        }
        // VER_R2 brings its own, which the caller's do not replace.
        assert_eq!(opened(envelope, b"other").is_ok(), format == Format::VerR2, "{format:?}");
    }
}

#[test]
fn the_signature_is_over_what_was_asked_for_and_in_the_alphabet_of_the_message() {
    let to = Certificate::from_der(PARTNER).unwrap();
    let key = PrivateKey::from_pkcs8_der(PARTNER_KEY).unwrap();
    for flavour in [Flavour::Standard, Flavour::Url] {
        for over in [SignOver::Envelope, SignOver::Plaintext, SignOver::None] {
            let options = SealOptions { sign: over, base64: flavour, ..SealOptions::default() };
            let sealed = seal_message(&to, Some(&key), b"plaintext", options).unwrap();
            assert_eq!(sealed.thumbprint, to.thumbprint().to_string());
            let envelope = base64::decode(sealed.data.as_bytes()).unwrap();
            assert_eq!(sealed.data, flavour.encode(&envelope));
            let covered = match over {
                SignOver::Envelope => envelope,
                SignOver::Plaintext => b"plaintext".to_vec(),
                SignOver::None => {
                    assert_eq!(sealed.signature, None);
                    continue;
                }
            };
            let text = sealed.signature.unwrap();
            let signature = base64::decode(text.as_bytes()).unwrap();
            assert_eq!(text, flavour.encode(&signature));
            key.public_key().verify(SignatureAlgorithm::Rs512, &[&covered], &signature).unwrap();
        }
    }
}
