//! Base64 (RFC 4648): lenient in (both alphabets, padding optional), strict out.
use super::CryptoError;

/// Decodes either alphabet, padded or not. Trailing bits, white space, over-padding and mixed alphabets are refused.
pub fn decode(_text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    todo!()
}
/// Strict base64url without padding, as JOSE wants it (RFC 7515 2).
pub fn decode_url_strict(_text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    todo!()
}
/// Standard alphabet, padded.
pub fn encode(_bytes: &[u8]) -> String {
    todo!()
}
/// URL-safe alphabet, unpadded.
pub fn encode_url(_bytes: &[u8]) -> String {
    todo!()
}
