//! Compares the attributes of a request with those that IDA holds.

use serde_json::{Map, Value};

use super::population::{LANGUAGES, Person};
use super::request::Refusal;

enum Held {
    Plain(&'static str),
    InLanguages(&'static [(&'static str, &'static str)]),
}

/// Every attribute has to match.
pub(super) fn compare(sent: &Map<String, Value>, person: &'static Person) -> Result<(), Refusal> {
    // The SDK also sends attributes that have no value.
    let is_there = |value: &&Value| {
        !matches!(value, Value::Null) && **value != "" && *value != &Value::Array(Vec::new())
    };
    for (name, value) in sent.iter().filter(|(_, value)| is_there(value)) {
        match (held(person, name), value) {
            (Some(Held::Plain(held)), Value::String(value)) => {
                fits(held, value).then_some(()).ok_or_else(|| mismatch(name, None))?;
            }
            (Some(Held::InLanguages(held)), Value::Array(items)) => {
                items.iter().try_for_each(|item| compare_text(name, held, item))?;
            }
            (Some(_), _) => return Err(invalid(name)),
            (None, _) => return Err(absent(name, None)),
        }
    }
    Ok(())
}

fn compare_text(name: &str, held: &[(&str, &str)], item: &Value) -> Result<(), Refusal> {
    let text = |member: &str| item.get(member).and_then(Value::as_str).ok_or_else(|| invalid(name));
    let (language, value) = (text("language")?, text("value")?);
    if !LANGUAGES.contains(&language) {
        return Err(Refusal::new("IDA-DEA-002", "Unsupported Language Code"));
    }
    let (_, held) =
        held.iter().find(|(held, _)| *held == language).ok_or_else(|| absent(name, Some(language)))?;
    fits(held, value).then_some(()).ok_or_else(|| mismatch(name, Some(language)))
}

fn fits(held: &str, sent: &str) -> bool {
    held.to_lowercase() == sent.to_lowercase()
}

fn held(person: &'static Person, name: &str) -> Option<Held> {
    match name {
        "name" => Some(Held::InLanguages(person.name)),
        "gender" if !person.gender.is_empty() => Some(Held::InLanguages(person.gender)),
        "fullAddress" => Some(Held::InLanguages(person.full_address)),
        "dob" => Some(Held::Plain(person.dob)),
        "phoneNumber" => Some(Held::Plain(person.phone)),
        "emailId" => Some(Held::Plain(person.email)),
        "postalCode" => Some(Held::Plain(person.postal_code)),
        _ => None,
    }
}

fn invalid(name: &str) -> Refusal {
    Refusal::new("IDA-MLC-009", &format!("Invalid Input Parameter - {name}"))
}

fn mismatch(name: &str, language: Option<&str>) -> Refusal {
    let language = language.map(|language| format!(" in {language}")).unwrap_or_default();
    Refusal::new("IDA-DEA-001", &format!("Demographic data {name}{language} did not match"))
}

fn absent(name: &str, language: Option<&str>) -> Refusal {
    let language = language.map(|language| format!(" in {language}")).unwrap_or_default();
    Refusal::new("IDA-DEA-003", &format!("Demographic data {name}{language} not available in database"))
}
