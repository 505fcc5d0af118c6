//! HMAC (RFC 2104) with SHA-1, SHA-256, SHA-384 and SHA-512, for hub and webhook signatures.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::CryptoError;

/// Bytes of small pieces that are handed to the hash function at once: a call for each costs more than the hash of it.
const GATHERED: usize = 256;

/// The hash function of an HMAC.
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

impl HmacAlgorithm {
    /// From the method name of a hub header, in any case (MOSIP's own hub writes lower case, its verifier upper).
    fn from_method(method: &str) -> Option<Self> {
        match method.to_ascii_lowercase().as_str() {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn library_algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// The tag over the concatenation of `parts`.
pub fn tag(alg: HmacAlgorithm, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    compute(alg, key, parts.iter().copied()).as_ref().to_vec()
}

/// A key that many tags are made with: what all of them have in common is computed once. No `Debug`.
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn new(alg: HmacAlgorithm, key: &[u8]) -> Self {
        Self(hmac::Key::new(alg.library_algorithm(), key))
    }

    /// The tag over the pieces that `write` hands over, or the error of `write`.
    pub(crate) fn tag_written<E>(
        &self,
        write: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut context = hmac::Context::with_key(&self.0);
        let mut gathered = Zeroizing::new(Vec::with_capacity(GATHERED));
        write(&mut |piece| {
            if gathered.len() + piece.len() > GATHERED {
                context.update(&gathered);
                gathered.clear();
            }
            match piece.len() > GATHERED {
                true => context.update(piece),
                false => gathered.extend_from_slice(piece),
            }
        })?;
        context.update(&gathered);
        Ok(context.sign().as_ref().to_vec())
    }
}

/// Verifies in constant time. A shortened tag is refused.
pub fn verify(alg: HmacAlgorithm, key: &[u8], parts: &[&[u8]], tag: &[u8]) -> Result<(), CryptoError> {
    check_equal(compute(alg, key, parts.iter().copied()).as_ref(), tag)
}

/// Verifies an `X-Hub-Signature` header value, `method=hex` (WebSub 7), over the concatenation of `parts`. A header without a
/// method, with an unknown method or with a wrong tag is refused.
pub fn verify_hub_header<'p>(
    key: &[u8],
    parts: impl IntoIterator<Item = &'p [u8]>,
    header: &str,
) -> Result<(), CryptoError> {
    let mut signature = HubSignature::begin(key, header)?;
    for part in parts {
        signature.update(part);
    }
    signature.verify()
}

/// As [`verify_hub_header`], over a body that comes in piece by piece. No `Debug`.
pub(crate) struct HubSignature {
    context: hmac::Context,
    given: String,
}

impl HubSignature {
    /// Refuses a header that names no method or an unknown one.
    pub(crate) fn begin(key: &[u8], header: &str) -> Result<Self, CryptoError> {
        let (method, given) =
            header.trim().split_once('=').ok_or(CryptoError::Signature("the header names no method"))?;
        let alg = HmacAlgorithm::from_method(method)
            .ok_or(CryptoError::Signature("the header names a method that is not known"))?;
        let context = hmac::Context::with_key(&hmac::Key::new(alg.library_algorithm(), key));
        Ok(Self { context, given: given.to_ascii_lowercase() })
    }

    /// Adds the next piece of the body.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// Compares the tag with that of all pieces, in constant time.
    pub(crate) fn verify(self) -> Result<(), CryptoError> {
        check_equal(HEXLOWER.encode(self.context.sign().as_ref()).as_bytes(), self.given.as_bytes())
    }
}

fn compute<'p>(alg: HmacAlgorithm, key: &[u8], parts: impl IntoIterator<Item = &'p [u8]>) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(alg.library_algorithm(), key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

fn check_equal(expected: &[u8], given: &[u8]) -> Result<(), CryptoError> {
    constant_time::verify_slices_are_equal(expected, given)
        .map_err(|_| CryptoError::Signature("the MAC does not fit key and content"))
}

#[cfg(test)]
mod tests;
