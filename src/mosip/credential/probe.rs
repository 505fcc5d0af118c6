//! Asks a JSON-LD library what the contexts mean, once, when they are pinned: the table of terms has to say the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use oxrdf::Quad;
use serde_json::{Map, Value, json};

use super::contexts::{PinError, by_library};
use super::expand::{ID, TYPE, Work, expand};
use super::terms::{Meaning, Scope, Table, Term};

/// A name that nobody has.
const ABSOLUTE: &str = "urn:mosip-gateway:probe";

/// Compares what `table` and the library make of every term in every scope that one step leads to.
pub(super) fn compare(
    documents: &Arc<BTreeMap<String, Vec<u8>>>,
    context: &Value,
    table: &Table,
) -> Result<(), PinError> {
    let base = table.base();
    let mut probes = vec![probe(table, base, 0)?];
    for ((name, term), number) in table.with_contexts(base).into_iter().zip(1_u32..) {
        let Some(inner) = table.inside(base, term) else { continue };
        let mut inside = probe(table, inner, number)?;
        match term.meaning {
            // As a property it leads there by an object, as a type by its name.
            Meaning::Property(_) => {
                if is_usable(name) {
                    probes.push(json!({ ID: ABSOLUTE, name: inside.clone() }));
                }
                if let Some(members) = inside.as_object_mut() {
                    check_name(table, base, TYPE, &Meaning::Type)?;
                    members.insert(TYPE.to_owned(), json!([name]));
                }
            }
            _ => continue,
        }
        probes.push(inside);
    }
    let mut ours: HashSet<Quad> = HashSet::new();
    for members in probes.iter().filter_map(Value::as_object) {
        let expansion = expand(table, members, &mut Work::of_contexts())
            .map_err(|error| PinError::Disagrees(error.to_string()))?;
        ours.extend(expansion.quads);
    }
    let document = json!({ "@context": context, "@graph": probes });
    let theirs: HashSet<Quad> =
        by_library(documents, &document).map_err(PinError::Disagrees)?.into_iter().collect();
    match ours.symmetric_difference(&theirs).map(|quad| quad.predicate.as_str()).min() {
        Some(predicate) => Err(PinError::Disagrees(predicate.to_owned())),
        None => Ok(()),
    }
}

/// An object that uses every term of `scope`.
fn probe(table: &Table, scope: Scope, number: u32) -> Result<Value, PinError> {
    let mut members = Map::new();
    for (name, term) in table.visible(scope) {
        let is_property = matches!(term.meaning, Meaning::Property(_) | Meaning::Nothing);
        // A second step is not asked about: contexts in contexts may contradict one another, and no credential of MOSIP goes there.
        if scope != table.base() && term.context.is_some() {
            continue;
        }
        if is_property && is_usable(name) {
            members.insert(name.to_owned(), json!([ABSOLUTE, 7, 2.5, true]));
        }
    }
    check_name(table, scope, ID, &Meaning::Id)?;
    members.insert(ID.to_owned(), json!(format!("{ABSOLUTE}:{number}")));
    Ok(Value::Object(members))
}

/// Credentials of MOSIP write `@id` and `@type` as `id` and `type`.
fn check_name(table: &Table, scope: Scope, name: &str, meaning: &Meaning) -> Result<(), PinError> {
    let is_meant = |term: &Term| std::mem::discriminant(&term.meaning) == std::mem::discriminant(meaning);
    match table.term(scope, name).flatten() {
        Some(term) if is_meant(term) => Ok(()),
        _ => Err(PinError::NotBuilt(format!("objects without the name `{name}` for `@{name}`"))),
    }
}

/// Whether a credential may have a member of this name.
fn is_usable(name: &str) -> bool {
    !name.contains(':') && name != "proof"
}
