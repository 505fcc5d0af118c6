//! What MOSIP says of a registration on other topics than that of credentials: that its packet was processed, refused or paused. MOSIP
//! never signs it; the hub's HMAC over the body is all it rests on.
//!
//! The registration processor posts `{"instanceId","resultCode","workflowType","errorCode"}` bare, without the members that stand
//! around other events; a country's own topic for errors has `{"registrationId","registrationType","failureReason"}`. Either may stand
//! in `event.data`, too.

use serde::Deserialize;
use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::json;
use crate::mosip::push::{Notice, Trust};
use crate::mosip::subject::Subject;
use crate::mosip::{Attested, Stated, Transport};

/// A registration was refused: this is delivered.
pub(crate) const REJECTED: &str = "registration.rejected";
/// Its packet was processed. Nobody is told: the credential comes by itself.
pub(crate) const PROCESSED: &str = "registration.processed";
/// MOSIP waits for more of the applicant. Nobody is told: it is no verdict, and it is shown with the event.
pub(crate) const PAUSED: &str = "registration.paused";

/// Longest registration id, characters.
const LONGEST_ID: usize = 128;

#[derive(Deserialize)]
struct Around<T> {
    event: Option<Event<T>>,
}

#[derive(Deserialize)]
struct Event<T> {
    id: Option<String>,
    data: T,
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

/// What the workflow of a packet came to.
pub(crate) fn verify_status(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    let (id, status) = read::<Status>(body)?;
    let Status { instance_id, result_code, error_code, .. } = &status;
    let registration = registration_id(instance_id)?;
    let (kind, result, advice) = match result_code.as_deref() {
        Some("REJECTED") => (
            REJECTED,
            "REJECTED",
            "MOSIP processed this registration and rejected it. Ask the MOSIP office why, correct the record, and register it again.",
        ),
        Some("FAILED") => (
            REJECTED,
            "FAILED",
            "MOSIP could not process this registration. The record may be right: ask the MOSIP office before it is registered again.",
        ),
        Some("PROCESSED") => (PROCESSED, "PROCESSED", ""),
        None if status.additional_info_process.is_some() || status.additional_info_request_id.is_some() => {
            (PAUSED, "PAUSED", "")
        }
        _ => {
            return Err(Error::new(Code::Field, "resultCode is none of PROCESSED, REJECTED and FAILED")
                .advise("Ask the MOSIP administrator what this code means, then discard the message."));
        }
    };
    let reason = error_code.as_deref().filter(|code| !code.is_empty()).unwrap_or(result);
    // Without an id of its own, what it says makes it the same message when it comes again.
    let identity = id.unwrap_or_else(|| format!("{registration}\0{result}\0{reason}"));
    Ok(told(kind, registration, identity, result, reason, advice))
}

/// Why a registration failed, in MOSIP's words.
pub(crate) fn verify_error(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    let (id, Failure { registration_id: registration, failure_reason: reason }) = read(body)?;
    let registration = self::registration_id(&registration)?;
    if reason.trim().is_empty() {
        return Err(Error::new(Code::Field, "failureReason is empty"));
    }
    let identity = id.unwrap_or_else(|| format!("{registration}\0{reason}"));
    let advice = "MOSIP refused this registration for the reason that it gives. Correct the record, and register it again.";
    Ok(told(REJECTED, registration, identity, "ERROR", &reason, advice))
}

/// The id of the event, where it has one, and what it says.
fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<(Option<String>, T)> {
    if serde_json::from_slice::<Around<serde::de::IgnoredAny>>(body)
        .is_ok_and(|around| around.event.is_some())
    {
        let around: Around<T> = json::read(body)?;
        let event = around.event.ok_or_else(|| Error::new(Code::Bug, "an event that was there is gone"))?;
        return Ok((event.id.filter(|id| !id.is_empty()), event.data));
    }
    Ok((None, json::read(body)?))
}

fn registration_id(text: &str) -> Result<&str> {
    let fits = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text).ok_or_else(|| Error::new(Code::Field, "the id of the registration is none"))
}

fn told(
    kind: &'static str,
    registration: &str,
    identity: String,
    result: &str,
    reason: &str,
    advice: &str,
) -> Stated<Notice> {
    let notice = Notice {
        kind,
        subject: Subject { registration_id: Some(registration.to_owned()), ..Subject::default() },
        identity,
        data: json!({ "registrationId": registration, "result": result, "reason": reason, "advice": advice }),
        uin_token: None,
    };
    Stated::Unsigned(Attested::over(notice, Transport::Hub))
}
