//! What MOSIP says of a registration on other topics than that of credentials: that its packet was processed, refused or paused. MOSIP
//! never signs it; the hub's HMAC over the body is all it rests on.
//!
//! The registration processor posts `{"instanceId","resultCode","workflowType","errorCode"}` bare, without the members that stand
//! around other events; a country's own topic for errors has `{"registrationId","registrationType","failureReason"}`. Either may stand
//! in `event.data`, too.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use crate::error::{Error, Result};
use crate::json::{self, Object};
use crate::mosip::push::{self, Identity, Notice, Outcome, PushKind, Topic, Trust};
use crate::mosip::{Attested, Stated, Transport};
use crate::registration::Subject;

/// What the workflow of a packet came to. MOSIP's topic is `REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT`.
pub(crate) const PACKET_STATUS: PushKind = PushKind {
    name: "packet-status",
    topic: Some(Topic { setting: "packet_status", is_like: |body| Members::of(body).instance_id.is_some() }),
    verify: verify_status,
};

/// A packet waits for more of the applicant. MOSIP's topic is `REGISTRATION_PROCESSOR_WORKFLOW_PAUSED_FOR_ADDITIONAL_INFO_EVENT`.
pub(crate) const PACKET_PAUSED: PushKind = PushKind {
    name: "packet-paused",
    topic: Some(Topic { setting: "packet_paused", is_like: |body| Members::of(body).is_paused() }),
    verify: verify_status,
};

/// Why a registration failed, on a country's own topic.
pub(crate) const REGISTRATION_ERROR: PushKind = PushKind {
    name: "registration-error",
    topic: Some(Topic { setting: "errors", is_like: |body| Members::of(body).failure_reason.is_some() }),
    verify: verify_error,
};

/// A registration was refused: this is delivered.
pub(crate) const REJECTED: &str = "registration.rejected";
/// Its packet was processed. It is not delivered: the credential comes by itself.
const PROCESSED: &str = "registration.processed";
/// MOSIP waits for more of the applicant. It is not delivered: it is no verdict, and it is shown with the event.
const PAUSED: &str = "registration.paused";

/// Longest registration id, characters.
const LONGEST_ID: usize = 128;
/// Longest reason, characters. MOSIP's are a word or a sentence.
const LONGEST_REASON: usize = 500;

/// The members by which a message without a topic is known.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Members {
    instance_id: Option<IgnoredAny>,
    additional_info_process: Option<IgnoredAny>,
    additional_info_request_id: Option<IgnoredAny>,
    failure_reason: Option<IgnoredAny>,
}

impl Members {
    /// Those of `body`, or of its `event.data`.
    fn of(body: &[u8]) -> Self {
        let around =
            serde_json::from_slice::<Object<Around<Self>>>(body).ok().and_then(|around| around.0.event);
        let bare = || serde_json::from_slice::<Object<Self>>(body).ok().map(|bare| bare.0);
        around.map(|Object(event)| event.data.0).or_else(bare).unwrap_or_default()
    }

    fn is_paused(&self) -> bool {
        self.additional_info_process.is_some() || self.additional_info_request_id.is_some()
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Around<T> {
    event: Option<Object<Event<T>>>,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Event<T> {
    id: Option<String>,
    data: Object<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    instance_id: String,
    result_code: Option<String>,
    error_code: Option<String>,
    additional_info_process: Option<String>,
    additional_info_request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    registration_id: String,
    failure_reason: String,
}

/// What a message reports of a registration.
struct Report<'a> {
    kind: &'static str,
    outcome: Outcome,
    registration: &'a str,
    result: &'static str,
    reason: String,
    advice: &'static str,
}

fn verify_status(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    let Read { id, data: status, at } = read::<Status>(body)?;
    let registration = registration_id(&status.instance_id, at, "instanceId")?;
    let (kind, outcome, result, advice) = match status.result_code.as_deref() {
        Some("REJECTED") => (
            REJECTED,
            Outcome::Rejected,
            "REJECTED",
            "MOSIP processed this registration and rejected it. Ask the MOSIP office why, correct the record, and register it again.",
        ),
        Some("FAILED") => (
            REJECTED,
            Outcome::Rejected,
            "FAILED",
            "MOSIP could not process this registration. The record may be right: ask the MOSIP office before it is registered again.",
        ),
        Some("PROCESSED") => (PROCESSED, Outcome::Processed, "PROCESSED", ""),
        None if status.additional_info_process.is_some() || status.additional_info_request_id.is_some() => {
            (PAUSED, Outcome::Paused, "PAUSED", "")
        }
        _ => {
            let what = "this is none of PROCESSED, REJECTED and FAILED";
            return Err(Error::field(format!("{at}/resultCode"), what)
                .advise("Ask the MOSIP administrator what this code means, then discard the message."));
        }
    };
    let reason = status.error_code.as_deref().map(readable).filter(|code| !code.is_empty());
    let reason = reason.unwrap_or_else(|| result.to_owned());
    notice(body, id, Report { kind, outcome, registration, result, reason, advice })
}

fn verify_error(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    let Read { id, data: failure, at } = read::<Failure>(body)?;
    let registration = registration_id(&failure.registration_id, at, "registrationId")?;
    let reason = readable(&failure.failure_reason);
    if reason.is_empty() {
        return Err(Error::field(format!("{at}/failureReason"), "this is empty"));
    }
    let (kind, outcome, result) = (REJECTED, Outcome::Rejected, "ERROR");
    let advice = "MOSIP refused this registration for the reason that it gives. Correct the record, and register it again.";
    notice(body, id, Report { kind, outcome, registration, result, reason, advice })
}

struct Read<T> {
    /// The id of the event, where it has one.
    id: Option<String>,
    data: T,
    /// The JSON pointer to `data`.
    at: &'static str,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<Read<T>> {
    #[derive(Deserialize)]
    struct Peek {
        event: Option<IgnoredAny>,
    }
    let is_around = serde_json::from_slice(body).is_ok_and(|Object(Peek { event })| event.is_some());
    let Some(Object(Event { id, data: Object(data) })) = (match is_around {
        true => json::read::<Object<Around<T>>>(body)?.0.event,
        false => None,
    }) else {
        return json::read(body).map(|Object(data)| Read { id: None, data, at: "" });
    };
    Ok(Read { id: id.filter(|id| !id.is_empty()), data, at: "/event/data" })
}

/// The id of a registration, which stands in the member `name` of the value at `at`.
fn registration_id<'a>(text: &'a str, at: &str, name: &str) -> Result<&'a str> {
    let fits = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let refusal = || Error::field(format!("{at}/{name}"), "this is not the id of a registration");
    fits.then_some(text).ok_or_else(refusal)
}

/// `text` of MOSIP as a person may be shown it: on one line, of at most [`LONGEST_REASON`] characters, each of them visible where it stands.
pub(crate) fn readable(text: &str) -> String {
    let mut characters = text.trim().chars().map(|c| if turns_or_controls(c) { ' ' } else { c });
    let mut shown: String = characters.by_ref().take(LONGEST_REASON).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

/// Control characters, ends of lines and paragraphs, and marks that turn the direction of the text behind them.
fn turns_or_controls(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn notice(body: &[u8], id: Option<String>, report: Report<'_>) -> Result<Stated<Notice>> {
    let Report { kind, outcome, registration, result, reason, advice } = report;
    let identity = match id {
        Some(id) => {
            let says = push::digest(&[registration.as_bytes(), result.as_bytes(), reason.as_bytes()]);
            Identity::Message { id, says, of_share: None }
        }
        None => {
            let mut says = String::new();
            json::write_canonical(json::text(body)?, &mut |piece| says.push_str(piece))?;
            Identity::Repeatable(says)
        }
    };
    let notice = Notice {
        kind,
        outcome: Some(outcome),
        subject: Subject { registration_id: Some(registration.to_owned()), ..Subject::default() },
        identity,
        data: json!({ "registrationId": registration, "result": result, "reason": reason, "advice": advice }),
        uin_token: None,
        receipt: None,
    };
    Ok(Stated::Unsigned(Attested::new(notice, Transport::Hub)))
}
