//! `opencrvs::{confirm, subscription, search}`: the answers of OpenCRVS's core, and what waits in the event that they hold; the lists of its webhooks
//! service, and its refusals; the pages of its search. Arbitrary answers, and edits of good ones.

#![no_main]

use http::StatusCode;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::error::Fault;
use mosip_gateway::opencrvs::confirm::{Awaited, Standing, Verdict, read_event};
use mosip_gateway::opencrvs::{search, subscription};
use mosip_gateway_fuzz::edit;
use serde_json::Value;

const EVENT: &str = "e1";
/// Whatever core says of a person travels nowhere.
const NAME: &str = "Leila Karim";

const GOOD: &str = r#"[{"result":{"data":{"json":{"id":"e1","type":"birth","createdAt":"2026-11-28T09:00:00.000Z","actions":[{"id":"a1","type":"REGISTER","status":"Requested","requestId":null,"declaration":{"child.name":"Leila Karim"}},{"id":"a2","type":"REGISTER","status":"Accepted","originalActionId":"a1","transactionId":"t1"},{"id":"a3","type":"APPROVE_CORRECTION","status":"Requested","requestId":"r1"}]},"meta":{"values":{"createdAt":["Date"]}}}}}]"#;
const REFUSED: &str = r#"[{"error":{"json":{"message":"Leila Karim is assigned to this event","code":-32009,"data":{"code":"CONFLICT","httpStatus":409,"path":"event.get"}}}}]"#;

const LIST: &str = r#"{"entries":[{"id":"w1","callback":"https://gw/webhooks","createdAt":"x","createdBy":{"client_id":"c","name":"Leila Karim"},"topic":"BIRTH_REGISTERED"}]}"#;
const DENIED: &str =
    r#"{"hub":{"mode":"denied","topic":"T","reason":"hub.secret is incorrect, Leila Karim"}}"#;
const PAGE: &str = r#"{"data":{"searchEvents":{"totalItems":3,"results":[{"id":"c1"},null,{"id":"c2"}]}}}"#;
const NO_PAGE: &str = r#"{"errors":[{"message":"Leila Karim"}],"data":null}"#;

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 3 {
        0 => {
            answer(StatusCode::OK, rest);
            of_older(StatusCode::OK, rest);
        }
        1 => {
            let Some((status, rest)) = rest.split_first_chunk() else { return };
            let status = StatusCode::from_u16(100 + u16::from_be_bytes(*status) % 500).unwrap();
            answer(status, rest);
            of_older(status, rest);
        }
        _ => drop(edited(&mut Unstructured::new(rest))),
    }
});

fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let good = *input.choose(&[GOOD, REFUSED, LIST, DENIED, PAGE, NO_PAGE])?;
    let statuses = [StatusCode::OK, StatusCode::MULTI_STATUS, StatusCode::CONFLICT, StatusCode::BAD_REQUEST];
    let status = *input.choose(&statuses)?;
    if let Some(text) = edit::edited_text(good, input)? {
        answer(status, text.as_bytes());
        of_older(status, text.as_bytes());
    }
    Ok(())
}

/// What OpenCRVS 1.x answers is bounded, and a refusal repeats nothing of it.
fn of_older(status: StatusCode, body: &[u8]) {
    let refusals = [
        subscription::read_list(status, body).map(|listed| {
            assert!(listed.len() <= 1000 && listed.iter().all(|one| (1..=128).contains(&one.id.len())));
        }),
        subscription::read_subscribed(status, body),
        search::read(status, body).map(|found| {
            assert!(found.ids.len() <= 100);
            assert!(found.ids.iter().all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic())));
        }),
    ];
    for error in refusals.into_iter().filter_map(std::result::Result::err) {
        assert!(!format!("{error:?}").contains(NAME));
        assert!(matches!(error.fault(), Fault::Upstream | Fault::Partner), "{error}");
    }
}

/// An event is that of the call, where another reader finds it, and says of its actions what they say. A refusal says nothing of a person.
fn answer(status: StatusCode, body: &[u8]) {
    let event = match read_event(status, body, EVENT) {
        Ok(event) => event,
        Err(error) => {
            assert!(!format!("{error:?}").contains(NAME));
            assert!(matches!(error.fault(), Fault::Upstream | Fault::Partner | Fault::Caller), "{error}");
            return;
        }
    };
    assert!(status.is_success() && event.id() == EVENT);
    // It refuses 1e400.
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    assert!(body.as_array().is_some_and(|answers| answers.len() == 1) && body[0]["error"].is_null());
    let event_read = &body[0]["result"]["data"]["json"];
    assert_eq!(event_read["id"], EVENT);
    let actions = event_read["actions"].as_array().unwrap();
    for (awaited, kind) in [(Awaited::Registration, "REGISTER"), (Awaited::Correction, "APPROVE_CORRECTION")]
    {
        for verdict in [Verdict::Accept, Verdict::Reject] {
            let Standing::Waits { action_id, request_id } = event.standing(awaited, verdict, None, "t1")
            else {
                continue;
            };
            let asked = actions.iter().any(|action| {
                action["type"] == kind
                    && action["status"] == "Requested"
                    && action["id"] == action_id.as_str()
            });
            let is_decided = actions.iter().any(|action| {
                action["type"] == kind
                    && (action["status"] == "Accepted" || action["status"] == "Rejected")
                    && action["originalActionId"] == action_id.as_str()
            });
            assert!(asked && !is_decided && request_id.is_some() == (awaited == Awaited::Correction));
        }
    }
}
