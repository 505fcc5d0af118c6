//! Base64 (RFC 4648). Reading is lenient (both alphabets, padding optional), writing is strict.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64_simd::{
    AppendBase64Encode, AsOut as _, STANDARD, STANDARD_NO_PAD, URL_SAFE,
    URL_SAFE_NO_PAD as URL_SAFE_NO_PAD_SIMD,
};

use super::CryptoError;

/// From this length on SIMD is faster. Shorter texts (JOSE headers, signatures, IVs) are decoded without it.
const SIMD_FROM: usize = 1024;

/// Bytes that [`encode_url_chunks`] encodes at a time; a multiple of 3, so that only the last chunk can be incomplete.
const CHUNK: usize = 3 * 1024;

/// Decodes either alphabet, padded or not. Trailing bits, white space, over-padding and mixed alphabets are refused.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (standard, url) =
        if text.ends_with(b"=") { (&STANDARD, &URL_SAFE) } else { (&STANDARD_NO_PAD, &URL_SAFE_NO_PAD_SIMD) };
    // Trying both alphabets is cheaper than detecting one first: the wrong engine stops at the first foreign character.
    standard.decode_to_vec(text).or_else(|_| url.decode_to_vec(text)).map_err(|_| refusal(text, NOT_BASE64))
}

/// Refuses what [`decode`] would refuse, without decoding.
pub fn check(text: &[u8]) -> Result<(), CryptoError> {
    let (standard, url) =
        if text.ends_with(b"=") { (&STANDARD, &URL_SAFE) } else { (&STANDARD_NO_PAD, &URL_SAFE_NO_PAD_SIMD) };
    standard.check(text).or_else(|_| url.check(text)).map_err(|_| refusal(text, NOT_BASE64))
}

/// Strict base64url without padding, as JOSE wants it (RFC 7515 2).
pub fn decode_url_strict(text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if text.len() < SIMD_FROM {
        URL_SAFE_NO_PAD.decode(text).map_err(|_| refusal(text, NOT_BASE64URL))
    } else {
        URL_SAFE_NO_PAD_SIMD.decode_to_vec(text).map_err(|_| refusal(text, NOT_BASE64URL))
    }
}

/// Standard alphabet, padded.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode_to_string(bytes)
}

/// URL-safe alphabet, unpadded.
pub fn encode_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD_SIMD.encode_to_string(bytes)
}

/// Appends the standard, padded form of `bytes` to `text`.
pub(crate) fn encode_append(bytes: &[u8], text: &mut Vec<u8>) {
    STANDARD.encode_append(bytes, text);
}

/// Appends the URL-safe, unpadded form of `bytes` to `text`.
pub(crate) fn encode_url_append(bytes: &[u8], text: &mut impl AppendBase64Encode) {
    URL_SAFE_NO_PAD_SIMD.encode_append(bytes, text);
}

/// Characters that `len` bytes take in the unpadded form.
pub(crate) const fn encoded_url_len(len: usize) -> usize {
    len / 3 * 4 + (len % 3 * 4).div_ceil(3)
}

/// Hands the URL-safe, unpadded form of `bytes` to `sink` piece by piece, so that the whole text is never in memory.
pub(super) fn encode_url_chunks(bytes: &[u8], mut sink: impl FnMut(&[u8])) {
    let mut buffer = [0; encoded_url_len(CHUNK)];
    for chunk in bytes.chunks(CHUNK) {
        sink(URL_SAFE_NO_PAD_SIMD.encode(chunk, buffer.as_mut_slice().as_out()));
    }
}

/// Why `text` is refused. Line breaks get a message of their own, because many tools write base64 in lines and the remedy is simple.
fn refusal(text: &[u8], otherwise: CryptoError) -> CryptoError {
    if text.iter().any(u8::is_ascii_whitespace) { IN_LINES } else { otherwise }
}

const IN_LINES: CryptoError =
    CryptoError::Malformed("base64 with line breaks or blanks, which have to be taken out");
const NOT_BASE64: CryptoError = CryptoError::Malformed("not base64");
const NOT_BASE64URL: CryptoError = CryptoError::Malformed("not base64url without padding");

#[cfg(test)]
mod tests;
