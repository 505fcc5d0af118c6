//! `opencrvs::event`: reading a webhook body, and splicing an application id into it. `opencrvs::registration`: reading what goes as a packet.
//! `opencrvs::interop`: reading what the client of `mosip-api` posts.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mosip_gateway::error::Code;
use mosip_gateway::opencrvs::event::{Event, EventKind};
use mosip_gateway::opencrvs::interop;
use mosip_gateway::opencrvs::registration::Registration;
use mosip_gateway::registration::Aid;
use serde_json::Value;
use serde_json::value::RawValue;

const AID: &str = "fuzz-10001100770000120260101";

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    webhook(body);
    let kind = EventKind::ALL[usize::from(*kind) % EventKind::ALL.len()];
    registration(kind, body);
    interop(body);
    let event = match Event::parse(kind, Bytes::copy_from_slice(body)) {
        Ok(event) => event,
        Err(error) => {
            assert!(matches!(error.code(), Code::Malformed | Code::Field), "{error}");
            assert_eq!(error.code() == Code::Field, error.pointer().is_some());
            return;
        }
    };
    assert_eq!((event.kind(), &event.body()[..]), (kind, body));
    second_opinion(&event);

    let aid = Aid::parse(AID).unwrap();
    let spliced = event.with_aid(&aid);
    assert!(serde_json::from_slice::<&RawValue>(&spliced).is_ok(), "the splice broke the JSON");
    if spliced == body {
        assert!(!event.wants_aid());
        return;
    }
    assert!(event.aid().is_none());
    assert!(adds_an_identifier_only(body, &spliced), "something else changed");

    let Ok(again) = Event::parse(kind, spliced.clone()) else { panic!("the splice broke the event") };
    assert_eq!(again.aid(), Some(&aid));
    assert_eq!(again.composition_id(), event.composition_id());
    assert!(again.numbers() == event.numbers());
    assert_eq!(again.with_aid(&aid), spliced, "it is appended once");
});

/// A webhook is the event that its topic names, or is refused as a message or a member of it.
fn webhook(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    match Event::from_webhook(body.clone()) {
        Ok(event) => assert!(Event::parse(event.kind(), body).is_ok()),
        Err(error) => assert!(matches!(error.code(), Code::Malformed | Code::Field), "{error}"),
    }
}

/// A registration holds its number where another reader finds it, or is refused as a message or a member of it.
fn registration(kind: EventKind, body: &[u8]) {
    match Registration::parse(kind, Bytes::copy_from_slice(body)) {
        Err(error) => {
            assert!(matches!(error.code(), Code::Malformed | Code::Field | Code::NotFound), "{error}");
        }
        Ok(registration) => {
            assert_eq!((registration.kind(), &registration.body()[..]), (kind, body));
            let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
            let fields = body["requestFields"].as_object().unwrap();
            assert!(fields.values().any(|field| field == registration.number()));
        }
    }
}

/// What the client of `mosip-api` posts can be read again once it is stored, with the fields that it held.
fn interop(body: &[u8]) {
    for read in [interop::registrations, interop::update] {
        let registrations = match read(Bytes::copy_from_slice(body)) {
            Ok(registrations) => registrations,
            Err(error) => {
                assert!(matches!(error.code(), Code::Malformed | Code::Field), "{error}");
                continue;
            }
        };
        assert!(!registrations.is_empty());
        for registration in registrations {
            assert!(Registration::parse(registration.kind(), registration.body().clone()).is_ok());
            let values = [body, &registration.body()[..]].map(serde_json::from_slice::<Value>);
            let [Ok(posted), Ok(stored)] = values else { continue };
            assert_eq!(posted["requestFields"], stored["requestFields"]);
        }
    }
}

/// The composition as another reader finds it, where it can read the body (it refuses 1e400) and the Task is an object.
fn second_opinion(event: &Event) {
    let Ok(body) = serde_json::from_slice::<Value>(event.body()) else { return };
    let entries = body.pointer("/event/context/0/entry").and_then(Value::as_array);
    let task =
        entries.into_iter().flatten().map(|entry| &entry["resource"]).find(|it| it["resourceType"] == "Task");
    if let Some(reference) = task.and_then(|task| task.pointer("/focus/reference")) {
        assert_eq!(reference.as_str(), Some(format!("Composition/{}", event.composition_id()).as_str()));
    }
}

/// Whether `spliced` is `body`, byte for byte, but for one identifier (in place of a `null`, where one stood there).
fn adds_an_identifier_only(body: &[u8], spliced: &[u8]) -> bool {
    let identifiers = [
        r#"{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_AID"}]}"#,
        r#""MOSIP_AID""#,
    ]
    .map(|kind| format!(r#"{{"type":{kind},"value":"{AID}"}}"#));
    let places = [("", "", ""), (",", "", ""), (r#""identifier":["#, "],", ""), ("[", "]", "null")];
    let common = body.iter().zip(spliced).take_while(|(a, b)| a == b).count();
    identifiers.iter().any(|identifier| {
        places.iter().any(|(before, after, gone)| {
            let added = [*before, identifier, *after].concat();
            // What was added may begin with what followed its place, so the place may be further left than the first difference.
            (common.saturating_sub(added.len())..=common).any(|at| {
                spliced[at..].starts_with(added.as_bytes())
                    && body[at..].starts_with(gone.as_bytes())
                    && spliced[at + added.len()..] == body[at + gone.len()..]
            })
        })
    })
}
