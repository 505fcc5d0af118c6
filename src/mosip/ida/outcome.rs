//! What became of one person of many, as it is kept and as the API shows it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::json;

/// What became of a record; sealed at rest. No `Debug`: it is personal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// The number of the person, as it was given.
    pub(crate) individual_id: String,
    /// The UINTOKEN.
    pub(crate) token: Option<String>,
    /// By what the outcome is known: `signature`, `tls`, `none`; absent where IDA said nothing of this person.
    pub(crate) verified: Option<String>,
    /// Why there is no token.
    pub(crate) errors: Vec<Reason>,
}

/// The code of a record whose person IDA confirms without a token.
pub(crate) const NO_TOKEN: &str = "no-token";
/// The code of a record whose person IDA does not confirm, without a reason.
pub(crate) const NOT_CONFIRMED: &str = "not-confirmed";

/// Why there is no token. MOSIP's sentence may name what of a person did not fit.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = RecordError)]
pub(crate) struct Reason {
    /// MOSIP's code, or ours.
    pub(crate) code: String,
    /// The sentence that goes with it.
    pub(crate) message: String,
    /// Which value of the record, as a JSON pointer into the list that was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) pointer: Option<String>,
}

impl Outcome {
    /// There is no token, because of `reasons`.
    pub(crate) fn without_token(individual_id: String, errors: Vec<Reason>) -> Self {
        Self { individual_id, token: None, verified: None, errors }
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        json::to_wiped(self).map_err(|_| Error::new(Code::Bug, "an outcome does not serialise"))
    }
}

impl Reason {
    /// A reason of ours, or one that names no value.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), pointer: None }
    }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        match error.upstream() {
            Some(said) => Self::new(said.code.clone(), said.message.clone()),
            None => Self {
                code: error.code().as_str().to_owned(),
                message: error.detail().to_owned(),
                pointer: error.pointer().map(str::to_owned),
            },
        }
    }
}
