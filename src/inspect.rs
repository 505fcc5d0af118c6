//! Describes an envelope, a token, a credential, a certificate, a key or a bundle, without decrypting anything.
//!
//! Only a password is used, to read a container of keys. No signature is verified, and no plaintext, payload, private number or password is
//! part of a report.

mod credential;
mod token;

use serde::Serialize;

use crate::crypto::base64;
use crate::error::{Code, Error, Result};
use crate::keys::source::LoadError;
use crate::keys::source::file::{self, Description};
use crate::mosip::envelope::ParsedEnvelope;
use crate::mosip::primitives::{Open, Verify};

pub(crate) use credential::Credential;
pub(crate) use token::{Jwe, Jws};

/// The description of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Report {
    /// MOSIP's hybrid envelope.
    Envelope(Envelope),
    /// A signed token.
    Jws(Jws),
    /// An encrypted token.
    Jwe(Jwe),
    /// A verifiable credential.
    Credential(Credential),
    /// Keys and certificates.
    Keys(Description),
}

/// The parts of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Envelope {
    /// `raw` or `base64`, or `json` where the envelope was in a member `data`.
    pub(crate) carried_as: &'static str,
    /// `ver_r2`, `legacy` or `legacy-without-thumbprint`.
    pub(crate) layout: &'static str,
    /// Thumbprint of the recipient that it names, lower-case hex.
    pub(crate) thumbprint: Option<String>,
    /// Its length.
    pub(crate) bytes: usize,
    /// Length of the wrapped key, that is of the modulus that unwraps it.
    pub(crate) wrapped_key_bytes: usize,
    /// Offset of `#KEY_SPLITTER#`.
    pub(crate) splitter_at: usize,
    /// Length of the ciphertext, and so of the plaintext.
    pub(crate) ciphertext_bytes: usize,
    /// Length of the signature beside it.
    pub(crate) signature_bytes: Option<usize>,
}

/// Describes the content of a file. `password` is for PKCS#12 and encrypted keys.
pub(crate) fn inspect(bytes: &[u8], password: Option<&[u8]>) -> Result<Report> {
    if bytes.trim_ascii().is_empty() {
        return Err(Error::new(Code::Malformed, "there is nothing to inspect"));
    }
    if let Some(found) = Credential::find(bytes) {
        return Ok(Report::Credential(found));
    }
    if is_object_with_data(bytes) {
        return message(&Open::from_bytes(bytes)?, "json");
    }
    if let Some(token) = Verify::from_bytes(bytes).ok().and_then(|carried| token::report(&carried.token)) {
        return Ok(token);
    }
    if let Some(found) = envelope(bytes, "raw") {
        return Ok(Report::Envelope(found));
    }
    let decoded = from_base64(bytes);
    if let Some(found) = decoded.as_deref().and_then(|raw| envelope(raw, "base64")) {
        return Ok(Report::Envelope(found));
    }
    file::describe(bytes, password).map(Report::Keys).map_err(refusal)
}

fn message(message: &Open<'_>, carried_as: &'static str) -> Result<Report> {
    if let Some(token) = token::report(&message.data) {
        return Ok(token);
    }
    let envelope_bytes = base64::decode(message.data.as_bytes())?;
    let parts = ParsedEnvelope::parse(&envelope_bytes)?;
    let signature = message.signature.as_deref().map(|text| base64::decode(text.as_bytes())).transpose()?;
    let signature_bytes = signature.map(|bytes| bytes.len());
    Ok(Report::Envelope(Envelope { signature_bytes, ..Envelope::of(&envelope_bytes, &parts, carried_as) }))
}

fn envelope(bytes: &[u8], carried_as: &'static str) -> Option<Envelope> {
    ParsedEnvelope::parse(bytes).ok().map(|parts| Envelope::of(bytes, &parts, carried_as))
}

impl Envelope {
    fn of(bytes: &[u8], parts: &ParsedEnvelope, carried_as: &'static str) -> Self {
        Self {
            carried_as,
            layout: parts.layout.as_str(),
            thumbprint: parts.thumbprint.map(|thumbprint| thumbprint.to_string()),
            bytes: bytes.len(),
            wrapped_key_bytes: parts.wrapped.len(),
            splitter_at: parts.wrapped.end,
            ciphertext_bytes: parts.ciphertext_len(),
            signature_bytes: None,
        }
    }
}

/// Whether the JSON object is a message, and not a JWK.
fn is_object_with_data(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Data {
        #[serde(rename = "data")]
        _data: serde::de::IgnoredAny,
    }
    bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<Data>(bytes).is_ok()
}

fn from_base64(text: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut characters = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    characters.extend(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    base64::decode(&characters).ok().map(zeroize::Zeroizing::new)
}

fn refusal(error: LoadError) -> Error {
    let advice = match error {
        LoadError::PasswordMissing => "name a file with the password as --password-file",
        LoadError::Unknown => {
            "give an envelope, a compact JWS or JWE, a credential, a certificate, PEM, DER, PKCS#12, PKCS#7 or a JWK"
        }
        _ => error.advice(),
    };
    Error::new(Code::Malformed, format!("this file {error}")).advise(advice)
}

#[cfg(test)]
mod tests;
