//! RSA: OAEP (SHA-256, MGF1-SHA-256, empty label), PKCS#1 v1.5 and PSS signatures (RFC 8017), 2048 to 4096 bits.

mod private;

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaEncoding, RsaParameters};
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;

use super::CryptoError;
use super::counts::Operation;
use super::secret::SessionKey;

pub use aws_lc_rs::digest::Digest;
#[cfg(test)]
pub(crate) use private::KeyError;
pub use private::PrivateKey;
#[cfg(test)]
pub(crate) use private::fake::Keeper;

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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256];

    /// From the JOSE name. `None` for an algorithm that is not accepted here, such as `none` or HS256.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// `RS256` …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 => &digest::SHA256,
            Self::Rs384 => &digest::SHA384,
            Self::Rs512 => &digest::SHA512,
        }
    }

    fn signing(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_SHA512,
            Self::Ps256 => &signature::RSA_PSS_SHA256,
        }
    }

    fn verifying(self) -> &'static RsaParameters {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        }
    }
}

/// The message that is signed. It is hashed piece by piece, so that it is never copied into one buffer.
pub(super) struct Message {
    alg: SignatureAlgorithm,
    context: digest::Context,
}

impl Message {
    pub(super) fn new(alg: SignatureAlgorithm) -> Self {
        Self { alg, context: digest::Context::new(alg.digest()) }
    }

    fn of(alg: SignatureAlgorithm, parts: &[&[u8]]) -> Self {
        let mut message = Self::new(alg);
        parts.iter().for_each(|part| message.update(part));
        message
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        self.context.update(part);
    }

    fn finish(self) -> (SignatureAlgorithm, Digest) {
        (self.alg, self.context.finish())
    }
}

/// Why bytes are not an RSA key of 2048 to 4096 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// The bytes have a wrong form, or the key is not an RSA key. Holds which of them.
    #[error("the key is not usable: {0}")]
    Form(&'static str),
    /// The RSA key is too short or too long. Holds the bits of its modulus.
    #[error("the key is not usable: the RSA modulus has {0} bits, not 2048 to 4096")]
    Size(usize),
}

impl UnusableKey {
    /// The reason for refusing a SubjectPublicKeyInfo: the size where it is an RSA key of a size that is not accepted, else `otherwise`.
    fn of_spki(der: &[u8], otherwise: Self) -> Self {
        let spki = SubjectPublicKeyInfoRef::from_der(der).ok();
        let bits = spki.and_then(|spki| modulus_bits(spki.subject_public_key.as_bytes()?));
        bits.filter(|bits| !(MIN_BITS..=MAX_BITS).contains(bits)).map_or(otherwise, Self::Size)
    }
}

/// The length of the modulus of an `RSAPublicKey` (RFC 8017 A.1.1), whatever its size.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let key = RsaPublicKeyRef::from_der(der).ok()?;
    bits(key.modulus.as_bytes())
}

/// The length in bits of a number without leading zero bytes.
pub(crate) fn bits(number: &[u8]) -> Option<usize> {
    Some(number.len() * 8 - number.first()?.leading_zeros() as usize)
}

/// An RSA public key, prepared for verifying and wrapping. Equality is equality of modulus and exponent.
#[derive(Clone)]
pub struct PublicKey(Arc<Prepared>);

struct Prepared {
    spki: PublicKeyX509Der<'static>,
    wrapping: OaepPublicEncryptingKey,
    rs256: ParsedPublicKey,
    rs384: ParsedPublicKey,
    rs512: ParsedPublicKey,
    ps256: ParsedPublicKey,
}

impl PublicKey {
    /// From SubjectPublicKeyInfo DER (RFC 5280 4.1). Refuses anything but RSA of 2048 to 4096 bits.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, UnusableKey> {
        const NOT_RSA: UnusableKey = UnusableKey::Form("not an RSA public key");
        let key = PublicEncryptingKey::from_der(der).map_err(|_| UnusableKey::of_spki(der, NOT_RSA))?;
        if !(MIN_BITS..=MAX_BITS).contains(&key.key_size_bits()) {
            return Err(UnusableKey::Size(key.key_size_bits()));
        }
        let spki = key.as_der().map_err(|_| NOT_RSA)?;
        if spki.as_ref() != der {
            // The parser ignores trailing bytes, but a key has exactly one DER form.
            return Err(NOT_RSA);
        }
        let parse = |alg: SignatureAlgorithm| ParsedPublicKey::new(alg.verifying(), der).map_err(|_| NOT_RSA);
        Ok(Self(Arc::new(Prepared {
            wrapping: OaepPublicEncryptingKey::new(key).map_err(|_| NOT_RSA)?,
            rs256: parse(SignatureAlgorithm::Rs256)?,
            rs384: parse(SignatureAlgorithm::Rs384)?,
            rs512: parse(SignatureAlgorithm::Rs512)?,
            ps256: parse(SignatureAlgorithm::Ps256)?,
            spki,
        })))
    }

    /// SubjectPublicKeyInfo DER.
    pub fn spki_der(&self) -> &[u8] {
        self.0.spki.as_ref()
    }

    /// Modulus length in bytes.
    pub fn modulus_len(&self) -> usize {
        self.0.wrapping.key_size_bytes()
    }

    /// Verifies a signature over the concatenation of `parts`.
    pub fn verify(
        &self,
        alg: SignatureAlgorithm,
        parts: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.verify_message(Message::of(alg, parts), signature)
    }

    pub(super) fn verify_message(&self, message: Message, signature: &[u8]) -> Result<(), CryptoError> {
        let (alg, digest) = message.finish();
        let key = match alg {
            SignatureAlgorithm::Rs256 => &self.0.rs256,
            SignatureAlgorithm::Rs384 => &self.0.rs384,
            SignatureAlgorithm::Rs512 => &self.0.rs512,
            SignatureAlgorithm::Ps256 => &self.0.ps256,
        };
        Operation::Verify
            .count(key.verify_digest_sig(&digest, signature))
            .map_err(|_| CryptoError::Signature("it does not fit key and content"))
    }

    /// RSA-OAEP-256 encryption of a session key; output is `modulus_len` bytes.
    pub fn wrap(&self, key: &SessionKey) -> Result<Vec<u8>, CryptoError> {
        let mut wrapped = vec![0; self.modulus_len()];
        let outcome =
            self.0.wrapping.encrypt(&OAEP_SHA256_MGF1SHA256, key.expose(), &mut wrapped, None).map(drop);
        Operation::Wrap.count(outcome).map_err(|_| CryptoError::Key("this key does not wrap"))?;
        Ok(wrapped)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki_der() == other.spki_der()
    }
}

impl Eq for PublicKey {}

/// Shortest and longest modulus in bits.
pub(crate) const MIN_BITS: usize = 2048;
/// See [`MIN_BITS`].
pub(crate) const MAX_BITS: usize = 4096;

#[cfg(test)]
mod tests;
