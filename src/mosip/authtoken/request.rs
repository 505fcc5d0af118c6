//! The JSON of `POST /authtoken/json`, and the form field `request` of `POST /authtoken/csv`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::batch::{Batch, People};
use super::{Form, Refused};
use crate::json::{self, Object};
use crate::mosip::ida::{Attribute, IdLengths, ListedRecord, MOST_RECORDS, Record, Text};

/// The request of a caller.
pub enum Asked {
    /// One person, to be answered at once. OpenCRVS sends this.
    One(ListedRecord<Refused>),
    /// Many persons, as a job.
    Many(Box<Batch>),
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
    authdata: Option<Box<RawValue>>,
    #[serde(default, rename = "csvDelimiter")]
    pub(super) csv_delimiter: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Delivery {
    Download,
    Sync,
}

/// Parts of a name or of an address, at most: the record of one line is bounded by the line, however long the mapping is.
const MOST_PARTS: usize = 64;

/// Maps each attribute to members of a record. A dot in a name leads into a member.
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

/// One person, in which the mapping finds texts.
pub(super) trait Person {
    /// The text or number at `path`, in which dots lead into members.
    fn text_at(&self, path: &str) -> Option<String>;
}

/// Reads the body. One object in `authdata`, or `"deliverytype":"sync"`, asks for an answer at once.
pub fn read_json(body: &[u8], lengths: IdLengths) -> Result<Asked, Refused> {
    let mut request = parse(body)?;
    let people = request.authdata.take().ok_or(Refused::INVALID)?;
    if people.get().starts_with('{') {
        return Ok(Asked::One(request.listed(&people, lengths)));
    }
    let list: Vec<&RawValue> = serde_json::from_str(people.get()).map_err(|_| Refused::INVALID)?;
    match (request.deliverytype == Some(Delivery::Sync), list.as_slice()) {
        (true, [person]) => Ok(Asked::One(request.listed(person, lengths))),
        (false, list) if (1..=MOST_RECORDS).contains(&list.len()) => {
            Ok(Asked::Many(Box::new(Batch::new(request, People::Listed(people), lengths))))
        }
        _ => Err(Refused::INVALID),
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Request, Refused> {
    let Object(Envelope { request: Object(request) }) = json::read(body).map_err(|_| Refused::INVALID)?;
    // Persons are read one at a time, later. This check makes sure that all of them can be read before the first one is.
    let can_be_read = |people: &RawValue| serde_json::from_str::<Readable>(people.get()).is_ok();
    let is_short = |parts: &Option<Vec<String>>| parts.as_ref().is_none_or(|parts| parts.len() <= MOST_PARTS);
    let mapping = request.mapping.as_ref().map(|Object(mapping)| mapping);
    let has_few_parts =
        mapping.is_none_or(|mapping| is_short(&mapping.name) && is_short(&mapping.full_address));
    if has_few_parts && request.authdata.as_deref().is_none_or(can_be_read) {
        Ok(request)
    } else {
        Err(Refused::INVALID)
    }
}

impl Request {
    /// The record in `person`, an element of a JSON list.
    pub(super) fn listed(&self, person: &RawValue, lengths: IdLengths) -> ListedRecord<Refused> {
        match serde_json::from_str::<Map<String, Value>>(person.get()) {
            Ok(person) => self.line(&person, lengths),
            Err(_) => ListedRecord { id: String::new(), record: Err(Refused::RECORD_WRONG) },
        }
    }

    /// The record of `person`.
    pub(super) fn line(&self, person: &impl Person, lengths: IdLengths) -> ListedRecord<Refused> {
        let default = Mapping::default();
        let mapping = self.mapping.as_ref().map_or(&default, |Object(mapping)| mapping);
        let id = person.text_at(mapping.vid.as_deref().unwrap_or("vid")).unwrap_or_default();
        let record = self.record(mapping, person, id.clone(), lengths);
        ListedRecord { id, record }
    }

    /// Name, gender and date of birth are required, as in the Token Seeder. Other attributes are required where the mapping names them.
    fn record(
        &self,
        mapping: &Mapping,
        person: &impl Person,
        id: String,
        lengths: IdLengths,
    ) -> Result<Record, Refused> {
        if id.is_empty() {
            return Err(Refused::VID_ABSENT);
        }
        let one = |name: &Option<String>, default: &str, absent, empty| {
            let text = person.text_at(name.as_deref().unwrap_or(default)).ok_or(absent)?;
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
            match person.text_at(mapped.as_deref().unwrap_or(attribute)) {
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

/// The parts that the mapping names, joined; every one of them is required. Without a mapping it is the member `default`, which is optional.
fn joined(
    person: &impl Person,
    mapped: Option<&[String]>,
    default: &str,
    between: &str,
) -> Result<Option<String>, Refused> {
    let Some(names) = mapped else { return Ok(person.text_at(default)) };
    let parts: Option<Vec<String>> = names.iter().map(|name| person.text_at(name)).collect();
    let parts = parts.ok_or(Refused::NAME_ABSENT)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.trim().is_empty()).collect();
    Ok(Some(parts.join(between)).filter(|_| !names.is_empty()))
}

impl Person for Map<String, Value> {
    fn text_at(&self, path: &str) -> Option<String> {
        let value = self.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            rest.split('.').try_fold(self.get(first)?, |value, name| value.get(name))
        })?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Any value that [`Value`] can hold: no number is out of range, no surrogate stands alone. Nothing of it is kept.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReadableVisitor;
        impl<'de> Visitor<'de> for ReadableVisitor {
            type Value = Readable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_str<E>(self, _: &str) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_unit<E>(self) -> Result<Readable, E> {
                Ok(Readable)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Readable, A::Error> {
                while items.next_element::<Readable>()?.is_some() {}
                Ok(Readable)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readable, A::Error> {
                while map.next_entry::<Readable, Readable>()?.is_some() {}
                Ok(Readable)
            }
        }
        deserializer.deserialize_any(ReadableVisitor)
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

    #[test]
    fn what_no_text_can_hold_spoils_the_request_wherever_in_authdata_it_stands() {
        let person = r#"{"vid":"4152630978","name":"Leila","gender":"Female","dob":"1990/03/14"}"#;
        for broken in [r#""\ud800""#, "1e999", r#"{"\udc00":1}"#, r#"[[{"a":["\ud800x"]}]]"#] {
            let member = format!(r#"{{"vid":"4152630978","photo":{broken}}}"#);
            for authdata in [member.clone(), format!("[{person},{member}]"), format!("[{person},{broken}]")] {
                let body = format!(r#"{{"request":{{"authdata":{authdata}}}}}"#);
                let read = read_json(body.as_bytes(), IdLengths::default());
                assert_eq!(read.err(), Some(Refused::INVALID), "{body}");
                assert_eq!(parse(body.as_bytes()).err(), Some(Refused::INVALID), "beside a file: {body}");
            }
        }
        let body =
            format!(r#"{{"request":{{"authdata":[{person},"\ud83d\ude00",-1.5e3,null,true,[{{}}]]}}}}"#);
        let Ok(Asked::Many(batch)) = read_json(body.as_bytes(), IdLengths::default()) else {
            panic!("{body}")
        };
        let refused: Vec<_> = batch.lines().map(|line| line.record.err()).collect();
        assert_eq!(refused[0], None);
        assert!(refused[1..].iter().all(|refused| *refused == Some(Refused::RECORD_WRONG)));
        assert_eq!((refused.len(), batch.is_hopeless), (6, false));
    }

    #[test]
    fn a_mapping_of_more_parts_than_a_name_has_is_refused() {
        for (member, parts, wanted) in [
            ("name", 64, None),
            ("name", 65, Some(Refused::INVALID)),
            ("fullAddress", 65, Some(Refused::INVALID)),
        ] {
            let mapping = serde_json::json!({"request": {"mapping": {member: vec!["a"; parts]}}});
            assert_eq!(parse(mapping.to_string().as_bytes()).err(), wanted, "{member} of {parts} parts");
        }
    }

    fn asked(request: &Value) -> Result<Asked, Refused> {
        let body = serde_json::json!({ "request": request }).to_string();
        read_json(body.as_bytes(), IdLengths::default())
    }

    fn person() -> Value {
        serde_json::json!({"vid": "4152630978", "name": "Leila", "gender": "Female", "dob": "1990/03/14"})
    }

    #[test]
    fn a_person_becomes_what_ida_is_asked_or_is_refused_by_the_code_of_the_member() {
        let text = |text: &str| serde_json::json!(text);
        for (place, value, wanted) in [
            ("/authdata/phoneNumber", text("  "), Ok(("phoneNumber", Value::Null))),
            ("/authdata/phoneNumber", serde_json::json!(555), Ok(("phoneNumber", text("555")))),
            ("/authdata/emailId", text("l@example.org"), Ok(("emailId", text("l@example.org")))),
            ("/lang", text(""), Ok(("gender", serde_json::json!([{"language": "eng", "value": "Female"}])))),
            (
                "/lang",
                text("fra"),
                Ok(("gender", serde_json::json!([{"language": "fra", "value": "Female"}]))),
            ),
            ("/authdata/vid", text("41"), Err(Refused::VID_WRONG)),
            ("/authdata/dob", text("14.3.1990"), Err(Refused::DOB_WRONG)),
            ("/authdata/fullAddress", text(" "), Err(Refused::ADDRESS_EMPTY)),
            ("/mapping", serde_json::json!({"phoneNumber": "tel"}), Err(Refused::PHONE_ABSENT)),
        ] {
            let mut request = serde_json::json!({ "authdata": person() });
            let (parent, name) = place.rsplit_once('/').unwrap();
            request.pointer_mut(parent).unwrap()[name] = value;
            let Ok(Asked::One(listed)) = asked(&request) else { panic!("{request}") };
            let kept = listed.record.map(|record| {
                let kept: Value = serde_json::from_slice(&record.into_kept()).unwrap();
                kept["demographics"].clone()
            });
            match (kept, wanted) {
                (Ok(kept), Ok((name, value))) => assert_eq!(kept[name], value, "{request}"),
                (kept, wanted) => assert_eq!(kept.err(), wanted.err(), "{request}"),
            }
        }
    }

    #[test]
    fn a_list_is_a_job_and_of_one_person_an_answer_at_once_where_that_is_asked() {
        let of = |delivery: &str, people: &[Value]| {
            asked(&serde_json::json!({ "deliverytype": delivery, "authdata": people }))
        };
        assert!(matches!(of("sync", &[person()]), Ok(Asked::One(_))));
        let Ok(Asked::Many(batch)) = of("download", &[person(), person()]) else { panic!("a list is a job") };
        assert_eq!(batch.size(), serde_json::json!([person(), person()]).to_string().len());
        for (delivery, people) in [("sync", vec![person(); 2]), ("sync", vec![]), ("download", vec![])] {
            assert_eq!(of(delivery, &people).err(), Some(Refused::INVALID), "{delivery}");
        }
    }
}
