//! The headers of Standard Webhooks: an id by which the receiver drops repeats, and, where a secret is shared, HMAC-SHA256 over
//! `id.timestamp.body`.

use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};

/// The name under which the receiver has taken it before, or not.
pub(crate) const ID: &str = "webhook-id";
/// Seconds since 1970.
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
/// `v1,` and the tag in base64.
pub(crate) const SIGNATURE: &str = "webhook-signature";

/// Writes the headers of the post of `body` under `id` at `now`.
pub(crate) fn write(
    headers: &mut HeaderMap,
    id: &str,
    body: &[u8],
    secret: Option<&SecretBytes>,
    now: Timestamp,
) -> Result<()> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Error::new(Code::Bug, "a webhook header is not text"))
    };
    let timestamp = now.seconds().to_string();
    headers.insert(ID, value(id)?);
    headers.insert(TIMESTAMP, value(&timestamp)?);
    if let Some(secret) = secret {
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let tag = hmac::tag(HmacAlgorithm::Sha256, &signing_key(secret), &parts);
        headers.insert(SIGNATURE, value(&format!("v1,{}", base64::encode(&tag)))?);
    }
    Ok(())
}

/// Standard Webhooks writes secrets as `whsec_` and base64; a secret of another form is taken as it stands.
fn signing_key(secret: &SecretBytes) -> Zeroizing<Vec<u8>> {
    let raw = secret.expose();
    let decoded = raw.strip_prefix(b"whsec_").and_then(|text| base64::decode(text).ok());
    Zeroizing::new(decoded.unwrap_or_else(|| raw.to_vec()))
}
