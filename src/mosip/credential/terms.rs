//! Contexts reduced to a table of terms: what each name of a credential means, so that no JSON-LD library works on what strangers write.
//!
//! Contexts that stand inside a definition count where that name is used. So there is a table for each place that they lead to: a scope.
//! What MOSIP's contexts have no use for is not built: a credential that uses such a name is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oxrdf::NamedNode;
use serde_json::Value;

use super::contexts::PinError;

mod reduce;

/// The number of a scope.
pub(super) type Scope = usize;

/// What the names of a credential mean.
pub(super) struct Table {
    layers: Vec<Layer>,
    /// The scope of the credential itself.
    base: Scope,
    /// The scope that a context inside a definition (its number) leads to from another one.
    inner: BTreeMap<(Scope, usize), Scope>,
}

/// What a context adds to the scope under it.
#[derive(Default)]
struct Layer {
    under: Option<Scope>,
    /// `None`: the name is defined to mean nothing.
    terms: BTreeMap<String, Option<Arc<Term>>>,
    vocab: Option<String>,
}

/// A name with a meaning.
pub(super) struct Term {
    pub(super) meaning: Meaning,
    pub(super) coercion: Coercion,
    /// The context inside the definition, by its number.
    pub(super) context: Option<usize>,
    iri: String,
    is_prefix: bool,
}

/// What a name stands for.
pub(super) enum Meaning {
    /// `@id`
    Id,
    /// `@type`
    Type,
    /// A property.
    Property(NamedNode),
    /// Nothing: it has no absolute IRI.
    Nothing,
    /// Something that credentials of MOSIP do not have.
    NotBuilt,
}

/// What the value of a property is read as.
pub(super) enum Coercion {
    None,
    /// A string is an IRI.
    Id,
    /// A string is a term or an IRI.
    Vocab,
    /// A literal of this type.
    Type(NamedNode),
}

/// Documents by their URLs.
pub(super) type Documents = BTreeMap<String, Value>;

impl Table {
    /// Reduces `context`, which names `documents`.
    pub(super) fn reduce(documents: &Documents, context: &Value) -> Result<Self, PinError> {
        reduce::reduce(documents, context)
    }

    /// The scope of a credential.
    pub(super) fn base(&self) -> Scope {
        self.base
    }

    /// What `name` means in `scope`. Outer `None`: no context defines it; inner `None`: one defines that it means nothing.
    pub(super) fn term(&self, scope: Scope, name: &str) -> Option<Option<&Term>> {
        let term = self.layers(scope).find_map(|layer| layer.terms.get(name))?;
        Some(term.as_deref())
    }

    /// The scope that the context inside `term` leads to from `scope`: `scope` itself where there is none, `None` where it lies too deep.
    pub(super) fn inside(&self, scope: Scope, term: &Term) -> Option<Scope> {
        match term.context {
            Some(context) => self.inner.get(&(scope, context)).copied(),
            None => Some(scope),
        }
    }

    /// What a property or a type without a definition begins with.
    pub(super) fn vocab(&self, scope: Scope) -> Option<&str> {
        self.layers(scope).find_map(|layer| layer.vocab.as_deref())
    }

    /// `value` as an IRI, where terms count. What is relative stays so; `None` is nothing.
    pub(super) fn expand_vocab(&self, scope: Scope, value: &str) -> Option<String> {
        match self.term(scope, value) {
            Some(term) => term.map(|term| term.iri.clone()),
            None => Some(self.absolute(scope, value).unwrap_or_else(|| match self.vocab(scope) {
                Some(vocab) => format!("{vocab}{value}"),
                None => value.to_owned(),
            })),
        }
    }

    /// `value` as an IRI, where terms do not count, or as it is.
    pub(super) fn expand_id(&self, scope: Scope, value: &str) -> String {
        self.absolute(scope, value).unwrap_or_else(|| value.to_owned())
    }

    fn absolute(&self, scope: Scope, value: &str) -> Option<String> {
        let (prefix, rest) = value.split_once(':')?;
        if prefix == "_" || rest.starts_with("//") {
            return Some(value.to_owned());
        }
        match self.term(scope, prefix).flatten() {
            Some(term) if term.is_prefix => Some(format!("{}{rest}", term.iri)),
            _ => NamedNode::new(value).is_ok().then(|| value.to_owned()),
        }
    }

    /// Terms of `scope` that have a context inside, by their names.
    pub(super) fn with_contexts(&self, scope: Scope) -> Vec<(&str, &Term)> {
        self.visible(scope).into_iter().filter(|(_, term)| term.context.is_some()).collect()
    }

    /// Whether another name means in a credential what `name` does.
    pub(super) fn is_shared(&self, name: &str) -> bool {
        let Some(iri) = self.expand_vocab(self.base, name).filter(|iri| iri.contains(':')) else {
            return false;
        };
        let is_defined = self.term(self.base, name).is_some();
        let others = self.visible(self.base).into_iter().filter(|(other, _)| *other != name);
        let by_vocab = self.vocab(self.base).and_then(|vocab| iri.strip_prefix(vocab));
        let is_other_by_vocab =
            by_vocab.is_some_and(|rest| is_defined && rest != name && self.term(self.base, rest).is_none());
        is_other_by_vocab || others.into_iter().any(|(_, term)| term.iri == iri)
    }

    /// All terms of `scope`, by their names.
    pub(super) fn visible(&self, scope: Scope) -> Vec<(&str, &Term)> {
        let mut seen = BTreeSet::new();
        let all = self.layers(scope).flat_map(|layer| &layer.terms);
        let first = all.filter(|(name, _)| seen.insert(name.as_str()));
        let mut terms: Vec<_> =
            first.filter_map(|(name, term)| Some((name.as_str(), term.as_deref()?))).collect();
        terms.sort_by_key(|(name, _)| *name);
        terms
    }

    fn layers(&self, scope: Scope) -> impl Iterator<Item = &Layer> {
        let mut next = Some(scope);
        std::iter::from_fn(move || {
            let layer = self.layers.get(next?)?;
            next = layer.under;
            Some(layer)
        })
    }
}
