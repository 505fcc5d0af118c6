//! The place of an application id, and of a UINTOKEN, in an event.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::read_at;
use crate::registration::Aid;

/// An identifier that the gateway adds to a Patient.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// The application id.
    Aid,
    /// The UINTOKEN of the deceased.
    UinToken,
}

impl Added {
    const fn code(self) -> &'static str {
        match self {
            Self::Aid => "MOSIP_AID",
            Self::UinToken => "MOSIP_UINTOKEN",
        }
    }

    /// The shape of OpenCRVS bodies since 2022.
    const fn in_coding(self) -> &'static str {
        match self {
            Self::Aid => {
                r#"{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_AID"}]}"#
            }
            Self::UinToken => {
                r#"{"coding":[{"system":"http://opencrvs.org/specs/identifier-type","code":"MOSIP_UINTOKEN"}]}"#
            }
        }
    }

    /// The shape of older OpenCRVS bodies.
    const fn in_string(self) -> &'static str {
        match self {
            Self::Aid => r#""MOSIP_AID""#,
            Self::UinToken => r#""MOSIP_UINTOKEN""#,
        }
    }
}

/// The place of the id in the text of the event.
#[derive(Clone)]
pub(super) enum AidPlace {
    /// The event already has an id.
    Given(Aid),
    /// These bytes (mostly none) are replaced by `before`, the identifier and `after`.
    At { replace: Range<usize>, before: &'static str, typed: &'static str, after: &'static str },
    /// There is no `Patient`.
    Nowhere,
}

impl AidPlace {
    /// `body` with `aid` in its place. The body is unchanged where it has an id already or no place for one.
    pub(super) fn splice(&self, body: &Bytes, aid: &Aid) -> Bytes {
        let AidPlace::At { replace, before, typed, after } = self else { return body.clone() };
        let parts = body.get(..replace.start).zip(body.get(replace.end..));
        let Some((head, tail)) = parts else { return body.clone() };
        let identifier = format!(r#"{before}{{"type":{typed},"value":"{aid}"}}{after}"#);
        let mut out = Vec::with_capacity(body.len() + identifier.len());
        out.extend_from_slice(head);
        out.extend_from_slice(identifier.as_bytes());
        out.extend_from_slice(tail);
        out.into()
    }
}

/// Finds where `added` is, or has to go, in `patient`, which is the part of `text` at `pointer`.
pub(super) fn find_place(text: &str, patient: &RawValue, pointer: &str, added: Added) -> Result<AidPlace> {
    #[derive(Deserialize)]
    struct PatientMembers<'a> {
        #[serde(borrow, default, deserialize_with = "null_as_value")]
        identifier: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Identifier<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<IdentifierType<'a>>,
        value: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum IdentifierType<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Concept {
            #[serde(default)]
            coding: Vec<Coding>,
        },
    }
    #[derive(Deserialize)]
    struct Coding {
        code: Option<String>,
    }
    impl IdentifierType<'_> {
        fn is(&self, added: Added) -> bool {
            match self {
                Self::Text(text) => text == added.code(),
                Self::Concept { coding } => coding.iter().any(|c| c.code.as_deref() == Some(added.code())),
            }
        }
    }

    let members: PatientMembers<'_> = read_at(patient.get(), pointer)?;
    let Some(raw) = members.identifier else {
        // A Patient has a resourceType, so something follows the opening brace.
        let at = offset_in(text, patient.get()) + 1;
        return Ok(AidPlace::At {
            replace: at..at,
            before: r#""identifier":["#,
            typed: added.in_coding(),
            after: "],",
        });
    };
    let start = offset_in(text, raw.get());
    let end = start + raw.get().len();
    if raw.get() == "null" {
        return Ok(AidPlace::At { replace: start..end, before: "[", typed: added.in_coding(), after: "]" });
    }
    let pointer = format!("{pointer}/identifier");
    let identifiers: Vec<Identifier<'_>> = read_at(raw.get(), &pointer)?;
    for (index, identifier) in identifiers.iter().enumerate() {
        if identifier.kind.as_ref().is_some_and(|kind| kind.is(added)) {
            return match (identifier.value.as_deref().and_then(Aid::parse), added) {
                (Some(id), _) => Ok(AidPlace::Given(id)),
                // An id of any form came from OpenCRVS and stays as it is.
                (None, Added::UinToken) => Ok(AidPlace::Nowhere),
                (None, Added::Aid) => {
                    Err(Error::field(format!("{pointer}/{index}/value"), "this is not an application id"))
                }
            };
        }
    }
    let in_strings = identifiers.iter().any(|known| matches!(known.kind, Some(IdentifierType::Text(_))));
    Ok(AidPlace::At {
        replace: end - 1..end - 1,
        before: if identifiers.is_empty() { "" } else { "," },
        typed: if in_strings { added.in_string() } else { added.in_coding() },
        after: "",
    })
}

/// Reads `null` as a value, so that it differs from an absent member.
fn null_as_value<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// Where `part`, a slice of `text`, begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}
