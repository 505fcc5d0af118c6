//! The protected header that JWS and JWE share (RFC 7515 4, RFC 7516 4): a JSON object in which no name is repeated.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::CryptoError;
use super::base64::decode_url_strict;

/// The header parameters that the gateway uses. Others are skipped, as RFC 7515 4 demands. A parameter that is null counts as absent,
/// because many programs write their empty fields so.
#[derive(Default)]
pub(super) struct Header {
    pub(super) alg: Option<String>,
    pub(super) enc: Option<String>,
    pub(super) zip: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) x5c: Option<Vec<String>>,
    pub(super) crit: Option<Vec<String>>,
    pub(super) b64: Option<bool>,
}

impl Header {
    /// From the first segment of a compact token.
    pub(super) fn parse(segment: &str) -> Result<Self, CryptoError> {
        Self::read(&decode_url_strict(segment.as_bytes())?)
    }

    /// From its JSON.
    pub(super) fn read(json: &[u8]) -> Result<Self, CryptoError> {
        serde_json::from_slice(json)
            .map_err(|_| CryptoError::Malformed("the header is not a JSON object with each name once"))
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// This is not derived, because a derived implementation accepts a repetition of the names that it skips.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "alg" => header.alg = map.next_value()?,
                "enc" => header.enc = map.next_value()?,
                "zip" => header.zip = map.next_value()?,
                "kid" => header.kid = map.next_value()?,
                "x5c" => header.x5c = map.next_value()?,
                "crit" => header.crit = map.next_value()?,
                "b64" => header.b64 = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if !seen.insert(name) {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(header)
    }
}
