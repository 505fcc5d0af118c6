//! From a credential to statements, by the table of terms; and which of its values the statements depend on.

use std::collections::BTreeSet;

use oxrdf::vocab::{rdf, xsd};
use oxrdf::{BlankNode, GraphName, Literal, NamedNode, NamedOrBlankNode, Quad, Term as Object};
use serde_json::{Map, Number, Value};

use super::contexts::ContextError;
use super::terms::{Coercion, Meaning, Scope, Table, Term};
use crate::json::member;

/// What a credential says.
pub(super) struct Expansion {
    pub(super) quads: Vec<Quad>,
    /// JSON pointers to the values that statements are made of.
    pub(super) covered: BTreeSet<String>,
}

/// The statements of `document`, but for its members `@context` and `proof`.
pub(super) fn expand(table: &Table, document: &Map<String, Value>) -> Result<Expansion, ContextError> {
    let expansion = Expansion { quads: Vec::new(), covered: BTreeSet::new() };
    let mut expander = Expander { table, expansion, blanks: 0 };
    let active = Active { scope: table.base(), before: None };
    let members: Members<'_> =
        document.iter().filter(|(name, _)| !matches!(name.as_str(), "@context" | "proof")).collect();
    expander.node("", &members, active)?;
    Ok(expander.expansion)
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
    blanks: u32,
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
        let (types, active) = self.types(at, members, active)?;
        let subject = self.subject(at, members, active)?;
        let from = self.expansion.quads.len();
        for (pointer, kind) in types {
            let Some(iri) = self.table.expand_vocab(active.before.unwrap_or(active.scope), kind) else {
                continue;
            };
            if let Ok(iri) = NamedNode::new(iri) {
                self.state(&subject, &rdf::TYPE.into_owned(), iri.into(), pointer);
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
        if (!at.is_empty() || self.expansion.quads.len() > from)
            && let Some((name, _)) = self.named(members, active, |meaning| matches!(meaning, Meaning::Id))
        {
            self.expansion.covered.insert(member(at, name));
        }
        Ok(subject)
    }

    /// The types of an object with their places, and the scope that they lead to.
    fn types<'a>(
        &self,
        at: &str,
        members: &Members<'a>,
        active: Active,
    ) -> Result<(Types<'a>, Active), ContextError> {
        let mut types = Vec::new();
        let aliases = members.iter().filter(|(name, _)| {
            let term = self.table.term(active.scope, name).flatten();
            term.is_some_and(|term| matches!(term.meaning, Meaning::Type))
        });
        for (number, (name, value)) in aliases.enumerate() {
            let at = member(at, name);
            let kinds = match value {
                Value::String(kind) => vec![(at.clone(), kind.as_str())],
                Value::Array(kinds) => kinds
                    .iter()
                    .zip(0_u32..)
                    .map(|(kind, index)| Some((format!("{at}/{index}"), kind.as_str()?)))
                    .collect::<Option<_>>()
                    .ok_or_else(|| ContextError::NotBuilt(at.clone()))?,
                _ => return Err(ContextError::NotBuilt(at)),
            };
            if number > 0 {
                return Err(ContextError::NotBuilt(at));
            }
            types = kinds;
        }
        let mut inside = active;
        for (at, kind) in &types {
            if kind.starts_with("_:") {
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
        let Some((name, value)) = self.named(members, active, |meaning| matches!(meaning, Meaning::Id))
        else {
            self.blanks += 1;
            return Ok(BlankNode::new_unchecked(format!("b{}", self.blanks)).into());
        };
        let wrong = || ContextError::NotBuilt(member(at, name));
        let others = members.iter().filter(|(other, _)| {
            let term = self.table.term(active.scope, other).flatten();
            *other != name && term.is_some_and(|term| matches!(term.meaning, Meaning::Id))
        });
        if others.count() > 0 {
            return Err(wrong());
        }
        let iri = self.table.expand_id(active.scope, value.as_str().ok_or_else(wrong)?);
        NamedNode::new(iri).map(Into::into).map_err(|_| wrong())
    }

    fn named<'a>(
        &self,
        members: &Members<'a>,
        active: Active,
        is_meant: impl Fn(&Meaning) -> bool,
    ) -> Option<(&'a String, &'a Value)> {
        members.iter().copied().find(|(name, _)| {
            self.table.term(active.scope, name).flatten().is_some_and(|term| is_meant(&term.meaning))
        })
    }

    fn values(&mut self, at: &str, value: &Value, property: Property<'_>) -> Result<(), ContextError> {
        match value {
            // Another value in their place would make a statement.
            Value::Null => self.plain(at, None, property),
            Value::Array(items) if items.is_empty() => self.plain(at, None, property),
            Value::Array(items) => items
                .iter()
                .zip(0_u32..)
                .try_for_each(|(item, index)| self.values(&format!("{at}/{index}"), item, property)),
            Value::Object(members) => self.object(at, members, property),
            plain => self.plain(at, Some(plain), property),
        }
    }

    fn object(
        &mut self,
        at: &str,
        members: &Map<String, Value>,
        property: Property<'_>,
    ) -> Result<(), ContextError> {
        let Property { subject, predicate, term, active, .. } = property;
        let members: Members<'_> = members.iter().collect();
        let is_mere_name = members.len() == 1
            && self.named(&members, active, |meaning| matches!(meaning, Meaning::Id)).is_some();
        let scope = active.before.filter(|_| !is_mere_name).unwrap_or(active.scope);
        let scope = match term {
            Some(term) => self.table.inside(scope, term),
            None => Some(scope),
        };
        let scope = scope.ok_or_else(|| ContextError::NotBuilt(at.to_owned()))?;
        let object = self.node(at, &members, Active { scope, before: None })?;
        let pointer = if members.is_empty() { at.to_owned() } else { String::new() };
        self.state(subject, predicate, object.into(), pointer);
        Ok(())
    }

    /// A value without parts; `None` stands for one that is not there.
    fn plain(&mut self, at: &str, value: Option<&Value>, property: Property<'_>) -> Result<(), ContextError> {
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
            (None, Coercion::Id | Coercion::Vocab) => return Ok(()),
            (None, _) => {
                self.expansion.covered.insert(at.to_owned());
                return Ok(());
            }
            (Some(Value::String(text)), Coercion::Id | Coercion::Vocab) => {
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
            (Some(Value::String(text)), _) => match datatype {
                Some(datatype) => Literal::new_typed_literal(text, datatype).into(),
                None => Literal::new_simple_literal(text).into(),
            },
            (Some(Value::Bool(yes)), _) => {
                let datatype = datatype.unwrap_or_else(|| xsd::BOOLEAN.into_owned());
                Literal::new_typed_literal(if *yes { "true" } else { "false" }, datatype).into()
            }
            (Some(Value::Number(number)), _) => numeric(number, datatype).into(),
            (Some(_), _) => return Err(ContextError::NotBuilt(at.to_owned())),
        };
        self.state(subject, predicate, object, at.to_owned());
        Ok(())
    }

    fn state(&mut self, subject: &NamedOrBlankNode, predicate: &NamedNode, object: Object, pointer: String) {
        self.expansion.quads.push(Quad::new(
            subject.clone(),
            predicate.clone(),
            object,
            GraphName::DefaultGraph,
        ));
        if !pointer.is_empty() {
            self.expansion.covered.insert(pointer);
        }
    }
}

/// A number as a literal: whole ones below 10²¹ as `xsd:integer`, others as `xsd:double` in canonical form (JSON-LD 1.1 API, 8.6), under
/// `datatype` where the term names one.
fn numeric(number: &Number, datatype: Option<NamedNode>) -> Literal {
    let (mut digits, exponent, is_negative) = digits(number);
    let places = i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1;
    let wants_double = datatype.as_ref().is_some_and(|datatype| datatype.as_ref() == xsd::DOUBLE);
    let sign = if is_negative { "-" } else { "" };
    if !wants_double && (places..21).contains(&exponent) {
        digits.extend(std::iter::repeat_n('0', usize::try_from(exponent - places).unwrap_or_default()));
        let datatype = datatype.unwrap_or_else(|| xsd::INTEGER.into_owned());
        return Literal::new_typed_literal(format!("{sign}{digits}"), datatype);
    }
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { "0" } else { rest };
    let datatype = datatype.unwrap_or_else(|| xsd::DOUBLE.into_owned());
    Literal::new_typed_literal(format!("{sign}{first}.{rest}E{exponent}"), datatype)
}

/// The digits of a number without zeros at either end, the power of ten of the first, and whether it is below zero.
fn digits(number: &Number) -> (String, i32, bool) {
    // Rust writes the shortest digits that read back, as JSON writers do.
    let text = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(whole), ..) => format!("{whole:e}"),
        (_, Some(whole), _) => format!("{whole:e}"),
        (.., Some(real)) => format!("{real:e}"),
        _ => String::new(),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let kept = digits.trim_end_matches('0');
    match kept.is_empty() {
        true => ("0".to_owned(), 0, false),
        false => (kept.to_owned(), exponent.parse().unwrap_or_default(), mantissa.starts_with('-')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON-LD 1.1 API, 8.6: from 10²¹ on a number is a double. `oxjsonld` says so from 10²⁰ on.
    #[test]
    fn whole_numbers_are_integers_below_ten_to_the_twenty_first() {
        for (number, expected) in [
            ("100000000000000000000.0", "100000000000000000000"),
            ("1e20", "100000000000000000000"),
            ("-123456789012345678901.0", "-123456789012345680000"),
            ("1e21", "1.0E21"),
            ("18446744073709551615", "18446744073709551615"),
            ("-0.0", "0"),
            ("0.5", "5.0E-1"),
        ] {
            let number: Number = serde_json::from_str(number).unwrap();
            assert_eq!(numeric(&number, None).value(), expected);
        }
        let double = numeric(&Number::from(120), Some(xsd::DOUBLE.into_owned()));
        assert_eq!(double.value(), "1.2E2");
    }
}
