//! From contexts to a table, within bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oxrdf::NamedNode;
use serde_json::{Map, Value};

use super::{Coercion, Documents, Layer, Meaning, Scope, Table, Term};
use crate::mosip::credential::contexts::PinError;

/// More definitions than the contexts of any deployment have, contexts inside contexts included.
const MOST_TERMS: usize = 5_000;
/// Documents that name one another in a row.
const DEEPEST: usize = 8;
/// Tables. A context is reduced anew for each place that leads to it.
const MOST_SCOPES: usize = 4_096;
/// Places inside places: an attribute with a context of its own, in a subject with a context of its own.
const DEEPEST_SCOPE: usize = 2;

/// Reduces `context`, which names `documents`.
pub(super) fn reduce(documents: &Documents, context: &Value) -> Result<Table, PinError> {
    let mut left = MOST_TERMS;
    weigh(documents, context, &mut Vec::new(), &mut left)?;
    let table = Table { layers: vec![Layer::default()], base: 0, inner: BTreeMap::new() };
    let mut builder = Builder { documents, table, contexts: Vec::new() };
    builder.table.base = builder.apply(0, context)?;
    builder.add_inner()?;
    Ok(builder.table)
}

/// Refuses contexts whose reduction would take work without bound, before anything else looks at them.
fn weigh<'d>(
    documents: &'d Documents,
    context: &'d Value,
    trail: &mut Vec<&'d str>,
    left: &mut usize,
) -> Result<(), PinError> {
    match context {
        Value::Array(contexts) => {
            contexts.iter().try_for_each(|context| weigh(documents, context, trail, left))
        }
        Value::String(url) => {
            if trail.contains(&url.as_str()) {
                return Err(PinError::Recursive(url.clone()));
            }
            if trail.len() >= DEEPEST {
                return Err(PinError::Deep(url.clone()));
            }
            *left = left.checked_sub(1).ok_or(PinError::Many)?;
            trail.push(url);
            weigh(documents, context_of(documents, url)?, trail, left)?;
            trail.pop();
            Ok(())
        }
        Value::Object(members) => members.values().try_for_each(|definition| {
            *left = left.checked_sub(1).ok_or(PinError::Many)?;
            definition.get("@context").map_or(Ok(()), |inner| weigh(documents, inner, trail, left))
        }),
        _ => Ok(()),
    }
}

fn context_of<'d>(documents: &'d Documents, url: &str) -> Result<&'d Value, PinError> {
    let document = documents.get(url).ok_or_else(|| PinError::Missing(url.to_owned()))?;
    document.get("@context").ok_or_else(|| PinError::Unreadable(url.to_owned()))
}

struct Builder<'d> {
    documents: &'d Documents,
    table: Table,
    /// The contexts inside definitions.
    contexts: Vec<Value>,
}

impl Builder<'_> {
    /// The scope that `context` makes over `scope`.
    fn apply(&mut self, scope: Scope, context: &Value) -> Result<Scope, PinError> {
        match context {
            Value::Array(contexts) => contexts.iter().try_fold(scope, |scope, one| self.apply(scope, one)),
            Value::String(url) => {
                let documents = self.documents;
                self.apply(scope, context_of(documents, url)?)
            }
            Value::Object(local) => {
                let layer = Reduction::of(self, scope, local)?;
                self.table.layers.push(layer);
                Ok(self.table.layers.len() - 1)
            }
            _ => Err(PinError::NotBuilt("null".to_owned())),
        }
    }

    /// Adds the scopes that contexts inside definitions lead to, the nearest first.
    fn add_inner(&mut self) -> Result<(), PinError> {
        // A scope, the one that it was made over, and how deep it lies.
        let mut open = vec![(self.table.base, None, 0)];
        let mut next = 0;
        while let Some(&(scope, before, depth)) = open.get(next) {
            next += 1;
            let inner: Vec<usize> =
                self.table.with_contexts(scope).iter().filter_map(|(_, term)| term.context).collect();
            for context in inner {
                // A type's context ends where the next object begins; a property's does not.
                let from = [(Some(scope), depth + 1), (before, depth)];
                for (over, depth) in from.into_iter().filter_map(|(over, depth)| Some((over?, depth))) {
                    let is_known = self.table.inner.contains_key(&(over, context));
                    if is_known || depth > DEEPEST_SCOPE || open.len() >= MOST_SCOPES {
                        continue;
                    }
                    let local = self.contexts.get(context).cloned().unwrap_or_default();
                    match self.apply(over, &local) {
                        Ok(scope) => {
                            self.table.inner.insert((over, context), scope);
                            open.push((scope, Some(over), depth));
                        }
                        // A credential that uses it is refused.
                        Err(PinError::NotBuilt(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }
}

/// One context on its way to a layer.
struct Reduction<'b, 'd> {
    builder: &'b mut Builder<'d>,
    local: &'b Map<String, Value>,
    layer: Layer,
    under_way: BTreeSet<&'b str>,
}

impl<'b, 'd> Reduction<'b, 'd> {
    fn of(
        builder: &'b mut Builder<'d>,
        under: Scope,
        local: &'b Map<String, Value>,
    ) -> Result<Layer, PinError> {
        let layer = Layer { under: Some(under), ..Layer::default() };
        let mut reduction = Reduction { builder, local, layer, under_way: BTreeSet::new() };
        for (name, value) in local {
            match (name.as_str(), value) {
                ("@version", _) | ("@protected", Value::Bool(_)) => {}
                ("@vocab", Value::String(vocab)) if NamedNode::new(vocab).is_ok() => {
                    reduction.layer.vocab = Some(vocab.clone());
                }
                (keyword, _) if keyword.starts_with('@') => {
                    return Err(PinError::NotBuilt(keyword.to_owned()));
                }
                _ => {}
            }
        }
        for name in local.keys().filter(|name| !name.starts_with('@')) {
            reduction.define(name)?;
        }
        Ok(reduction.layer)
    }

    fn define(&mut self, name: &'b str) -> Result<(), PinError> {
        if self.layer.terms.contains_key(name) {
            return Ok(());
        }
        let wrong = || PinError::Term(name.to_owned());
        if name.is_empty() || !self.under_way.insert(name) {
            return Err(wrong());
        }
        let empty = Map::new();
        let (id, definition) = match self.local.get(name) {
            Some(Value::Null) => (Some(&Value::Null), &empty),
            Some(id @ Value::String(_)) => (Some(id), &empty),
            Some(Value::Object(definition)) => (definition.get("@id"), definition),
            _ => return Err(wrong()),
        };
        let is_simple = definition.is_empty();
        let iri = match id {
            Some(Value::Null) => None,
            None if definition.contains_key("@reverse") => Some("@reverse".to_owned()),
            Some(Value::String(id)) if id != name => self.expand(id)?,
            Some(Value::String(_)) | None => Some(self.own_iri(name)?),
            Some(_) => return Err(wrong()),
        };
        let term = match iri {
            Some(iri) => Some(Arc::new(self.term(name, iri, is_simple, definition)?)),
            None if definition.contains_key("@context") => return Err(wrong()),
            None => None,
        };
        self.under_way.remove(name);
        self.layer.terms.insert(name.to_owned(), term);
        Ok(())
    }

    /// The IRI of a term that is defined without one.
    fn own_iri(&mut self, name: &'b str) -> Result<String, PinError> {
        if let Some((prefix, rest)) = name.split_once(':') {
            self.define_local(prefix)?;
            return Ok(match self.find(prefix).flatten() {
                Some(term) => format!("{}{rest}", term.iri),
                None => name.to_owned(),
            });
        }
        self.vocab().map(|vocab| format!("{vocab}{name}")).ok_or_else(|| PinError::Term(name.to_owned()))
    }

    fn term(
        &mut self,
        name: &'b str,
        iri: String,
        is_simple: bool,
        definition: &Map<String, Value>,
    ) -> Result<Term, PinError> {
        let wrong = || PinError::Term(name.to_owned());
        let mut meaning = match iri.as_str() {
            "@id" => Meaning::Id,
            "@type" => Meaning::Type,
            keyword if keyword.starts_with('@') => Meaning::NotBuilt,
            relative if !relative.contains(':') => Meaning::Nothing,
            iri => NamedNode::new(iri).map_or(Meaning::NotBuilt, Meaning::Property),
        };
        let is_plain = !name.contains([':', '/']);
        let mut is_prefix = is_simple && is_plain && iri.ends_with([':', '/', '?', '#', '[', ']', '@']);
        let (mut coercion, mut context) = (Coercion::None, None);
        for (key, value) in definition {
            match (key.as_str(), value) {
                ("@id" | "@protected", _) => {}
                ("@prefix", Value::Bool(yes)) => is_prefix = *yes,
                ("@type", Value::String(of)) => match self.expand(of)?.as_deref() {
                    Some("@id") => coercion = Coercion::Id,
                    Some("@vocab") => coercion = Coercion::Vocab,
                    Some("@none") => {}
                    Some("@json") => meaning = Meaning::NotBuilt,
                    iri => {
                        coercion =
                            Coercion::Type(NamedNode::new(iri.unwrap_or_default()).map_err(|_| wrong())?);
                    }
                },
                ("@container", Value::String(container)) if container == "@set" => {}
                ("@container", Value::Array(one)) if one.iter().all(|container| container == "@set") => {}
                ("@context", inner) => {
                    // A context that changes its own property would change how a plain value of it is read.
                    if defines(inner, name) {
                        meaning = Meaning::NotBuilt;
                    }
                    context = Some(self.builder.contexts.len());
                    self.builder.contexts.push(inner.clone());
                }
                _ => meaning = Meaning::NotBuilt,
            }
        }
        Ok(Term { meaning, coercion, context, iri, is_prefix })
    }

    /// `value` as an IRI, by this context and those under it. `None`: it means nothing.
    fn expand(&mut self, value: &str) -> Result<Option<String>, PinError> {
        if value.starts_with('@') {
            return Ok(Some(value.to_owned()));
        }
        self.define_local(value)?;
        if let Some(term) = self.find(value) {
            return Ok(term.map(|term| term.iri.clone()));
        }
        if let Some((prefix, rest)) = value.split_once(':') {
            if prefix == "_" || rest.starts_with("//") {
                return Ok(Some(value.to_owned()));
            }
            self.define_local(prefix)?;
            return Ok(Some(match self.find(prefix).flatten() {
                Some(term) if term.is_prefix => format!("{}{rest}", term.iri),
                _ => value.to_owned(),
            }));
        }
        Ok(Some(self.vocab().map_or_else(|| value.to_owned(), |vocab| format!("{vocab}{value}"))))
    }

    fn define_local(&mut self, name: &str) -> Result<(), PinError> {
        match self.local.get_key_value(name) {
            Some((name, _)) => self.define(name),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> Option<Option<&Term>> {
        let own = self.layer.terms.get(name).map(Option::as_deref);
        own.or_else(|| self.builder.table.term(self.layer.under?, name))
    }

    fn vocab(&self) -> Option<&str> {
        self.layer.vocab.as_deref().or_else(|| self.builder.table.vocab(self.layer.under?))
    }
}

/// Whether `context` gives `name` a meaning. One of another document may.
fn defines(context: &Value, name: &str) -> bool {
    match context {
        Value::Object(members) => members.contains_key(name),
        Value::Array(contexts) => contexts.iter().any(|context| defines(context, name)),
        _ => true,
    }
}
