//! The signature of a webhook: the `X-Hub-Signature` of OpenCRVS 1.2 to 1.9.
//!
//! OpenCRVS does not sign the bytes that it posts. Its `packages/webhooks` computes HMAC-SHA256 over the text `sha256:` followed by
//! JavaScript's `encodeURIComponent` of the body. Other senders of such webhooks, MOSIP's hub among them, sign the body itself.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::crypto::CryptoError;
use crate::crypto::hmac;

/// The characters that `encodeURIComponent` writes as `%XX` (ECMA-262 19.2.6.4): all but letters, digits and `-_.!~*'()`.
pub(crate) const ENCODE_URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What the signature of a webhook has to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookSignature {
    /// Either of the two below (the default).
    #[default]
    Either,
    /// `sha256:` and `encodeURIComponent` of the body, as OpenCRVS signs.
    Core,
    /// The body as it stands.
    Raw,
}

/// Checks the value of an `X-Hub-Signature` header over `body`, as it came, in the forms that `accepted` names;
/// [`CryptoError::Signature`].
pub fn verify_signature(
    secret: &[u8],
    body: &[u8],
    header: &str,
    accepted: WebhookSignature,
) -> Result<(), CryptoError> {
    let raw = || hmac::verify_hub_header(secret, [body], header);
    match accepted {
        WebhookSignature::Core => verify_core(secret, body, header),
        WebhookSignature::Raw => raw(),
        WebhookSignature::Either => verify_core(secret, body, header).or_else(|_| raw()),
    }
}

/// OpenCRVS's own form. JavaScript cannot have encoded a body that is not UTF-8.
fn verify_core(secret: &[u8], body: &[u8], header: &str) -> Result<(), CryptoError> {
    if !header.trim_ascii_start().to_ascii_lowercase().starts_with("sha256=") {
        return Err(CryptoError::Signature("the header names another method than sha256"));
    }
    std::str::from_utf8(body).map_err(|_| CryptoError::Signature("the body is not UTF-8 text"))?;
    let encoded = percent_encode(body, ENCODE_URI_COMPONENT).map(str::as_bytes);
    hmac::verify_hub_header(secret, [b"sha256:".as_slice()].into_iter().chain(encoded), header)
}
