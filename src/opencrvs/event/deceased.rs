//! The deceased of a death: the attributes that identify them, and their UINTOKEN among their identifiers.

use serde::Deserialize;
use serde_json::Value;

use super::place::AidPlace;
use super::{Event, EventKind};
use crate::error::{Error, Result};
use crate::registration::Aid;

/// Who died, as OpenCRVS itself would ask MOSIP about them. No `Debug`: it is a person.
#[derive(PartialEq, Eq)]
pub struct Deceased {
    /// Their number in the national ID system, unchecked.
    pub national_id: String,
    /// Given and family names in English.
    pub name: String,
    /// As FHIR writes it.
    pub gender: String,
    /// `yyyy-MM-dd`, unchecked.
    pub birth_date: String,
}

impl Event {
    /// Who died. `None` where the event is not a death or has a UINTOKEN already, and where one of the values is missing.
    pub fn deceased(&self) -> Option<Deceased> {
        if self.kind != EventKind::Death || !matches!(self.uin_token, AidPlace::At { .. }) {
            return None;
        }
        let webhook: Value = serde_json::from_slice(&self.body).ok()?;
        let entries = webhook.pointer("/event/context/0/entry")?.as_array()?;
        let patient = entries
            .iter()
            .filter_map(|entry| entry.get("resource"))
            .find(|resource| resource.get("resourceType").and_then(Value::as_str) == Some("Patient"))?;
        let patient: Patient = Deserialize::deserialize(patient).ok()?;
        let name = patient.name.into_iter().find(|name| name.language.as_deref() == Some("en"))?;
        Some(Deceased {
            national_id: patient.identifier.into_iter().find(Identifier::is_national)?.value?,
            name: name.full(),
            gender: patient.gender?,
            birth_date: patient.birth_date?,
        })
    }

    /// The event with `token` appended to the identifiers of the deceased, in the shape that the event uses.
    pub fn with_uin_token(&self, token: &str) -> Result<Self> {
        let token = Aid::parse(token).ok_or_else(|| Error::field("", "this is no UINTOKEN"))?;
        Self::parse(self.kind, self.uin_token.splice(&self.body, &token))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Patient {
    #[serde(default)]
    identifier: Vec<Identifier>,
    #[serde(default)]
    name: Vec<Name>,
    gender: Option<String>,
    birth_date: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    #[serde(default, rename = "type")]
    kind: Value,
    value: Option<String>,
}

impl Identifier {
    /// In either of the two shapes.
    fn is_national(&self) -> bool {
        const CODE: &str = "NATIONAL_ID";
        let codings = self.kind.get("coding").and_then(Value::as_array);
        self.kind.as_str() == Some(CODE)
            || codings
                .into_iter()
                .flatten()
                .any(|coding| coding.get("code").and_then(Value::as_str) == Some(CODE))
    }
}

#[derive(Deserialize)]
struct Name {
    #[serde(rename = "use")]
    language: Option<String>,
    #[serde(default)]
    given: NameParts,
    #[serde(default)]
    family: NameParts,
}

/// OpenCRVS writes a family name as a text or as a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum NameParts {
    One(String),
    Many(Vec<String>),
}

impl Default for NameParts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl NameParts {
    fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(part) => std::slice::from_ref(part),
            Self::Many(parts) => parts.as_slice(),
        }
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
    }
}

impl Name {
    fn full(&self) -> String {
        self.given.iter().chain(self.family.iter()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn death(patient: &str) -> Event {
        let body = format!(
            r#"{{"event":{{"hub":{{"topic":"DEATH_REGISTERED"}},"context":[{{"entry":[
            {{"resource":{{"resourceType":"Task","focus":{{"reference":"Composition/c-1"}}}}}},
            {{"resource":{{"resourceType":"Patient",{patient}}}}}]}}]}}}}"#
        );
        Event::parse(EventKind::Death, Bytes::from(body)).unwrap()
    }

    const PERSON: &str = r#""name":[{"use":"en","given":["Frank",""],"family":"Spencer"}],"gender":"male","birthDate":"1990-09-20""#;

    #[test]
    fn the_token_goes_behind_the_number_in_the_shape_of_the_event() {
        for (kind, typed) in [
            (r#""NATIONAL_ID""#, r#""MOSIP_UINTOKEN""#),
            (
                r#"{"coding":[{"code":"NATIONAL_ID"}]}"#,
                r#"{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_UINTOKEN"}]}"#,
            ),
        ] {
            let event = death(&format!(r#"{PERSON},"identifier":[{{"type":{kind},"value":"2784528096"}}]"#));
            let deceased = event.deceased().unwrap();
            assert_eq!((&*deceased.national_id, &*deceased.name), ("2784528096", "Frank Spencer"));
            assert_eq!((&*deceased.gender, &*deceased.birth_date), ("male", "1990-09-20"));
            let linked = event.with_uin_token("123").unwrap();
            let expected = format!(r#""value":"2784528096"}},{{"type":{typed},"value":"123"}}]"#);
            assert!(std::str::from_utf8(linked.body()).unwrap().contains(&expected), "{expected}");
            assert!(linked.deceased().is_none(), "once is enough");
            assert!(linked.wants_aid(), "the application id still has its place");
        }
    }

    #[test]
    fn nobody_is_asked_about_who_cannot_be_or_is_linked_already() {
        let number = r#"{"type":"NATIONAL_ID","value":"2784528096"}"#;
        for patient in [
            format!(r#"{PERSON},"identifier":[{number},{{"type":"MOSIP_UINTOKEN","value":"x y"}}]"#),
            format!(r#"{PERSON},"identifier":[]"#),
            format!(r#"{},"identifier":[{number}]"#, PERSON.replace(r#""birthDate""#, r#""born""#)),
            format!(r#"{},"identifier":[{number}]"#, PERSON.replace(r#""gender""#, r#""sex""#)),
        ] {
            assert!(death(&patient).deceased().is_none(), "{patient}");
        }
    }

    #[test]
    fn a_token_that_would_break_the_event_is_not_put_in() {
        let event =
            death(&format!(r#"{PERSON},"identifier":[{{"type":"NATIONAL_ID","value":"2784528096"}}]"#));
        for token in ["", "\"}", "1 2"] {
            assert!(event.with_uin_token(token).is_err(), "{token}");
        }
    }
}
