//! The JSON of `POST /authtoken/json`, and the form field `request` of `POST /authtoken/csv`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Form, Refused};
use crate::json::{self, Object};
use crate::mosip::ida::{Attribute, IdLengths, ListedRecord, MOST_RECORDS, Record, Text};

/// What is asked.
pub enum Asked {
    /// One person, at once: what OpenCRVS sends.
    One(ListedRecord<Refused>),
    /// Many, as a job.
    Many(Batch),
}

/// Many persons.
pub struct Batch {
    /// Of the file.
    pub form: Form,
    /// In order.
    pub lines: Vec<ListedRecord<Refused>>,
}

/// `{"request":{…}}`; its other members (id, version, requesttime) are not used.
#[derive(Deserialize)]
struct Envelope {
    request: Object<Request>,
}

#[derive(Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) output: Option<Form>,
    #[serde(default)]
    deliverytype: Option<Delivery>,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    mapping: Option<Object<Mapping>>,
    #[serde(default)]
    authdata: Value,
    #[serde(default, rename = "csvDelimiter")]
    pub(super) csv_delimiter: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Delivery {
    Download,
    Sync,
}

/// Which members of a record hold what; a dot leads into a member.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Mapping {
    vid: Option<String>,
    name: Option<Vec<String>>,
    gender: Option<String>,
    dob: Option<String>,
    phone_number: Option<String>,
    email_id: Option<String>,
    full_address: Option<Vec<String>>,
}

/// Reads the body. One object in `authdata`, or `"deliverytype":"sync"`, asks for an answer at once.
pub fn read_json(body: &[u8], lengths: IdLengths) -> Result<Asked, Refused> {
    let request = parse(body)?;
    match &request.authdata {
        Value::Object(person) => Ok(Asked::One(request.line(person, lengths))),
        Value::Array(people) if (1..=MOST_RECORDS).contains(&people.len()) => {
            let line = |person: &Value| match person {
                Value::Object(person) => request.line(person, lengths),
                _ => ListedRecord { id: String::new(), record: Err(Refused::RECORD_WRONG) },
            };
            match (request.deliverytype == Some(Delivery::Sync), people.as_slice()) {
                (true, [person]) => Ok(Asked::One(line(person))),
                (true, _) => Err(Refused::INVALID),
                (false, people) => Ok(Asked::Many(Batch {
                    form: request.output.unwrap_or_default(),
                    lines: people.iter().map(line).collect(),
                })),
            }
        }
        _ => Err(Refused::INVALID),
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Request, Refused> {
    let Object(Envelope { request: Object(request) }) = json::read(body).map_err(|_| Refused::INVALID)?;
    Ok(request)
}

impl Request {
    pub(super) fn line(&self, person: &Map<String, Value>, lengths: IdLengths) -> ListedRecord<Refused> {
        let default = Mapping::default();
        let mapping = self.mapping.as_ref().map_or(&default, |Object(mapping)| mapping);
        let id = text_at(person, mapping.vid.as_deref().unwrap_or("vid")).unwrap_or_default();
        let record = self.record(mapping, person, id.clone(), lengths);
        ListedRecord { id, record }
    }

    /// Name, gender and date of birth have to be there, as for the seeder; the rest where the mapping names it.
    fn record(
        &self,
        mapping: &Mapping,
        person: &Map<String, Value>,
        id: String,
        lengths: IdLengths,
    ) -> Result<Record, Refused> {
        if id.is_empty() {
            return Err(Refused::VID_ABSENT);
        }
        let one = |name: &Option<String>, default: &str, absent, empty| {
            let text = text_at(person, name.as_deref().unwrap_or(default)).ok_or(absent)?;
            if text.trim().is_empty() { Err(empty) } else { Ok(text) }
        };
        let name = joined(person, mapping.name.as_deref(), "name", " ")?;
        let name = name.ok_or(Refused::NAME_ABSENT)?;
        if name.trim().is_empty() {
            return Err(Refused::NAME_EMPTY);
        }
        let gender = one(&mapping.gender, "gender", Refused::GENDER_ABSENT, Refused::GENDER_EMPTY)?;
        let dob = one(&mapping.dob, "dob", Refused::DOB_ABSENT, Refused::DOB_EMPTY)?;
        let mut demographics = vec![
            ("name".to_owned(), self.in_language(name)),
            ("gender".to_owned(), self.in_language(gender)),
            ("dob".to_owned(), Attribute::Plain(dob)),
        ];
        let plain = [
            ("phoneNumber", &mapping.phone_number, Refused::PHONE_ABSENT),
            ("emailId", &mapping.email_id, Refused::EMAIL_ABSENT),
        ];
        for (attribute, mapped, absent) in plain {
            match text_at(person, mapped.as_deref().unwrap_or(attribute)) {
                Some(text) if !text.trim().is_empty() => {
                    demographics.push((attribute.to_owned(), Attribute::Plain(text)));
                }
                None if mapped.is_some() => return Err(absent),
                _ => {}
            }
        }
        match joined(person, mapping.full_address.as_deref(), "fullAddress", ", ")
            .map_err(|_| Refused::ADDRESS_ABSENT)?
        {
            Some(address) if address.trim().is_empty() => return Err(Refused::ADDRESS_EMPTY),
            Some(address) => demographics.push(("fullAddress".to_owned(), self.in_language(address))),
            None => {}
        }
        Record::with_operators_consent(id, lengths, demographics).map_err(|error| match error.pointer() {
            Some("/individualId") => Refused::VID_WRONG,
            Some("/demographics/dob") => Refused::DOB_WRONG,
            _ => Refused::RECORD_WRONG,
        })
    }

    fn in_language(&self, value: String) -> Attribute {
        let language = self.lang.as_deref().filter(|lang| !lang.is_empty()).unwrap_or("eng").to_owned();
        Attribute::InLanguages(vec![Text { language, value }])
    }
}

/// The parts that the mapping names, joined. Unmapped, the member `default`, if it is there; a mapped part has to be there.
fn joined(
    person: &Map<String, Value>,
    mapped: Option<&[String]>,
    default: &str,
    between: &str,
) -> Result<Option<String>, Refused> {
    let Some(names) = mapped else { return Ok(text_at(person, default)) };
    let parts: Option<Vec<String>> = names.iter().map(|name| text_at(person, name)).collect();
    let parts = parts.ok_or(Refused::NAME_ABSENT)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.trim().is_empty()).collect();
    Ok(Some(parts.join(between)).filter(|_| !names.is_empty()))
}

/// The text or number at `path`, in which dots lead into members.
fn text_at(person: &Map<String, Value>, path: &str) -> Option<String> {
    let value = person.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(person.get(first)?, |value, name| value.get(name))
    })?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_not_taken_for_an_object_member_by_member() {
        let person = r#"{"vid":"4152630978","name":"Leila","gender":"Female","dob":"1990/03/14"}"#;
        let read = |body: String| read_json(body.as_bytes(), IdLengths::default());
        assert!(read(format!(r#"{{"request":{{"authdata":{person},"mapping":{{}}}}}}"#)).is_ok());
        for body in [
            format!(r#"[{{"authdata":{person}}}]"#),
            format!(r#"{{"request":["json",null,null,null,{person},null]}}"#),
            format!(
                r#"{{"request":{{"authdata":{person},"mapping":[null,null,null,null,null,null,null]}}}}"#
            ),
        ] {
            assert_eq!(read(body.clone()).err(), Some(Refused::INVALID), "{body}");
        }
    }
}
