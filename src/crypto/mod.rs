//! Cryptography over bytes. This module knows nothing of files, clocks, HTTP, the configuration or MOSIP.

pub mod aead;
pub mod base64;
pub(crate) mod counts;
pub mod ec;
mod header;
pub mod hmac;
pub mod jwe;
pub mod jwk;
pub mod jws;
pub mod rsa;
pub mod secret;
pub(crate) mod words;

/// Why bytes were refused.
///
/// `Decrypt` prints the same sentence whichever step failed. [`CryptoError::stage`] names the step, for the operator's log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The form is wrong. Holds what was expected.
    #[error("{0}")]
    Malformed(&'static str),
    /// Unwrapping or authentication failed. Callers never learn which, since that would help an attacker.
    #[error("the message does not open")]
    Decrypt(&'static str),
    /// The signature is wrong, or the token is of a kind that is not accepted (algorithm, crit, key).
    #[error("the signature is not accepted: {0}")]
    Signature(&'static str),
    /// The key cannot be used for this.
    #[error("the key is not usable: {0}")]
    Key(&'static str),
    /// The place that holds our private key cannot be reached, so nothing is known about the message. The same call may succeed later.
    #[error("the private key is unavailable: {0}")]
    Unavailable(String),
}

impl CryptoError {
    /// The step that failed, for the operator's log.
    pub fn stage(&self) -> &str {
        match self {
            Self::Malformed(stage) | Self::Decrypt(stage) | Self::Signature(stage) | Self::Key(stage) => {
                stage
            }
            Self::Unavailable(what) => what,
        }
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of bytes that come in parts.
pub(crate) struct Sha256(aws_lc_rs::digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl Sha256 {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn end(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}
