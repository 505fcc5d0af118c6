//! JWS compact and detached (RFC 7515, 7797 for `b64:false`), RSA only. One signature, one key the caller names.
use super::CryptoError;
use super::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};

/// What to write into the protected header, in this order: `b64`+`crit`, `x5c`, `x5t#S256`, `kid`, `alg`.
#[derive(Clone, Copy)]
pub struct Protected<'a> {
    /// `alg`.
    pub alg: SignatureAlgorithm,
    /// DER certificates for `x5c` (standard base64, no newlines); empty for none. The first also gives `x5t#S256`.
    pub x5c: &'a [&'a [u8]],
    /// `kid`.
    pub kid: Option<&'a str>,
    /// `false` writes `b64:false` with `crit` and signs the raw payload bytes (RFC 7797).
    pub b64: bool,
}

/// `header.payload.signature`.
pub fn sign(_key: &PrivateKey, _protected: Protected<'_>, _payload: &[u8]) -> Result<String, CryptoError> {
    todo!()
}
/// `header..signature`; the payload travels elsewhere.
pub fn sign_detached(
    _key: &PrivateKey,
    _protected: Protected<'_>,
    _payload: &[u8],
) -> Result<String, CryptoError> {
    todo!()
}

/// A parsed, *unverified* token. Only [`Jws::verify`] gives its payload.
pub struct Jws<'a> {
    #[allow(dead_code)]
    token: &'a str,
}

impl<'a> Jws<'a> {
    /// Splits and reads the header: three segments, strict base64url, a JSON object without duplicate names,
    /// `alg` known, `crit` holding nothing but `b64`.
    pub fn parse(_token: &'a str) -> Result<Self, CryptoError> {
        todo!()
    }
    /// `kid`, unverified.
    pub fn kid(&self) -> Option<&str> {
        todo!()
    }
    /// First certificate of `x5c` as DER, unverified (DER or PEM inside is accepted, standard or url-safe base64, newlines tolerated: PROTOCOL 2).
    pub fn x5c_first(&self) -> Option<&[u8]> {
        todo!()
    }
    /// Whether the payload segment is empty.
    pub fn is_detached(&self) -> bool {
        todo!()
    }
    /// Verifies under `key`. `algs` is the peer's list; `detached` the payload that travels elsewhere (needed exactly when detached).
    pub fn verify(
        &self,
        _key: &PublicKey,
        _algs: &[SignatureAlgorithm],
        _detached: Option<&[u8]>,
    ) -> Result<Payload, CryptoError> {
        todo!()
    }
}

/// What a verified token says.
pub struct Payload {
    /// The algorithm that verified.
    pub alg: SignatureAlgorithm,
    /// The payload bytes (a copy of the detached payload where detached).
    pub bytes: Vec<u8>,
}
