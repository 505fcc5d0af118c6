//! JSON-LD: from a credential to statements, by contexts that are pinned. Nothing is ever fetched.

use std::collections::BTreeMap;
use std::sync::Arc;

use oxjsonld::{JsonLdParser, JsonLdRemoteDocument};
use oxrdf::Quad;
use serde_json::Value;

/// The documents that contexts may name, by URL, and what `@context` of a credential has to equal.
pub(crate) struct Contexts {
    documents: Arc<BTreeMap<String, Vec<u8>>>,
    context: Value,
}

/// Why a credential cannot be read as JSON-LD.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContextError {
    /// `@context` is not what is configured.
    #[error("its @context is not the one in credentials.context")]
    Other,
    /// A member that could change what others mean.
    #[error("the member at {0} could change what others mean")]
    Member(String),
    /// The library's words name no value of the credential.
    #[error("it cannot be read as JSON-LD")]
    Unreadable,
}

impl Contexts {
    /// `documents` by URL; `context` is what `@context` has to equal, as JSON.
    pub(crate) fn new(documents: BTreeMap<String, Vec<u8>>, context: Vec<Value>) -> Self {
        Self { documents: Arc::new(documents), context: Value::Array(context) }
    }

    /// The URLs that `context` names and no document stands for.
    pub(crate) fn missing(&self) -> Vec<&str> {
        let urls = self.context.as_array().into_iter().flatten().filter_map(Value::as_str);
        urls.filter(|url| !self.documents.contains_key(*url)).collect()
    }

    /// Whether what a JSON reader sees in `document` is what its statements say: `@context` equals the pinned one and stands nowhere
    /// else, and no name has a colon or begins as a keyword does.
    pub(crate) fn check(&self, document: &Value) -> Result<(), ContextError> {
        if document.get("@context") != Some(&self.context) {
            return Err(ContextError::Other);
        }
        match document {
            Value::Object(members) => {
                let others = members.iter().filter(|(name, _)| *name != "@context");
                others.into_iter().try_for_each(|(name, value)| check_member("", name, value))
            }
            _ => Err(ContextError::Unreadable),
        }
    }

    /// The statements of `document`, without a base for relative names.
    pub(crate) fn statements(&self, document: &Value) -> Result<Vec<Quad>, ContextError> {
        let text = serde_json::to_vec(document).map_err(|_| ContextError::Unreadable)?;
        let documents = Arc::clone(&self.documents);
        let parser = JsonLdParser::new().for_slice(&text).with_load_document_callback(move |url, _| {
            let document = documents.get(url).cloned().ok_or("a context that is not pinned")?;
            Ok(JsonLdRemoteDocument { document, document_url: url.to_owned() })
        });
        parser.collect::<Result<_, _>>().map_err(|_| ContextError::Unreadable)
    }
}

fn check_member(path: &str, name: &str, value: &Value) -> Result<(), ContextError> {
    let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    if name.contains(':') || name.starts_with('@') {
        return Err(ContextError::Member(path));
    }
    check_value(&path, value)
}

fn check_value(path: &str, value: &Value) -> Result<(), ContextError> {
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| check_member(path, name, value))
        }
        Value::Array(items) => items
            .iter()
            .zip(0..)
            .try_for_each(|(item, at): (_, u32)| check_value(&format!("{path}/{at}"), item)),
        _ => Ok(()),
    }
}
