//! The `Task` of an event: which composition it is about, and the numbers of the registration.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::missing;
use crate::error::{Error, Result};
use crate::json::read_at;
use crate::registration::is_id;

/// Longest number. Real ones have 7 to 20 characters, and nobody searches by a longer text.
const LONGEST_NUMBER: usize = 128;

/// The numbers of the registration that the event holds. No `Debug`: they identify a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Tracking id, which the informant gets when the event is declared.
    pub tracking_id: Option<String>,
    /// Birth registration number.
    pub brn: Option<String>,
    /// Death registration number.
    pub drn: Option<String>,
}

impl Numbers {
    /// Reads the identifiers of a `Task`. Each has a `system` that ends with the name of the number, and a `value`. Identifiers of another
    /// form are skipped. Of two with one name the first counts.
    fn read(identifiers: &Value) -> Self {
        let mut numbers = Self::default();
        for identifier in identifiers.as_array().into_iter().flatten() {
            let member = |name| identifier.get(name).and_then(Value::as_str);
            let (Some(system), Some(value)) = (member("system"), member("value")) else { continue };
            let name = system.rsplit('/').next().unwrap_or_default();
            let slot = match name {
                "birth-registration-number" => &mut numbers.brn,
                "death-registration-number" => &mut numbers.drn,
                name if name.ends_with("-tracking-id") => &mut numbers.tracking_id,
                _ => continue,
            };
            if slot.is_none() && (1..=LONGEST_NUMBER).contains(&value.len()) {
                *slot = Some(value.to_owned());
            }
        }
        numbers
    }
}

pub(super) struct Task {
    pub(super) composition_id: String,
    pub(super) numbers: Numbers,
}

impl Task {
    pub(super) fn read(raw: &RawValue, pointer: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct TaskMembers {
            focus: Option<Focus>,
            #[serde(default)]
            identifier: Value,
        }
        #[derive(Deserialize)]
        struct Focus {
            reference: Option<String>,
        }
        let members: TaskMembers = read_at(raw.get(), pointer)?;
        let at = format!("{pointer}/focus/reference");
        let reference = members.focus.and_then(|focus| focus.reference).ok_or_else(|| missing(&at))?;
        let composition_id = reference
            .strip_prefix("Composition/")
            .filter(|id| is_id(id))
            .ok_or_else(|| Error::field(at, "this is not `Composition/<id>`"))?
            .to_owned();
        Ok(Self { composition_id, numbers: Numbers::read(&members.identifier) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identifier(name: &str, value: &str) -> Value {
        json!({ "system": format!("http://opencrvs.org/specs/id/{name}"), "value": value })
    }

    #[test]
    fn the_numbers_are_told_apart_by_the_last_part_of_their_system() {
        let numbers = Numbers::read(&json!([
            identifier("draft-id", "7c6d238b"),
            identifier("birth-tracking-id", "B60QW1Y"),
            identifier("birth-registration-number", "2022B60QW1Y"),
        ]));
        assert_eq!(numbers.tracking_id.as_deref(), Some("B60QW1Y"));
        assert_eq!((numbers.brn.as_deref(), numbers.drn), (Some("2022B60QW1Y"), None));
        let numbers = Numbers::read(&json!([
            identifier("death-registration-number", "2022DJK5F5R"),
            identifier("death-tracking-id", "DJK5F5R"),
            identifier("death-tracking-id", "another"),
        ]));
        assert_eq!((numbers.brn, numbers.drn.as_deref()), (None, Some("2022DJK5F5R")));
        assert_eq!(numbers.tracking_id.as_deref(), Some("DJK5F5R"), "of two the first counts");
    }

    #[test]
    fn identifiers_of_another_form_are_passed_over_and_cost_no_event() {
        let odd = [
            json!(null),
            json!("text"),
            json!({}),
            json!([7, null, "text", {}]),
            json!([{ "system": 7, "value": "x" }, { "system": "http://x/birth-registration-number", "value": 7 }]),
            json!([identifier("birth-registration-number", "")]),
            json!([identifier("birth-registration-number", &"9".repeat(LONGEST_NUMBER + 1))]),
            json!([identifier("marriage-registration-number", "M1")]),
        ];
        for identifiers in odd {
            assert!(Numbers::read(&identifiers) == Numbers::default(), "{identifiers}");
            let task = json!({ "focus": { "reference": "Composition/c1" }, "identifier": identifiers });
            let raw = serde_json::value::to_raw_value(&task).unwrap();
            assert_eq!(Task::read(&raw, "").unwrap().composition_id, "c1");
        }
    }
}
