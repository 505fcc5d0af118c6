//! `/v1/events`: take an event, list what was taken, retry, discard. No answer holds a payload.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{COMMON, JSON, schema};
use crate::error::{Code, Fault, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, Query, Reason, idempotency_key, read_json};
use crate::ledger::entry::{EntryView, parse_state};
use crate::ledger::{Accepted, Filter, PageView, Rekeyed};
use crate::opencrvs::document::Post;
use crate::opencrvs::event::EventKind;

/// Longest `Prefer: wait`, seconds.
const LONGEST_WAIT: u64 = 60;

/// `/v1/events` and `/v1/outbox`
pub(super) fn routes() -> OpenApiRouter<App> {
    let taken = [Code::NotFound, Code::KindNotConfigured, Code::IdempotencyConflict, Code::Storage];
    let decided = [Code::NotFound, Code::StateConflict, Code::Storage];
    OpenApiRouter::new()
        .routes(refusing(routes!(list), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(retry_all), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(accept), &JSON, &taken))
        .routes(refusing(routes!(show), &COMMON, &[Code::NotFound, Code::Storage]))
        .routes(refusing(routes!(discard), &COMMON, &decided))
        .routes(refusing(routes!(retry), &COMMON, &[Code::NotFound, Code::StateConflict, Code::Storage]))
        .routes(refusing(routes!(rekey), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(resume), &COMMON, &[Code::Storage]))
}

/// Takes an event: 202 once it is on the disk. It goes to MOSIP, and to every ID system that takes its kind, by itself, whatever their health.
/// An EventDocument goes to ID systems alone.
///
/// Here the path names the kind, which no id is alike to.
#[utoipa::path(post, path = "/v1/events/{id}",
    params(
        ("id" = inline(EventKind), Path, description = "The kind of the event."),
        ("Idempotency-Key" = Option<String>, Header, nullable = false, description = "1 to 255 visible ASCII characters: the same key finds the same event.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
        ("Prefer" = Option<String>, Header, nullable = false, description = "`wait=N`: waits up to N seconds, 60 at most, for the event to settle at every destination."),
    ),
    request_body(content = serde_json::Value, description = "The webhook as OpenCRVS sent it, or the EventDocument of OpenCRVS 1.8 and later."),
    responses(
        (status = 200, description = "It is on the disk and settled at every destination.", body = schema::Accepted),
        (status = 202, description = "It is on the disk.", body = schema::Accepted),
    ))]
async fn accept(State(app): State<App>, Name(kind): Name, request: Request) -> Result<Response> {
    let kind: EventKind = kind.parse()?;
    let key = idempotency_key(request.headers())?;
    let wait = wait_asked(request.headers());
    let post = read_json(request, app.limits(), move |body| Post::parse(kind, body.into_bytes())).await?;
    let accepted = match post {
        Post::Event(event) => app.accept(event, key).await,
        Post::Document(document) => app.accept_document(document, key).await,
    }?;
    Ok(answer(&app, accepted, wait).await)
}

/// What whoever posted is told of what was `accepted`, once it has settled or they have waited long enough.
pub(super) async fn answer(app: &App, mut accepted: Accepted, wait: Option<Duration>) -> Response {
    if let Some(wait) = wait {
        let all = accepted.unsettled().into_iter().map(async |id| {
            // It is accepted, whatever comes of the wait; the answer tells how it stands at the end.
            let _ = tokio::time::timeout(wait, app.engine().settled(id)).await;
            app.ledger().entry(id.to_owned()).await
        });
        for entry in join_all(all).await {
            match entry {
                Ok(entry) => accepted.update(&entry.id, entry.state, entry.aid),
                Err(error) => {
                    tracing::warn!(code = error.code().as_str(), "an event cannot be waited for");
                }
            }
        }
    }
    let status = if accepted.unsettled().is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let aid = accepted.aid.as_ref().map(ToString::to_string);
    let mut answer = json!({ "id": accepted.id, "state": accepted.state.as_str(), "aid": aid });
    let entries: Vec<_> =
        accepted.all().map(|(id, state)| json!({ "id": id, "state": state.as_str() })).collect();
    if let (2.., Some(members)) = (entries.len(), answer.as_object_mut()) {
        members.insert("entries".to_owned(), entries.into());
    }
    (status, Json(answer)).into_response()
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only those in this state.
    #[param(inline, value_type = Option<schema::EventState>)]
    state: Option<String>,
    /// Only those whose last attempt failed by this fault.
    #[param(inline, value_type = Option<Fault>)]
    fault: Option<String>,
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// Lists events in the order in which they were taken, 100 on a page.
#[utoipa::path(get, path = "/v1/events", params(ListQuery), responses((status = 200, description = "A page.", body = schema::EventPage)))]
async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<PageView>> {
    let state = query.state.map(|text| parse_state(&text)).transpose()?;
    let fault: Option<Fault> = query.fault.map(|text| text.parse()).transpose()?;
    let filter = Filter { state, fault, group: None, after: query.cursor.unwrap_or(0) };
    let mut page = app.ledger().entries(filter).await?;
    page.entries = page.entries.into_iter().map(|entry| app.engine().timed(entry)).collect();
    Ok(Json(PageView::of(page, app.ledger().uptime())))
}

/// Shows an event.
#[utoipa::path(get, path = "/v1/events/{id}", params(("id" = String, Path, description = "The id of the event.")), responses((status = 200, description = "The event.", body = schema::Event)))]
async fn show(State(app): State<App>, Name(id): Name) -> Result<Json<EntryView>> {
    let entry = app.ledger().entry(id.clone()).await?;
    let attempts = app.ledger().attempts(id.clone()).await?;
    let answer = app.ledger().answer(id).await?;
    let view = EntryView::of(app.engine().timed(entry), app.ledger().uptime());
    Ok(Json(view.tried(attempts).answered(answer)))
}

/// Tries an event at once, and with it whether MOSIP takes us again.
#[utoipa::path(post, path = "/v1/events/{id}/retry", params(("id" = String, Path, description = "The id of the event.")), responses((status = 200, description = "The event.", body = schema::Event)))]
async fn retry(State(app): State<App>, Name(id): Name) -> Result<Json<EntryView>> {
    let entry = app.engine().retry(id).await?;
    tracing::info!(event = entry.id, "an event is retried on request");
    Ok(Json(EntryView::of(app.engine().timed(entry), app.ledger().uptime())))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RetryQuery {
    #[param(inline, value_type = Fault)]
    fault: String,
}

/// Puts all events up again that a fault parked.
#[utoipa::path(post, path = "/v1/events/retry", params(RetryQuery), responses((status = 200, description = "How many they are.", body = schema::Retried)))]
async fn retry_all(State(app): State<App>, Query(query): Query<RetryQuery>) -> Result<Response> {
    let fault: Fault = query.fault.parse()?;
    let retried = app.engine().retry_all(fault).await?;
    tracing::info!(fault = fault.as_str(), events = retried, "parked events are retried on request");
    Ok(Json(json!({ "retried": retried })).into_response())
}

/// Takes an event out for good: MOSIP never hears of it.
#[utoipa::path(delete, path = "/v1/events/{id}", params(("id" = String, Path, description = "The id of the event."), Reason), responses((status = 200, description = "The event.", body = schema::Event)))]
async fn discard(
    State(app): State<App>,
    Name(id): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<Json<EntryView>> {
    let entry = app.ledger().discard(id, reason.clone()).await?;
    tracing::warn!(event = entry.id, reason, "an event is discarded on request");
    Ok(Json(EntryView::of(app.engine().timed(entry), app.ledger().uptime())))
}

/// `Prefer: wait=N` (RFC 7240), at most a minute.
pub(super) fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let seconds: u64 = preferences
        .flat_map(|line| line.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// Reads `outbox.key_file` anew and seals everything under its first key.
#[utoipa::path(post, path = "/v1/outbox/rekey", responses((status = 200, description = "It is done.", body = Rekeyed)))]
async fn rekey(State(app): State<App>) -> Result<Response> {
    let rekeyed = app.rekey().await?;
    let (resealed, unreadable) = (rekeyed.resealed, rekeyed.unreadable);
    tracing::warn!(resealed, unreadable, "the outbox is sealed under its first key on request");
    Ok(Json(rekeyed).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResumeQuery {
    /// It goes on though commits that were acknowledged are missing in the database.
    #[serde(default)]
    #[param(required = false)]
    accept_loss: bool,
}

/// Goes on after files of the outbox were removed or replaced, once they are there again.
#[utoipa::path(post, path = "/v1/outbox/resume", params(ResumeQuery), responses((status = 200, description = "It goes on.", body = schema::Resumed)))]
async fn resume(State(app): State<App>, Query(query): Query<ResumeQuery>) -> Result<Response> {
    app.resume(query.accept_loss).await?;
    tracing::warn!("the outbox goes on on request");
    Ok(Json(json!({ "resumed": true })).into_response())
}
