//! The documents of the API against the listeners that they describe.

mod parameters;

use std::process::Command;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::port::Port;

/// A gateway that serves all that it can, its faces at `faces`.
async fn all_on(faces: &str) -> Running {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hub-secret").unwrap();
    let file = secret.path().to_str().unwrap();
    let text = EXAMPLE.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let set = [
        ("FACES__LISTEN", faces),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__MOSIP_API", "true"),
        ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem"),
        ("FACES__WEBHOOK_SECRET_FILE", file),
        ("WEBSUB__SECRET_FILE", file),
    ];
    Running::start_under(&text, &set).await
}

async fn document(gateway: &Running, listener: &str) -> Value {
    let (status, document) = gateway.get(&format!("/openapi.json?listener={listener}")).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")), "{listener}");
    document
}

/// The names of all listeners, as the command knows them.
fn names() -> Vec<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_mosip-gateway")).args(["openapi", "--listener", ""]).output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    let (_, names) = text.split_once("[possible values: ").unwrap();
    names.split(']').next().unwrap().split(", ").map(str::to_owned).collect()
}

/// What the command prints needs no gateway and no configuration.
#[tokio::test]
async fn the_command_prints_what_the_gateway_serves() {
    let gateway = Running::start(&[]).await;
    let printed = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_mosip-gateway")).arg("openapi").args(arguments).output().unwrap()
    };
    for listener in names() {
        let output = printed(&["--listener", &listener]);
        let text: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(text, document(&gateway, &listener).await);
    }
    let unnamed: Value = serde_json::from_slice(&printed(&[]).stdout).unwrap();
    assert_eq!(unnamed, document(&gateway, "internal").await);
    assert_eq!(printed(&["--listener", "nobody"]).status.code(), Some(2));
}

/// Every path takes the methods that its document lists, and answers 405 to any other.
#[tokio::test]
async fn every_listener_serves_what_its_document_describes_and_no_other_method() {
    let faces = Port::hold().address();
    let gateway = all_on(&faces).await;
    assert_eq!(gateway.listeners.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names(), "all are on");
    for (listener, address) in &gateway.listeners {
        let document = document(&gateway, listener).await;
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in ["get", "post", "delete", "put", "patch"] {
                let upper = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let target = path.replace(['{', '}'], "");
                let reply =
                    gateway.request(upper, format!("http://{address}{target}"), HeaderMap::new(), "").await;
                let body = String::from_utf8_lossy(&reply.body);
                let why = format!("{listener}: {method} {path}: {} {body}", reply.status);
                assert!(!body.contains("there is no such route"), "{why}");
                assert_eq!(reply.status.as_u16() == 405, item[method].is_null(), "{why}");
            }
            // A name that nobody has, and a query that no route takes.
            for (method, operation) in item.as_object().unwrap() {
                for query in ["", "?nonsense=1", "?event=none"] {
                    let upper = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                    let target = path.replace(['{', '}'], "");
                    let url = format!("http://{address}{target}{query}");
                    let reply = gateway.request(upper, url, HeaderMap::new(), "").await;
                    let body = String::from_utf8_lossy(&reply.body);
                    let status = reply.status.as_str();
                    let kind = reply.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
                    let why = format!("{listener}: {method} {path}{query}: {status} {kind:?} {body}");
                    let content = &operation["responses"][status]["content"];
                    assert!(!operation["responses"][status].is_null(), "{why}");
                    let kind = kind.and_then(|kind| kind.split(';').next());
                    assert!(body.is_empty() || content[kind.unwrap()].is_object(), "{why}");
                }
            }
        }
    }
}

/// Members that `schema` does not know, or that it wants and `value` has not.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return check(document, schema, value, at);
    }
    let parts = ["allOf", "oneOf"].into_iter().find_map(|key| schema[key].as_array());
    if let Some(parts) = parts {
        // A part that may be null, or the members of a flattened one.
        let properties = parts.iter().filter(|part| part["type"] != "null" && !value.is_null());
        let whole: Vec<_> = properties.collect();
        if let [one] = whole[..] {
            check(document, one, value, at);
        }
        return;
    }
    let Some(properties) = schema["properties"].as_object() else {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            check(document, &schema["items"], item, &format!("{at}/{index}"));
        }
        return;
    };
    let members = value.as_object().unwrap_or_else(|| panic!("{at} is no object: {value}"));
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is required: {value}");
    }
    for (name, member) in members {
        let described =
            properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not described: {value}"));
        let kinds = described["type"].to_string();
        assert!(
            !member.is_null() || kinds.contains("null") || !described["oneOf"].is_null(),
            "{at}: {name} is null"
        );
        check(document, described, member, &format!("{at}/{name}"));
    }
}

#[tokio::test]
async fn bodies_are_as_the_document_describes_them() {
    // Before its mend the event went to a simulator that somebody runs where the example has one.
    let gateway = Running::start(&[]).await;
    let document = document(&gateway, "internal").await;
    let schema = |path: &str, method: &str, status: &str| {
        let content = &document["paths"][path][method]["responses"][status]["content"];
        let kind = if status.starts_with('2') { "application/json" } else { "application/problem+json" };
        let schema = content[kind]["schema"].clone();
        assert!(schema.is_object(), "{method} {path} {status}");
        if status.starts_with('2') { schema } else { schema["allOf"][0].clone() }
    };
    let (_, accepted) = gateway.post_event("birth", &[], BIRTH).await;
    check(&document, &schema("/v1/events/{id}", "post", "202"), &accepted, "");
    let id = accepted["id"].as_str().unwrap();
    let failed = gateway.until(&format!("/v1/events/{id}"), |event| event["lastFault"].is_object()).await;
    check(&document, &schema("/v1/events/{id}", "get", "200"), &failed, "");
    for (path, status) in
        [("/v1/events", "200"), ("/v1/keys", "200"), ("/v1/inbox", "200"), ("/v1/quarantine", "200")]
    {
        let (_, answer) = gateway.get(path).await;
        check(&document, &schema(path, "get", status), &answer, path);
    }
    let (_, problem) = gateway.post_event("birth", &[], "{}").await;
    check(&document, &schema("/v1/events/{id}", "post", "422"), &problem, "");
    let person =
        json!([{ "individualId": "4152630978", "consent": true, "demographics": { "dob": "1990/03/14" } }]);
    let reply = gateway.call("/v1/uin-tokens", "application/json", &person.to_string()).await;
    let job: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 202, "{job}");
    check(&document, &schema("/v1/uin-tokens", "post", "202"), &job, "");
    let (_, report) = gateway.get(&format!("/v1/uin-tokens/{}", job["job"].as_str().unwrap())).await;
    check(&document, &schema("/v1/uin-tokens/{job}", "get", "200"), &report, "");
}

#[tokio::test]
async fn the_page_needs_nothing_else_and_names_every_route() {
    let gateway = Running::start(&[]).await;
    for listener in names() {
        let document = document(&gateway, &listener).await;
        let page = gateway.ask(Method::GET, &format!("/docs?listener={listener}")).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let text = String::from_utf8_lossy(&page.body);
        assert!(!text.contains("<script") && !text.contains("src="), "the page loads something");
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let heading = format!("<h2>{} {path}</h2>", method.to_uppercase());
                assert!(text.contains(&heading), "{listener}: {heading}");
            }
        }
    }
    let (status, problem) = gateway.get("/openapi.json?listener=nobody").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not-found")));
}
