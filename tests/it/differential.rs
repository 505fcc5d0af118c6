//! The product path on aws-lc-rs against a second implementation, the `rsa` and `base64` crates, and properties that
//! hold for every input.
use std::sync::LazyLock;

use ::base64::Engine as _;
use ::base64::alphabet;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mosip_gateway::crypto::aead::{self, Nonce};
use mosip_gateway::crypto::base64;
use mosip_gateway::crypto::jwe::{self, Jwe};
use mosip_gateway::crypto::jws::{self, Jws, Protected};
use mosip_gateway::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use mosip_gateway::crypto::secret::{SessionKey, random};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rsa::pkcs8::DecodePrivateKey as _;
use sha2::{Sha256, Sha384, Sha512};

use crate::support::vectors;

/// One key of each size.
const KEYS: [&str; 3] = ["partner", "partner-3072", "partner-4096"];
const MESSAGE: [&[u8]; 3] = [b"head", b".", b"tail"];

fn both(name: &str) -> (PrivateKey, rsa::PrivateKey) {
    let der = vectors::pem(&format!("keys/{name}.key.pem"));
    (vectors::private_key(name), rsa::PrivateKey::from_pkcs8_der(&der).unwrap())
}

#[test]
fn signatures_of_ours_verify_there() {
    for name in KEYS {
        let (ours, theirs) = both(name);
        let (public, message) = (theirs.to_public_key(), MESSAGE.concat());
        for alg in SignatureAlgorithm::ALL {
            let signature = ours.sign(alg, &MESSAGE).unwrap();
            let verified = match alg {
                SignatureAlgorithm::Rs256 => public.pkcs1v15_verify::<Sha256>(&message, &signature),
                SignatureAlgorithm::Rs384 => public.pkcs1v15_verify::<Sha384>(&message, &signature),
                SignatureAlgorithm::Rs512 => public.pkcs1v15_verify::<Sha512>(&message, &signature),
                SignatureAlgorithm::Ps256 => public.pss_verify::<Sha256>(&message, &signature),
            };
            assert!(verified.is_ok(), "{name} {}", alg.name());
        }
    }
}

#[test]
fn signatures_of_theirs_verify_here() {
    for name in KEYS {
        let (_, theirs) = both(name);
        let (public, message) = (vectors::public_key(name), MESSAGE.concat());
        for alg in SignatureAlgorithm::ALL {
            let signature = match alg {
                SignatureAlgorithm::Rs256 => theirs.pkcs1v15_sign::<Sha256>(&message),
                SignatureAlgorithm::Rs384 => theirs.pkcs1v15_sign::<Sha384>(&message),
                SignatureAlgorithm::Rs512 => theirs.pkcs1v15_sign::<Sha512>(&message),
                SignatureAlgorithm::Ps256 => theirs.pss_sign::<Sha256>(&message),
            };
            let verified = public.verify(alg, &MESSAGE, &signature.unwrap());
            assert_eq!(verified, Ok(()), "{name} {}", alg.name());
        }
    }
}

#[test]
fn session_keys_wrapped_here_unwrap_there() {
    for name in KEYS {
        let (_, theirs) = both(name);
        let bytes: [u8; 32] = random();
        let wrapped = vectors::public_key(name).wrap(&SessionKey::from_bytes(&bytes).unwrap()).unwrap();
        assert_eq!(theirs.oaep_decrypt::<Sha256>(&wrapped).unwrap(), bytes, "{name}");
    }
}

#[test]
fn session_keys_wrapped_there_unwrap_here() {
    for name in KEYS {
        let (ours, theirs) = both(name);
        let bytes: [u8; 32] = random();
        let wrapped = theirs.to_public_key().oaep_encrypt::<Sha256>(&bytes).unwrap();
        let unwrapped = ours.unwrap(&wrapped).unwrap();

        // A session key shows its bytes to nobody, so it has to open what the known bytes sealed.
        let mut buffer = b"plaintext".to_vec();
        let nonce = Nonce::Twelve(&[0; 12]);
        aead::seal_tail(&SessionKey::from_bytes(&bytes).unwrap(), nonce, b"", &mut buffer, 0).unwrap();
        assert_eq!(aead::open_in_place(&unwrapped, nonce, b"", &mut buffer).unwrap(), b"plaintext", "{name}");
    }
}

static PARTNER: LazyLock<PrivateKey> = LazyLock::new(|| vectors::private_key("partner"));

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Bytes of a message: mostly short, now and then beyond the limits where the code changes its way.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..100), 1 => vec(any::<u8>(), 0..10_000)]
}

proptest! {
    #[test]
    fn base64_of_any_form_gives_the_bytes_back(bytes in bytes()) {
        let (standard, url) = (base64::encode(&bytes), base64::encode_url(&bytes));
        for text in [&standard, standard.trim_end_matches('='), &url, &*standard.replace('+', "-").replace('/', "_")] {
            prop_assert_eq!(base64::decode(text.as_bytes()).unwrap(), &*bytes);
        }
        prop_assert_eq!(base64::decode_url_strict(url.as_bytes()).unwrap(), &*bytes);
        prop_assert_eq!(standard, STANDARD.encode(&bytes));
    }

    /// Texts near to base64, so that a good part of them is.
    #[test]
    fn base64_accepts_what_the_second_implementation_accepts(text in "[A-Za-z0-9+/_=-]{0,9}|[A-Za-z0-9]{1100}[A+/_-][A-Za-z0-9]{0,3}={0,3}") {
        let ours = base64::decode(text.as_bytes());
        let theirs = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text));
        // Theirs also takes half of the padding, which we refuse.
        if text.ends_with('=') && text.len() % 4 != 0 {
            prop_assert!(ours.is_err());
        } else {
            prop_assert_eq!(ours.ok(), theirs.ok());
        }
    }

    #[test]
    fn what_is_sealed_opens(plaintext in bytes(), aad in bytes(), lead in 0..50_usize, short in any::<bool>()) {
        let key = SessionKey::generate();
        let (twelve, sixteen) = (random(), random());
        let nonce = if short { Nonce::Twelve(&twelve) } else { Nonce::Sixteen(&sixteen) };
        let mut buffer = [vec![0; lead], plaintext.clone()].concat();
        aead::seal_tail(&key, nonce, &aad, &mut buffer, lead).unwrap();
        prop_assert_eq!(buffer.len(), lead + plaintext.len() + aead::TAG_LEN);
        prop_assert_eq!(&*aead::open_in_place(&key, nonce, &aad, &mut buffer[lead..]).unwrap(), &*plaintext);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "([A-Za-z0-9_{}\":,-]{0,12}\\.?){0,7}|\\PC{0,40}") {
        prop_assert!(Jws::parse(&text).is_err());
        prop_assert!(Jwe::parse(&text).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_verifies(payload in bytes(), alg in select(&SignatureAlgorithm::ALL[..]), kid in proptest::option::of("\\PC{0,20}"), x5c in vec(bytes(), 0..3)) {
        prop_assume!(x5c.iter().all(|der| !der.is_empty()));
        let chain: Vec<&[u8]> = x5c.iter().map(Vec::as_slice).collect();
        for b64 in [true, false] {
            let protected = Protected { alg, x5c: &chain, kid: kid.as_deref(), b64 };
            let token = jws::sign_detached(&PARTNER, protected, &payload).unwrap();
            let jws = Jws::parse(&token).unwrap();
            prop_assert_eq!(jws.kid(), kid.as_deref());
            prop_assert_eq!(jws.x5c_first(), chain.first().copied());
            prop_assert_eq!(&*jws.verify(PARTNER.public_key(), &[alg], Some(&payload)).unwrap().bytes, &*payload);

            let other = [&payload[..], b"."].concat();
            prop_assert!(jws.verify(PARTNER.public_key(), &[alg], Some(&other)).is_err());
        }
        let token = jws::sign(&PARTNER, Protected { alg, x5c: &[], kid: None, b64: true }, &payload).unwrap();
        let detached = payload.is_empty().then_some(&b""[..]);
        let jws = Jws::parse(&token).unwrap();
        prop_assert_eq!(&*jws.verify(PARTNER.public_key(), &[alg], detached).unwrap().bytes, &*payload);
    }

    #[test]
    fn what_is_encrypted_decrypts(plaintext in bytes(), deflate in any::<bool>(), kid in proptest::option::of("\\PC{0,20}")) {
        let token = jwe::encrypt(PARTNER.public_key(), kid.as_deref(), &plaintext, deflate).unwrap();
        let jwe = Jwe::parse(&token).unwrap();
        prop_assert_eq!(jwe.kid(), kid.as_deref());
        prop_assert_eq!(&**jwe.decrypt(&PARTNER, plaintext.len()).unwrap(), &*plaintext);
    }
}
