//! The event of a record, as OpenCRVS core gives it: what waits in it for a decision, and what was decided.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Awaited, Verdict};
use crate::json::Object;

/// An event with its actions. No `Debug`: core sends the whole record.
#[derive(Deserialize)]
pub struct RecordEvent(Object<Members>);

#[derive(Deserialize)]
struct Members {
    id: String,
    actions: Vec<Object<Action>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// `Requested`, `Accepted` or `Rejected`.
    status: Option<String>,
    /// Of one that decides: the action that was requested.
    original_action_id: Option<String>,
    /// Of one about a correction: the request for it.
    request_id: Option<String>,
    transaction_id: Option<String>,
}

/// How what waits stands towards a decision about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Waits {
        /// The action that was requested.
        action_id: String,
        /// Of a correction, the request for it.
        request_id: Option<String>,
    },
    /// It was decided so.
    Decided,
    /// It was decided otherwise.
    Contradicted,
    /// Nothing waits.
    Nothing,
    /// Several actions wait, and nobody knows which is meant.
    Several,
}

impl RecordEvent {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.0.id
    }

    /// How `awaited` stands towards `verdict` under `transaction_id`; `action_id` names the action where it is known.
    ///
    /// A registration is decided once. Of corrections there may be many, so that what was decided of another one says nothing.
    pub fn standing(
        &self,
        awaited: Awaited,
        verdict: Verdict,
        action_id: Option<&str>,
        transaction_id: &str,
    ) -> Standing {
        let kind = match awaited {
            Awaited::Registration => "REGISTER",
            Awaited::Correction => "APPROVE_CORRECTION",
            Awaited::Either => {
                let standing = |awaited| self.standing(awaited, verdict, action_id, transaction_id);
                let registration = standing(Awaited::Registration);
                if matches!(registration, Standing::Waits { .. } | Standing::Several) {
                    return registration;
                }
                return match standing(Awaited::Correction) {
                    Standing::Nothing => registration,
                    correction => correction,
                };
            }
        };
        let actions =
            || self.0.0.actions.iter().map(|Object(action)| action).filter(|action| action.kind == kind);
        let is_ours = |action: &Action| action.transaction_id.as_deref() == Some(transaction_id);
        if actions().any(|action| is_ours(action) && action.verdict() == Some(verdict)) {
            return Standing::Decided;
        }
        let is_meant = |id: &str| action_id.is_none_or(|meant| meant == id);
        let deciding = actions().filter(|action| action.verdict().is_some());
        let decided: BTreeSet<&str> =
            deciding.filter_map(|action| action.original_action_id.as_deref()).collect();
        let waits = |asked: &&Action| !decided.contains(asked.id.as_str());
        let asked = actions().filter(|action| action.is_requested() && is_meant(&action.id));
        let mut waiting = asked.filter(waits);
        match (waiting.next(), waiting.next()) {
            (Some(_), Some(_)) => return Standing::Several,
            (Some(action), None) => return action.waits(awaited),
            (None, _) => {}
        }
        let is_known = awaited == Awaited::Registration || action_id.is_some();
        let counts = |action: &&Action| is_known && action.original_action_id.as_deref().is_none_or(is_meant);
        match actions().filter(counts).filter_map(Action::verdict).next_back() {
            Some(decided) if decided == verdict => Standing::Decided,
            Some(_) => Standing::Contradicted,
            None => Standing::Nothing,
        }
    }
}

impl Action {
    fn is_requested(&self) -> bool {
        self.status.as_deref() == Some("Requested")
    }

    fn verdict(&self) -> Option<Verdict> {
        match self.status.as_deref() {
            Some("Accepted") => Some(Verdict::Accept),
            Some("Rejected") => Some(Verdict::Reject),
            _ => None,
        }
    }

    fn waits(&self, awaited: Awaited) -> Standing {
        let request_id = match awaited {
            Awaited::Registration | Awaited::Either => None,
            Awaited::Correction => Some(self.request_id.as_ref().unwrap_or(&self.id).clone()),
        };
        Standing::Waits { action_id: self.id.clone(), request_id }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn standing(actions: &Value, awaited: Awaited, verdict: Verdict, action_id: Option<&str>) -> Standing {
        let event: RecordEvent =
            serde_json::from_value(json!({ "id": "e1", "type": "birth", "actions": actions })).unwrap();
        event.standing(awaited, verdict, action_id, "ours")
    }

    fn asked(id: &str) -> Value {
        json!({ "id": id, "type": "REGISTER", "status": "Requested", "declaration": {}, "transactionId": "core" })
    }

    fn decided(of: &str, status: &str, transaction: &str) -> Value {
        json!({ "id": format!("{of}-{status}"), "type": "REGISTER", "status": status, "originalActionId": of,
            "transactionId": transaction })
    }

    fn waits(action_id: &str, request_id: Option<&str>) -> Standing {
        Standing::Waits { action_id: action_id.to_owned(), request_id: request_id.map(str::to_owned) }
    }

    #[test]
    fn what_was_requested_and_not_decided_waits() {
        let of = |actions: &Value| standing(actions, Awaited::Registration, Verdict::Accept, None);
        let create = json!({ "id": "c", "type": "CREATE", "status": "Accepted", "requestId": null });
        assert_eq!(of(&json!([create, asked("a1")])), waits("a1", None));
        let again = json!([create, asked("a1"), decided("a1", "Rejected", "x"), asked("a2")]);
        assert_eq!(of(&again), waits("a2", None), "it was registered once more");
        assert_eq!(of(&json!([create])), Standing::Nothing);
        assert_eq!(of(&json!([])), Standing::Nothing);
        assert_eq!(of(&json!([asked("a1"), asked("a2")])), Standing::Several);
        let meant =
            standing(&json!([asked("a1"), asked("a2")]), Awaited::Registration, Verdict::Accept, Some("a2"));
        assert_eq!(meant, waits("a2", None));
    }

    #[test]
    fn what_was_decided_before_is_so_or_otherwise() {
        for (status, accept, reject) in [
            ("Accepted", Standing::Decided, Standing::Contradicted),
            ("Rejected", Standing::Contradicted, Standing::Decided),
        ] {
            let actions = json!([asked("a1"), decided("a1", status, "of somebody else")]);
            assert_eq!(standing(&actions, Awaited::Registration, Verdict::Accept, None), accept, "{status}");
            assert_eq!(standing(&actions, Awaited::Registration, Verdict::Reject, None), reject, "{status}");
        }
    }

    /// For each of them all others would be looked through for minutes.
    #[test]
    fn many_actions_are_looked_through_once() {
        let each = (0..100_000).map(|count| format!("a{count}"));
        let many: Vec<_> = each.flat_map(|id| [asked(&id), decided(&id, "Rejected", "x")]).collect();
        let last = standing(&Value::Array(many), Awaited::Registration, Verdict::Reject, Some("a99999"));
        assert_eq!(last, Standing::Decided);
    }

    #[test]
    fn a_correction_is_known_by_its_request_and_another_one_says_nothing() {
        let of = |id: &str, status: &str, more: Value| {
            let mut action = json!({ "id": id, "type": "APPROVE_CORRECTION", "status": status });
            action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            action
        };
        let first = of("a1", "Requested", json!({ "requestId": "r1" }));
        let done = of(
            "a2",
            "Accepted",
            json!({ "originalActionId": "a1", "requestId": "r1", "transactionId": "x" }),
        );
        let correction = |actions: &Value, id| standing(actions, Awaited::Correction, Verdict::Accept, id);
        assert_eq!(correction(&json!([asked("a0"), first]), None), waits("a1", Some("r1")));
        assert_eq!(correction(&json!([first, done]), None), Standing::Nothing);
        assert_eq!(correction(&json!([first, done]), Some("a1")), Standing::Decided);
        let ours = of("a2", "Accepted", json!({ "originalActionId": "a1", "transactionId": "ours" }));
        assert_eq!(correction(&json!([first, ours]), None), Standing::Decided);
        let without = of("a3", "Requested", json!({}));
        assert_eq!(correction(&json!([first, done, without]), None), waits("a3", Some("a3")));
    }

    #[test]
    fn where_nobody_said_what_waits_it_is_the_registration_and_else_a_correction() {
        let correction =
            json!({ "id": "c1", "type": "APPROVE_CORRECTION", "status": "Requested", "requestId": "r1" });
        let of = |actions: &Value, id| standing(actions, Awaited::Either, Verdict::Accept, id);
        let either = |actions: &Value| of(actions, None);
        assert_eq!(either(&json!([asked("a1")])), waits("a1", None));
        let registered = decided("a1", "Accepted", "x");
        let corrected = json!([asked("a1"), registered, correction]);
        for id in [None, Some("c1")] {
            assert_eq!(of(&corrected, id), waits("c1", Some("r1")));
        }
        assert_eq!(of(&corrected, Some("a1")), Standing::Decided, "another correction is none of it");
        assert_eq!(either(&json!([asked("a1"), registered])), Standing::Decided);
        assert_eq!(either(&json!([asked("a1"), decided("a1", "Rejected", "x")])), Standing::Contradicted);
        assert_eq!(either(&json!([])), Standing::Nothing);
        for (status, standing) in [("Accepted", Standing::Decided), ("Rejected", Standing::Contradicted)] {
            let ended = json!({ "id": "c2", "type": "APPROVE_CORRECTION", "status": status, "originalActionId": "c1",
                "requestId": "r1", "transactionId": "x" });
            let actions = json!([asked("a1"), registered, correction, ended]);
            assert_eq!(of(&actions, Some("c1")), standing, "{status}");
        }
        let ours = json!({ "id": "c2", "type": "APPROVE_CORRECTION", "status": "Accepted", "originalActionId": "c1",
            "requestId": "r1", "transactionId": "ours" });
        let lost = json!([asked("a1"), registered, correction, ours]);
        assert_eq!(either(&lost), Standing::Decided, "its answer was lost");
    }
}
