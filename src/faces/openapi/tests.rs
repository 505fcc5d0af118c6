use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::{Code, Fault};
use crate::gateway::listeners;

fn documents() -> Vec<(&'static str, Value)> {
    let document = |listener: &listeners::Listener| {
        (listener.name, serde_json::to_value((listener.document)()).unwrap())
    };
    listeners::ALL.iter().map(document).collect()
}

/// Every response of `document`, with its operation and its status.
fn responses(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                all.push((format!("{method} {path}"), status.clone(), response));
            }
        }
    }
    all
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[test]
fn every_problem_in_a_document_stands_in_the_table_with_its_status_and_its_headers() {
    let table: HashSet<(String, &str)> =
        Code::ALL.iter().map(|code| (code.status().to_string(), code.as_str())).collect();
    for (listener, document) in documents() {
        for (operation, status, response) in responses(&document) {
            let why = format!("{listener}: {operation}: {status}");
            let headers = &response["headers"];
            assert!(headers["x-request-id"].is_object(), "{why}");
            let problem = &response["content"]["application/problem+json"];
            let problems = &problem["schema"]["allOf"][1]["properties"]["code"]["enum"];
            let pages = &response["x-page-codes"];
            if let Some(own) = response["x-own-codes"].as_array() {
                assert!(!own.is_empty() && response["content"]["application/json"].is_object(), "{why}");
                for code in words(&response["x-own-codes"]) {
                    assert!(Code::ALL.iter().any(|known| known.as_str() == code), "{why}: {code}");
                }
                continue;
            }
            if problems.is_null() && pages.is_null() {
                let is_seeders = operation.contains("/authtoken/") || operation.ends_with(" /ping");
                let own = listener != "ops" && is_seeders || status == "503" && operation.contains("/readyz");
                assert!(status.starts_with(['2', '3']) || own, "{why} is no problem");
                continue;
            }
            let is_page = response["content"]["text/html"].is_object();
            assert_eq!(pages.is_array(), is_page && !status.starts_with('2'), "{why}");
            for code in words(pages).chain(words(problems)) {
                assert!(table.contains(&(status.clone(), code)), "{why}: {code}");
            }
            for code in words(problems) {
                assert!(code != "busy" || headers["retry-after"].is_object(), "{why}");
                assert!(code != "unauthorized" || headers["www-authenticate"].is_object(), "{why}");
            }
        }
    }
}

#[test]
fn what_is_named_twice_or_not_at_all_is_found() {
    for (listener, document) in documents() {
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{listener}: {id} twice");
                assert!(operation["summary"].is_string(), "{listener}: {method} {path} says nothing");
                let placed = |place: &str| {
                    let all = operation["parameters"].as_array().into_iter().flatten();
                    let names = all.filter(|one| one["in"] == place).map(|one| one["name"].as_str().unwrap());
                    names.map(str::to_owned).collect::<HashSet<_>>()
                };
                let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
                assert_eq!(placed("path"), named.map(str::to_owned).collect(), "{listener}: {method} {path}");
            }
        }
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{listener}: {name} is described nowhere");
        }
    }
}

/// Left out is not null: nobody can send null in a query or a header.
#[test]
fn no_parameter_is_null() {
    for (listener, document) in documents() {
        for (path, item) in document["paths"].as_object().unwrap() {
            for parameter in
                item.as_object().unwrap().values().flat_map(|it| it["parameters"].as_array()).flatten()
            {
                assert!(!parameter["schema"].to_string().contains("null"), "{listener}: {path}: {parameter}");
            }
        }
    }
}

/// Of two types under one name a document describes one alone.
#[test]
fn a_name_means_the_same_body_on_every_listener() {
    let mut known = BTreeMap::new();
    for (listener, document) in documents() {
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let (first, before) =
                known.entry(name.clone()).or_insert_with(|| (listener, schema.clone())).clone();
            assert_eq!(before, *schema, "{name} of {first} and of {listener}");
        }
    }
}

/// Every schema within `schema`, itself among them.
fn within<'v>(schema: &'v Value, all: &mut Vec<&'v Value>) {
    all.push(schema);
    match schema {
        Value::Array(parts) => parts.iter().for_each(|part| within(part, all)),
        Value::Object(members) => members.values().for_each(|member| within(member, all)),
        _ => {}
    }
}

/// `allOf` with a part that may be null describes no object at all, and generators take a part without members for an object that has none.
#[test]
fn the_parts_of_a_body_are_objects_with_members() {
    for (listener, document) in documents() {
        let mut all = Vec::new();
        within(&document, &mut all);
        for part in all.iter().filter_map(|schema| schema["allOf"].as_array()).flatten() {
            assert!(part["$ref"].is_string() || part["properties"].is_object(), "{listener}: {part}");
        }
    }
    let (_, ops) = documents().into_iter().find(|(listener, _)| *listener == "ops").unwrap();
    let refusal = &ops["components"]["schemas"]["Channel"]["allOf"][0];
    assert!(refusal["properties"]["code"].is_object() && refusal["required"].is_null(), "{refusal}");
}

#[test]
fn no_document_says_how_a_type_is_written() {
    for (listener, document) in documents() {
        assert!(!document.to_string().contains("`Debug`"), "{listener}");
    }
}

#[test]
fn faults_and_kinds_are_those_of_the_program() {
    use crate::opencrvs::event::EventKind;
    let (_, document) = documents().remove(0);
    let words = |schema: &str| -> Vec<String> {
        serde_json::from_value(document["components"]["schemas"][schema]["enum"].clone()).unwrap()
    };
    assert_eq!(words("Fault"), Fault::ALL.map(Fault::as_str));
    let kinds = document["paths"]["/v1/events/{id}"]["post"]["parameters"][0]["schema"]["enum"].clone();
    let kinds: Vec<String> = serde_json::from_value(kinds).unwrap();
    assert_eq!(kinds, EventKind::ALL.map(EventKind::as_str));
    assert_eq!(words("EventState").len(), crate::ledger::entry::STATES.len());
    for state in crate::ledger::entry::STATES {
        assert!(words("EventState").contains(&state.as_str().to_owned()), "{}", state.as_str());
    }
}

/// `Router::route` goes past the documents.
#[test]
fn no_route_is_made_without_its_description() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faces")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains(".route("), "{}", path.display());
            }
        }
    }
}
