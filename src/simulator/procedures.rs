//! The procedures by which OpenCRVS's core decides, what they are called with, and how they refuse.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Types of actions.
pub(super) const REGISTER: &str = "REGISTER";
pub(super) const APPROVE_CORRECTION: &str = "APPROVE_CORRECTION";

/// A procedure that decides.
pub(super) struct Procedure {
    pub(super) name: &'static str,
    /// The type of the action that waits.
    pub(super) kind: &'static str,
    /// What becomes of it.
    pub(super) status: &'static str,
    /// Where nothing waits under its id, and where it was decided otherwise.
    pub(super) refusals: [Refusal; 2],
}

const OF_ACCEPT: [Refusal; 2] = [NOT_FOUND, BAD_REQUEST];
const OF_REJECT: [Refusal; 2] = [thrown("Action not found."), thrown("Action has already been accepted.")];

pub(super) const PROCEDURES: [Procedure; 4] = [
    Procedure {
        name: "event.actions.register.accept",
        kind: REGISTER,
        status: "Accepted",
        refusals: OF_ACCEPT,
    },
    Procedure {
        name: "event.actions.register.reject",
        kind: REGISTER,
        status: "Rejected",
        refusals: OF_REJECT,
    },
    Procedure {
        name: "event.actions.correction.approve.accept",
        kind: APPROVE_CORRECTION,
        status: "Accepted",
        refusals: OF_ACCEPT,
    },
    Procedure {
        name: "event.actions.correction.approve.reject",
        kind: APPROVE_CORRECTION,
        status: "Rejected",
        refusals: OF_REJECT,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    #[serde(rename = "0")]
    first: Wrapped,
}

/// What superjson wraps.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    json: Value,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    /// What the value at each path is, where JSON has no form for it.
    values: BTreeMap<String, (String,)>,
}

impl Wrapped {
    /// What was wrapped. Of all notes one is known here: a field of a declaration that is undefined, in whose place is null.
    fn open<T: DeserializeOwned>(self) -> Option<T> {
        let Self { mut json, meta } = self;
        for (path, (kind,)) in &meta.values {
            let field = path.strip_prefix("declaration.").filter(|_| kind == "undefined")?;
            let declaration = json.get_mut("declaration").and_then(Value::as_object_mut)?;
            declaration.remove(field).filter(Value::is_null)?;
        }
        T::deserialize(json).ok()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Lookup {
    pub(super) event_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Decision {
    pub(super) transaction_id: String,
    pub(super) event_id: String,
    pub(super) action_id: String,
    pub(super) request_id: Option<String>,
    pub(super) registration_number: Option<String>,
    pub(super) declaration: Option<BTreeMap<String, String>>,
}

impl Decision {
    /// Whether it has the members of its procedure and no others.
    pub(super) fn fits(&self, procedure: &Procedure) -> bool {
        let (is_accepted, is_registration) = (procedure.status == "Accepted", procedure.kind == REGISTER);
        let has_values =
            |declaration: &BTreeMap<String, String>| declaration.values().all(|value| !value.is_empty());
        self.registration_number.is_some() == (is_accepted && is_registration)
            && self.registration_number.as_deref() != Some("")
            && !self.transaction_id.is_empty()
            && (is_accepted || self.declaration.is_none())
            && self.declaration.as_ref().is_none_or(has_values)
    }
}

/// Status and code of tRPC, and its sentence.
pub(super) type Refusal = (StatusCode, &'static str, &'static str);

pub(super) const NOT_FOUND: Refusal = (StatusCode::NOT_FOUND, "NOT_FOUND", "Event or action not found");
pub(super) const BAD_REQUEST: Refusal =
    (StatusCode::BAD_REQUEST, "BAD_REQUEST", "Action has been decided otherwise, or the input is not valid");
pub(super) const NO_PROCEDURE: Refusal = (StatusCode::NOT_FOUND, "NOT_FOUND", "No procedure found on path");
pub(super) const CONFLICT: Refusal = (StatusCode::CONFLICT, "CONFLICT", "User is assigned to this event");
pub(super) const UNAUTHORIZED: Refusal = (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "UNAUTHORIZED");
pub(super) const FORBIDDEN: Refusal = (StatusCode::FORBIDDEN, "FORBIDDEN", "FORBIDDEN");

/// An error that core throws as it is.
const fn thrown(sentence: &'static str) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", sentence)
}

/// The input in a batch of one.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let batch: Batch = serde_json::from_slice(body).map_err(|_| BAD_REQUEST)?;
    batch.first.open().ok_or(BAD_REQUEST)
}
