//! One log line per request: id, route, status, duration, and the problem's code where there is one; what is refused is counted. Refusals,
//! and all that callers ask who have not proved who they are, have one line for each route and code in an interval, and a count; at `trace`
//! all have one. Never a path as it came (an id in it may be personal), a query, a header or a body.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::HEXLOWER;
use http::{HeaderName, HeaderValue, Method};

use super::caller::Caller;
use super::meters::{ANSWERED, Meters};
use super::problem::Refusal;
use crate::crypto::secret;

/// Names a request in the log and in its answer.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The route of what leads to none, in log and metrics.
pub(crate) const NO_ROUTE: &str = "-";

/// The name of the listener that took a request; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenerName(pub(crate) &'static str);

/// The method as it is logged: one that no standard names is a value of the caller's, and is not logged.
fn name_of(method: &Method) -> &'static str {
    const STANDARD: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    STANDARD.into_iter().find(|name| method == *name).unwrap_or("-")
}

/// Middleware for every listener; `listener` is its name.
pub(crate) async fn log(
    listener: &'static str,
    meters: Meters,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let random: [u8; 8] = secret::random();
    let id = HEXLOWER.encode(&random);
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    request.extensions_mut().insert(ListenerName(listener));
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let refusal = response.extensions().get::<Refusal>();
    if let Some(Refusal(error)) = refusal {
        meters.refused(listener, route, error.code().as_str());
    } else if response.status().is_client_error() || response.status().is_server_error() {
        meters.refused(listener, route, status.to_string());
    }
    match refusal {
        None if !caller.is_known() && !meters.is_first(listener, route, ANSWERED) => {
            tracing::trace!(listener, id, method, route, status, micros, "request");
        }
        None => tracing::info!(listener, id, method, route, status, micros, "request"),
        Some(Refusal(error)) => {
            macro_rules! log_refusal {
                ($at:ident) => {
                    tracing::$at!(
                        listener,
                        id,
                        method,
                        route,
                        status,
                        micros,
                        code = error.code().as_str(),
                        fault = error.fault().as_str(),
                        detail = error.detail(),
                        step = error.operator_detail(),
                        upstream_code = error.upstream().map(|upstream| upstream.code.as_str()),
                        "request refused"
                    )
                };
            }
            match meters.is_first(listener, route, error.code().as_str()) {
                true => log_refusal!(warn),
                false => log_refusal!(trace),
            }
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}
