//! Which contexts are pinned, and what their names mean.

use super::super::probe;
use super::super::terms::{Documents, Table};
use super::*;
use crate::mosip::credential::contexts::{ContextError, PinError};

const URL: &str = "https://a.example/c";

/// Pins one document as the only context.
fn pin(document: Value) -> Result<Contexts, PinError> {
    let documents = BTreeMap::from([("https://a.example/c".to_owned(), document.to_string().into_bytes())]);
    Contexts::pin(documents, vec![json!("https://a.example/c")])
}

#[test]
fn a_context_without_a_document_is_named() {
    let missing = Contexts::pin(BTreeMap::new(), vec![json!("https://a.example/c")]).err().unwrap();
    assert_eq!(missing, PinError::Missing("https://a.example/c".to_owned()));
    let missing = pin(json!({ "@context": "https://a.example/other" })).err().unwrap();
    assert_eq!(missing, PinError::Missing("https://a.example/other".to_owned()));
}

#[test]
fn contexts_that_bomb_are_refused_before_anything_unfolds_them() {
    let url = "https://a.example/c";
    let ids = json!({ "id": "@id", "type": "@type" });
    let itself = pin(json!({ "@context": [ids, url] })).err().unwrap();
    assert_eq!(itself, PinError::Recursive(url.to_owned()));
    let inside = json!({ "@context": { "a": { "@id": "urn:a", "@context": url } } });
    assert_eq!(pin(inside).err().unwrap(), PinError::Recursive(url.to_owned()));

    let many: serde_json::Map<String, Value> =
        (0..10_000).map(|number| (format!("t{number}"), json!(format!("urn:t:{number}")))).collect();
    assert_eq!(pin(json!({ "@context": many })).err().unwrap(), PinError::Many);

    let document = |names: &str| format!(r#"{{"@context":[{names}]}}"#).into_bytes();
    let name = |number: u32| format!("https://a.example/{number}");
    let chain = (0..12).map(|number| (name(number), document(&format!("\"{}\"", name(number + 1)))));
    let deep = Contexts::pin(chain.collect(), vec![json!(name(0))]).err().unwrap();
    assert!(matches!(deep, PinError::Deep(_)), "{deep}");
    // Eight documents, each of which names the next one ten times.
    let wide = (0..8).map(|number| {
        let next = format!("\"{}\"", name(number + 1));
        (name(number), document(&if number < 7 { vec![next; 10].join(",") } else { "{}".to_owned() }))
    });
    let wide = Contexts::pin(wide.collect(), vec![json!(name(0))]).err().unwrap();
    assert_eq!(wide, PinError::Many);

    let nested = format!("{}{}{}", r#"{"@context":"#, "[".repeat(200), "]".repeat(200)) + "}";
    let documents = BTreeMap::from([(url.to_owned(), nested.into_bytes())]);
    let unreadable = Contexts::pin(documents, vec![json!(url)]).err().unwrap();
    assert_eq!(unreadable, PinError::Unreadable(url.to_owned()));
}

#[test]
fn contexts_that_contradict_themselves_or_use_more_than_is_built_are_refused() {
    let pin = |terms: Value| {
        let mut context = json!({ "id": "@id", "type": "@type" });
        let (all, terms) = (context.as_object_mut().unwrap(), terms.as_object().unwrap());
        all.extend(terms.clone());
        pin(json!({ "@context": context })).err()
    };
    assert_eq!(pin(json!({ "a": "urn:a" })), None);
    assert_eq!(pin(json!({ "@vocab": "https://v.example/", "a": {} })), None);
    for cyclic in
        [json!({ "a": "b:x", "b": "a:x" }), json!({ "a": 5 }), json!({ "a": {} }), json!({ "": "urn:a" })]
    {
        assert!(matches!(pin(cyclic.clone()), Some(PinError::Term(_))), "{cyclic}");
    }
    for keyword in ["@base", "@language", "@import", "@propagate", "@direction"] {
        assert_eq!(pin(json!({ keyword: "x" })), Some(PinError::NotBuilt(keyword.to_owned())));
    }
    let null = Contexts::pin(BTreeMap::new(), vec![Value::Null]).err().unwrap();
    assert!(matches!(null, PinError::NotBuilt(_)));
    // A type that protects a name, and one that takes it away again: the library says no.
    let protected = json!({ "a": { "@id": "urn:a", "@protected": true }, "T": { "@id": "urn:T", "@context": { "a": "urn:b" } } });
    assert!(matches!(pin(protected), Some(PinError::Disagrees(_))));
}

#[test]
fn a_member_that_is_read_has_one_name_only() {
    let ids = json!({ "id": "@id", "type": "@type" });
    for more in [
        json!({ "VID": "urn:v:VID", "number": "urn:v:VID" }),
        json!({ "@vocab": "urn:v:", "VID": "urn:v:x" }),
        json!({ "@vocab": "urn:v:", "number": "urn:v:UIN" }),
    ] {
        let shared = pin(json!({ "@context": [ids, more] })).err();
        assert!(matches!(shared, Some(PinError::Shared(_))), "{more}");
    }
    assert!(pin(json!({ "@context": [ids, { "@vocab": "urn:v:", "VID": "urn:v:VID" }] })).is_ok());
    let renamed = pin(json!({ "@context": { "uid": "@id", "type": "@type" } })).err().unwrap();
    assert!(matches!(renamed, PinError::NotBuilt(_)), "{renamed}");
}

#[test]
fn what_is_not_built_is_refused_where_a_credential_uses_it() {
    let context = json!({
        "id": "@id", "type": "@type", "kind": "@type", "value": "@value", "p": "urn:p:p", "list": { "@id": "urn:p:list", "@container": "@list" },
        "graph": { "@id": "urn:p:graph", "@container": "@graph" }, "json": { "@id": "urn:p:json", "@type": "@json" },
        "back": { "@reverse": "urn:p:back" }, "ref": { "@id": "urn:p:ref", "@type": "@id" },
        "A": { "@id": "urn:p:A", "@context": { "q": "urn:p:q" } }, "B": { "@id": "urn:p:B", "@context": { "r": "urn:p:r" } }
    });
    let contexts = pin(json!({ "@context": context })).unwrap();
    let read = |members: Value| {
        let mut credential = json!({ "@context": ["https://a.example/c"], "id": "urn:c" });
        credential.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        contexts.expand(&credential).map(|expansion| expansion.quads.len())
    };
    assert_eq!(read(json!({ "p": "x", "type": "A", "q": 1, "r": 2 })), Ok(3));
    for (members, at) in [
        (json!({ "list": ["a"] }), "/list"),
        (json!({ "graph": {} }), "/graph"),
        (json!({ "json": {} }), "/json"),
        (json!({ "back": "urn:x" }), "/back"),
        (json!({ "p": { "value": "x" } }), "/p/value"),
        (json!({ "type": ["A", "B"] }), "/type/1"),
        (json!({ "type": "A", "kind": "B" }), "/kind"),
        (json!({ "type": 7 }), "/type"),
        (json!({ "type": "_:b0" }), "/type"),
        (json!({ "p": { "id": "_:b0", "p": 1 } }), "/p/id"),
        (json!({ "p": { "id": "relative", "p": 1 } }), "/p/id"),
        (json!({ "p": { "id": 7, "p": 1 } }), "/p/id"),
        (json!({ "ref": "_:b0" }), "/ref"),
        (json!({ "ref": "urn:with a blank" }), "/ref"),
        (json!({ "ref": "@later" }), "/ref"),
        (json!({ "type": "@later" }), "/type"),
        (json!({ "type": ["A", "@later"] }), "/type/1"),
    ] {
        assert_eq!(read(members.clone()), Err(ContextError::NotBuilt(at.to_owned())), "{members}");
    }
}

/// A context with the names of MOSIP for `@id` and `@type`, and `terms`.
fn document(terms: Value) -> Value {
    let mut context = json!({ "id": "@id", "type": "@type" });
    let Value::Object(terms) = terms else { panic!("{terms}") };
    context.as_object_mut().unwrap().extend(terms);
    json!({ "@context": context })
}

/// What `contexts` make of a credential with `members`: predicates with their objects.
fn statements(contexts: &Contexts, members: Value) -> Result<Vec<String>, ContextError> {
    let mut credential = json!({ "@context": [URL], "id": "urn:c" });
    credential.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let quads = contexts.expand(&credential)?.quads;
    Ok(quads.iter().map(|quad| format!("{} {}", quad.predicate, quad.object)).collect())
}

#[test]
fn a_name_means_what_json_ld_says() {
    let contexts = pin(document(json!({
        "p": "urn:p", "prefix:": "urn:x", "prefix": "urn:prefix:", "http": "urn:http:", "_": "urn:blank:",
        "long": { "@id": "urn:long:" }, "yes": { "@id": "urn:yes", "@prefix": true }, "no": { "@id": "urn:no:", "@prefix": false },
        "prefix:own": { "@id": "prefix:own" }, "relative": "somewhere", "gone": null, "gone-too": { "@id": null },
        "of-prefix": "prefix:a", "of-plain": "p:a", "of-http": "http://a.example/a",
        "set": { "@id": "urn:set", "@container": "@set" }, "sets": { "@id": "urn:sets", "@container": ["@set"] },
        "list": { "@id": "urn:list", "@container": ["@list"] },
        "ref": { "@id": "urn:ref", "@type": "@id" }, "kind": { "@id": "urn:kind", "@type": "@vocab" },
    })))
    .unwrap();
    let not_built = |name: &str| Err(ContextError::NotBuilt(format!("/{name}")));
    for (name, value, statement) in [
        // A prefix is a short definition that ends as a prefix does, or one that says so (JSON-LD 1.1 API, 4.2.2, step 14.2.5).
        ("ref", "prefix:a", Ok("<urn:ref> <urn:prefix:a>")),
        ("ref", "yes:a", Ok("<urn:ref> <urn:yesa>")),
        ("ref", "no:a", Ok("<urn:ref> <no:a>")),
        ("ref", "p:a", Ok("<urn:ref> <p:a>")),
        ("ref", "long:a", Ok("<urn:ref> <long:a>")),
        // What is absolute stays so, whatever its scheme means.
        ("ref", "http://a.example/a", Ok("<urn:ref> <http://a.example/a>")),
        ("ref", "_:a", not_built("ref")),
        // A term is no id. What is relative has no place, and `@` with anything but letters is no keyword.
        ("ref", "p", Ok("")),
        ("ref", "@", Ok("")),
        ("ref", "@5", Ok("")),
        ("ref", "@a", not_built("ref")),
        ("kind", "p", Ok("<urn:kind> <urn:p>")),
        ("kind", "gone", Ok("")),
        ("of-prefix", "x", Ok("<urn:prefix:a> \"x\"")),
        ("of-plain", "x", Ok("<p:a> \"x\"")),
        ("of-http", "x", Ok("<http://a.example/a> \"x\"")),
        ("relative", "x", Ok("")),
        ("gone", "x", Ok("")),
        ("gone-too", "x", Ok("")),
        ("set", "x", Ok("<urn:set> \"x\"")),
        ("sets", "x", Ok("<urn:sets> \"x\"")),
        ("list", "x", not_built("list")),
    ] {
        let read = statements(&contexts, json!({ name: value })).map(|read| read.join(", "));
        assert_eq!(read, statement.map(str::to_owned), "{name}: {value}");
    }
}

#[test]
fn a_context_inside_a_definition_counts_inside_its_object_two_levels_deep() {
    let contexts = pin(document(json!({
        "a": { "@id": "urn:a", "@context": { "b": { "@id": "urn:b", "@context": { "c": { "@id": "urn:c", "@context": { "d": "urn:d" } } } } } },
        "p": "urn:p", "own": { "@id": "urn:own", "@context": { "own": "urn:other" } },
        "listed": { "@id": "urn:listed", "@context": [{ "q": "urn:q" }, { "listed": "urn:other" }] },
        "other": { "@id": "urn:other", "@context": [{ "q": "urn:q" }] },
    })))
    .unwrap();
    for (members, read) in [
        (json!({ "a": { "b": { "c": "x" } } }), Ok(3)),
        (json!({ "a": { "b": { "c": { "d": "x" } } } }), Err("/a/b/c")),
        (json!({ "other": { "q": "x" } }), Ok(2)),
        // A context that changes its own property changes how a plain value of it is read.
        (json!({ "own": { "x": 1 } }), Err("/own")),
        (json!({ "listed": { "q": "x" } }), Err("/listed")),
    ] {
        let read = read.map_err(|at| ContextError::NotBuilt(at.to_owned()));
        assert_eq!(statements(&contexts, members.clone()).map(|read| read.len()), read, "{members}");
    }
}

/// An id by itself says nothing: it is covered by a statement about it, or by one that leads to it.
#[test]
fn an_id_is_covered_where_a_statement_holds_it() {
    let contexts = pin(document(json!({ "p": "urn:p" }))).unwrap();
    for (members, covered) in [
        (json!({ "id": "urn:c" }), vec![]),
        (json!({ "id": "urn:c", "undefined": 1 }), vec![]),
        (json!({ "id": "urn:c", "p": 1 }), vec!["/id", "/p"]),
        (json!({ "p": 1 }), vec!["/p"]),
        (json!({ "p": { "id": "urn:x", "undefined": 1 } }), vec!["/p/id"]),
        (json!({ "p": { "p": 1 } }), vec!["/p/p"]),
    ] {
        let mut credential = members.clone();
        credential["@context"] = json!([URL]);
        let read = contexts.expand(&credential).unwrap().covered;
        assert_eq!(read.into_iter().collect::<Vec<_>>(), covered, "{members}");
    }
}

#[test]
fn a_name_that_could_change_what_others_mean_is_refused_wherever_it_stands() {
    let contexts = pin(document(json!({ "p": "urn:p" }))).unwrap();
    for (members, at) in [
        (json!({ "urn:p": 1 }), "/urn:p"),
        (json!({ "p": { "@id": "urn:x" } }), "/p/@id"),
        (json!({ "p": [{ "p": 1 }, { "a:b": 1 }] }), "/p/1/a:b"),
        (json!({ "undefined": [[{ "@context": {} }]] }), "/undefined/0/0/@context"),
    ] {
        let refused = statements(&contexts, members).err();
        assert_eq!(refused, Some(ContextError::Member(at.to_owned())));
    }
}

#[test]
fn contexts_that_leave_open_what_a_name_means_are_refused() {
    let refused = |terms: Value| pin(json!({ "@context": terms })).err();
    let (id, kind) = (json!({ "id": "@id", "type": "urn:type" }), json!({ "id": "urn:id", "type": "@type" }));
    // What a type means is asked where a type may have a context of its own.
    let with_inner = json!({ "id": "@id", "type": "urn:type", "T": { "@id": "urn:T", "@context": {} } });
    assert_eq!(refused(id), None);
    for (terms, name) in [(kind, "id"), (with_inner, "type")] {
        let Some(PinError::NotBuilt(what)) = refused(terms) else { panic!("{name} means something else") };
        assert!(what.contains(&format!("without the name `{name}`")), "{what}");
    }
    let pin = |terms: Value| pin(document(terms)).err();
    for vocab in ["", "no address"] {
        assert_eq!(pin(json!({ "@vocab": vocab })), Some(PinError::NotBuilt("@vocab".to_owned())));
    }
    // As a type it would bring its context all the same.
    let nothing = json!({ "T": { "@id": null, "@context": { "p": "urn:p" } } });
    assert_eq!(pin(nothing), Some(PinError::Term("T".to_owned())));
}

#[test]
fn a_table_that_says_otherwise_than_the_library_is_refused_where_a_credential_can_tell() {
    let compare = |theirs: Value, ours: Value| {
        let context = json!([URL]);
        let documents = BTreeMap::from([(URL.to_owned(), document(theirs).to_string().into_bytes())]);
        let table = Table::reduce(&Documents::from([(URL.to_owned(), document(ours))]), &context).unwrap();
        probe::compare(&Arc::new(documents), &context, &table)
    };
    let inside = |iri: &str| json!({ "p": { "@id": "urn:p", "@context": { "a": iri } } });
    for (what, theirs, ours) in [
        ("a property", json!({ "a": "urn:a" }), json!({ "a": "urn:b" })),
        ("a property that one lacks", json!({}), json!({ "a": "urn:a" })),
        ("how it is read", json!({ "a": { "@id": "urn:a", "@type": "@id" } }), json!({ "a": "urn:a" })),
        ("a property inside another", inside("urn:a"), inside("urn:b")),
        (
            "how a property is read that has a context",
            json!({ "a": "urn:a", "p": { "@id": "urn:p", "@type": "@id", "@context": { "b": "urn:b" } } }),
            json!({ "a": "urn:a", "p": { "@id": "urn:p", "@context": { "b": "urn:b" } } }),
        ),
    ] {
        assert!(matches!(compare(theirs.clone(), ours), Err(PinError::Disagrees(_))), "{what}");
        compare(theirs.clone(), theirs).unwrap();
    }
    // No credential says anything by the first two names, and none of MOSIP goes two steps in.
    let second = |b: Value| json!({ "a": "urn:a", "p": { "@id": "urn:p", "@context": { "b": b } } });
    for (what, theirs, ours) in [
        ("a proof", json!({ "proof": "urn:a" }), json!({ "proof": "urn:b" })),
        ("a name with a colon", json!({ "x:y": { "@type": "@id" } }), json!({ "x:y": {} })),
        (
            "a second step",
            second(json!({ "@id": "urn:b", "@type": "@id", "@context": { "c": "urn:c" } })),
            second(json!({ "@id": "urn:b", "@context": { "c": "urn:c" } })),
        ),
    ] {
        assert_eq!(compare(theirs, ours), Ok(()), "{what}");
    }
}
