//! A verifiable credential by its outside. What it says of a person is no part of a report.

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::mosip::credential::{self, Verdict};

/// What stands round the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Credential {
    pub(crate) types: Vec<String>,
    /// `issuanceDate`
    pub(crate) issued: Option<String>,
    /// Who says it is theirs.
    pub(crate) issuer: Option<String>,
    /// The proof inside, where there is one.
    pub(crate) proof: Option<Proof>,
    /// How many values it holds.
    pub(crate) values: usize,
    /// Whether the proof verifies by a configuration, where one was given.
    pub(crate) verifies: Option<bool>,
    /// Why it does not.
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
    /// Tells a credential by its subject.
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

    /// Its proof verifies.
    pub(crate) fn verifies(&mut self, verdict: Verdict) {
        (self.verifies, self.not_covered) = (Some(true), Some(verdict.not_covered));
    }

    /// Its proof does not verify, or nobody can say.
    pub(crate) fn is_refused(&mut self, error: &Error) {
        (self.verifies, self.refusal) = (Some(false), Some(format!("{error}; {}", error.advice())));
    }
}
