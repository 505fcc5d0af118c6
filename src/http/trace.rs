//! One log line per request: id, route, status, duration, and the problem's code where there is one; what is refused is counted. Refusals,
//! and all that callers ask who have not proved who they are, have one line for each route and code in an interval, and a count; at `trace`
//! all have one. Never a path as it came (an id in it may be personal), a query, a header or a body.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method};

use super::caller::Caller;
use super::meters::{ANSWERED, Meters};
use super::problem::Refusal;
use crate::telemetry::{self, Span, SpanKind, Trace, Tracer, X_REQUEST_ID};

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

/// Middleware for every listener; `listener` is its name. What comes of the request belongs to the trace that its headers name.
pub(crate) async fn log(
    listener: &'static str,
    meters: Meters,
    tracer: Tracer,
    request: Request,
    next: Next,
) -> Response {
    let (trace, is_read) = Trace::of(request.headers());
    if !is_read {
        meters.ignore_traceparent(listener);
    }
    let id = HeaderValue::from_str(trace.request());
    let (span, trace) = tracer.begin(SpanKind::Server, Some(trace));
    let answering = answer(listener, meters, span, request, next);
    let mut response = telemetry::scoped(trace, &tracer, answering).await;
    if let Ok(id) = id {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

async fn answer(
    listener: &'static str,
    meters: Meters,
    span: Span,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = Trace::current();
    let id = id.as_ref().map_or("-", Trace::request);
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    request.extensions_mut().insert(ListenerName(listener));
    let response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    meters.answered(listener, method, route, response.status(), took);
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
    // The queue of spans is everybody's: strangers take no place in it.
    if caller.is_known() {
        let told =
            [("http.request.method", method), ("http.route", route), ("mosip_gateway.listener", listener)];
        let code = refusal.map(|Refusal(error)| error.code().as_str());
        span.end(&[method, route], &told, Some(status), code.filter(|_| response.status().is_server_error()));
    }
    response
}
