//! `/v1/events`: take an event, list what was taken, retry, discard. No answer holds a payload.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::error::{Fault, Result};
use crate::faces::App;
use crate::faces::request::{Name, Query, Reason, read_json};
use crate::mosip::event::{Event, EventKind};
use crate::outbox::entry::{Shown, State as EntryState};
use crate::outbox::store::{Filter, IdempotencyKey, ShownPage};

/// Longest `Prefer: wait`, seconds.
const LONGEST_WAIT: u64 = 60;

/// Routes of the internal listener.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/v1/events", get(list))
        .route("/v1/events/retry", post(retry_all))
        .route("/v1/events/{id}", post(accept).get(show).delete(discard))
        .route("/v1/events/{id}/retry", post(retry))
        .route("/v1/outbox/rekey", post(rekey))
        .route("/v1/outbox/resume", post(resume))
}

/// Here the path names the kind, which no id is alike to.
async fn accept(State(app): State<App>, Name(kind): Name, request: Request) -> Result<Response> {
    let kind: EventKind = kind.parse()?;
    let key = request
        .headers()
        .get("idempotency-key")
        .map(|key| IdempotencyKey::parse(key.as_bytes()))
        .transpose()?;
    let wait = wait_asked(request.headers());
    let event = read_json(request, app.limits(), move |body| Event::parse(kind, body.into_bytes())).await?;
    let mut accepted = app.outbox().accept(event, key).await?;
    if let Some(wait) = wait
        && let Ok(entry) = tokio::time::timeout(wait, app.outbox().settled(&accepted.id)).await
    {
        let entry = entry?;
        (accepted.state, accepted.aid) = (entry.state, entry.aid);
    }
    let status = if accepted.state.is_settled() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let aid = accepted.aid.map(|aid| aid.to_string());
    Ok((status, Json(json!({ "id": accepted.id, "state": accepted.state.as_str(), "aid": aid })))
        .into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    state: Option<String>,
    fault: Option<String>,
    cursor: Option<i64>,
}

async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<ShownPage>> {
    let state: Option<EntryState> = query.state.map(|text| text.parse()).transpose()?;
    let fault: Option<Fault> = query.fault.map(|text| text.parse()).transpose()?;
    let filter = Filter { state, fault, after: query.cursor.unwrap_or(0) };
    let page = app.outbox().store().entries(filter).await?;
    Ok(Json(ShownPage::of(page, app.outbox().store().uptime())))
}

async fn show(State(app): State<App>, Name(id): Name) -> Result<Json<Shown>> {
    let entry = app.outbox().store().entry(id).await?;
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

async fn retry(State(app): State<App>, Name(id): Name) -> Result<Json<Shown>> {
    let entry = app.outbox().retry(id).await?;
    tracing::info!(event = entry.id, "an event is retried on request");
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryQuery {
    fault: String,
}

async fn retry_all(State(app): State<App>, Query(query): Query<RetryQuery>) -> Result<Response> {
    let fault: Fault = query.fault.parse()?;
    let retried = app.outbox().retry_all(fault).await?;
    tracing::info!(fault = fault.as_str(), events = retried, "parked events are retried on request");
    Ok(Json(json!({ "retried": retried })).into_response())
}

async fn discard(
    State(app): State<App>,
    Name(id): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<Json<Shown>> {
    let entry = app.outbox().discard(id, reason.clone()).await?;
    tracing::warn!(event = entry.id, reason, "an event is discarded on request");
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

/// `Prefer: wait=N` (RFC 7240), at most a minute.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let seconds: u64 = preferences
        .flat_map(|line| line.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// Reads `outbox.key_file` anew and seals everything under its first key.
async fn rekey(State(app): State<App>) -> Result<Response> {
    let rekeyed = app.outbox().rekey().await?;
    app.seeder().go_on();
    let (resealed, unreadable) = (rekeyed.resealed, rekeyed.unreadable);
    tracing::warn!(resealed, unreadable, "the outbox is sealed under its first key on request");
    Ok(Json(rekeyed).into_response())
}

/// Goes on after files of the outbox were removed or replaced, once they are there again.
async fn resume(State(app): State<App>) -> Result<Response> {
    app.outbox().resume().await?;
    app.seeder().go_on();
    tracing::warn!("the outbox goes on on request");
    Ok(Json(json!({ "resumed": true })).into_response())
}
