use super::*;

#[test]
fn vectors_of_rfc_4648() {
    for (bytes, standard, url) in [
        ("", "", ""),
        ("f", "Zg==", "Zg"),
        ("fo", "Zm8=", "Zm8"),
        ("foo", "Zm9v", "Zm9v"),
        ("foob", "Zm9vYg==", "Zm9vYg"),
        ("fooba", "Zm9vYmE=", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
    ] {
        assert_eq!(encode(bytes.as_bytes()), standard);
        assert_eq!(encode_url(bytes.as_bytes()), url);
        assert_eq!(decode(standard.as_bytes()).unwrap(), bytes.as_bytes());
        assert_eq!(decode(url.as_bytes()).unwrap(), bytes.as_bytes());
    }
}

#[test]
fn either_alphabet_padded_or_not_is_read() {
    for text in ["-_-_-w==", "-_-_-w", "+/+/+w==", "+/+/+w"] {
        assert_eq!(decode(text.as_bytes()).unwrap(), [0xfb, 0xff, 0xbf, 0xfb], "{text}");
    }
}

/// Each defect at the end of a short text and of one long enough for SIMD.
#[test]
fn what_is_not_base64_is_refused() {
    for (defect, tail) in [
        ("mixed alphabets", "+/-_"),
        ("trailing bits", "Zh=="),
        ("trailing bits, unpadded", "Zh"),
        ("over-padding", "Zm9v===="),
        ("padding of a full group", "Zm9v="),
        ("half a padding", "Zg="),
        ("padding inside", "Zg==Zm9v"),
        ("one character too many", "Zm9vA"),
        ("foreign character", "Zm9*"),
        ("not ASCII", "Zm9ü"),
    ] {
        for lead in [0, 4 * SIMD_FROM] {
            let text = "A".repeat(lead) + tail;
            assert_eq!(decode(text.as_bytes()), Err(NOT_BASE64), "{defect}, after {lead} characters");
            assert_eq!(
                decode_url_strict(text.as_bytes()),
                Err(NOT_BASE64URL),
                "{defect}, after {lead} characters"
            );
        }
    }
}

#[test]
fn strict_url_form_refuses_padding_and_the_standard_alphabet() {
    for tail in ["Zg==", "Zm8=", "+/+/"] {
        for lead in [0, 4 * SIMD_FROM] {
            let text = "A".repeat(lead) + tail;
            assert!(decode(text.as_bytes()).is_ok());
            assert_eq!(
                decode_url_strict(text.as_bytes()),
                Err(NOT_BASE64URL),
                "{tail}, after {lead} characters"
            );
        }
    }
}

#[test]
fn chunks_appended_form_and_length_agree_with_the_whole() {
    for len in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 2] {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        let whole = encode_url(&bytes);

        let mut chunks = Vec::new();
        encode_url_chunks(&bytes, |chunk| chunks.extend_from_slice(chunk));
        assert_eq!(chunks, whole.as_bytes(), "{len} bytes");

        let mut appended = String::from(">");
        encode_url_append(&bytes, &mut appended);
        assert_eq!(appended, format!(">{whole}"));
        assert_eq!(encoded_url_len(len), whole.len());
    }
}

#[test]
fn checking_agrees_with_decoding() {
    let long = "A".repeat(4 * SIMD_FROM);
    for head in ["", &long] {
        for tail in [
            "", "AA", "AA==", "AAA", "AAA=", "AAAA", "A", "AB", "+/+/", "-_-_", "+_", "AA=", "AA A", "AA\n",
            "=", "é",
        ] {
            let text = format!("{head}{tail}");
            assert_eq!(check(text.as_bytes()).is_ok(), decode(text.as_bytes()).is_ok(), "{tail}");
        }
    }
}

#[test]
fn line_breaks_are_named_as_the_cause() {
    for text in ["Zm9v\n", "Zm\r\n9v", "Zm 9v"] {
        for lead in [0, 4 * SIMD_FROM] {
            let text = "A".repeat(lead) + text;
            for refused in [
                decode(text.as_bytes()),
                decode_url_strict(text.as_bytes()),
                check(text.as_bytes()).map(|()| vec![]),
            ] {
                assert!(
                    matches!(refused, Err(CryptoError::Malformed(what)) if what.contains("line breaks")),
                    "{text:?}"
                );
            }
        }
    }
}
