//! In builds for tests every refusal is compared with the document of its route: a code that a handler, a guard or a limit answers and
//! that the document does not list makes the answer a bug, which the test that caused the refusal sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::error::{Code, Error};
use crate::http::problem::Refusal;

/// Where a response of a document lists its codes.
const CODES: &str = "/content/application~1problem+json/schema/allOf/1/properties/code/enum";

/// The codes of each operation of a document, by method and path.
type Listed = Arc<BTreeMap<(Method, String), BTreeSet<String>>>;

/// `router`, whose answers are compared with `document`; in a release as it came.
pub(crate) fn compared(router: Router, document: &OpenApi) -> Router {
    if !cfg!(debug_assertions) {
        return router;
    }
    let document = serde_json::to_value(document).unwrap_or_default();
    router.layer(middleware::from_fn_with_state(listed(&document), compare))
}

fn listed(document: &Value) -> Listed {
    let members = |value: &Value| value.as_object().cloned().into_iter().flatten();
    let mut listed = BTreeMap::new();
    for (path, item) in document.get("paths").into_iter().flat_map(members) {
        for (method, operation) in members(&item) {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let responses = operation.get("responses").into_iter().flat_map(members);
            let codes = responses.flat_map(|(_, response)| {
                response.pointer(CODES).and_then(Value::as_array).cloned().unwrap_or_default()
            });
            listed.insert(
                (method, path.clone()),
                codes.filter_map(|code| code.as_str().map(str::to_owned)).collect(),
            );
        }
    }
    Arc::new(listed)
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
    let what = format!("{method} {path} answers {}, which its document does not list", error.code().as_str());
    // What is no operation of the document is a method that the path does not take.
    match listed.get(&(method, path)) {
        Some(codes) if !codes.contains(error.code().as_str()) => {
            Error::new(Code::Bug, what).advise(error.detail().to_owned()).into_response()
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests;
