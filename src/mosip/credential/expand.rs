//! From a credential to statements, by the table of terms; and which of its values the statements depend on.

use std::collections::BTreeSet;

use oxrdf::vocab::{rdf, xsd};
use oxrdf::{BlankNode, GraphName, Literal, NamedNode, NamedOrBlankNode, Quad, Term as Object};
use serde_json::{Map, Value};

use super::canonical::ShapeError;
use super::contexts::ContextError;
use super::number::numeric;
use super::terms::{Coercion, Meaning, Scope, Table, Term};
use crate::json::member;

/// More statements than any credential of MOSIP has.
const MOST_STATEMENTS: usize = 1_000;
/// Largest sum of the texts of all statements, bytes: more than the largest message of the hub, and a subject is repeated in each of its
/// statements.
const MOST_TEXT: usize = 8 << 20;

/// What a credential says.
pub(super) struct Expansion {
    pub(super) quads: Vec<Quad>,
    /// JSON pointers to the values that statements are made of.
    pub(super) covered: BTreeSet<String>,
}

/// What an expansion has made so far. It is counted as it is made, so that a credential that unfolds to much is refused at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) statements: usize,
    /// The sum of the texts of statements, bytes.
    pub(super) text: usize,
    most_statements: usize,
    most_text: usize,
}

impl Work {
    /// For what a stranger may have written.
    pub(super) const fn of_credential() -> Self {
        Self { statements: 0, text: 0, most_statements: MOST_STATEMENTS, most_text: MOST_TEXT }
    }

    /// For contexts of the configuration, whose size has been looked at.
    pub(super) const fn of_contexts() -> Self {
        Self { statements: 0, text: 0, most_statements: usize::MAX, most_text: usize::MAX }
    }

    fn add(&mut self, text: usize) -> Result<(), ShapeError> {
        self.statements += 1;
        self.text += text;
        match self.statements > self.most_statements {
            true => Err(ShapeError::Many),
            false if self.text > self.most_text => Err(ShapeError::Large),
            false => Ok(()),
        }
    }
}

/// The statements of `document`, but for its members `@context` and `proof`. `work` counts them.
pub(super) fn expand(
    table: &Table,
    document: &Map<String, Value>,
    work: &mut Work,
) -> Result<Expansion, ContextError> {
    let expansion = Expansion { quads: Vec::new(), covered: BTreeSet::new() };
    let mut expander = Expander { table, expansion, work, blanks: 0, named: BTreeSet::new() };
    let active = Active { scope: table.base(), before: None };
    let members: Members<'_> =
        document.iter().filter(|(name, _)| !matches!(name.as_str(), "@context" | "proof")).collect();
    expander.node("", &members, active)?;
    Ok(expander.expansion)
}

/// The name of `@id` in credentials of MOSIP.
pub(super) const ID: &str = "id";
/// The name of `@type` in credentials of MOSIP.
pub(super) const TYPE: &str = "type";

/// Whether JSON-LD keeps `name` for keywords to come (JSON-LD 1.1, section 9.15: `@` and letters): processors differ in what they make of it.
fn has_form_of_keyword(name: &str) -> bool {
    name.strip_prefix('@')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

type Members<'a> = Vec<(&'a String, &'a Value)>;

/// Types with their places.
type Types<'a> = Vec<(String, &'a str)>;

/// Where names are looked up.
#[derive(Clone, Copy)]
struct Active {
    scope: Scope,
    /// The scope that counts again in the objects inside: the context of a type counts in its own object alone.
    before: Option<Scope>,
}

struct Expander<'t> {
    table: &'t Table,
    expansion: Expansion,
    work: &'t mut Work,
    blanks: u32,
    /// The objects with an id. Two of one id would be one subject: what is said of it could move from one to the other.
    named: BTreeSet<String>,
}

/// A property on its way to its values.
#[derive(Clone, Copy)]
struct Property<'p> {
    subject: &'p NamedOrBlankNode,
    predicate: &'p NamedNode,
    coercion: &'p Coercion,
    /// Its definition, where it has one.
    term: Option<&'p Term>,
    active: Active,
}

impl Expander<'_> {
    /// The statements about one object, and how it is named.
    fn node(
        &mut self,
        at: &str,
        members: &Members<'_>,
        active: Active,
    ) -> Result<NamedOrBlankNode, ContextError> {
        self.check_names(at, members, active)?;
        let (types, active) = self.types(at, members, active)?;
        let subject = self.subject(at, members, active)?;
        let from = self.expansion.quads.len();
        for (pointer, kind) in types {
            let Some(iri) = self.table.expand_vocab(active.before.unwrap_or(active.scope), kind) else {
                continue;
            };
            if let Ok(iri) = NamedNode::new(iri) {
                self.state(&subject, &rdf::TYPE.into_owned(), iri.into(), pointer)?;
            }
        }
        for (name, value) in members {
            let at = member(at, name);
            match self.table.term(active.scope, name) {
                Some(Some(term)) => match &term.meaning {
                    Meaning::Id | Meaning::Type | Meaning::Nothing => {}
                    Meaning::NotBuilt => return Err(ContextError::NotBuilt(at)),
                    Meaning::Property(predicate) => {
                        let (subject, coercion) = (&subject, &term.coercion);
                        let property = Property { subject, predicate, coercion, term: Some(term), active };
                        self.values(&at, value, property)?;
                    }
                },
                Some(None) => {}
                None => {
                    if let Some(vocab) = self.table.vocab(active.scope) {
                        let predicate = NamedNode::new(format!("{vocab}{name}"))
                            .map_err(|_| ContextError::NotBuilt(at.clone()))?;
                        let (subject, predicate, coercion) = (&subject, &predicate, &Coercion::None);
                        self.values(
                            &at,
                            value,
                            Property { subject, predicate, coercion, term: None, active },
                        )?;
                    }
                }
            }
        }
        // What is inside something is named by a statement of that.
        if (!at.is_empty() || self.expansion.quads.len() > from) && self.id(members, active).is_some() {
            self.expansion.covered.insert(member(at, ID));
        }
        Ok(subject)
    }

    /// Contexts may give `@id` and `@type` further names. Whoever renamed one would alter what a JSON reader finds, and no statement.
    fn check_names(&self, at: &str, members: &Members<'_>, active: Active) -> Result<(), ContextError> {
        let is_other = |name: &str| match self.meaning(active, name) {
            Some(Meaning::Id) => name != ID,
            Some(Meaning::Type) => name != TYPE,
            _ => false,
        };
        match members.iter().find(|(name, _)| is_other(name)) {
            Some((name, _)) => Err(ContextError::NotBuilt(member(at, name))),
            None => Ok(()),
        }
    }

    fn meaning(&self, active: Active, name: &str) -> Option<&Meaning> {
        self.table.term(active.scope, name).flatten().map(|term| &term.meaning)
    }

    fn id<'a>(&self, members: &Members<'a>, active: Active) -> Option<&'a Value> {
        let is_meant = matches!(self.meaning(active, ID), Some(Meaning::Id));
        members.iter().find(|(name, _)| is_meant && *name == ID).map(|(_, value)| *value)
    }

    /// The types of an object with their places, and the scope that they lead to.
    fn types<'a>(
        &self,
        at: &str,
        members: &Members<'a>,
        active: Active,
    ) -> Result<(Types<'a>, Active), ContextError> {
        let mut types: Types<'a> = Vec::new();
        let is_meant = matches!(self.meaning(active, TYPE), Some(Meaning::Type));
        if let Some((name, value)) = members.iter().find(|(name, _)| is_meant && *name == TYPE) {
            let at = member(at, name);
            types = match value {
                Value::String(kind) => vec![(at.clone(), kind.as_str())],
                Value::Array(kinds) => kinds
                    .iter()
                    .zip(0_u32..)
                    .map(|(kind, index)| Some((format!("{at}/{index}"), kind.as_str()?)))
                    .collect::<Option<_>>()
                    .ok_or_else(|| ContextError::NotBuilt(at.clone()))?,
                _ => return Err(ContextError::NotBuilt(at)),
            };
        }
        let mut inside = active;
        for (at, kind) in &types {
            if kind.starts_with("_:") || has_form_of_keyword(kind) {
                return Err(ContextError::NotBuilt(at.clone()));
            }
            let Some(term) = self.table.term(active.scope, kind).flatten() else { continue };
            if term.context.is_none() {
                continue;
            }
            // Two types with contexts of their own would make the order of types part of what is signed.
            let scope = self.table.inside(active.scope, term).filter(|_| inside.before.is_none());
            let scope = scope.ok_or_else(|| ContextError::NotBuilt(at.clone()))?;
            inside = Active { scope, before: Some(active.scope) };
        }
        Ok((types, inside))
    }

    /// How an object is named: by its id, else as a blank node.
    fn subject(
        &mut self,
        at: &str,
        members: &Members<'_>,
        active: Active,
    ) -> Result<NamedOrBlankNode, ContextError> {
        let Some(value) = self.id(members, active) else {
            self.blanks += 1;
            return Ok(BlankNode::new_unchecked(format!("b{}", self.blanks)).into());
        };
        let wrong = || ContextError::NotBuilt(member(at, ID));
        let iri = self.table.expand_id(active.scope, value.as_str().ok_or_else(wrong)?);
        let iri = NamedNode::new(iri).map_err(|_| wrong())?;
        match self.named.insert(iri.as_str().to_owned()) {
            true => Ok(iri.into()),
            false => Err(wrong()),
        }
    }

    fn values(&mut self, at: &str, value: &Value, property: Property<'_>) -> Result<(), ContextError> {
        match value {
            Value::Array(items) => self.several(at, items, property),
            Value::Object(members) => self.object(at, members, property),
            plain => self.plain(at, plain, property),
        }
    }

    /// MOSIP writes an attribute in several languages as an array of objects without ids, and several values as an array of them. An array
    /// that makes the same statement as one value by itself is neither: whoever put the value into it would alter what a JSON reader
    /// finds, and no statement.
    fn several(&mut self, at: &str, items: &[Value], property: Property<'_>) -> Result<(), ContextError> {
        let wrong = |at: &str| Err(ContextError::NotBuilt(at.to_owned()));
        let are_objects = items.first().is_some_and(Value::is_object);
        let from = self.expansion.quads.len();
        for (item, index) in items.iter().zip(0_u32..) {
            let at = format!("{at}/{index}");
            match item {
                Value::Object(members) if are_objects && !members.contains_key(ID) => {
                    self.object(&at, members, property)?;
                }
                _ if are_objects => return wrong(&at),
                plain => self.plain(&at, plain, property)?,
            }
        }
        let made = self.expansion.quads.get(from..).unwrap_or_default();
        let is_one = !made.is_empty() && made.iter().all(|quad| made.first() == Some(quad));
        if items.is_empty() || (is_one && !are_objects) { wrong(at) } else { Ok(()) }
    }

    fn object(
        &mut self,
        at: &str,
        members: &Map<String, Value>,
        property: Property<'_>,
    ) -> Result<(), ContextError> {
        let Property { subject, predicate, term, active, .. } = property;
        // MOSIP writes a mere name as a text, which makes the same statement.
        if members.len() == 1 && members.contains_key(ID) {
            return Err(ContextError::NotBuilt(at.to_owned()));
        }
        let members: Members<'_> = members.iter().collect();
        let scope = active.before.unwrap_or(active.scope);
        let scope = match term {
            Some(term) => self.table.inside(scope, term),
            None => Some(scope),
        };
        let scope = scope.ok_or_else(|| ContextError::NotBuilt(at.to_owned()))?;
        let object = self.node(at, &members, Active { scope, before: None })?;
        let pointer = if members.is_empty() { at.to_owned() } else { String::new() };
        self.state(subject, predicate, object.into(), pointer)
    }

    /// A value without parts.
    fn plain(&mut self, at: &str, value: &Value, property: Property<'_>) -> Result<(), ContextError> {
        let Property { subject, predicate, coercion, term, active } = property;
        let scope = || {
            let scope = term.map_or(Some(active.scope), |term| self.table.inside(active.scope, term));
            scope.ok_or_else(|| ContextError::NotBuilt(at.to_owned()))
        };
        let datatype = match coercion {
            Coercion::Type(of) => Some(of.clone()),
            _ => None,
        };
        let object: Object = match (value, coercion) {
            (Value::String(text), Coercion::Id | Coercion::Vocab) if has_form_of_keyword(text) => {
                return Err(ContextError::NotBuilt(at.to_owned()));
            }
            (Value::String(text), Coercion::Id | Coercion::Vocab) => {
                let iri = match coercion {
                    Coercion::Id => Some(self.table.expand_id(scope()?, text)),
                    _ => self.table.expand_vocab(scope()?, text),
                };
                match iri.map(NamedNode::new) {
                    Some(Ok(iri)) => iri.into(),
                    // A relative name has no place that it is relative to.
                    Some(Err(_)) if !text.contains(':') => return Ok(()),
                    None => return Ok(()),
                    Some(Err(_)) => return Err(ContextError::NotBuilt(at.to_owned())),
                }
            }
            (Value::String(text), _) => match datatype {
                Some(datatype) => Literal::new_typed_literal(text, datatype).into(),
                None => Literal::new_simple_literal(text).into(),
            },
            (Value::Bool(yes), _) => {
                let datatype = datatype.unwrap_or_else(|| xsd::BOOLEAN.into_owned());
                Literal::new_typed_literal(if *yes { "true" } else { "false" }, datatype).into()
            }
            (Value::Number(number), _) => numeric(number, datatype).into(),
            // `null` makes no statement: whoever put it in place of nothing would alter what a JSON reader finds.
            _ => return Err(ContextError::NotBuilt(at.to_owned())),
        };
        self.state(subject, predicate, object, at.to_owned())
    }

    fn state(
        &mut self,
        subject: &NamedOrBlankNode,
        predicate: &NamedNode,
        object: Object,
        pointer: String,
    ) -> Result<(), ContextError> {
        let name = |node: &NamedOrBlankNode| match node {
            NamedOrBlankNode::NamedNode(iri) => iri.as_str().len(),
            NamedOrBlankNode::BlankNode(blank) => blank.as_str().len(),
        };
        let value = match &object {
            Object::NamedNode(iri) => iri.as_str().len(),
            Object::BlankNode(blank) => blank.as_str().len(),
            Object::Literal(literal) => literal.value().len(),
        };
        self.work.add(name(subject) + predicate.as_str().len() + value)?;
        self.expansion.quads.push(Quad::new(
            subject.clone(),
            predicate.clone(),
            object,
            GraphName::DefaultGraph,
        ));
        if !pointer.is_empty() {
            self.expansion.covered.insert(pointer);
        }
        Ok(())
    }
}
