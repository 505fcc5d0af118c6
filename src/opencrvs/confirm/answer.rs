//! The answer to a call of OpenCRVS core: a list of one, `[{"result":{"data":{"json":<event>}}}]` or `[{"error":{"json":{…}}}]`.

use http::StatusCode;
use serde::Deserialize;

use super::event::RecordEvent;
use crate::error::{Code, Error, Fault, Result};
use crate::json::Object;
use crate::refusal;

/// Who answers, as people call it.
const WHO: &str = "OpenCRVS";
/// Where its URL stands.
const SETTING: &str = "opencrvs.url";

/// On a client that may not confirm.
const SCOPES: &str = "Give the client of opencrvs.client_id the scopes record.action.accept, record.action.reject and record.read (OpenCRVS 2.0: \
                      record.register, record.read and record.correct) in the country configuration, and check that opencrvs.auth_url and \
                      opencrvs.url belong to one OpenCRVS.";

/// What core throws without a code of tRPC where a rejection has nothing to reject. It means what `BAD_REQUEST` and `NOT_FOUND` mean.
const THROWN: [(&str, &str); 2] =
    [("Action has already been accepted.", "BAD_REQUEST"), ("Action not found.", "NOT_FOUND")];

/// On a core that has not what is called.
const TOO_OLD: &str = "Check opencrvs.url: the OpenCRVS there does not know this call. Confirmations need OpenCRVS 1.9 or later, and 2.0 or later by a client.";

#[derive(Deserialize)]
struct Answer {
    result: Option<Object<Outcome>>,
    error: Option<Object<Json<Object<Refusal>>>>,
}

#[derive(Deserialize)]
struct Outcome {
    data: Object<Json<RecordEvent>>,
}

/// What superjson wraps. Its `meta` says which texts are dates, and no date is read.
#[derive(Deserialize)]
struct Json<T> {
    json: T,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    data: Option<Object<RefusalData>>,
}

#[derive(Deserialize)]
struct RefusalData {
    code: Option<String>,
}

/// The event `event_id` in the answer to a call about it.
///
/// # Errors
///
/// Who has to act: fault `partner` where all calls are refused until a person has changed something, `caller` where this confirmation is,
/// else `upstream`. A record to which a user is assigned (`CONFLICT`) is a refusal with that code, after which the others go on.
pub fn read_event(status: StatusCode, body: &[u8], event_id: &str) -> Result<RecordEvent> {
    let Some(Answer { result, error }) = the_one(body) else { return Err(broken(status)) };
    match (result, error) {
        (None, Some(Object(Json { json: Object(refusal) }))) => Err(refused(status, &refusal)),
        (Some(Object(Outcome { data: Object(Json { json: event }) })), None) if status.is_success() => {
            if event.id() == event_id {
                return Ok(event);
            }
            Err(Error::new(Code::Upstream, "OpenCRVS answered with another event than the one of the call")
                .advise("Have the proxy before OpenCRVS looked at: it answers one call with what belongs to another."))
        }
        _ => Err(broken(status)),
    }
}

/// The only answer of the list. A refusal of the whole call stands alone, in no list.
fn the_one(body: &[u8]) -> Option<Answer> {
    if let Ok([Object(answer)]) = serde_json::from_slice::<[Object<Answer>; 1]>(body) {
        return Some(answer);
    }
    let alone = serde_json::from_slice::<Object<Answer>>(body).ok()?;
    Some(alone.0).filter(|answer| answer.error.is_some())
}

fn broken(status: StatusCode) -> Error {
    refusal::of_body(WHO, status, SETTING)
}

/// What core says by a code of tRPC. Its sentence may name a person, and travels nowhere.
fn refused(status: StatusCode, refusal: &Refusal) -> Error {
    let code = refusal.data.as_ref().and_then(|data| data.0.code.as_deref()).unwrap_or_default();
    let thrown =
        THROWN.iter().find(|(sentence, _)| code == "INTERNAL_SERVER_ERROR" && *sentence == refusal.message);
    let code = thrown.map_or(code, |(_, code)| code);
    // tRPC's own words for a procedure that this version of core does not have.
    let lacks_procedure = refusal.message.starts_with("No ") && refusal.message.contains("procedure");
    let answered = || Error::new(Code::Upstream, format!("OpenCRVS answered {code}")).with_upstream(code, "");
    let of_client = |advice| answered().blame(Fault::Partner, true).advise(advice);
    let of_this = |advice| answered().blame(Fault::Caller, false).advise(advice);
    match code {
        "UNAUTHORIZED" | "FORBIDDEN" => of_client(SCOPES),
        "NOT_FOUND" if lacks_procedure => of_client(TOO_OLD),
        "METHOD_NOT_SUPPORTED" => of_client(TOO_OLD),
        "CONFLICT" => answered().advise(
            "A user of OpenCRVS has the record open or assigned to them. It is tried again by itself; where it lasts, ask them to unassign it.",
        ),
        "NOT_FOUND" => of_this(
            "Look the record up in OpenCRVS: it does not know the event or the action. Discard this entry where the record is gone, else retry it.",
        ),
        "BAD_REQUEST" | "PARSE_ERROR" | "PRECONDITION_FAILED" | "UNPROCESSABLE_CONTENT" => of_this(
            "Look the record up in OpenCRVS: it was decided otherwise there, or it does not take opencrvs.national_id_field or the registration \
             number. Put that right and retry this entry, or discard it.",
        ),
        "TIMEOUT" | "TOO_MANY_REQUESTS" | "INTERNAL_SERVER_ERROR" | "BAD_GATEWAY" | "SERVICE_UNAVAILABLE"
        | "GATEWAY_TIMEOUT" | "CLIENT_CLOSED_REQUEST" => Error::new(Code::Upstream, "OpenCRVS is away or broken"),
        // A word that is not known may be anything.
        _ if status.is_success() => Error::new(Code::Upstream, "OpenCRVS answered an error without a code that is known")
            .advise(refusal::UNKNOWN)
            .with_upstream(status.as_str(), ""),
        _ => refusal::of_status(WHO, status, SETTING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"e1","type":"birth","createdAt":"2026-11-28T00:00:00.000Z","actions":[]}"#;

    fn read(status: u16, body: &str) -> Result<RecordEvent> {
        read_event(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "e1")
    }

    fn error(status: u16, body: &str) -> Error {
        read(status, body).err().unwrap()
    }

    fn refusal(code: &str, message: &str) -> String {
        serde_json::json!([{ "error": { "json": {
            "message": message, "code": -32009, "data": { "code": code, "httpStatus": 400, "path": "event.get" },
        } } }])
        .to_string()
    }

    #[test]
    fn the_event_is_read_whatever_else_superjson_says_of_it() {
        for body in [
            format!(r#"[{{"result":{{"data":{{"json":{EVENT}}}}}}}]"#),
            format!(
                r#"[{{"result":{{"data":{{"json":{EVENT},"meta":{{"values":{{"createdAt":["Date"]}}}}}}}}}}]"#
            ),
        ] {
            assert_eq!(read(200, &body).unwrap().id(), "e1");
        }
    }

    #[test]
    fn what_is_no_answer_of_core_is_an_upstream_that_is_broken_and_names_the_setting() {
        let event = format!(r#"{{"result":{{"data":{{"json":{EVENT}}}}}}}"#);
        for (what, body) in [
            ("a login page", "<html>Login</html>".to_owned()),
            ("nothing", String::new()),
            ("half a reply", format!("[{}", &event[..event.len() / 2])),
            ("no list", event.clone()),
            ("an empty list", "[]".to_owned()),
            ("two answers", format!("[{event},{event}]")),
            ("neither result nor error", "[{}]".to_owned()),
            ("a list in place of the answer", format!("[[{}]]", &event[10..event.len() - 1])),
            ("no event", r#"[{"result":{"data":{"json":null}}}]"#.to_owned()),
            (
                "actions that are none",
                r#"[{"result":{"data":{"json":{"id":"e1","actions":{}}}}}]"#.to_owned(),
            ),
            (
                "a result and an error",
                format!(r#"[{},"error":{{"json":{{"message":""}}}}}}]"#, &event[..event.len() - 1]),
            ),
        ] {
            let error = error(200, &body);
            assert_eq!((error.fault(), error.upstream()), (Fault::Upstream, None), "{what}");
            assert!(error.advice().contains("opencrvs.url"), "{what}: {}", error.advice());
        }
    }

    #[test]
    fn the_event_of_another_call_is_not_taken_for_this_one() {
        let other = r#"[{"result":{"data":{"json":{"id":"e2","actions":[]}}}}]"#;
        let error = error(200, other);
        assert!(
            error.detail().contains("another event") && !error.detail().contains("e2"),
            "{}",
            error.detail()
        );
    }

    #[test]
    fn a_success_under_a_status_that_is_none_does_not_count() {
        let body = format!(r#"[{{"result":{{"data":{{"json":{EVENT}}}}}}}]"#);
        for (status, fault) in [(302, Fault::Partner), (404, Fault::Partner), (503, Fault::Upstream)] {
            assert_eq!(error(status, &body).fault(), fault, "{status}");
        }
    }

    #[test]
    fn an_error_is_one_inside_http_200_too_and_in_no_list() {
        for status in [200, 207, 409] {
            let error = error(status, &refusal("CONFLICT", "User is assigned to this event"));
            assert_eq!(error.upstream().unwrap().code, "CONFLICT", "{status}");
            assert_eq!(
                (error.fault(), error.retryable()),
                (Fault::Upstream, true),
                "it waits, and the others go on"
            );
        }
        let alone = refusal("UNAUTHORIZED", "");
        assert_eq!(error(401, &alone[1..alone.len() - 1]).fault(), Fault::Partner);
    }

    #[test]
    fn every_code_says_who_has_to_act() {
        for (code, status, fault, retryable) in [
            ("UNAUTHORIZED", 401, Fault::Partner, true),
            ("FORBIDDEN", 403, Fault::Partner, true),
            ("METHOD_NOT_SUPPORTED", 405, Fault::Partner, true),
            ("NOT_FOUND", 404, Fault::Caller, false),
            ("BAD_REQUEST", 400, Fault::Caller, false),
            ("UNPROCESSABLE_CONTENT", 422, Fault::Caller, false),
            ("TOO_MANY_REQUESTS", 429, Fault::Upstream, true),
            ("INTERNAL_SERVER_ERROR", 500, Fault::Upstream, true),
            ("NEW_CODE", 400, Fault::Upstream, true),
            ("", 200, Fault::Upstream, true),
        ] {
            let error = error(status, &refusal(code, "Leila Karim"));
            assert_eq!((error.fault(), error.retryable()), (fault, retryable), "{code}");
            let said = format!("{error:?}");
            assert!(!said.contains("Leila") && !said.contains("NEW_CODE"), "{said}");
        }
    }

    #[test]
    fn what_core_throws_without_a_code_of_its_own_is_of_the_record() {
        for (message, code) in
            [("Action has already been accepted.", "BAD_REQUEST"), ("Action not found.", "NOT_FOUND")]
        {
            let error = error(500, &refusal("INTERNAL_SERVER_ERROR", message));
            assert_eq!((error.fault(), error.retryable()), (Fault::Caller, false), "{message}");
            assert_eq!(error.upstream().unwrap().code, code);
        }
    }

    #[test]
    fn a_core_without_the_procedure_parks_no_record() {
        for message in ["No procedure found on path \"event.get\"", "No \"mutation\"-procedure on path \"x\""]
        {
            let error = error(404, &refusal("NOT_FOUND", message));
            assert_eq!((error.fault(), error.retryable()), (Fault::Partner, true), "{message}");
        }
    }
}
