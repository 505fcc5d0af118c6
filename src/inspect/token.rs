//! Describes a compact token by its header and sizes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Report;
use crate::clock::Timestamp;
use crate::crypto::{base64, jwe, jws};
use crate::keys::Thumbprint;

/// A JWS, compact or detached (RFC 7515). Nothing is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Jws {
    /// The protected header.
    pub(crate) header: Header,
    /// Whether the payload travels apart from the token.
    pub(crate) detached: bool,
    /// The dates of validity, where the payload is that of a JWT and holds them. Nothing else of the payload is shown.
    pub(crate) dates: Dates,
    /// Length of the payload, decoded.
    pub(crate) payload_bytes: usize,
    /// Length of the signature.
    pub(crate) signature_bytes: usize,
    /// Why the gateway would refuse it before any key is asked.
    pub(crate) refused: Option<String>,
}

/// The moments of a JWT (RFC 7519), ISO 8601 in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Dates {
    /// `iat`
    pub(crate) issued_at: Option<String>,
    /// `nbf`
    pub(crate) not_before: Option<String>,
    /// `exp`
    pub(crate) expires_at: Option<String>,
}

impl Dates {
    /// Reads leniently, as [`Header::read`] does.
    fn read(payload: &str) -> Self {
        let claims = base64::decode(payload.as_bytes()).map(Zeroizing::new).ok();
        let claims =
            claims.and_then(|json| serde_json::from_slice::<Moments>(&json).ok()).unwrap_or_default();
        Self {
            issued_at: claims.iat.and_then(moment),
            not_before: claims.nbf.and_then(moment),
            expires_at: claims.exp.and_then(moment),
        }
    }
}

/// The claims that hold a time.
#[derive(Default, Deserialize)]
struct Moments {
    iat: Option<f64>,
    nbf: Option<f64>,
    exp: Option<f64>,
}

/// Seconds since 1970, up to the end of the year 9999.
fn moment(seconds: f64) -> Option<String> {
    const LAST: f64 = 253_402_300_799.0;
    #[allow(clippy::cast_possible_truncation, reason = "it is within the range of i64")]
    (0.0..=LAST).contains(&seconds).then(|| Timestamp::from_seconds(seconds as i64).to_iso())
}

/// A JWE (RFC 7516). Nothing is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Jwe {
    /// The protected header.
    pub(crate) header: Header,
    /// Length of the wrapped key, that is of the modulus that unwraps it.
    pub(crate) wrapped_key_bytes: usize,
    /// Length of the ciphertext; of the plaintext too, unless `zip` says otherwise.
    pub(crate) ciphertext_bytes: usize,
    /// Why the gateway would refuse it before any key is asked.
    pub(crate) refused: Option<String>,
}

/// The parameters of a protected header that the gateway knows, and the names of all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    pub(crate) alg: Option<String>,
    pub(crate) enc: Option<String>,
    pub(crate) zip: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) cty: Option<String>,
    pub(crate) kid: Option<String>,
    /// `kid` in lower-case hex, where it is a thumbprint.
    pub(crate) kid_thumbprint: Option<String>,
    /// `b64` (RFC 7797)
    pub(crate) b64: Option<bool>,
    /// `crit`
    pub(crate) crit: Vec<String>,
    /// Thumbprints of the certificates in `x5c`, lower-case hex; `?` for an entry that is no certificate.
    pub(crate) x5c: Vec<String>,
    /// Names of the other parameters.
    pub(crate) others: Vec<String>,
}

/// A report if `text` has the segments of a compact token and a header that is a JSON object.
pub(super) fn report(text: &str) -> Option<Report> {
    let segments: Vec<&str> = text.split('.').collect();
    match *segments.as_slice() {
        [header, payload, signature] => Some(Report::Jws(Jws {
            header: Header::read(header)?,
            detached: payload.is_empty(),
            dates: Dates::read(payload),
            payload_bytes: decoded_len(payload),
            signature_bytes: decoded_len(signature),
            refused: jws::Jws::parse(text).err().map(|refusal| refusal.to_string()),
        })),
        [header, wrapped, _, ciphertext, _] => Some(Report::Jwe(Jwe {
            header: Header::read(header)?,
            wrapped_key_bytes: decoded_len(wrapped),
            ciphertext_bytes: decoded_len(ciphertext),
            refused: jwe::Jwe::parse(text).err().map(|refusal| refusal.to_string()),
        })),
        _ => None,
    }
}

impl Header {
    /// Reads leniently, because people mostly inspect tokens that the gateway refuses.
    fn read(segment: &str) -> Option<Self> {
        let json = base64::decode(segment.as_bytes()).ok()?;
        let parameters: Map<String, Value> = serde_json::from_slice(&json).ok()?;
        let mut header = Self::default();
        for (name, value) in parameters {
            match name.as_str() {
                "alg" => header.alg = text(&value),
                "enc" => header.enc = text(&value),
                "zip" => header.zip = text(&value),
                "typ" => header.typ = text(&value),
                "cty" => header.cty = text(&value),
                "kid" => header.kid = text(&value),
                "b64" => header.b64 = value.as_bool(),
                "crit" => header.crit = texts(&value).map(str::to_owned).collect(),
                "x5c" => header.x5c = texts(&value).map(thumbprint).collect(),
                _ => header.others.push(name),
            }
        }
        header.kid_thumbprint =
            header.kid.as_deref().and_then(Thumbprint::parse).map(|thumbprint| thumbprint.to_string());
        Some(header)
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn thumbprint(entry: &str) -> String {
    jws::x5c_entry(entry).map_or_else(|_| "?".to_owned(), |der| Thumbprint::of(&der).to_string())
}

/// The length of the bytes that unpadded base64 stands for.
const fn decoded_len(segment: &str) -> usize {
    segment.len() * 3 / 4
}
