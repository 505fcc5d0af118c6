//! One person of many for whom a UINTOKEN is asked, as `POST /v1/uin-tokens` takes them and as the outbox keeps them until IDA has
//! answered: the JSON of `/v1/ida/auth`, without a transaction. No `Debug`: all of it is personal.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Attribute, Demographics, Intent, Service};
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};

/// A record that IDA may be asked about: consent is given, and every value is well-formed.
pub struct Record {
    id: String,
    json: Zeroizing<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordMembers<D> {
    #[serde(skip_serializing_if = "Option::is_none")]
    individual_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    individual_id_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    demographics: Option<D>,
}

/// One element of a list: its number, if it has one, and the record or the reason why it is refused.
pub struct ListedRecord<E = Error> {
    /// The number of the person, unchecked.
    pub id: String,
    /// The record.
    pub record: Result<Record, E>,
}

/// Most records in one list, which is more than an honest body of these routes holds.
pub(crate) const MOST_RECORDS: usize = 50_000;

/// The numbers of digits by which a number without a type is recognised as a UIN or a VID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdLengths {
    /// `mosip.kernel.uin.length`
    pub uin: usize,
    /// `mosip.kernel.vid.length`
    pub vid: usize,
}

impl Default for IdLengths {
    fn default() -> Self {
        Self { uin: 10, vid: 16 }
    }
}

impl IdLengths {
    fn id_type(self, id: &str) -> Result<&'static str> {
        let Self { uin, vid } = self;
        let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
        match id.len() {
            len if is_number && len == uin => Ok("UIN"),
            len if is_number && len == vid => Ok("VID"),
            _ => {
                let what = format!("this is neither a UIN of {uin} digits nor a VID of {vid}");
                Err(Error::field("/individualId", what).advise("Correct it, or give its individualIdType."))
            }
        }
    }
}

/// The list of `POST /v1/uin-tokens`. It keeps the body and makes each record only when it is needed, because all records together take
/// several times the memory of the body.
pub struct RecordList<B> {
    body: B,
    lengths: IdLengths,
}

impl<B: AsRef<[u8]>> RecordList<B> {
    /// Of `body`, if at least one of its records is right; otherwise the reason why the first one is refused.
    pub fn read(body: B, lengths: IdLengths) -> Result<Self> {
        let items = items(body.as_ref())?.len();
        if items == 0 {
            return Err(Error::field("", "the list is empty"));
        }
        if items > MOST_RECORDS {
            return Err(Error::field("", format!("the list has more than {MOST_RECORDS} records")));
        }
        let list = Self { body, lengths };
        if list.lines().all(|line| line.record.is_err())
            && let Some(refused) = list.lines().find_map(|line| line.record.err())
        {
            return Err(refused);
        }
        Ok(list)
    }

    /// Every record in order. Each is read when the iterator reaches it. A wrong record is refused by itself, its pointer beginning with its
    /// place in the list.
    pub fn lines(&self) -> impl Iterator<Item = ListedRecord> {
        // `read` checked that it is a list.
        let items = items(self.body.as_ref()).unwrap_or_default();
        items.into_iter().enumerate().map(|(place, item)| line(item.get(), place, self.lengths))
    }

    /// How many bytes the list came in.
    pub fn size(&self) -> usize {
        self.body.as_ref().len()
    }
}

fn items(body: &[u8]) -> Result<Vec<&RawValue>> {
    json::read_at(json::text(body)?, "")
}

fn line(text: &str, place: usize, lengths: IdLengths) -> ListedRecord {
    let mut id = String::new();
    let record =
        json::read(text.as_bytes()).and_then(|Object(members): Object<RecordMembers<Box<RawValue>>>| {
            id = members.individual_id.clone().unwrap_or_default();
            Record::from_members(members, lengths)
        });
    // A malformed record has no pointer of its own, since the whole record is wrong.
    let record = record.map_err(|error| match error.pointer() {
        Some(_) => error.under(&format!("/{place}")),
        None => Error::field(format!("/{place}"), error.detail()),
    });
    ListedRecord { id, record }
}

impl Record {
    /// A person whose consent the operator answers for. The length of their number says which it is.
    pub(crate) fn with_operators_consent(
        id: String,
        lengths: IdLengths,
        demographics: Vec<(String, Attribute)>,
    ) -> Result<Self> {
        let demographics = Some(Demographics::new(demographics)?);
        let members = RecordMembers {
            individual_id: Some(id),
            individual_id_type: None,
            consent: Some(true),
            demographics,
        };
        Self::from_members(members, lengths)
    }

    /// The number of the person.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes that the outbox keeps. [`read_kept`] makes an intent of them.
    pub fn into_kept(self) -> Zeroizing<Vec<u8>> {
        self.json
    }

    /// The call of IDA about this person, under a new transaction.
    pub fn intent(&self) -> Result<Intent> {
        read_kept(&self.json)
    }

    fn from_members<D: Serialize>(mut members: RecordMembers<D>, lengths: IdLengths) -> Result<Self> {
        let id = members.individual_id.clone().unwrap_or_default();
        if members.individual_id_type.is_none() {
            members.individual_id_type = Some(lengths.id_type(&id)?.to_owned());
        }
        let json =
            json::to_wiped(&members).map_err(|_| Error::new(Code::Bug, "a record does not serialise"))?;
        let record = Self { id, json };
        record.intent()?;
        Ok(record)
    }
}

/// Reads the bytes of [`Record::into_kept`] as a call of IDA, under a new transaction.
pub fn read_kept(kept: &[u8]) -> Result<Intent> {
    Intent::parse(Service::Auth, kept)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(list: &str) -> Result<RecordList<&[u8]>> {
        RecordList::read(list.as_bytes(), IdLengths::default())
    }

    fn person(id: &str) -> Value {
        json!({ "individualId": id, "consent": true, "demographics": { "dob": "1990/03/14" } })
    }

    #[test]
    fn a_list_gives_its_records_in_order_and_refuses_a_wrong_one_by_its_place() {
        let text = json!([person("4152630978"), person("41"), person("4152630978123456")]).to_string();
        let list = read(&text).unwrap();
        assert_eq!(list.size(), text.len());
        let lines: Vec<_> = list.lines().collect();
        let ids: Vec<_> = lines.iter().map(|line| &*line.id).collect();
        assert_eq!(ids, ["4152630978", "41", "4152630978123456"]);
        let types: Vec<_> = lines
            .into_iter()
            .map(|line| match line.record {
                Ok(record) => {
                    assert_eq!(record.id(), line.id);
                    let kept: Value = serde_json::from_slice(&record.into_kept()).unwrap();
                    kept["individualIdType"].as_str().unwrap().to_owned()
                }
                Err(error) => error.pointer().unwrap().to_owned(),
            })
            .collect();
        assert_eq!(types, ["UIN", "/1/individualId", "VID"]);
    }

    #[test]
    fn a_list_without_a_right_record_or_with_too_many_is_refused() {
        let of_numbers = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        for (list, pointer, why) in [
            ("[]".to_owned(), "", "empty"),
            (json!([person("41")]).to_string(), "/0/individualId", "neither a UIN"),
            (of_numbers(MOST_RECORDS + 1), "", "more than"),
            (of_numbers(MOST_RECORDS), "/0", ""),
        ] {
            let error = read(&list).err().unwrap();
            assert_eq!((error.code(), error.pointer()), (Code::Field, Some(pointer)), "{error}");
            assert!(error.detail().contains(why), "{error}");
        }
    }
}
