//! Bytes in, bytes out. Knows no file, clock, HTTP, configuration or MOSIP word.

pub mod aead;
pub mod base64;
mod header;
pub mod hmac;
pub mod jwe;
pub mod jws;
pub mod rsa;
pub mod secret;

/// Why bytes were refused.
///
/// `Decrypt` prints one sentence whatever failed inside: [`CryptoError::stage`] is for the operator's log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Not of the form; says what was expected.
    #[error("{0}")]
    Malformed(&'static str),
    /// Unwrapping or authentication refused. One answer, never finer.
    #[error("the message does not open")]
    Decrypt(&'static str),
    /// The signature is wrong, or the token is of a kind that is not accepted (algorithm, crit, key).
    #[error("the signature is not accepted: {0}")]
    Signature(&'static str),
    /// A key that is not usable here.
    #[error("the key is not usable: {0}")]
    Key(&'static str),
    /// What keeps our private key is away, so that nothing is known about the message. The same call may succeed later.
    #[error("the private key is unavailable: {0}")]
    Unavailable(String),
}

impl CryptoError {
    /// Which step refused, for the operator's log.
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
