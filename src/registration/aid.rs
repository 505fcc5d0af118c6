//! The application id.

use std::fmt;

/// MOSIP's application id: 1 to 64 ASCII letters, digits, hyphens or dots (29 digits in practice).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aid(String);

impl Aid {
    /// `None` where `text` has not the form of an application id.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A FHIR id (R4 2.24.0.1): what may stand in an upstream request without escaping.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}
