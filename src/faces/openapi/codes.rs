//! In builds for tests every refusal is compared with the document of its route: a code that a handler, a guard or a limit answers and
//! that the document does not list makes the answer a bug, which the test that caused the refusal sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, header};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::error::{Code, Error};
use crate::http::problem::Refusal;

/// Where a response of a document lists the codes of its problems.
const CODES: &str = "/content/application~1problem+json/schema/allOf/1/properties/code/enum";

/// The member of a response that lists the codes whose refusal is a page.
pub(super) const PAGES: &str = "x-page-codes";

/// The member of a response that lists the codes whose refusal has the form of the system that a face stands in for.
pub(super) const OWN_FORM: &str = "x-own-codes";

/// The codes of each operation of a document, by method and path.
type Listed = Arc<BTreeMap<(Method, String), Codes>>;

/// The codes of an operation, by the form of the refusal.
#[derive(Default)]
struct Codes {
    problems: BTreeSet<String>,
    pages: BTreeSet<String>,
    own: BTreeSet<String>,
}

/// `router`, whose answers are compared with what `document` makes; in a release as it came, and no document is made: all of them together take
/// more memory than the gateway needs afterwards.
pub(crate) fn compared(router: Router, document: fn() -> OpenApi) -> Router {
    if !cfg!(debug_assertions) {
        return router;
    }
    let document = serde_json::to_value(document()).unwrap_or_default();
    router.layer(middleware::from_fn_with_state(listed(&document), compare))
}

fn listed(document: &Value) -> Listed {
    let members = |value: &Value| value.as_object().cloned().into_iter().flatten();
    let mut listed = BTreeMap::new();
    for (path, item) in document.get("paths").into_iter().flat_map(members) {
        for (method, operation) in members(&item) {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let mut codes = Codes::default();
            for (_, response) in operation.get("responses").into_iter().flat_map(members) {
                codes.problems.extend(words(response.pointer(CODES)));
                codes.pages.extend(words(response.get(PAGES)));
                codes.own.extend(words(response.get(OWN_FORM)));
            }
            listed.insert((method, path.clone()), codes);
        }
    }
    Arc::new(listed)
}

fn words(list: Option<&Value>) -> impl Iterator<Item = String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

async fn compare(
    State(listed): State<Listed>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let response = next.run(request).await;
    let Some((path, Refusal(error))) = path.zip(response.extensions().get::<Refusal>()) else {
        return response;
    };
    // A wildcard of the router is a parameter like any other in the document.
    let path = path.as_str().replace("{*", "{");
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let (form, codes): (_, fn(&Codes) -> &BTreeSet<String>) = match kind {
        b"application/json" => ("body of its own", |codes| &codes.own),
        kind if kind.starts_with(b"text/html") => ("page", |codes| &codes.pages),
        _ => ("problem", |codes| &codes.problems),
    };
    let code = error.code().as_str();
    let what = format!("{method} {path} answers {code} as a {form}, which its document does not list");
    // What is no operation of the document is a method that the path does not take.
    match listed.get(&(method, path)) {
        Some(listed) if !codes(listed).contains(code) => {
            Error::new(Code::Bug, what).advise(error.detail().to_owned()).into_response()
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests;
