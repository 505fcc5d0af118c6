//! The webhook of OpenCRVS: the required content of an event, and the place of MOSIP's application id in it.
//!
//! The body is passed on byte for byte. An AID is spliced into its text. Nothing is parsed and written again, so the order of members, the
//! text of numbers and the spacing stay as the caller sent them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::json::{self, Object, read_at};
use crate::registration::{Aid, Subject};
use crate::words::words;

mod bundle;
mod deceased;
mod identity;
mod place;
mod task;

use bundle::{Bundle, First};
pub use deceased::Deceased;
pub(crate) use identity::FORMULA;
use place::{Added, AidPlace, find_place};
pub use task::Numbers;
use task::Task;

words! {
    /// The kind of an event, which decides the upstream URL. The spelling is that of the route and of the configuration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, utoipa::ToSchema)]
    #[schema(rename_all = "kebab-case")]
    pub enum EventKind {
        /// `birth`
        Birth = "birth",
        /// `death`
        Death = "death",
        /// `birth-correction`
        BirthCorrection = "birth-correction",
        /// `death-correction`
        DeathCorrection = "death-correction",
        /// `birth-revocation`
        BirthRevocation = "birth-revocation",
        /// `death-revocation`
        DeathRevocation = "death-revocation",
    }
}

impl EventKind {
    /// The words of all kinds.
    pub(crate) const WORDS: [&'static str; Self::ALL.len()] = [
        Self::Birth.as_str(),
        Self::Death.as_str(),
        Self::BirthCorrection.as_str(),
        Self::DeathCorrection.as_str(),
        Self::BirthRevocation.as_str(),
        Self::DeathRevocation.as_str(),
    ];

    /// The topic that the event must carry; for the other kinds the route alone decides.
    const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Birth => Some("BIRTH_REGISTERED"),
            Self::Death => Some("DEATH_REGISTERED"),
            _ => None,
        }
    }

    /// The kind whose events have the topic `topic` in OpenCRVS.
    pub(crate) fn of_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.topic() == Some(topic))
    }

    /// Whether events of this kind get an AID. Births and deaths become applications at MOSIP, while the other kinds are about one that
    /// exists.
    pub(crate) const fn takes_aid(self) -> bool {
        matches!(self, Self::Birth | Self::Death)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| Error::new(Code::NotFound, "no such kind of event"))
    }
}

/// A well-formed event: a topic, and one `Task` whose `focus.reference` is `Composition/<id>`. No `Debug`: it holds personal data.
#[derive(Clone)]
pub struct Event {
    kind: EventKind,
    body: Bytes,
    composition_id: String,
    numbers: Numbers,
    aid: AidPlace,
    uin_token: AidPlace,
}

impl Event {
    /// Reads a webhook whose topic names the kind. An ambiguous text is refused, since the sender can no longer be asked what was meant.
    /// [`Code::Malformed`] or [`Code::Field`], with the JSON pointer of the defect.
    pub fn from_webhook(body: Bytes) -> Result<Self> {
        let text = json::text(&body)?;
        json::check_unambiguous(text)?;
        let Object(webhook): Object<Webhook<'_>> = read_at(text, "")?;
        let topic = webhook.event.and_then(|event| event.hub).and_then(|hub| hub.topic);
        let topic = topic.ok_or_else(|| missing("/event/hub/topic"))?;
        let kind = EventKind::of_topic(&topic)
            .ok_or_else(|| Error::field("/event/hub/topic", "no kind of event has this topic"))?;
        Self::read(kind, body)
    }

    /// Reads a webhook body of at most the listener's limit. Errors carry the JSON pointer of what is wrong.
    pub fn parse(kind: EventKind, body: Bytes) -> Result<Self> {
        json::check_unambiguous(json::text(&body)?)?;
        Self::read(kind, body)
    }

    /// Reads a body that was checked to be unambiguous.
    pub(super) fn read(kind: EventKind, body: Bytes) -> Result<Self> {
        let text = json::text(&body)?;
        let Object(webhook): Object<Webhook<'_>> = read_at(text, "")?;
        let event = webhook.event.ok_or_else(|| missing("/event"))?;
        check_topic(kind, event.hub.and_then(|hub| hub.topic))?;
        let bundles = event.context.ok_or_else(|| missing("/event/context"))?;
        let bundle = bundles.0.ok_or_else(|| missing("/event/context/0"))?;
        let resources = bundle.entry.ok_or_else(|| missing("/event/context/0/entry"))?;

        let mut task = None;
        let mut places = None;
        for (index, raw) in resources.0 {
            let pointer = format!("/event/context/0/entry/{index}/resource");
            let kind: Kind<'_> = read_at(raw.get(), &pointer)?;
            match kind.resource_type.as_deref() {
                Some("Task") => {
                    let read_task = Task::read(raw, &pointer)?;
                    if task.replace(read_task).is_some() {
                        return Err(Error::field(pointer, "there is a second Task; which one is meant?"));
                    }
                }
                Some("Patient") if places.is_none() => {
                    let place = |added| find_place(text, raw, &pointer, added);
                    places = Some((place(Added::Aid)?, place(Added::UinToken)?));
                }
                _ => {}
            }
        }
        let task = task
            .ok_or_else(|| Error::field("/event/context/0/entry", "there is no Task among the resources"))?;
        let (aid, uin_token) = places.unwrap_or((AidPlace::Nowhere, AidPlace::Nowhere));
        Ok(Self { kind, composition_id: task.composition_id, numbers: task.numbers, aid, uin_token, body })
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The id of the composition: the id of the first birth or death posted for it.
    pub fn composition_id(&self) -> &str {
        &self.composition_id
    }

    /// The numbers by which people know the registration.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The names that the event holds.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            composition_id: Some(self.composition_id.clone()),
            tracking_id: self.numbers.tracking_id.clone(),
            brn: self.numbers.brn.clone(),
            drn: self.numbers.drn.clone(),
            aid: self.aid().map(ToString::to_string),
            ..Subject::default()
        }
    }

    /// The AID that the event already has.
    pub fn aid(&self) -> Option<&Aid> {
        match &self.aid {
            AidPlace::Given(aid) => Some(aid),
            AidPlace::At { .. } | AidPlace::Nowhere => None,
        }
    }

    /// Whether an AID has to be fetched: the kind takes one, the event has none, and it has a Patient to hold it.
    pub fn wants_aid(&self) -> bool {
        self.kind.takes_aid() && matches!(self.aid, AidPlace::At { .. })
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Hands the canonical form of `event.context` to `sink`, piece by piece. Two posts with the same form are one event.
    pub(crate) fn write_context(&self, sink: &mut impl FnMut(&str)) -> Result<()> {
        identity::write_context(&self.body, sink)
    }

    /// As [`Self::write_context`], in the form of older gateways: RFC 8785, in which numbers are floating-point numbers. Returns whether that
    /// form can write the context.
    pub(crate) fn write_first_formula(&self, sink: &mut impl FnMut(&str)) -> Result<bool> {
        identity::write_first_formula(&self.body, sink)
    }

    /// The body with `aid` appended to the identifiers of the first Patient, in the shape that the event uses. An event with an
    /// AID or without a Patient is returned unchanged.
    pub fn with_aid(&self, aid: &Aid) -> Bytes {
        self.aid.splice(&self.body, aid)
    }
}

/// The first bundle of a webhook, which was read before, as it came.
pub(crate) fn bundle(body: &Bytes) -> Result<Bytes> {
    #[derive(Deserialize)]
    struct Webhook<'a> {
        #[serde(borrow)]
        event: Context<'a>,
    }
    #[derive(Deserialize)]
    struct Context<'a> {
        #[serde(borrow)]
        context: First<&'a RawValue>,
    }
    let Object(webhook): Object<Webhook<'_>> = read_at(json::text(body)?, "")?;
    let bundle = webhook.event.context.0.ok_or_else(|| missing("/event/context/0"))?;
    Ok(body.slice_ref(bundle.get().as_bytes()))
}

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow)]
    event: Option<EventMember<'a>>,
}

#[derive(Deserialize)]
struct EventMember<'a> {
    hub: Option<Hub>,
    #[serde(borrow)]
    context: Option<First<Bundle<'a>>>,
}

#[derive(Deserialize)]
struct Hub {
    topic: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind<'a> {
    #[serde(borrow)]
    resource_type: Option<Cow<'a, str>>,
}

fn check_topic(kind: EventKind, topic: Option<String>) -> Result<()> {
    const POINTER: &str = "/event/hub/topic";
    let topic = topic.filter(|topic| !topic.is_empty()).ok_or_else(|| missing(POINTER))?;
    match kind.topic() {
        Some(wanted) if wanted != topic => {
            Err(Error::field(POINTER, format!("a {kind} has the topic {wanted}")))
        }
        _ => Ok(()),
    }
}

fn missing(pointer: &str) -> Error {
    Error::field(pointer, "this is missing")
}

#[cfg(test)]
mod tests;
