//! JWE compact (RFC 7516): `RSA-OAEP-256` with `A256GCM`, `zip=DEF` under a cap.
use super::CryptoError;
use super::rsa::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// A parsed, unopened token.
pub struct Jwe<'a> {
    #[allow(dead_code)]
    token: &'a str,
}
impl<'a> Jwe<'a> {
    /// Splits and reads the header; five segments, `alg` and `enc` as above, no `crit`, no other `zip`.
    pub fn parse(_token: &'a str) -> Result<Self, CryptoError> {
        todo!()
    }
    /// `kid`: base64url of the SHA-256 thumbprint of the recipient's certificate, where MOSIP made the token.
    pub fn kid(&self) -> Option<&str> {
        todo!()
    }
    /// Bytes of the wrapped key: tells which of our keys can fit.
    pub fn wrapped_len(&self) -> usize {
        todo!()
    }
    /// Opens with `key`; a plaintext that inflates beyond `max_plaintext` bytes is refused.
    pub fn decrypt(
        &self,
        _key: &PrivateKey,
        _max_plaintext: usize,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        todo!()
    }
}
/// Seals `plaintext`; `deflate` writes `zip=DEF` as MOSIP does by default (PROTOCOL 4).
pub fn encrypt(
    _to: &PublicKey,
    _kid: Option<&str>,
    _plaintext: &[u8],
    _deflate: bool,
) -> Result<String, CryptoError> {
    todo!()
}
