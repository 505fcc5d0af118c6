//! The contexts that are pinned, and what they make of a credential. Nothing is ever fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oxjsonld::{JsonLdParser, JsonLdRemoteDocument};
use oxrdf::Quad;
use serde_json::{Map, Value};

use super::canonical::{self, ShapeError};
use super::event::MEMBERS;
use super::expand::{self, Expansion, Work};
use super::terms::{Documents, Table};
use super::{probe, shape};
use crate::json::member;

/// What `@context` of a credential has to equal, and what its names mean by that.
pub struct Contexts {
    context: Value,
    table: Table,
}

/// Why contexts cannot be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// A context that another one names.
    #[error("no file stands for {0}")]
    Missing(String),
    /// It is no document with a context, or its JSON can be read in two ways.
    #[error("the document of {0} holds no `@context` that can be read")]
    Unreadable(String),
    /// A context that leads back to itself.
    #[error("the context {0} names itself, or one that names it")]
    Recursive(String),
    /// More than eight contexts that name one another in a row.
    #[error("more than eight contexts name one another in a row, the last of them {0}")]
    Deep(String),
    /// More than 5,000 definitions.
    #[error("the contexts hold more than 5,000 definitions")]
    Many,
    /// A definition that is wrong in itself.
    #[error("the definition of the term `{0}` is wrong")]
    Term(String),
    /// What credentials of MOSIP have no use for.
    #[error("the contexts use `{0}`, which is not supported here")]
    NotBuilt(String),
    /// Whoever renamed the member would alter what a JSON reader finds, and no statement.
    #[error("the contexts give `{0}` the meaning of another name, too")]
    Shared(&'static str),
    /// A JSON-LD library reads the contexts otherwise.
    #[error("the contexts mean something else to a JSON-LD library, or are not valid: {0}")]
    Disagrees(String),
}

/// Why a credential cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// `@context` is not what is configured.
    #[error("its @context is not the one in credentials.context")]
    Other,
    /// A member that could change what others mean.
    #[error("the member at {0} could change what others mean")]
    Member(String),
    /// It has another shape than MOSIP gives a credential.
    #[error("the value at {0} is not one that MOSIP puts into a credential")]
    NotBuilt(String),
    /// It is larger than any credential of MOSIP.
    #[error("{0}")]
    Size(#[from] shape::SizeError),
    /// Its statements have no canonical form.
    #[error("{0}")]
    Shape(#[from] ShapeError),
}

/// A credential as its proof sees it.
pub struct Reading {
    /// The canonical form of its statements.
    pub text: String,
    /// JSON pointers to the values that the text depends on.
    pub covered: BTreeSet<String>,
}

impl Contexts {
    /// Reduces `context`, which `@context` has to equal as JSON, to a table of terms, and compares it with what a JSON-LD library reads.
    /// `documents` by URL.
    pub fn pin(documents: BTreeMap<String, Vec<u8>>, context: Vec<Value>) -> Result<Self, PinError> {
        let context = Value::Array(context);
        let read = |(url, bytes): (&String, &Vec<u8>)| {
            let document = crate::json::read(bytes).map_err(|_| PinError::Unreadable(url.clone()))?;
            Ok((url.clone(), document))
        };
        let parsed: Documents = documents.iter().map(read).collect::<Result<_, _>>()?;
        let table = Table::reduce(&parsed, &context)?;
        probe::compare(&Arc::new(documents), &context, &table)?;
        if let Some(name) = MEMBERS.into_iter().find(|name| table.is_shared(name)) {
            return Err(PinError::Shared(name));
        }
        Ok(Self { context, table })
    }

    /// What a proof of `credential` signs. `@context` and `proof` are no part of it.
    pub fn read(&self, credential: &Value) -> Result<Reading, ContextError> {
        let Expansion { quads, covered } = self.expand(credential)?;
        Ok(Reading { text: canonical::write(&quads)?, covered })
    }

    /// What `document` says. What a JSON reader sees in it is what its statements say: `@context` equals the pinned one and stands
    /// nowhere else, and no name has a colon or begins as a keyword does.
    pub(super) fn expand(&self, document: &Value) -> Result<Expansion, ContextError> {
        self.expand_counting(document, &mut Work::of_credential())
    }

    /// As [`Self::expand`], with what it takes counted in `work`.
    pub(super) fn expand_counting(
        &self,
        document: &Value,
        work: &mut Work,
    ) -> Result<Expansion, ContextError> {
        shape::check_size(document)?;
        let members = document.as_object().filter(|members| members.get("@context") == Some(&self.context));
        let members = members.ok_or(ContextError::Other)?;
        check_members("", members)?;
        expand::expand(&self.table, members, work)
    }

    /// Whether the member `name` of the subject would be part of what is signed, were it there, so that its absence says something.
    pub(super) fn would_cover(&self, credential: &Value, name: &str) -> bool {
        let mut with = credential.clone();
        let subject = with.get_mut("credentialSubject").and_then(Value::as_object_mut);
        if let Some(subject) = subject {
            subject.insert(name.to_owned(), Value::String(String::new()));
        }
        let pointer = member("/credentialSubject", name);
        self.expand(&with).is_ok_and(|expansion| expansion.covered.contains(&pointer))
    }
}

/// The statements of `document` as a JSON-LD library reads it, without a base for relative names: the second opinion.
pub fn by_library(documents: &Arc<BTreeMap<String, Vec<u8>>>, document: &Value) -> Result<Vec<Quad>, String> {
    let text = serde_json::to_vec(document).map_err(|error| error.to_string())?;
    let documents = Arc::clone(documents);
    let parser = JsonLdParser::new().for_slice(&text).with_load_document_callback(move |url, _| {
        let document = documents.get(url).cloned().ok_or("a context that is not pinned")?;
        Ok(JsonLdRemoteDocument { document, document_url: url.to_owned() })
    });
    parser.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn check_members(at: &str, members: &Map<String, Value>) -> Result<(), ContextError> {
    for (name, value) in members {
        let is_top = at.is_empty() && matches!(name.as_str(), "@context" | "proof");
        if is_top {
            continue;
        }
        if name.contains(':') || name.starts_with('@') {
            return Err(ContextError::Member(member(at, name)));
        }
        if value.is_object() || value.is_array() {
            check_value(&member(at, name), value)?;
        }
    }
    Ok(())
}

fn check_value(at: &str, value: &Value) -> Result<(), ContextError> {
    match value {
        Value::Object(members) => check_members(at, members),
        Value::Array(items) => {
            let mut items = items.iter().zip(0_u32..);
            items.try_for_each(|(item, index)| check_value(&format!("{at}/{index}"), item))
        }
        _ => Ok(()),
    }
}
