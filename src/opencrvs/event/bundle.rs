//! The parts of a webhook's body that are read. Arrays are read element by element: ten million elements of two bytes take no memory.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub(super) struct Bundle<'a> {
    #[serde(borrow)]
    pub(super) entry: Option<Resources<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

/// The first element of an array; the others are read over.
pub(super) struct First<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = First<T>;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<First<T>, A::Error> {
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// The entries of a bundle that hold a resource, each with its place among all.
pub(super) struct Resources<'a>(pub(super) Vec<(usize, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Resources<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Resources<'de>;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Resources<'de>, A::Error> {
                let mut resources = Vec::new();
                let mut index = 0;
                while let Some(entry) = entries.next_element::<Entry<'de>>()? {
                    resources.extend(entry.resource.map(|raw| (index, raw)));
                    index += 1;
                }
                Ok(Resources(resources))
            }
        }

        deserializer.deserialize_seq(Entries)
    }
}
