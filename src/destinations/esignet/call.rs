//! What calls to eSignet are made of.

use http::{HeaderMap, HeaderValue, header};

use crate::crypto::base64;
use crate::crypto::secret::{SecretWriter, random};
use crate::error::{Code, Error, Result};
use crate::mosip::esignet::DpopKey;

/// The head of a form.
pub(super) fn posted() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ])
}

/// 128 random bits.
pub(super) fn jti() -> String {
    base64::encode_url(&random::<16>())
}

/// A value of a header that is never shown.
pub(super) fn secret_value(parts: &[&[u8]]) -> Result<HeaderValue> {
    let mut text = SecretWriter::default();
    parts.iter().for_each(|part| text.push(part));
    let mut value = HeaderValue::from_maybe_shared(text.into_bytes())
        .map_err(|_| Error::new(Code::Bug, "a token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A challenge follows each proof.
pub(super) fn no_end() -> Error {
    Error::new(Code::Upstream, "eSignet demands another proof of possession (DPoP) after each one")
}

/// The key of the proofs of one login, which is made where a proof is wanted.
pub(super) fn made_once(key: &mut Option<DpopKey>) -> Result<&DpopKey> {
    match key {
        Some(key) => Ok(key),
        None => Ok(key.insert(DpopKey::generate()?)),
    }
}
