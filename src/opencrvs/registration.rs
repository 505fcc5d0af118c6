//! A registration as the country configuration of OpenCRVS 1.9 and later makes it for MOSIP: fields that it has mapped by itself, and what
//! goes beside them. What it holds travels on as it came.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::event::EventKind;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object, Text, read_at};
use crate::registration::Subject;

/// Longest number, tracking id and the like, bytes.
const LONGEST_NAME: usize = 255;

/// A well-formed registration: it holds the number of its kind. No `Debug`: it holds personal data.
#[derive(Clone)]
pub struct Registration {
    kind: EventKind,
    body: Bytes,
    /// `requestFields`, of `body`.
    fields: Bytes,
    /// The field that holds the number.
    number_name: &'static str,
    number: String,
    tracking_id: Option<String>,
    event_id: Option<String>,
    action_id: Option<String>,
}

/// What goes to MOSIP of a registration, as it came.
pub(crate) struct Content<'a> {
    pub(crate) fields: Fields<'a>,
    pub(crate) meta_info: &'a RawValue,
    pub(crate) audit: &'a RawValue,
    /// The identity schema that it brings: a JSON string.
    pub(crate) schema_json: Option<&'a RawValue>,
    /// Whom MOSIP tells how it ended.
    pub(crate) recipient: Recipient,
}

/// Whom MOSIP tells; what is not known is empty.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Recipient {
    #[serde(rename = "recipientFullName", deserialize_with = "text_or_null")]
    pub(crate) name: String,
    #[serde(rename = "recipientPhone", deserialize_with = "text_or_null")]
    pub(crate) phone: String,
    #[serde(rename = "recipientEmail", deserialize_with = "text_or_null")]
    pub(crate) email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members<'a> {
    tracking_id: Option<String>,
    event_id: Option<String>,
    action_id: Option<String>,
    notification: Option<Object<Recipient>>,
    #[serde(borrow)]
    request_fields: &'a RawValue,
    meta_info: Option<&'a RawValue>,
    audit: Option<&'a RawValue>,
    schema_json: Option<&'a RawValue>,
}

impl Registration {
    /// The kinds that are registered so.
    pub(crate) const KINDS: [EventKind; 5] = [
        EventKind::Birth,
        EventKind::Death,
        EventKind::BirthCorrection,
        EventKind::BirthRevocation,
        EventKind::DeathRevocation,
    ];

    /// Reads `{"requestFields"}` and, where they are there, `trackingId`, `eventId`, `actionId`, `notification`, `metaInfo`, `audit` and
    /// `schemaJson`. [`Code::Malformed`] or [`Code::Field`], with the JSON pointer of the defect.
    pub fn parse(kind: EventKind, body: Bytes) -> Result<Self> {
        json::check_unambiguous(json::text(&body)?)?;
        Self::read(kind, body)
    }

    /// Reads a body that was checked to be unambiguous, as [`Self::parse`] does: it takes no memory for each of many fields.
    pub(crate) fn read(kind: EventKind, body: Bytes) -> Result<Self> {
        let members = members(json::text(&body)?)?;
        for (value, pointer) in [(members.meta_info, "/metaInfo"), (members.audit, "/audit")] {
            if value.is_some_and(|value| !value.get().starts_with('{')) {
                return Err(Error::field(pointer, "this is no object"));
            }
        }
        if let Some(schema) = members.schema_json {
            read_at::<Text<'_>>(schema.get(), "/schemaJson")?;
        }
        let names = [
            (&members.tracking_id, "/trackingId"),
            (&members.event_id, "/eventId"),
            (&members.action_id, "/actionId"),
        ];
        for (name, pointer) in names {
            name.as_deref().map_or(Ok(()), |name| check_name(name, pointer))?;
        }
        let (number_name, number) = number(kind, members.request_fields)?;
        let fields = body.slice_ref(members.request_fields.get().as_bytes());
        let Members { tracking_id, event_id, action_id, .. } = members;
        Ok(Self { kind, fields, number_name, number, tracking_id, event_id, action_id, body })
    }

    /// The same of the record, and the action there, that `event_id` and `action_id` name, where the body names none of its own.
    #[must_use]
    pub(crate) fn of_record(self, event_id: Option<&str>, action_id: Option<&str>) -> Self {
        if self.event_id.is_some() && self.event_id.as_deref() != event_id {
            return self;
        }
        let name = |name: Option<&str>| name.filter(|name| check_name(name, "").is_ok()).map(str::to_owned);
        Self { event_id: name(event_id), action_id: self.action_id.or_else(|| name(action_id)), ..self }
    }

    /// The record, where it is named.
    pub(crate) fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The number that the registration is about: that of its certificate, or of the person.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The JSON pointer of [`Self::number`].
    pub(crate) fn number_pointer(&self) -> String {
        format!("/requestFields/{}", self.number_name)
    }

    /// What orders it among others: its tracking id, else its record, else its number, which a revocation shares with no registration.
    pub(crate) fn order(&self) -> &str {
        self.tracking_id.as_deref().or(self.event_id.as_deref()).unwrap_or(&self.number)
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The names that the registration holds. The number of a person is none of them.
    pub(crate) fn subject(&self) -> Subject {
        let number = |of| (self.kind == of).then(|| self.number.clone());
        Subject {
            event_id: self.event_id.clone(),
            action_id: self.action_id.clone(),
            tracking_id: self.tracking_id.clone(),
            brn: number(EventKind::Birth),
            drn: number(EventKind::Death),
            ..Subject::default()
        }
    }

    /// Hands the canonical form of `requestFields` to `sink`, piece by piece. Two registrations of one number with the same form are one.
    pub(crate) fn write_fields(&self, sink: &mut impl FnMut(&str)) -> Result<()> {
        json::write_canonical(json::text(&self.fields)?, sink)
    }

    /// What goes to MOSIP.
    pub(crate) fn content(&self) -> Result<Content<'_>> {
        let members = members(json::text(&self.body)?)?;
        Ok(Content {
            fields: Fields(members.request_fields),
            meta_info: or_empty(members.meta_info)?,
            audit: or_empty(members.audit)?,
            schema_json: members.schema_json,
            recipient: members.notification.map(|Object(recipient)| recipient).unwrap_or_default(),
        })
    }
}

/// `requestFields`, whose members travel on in their order and with their values as they came. MOSIP knows the number of a birth certificate;
/// that of a death certificate is OpenCRVS's own and stays, in a birth that is posted with it too.
pub(crate) struct Fields<'a>(&'a RawValue);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut written = Ok(());
        let read = each(self.0, |name, value| {
            if written.is_ok() && !numbers(EventKind::Death).contains(&name) {
                written = map.serialize_entry(name, value);
            }
        });
        written?;
        read.map_err(|_| S::Error::custom("the fields cannot be read"))?;
        map.end()
    }
}

/// Hands the members of `object` to `take`, one at a time: a list of them may take several times their bytes.
fn each<'a>(object: &'a RawValue, take: impl FnMut(&str, &'a RawValue)) -> serde_json::Result<()> {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<Text<'de>, _>()? {
                (self.0)(&name, value);
            }
            Ok(())
        }
    }
    serde_json::Deserializer::from_str(object.get()).deserialize_map(Each(take))
}

fn members(text: &str) -> Result<Members<'_>> {
    let Object(members) = read_at(text, "")?;
    Ok(members)
}

/// The fields of which one holds the number that a registration of `kind` is about.
const fn numbers(kind: EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::Birth => &["birthCertificateNumber"],
        EventKind::Death => &["deathCertificateNumber"],
        EventKind::BirthCorrection => &["VID"],
        EventKind::BirthRevocation => &["National_ID", "VID", "UIN"],
        EventKind::DeathRevocation => &["VID", "UIN"],
        EventKind::DeathCorrection => &[],
    }
}

/// The number that a registration of `kind` with `fields` is about, and the field that holds it.
fn number(kind: EventKind, fields: &RawValue) -> Result<(&'static str, String)> {
    let Some(first) = numbers(kind).first() else {
        return Err(Error::new(Code::NotFound, "no registration of this kind goes as a packet"));
    };
    let mut held: Vec<(usize, &'static str, &RawValue)> = Vec::new();
    let read = each(fields, |name, value| {
        let wanted = numbers(kind).iter().enumerate().find(|(_, wanted)| **wanted == name);
        held.extend(wanted.map(|(rank, wanted)| (rank, *wanted, value)));
    });
    read.map_err(|error| {
        let what = if error.is_data() { "this is no object" } else { "a field has a name that is no text" };
        Error::field("/requestFields", what)
    })?;
    let Some((_, name, raw)) = held.into_iter().min_by_key(|(rank, ..)| *rank) else {
        let what = match numbers(kind) {
            [_] => "this is missing: a registration is known by its number".to_owned(),
            all => format!("this is missing: a registration is known by its number ({})", all.join(" or ")),
        };
        return Err(Error::field(format!("/requestFields/{first}"), what));
    };
    let pointer = format!("/requestFields/{name}");
    let number: String = read_at(raw.get(), &pointer)?;
    check_name(&number, &pointer)?;
    Ok((name, number))
}

pub(super) fn check_name(name: &str, pointer: &str) -> Result<()> {
    let fits = name.len() <= LONGEST_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control);
    fits.then_some(()).ok_or_else(|| {
        Error::field(
            pointer,
            format!("this is empty, longer than {LONGEST_NAME} bytes, or holds a control character"),
        )
    })
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What came, or `{}`.
fn or_empty(came: Option<&RawValue>) -> Result<&RawValue> {
    let empty = || Error::new(Code::Bug, "an empty object cannot be read");
    came.map_or_else(|| serde_json::from_str("{}").map_err(|_| empty()), Ok)
}

#[cfg(test)]
mod tests;
