//! Describes a verifiable credential without its statements about a person.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, with_advice};
use crate::mosip::credential::{self, Verdict};

/// The members of a credential other than its subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Credential {
    pub(crate) types: Vec<String>,
    /// `issuanceDate`
    pub(crate) issued: Option<String>,
    /// The issuer that it names.
    pub(crate) issuer: Option<String>,
    /// The embedded proof, where there is one.
    pub(crate) proof: Option<Proof>,
    /// The number of values that it holds, where all readers read it alike.
    pub(crate) values: Option<usize>,
    /// Whether the proof verifies, where a configuration was given. A credential that two readers can read in two ways never does.
    pub(crate) verifies: Option<bool>,
    /// Why the proof does not verify.
    pub(crate) refusal: Option<String>,
    /// JSON pointers to the values that the proof does not cover.
    pub(crate) not_covered: Option<Vec<String>>,
}

/// By this a credential is known.
const SUBJECT: &str = "credentialSubject";

/// Whether it looks like a credential, although it is not one that all readers read alike: it may hold two members of one name.
fn is_like(bytes: &[u8]) -> bool {
    type Members = BTreeMap<String, IgnoredAny>;
    #[derive(Deserialize)]
    struct Asked {
        credential: Members,
    }
    let alone = serde_json::from_slice::<Members>(bytes);
    let asked = serde_json::from_slice::<Asked>(bytes).map(|asked| asked.credential);
    [alone, asked].iter().flatten().any(|members| members.contains_key(SUBJECT))
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
        let value = match credential::read(bytes) {
            Ok(value) => value,
            Err(error) if is_like(bytes) => {
                let mut found = Self::default();
                found.record_refusal(&error);
                return Some(found);
            }
            Err(_) => return None,
        };
        value.get(SUBJECT)?;
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
            values: Some(credential::values(&value).len()),
            ..Self::default()
        })
    }

    /// Whether it was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.verifies == Some(false)
    }

    /// Records that the proof verifies.
    pub(crate) fn record_verdict(&mut self, verdict: Verdict) {
        (self.verifies, self.not_covered) = (Some(true), Some(verdict.not_covered));
    }

    /// Records that the proof does not verify or cannot be checked.
    pub(crate) fn record_refusal(&mut self, error: &Error) {
        (self.verifies, self.refusal) = (Some(false), Some(with_advice(&error.to_string(), error.advice())));
    }
}
