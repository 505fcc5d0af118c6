//! The calls by which OpenCRVS core (1.9 and later) learns what came of a registration or a correction that waits there for MOSIP.
//!
//! They are those of core's own client: tRPC in batches of one, `POST /events/<procedure>?batch=1` with `{"0":{"json":…}}` (superjson), and
//! `GET /events/event.get?batch=1&input=…` for the event as it stands. A member that is not there is left out, which reads as superjson's
//! `undefined`.

mod answer;
mod event;

use std::collections::BTreeMap;

use percent_encoding::percent_encode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::answer::read_event;
pub use self::event::{RecordEvent, Standing};
use super::webhook::ENCODE_URI_COMPONENT;
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};
use crate::json::to_wiped;

/// What waits for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awaited {
    /// The registration of a birth or a death.
    Registration,
    /// A correction that was asked for.
    Correction,
    /// The registration where it waits, else a correction: nobody has said which.
    Either,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// MOSIP issued its credential.
    Accept,
    /// MOSIP rejected it, or was silent for too long.
    Reject,
}

impl Awaited {
    /// The procedure that decides, under `/events/`.
    const fn procedure(self, verdict: Verdict) -> &'static str {
        match (self, verdict) {
            (Self::Registration | Self::Either, Verdict::Accept) => "event.actions.register.accept",
            (Self::Registration | Self::Either, Verdict::Reject) => "event.actions.register.reject",
            (Self::Correction, Verdict::Accept) => "event.actions.correction.approve.accept",
            (Self::Correction, Verdict::Reject) => "event.actions.correction.approve.reject",
        }
    }
}

/// What is to be confirmed, as it waits in the outbox. No `Debug`: it holds numbers of a person.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmation {
    pub(crate) awaited: Awaited,
    pub(crate) verdict: Verdict,
    /// By which core knows a repeat: the same for all credentials of one registration.
    pub(crate) transaction_id: String,
    pub(crate) event_id: String,
    /// The action that waits, where the registration named it.
    pub(crate) action_id: Option<String>,
    /// That of the birth or the death.
    pub(crate) registration_number: Option<String>,
    /// Numbers that the credential brought and its issuer signed, by their members.
    pub(crate) numbers: BTreeMap<String, String>,
    /// It is accepted with a number or not at all.
    pub(crate) wants_number: bool,
    /// When its cause came, milliseconds since the Unix epoch.
    pub(crate) caused_at: i64,
}

/// The input of a decision. No `Debug`: it holds numbers of a person.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision<'a> {
    /// By which core knows a repeat.
    pub(crate) transaction_id: &'a str,
    pub(crate) event_id: &'a str,
    /// The action that waits.
    pub(crate) action_id: &'a str,
    /// Of a correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    /// Of a registration that is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_number: Option<&'a str>,
    /// Fields of the record that are set with it, of what is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) declaration: Option<BTreeMap<&'a str, &'a str>>,
}

/// The body of a decision.
pub(crate) fn decision_body(decision: &Decision<'_>) -> Result<Zeroizing<Vec<u8>>> {
    to_wiped(&batch(decision)).map_err(|_| unwritten())
}

/// Where a decision is posted: path and query, below the path of `opencrvs.url`.
pub(crate) fn decision_path(base: &str, awaited: Awaited, verdict: Verdict) -> SecretWriter {
    path(base, awaited.procedure(verdict))
}

/// Where the event `event_id` is asked for: path and query, below the path of `opencrvs.url`. The query names a record, so the URL is not
/// logged.
pub(crate) fn event_path(base: &str, event_id: &str) -> Result<SecretWriter> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Query<'a> {
        event_id: &'a str,
    }
    let input = to_wiped(&batch(&Query { event_id })).map_err(|_| unwritten())?;
    let mut path = path(base, "event.get");
    path.push(b"&input=");
    percent_encode(&input, ENCODE_URI_COMPONENT).for_each(|piece| path.push(piece.as_bytes()));
    Ok(path)
}

fn path(base: &str, procedure: &str) -> SecretWriter {
    let mut path = SecretWriter::default();
    for piece in [base.trim_end_matches('/'), "/events/", procedure, "?batch=1"] {
        path.push(piece.as_bytes());
    }
    path
}

/// `{"0":{"json":…}}`
fn batch<T: Serialize>(input: &T) -> BTreeMap<&'static str, BTreeMap<&'static str, &T>> {
    BTreeMap::from([("0", BTreeMap::from([("json", input)]))])
}

fn unwritten() -> Error {
    Error::new(Code::Bug, "a call of OpenCRVS does not serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: SecretWriter) -> String {
        String::from_utf8(path.into_bytes().to_vec()).unwrap()
    }

    fn body(decision: &Decision<'_>) -> String {
        String::from_utf8(decision_body(decision).unwrap().to_vec()).unwrap()
    }

    /// What the client that core's toolkit pins (`@trpc/client` 11.4.3 with superjson) put on the wire.
    #[test]
    fn an_accepted_registration_is_posted_byte_for_byte_as_cores_own_client_posts_it() {
        let mut decision = Decision {
            transaction_id: "t",
            event_id: "e",
            action_id: "a",
            request_id: None,
            registration_number: Some("n"),
            declaration: Some(BTreeMap::from([("child.nid", "…")])),
        };
        assert_eq!(
            body(&decision),
            r#"{"0":{"json":{"transactionId":"t","eventId":"e","actionId":"a","registrationNumber":"n","declaration":{"child.nid":"…"}}}}"#
        );
        decision.declaration = Some(BTreeMap::new());
        assert!(
            body(&decision).ends_with(r#""registrationNumber":"n","declaration":{}}}}"#),
            "a death has no number"
        );
    }

    #[test]
    fn a_correction_names_its_request_and_a_rejection_nothing_else() {
        let decision = Decision {
            transaction_id: "t",
            event_id: "e",
            action_id: "a",
            request_id: Some("r"),
            registration_number: None,
            declaration: None,
        };
        assert_eq!(
            body(&decision),
            r#"{"0":{"json":{"transactionId":"t","eventId":"e","actionId":"a","requestId":"r"}}}"#
        );
    }

    #[test]
    fn paths_stand_below_that_of_the_setting_and_an_event_cannot_break_out_of_its_query() {
        let path = |base| text(decision_path(base, Awaited::Registration, Verdict::Accept));
        assert_eq!(path("/"), "/events/event.actions.register.accept?batch=1");
        assert_eq!(path("/gateway/"), "/gateway/events/event.actions.register.accept?batch=1");
        let path = text(decision_path("", Awaited::Correction, Verdict::Reject));
        assert_eq!(path, "/events/event.actions.correction.approve.reject?batch=1");
        assert_eq!(
            text(event_path("/", "e&x=\"#").unwrap()),
            "/events/event.get?batch=1&input=%7B%220%22%3A%7B%22json%22%3A%7B%22eventId%22%3A%22e%26x%3D%5C%22%23%22%7D%7D%7D"
        );
    }
}
