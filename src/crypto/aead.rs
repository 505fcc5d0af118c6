//! AES-256-GCM with a 128-bit tag (NIST SP 800-38D): 12-byte nonces on aws-lc-rs, 16-byte IVs on `aes-gcm`.
use super::CryptoError;
use super::secret::SessionKey;

/// Bytes of the tag, always at the end of the ciphertext.
pub const TAG_LEN: usize = 16;

/// The nonce, by the length that decides the library.
#[derive(Debug, Clone, Copy)]
pub enum Nonce<'a> {
    /// 96 bits (VER_R2, JWE).
    Twelve(&'a [u8; 12]),
    /// 128 bits (IDA, legacy envelopes).
    Sixteen(&'a [u8; 16]),
}

/// Encrypts `buffer[from..]` in place and appends the tag; what stands before `from` is left as it is.
pub fn seal_tail(
    _key: &SessionKey,
    _nonce: Nonce<'_>,
    _aad: &[u8],
    _buffer: &mut Vec<u8>,
    _from: usize,
) -> Result<(), CryptoError> {
    todo!()
}
/// Opens `ciphertext || tag` in place and returns the plaintext part.
pub fn open_in_place<'a>(
    _key: &SessionKey,
    _nonce: Nonce<'_>,
    _aad: &[u8],
    _buffer: &'a mut [u8],
) -> Result<&'a mut [u8], CryptoError> {
    todo!()
}
