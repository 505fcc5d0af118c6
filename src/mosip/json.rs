//! Reads JSON of callers strictly. What serde says may quote a value, so only its place is passed on.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_path_to_error::Segment;

use crate::error::{Code, Error, Result};

/// Reads a part of the body that stands at `pointer`.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str, pointer: &str) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        if error.inner().is_data() {
            let at = error.path().iter().fold(pointer.to_owned(), |at, segment| match segment {
                Segment::Seq { index } => format!("{at}/{index}"),
                Segment::Map { key } => member(&at, key),
                Segment::Enum { .. } | Segment::Unknown => at,
            });
            let is_unknown = error.inner().to_string().starts_with("unknown field");
            let what = if is_unknown {
                "there is no such member"
            } else {
                "the value has not the type it should have"
            };
            Error::field(at, what)
        } else {
            not_json(error.inner().line(), error.inner().column())
        }
    })?;
    json.end().map_err(|error| not_json(error.line(), error.column()))?;
    Ok(value)
}

/// The pointer (RFC 6901) of the member `name` of what stands at `pointer`.
pub(super) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A JSON object that is read as `T`. A derived `T` alone would take a list for its members in order.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

fn not_json(line: usize, column: usize) -> Error {
    Error::new(Code::Malformed, format!("the body is not JSON (line {line}, column {column})"))
}
