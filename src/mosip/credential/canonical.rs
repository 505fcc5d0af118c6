//! The text that an issuer of MOSIP signs: URDNA2015 for flat shapes, as the issuer's own two writers make it.
//!
//! One writer serves for the hashes of blank nodes and for the order of lines: it escapes newline, return, quote and backslash alone, and
//! what it wrote is compared by UTF-16 units. The other writes the text: it escapes every control. A general RDFC-1.0 library differs
//! from this in values that hold controls, or characters beyond the BMP.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use oxrdf::{GraphName, NamedOrBlankNode, Quad, Term};
use sha2::{Digest, Sha256};

const XSD_STRING: &str = "http://www.w3.org/2001/XMLSchema#string";

/// Why there is no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A statement outside the default graph.
    #[error("a statement stands outside the default graph")]
    Graph,
    /// Objects inside objects: their order would take work without bound.
    #[error("an object stands inside another object without an id")]
    Nested,
    /// More than 1,000 statements.
    #[error("there are more than 1,000 statements")]
    Many,
    /// The texts of its statements have more than 8 MiB.
    #[error("its statements have more than 8 MiB")]
    Large,
}

/// How a literal is written into a line.
type Escape = fn(&str, &mut String);

/// The canonical text of `quads`; equal statements count once.
pub fn write(quads: &[Quad]) -> Result<String, ShapeError> {
    for quad in quads {
        if quad.graph_name != GraphName::DefaultGraph {
            return Err(ShapeError::Graph);
        }
        if blank_of_subject(quad).is_some() && blank_of_object(quad).is_some() {
            return Err(ShapeError::Nested);
        }
    }
    let statements: HashSet<&Quad> = quads.iter().collect();
    let names = names(&statements);
    let name = |blank: &str| names.get(blank).cloned().unwrap_or_default();
    let mut lines: Vec<(String, &Quad)> =
        statements.into_iter().map(|quad| (line(quad, escape_for_order, &name), quad)).collect();
    lines.sort_by(|(one, _), (other, _)| by_utf_16(one, other));
    let mut text = String::new();
    for (ordered, quad) in lines {
        // The longest line may be as long as the credential, and is wanted once.
        drop(ordered);
        text.push_str(&line(quad, escape_for_text, &name));
    }
    Ok(text)
}

fn by_utf_16(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// The canonical names of blank nodes: by their hashes, those that occur once before those that several share.
fn names(statements: &HashSet<&Quad>) -> BTreeMap<String, String> {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for quad in statements {
        if let Some(blank) = blank_of_subject(quad).or_else(|| blank_of_object(quad)) {
            let own = line(quad, escape_for_order, &|_| "_:a".to_owned());
            lines.entry(blank).or_default().push(own);
        }
    }
    let mut by_hash: BTreeMap<[u8; 32], Vec<&str>> = BTreeMap::new();
    for (blank, mut own) in lines {
        own.sort_by(|one, other| by_utf_16(one, other));
        by_hash.entry(Sha256::digest(own.concat()).into()).or_default().push(blank);
    }
    let (once, shared): (Vec<_>, Vec<_>) = by_hash.into_values().partition(|blanks| blanks.len() == 1);
    let ordered = once.into_iter().chain(shared).flatten();
    ordered
        .zip(0..)
        .map(|(blank, number): (&str, u32)| (blank.to_owned(), format!("_:c14n{number}")))
        .collect()
}

fn blank_of_subject(quad: &Quad) -> Option<&str> {
    match &quad.subject {
        NamedOrBlankNode::BlankNode(blank) => Some(blank.as_str()),
        NamedOrBlankNode::NamedNode(_) => None,
    }
}

fn blank_of_object(quad: &Quad) -> Option<&str> {
    match &quad.object {
        Term::BlankNode(blank) => Some(blank.as_str()),
        _ => None,
    }
}

fn line(quad: &Quad, escape: Escape, name: &impl Fn(&str) -> String) -> String {
    let mut line = match &quad.subject {
        NamedOrBlankNode::NamedNode(iri) => format!("<{}>", iri.as_str()),
        NamedOrBlankNode::BlankNode(blank) => name(blank.as_str()),
    };
    let _ = write!(line, " <{}> ", quad.predicate.as_str());
    match &quad.object {
        Term::NamedNode(iri) => {
            let _ = write!(line, "<{}>", iri.as_str());
        }
        Term::BlankNode(blank) => line.push_str(&name(blank.as_str())),
        Term::Literal(literal) => {
            line.push('"');
            escape(literal.value(), &mut line);
            line.push('"');
            if let Some(language) = literal.language() {
                let _ = write!(line, "@{language}");
            } else if literal.datatype().as_str() != XSD_STRING {
                let _ = write!(line, "^^<{}>", literal.datatype().as_str());
            }
        }
    }
    line.push_str(" .\n");
    line
}

fn escape_for_order(value: &str, line: &mut String) {
    for c in value.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            _ => line.push(c),
        }
    }
}

fn escape_for_text(value: &str, line: &mut String) {
    for c in value.chars() {
        match c {
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' if !matches!(c, '\n' | '\r') => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            _ => escape_for_order(c.encode_utf8(&mut [0; 4]), line),
        }
    }
}
