//! Compact tokens: header and sizes.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Report;
use crate::crypto::{base64, jwe, jws};
use crate::keys::Thumbprint;

/// A JWS, compact or detached (RFC 7515). Nothing is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Jws {
    /// The protected header.
    pub(crate) header: Header,
    /// The payload travels elsewhere.
    pub(crate) detached: bool,
    /// Length of the payload, decoded.
    pub(crate) payload_bytes: usize,
    /// Length of the signature.
    pub(crate) signature_bytes: usize,
    /// Why the gateway would refuse it before any key is asked.
    pub(crate) refused: Option<String>,
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

/// The parameters of a protected header that mean something here; of all others the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    /// `alg`
    pub(crate) alg: Option<String>,
    /// `enc`
    pub(crate) enc: Option<String>,
    /// `zip`
    pub(crate) zip: Option<String>,
    /// `typ`
    pub(crate) typ: Option<String>,
    /// `cty`
    pub(crate) cty: Option<String>,
    /// `kid`
    pub(crate) kid: Option<String>,
    /// `kid` in lower-case hex, where it is a thumbprint.
    pub(crate) kid_thumbprint: Option<String>,
    /// `b64` (RFC 7797)
    pub b64: Option<bool>,
    /// `crit`
    pub(crate) crit: Vec<String>,
    /// Thumbprints of the certificates in `x5c`, lower-case hex; `?` for what is no certificate.
    pub x5c: Vec<String>,
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
    /// Leniently: a token that the gateway refuses is just what one wants to look at.
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

/// Of unpadded base64.
const fn decoded_len(segment: &str) -> usize {
    segment.len() * 3 / 4
}
