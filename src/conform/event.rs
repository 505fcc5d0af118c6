//! Registrations as OpenCRVS posts them, of invented persons.

use data_encoding::HEXLOWER;
use serde_json::json;

use crate::crypto::secret::random;

/// Makes registrations that no other run makes, and no other check of this one.
pub(super) struct Registry {
    /// Eight hex digits.
    run: String,
    made: std::cell::Cell<u32>,
}

/// A registration.
pub(super) struct Event {
    /// Id of the composition.
    pub(super) composition: String,
    /// Its birth or death registration number.
    pub(super) number: String,
    /// The body of the webhook.
    pub(super) body: String,
}

/// What was registered.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Birth,
    Death,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self { run: HEXLOWER.encode(&random::<4>()), made: std::cell::Cell::new(0) }
    }

    /// Whether the id of a composition is one of this run.
    pub(super) fn made(&self, composition: &str) -> bool {
        composition.starts_with(&self.run)
    }

    pub(super) fn birth(&self, given_name: &str) -> Event {
        self.event(Kind::Birth, given_name, "")
    }

    /// `aid`: the application id, where MOSIP has given one.
    pub(super) fn event(&self, kind: Kind, given_name: &str, aid: &str) -> Event {
        let number_of_event = self.made.get() + 1;
        self.made.set(number_of_event);
        let composition = format!("{}-0000-4000-8000-{number_of_event:012}", self.run);
        let (topic, system, letter) = match kind {
            Kind::Birth => ("BIRTH_REGISTERED", "birth", 'B'),
            Kind::Death => ("DEATH_REGISTERED", "death", 'D'),
        };
        let number = format!("2026{letter}{}{number_of_event:03}", self.run.to_ascii_uppercase());
        let mut person = json!({
            "resourceType": "Patient",
            "name": [{ "use": "en", "given": [given_name], "family": ["Example"] }],
            "gender": "female",
            "birthDate": "2025-12-30",
        });
        if let Some(members) = person.as_object_mut().filter(|_| !aid.is_empty()) {
            members.insert("identifier".to_owned(), json!([{ "type": "MOSIP_AID", "value": aid }]));
        }
        let identifier = |name: &str, value: &str| json!({ "system": format!("http://opencrvs.org/specs/id/{system}-{name}"), "value": value });
        let body = json!({
            "timestamp": "2026-01-01T08:00:00.000Z",
            "id": "7d1f0a52-0000-4000-8000-000000000001",
            "event": { "hub": { "topic": topic }, "context": [{ "resourceType": "Bundle", "entry": [
                { "resource": {
                    "resourceType": "Task",
                    "focus": { "reference": format!("Composition/{composition}") },
                    "identifier": [
                        identifier("tracking-id", &format!("{letter}{number_of_event:06}")),
                        identifier("registration-number", &number),
                    ],
                } },
                { "resource": person },
            ] }] },
        });
        Event { composition, number, body: body.to_string() }
    }
}
