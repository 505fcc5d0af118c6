//! A registration that waits for MOSIP in the database of `mosip-api` of OpenCRVS 1.9 and later: a row of its table, checked. Until 2.0 the row
//! holds the token of the record, later the event itself. It does not say whether it is of a birth or of a death.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use super::record_token::RecordToken;
use super::registration::check_name;
use crate::bearer::{jwt_exp, unverified_claims};
use crate::registration::{Subject, is_id};
use crate::words::words;

/// The table, and its columns.
pub(crate) const TABLE: &str = "transactions";
/// The id of the packet at MOSIP.
pub(crate) const ID: &str = "id";
/// The number that core gave the birth or the death.
pub(crate) const NUMBER: &str = "registration_number";
/// Until 2.0: the bearer token that came with the registration.
pub(crate) const TOKEN: &str = "token";
/// From 2.0 on: the event in core.
pub(crate) const EVENT: &str = "event_id";

/// A row as it is read; what is missing, no text or too long is not there. No `Debug`: it holds a secret.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PendingRow {
    /// By which its reader finds it.
    pub(crate) row: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registration_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Token>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
}

/// A bearer token, wiped when dropped. No `Debug`.
pub(crate) struct Token(pub(crate) Zeroizing<String>);

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A registration that waits. No `Debug`: it identifies a person.
pub(crate) struct Pending {
    /// Its row.
    pub(crate) row: i64,
    /// The id of its packet at MOSIP.
    pub(crate) registration_id: String,
    /// All names that are known of it.
    pub(crate) subject: Subject,
    /// The token of the record, where the row holds one.
    pub(crate) token: Option<RecordToken>,
}

words! {
    /// Why a row is not taken over.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Unusable {
        /// Its id leads to no packet.
        Id = "id",
        /// It has no number.
        Number = "registration-number",
        /// Nothing says which record it is of.
        Event = "event",
        /// The id is that of another registration here.
        IdInUse = "id-in-use",
        /// The same record was registered here since.
        Superseded = "superseded",
    }
}

impl Unusable {
    /// What is wrong, and what to do.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Id => {
                "its id is missing or is no id of a packet; mosip-api did not write it, so look at the row by hand"
            }
            Self::Number => {
                "its registration_number is missing, longer than 255 bytes, or holds a control character; mosip-api did not write it, so look at the row by hand"
            }
            Self::Event => {
                "neither its event_id nor its token names a record, so that nothing could be confirmed; confirm it in OpenCRVS by hand"
            }
            Self::IdInUse => {
                "another registration has its id here; ask the MOSIP administrator whose packet it is, and confirm it in OpenCRVS by hand"
            }
            Self::Superseded => {
                "its record was registered once more through the gateway since, and that registration counts; nothing is to be done"
            }
        }
    }
}

impl Pending {
    /// Checks a row. The signature of its token is not looked at: `mosip-api` checked it when it came.
    pub(crate) fn read(row: PendingRow) -> Result<Self, Unusable> {
        let PendingRow { row, id, registration_number, token, event_id } = row;
        let is_name = |name: &String| check_name(name, "").is_ok();
        let registration_id = id.filter(|id| is_id(id)).ok_or(Unusable::Id)?;
        let number = registration_number.filter(is_name).ok_or(Unusable::Number)?;
        // One claim of another form costs no other.
        let claims: Option<Value> = token.as_ref().and_then(|token| unverified_claims(&token.0));
        let claim = |name| claims.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let (of_token, action_id) = (claim("eventId"), claim("actionId"));
        let record_token = token.filter(|_| event_id.is_none() || event_id == of_token).and_then(|token| {
            RecordToken::new(&token.0, of_token.as_deref(), action_id.as_deref(), jwt_exp(&token.0))
        });
        // The action is one of the record that the token is for.
        let action_id = action_id.filter(|_| event_id.is_none() || event_id == of_token);
        let event_id = event_id.or(of_token).filter(is_name).ok_or(Unusable::Event)?;
        let subject = Subject {
            event_id: Some(event_id),
            action_id: action_id.filter(is_name),
            registration_number: Some(number),
            registration_id: Some(registration_id.clone()),
            ..Subject::default()
        };
        Ok(Self { row, registration_id, subject, token: record_token })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::base64;

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", base64::encode_url(claims.to_string().as_bytes()))
    }

    fn read(row: &Value) -> Result<Pending, Unusable> {
        let mut row = row.clone();
        row["row"] = 7.into();
        Pending::read(serde_json::from_value(row).unwrap())
    }

    fn names(row: &Value) -> Vec<(&'static str, String)> {
        let pending = read(row).unwrap_or_else(|why| panic!("{row}: {why:?}"));
        pending.subject.names().map(|(name, value)| (name, value.to_owned())).collect()
    }

    fn whole() -> Value {
        json!({ "id": "100010123456789", "registrationNumber": "B1", "token": token(&json!({ "eventId": "e1", "actionId": "a1" })) })
    }

    #[test]
    fn a_row_of_1_9_names_its_record_by_its_token_and_one_of_2_0_by_a_column() {
        let of = |event: &str, action: Option<&str>| {
            let names = [
                ("eventId", Some(event)),
                ("actionId", action),
                ("registrationNumber", Some("B1")),
                ("registrationId", Some("100010123456789")),
            ];
            names.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect::<Vec<_>>()
        };
        assert_eq!(names(&whole()), of("e1", Some("a1")));
        let later = json!({ "id": "100010123456789", "registrationNumber": "B1", "eventId": "e2" });
        assert_eq!(names(&later), of("e2", None));
        let mut both = whole();
        both["eventId"] = json!("e1");
        assert_eq!(names(&both), of("e1", Some("a1")));
        both["eventId"] = json!("e2");
        assert_eq!(names(&both), of("e2", None), "the action is of another record");
    }

    #[test]
    fn a_token_is_kept_where_it_is_of_the_record_and_says_when_it_ends() {
        let with = |claims: &Value, event: Option<&str>| {
            let mut row = whole();
            (row["token"], row["eventId"]) = (json!(token(claims)), json!(event));
            read(&row).unwrap_or_else(|why| panic!("{row}: {why:?}")).token.is_some()
        };
        let claims = json!({ "eventId": "e1", "actionId": "a1", "exp": 1_800_000_000 });
        assert!(with(&claims, None) && with(&claims, Some("e1")));
        for exp in [json!(1.8e9), json!("1800000000")] {
            assert!(with(&json!({ "eventId": "e1", "actionId": "a1", "exp": exp }), None), "{exp}");
        }
        assert!(!with(&claims, Some("e2")), "it is of another record");
        assert!(!with(&json!({ "eventId": "e1", "actionId": "a1" }), None), "it never ends");
        assert!(!with(&json!({ "eventId": "e1", "exp": 1_800_000_000 }), None), "it names no action");
        for (name, odd) in [("exp", json!([])), ("exp", json!("soon")), ("actionId", json!(7))] {
            let mut claims = claims.clone();
            claims[name] = odd;
            assert!(!with(&claims, None), "the record is known, whatever its {name} is");
        }
    }

    #[test]
    fn a_value_that_mosip_api_does_not_write_makes_its_row_unusable() {
        let long = "1".repeat(65);
        for (name, value, why) in [
            ("id", Value::Null, Unusable::Id),
            ("id", json!(""), Unusable::Id),
            ("id", json!("../1"), Unusable::Id),
            ("id", json!("1@opencrvs"), Unusable::Id),
            ("id", json!(long), Unusable::Id),
            ("registrationNumber", Value::Null, Unusable::Number),
            ("registrationNumber", json!(" "), Unusable::Number),
            ("registrationNumber", json!("B1\n"), Unusable::Number),
            ("registrationNumber", json!("B".repeat(256)), Unusable::Number),
            ("token", Value::Null, Unusable::Event),
            ("token", json!(""), Unusable::Event),
            ("token", json!("no-jwt"), Unusable::Event),
            ("token", json!("e30.%%%.c2ln"), Unusable::Event),
            ("token", json!("e30.bm8ganNvbg.c2ln"), Unusable::Event),
            ("token", json!(token(&json!([]))), Unusable::Event),
            ("token", json!(token(&json!({ "sub": "registrar" }))), Unusable::Event),
            ("token", json!(token(&json!({ "eventId": 7 }))), Unusable::Event),
            ("token", json!(token(&json!({ "eventId": "\u{0}" }))), Unusable::Event),
            ("eventId", json!("e".repeat(256)), Unusable::Event),
        ] {
            let mut row = whole();
            row[name] = value.clone();
            assert_eq!(read(&row).err(), Some(why), "{name}: {value}");
        }
    }
}
