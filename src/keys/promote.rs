//! Promotion: a parsed key becomes one that the gateway uses, only after one library checked what the other made.

use sha2::Sha256;

use super::source::LoadError;
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::random;
use crate::crypto::{CryptoError, ec};

/// What is signed to try a key; says what it is, should it ever turn up somewhere.
const TEST_MESSAGE: &[u8] = b"mosip-gateway: test signature of a loaded key";

/// Tries `key`, wherever it is kept: a signature that it makes verifies with the crate `rsa` under `public`, and a session key that
/// `rsa` wraps to `public` is unwrapped by `key`.
pub(super) fn promote(key: PrivateKey, public: &rsa::PublicKey) -> Result<PrivateKey, LoadError> {
    let refusal = |error| match error {
        CryptoError::Unavailable(what) => LoadError::Unavailable(what),
        _ => LoadError::CrossCheck,
    };
    let signature = key.sign(SignatureAlgorithm::Rs256, &[TEST_MESSAGE]).map_err(refusal)?;
    public.pkcs1v15_verify::<Sha256>(TEST_MESSAGE, &signature).map_err(|_| LoadError::CrossCheck)?;

    let session_key: [u8; 32] = random();
    let wrapped = public.oaep_encrypt::<Sha256>(&session_key).map_err(|_| LoadError::CrossCheck)?;
    let unwrapped = key.unwrap(&wrapped).map_err(refusal)?;
    if *unwrapped.expose() == session_key { Ok(key) } else { Err(LoadError::CrossCheck) }
}

/// Tries a key on P-256: a signature that it makes verifies under its public half. `None`: it does not.
pub(super) fn promote_ec(key: ec::PrivateKey) -> Option<ec::PrivateKey> {
    let signature = key.sign(TEST_MESSAGE).ok()?;
    key.public_key().verify(TEST_MESSAGE, &signature).is_ok().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::Keeper;
    use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};

    fn parsed(pem: &str) -> rsa::PrivateKey {
        rsa::PrivateKey::from_pkcs8_pem(pem).unwrap()
    }

    fn partner() -> PrivateKey {
        let pkcs8 = parsed(PARTNER).to_pkcs8_der().unwrap();
        PrivateKey::from_pkcs8_der(pkcs8.as_bytes()).unwrap()
    }

    const PARTNER: &str = include_str!("../../tests/vectors/keys/partner.key.pem");
    const STRANGER: &str = include_str!("../../tests/vectors/keys/stranger.key.pem");

    #[test]
    fn good_key_is_promoted() {
        let promoted = promote(partner(), parsed(PARTNER).as_public_key());
        assert_eq!(promoted.ok().map(|key| key.modulus_len()), Some(256));
    }

    #[test]
    fn key_whose_signature_the_other_library_refuses_is_not_promoted() {
        let promoted = promote(partner(), parsed(STRANGER).as_public_key());
        assert_eq!(promoted.err(), Some(LoadError::CrossCheck));
    }

    #[test]
    fn key_that_is_unavailable_did_not_fail_its_test() {
        let keeper = Keeper::away("token `mosip`");
        let promoted = promote(partner().kept_by(&keeper), parsed(PARTNER).as_public_key());
        assert_eq!(promoted.err(), Some(LoadError::Unavailable("token `mosip`".to_owned())));
    }
}
