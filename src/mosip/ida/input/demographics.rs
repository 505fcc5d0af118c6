//! Name, date of birth and the like (IDA `IdentityDTO`). Countries add attributes of their own.

use std::fmt;

use isolang::Language;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use time::macros::format_description;

use crate::clock;
use crate::error::{Error, Result};
use crate::json::{Object, member};

/// The attributes that IDA compares with its own record. Never empty.
pub struct Demographics(Vec<(String, Attribute)>);

/// One attribute.
pub enum Attribute {
    /// The same in every language.
    Plain(String),
    /// Language by language; never empty.
    InLanguages(Vec<Text>),
}

/// A text in a language.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// ISO 639-3, three lower-case letters.
    #[serde(default)]
    #[schema(required)]
    pub language: String,
    /// The text.
    #[serde(default)]
    #[schema(required)]
    pub value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    InLanguages,
}

/// The attributes of every country. Others take either form.
const KNOWN: [(&str, Form); 15] = [
    ("age", Form::Plain),
    ("dob", Form::Plain),
    ("name", Form::InLanguages),
    ("dobType", Form::InLanguages),
    ("gender", Form::InLanguages),
    ("phoneNumber", Form::Plain),
    ("emailId", Form::Plain),
    ("addressLine1", Form::InLanguages),
    ("addressLine2", Form::InLanguages),
    ("addressLine3", Form::InLanguages),
    ("location1", Form::InLanguages),
    ("location2", Form::InLanguages),
    ("location3", Form::InLanguages),
    ("postalCode", Form::Plain),
    ("fullAddress", Form::InLanguages),
];

impl Demographics {
    /// Checks every attribute.
    pub fn new(attributes: Vec<(String, Attribute)>) -> Result<Self> {
        const POINTER: &str = "/demographics";
        if attributes.is_empty() {
            return Err(Error::field(POINTER, "this is empty"));
        }
        for (index, (name, attribute)) in attributes.iter().enumerate() {
            let pointer = member(POINTER, name);
            if attributes.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(Error::field(pointer, "this stands twice"));
            }
            check_name(name, attribute, &pointer)?;
            attribute.check(&pointer)?;
            if let Attribute::Plain(value) = attribute {
                check_value(name, value, pointer)?;
            }
        }
        Ok(Self(attributes))
    }

    pub(super) fn from_members(members: Members) -> Result<Self> {
        Self::new(members.0)
    }
}

/// Refuses a name that looks like a typing error. IDA ignores names that it does not know, and would confirm the person by the rest.
fn check_name(name: &str, attribute: &Attribute, pointer: &str) -> Result<()> {
    if let Some((_, form)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return match (form, attribute) {
            (Form::Plain, Attribute::Plain(_)) | (Form::InLanguages, Attribute::InLanguages(_)) => Ok(()),
            (Form::Plain, _) => Err(Error::field(pointer, "this is a text")),
            (Form::InLanguages, _) => {
                Err(Error::field(pointer, "this is a list of {\"language\",\"value\"}"))
            }
        };
    }
    let bare = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
    };
    let unnumbered = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let meant = KNOWN.iter().find(|(known, _)| {
        // `location4` may be an attribute of a country, but `nmae`, `full_address` and `Gender` are not names that IDA knows.
        unnumbered(name) != unnumbered(known) && strsim::damerau_levenshtein(&bare(name), &bare(known)) <= 1
    });
    match meant {
        Some((known, _)) => {
            Err(Error::field(pointer, format!("there is no such member; is `{known}` meant?")))
        }
        None => Ok(()),
    }
}

fn check_value(name: &str, value: &str, pointer: String) -> Result<()> {
    match name {
        "dob" if clock::day(value, format_description!("[year]/[month]/[day]")).is_none() => {
            Err(Error::field(pointer, "this is no date of the form yyyy/MM/dd"))
        }
        "age" if value.len() > 3 || !value.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Error::field(pointer, "this is no age in years"))
        }
        _ => Ok(()),
    }
}

impl Attribute {
    fn check(&self, pointer: &str) -> Result<()> {
        match self {
            Self::Plain(value) if value.trim().is_empty() => Err(Error::field(pointer, "this is empty")),
            Self::Plain(_) => Ok(()),
            Self::InLanguages(texts) if texts.is_empty() => Err(Error::field(pointer, "this is empty")),
            Self::InLanguages(texts) => texts.iter().enumerate().try_for_each(|(index, text)| {
                let pointer = format!("{pointer}/{index}");
                if Language::from_639_3(&text.language).is_none() {
                    let what = "this is no language by its three letters (ISO 639-3), such as \"eng\"";
                    return Err(Error::field(member(&pointer, "language"), what));
                }
                if text.value.trim().is_empty() {
                    return Err(Error::field(member(&pointer, "value"), "this is missing or empty"));
                }
                Ok(())
            }),
        }
    }
}

impl Serialize for Demographics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, attribute) in &self.0 {
            match attribute {
                Attribute::Plain(value) => map.serialize_entry(name, value)?,
                Attribute::InLanguages(texts) => map.serialize_entry(name, texts)?,
            }
        }
        map.end()
    }
}

/// The attributes as they were sent, in order, unchecked.
pub(super) struct Members(Vec<(String, Attribute)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributeVisitor;
        impl<'de> Visitor<'de> for AttributeVisitor {
            type Value = Attribute;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list")
            }
            fn visit_str<E>(self, value: &str) -> Result<Attribute, E> {
                Ok(Attribute::Plain(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Attribute, A::Error> {
                let mut texts = Vec::new();
                while let Some(Object(text)) = items.next_element()? {
                    texts.push(text);
                }
                Ok(Attribute::InLanguages(texts))
            }
        }
        deserializer.deserialize_any(AttributeVisitor)
    }
}
