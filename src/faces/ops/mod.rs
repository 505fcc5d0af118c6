//! Health, metrics and the operators' page: `/livez`, `/readyz`, `/metrics`, `/`; and `/v1/log`.
//!
//! `/readyz` is 200 exactly while an event post would be taken. The state of keys and of MOSIP stands in its body and never
//! changes the status: an unready sidecar would take the mediator's whole pod out of service. To those whom the page is not open to it
//! tells counts and words of state, since its sentences say where an installation is weak.

mod csrf;
mod decision;
mod esignet;
mod failing;
mod headline;
mod hub;
mod log;
mod metrics;
pub(super) mod page;
mod readiness;
mod reload;
mod settings;
mod standing;
mod webhooks;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use http::{HeaderValue, StatusCode, header};
use tokio::sync::{Mutex, watch};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::csrf::Csrf;
use self::decision::{Asked, Form};
use self::page::View;
use self::readiness::Readiness;
pub(crate) use self::reload::Reload;
pub(crate) use self::settings::Settings;
use self::standing::Standing;
use super::App;
use super::openapi::{self, About, refusing, refusing_with_pages, taking_any_query};
use super::plain::inbox;
use super::request::{Query, method_not_allowed, not_found, read_form};
use crate::error::{Code, Error, Result};
use crate::http::body;
use crate::http::guard::LetIn;
use crate::http::problem::{PROBLEM, Refusal};
use crate::http::server::Peer;

/// What the kubelet and Prometheus ask for.
pub(crate) const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Where the page is.
const PAGE: &str = "/";

/// The listener of operators.
pub(crate) const LISTENER: &str = "ops";

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Largest form, bytes.
const FORM_LIMIT: usize = 16 << 10;

#[derive(Clone)]
struct Ops {
    app: App,
    stopping: watch::Receiver<bool>,
    /// Held by the one who counts.
    counting: Arc<Mutex<()>>,
    csrf: Arc<Csrf>,
    /// Of forms: what the plain API holds takes nothing from an operator.
    forms: body::Limits,
    serves: Extent,
}

/// How much the listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What a kubelet asks for, as strangers see it: the TLS files of the listener cannot be used.
    Probes,
    /// The metrics, too.
    Metrics,
    /// All, with the page.
    Page,
}

/// Why a probe's query is not refused.
const ANY_QUERY: &str = "Query parameters are accepted and ignored: a refused probe takes the gateway out of service, and a refused scrape takes it out of sight.";

fn routes(serves: Extent) -> OpenApiRouter<Ops> {
    let probe = [Code::Forbidden];
    let probes = OpenApiRouter::new()
        .routes(taking_any_query(ANY_QUERY, refusing(routes!(livez), &probe, &[])))
        .routes(taking_any_query(ANY_QUERY, refusing(routes!(readyz), &probe, &[])));
    if serves == Extent::Probes {
        return probes;
    }
    let routes = probes.routes(taking_any_query(ANY_QUERY, refusing(routes!(scrape), &probe, &[Code::Bug])));
    if serves == Extent::Metrics {
        return routes;
    }
    // What the guard answers is a problem, and for a browser a page. What comes after it is read by a person.
    let guarded = [Code::Unauthorized, Code::Forbidden];
    let shown = [Code::Unauthorized, Code::Forbidden, Code::NotFound, Code::Field, Code::Storage];
    let decided =
        [Code::StateConflict, Code::MediaType, Code::TooLarge, Code::Timeout, Code::Busy, Code::Malformed];
    let decided = [&shown[..], &decided, &inbox::VERIFIED].concat();
    let page = OpenApiRouter::new()
        .routes(refusing_with_pages(routes!(show), &guarded, &shown))
        .routes(refusing_with_pages(routes!(decide), &guarded, &decided));
    // What a program asks of the process: let in as the page is, by token, host, origin and Fetch Metadata.
    let asked = [Code::Unauthorized, Code::Forbidden, Code::Field];
    let commands = OpenApiRouter::new()
        .routes(refusing(routes!(reload::reload), &asked, &[]))
        .routes(refusing(routes!(log::set), &asked, &[]));
    routes.merge(page.layer(axum::middleware::map_response(protect))).merge(commands)
}

/// All that the listener can serve.
pub(crate) fn document() -> OpenApi {
    let about = About {
        name: LISTENER,
        text: "For operators and Prometheus. Off the loopback the page needs `ops.token_file`, which a browser sends as the password of Basic authentication.",
        token: Some("ops.token_file"),
    };
    openapi::document(&about, routes(Extent::Page).into_openapi())
}

/// Routes of the ops listener. `stopping` turns true when the process drains. The page is served where the listener is on the loopback, or
/// its guard demands a token.
pub(crate) fn router(app: App, stopping: watch::Receiver<bool>, serves: Extent) -> Router {
    let (routes, _) = routes(serves).split_for_parts();
    let forms = app.limits().apart(FORM_LIMIT);
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Ops {
        app,
        forms,
        stopping,
        counting: Arc::default(),
        csrf: Arc::new(Csrf::new()),
        serves,
    })
}

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "It lives.", content_type = "text/plain", body = String)))]
async fn livez() -> &'static str {
    "ok\n"
}

/// Says whether an event post would be taken, and how everything stands. To those whom the page is not open to, since they do not bring
/// `ops.token_file` or since there is no page, it tells counts and words of state, and no sentence, host, listener, certificate or setting.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "An event post would be taken.", body = Readiness), (status = 503, description = "It would not.", body = Readiness)))]
async fn readyz(State(ops): State<Ops>, let_in: Option<Extension<LetIn>>) -> Response {
    let standing = Standing::of(&ops).await;
    let status = if standing.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let readiness = Readiness::of(&standing);
    let is_told_all = ops.serves == Extent::Page && let_in.is_some();
    (status, Json(if is_told_all { readiness } else { readiness.for_strangers() })).into_response()
}

/// The metrics, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "The metrics.", content_type = "text/plain", body = String)))]
async fn scrape(State(ops): State<Ops>) -> Result<Response> {
    let standing = Standing::of(&ops).await;
    let text = metrics::exposition(&standing, &ops.app)
        .map_err(|_| Error::new(Code::Bug, "the metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// The operators' page. Refusals are pages, too, but for those of a caller who is not let in.
#[utoipa::path(get, path = "/", params(page::Query), responses((status = 200, description = "The page.", content_type = "text/html", body = String)))]
async fn show(State(ops): State<Ops>, query: Result<Query<page::Query>>) -> Response {
    let shown = async { View::load(&ops, query?.0.checked()?).await };
    match shown.await {
        Ok(view) => html(StatusCode::OK, view.render()),
        Err(error) => refuse(error),
    }
}

/// Does what a form of the page asks for, and leads back to the page that it came from. Refusals are pages, too, but for those of a
/// caller who is not let in.
#[utoipa::path(post, path = "/", params(page::Query), request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The events that bear the name that is looked for.", content_type = "text/html", body = String),
        (status = 303, description = "It is done, or the one event that is looked for is found.", headers(("location" = String, description = "The page."))),
    ))]
async fn decide(
    State(ops): State<Ops>,
    peer: Option<Extension<Peer>>,
    query: Result<Query<page::Query>>,
    request: Request,
) -> Response {
    let by = peer.map_or_else(|| "unknown".to_owned(), |Extension(peer)| decision::name(&peer));
    let done = async {
        let query = query?.0.checked()?;
        let form: Form = read_form(request, &ops.forms).await?;
        match form.read(&ops.csrf, ops.app.now())? {
            Asked::Find(sought) => find(&ops, sought).await,
            Asked::Decide(decision) => {
                Ok(see(query.after_decision(decision.carry_out(&ops.app, &by).await?)))
            }
        }
    };
    match done.await {
        Ok(answer) => answer,
        Err(error) => refuse(error),
    }
}

/// Leads to the event that is named so, or shows all of them. The name came in a form, since addresses are kept and logged.
async fn find(ops: &Ops, sought: String) -> Result<Response> {
    let found = ops.app.ledger().find(sought).await?;
    match found.as_slice() {
        [] => Err(Error::new(Code::NotFound, "no event is named so").advise(
            "Write the id, the registration number, the tracking id or the application id just as it was registered. An event is found until outbox.retention has passed.",
        )),
        [entry] => Ok(see(page::event_address(&entry.id))),
        _ => Ok(html(StatusCode::OK, page::found(ops, &found))),
    }
}

fn see(address: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

fn html(status: StatusCode, markup: maud::Markup) -> Response {
    (status, [(header::CONTENT_TYPE, HTML)], markup.into_string()).into_response()
}

/// A refusal for a person.
fn refuse(error: Error) -> Response {
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = html(status, page::refusal(&error));
    response.extensions_mut().insert(Refusal(error));
    response
}

/// Middleware around the guard: a browser that is not let in shows a page that says what to do, with the guard's own headers.
pub(crate) async fn refuse_browsers(request: Request, next: Next) -> Response {
    let accepted = request.headers().get_all(header::ACCEPT).iter();
    let mut types = accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let wants_page = types.any(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let is_browser = wants_page && request.uri().path() == PAGE;
    let mut response = next.run(request).await;
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    let refusal = response.extensions().get::<Refusal>().filter(|_| is_browser && is_problem).cloned();
    let Some(Refusal(error)) = refusal else { return response };
    let page = match error.code() {
        Code::Unauthorized => page::locked(&error),
        _ => page::refusal(&error),
    };
    *response.body_mut() = page.into_string().into();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_TYPE, HTML);
    protect(response).await
}

/// Nothing on the page comes from elsewhere, runs, is framed or is kept. `same-origin`, since a browser that is to send no referrer
/// sends `Origin: null` with a form, which the guard refuses.
pub(super) async fn protect(mut response: Response) -> Response {
    let policy = format!(
        "default-src 'none'; style-src '{}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        page::style_hash()
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
