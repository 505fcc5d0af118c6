//! Secrets: wiped when dropped, without `Debug`, `Display` or `Clone`, compared in constant time.
use super::CryptoError;
use zeroize::Zeroizing;

/// Opaque secret bytes (HMAC keys, bearer tokens, passwords).
pub struct SecretBytes(Zeroizing<Vec<u8>>);
impl SecretBytes {
    /// Takes ownership; the bytes are wiped on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// The bytes, for the one call that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
    /// Constant-time comparison.
    pub fn matches(&self, _other: &[u8]) -> bool {
        todo!()
    }
}

/// A 256-bit AES key that lives for one message.
pub struct SessionKey(Zeroizing<[u8; 32]>);
impl SessionKey {
    /// A fresh random key.
    pub fn generate() -> Self {
        todo!()
    }
    /// Exactly 32 bytes; anything else is `Decrypt` (MOSIP session keys are AES-256).
    pub fn from_bytes(_bytes: &[u8]) -> Result<Self, CryptoError> {
        todo!()
    }
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    todo!()
}
/// Draws one random byte, so that the first message does not pay for seeding (about 31 ms).
pub fn warm_up() {
    todo!()
}
