//! Many persons in one request, read one at a time.

use serde_json::value::RawValue;

use super::csv::File;
use super::request::Request;
use super::{Form, Refused};
use crate::mosip::ida::{IdLengths, ListedRecord};

/// Many persons. It keeps the body and makes each record only when it is needed, because all records together take several times the
/// memory of the body.
pub struct Batch {
    /// The form of the file.
    pub form: Form,
    /// Every record is wrong.
    pub is_hopeless: bool,
    request: Request,
    people: People,
    lengths: IdLengths,
}

/// The persons in the form in which they arrived.
pub(super) enum People {
    /// A JSON list.
    Listed(Box<RawValue>),
    /// The rows of a file.
    Rows(File),
}

impl Batch {
    /// Reads records until one is right.
    pub(super) fn new(request: Request, people: People, lengths: IdLengths) -> Self {
        let form = request.output.unwrap_or_default();
        let mut batch = Self { form, is_hopeless: false, request, people, lengths };
        let is_hopeless = batch.lines().all(|line| line.record.is_err());
        batch.is_hopeless = is_hopeless;
        batch
    }

    /// Every record in order. Each is read when the iterator reaches it.
    pub fn lines(&self) -> Box<dyn Iterator<Item = ListedRecord<Refused>> + '_> {
        let Self { request, lengths, .. } = self;
        match &self.people {
            People::Listed(list) => {
                // `read_json` checked that it is a list.
                let people: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
                Box::new(people.into_iter().map(|person| request.listed(person, *lengths)))
            }
            People::Rows(file) => Box::new(file.people().map(|person| match person {
                Ok(person) => request.line(&person, *lengths),
                Err(refused) => ListedRecord { id: String::new(), record: Err(refused) },
            })),
        }
    }

    /// How many bytes its records came in.
    pub fn size(&self) -> usize {
        match &self.people {
            People::Listed(list) => list.get().len(),
            People::Rows(file) => file.size(),
        }
    }
}
