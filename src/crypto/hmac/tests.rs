use super::*;

/// RFC 2202 (SHA-1) and RFC 4231 (the others), test case 2.
const KNOWN: [(HmacAlgorithm, &str, &str); 4] = [
    (HmacAlgorithm::Sha1, "sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (HmacAlgorithm::Sha256, "sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
        HmacAlgorithm::Sha384,
        "sha384",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    ),
    (
        HmacAlgorithm::Sha512,
        "sha512",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
];
const KEY: &[u8] = b"Jefe";
const BODY: &[u8] = b"what do ya want for nothing?";

#[test]
fn known_answers_in_one_piece_and_in_several() {
    for (alg, _, expected) in KNOWN {
        let (head, tail) = BODY.split_at(7);
        assert_eq!(HEXLOWER.encode(&tag(alg, KEY, &[BODY])), expected);
        assert_eq!(HEXLOWER.encode(&tag(alg, KEY, &[head, b"", tail])), expected);
        verify(alg, KEY, &[head, tail], &tag(alg, KEY, &[BODY])).unwrap();
    }
}

#[test]
fn wrong_key_body_or_tag_is_refused() {
    for (alg, _, _) in KNOWN {
        let good = tag(alg, KEY, &[BODY]);
        let mut flipped = good.clone();
        flipped[3] ^= 1;
        assert!(verify(alg, b"jefe", &[BODY], &good).is_err());
        assert!(verify(alg, KEY, &[BODY, b"."], &good).is_err());
        for wrong in [flipped.as_slice(), &good[..good.len() - 1], &[]] {
            assert!(verify(alg, KEY, &[BODY], wrong).is_err());
        }
    }
}

#[test]
fn hub_header_names_its_method_in_any_case() {
    for (_, method, expected) in KNOWN {
        for header in [
            format!("{method}={expected}"),
            format!("{}={expected}", method.to_uppercase()),
            format!("{method}={}", expected.to_uppercase()),
        ] {
            verify_hub_header(KEY, [BODY], &header).unwrap();
        }
    }
}

#[test]
fn hub_header_with_a_defect_is_refused() {
    let (_, _, sha256) = KNOWN[1];
    let short = &sha256[..62];
    for (defect, header) in [
        ("empty", String::new()),
        ("no method", sha256.to_owned()),
        ("empty method", format!("={sha256}")),
        ("unknown method", format!("md5={sha256}")),
        ("other method than was used", format!("sha384={sha256}")),
        ("dash in the method", format!("sha-256={sha256}")),
        ("no tag", "sha256=".to_owned()),
        ("shortened tag", format!("sha256={short}")),
        ("not hex", format!("sha256={short}zz")),
        ("two tags", format!("sha256={sha256},sha256={sha256}")),
    ] {
        let refused = verify_hub_header(KEY, [BODY], &header);
        assert!(matches!(refused, Err(CryptoError::Signature(_))), "{defect}");
    }
}

#[test]
fn a_tag_is_the_same_whatever_pieces_it_is_written_in() {
    let body: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    for (alg, ..) in KNOWN {
        let expected = tag(alg, KEY, &[&body]);
        for piece in [1, 7, 255, 256, 257, 1_000, 3_000] {
            // A few small ones stand before each larger one.
            let pieces: Vec<[&[u8]; 2]> =
                body.chunks(piece + 3).map(|part| part.split_at(part.len().min(3)).into()).collect();
            let written = HmacKey::new(alg, KEY).tag_written(|write| {
                pieces.iter().flatten().for_each(|piece| write(piece));
                Ok::<_, std::convert::Infallible>(())
            });
            assert_eq!(written, Ok(expected.clone()), "{piece}");
        }
    }
}
