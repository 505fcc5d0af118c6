//! Private keys: the two operations that production needs of one, wherever it is kept.

#[cfg(test)]
pub(super) mod fake;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use zeroize::Zeroizing;

use super::{MAX_BITS, Message, PublicKey, SignatureAlgorithm, UnusableKey};
use crate::crypto::CryptoError;
use crate::crypto::counts::Operation;
use crate::crypto::secret::SessionKey;

/// Why an operation with a private key failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// This key can never do it: the wrapped bytes are not for this key, or the key does not support the algorithm. Holds the step
    /// that failed, for the operator's log.
    #[error("this key cannot do it: {0}")]
    Wrong(&'static str),
    /// The place that holds the key (a token, its session, a file) cannot be reached, so nothing is known about the bytes. Holds the
    /// name that the operator gave that place, and nothing secret.
    #[error("the private key is unavailable: {0}")]
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "a key in a file is always there; one in a token or behind a service is not"
        )
    )]
    Unavailable(String),
}

/// The private-key operations (RFC 8017) of one key. An implementation never gives its private numbers out.
pub(crate) trait PrivateKeyOperations: Send + Sync {
    /// Signs `digest`, which was made with the hash of `alg`. The signature is as long as the modulus.
    fn sign(&self, alg: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, KeyError>;

    /// RSA-OAEP decryption (SHA-256, MGF1-SHA-256, empty label) of a wrapped session key. Every way in which `wrapped` can be wrong is
    /// [`KeyError::Wrong`].
    fn unwrap(&self, wrapped: &[u8]) -> Result<SessionKey, KeyError>;
}

/// An RSA private key, for signing and unwrapping, with its public half. No `Debug`, no `Clone` (share it in an `Arc`).
///
/// ```compile_fail
/// fn print(key: &mosip_gateway::crypto::rsa::PrivateKey) {
///     println!("{key:?}");
/// }
/// ```
pub struct PrivateKey {
    public: PublicKey,
    operations: Box<dyn PrivateKeyOperations>,
}

impl PrivateKey {
    /// A key that is kept elsewhere. `public` comes from its certificate.
    pub(crate) fn new(public: PublicKey, operations: impl PrivateKeyOperations + 'static) -> Self {
        Self { public, operations: Box::new(operations) }
    }

    /// A key in the memory of this process, from PKCS#8 DER. Refuses anything but RSA of 2048 to 4096 bits.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, UnusableKey> {
        let key = InMemory::from_pkcs8_der(der)?;
        Ok(Self::new(key.public_key()?, key))
    }

    /// Modulus length in bytes (256 for a 2048-bit key).
    pub fn modulus_len(&self) -> usize {
        self.public.modulus_len()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the concatenation of `parts`, which need not be contiguous in memory. [`CryptoError::Key`] or
    /// [`CryptoError::Unavailable`].
    pub fn sign(&self, alg: SignatureAlgorithm, parts: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        self.sign_message(Message::of(alg, parts))
    }

    pub(in crate::crypto) fn sign_message(&self, message: Message) -> Result<Vec<u8>, CryptoError> {
        let (alg, digest) = message.finish();
        Operation::Sign.count(self.operations.sign(alg, &digest)).map_err(|error| match error {
            KeyError::Wrong(step) => CryptoError::Key(step),
            KeyError::Unavailable(what) => CryptoError::Unavailable(what),
        })
    }

    /// RSA-OAEP-256 decryption of a wrapped session key. Every failure is the same [`CryptoError::Decrypt`], except that of a key
    /// that is [`CryptoError::Unavailable`]: it says nothing about `wrapped`.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<SessionKey, CryptoError> {
        Operation::Unwrap.count(self.operations.unwrap(wrapped)).map_err(|error| match error {
            KeyError::Wrong(step) => CryptoError::Decrypt(step),
            KeyError::Unavailable(what) => CryptoError::Unavailable(what),
        })
    }
}

/// A key that aws-lc-rs holds.
pub(super) struct InMemory {
    pub(super) signing: RsaKeyPair,
    unwrapping: OaepPrivateDecryptingKey,
}

impl PrivateKeyOperations for InMemory {
    fn sign(&self, alg: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign_digest(alg.signing(), digest, &mut signature)
            .map_err(|_| KeyError::Wrong("this key does not sign"))?;
        Ok(signature)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SessionKey, KeyError> {
        const LENGTH: KeyError = KeyError::Wrong("the session key is not 32 bytes long");
        self.oaep_decrypt(wrapped, |bytes| SessionKey::from_bytes(bytes).map_err(|_| LENGTH))
    }
}

const NOT_RSA: UnusableKey = UnusableKey::Form("not an RSA private key in PKCS#8 form");

impl InMemory {
    pub(super) fn from_pkcs8_der(der: &[u8]) -> Result<Self, UnusableKey> {
        let signing = RsaKeyPair::from_pkcs8(der).map_err(|_| NOT_RSA)?;
        let unwrapping = PrivateDecryptingKey::from_pkcs8(der)
            .map_err(|_| NOT_RSA)
            .and_then(|key| OaepPrivateDecryptingKey::new(key).map_err(|_| NOT_RSA))?;
        Ok(Self { signing, unwrapping })
    }

    fn public_key(&self) -> Result<PublicKey, UnusableKey> {
        let spki = self.signing.public_key().as_der().map_err(|_| NOT_RSA)?;
        PublicKey::from_spki_der(spki.as_ref())
    }

    /// Hands the OAEP plaintext to `read` and wipes it.
    pub(super) fn oaep_decrypt<T>(
        &self,
        wrapped: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        // The library wants room for a whole modulus, however short the plaintext.
        let mut buffer = Zeroizing::new([0; MAX_BITS / 8]);
        let plaintext = self
            .unwrapping
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, buffer.as_mut(), None)
            .map_err(|_| KeyError::Wrong("the session key does not unwrap"))?;
        read(plaintext)
    }
}
