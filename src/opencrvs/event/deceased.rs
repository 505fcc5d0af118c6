//! The deceased of a death: who they are to IDA, and their UINTOKEN among their identifiers.

use serde::Deserialize;
use serde_json::Value;

use super::place::AidPlace;
use super::{Event, EventKind};
use crate::error::{Error, Result};
use crate::mosip::ida::{Attribute, IdLengths, Record, Text};
use crate::registration::Aid;

impl Event {
    /// Whom IDA is to be asked about, as OpenCRVS itself would ask: by national id, name, gender and date of birth. `None` for what is
    /// no death, what has a UINTOKEN already, and where one of these is missing or has not its form.
    pub fn deceased(&self, lengths: IdLengths) -> Option<Record> {
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
        let id = patient.identifier.into_iter().find(Identifier::is_national)?.value?;
        let in_english =
            |value: String| Attribute::InLanguages(vec![Text { language: "eng".to_owned(), value }]);
        let name = patient.name.into_iter().find(|name| name.language.as_deref() == Some("en"))?;
        let demographics = vec![
            ("name".to_owned(), in_english(name.full())),
            ("gender".to_owned(), in_english(patient.gender?)),
            ("dob".to_owned(), Attribute::Plain(patient.birth_date?.replace('-', "/"))),
        ];
        Record::with_operators_consent(id, lengths, demographics).ok()
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
            assert_eq!(event.deceased(IdLengths::default()).unwrap().id(), "2784528096");
            let linked = event.with_uin_token("123").unwrap();
            let expected = format!(r#""value":"2784528096"}},{{"type":{typed},"value":"123"}}]"#);
            assert!(std::str::from_utf8(linked.body()).unwrap().contains(&expected), "{expected}");
            assert!(linked.deceased(IdLengths::default()).is_none(), "once is enough");
            assert!(linked.wants_aid(), "the application id still has its place");
        }
    }

    #[test]
    fn nobody_is_asked_about_who_cannot_be_or_is_linked_already() {
        let number = r#"{"type":"NATIONAL_ID","value":"2784528096"}"#;
        for patient in [
            format!(r#"{PERSON},"identifier":[{number},{{"type":"MOSIP_UINTOKEN","value":"x y"}}]"#),
            format!(r#"{PERSON},"identifier":[{{"type":"NATIONAL_ID","value":"12"}}]"#),
            format!(r#"{PERSON},"identifier":[]"#),
            format!(r#"{},"identifier":[{number}]"#, PERSON.replace("1990-09-20", "1990")),
            format!(r#"{},"identifier":[{number}]"#, PERSON.replace(r#""gender""#, r#""sex""#)),
        ] {
            assert!(death(&patient).deceased(IdLengths::default()).is_none(), "{patient}");
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
