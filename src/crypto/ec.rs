//! ECDSA over P-256 with SHA-256: `ES256` (RFC 7518 3.4), whose signature is the two numbers of 32 bytes each.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};

use super::CryptoError;
use super::counts::Operation;

/// Bytes of a coordinate.
const COORDINATE: usize = 32;

/// A private key on P-256. It signs and does nothing else. No `Debug`, no `Clone`.
///
/// ```compile_fail
/// fn print(key: &mosip_gateway::crypto::ec::PrivateKey) {
///     println!("{key:?}");
/// }
/// ```
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl PrivateKey {
    /// A fresh key, which is kept nowhere.
    pub fn generate() -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::of(pair.map_err(|_| CryptoError::Key("no key can be made"))?)
    }

    /// From PKCS#8 or SEC1 DER (RFC 5915).
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        Self::of(pair.map_err(|_| NOT_P256)?)
    }

    /// From the big-endian numbers of a JSON Web Key (RFC 7518 6.2), which have to fit together.
    pub fn from_numbers(d: &[u8], x: &[u8], y: &[u8]) -> Result<Self, CryptoError> {
        let public = PublicKey::from_coordinates(x, y)?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, d, &public.point);
        Self::of(pair.map_err(|_| NOT_P256)?)
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let point = pair.public_key().as_ref().try_into().map_err(|_| NOT_P256)?;
        Ok(Self { pair, public: PublicKey { point } })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`. The signature has 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = Operation::Sign.count(self.pair.sign(&SystemRandom::new(), message));
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| CryptoError::Key("this key does not sign"))
    }
}

/// A public key on P-256.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Uncompressed: 4, then the two coordinates (SEC 1, 2.3.3).
    point: [u8; 1 + 2 * COORDINATE],
}

impl PublicKey {
    /// From its coordinates, big-endian, of 32 bytes each. Whether they are on the curve shows when a signature is checked.
    pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Self, CryptoError> {
        let point = [&[4], x, y].concat();
        match (x.len(), y.len(), point.try_into()) {
            (COORDINATE, COORDINATE, Ok(point)) => Ok(Self { point }),
            _ => Err(CryptoError::Key("a coordinate is not 32 bytes long")),
        }
    }

    /// Its coordinates.
    pub fn coordinates(&self) -> (&[u8], &[u8]) {
        let [_, coordinates @ ..] = &self.point;
        coordinates.split_at(COORDINATE)
    }

    /// Verifies a signature of 64 bytes over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point);
        Operation::Verify
            .count(key.verify(message, signature))
            .map_err(|_| CryptoError::Signature("it does not fit key and content"))
    }
}

const NOT_P256: CryptoError = CryptoError::Key("not a private key on the curve P-256");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::base64;

    const PEM: &[u8] = include_bytes!("../../tests/vectors/keys/ec.key.pem");

    fn from_pem() -> PrivateKey {
        PrivateKey::from_der(&x509_parser::pem::parse_x509_pem(PEM).unwrap().1.contents).unwrap()
    }

    fn numbers() -> [Vec<u8>; 3] {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/esignet.json")).unwrap();
        ["d", "x", "y"].map(|name| {
            base64::decode_url_strict(file["client_jwk"][name].as_str().unwrap().as_bytes()).unwrap()
        })
    }

    #[test]
    fn a_signature_verifies_under_its_key_alone() {
        let [d, x, y] = numbers();
        let (one, other) = (from_pem(), PrivateKey::from_numbers(&d, &x, &y).unwrap());
        let signature = one.sign(b"message").unwrap();
        assert_eq!(signature.len(), 64);
        one.public_key().verify(b"message", &signature).unwrap();
        assert!(one.public_key().verify(b"massage", &signature).is_err());
        assert!(other.public_key().verify(b"message", &signature).is_err());
        assert!(one.public_key().verify(b"message", &signature[..63]).is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        let [d, x, y] = numbers();
        assert_eq!(PrivateKey::from_numbers(&d, &x, &y).unwrap().public_key().coordinates(), (&*x, &*y));
        let theirs = from_pem();
        let (theirs_x, theirs_y) = theirs.public_key().coordinates();
        let (theirs_x, theirs_y) = (theirs_x.to_vec(), theirs_y.to_vec());
        for (d, x, y) in [
            (&d, &theirs_x, &theirs_y),
            (&d, &y, &x),
            (&vec![0; 32], &x, &y),
            (&vec![], &x, &y),
            (&d, &x[1..].to_vec(), &y),
            (&d, &x, &[&[0], &y[..]].concat()),
        ] {
            assert!(PrivateKey::from_numbers(d, x, y).is_err());
        }
    }

    #[test]
    fn what_is_no_key_on_this_curve_is_refused() {
        assert!(PrivateKey::from_der(b"").is_err());
        assert!(PrivateKey::from_der(include_bytes!("../../tests/vectors/keys/partner.pkcs8.der")).is_err());
    }
}
