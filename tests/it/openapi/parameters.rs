//! What the documents say of parameters, methods and the forms of refusals, against the router.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::support::gateway::Running;
use crate::support::mosip::caller_token;
use http::header::AUTHORIZATION;
use mosip_gateway::upstream::Reply;

/// A route with its method, as a document describes it.
struct Described<'d> {
    address: &'d str,
    path: &'d str,
    method: Method,
    operation: &'d Value,
    document: &'d Value,
}

impl Described<'_> {
    /// Asks for it with `query`, `headers` and `body`.
    async fn ask(&self, gateway: &Running, query: &str, headers: HeaderMap, body: &str) -> Reply {
        let url = format!("http://{}{}{query}", self.address, self.path.replace(['{', '}'], ""));
        gateway.request(self.method.clone(), url, headers, body).await
    }

    fn name(&self) -> String {
        format!("{} {}{}", self.method, self.address, self.path)
    }

    fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.operation["parameters"].as_array().into_iter().flatten().filter(move |one| one["in"] == place)
    }

    /// Whether parameters of any name are taken, besides those that have a name.
    fn takes_any(&self) -> bool {
        let others = self.parameters("query").find(|one| one["schema"]["type"] == "object");
        if let Some(others) = others {
            let why = others["description"].as_str().unwrap();
            let begins = ["Query parameters are accepted and ignored: ", "Any further parameter "];
            assert!(begins.iter().any(|begin| why.starts_with(begin)), "{}: {why}", self.name());
        }
        others.is_some()
    }

    /// The parameters of its query that have a name, whether each is required, and a value that it takes.
    fn query(&self) -> BTreeMap<&str, (bool, String)> {
        let named = self.parameters("query").filter(|one| one["schema"]["type"] != "object");
        named
            .map(|one| {
                (one["name"].as_str().unwrap(), (one["required"] == true, self.sample(&one["schema"])))
            })
            .collect()
    }

    fn sample(&self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.sample(self.document.pointer(reference.trim_start_matches('#')).unwrap());
        }
        if let Some(parts) = schema["oneOf"].as_array() {
            return self.sample(parts.iter().find(|part| part["type"] != "null").unwrap());
        }
        match (schema["enum"][0].as_str(), schema["type"].to_string()) {
            (Some(word), _) => word.to_owned(),
            (None, kind) if kind.contains("integer") => "1".to_owned(),
            (None, kind) if kind.contains("boolean") => "true".to_owned(),
            (None, _) => "x".to_owned(),
        }
    }
}

/// Every route that `documents` describe.
fn described<'d>(gateway: &'d Running, documents: &'d BTreeMap<&str, Value>) -> Vec<Described<'d>> {
    let mut all = Vec::new();
    for (listener, address) in &gateway.listeners {
        let document = &documents[listener];
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                all.push(Described { address, path, method, operation, document });
            }
        }
    }
    all
}

/// A gateway that serves all that it can, and its documents.
async fn site() -> (Running, BTreeMap<&'static str, Value>) {
    let gateway = all_on(&Port::hold().address()).await;
    let mut documents = BTreeMap::new();
    for (listener, _) in &gateway.listeners {
        documents.insert(*listener, document(&gateway, listener).await);
    }
    (gateway, documents)
}

/// The names that a refused query says are known: those in backticks behind `known are`.
fn known(said: &str) -> BTreeSet<&str> {
    let Some((_, names)) = said.split_once("; known are ") else {
        assert!(said.contains("; none is taken") || said.contains("no query is taken here"), "{said}");
        return BTreeSet::new();
    };
    let names = names.split(['"', '<']).next().unwrap();
    names.split('`').skip(1).step_by(2).collect()
}

#[tokio::test]
async fn every_route_takes_the_query_that_its_document_describes_and_no_other() {
    let (gateway, documents) = site().await;
    for route in described(&gateway, &documents) {
        let (name, query) = (route.name(), route.query());
        let said = async |query: String| {
            let mut headers = HeaderMap::new();
            if route.path.starts_with("/esignet/") {
                // It looks at nothing before the token.
                headers.insert(AUTHORIZATION, format!("Bearer {}", caller_token()).parse().unwrap());
            }
            let reply = route.ask(&gateway, &query, headers, "").await;
            String::from_utf8_lossy(&reply.body).into_owned()
        };
        let unknown = said("?nonsense=1".to_owned()).await;
        if route.takes_any() {
            assert!(!unknown.contains("unknown parameter"), "{name}: {unknown}");
        } else {
            assert_eq!(known(&unknown), query.keys().copied().collect(), "{name}: {unknown}");
        }
        let write = |pairs: &[(&&str, &(bool, String))]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, (_, value))| format!("{name}={value}")).collect();
            format!("?{}", pairs.join("&"))
        };
        let whole: Vec<_> = query.iter().collect();
        for missing in query.iter().filter(|(_, (required, _))| *required).map(|(name, _)| name) {
            let rest: Vec<_> = whole.iter().copied().filter(|(name, _)| *name != missing).collect();
            let said = said(write(&rest)).await;
            assert!(
                said.contains(&format!("the query: `{missing}` is missing")),
                "{name}: {missing}: {said}"
            );
        }
        let needed: Vec<_> = whole.iter().copied().filter(|(_, (required, _))| *required).collect();
        for pairs in [needed, whole] {
            let said = said(write(&pairs)).await;
            for refused in ["is missing", "is none that this parameter takes"] {
                assert!(!said.contains(&format!("` {refused}")), "{name}: {pairs:?}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn every_route_reads_the_headers_that_its_document_describes_and_no_other() {
    let (gateway, documents) = site().await;
    let json = |more: &[(&'static str, &'static str)]| {
        let pairs = [("content-type", "application/json")].into_iter().chain(more.iter().copied());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    };
    for route in described(&gateway, &documents) {
        let name = route.name();
        let required = |wanted: &str| {
            let found = route.parameters("header").find(|one| one["name"] == wanted);
            found.map(|one| one["required"] == true)
        };
        for one in route.parameters("header") {
            let known = ["Idempotency-Key", "X-Hub-Signature", "Prefer"];
            assert!(known.contains(&one["name"].as_str().unwrap()), "{name}: no test knows {}", one["name"]);
        }
        let path = route.path.replace("{id}", "birth").replace("{kind}", "birth");
        let route = Described { path: &path, method: route.method.clone(), ..route };
        let said = async |more: &[(&'static str, &'static str)]| {
            let reply = route.ask(&gateway, "", json(more), "{}").await;
            String::from_utf8_lossy(&reply.body).into_owned()
        };
        let twice = said(&[("idempotency-key", "a"), ("idempotency-key", "b")]).await;
        let reads_key = twice.contains("there are two Idempotency-Key headers");
        assert_eq!(reads_key.then_some(false), required("Idempotency-Key"), "{name}: {twice}");
        let unsigned = said(&[]).await;
        let refusals = ["there is no X-Hub-Signature", "Invalid X-Hub-Signature"];
        let wants_signature = refusals.iter().any(|refusal| unsigned.contains(refusal));
        assert_eq!(wants_signature.then_some(true), required("X-Hub-Signature"), "{name}: {unsigned}");
        let waits =
            route.method == Method::POST && ["/v1/events/birth", "/v1/packets/birth"].contains(&route.path);
        assert_eq!(waits.then_some(false), required("Prefer"), "{name}");
    }
}

/// What the text of every document says beside its routes.
#[tokio::test]
async fn every_listener_answers_head_other_methods_other_paths_and_needless_bodies_as_its_document_says() {
    let (gateway, documents) = site().await;
    for (listener, address) in &gateway.listeners {
        let text = documents[listener]["info"]["description"].as_str().unwrap();
        for said in [
            "A path that is not there is answered 404 `not-found`.",
            "A method that a path does not take is answered 405 `method-not-allowed`, with `Allow`.",
            "HEAD is answered as GET is, without the body.",
            "The body of a request whose route takes none is not read.",
        ] {
            assert!(text.contains(said), "{listener}: {text}");
        }
        let url = format!("http://{address}/nowhere");
        let (status, problem) = json_of(gateway.request(Method::GET, url, HeaderMap::new(), "").await);
        assert_eq!((status, &problem["code"]), (404, &json!("not-found")), "{listener}");
    }
    for route in described(&gateway, &documents) {
        let name = route.name();
        let item = &route.document["paths"][route.path];
        let other = Described { method: Method::PUT, ..route };
        let reply = other.ask(&gateway, "", HeaderMap::new(), "").await;
        let allowed: BTreeSet<_> = reply.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .map(|method| method.trim().to_owned())
            .collect();
        let mut listed: BTreeSet<_> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if listed.contains("GET") {
            listed.insert("HEAD".to_owned());
        }
        assert_eq!(allowed, listed, "{name}");
        let (status, problem) = json_of(reply);
        assert_eq!((status, &problem["code"]), (405, &json!("method-not-allowed")), "{name}");
    }
    for route in described(&gateway, &documents) {
        let name = route.name();
        let without = route.ask(&gateway, "", HeaderMap::new(), "").await;
        if route.operation["requestBody"].is_null() {
            let with = route.ask(&gateway, "", HeaderMap::new(), "{\"nonsense\"").await;
            assert_eq!(with.status, without.status, "{name}: a body changes the answer");
        }
        if route.method == Method::GET {
            let head = Described { method: Method::HEAD, ..route };
            let reply = head.ask(&gateway, "", HeaderMap::new(), "").await;
            assert_eq!((reply.status, reply.body.len()), (without.status, 0), "{name}");
            assert_eq!(reply.headers.get("content-type"), without.headers.get("content-type"), "{name}");
        }
    }
}

/// Every refusal has a form that its document names: a problem, a page, or an answer of the system that a face stands in for.
#[tokio::test]
async fn every_refusal_has_the_content_type_that_its_document_describes() {
    let (gateway, documents) = site().await;
    let is_form = |kind: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers
    };
    let page = HeaderMap::from_iter([(http::header::ORIGIN, "http://evil.example".parse().unwrap())]);
    let mut pages = BTreeSet::new();
    for route in described(&gateway, &documents) {
        for headers in [
            HeaderMap::new(),
            is_form("application/json"),
            is_form("application/x-www-form-urlencoded"),
            page.clone(),
        ] {
            for (query, body) in
                [("", ""), ("?nonsense=1", ""), ("?event=none", ""), ("", "{"), ("", "about=event:a")]
            {
                let reply = route.ask(&gateway, query, headers.clone(), body).await;
                let status = reply.status.as_u16().to_string();
                let name = format!("{}{query} {body}: {status} {headers:?}", route.name());
                let kind = reply.headers.get("content-type").map(|kind| kind.to_str().unwrap());
                let kind = kind.map(|kind| kind.split(';').next().unwrap());
                let Some(kind) = kind.filter(|_| !reply.status.is_success()) else { continue };
                let described = &route.operation["responses"][&status];
                assert!(described["content"][kind].is_object(), "{name}: {kind} is not described");
                if kind == "text/html" {
                    pages.insert(status);
                }
            }
        }
    }
    let statuses = ["403", "404", "415", "422"].map(str::to_owned);
    assert_eq!(pages, BTreeSet::from(statuses), "the page refuses in these ways, and as a page");
}

fn json_of(reply: Reply) -> (u16, Value) {
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}
