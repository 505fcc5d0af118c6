//! Describes a verifiable credential without its statements about a person.

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::mosip::credential::{self, Verdict};

/// The members of a credential other than its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Credential {
    pub(crate) types: Vec<String>,
    /// `issuanceDate`
    pub(crate) issued: Option<String>,
    /// The issuer that it names.
    pub(crate) issuer: Option<String>,
    /// The embedded proof, where there is one.
    pub(crate) proof: Option<Proof>,
    /// The number of values that it holds.
    pub(crate) values: usize,
    /// Whether the proof verifies, where a configuration was given.
    pub(crate) verifies: Option<bool>,
    /// Why the proof does not verify.
    pub(crate) refusal: Option<String>,
    /// JSON pointers to the values that the proof does not cover.
    pub(crate) not_covered: Option<Vec<String>>,
}

/// An embedded proof, unverified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proof {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) created: Option<String>,
    pub(crate) verification_method: Option<String>,
}

impl Credential {
    /// Recognises a credential by its subject.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let value = credential::read(bytes).ok()?;
        value.get("credentialSubject")?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let types = match value.get("type") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let proof = value.get("proof").map(|proof| Proof {
            kind: text(proof, "type"),
            created: text(proof, "created"),
            verification_method: text(proof, "verificationMethod"),
        });
        Some(Self {
            types,
            issued: text(&value, "issuanceDate"),
            issuer: text(&value, "issuer"),
            proof,
            values: credential::values(&value).len(),
            verifies: None,
            refusal: None,
            not_covered: None,
        })
    }

    /// Records that the proof verifies.
    pub(crate) fn record_verdict(&mut self, verdict: Verdict) {
        (self.verifies, self.not_covered) = (Some(true), Some(verdict.not_covered));
    }

    /// Records that the proof does not verify or cannot be checked.
    pub(crate) fn record_refusal(&mut self, error: &Error) {
        (self.verifies, self.refusal) = (Some(false), Some(format!("{error}; {}", error.advice())));
    }
}
