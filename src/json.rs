//! Strict reading of the JSON that callers send. An error of serde may quote a value, so only its place is passed on.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_path_to_error::Segment;
use zeroize::{Zeroize as _, Zeroizing};

mod canonical;

use canonical::{Fault, MOST_LEVELS, Ordered, Rfc8785};

use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};

/// Reads the body of a request, the same way for every route. [`Code::Malformed`], with line and column, where it is not JSON or is
/// ambiguous. [`Code::Field`], with a pointer, where a value is missing, unknown or of a wrong type.
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    let text = text(body)?;
    match read_at(text, "") {
        Ok(read) => checked(text, Ordered::of_json(text)).map(|_| read),
        // What cannot be told apart has no place to name.
        Err(refusal) => Err(check_unambiguous(text).err().unwrap_or(refusal)),
    }
}

/// The body as text.
pub(crate) fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|_| Error::new(Code::Malformed, "the body is not UTF-8 text"))
}

/// Reads a part of a body that was checked to be unambiguous. `pointer` is its place in the body.
pub(crate) fn read_at<'a, T: Deserialize<'a>>(text: &'a str, pointer: &str) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if !inner.is_data() {
            return not_json(inner.line(), inner.column());
        }
        let mut segments: Vec<_> = error.path().iter().collect();
        // serde_json appends the place to the message of serde.
        let said = inner.to_string();
        let (name, what) = match Mismatch::of(said.rsplit_once(" at line ").map_or(&said, |(said, _)| said)) {
            // The path ends with the name, which is the caller's.
            Mismatch::Unknown { known } => {
                segments.pop();
                (None, format!("there is an unknown member; {known}"))
            }
            Mismatch::Missing { name } => (Some(name), "this is missing".to_owned()),
            Mismatch::Other => (None, "the value has not the type it should have".to_owned()),
        };
        let at = segments.into_iter().fold(pointer.to_owned(), |at, segment| match segment {
            Segment::Seq { index } => format!("{at}/{index}"),
            Segment::Map { key } => member(&at, key),
            Segment::Enum { .. } | Segment::Unknown => at,
        });
        Error::field(name.map_or_else(|| at.clone(), |name| member(&at, &name)), what)
    })?;
    json.end().map_err(|error| not_json(error.line(), error.column()))?;
    Ok(value)
}

/// What serde reports of a value that does not fit, without the words that it takes from the value.
pub(crate) enum Mismatch {
    /// A member or parameter is unknown.
    Unknown {
        /// The names that are known, in words.
        known: String,
    },
    /// A member or parameter is missing.
    Missing {
        /// Its name.
        name: String,
    },
    /// A value has another type or is none of its words.
    Other,
}

impl Mismatch {
    /// Reads the text of an error of serde. Only the text after the last `, expected ` and the name of a missing field come from our
    /// types. Everything else may come from the caller.
    pub(crate) fn of(text: &str) -> Self {
        if let Some(name) = text.strip_prefix("missing field `").and_then(|name| name.strip_suffix('`')) {
            return Self::Missing { name: name.to_owned() };
        }
        if !text.starts_with("unknown field `") {
            return Self::Other;
        }
        let known = text.rsplit_once("`, expected ").map(|(_, known)| known.trim_start_matches("one of "));
        let known = known.map_or_else(|| "none is taken".to_owned(), |known| format!("known are {known}"));
        Self::Unknown { known }
    }
}

/// Refuses with [`Code::Malformed`] a text that two readers may read differently: text that is not JSON, is nested deeper than 128 levels,
/// or has two members of one name in one object. A lone surrogate is accepted.
pub(crate) fn check_unambiguous(text: &str) -> Result<()> {
    ordered(text).map(drop)
}

/// Hands the canonical form of `text` (RFC 8785, but numbers keep their text and a lone surrogate is written as its escape) to `sink`, piece
/// by piece. It refuses what [`check_unambiguous`] refuses.
pub(crate) fn write_canonical(text: &str, sink: &mut impl FnMut(&str)) -> Result<()> {
    ordered(text).map(|ordered| ordered.write(sink))
}

/// Hands the exact RFC 8785 form of `text`, in which numbers are floating-point numbers, to `sink`, piece by piece. Returns whether that
/// form can write the text, which it cannot with a number beyond the largest `f64` or with a lone surrogate. It refuses what
/// [`check_unambiguous`] refuses.
pub(crate) fn write_rfc8785(text: &str, sink: &mut impl FnMut(&str)) -> Result<bool> {
    let mut sink = Rfc8785::new(sink);
    ordered(text)?.write(&mut sink);
    Ok(sink.is_writable())
}

fn ordered(text: &str) -> Result<Ordered<'_>> {
    checked(text, Ordered::read(text))
}

fn checked<'t>(text: &str, ordered: Result<Ordered<'t>, Fault>) -> Result<Ordered<'t>> {
    ordered.map_err(|fault| {
        let (what, at) = match fault {
            Fault::NotJson(line, column) => return not_json(line, column),
            Fault::Large => ("the body is larger than 4 GiB".to_owned(), 0),
            Fault::Deep(at) => (format!("the body is nested deeper than {MOST_LEVELS} levels"), at),
            Fault::Repeated(at) => ("an object of the body has two members of one name".to_owned(), at),
        };
        let before = text.get(..at).unwrap_or_default();
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
        Error::new(Code::Malformed, format!("{what} (line {line}, column {column})"))
    })
}

/// The pointer (RFC 6901) of the member `name` of the value at `pointer`.
pub(crate) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Reads seconds as issuers of tokens write them: an integer, a fraction (which is cut off), or either of them as text.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    }
}

fn whole(seconds: f64) -> Option<i64> {
    // The conversion saturates, which is right for a moment beyond the range.
    seconds.is_finite().then_some(seconds.floor() as i64)
}

/// Most texts of [`to_wiped`] are shorter.
const USUAL_TEXT: usize = 512;

/// The text of what is secret or about a person. The memory that it leaves while it grows is wiped, which a plain `Vec` does not do.
pub(crate) fn to_wiped(value: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut text = SecretWriter::with_capacity(USUAL_TEXT);
    serde_json::to_writer(&mut text, value)?;
    Ok(text.finish())
}

/// A JSON object that is read as `T`. A derived `T` alone would also accept a list of its members in order.
pub struct Object<T>(
    /// What was read.
    pub T,
);

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

/// Hands the items of a list to `take`, one at a time: a list of them may take several times their bytes.
pub(crate) fn each_item<'de, T, D>(deserializer: D, take: impl FnMut(T)) -> Result<(), D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Each<T, F>(F, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(item) = list.next_element()? {
                (self.0)(item);
            }
            Ok(())
        }
    }
    deserializer.deserialize_seq(Each(take, PhantomData))
}

/// A string that is borrowed where it holds no escape. A plain `&str` would refuse escapes, which writers may use (`\\/`, `\\u003d`). The
/// copy that an escape makes necessary is wiped, since it may hold a private key.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(copy) = &mut self.0 {
            copy.zeroize();
        }
    }
}

/// A string of base64, borrowed where it holds no escape. Its end alone is looked for, which is many times as fast as to look for all that has
/// no place in a string: a control character passes, and is nothing that base64 reads.
pub(crate) fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    struct Base64;
    impl<'de> Visitor<'de> for Base64 {
        type Value = Cow<'de, str>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(E::custom)
        }
        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            std::str::from_utf8(bytes).map(|text| Cow::Owned(text.to_owned())).map_err(E::custom)
        }
    }
    deserializer.deserialize_bytes(Base64)
}

fn not_json(line: usize, column: usize) -> Error {
    Error::new(Code::Malformed, format!("the body is not JSON (line {line}, column {column})"))
}

#[cfg(test)]
mod tests;
