//! The EventDocument of OpenCRVS 1.8 and later, which its country configuration is posted for every action: an event with all its actions. It
//! is known by kind, event and action, and travels on as it came.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::event::{Event, EventKind};
use crate::error::{Error, Result};
use crate::json::{self, Object, read_at};
use crate::registration::{Subject, is_id};

/// Longest tracking id or registration number that is kept.
const LONGEST_NUMBER: usize = 255;

/// What is posted of an event.
pub(crate) enum Post {
    /// A webhook.
    Event(Event),
    /// An EventDocument.
    Document(EventDocument),
}

/// A well-formed EventDocument: an id, a type, and actions, the last of which has an id. No `Debug`: it holds personal data.
#[derive(Clone)]
pub struct EventDocument {
    kind: EventKind,
    body: Bytes,
    event_id: String,
    action_id: String,
    tracking_id: Option<String>,
    number: Option<String>,
}

#[derive(Deserialize)]
struct Form {
    event: Option<IgnoredAny>,
    actions: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    id: String,
    #[serde(rename = "type")]
    _type: String,
    #[serde(borrow)]
    tracking_id: Option<&'a RawValue>,
    #[serde(borrow)]
    actions: Actions<'a>,
}

/// How many actions there are, and the last one.
struct Actions<'a> {
    count: usize,
    last: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Actions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut actions = Self { count: 0, last: None };
        json::each_item(deserializer, |action| {
            actions.count += 1;
            actions.last = Some(action);
        })?;
        Ok(actions)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action<'a> {
    id: String,
    #[serde(borrow)]
    registration_number: Option<&'a RawValue>,
}

impl Post {
    /// Reads a body of at most the listener's limit: an EventDocument has `actions` and no `event`. Errors carry the JSON pointer of what is
    /// wrong.
    pub(crate) fn parse(kind: EventKind, body: Bytes) -> Result<Self> {
        let text = json::text(&body)?;
        json::check_unambiguous(text)?;
        let Object(form): Object<Form> = read_at(text, "")?;
        match (form.event, form.actions) {
            (None, Some(_)) => EventDocument::read(kind, body).map(Self::Document),
            _ => Event::read(kind, body).map(Self::Event),
        }
    }
}

impl EventDocument {
    /// Reads an EventDocument of OpenCRVS 1.8 to 2.1, posted as `kind`.
    pub fn parse(kind: EventKind, body: Bytes) -> Result<Self> {
        json::check_unambiguous(json::text(&body)?)?;
        Self::read(kind, body)
    }

    fn read(kind: EventKind, body: Bytes) -> Result<Self> {
        let Object(members): Object<Members<'_>> = read_at(json::text(&body)?, "")?;
        let Actions { count, last } = members.actions;
        let action = last.ok_or_else(|| Error::field("/actions", "there is no action"))?;
        let last = count.saturating_sub(1);
        let at = format!("/actions/{last}");
        let Object(action): Object<Action<'_>> = read_at(action.get(), &at)?;
        let action_id = id(action.id, format!("{at}/id"))?;
        Ok(Self {
            kind,
            event_id: id(members.id, "/id".to_owned())?,
            action_id,
            tracking_id: members.tracking_id.and_then(number),
            number: action.registration_number.and_then(number),
            body,
        })
    }

    /// What happened, as the path says.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The event: its entries go in order.
    pub fn event_id(&self) -> &str {
        &self.event_id
    }

    /// The last action, which was posted.
    pub fn action_id(&self) -> &str {
        &self.action_id
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The names that the document holds.
    pub(crate) fn subject(&self) -> Subject {
        let is_death =
            matches!(self.kind, EventKind::Death | EventKind::DeathCorrection | EventKind::DeathRevocation);
        let (brn, drn) = match is_death {
            true => (None, self.number.clone()),
            false => (self.number.clone(), None),
        };
        Subject {
            event_id: Some(self.event_id.clone()),
            action_id: Some(self.action_id.clone()),
            tracking_id: self.tracking_id.clone(),
            brn,
            drn,
            ..Subject::default()
        }
    }
}

/// What may stand in the path of an entry.
fn id(text: String, pointer: String) -> Result<String> {
    if is_id(&text) {
        return Ok(text);
    }
    Err(Error::field(pointer, "this is not an id: 1 to 64 letters, digits, hyphens and dots"))
}

/// Of another form it costs no event.
fn number(raw: &RawValue) -> Option<String> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    (1..=LONGEST_NUMBER).contains(&text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DOCUMENT: &str = r#"{"type":"birth","id":"e-1","trackingId":"B1","actions":[{"type":"CREATE","id":"a-0"},{"type":"REGISTER","id":"a-1","registrationNumber":"2026B1","declaration":{"child.dob":"2026-01-02"}}]}"#;

    fn parse(text: &str) -> Result<Post> {
        Post::parse(EventKind::Birth, Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_document_is_known_by_its_event_and_its_last_action_and_kept_as_it_came() {
        let Post::Document(document) = parse(DOCUMENT).unwrap() else { panic!("a webhook") };
        assert_eq!((document.event_id(), document.action_id()), ("e-1", "a-1"));
        assert_eq!(document.body().as_ref(), DOCUMENT.as_bytes());
        let subject = document.subject();
        assert_eq!((subject.brn.as_deref(), subject.drn.as_deref()), (Some("2026B1"), None));
        assert_eq!((subject.event_id.as_deref(), subject.tracking_id.as_deref()), (Some("e-1"), Some("B1")));
        let death = EventDocument::parse(EventKind::Death, Bytes::from_static(DOCUMENT.as_bytes())).unwrap();
        assert_eq!(death.subject().drn.as_deref(), Some("2026B1"), "the kind comes from the path");
    }

    #[test]
    fn a_document_without_what_it_is_known_by_is_refused_with_its_place() {
        for (body, pointer) in [
            (json!({ "id": "e", "actions": [{ "id": "a" }] }), "/type"),
            (json!({ "type": "birth", "actions": [{ "id": "a" }] }), "/id"),
            (json!({ "type": "birth", "id": 7, "actions": [{ "id": "a" }] }), "/id"),
            (json!({ "type": "birth", "id": "e/../f", "actions": [{ "id": "a" }] }), "/id"),
            (json!({ "type": "birth", "id": "", "actions": [{ "id": "a" }] }), "/id"),
            (json!({ "type": "birth", "id": "9".repeat(65), "actions": [{ "id": "a" }] }), "/id"),
            (json!({ "type": "birth", "id": "e", "actions": [] }), "/actions"),
            (json!({ "type": "birth", "id": "e", "actions": {} }), "/actions"),
            (json!({ "type": "birth", "id": "e", "actions": [{ "id": "a" }, null] }), "/actions/1"),
            (json!({ "type": "birth", "id": "e", "actions": [{ "id": "a" }, {}] }), "/actions/1/id"),
            (json!({ "type": "birth", "id": "e", "actions": [{ "id": "a@b" }] }), "/actions/0/id"),
        ] {
            let Err(error) = parse(&body.to_string()) else { panic!("{body}") };
            assert_eq!(error.pointer(), Some(pointer), "{body}");
        }
    }

    #[test]
    fn numbers_of_another_form_cost_no_event() {
        for odd in [json!(null), json!(7), json!({}), json!(""), json!("9".repeat(256))] {
            let body = json!({ "type": "birth", "id": "e", "trackingId": odd, "actions": [{ "id": "a", "registrationNumber": odd }] });
            let Ok(Post::Document(document)) = parse(&body.to_string()) else { panic!("{body}") };
            let subject = document.subject();
            assert_eq!((subject.tracking_id, subject.brn), (None, None), "{body}");
        }
    }

    #[test]
    fn what_has_an_event_is_a_webhook_whatever_else_it_has() {
        for text in ["{}", r#"{"event":{},"actions":[]}"#, r#"{"id":"x","type":"birth"}"#] {
            let Err(error) = parse(text) else { panic!("{text}") };
            assert!(error.pointer().unwrap().starts_with("/event"), "{text}");
        }
        assert!(parse("[]").is_err() && parse(r#"{"actions":1,"actions":[]}"#).is_err());
    }
}
