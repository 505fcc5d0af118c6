//! HMAC (RFC 2104) with SHA-1, SHA-256, SHA-384 and SHA-512, for hub and webhook signatures.
use super::CryptoError;

/// The hash inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// HMAC-SHA1 (WebSub's oldest; accepted because hubs still send it).
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA384.
    Sha384,
    /// HMAC-SHA512.
    Sha512,
}
/// The tag over the concatenation of `parts`.
pub fn tag(_alg: HmacAlgorithm, _key: &[u8], _parts: &[&[u8]]) -> Vec<u8> {
    todo!()
}
/// Verifies in constant time.
pub fn verify(_alg: HmacAlgorithm, _key: &[u8], _parts: &[&[u8]], _tag: &[u8]) -> Result<(), CryptoError> {
    todo!()
}
/// Verifies an `X-Hub-Signature` header value, `method=hex` (WebSub 7): no method, unknown method or wrong tag is refused.
pub fn verify_hub_header(_key: &[u8], _body: &[u8], _header: &str) -> Result<(), CryptoError> {
    todo!()
}
