//! Promotion: a parsed key becomes one that the gateway uses, only after one library checked what the other made.

use p256::ecdsa::signature::Verifier as _;
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

/// Tries a key on P-256: a signature that it makes verifies with the crate `p256` under its public half. `None`: it does not.
pub(super) fn promote_ec(key: ec::PrivateKey) -> Option<ec::PrivateKey> {
    let public = other_library(key.public_key())?;
    let signature = key.sign(TEST_MESSAGE).ok()?;
    let signature = p256::ecdsa::Signature::from_slice(&signature).ok()?;
    public.verify(TEST_MESSAGE, &signature).is_ok().then_some(key)
}

/// `public` as the crate `p256` reads it, which looks whether it is on the curve.
fn other_library(public: &ec::PublicKey) -> Option<p256::ecdsa::VerifyingKey> {
    let (x, y) = public.coordinates();
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&[&[4], x, y].concat()).ok()
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

    #[test]
    fn key_on_p256_is_promoted_and_a_point_beside_the_curve_is_none() {
        let key = ec::PrivateKey::generate().unwrap();
        let (x, _) = key.public_key().coordinates();
        let beside = ec::PublicKey::from_coordinates(x, x).unwrap();
        assert!(other_library(&beside).is_none());
        assert!(promote_ec(key).is_some());
    }

    #[test]
    fn what_the_other_library_signs_with_a_key_on_p256_verifies_and_the_reverse() {
        use p256::ecdsa::signature::Signer as _;
        let theirs = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = theirs.verifying_key().to_sec1_point(false);
        let ours = ec::PublicKey::from_coordinates(point.x().unwrap(), point.y().unwrap()).unwrap();
        let signature: p256::ecdsa::Signature = theirs.sign(TEST_MESSAGE);
        ours.verify(TEST_MESSAGE, &signature.to_bytes()).unwrap();
        let (x, y) = ours.coordinates();
        let private = ec::PrivateKey::from_numbers(&theirs.to_bytes(), x, y).unwrap();
        let signature = private.sign(TEST_MESSAGE).unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
        theirs.verifying_key().verify(TEST_MESSAGE, &signature).unwrap();
        assert!(theirs.verifying_key().verify(b"another message", &signature).is_err());
    }
}
