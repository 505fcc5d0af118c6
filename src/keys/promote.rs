//! Promotion: a parsed key becomes one that the gateway uses, only after one library checked what the other made.

use rsa::pkcs8::EncodePrivateKey;
use sha2::Sha256;

use super::source::LoadError;
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::random;

/// What is signed to try a key; says what it is, should it ever turn up somewhere.
const TEST_MESSAGE: &[u8] = b"mosip-gateway: test signature of a loaded key";

/// Hands `parsed` over to aws-lc-rs and tries it.
pub(super) fn promote(parsed: &rsa::PrivateKey) -> Result<PrivateKey, LoadError> {
    let pkcs8 = parsed.to_pkcs8_der().map_err(|_| LoadError::CrossCheck)?;
    let key =
        PrivateKey::from_pkcs8_der(pkcs8.as_bytes()).map_err(|error| LoadError::BadKey(error.reason()))?;
    cross_check(&key, parsed.as_public_key())?;
    Ok(key)
}

/// A signature made by aws-lc-rs verifies under `rsa`, and a session key wrapped by `rsa` is unwrapped by aws-lc-rs.
fn cross_check(key: &PrivateKey, public: &rsa::PublicKey) -> Result<(), LoadError> {
    let signature =
        key.sign(SignatureAlgorithm::Rs256, &[TEST_MESSAGE]).map_err(|_| LoadError::CrossCheck)?;
    public.pkcs1v15_verify::<Sha256>(TEST_MESSAGE, &signature).map_err(|_| LoadError::CrossCheck)?;

    let session_key: [u8; 32] = random();
    let wrapped = public.oaep_encrypt::<Sha256>(&session_key).map_err(|_| LoadError::CrossCheck)?;
    match key.unwrap(&wrapped) {
        Ok(unwrapped) if *unwrapped.expose() == session_key => Ok(()),
        _ => Err(LoadError::CrossCheck),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::pkcs8::DecodePrivateKey;

    const PARTNER: &str = include_str!("../../tests/vectors/keys/partner.key.pem");
    const STRANGER: &str = include_str!("../../tests/vectors/keys/stranger.key.pem");

    #[test]
    fn good_key_is_promoted() {
        let parsed = rsa::PrivateKey::from_pkcs8_pem(PARTNER).unwrap();
        assert_eq!(promote(&parsed).ok().map(|key| key.modulus_len()), Some(256));
    }

    #[test]
    fn key_whose_signature_the_other_library_refuses_is_not_promoted() {
        let key = promote(&rsa::PrivateKey::from_pkcs8_pem(PARTNER).unwrap()).ok().unwrap();
        let other = rsa::PrivateKey::from_pkcs8_pem(STRANGER).unwrap();
        assert_eq!(cross_check(&key, other.as_public_key()), Err(LoadError::CrossCheck));
    }
}
