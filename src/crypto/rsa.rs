//! RSA: OAEP (SHA-256, MGF1-SHA-256, empty label), PKCS#1 v1.5 and PSS signatures (RFC 8017), 2048 to 4096 bits.
use super::CryptoError;
use super::secret::SessionKey;

/// Signature algorithms by their JOSE names (RFC 7518 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (MOSIP's "SHA512withRSA").
    Rs512,
    /// RSASSA-PSS with SHA-256, MGF1-SHA-256, salt 32.
    Ps256,
}

impl SignatureAlgorithm {
    /// `RS256` …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
        }
    }
    /// From the JOSE name; `None` for everything that is not accepted here (`none`, HS256, …).
    pub fn from_name(_name: &str) -> Option<Self> {
        todo!()
    }
}

/// An RSA private key, for signing and unwrapping. No `Debug`, no `Clone` (share it in an `Arc`).
pub struct PrivateKey {}

impl PrivateKey {
    /// From PKCS#8 DER. Refuses anything but RSA of 2048 to 4096 bits.
    pub fn from_pkcs8_der(_der: &[u8]) -> Result<Self, CryptoError> {
        todo!()
    }
    /// Modulus length in bytes (256, 384 or 512).
    pub fn modulus_len(&self) -> usize {
        todo!()
    }
    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        todo!()
    }
    /// Signs the concatenation of `parts`, which need not be contiguous in memory.
    pub fn sign(&self, _alg: SignatureAlgorithm, _parts: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        todo!()
    }
    /// RSA-OAEP-256 decryption of a wrapped session key. Every failure is the same `Decrypt`.
    pub fn unwrap(&self, _wrapped: &[u8]) -> Result<SessionKey, CryptoError> {
        todo!()
    }
}

/// An RSA public key, prepared for verifying and wrapping. Equality is equality of modulus and exponent.
#[derive(Clone)]
pub struct PublicKey {}

impl PublicKey {
    /// From SubjectPublicKeyInfo DER (RFC 5280 4.1). Refuses anything but RSA of 2048 to 4096 bits.
    pub fn from_spki_der(_der: &[u8]) -> Result<Self, CryptoError> {
        todo!()
    }
    /// SubjectPublicKeyInfo DER.
    pub fn spki_der(&self) -> &[u8] {
        todo!()
    }
    /// Modulus length in bytes.
    pub fn modulus_len(&self) -> usize {
        todo!()
    }
    /// Verifies a signature over the concatenation of `parts`.
    pub fn verify(
        &self,
        _alg: SignatureAlgorithm,
        _parts: &[&[u8]],
        _signature: &[u8],
    ) -> Result<(), CryptoError> {
        todo!()
    }
    /// RSA-OAEP-256 encryption of a session key; output is `modulus_len` bytes.
    pub fn wrap(&self, _key: &SessionKey) -> Result<Vec<u8>, CryptoError> {
        todo!()
    }
}
impl PartialEq for PublicKey {
    fn eq(&self, _other: &Self) -> bool {
        todo!()
    }
}
impl Eq for PublicKey {}
