//! Reads what the MOSIP-side mediator needs from the webhook body that it opened.

use serde::Serialize;
use serde_json::Value;

use super::answer::Refusal;

/// The path's last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `/birth`
    Birth,
    /// `/death`
    Death,
    /// `/birth-correction`
    BirthCorrection,
    /// `/death-correction`
    DeathCorrection,
    /// `/birth-revocation`
    BirthRevocation,
    /// `/death-revocation`
    DeathRevocation,
}

impl Kind {
    pub(super) fn from_segment(segment: &str) -> Option<Self> {
        match segment {
            "birth" => Some(Self::Birth),
            "death" => Some(Self::Death),
            "birth-correction" => Some(Self::BirthCorrection),
            "death-correction" => Some(Self::DeathCorrection),
            "birth-revocation" => Some(Self::BirthRevocation),
            "death-revocation" => Some(Self::DeathRevocation),
            _ => None,
        }
    }

    /// The topic that the event has to have; for the other kinds the path alone decides.
    const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Birth => Some("BIRTH_REGISTERED"),
            Self::Death => Some("DEATH_REGISTERED"),
            _ => None,
        }
    }

    const fn carries_aid(self) -> bool {
        matches!(self, Self::Birth | Self::Death)
    }
}

/// An opened event whose form is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// From `Task.focus.reference`.
    pub(super) composition: String,
    /// Of the first `Patient`; births and deaths only.
    pub(super) aid: Option<String>,
    /// The `Task` identifier whose system ends in `birth-registration-number`.
    pub(super) birth_registration_number: Option<String>,
}

impl Event {
    /// Reads the plaintext of an envelope that was posted for `kind`.
    pub(super) fn parse(kind: Kind, plaintext: &[u8]) -> Result<Self, Refusal> {
        let body: Value = serde_json::from_slice(plaintext)
            .map_err(|_| Refusal::strict("SIM-EVENT", "the plaintext is not JSON"))?;
        let topic = body.pointer("/event/hub/topic").and_then(Value::as_str);
        if topic.is_none() || kind.topic().is_some_and(|expected| topic != Some(expected)) {
            return Err(Refusal::strict("SIM-TOPIC", "event.hub.topic does not fit the path"));
        }
        let entries = body
            .pointer("/event/context/0/entry")
            .and_then(Value::as_array)
            .ok_or(Refusal::strict("SIM-EVENT", "event.context[0].entry is not a list"))?;
        let mut tasks = resources(entries, "Task");
        let (Some(task), None) = (tasks.next(), tasks.next()) else {
            return Err(Refusal::strict("SIM-TASK", "the bundle does not hold exactly one Task"));
        };
        let composition = task
            .pointer("/focus/reference")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix("Composition/"))
            .ok_or(Refusal::strict("SIM-TASK", "the Task does not name its composition"))?;
        Ok(Self {
            composition: composition.to_owned(),
            aid: if kind.carries_aid() { Some(aid(entries)?) } else { None },
            birth_registration_number: birth_registration_number(task),
        })
    }
}

fn aid(entries: &[Value]) -> Result<String, Refusal> {
    let patient = resources(entries, "Patient")
        .next()
        .ok_or(Refusal::strict("SIM-AID-ABSENT", "the bundle holds no Patient"))?;
    let mut aids = identifiers(patient).filter(|identifier| type_code(identifier) == Some("MOSIP_AID"));
    let first = aids
        .next()
        .and_then(|identifier| identifier.get("value"))
        .and_then(Value::as_str)
        .ok_or(Refusal::strict("SIM-AID-ABSENT", "the first Patient holds no MOSIP_AID"))?;
    match aids.next() {
        None => Ok(first.to_owned()),
        Some(_) => Err(Refusal::strict("SIM-AID-SEVERAL", "the first Patient holds more than one MOSIP_AID")),
    }
}

fn birth_registration_number(task: &Value) -> Option<String> {
    identifiers(task)
        .find(|identifier| {
            identifier
                .get("system")
                .and_then(Value::as_str)
                .is_some_and(|system| system.ends_with("birth-registration-number"))
        })
        .and_then(|identifier| identifier.get("value"))
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// Both shapes that OpenCRVS writes: `type: "CODE"` and `type.coding[].code`.
fn type_code(identifier: &Value) -> Option<&str> {
    let kind = identifier.get("type")?;
    kind.as_str().or_else(|| kind.pointer("/coding/0/code")?.as_str())
}

fn resources<'a>(entries: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    entries
        .iter()
        .filter_map(|entry| entry.get("resource"))
        .filter(move |resource| resource.get("resourceType").and_then(Value::as_str) == Some(kind))
}

fn identifiers(resource: &Value) -> impl Iterator<Item = &Value> {
    resource.get("identifier").and_then(Value::as_array).into_iter().flatten()
}
