//! The output of a capture device (MOSIP SBI). The device seals and signs it, so only its form is checked here.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::crypto::base64;
use crate::error::{Error, Result};
use crate::json::{self, Object, member};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Biometric<'a> {
    /// A compact JWS.
    #[serde(borrow, default)]
    data: Cow<'a, str>,
    #[serde(borrow, default)]
    hash: Cow<'a, str>,
    #[serde(borrow, default)]
    session_key: Cow<'a, str>,
    #[serde(borrow, default)]
    spec_version: Cow<'a, str>,
    #[serde(borrow, default)]
    thumbprint: Cow<'a, str>,
}

/// Checks that every item has its five members, and that they are base64 (`hash` and `thumbprint` may be hex, which is also valid base64).
pub(super) fn check(items: &[Box<RawValue>]) -> Result<()> {
    for (index, item) in items.iter().enumerate() {
        let pointer = format!("/biometrics/{index}");
        let Object(item): Object<Biometric<'_>> = json::read_at(item.get(), &pointer)?;
        if item.spec_version.is_empty() {
            return Err(Error::field(member(&pointer, "specVersion"), "this is missing"));
        }
        if item.data.split('.').count() != 3 {
            return Err(Error::field(member(&pointer, "data"), "this is not a compact JWS"));
        }
        let parts = item.data.split('.').map(|part| ("data", part));
        let others =
            [("hash", &item.hash), ("sessionKey", &item.session_key), ("thumbprint", &item.thumbprint)];
        for (name, text) in parts.chain(others.map(|(name, text)| (name, &**text))) {
            if text.is_empty() || base64::check(text.as_bytes()).is_err() {
                return Err(Error::field(member(&pointer, name), "this is not base64"));
            }
        }
    }
    Ok(())
}
