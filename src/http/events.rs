//! `/v1/events`: take an event, list what was taken, retry, discard (DESIGN.md 5 and 6). No answer holds a payload.

use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::internal::Checked;
use super::{App, body, guard};
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::event::{Event, EventKind};
use crate::outbox::entry::{Entry, Refusal, State as EntryState};
use crate::outbox::store::{Filter, IdempotencyKey, Page};

/// Longest `Prefer: wait`, seconds.
const LONGEST_WAIT: u64 = 60;

/// Routes of the internal listener.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/v1/events", get(list))
        .route("/v1/events/retry", post(retry_all))
        .route("/v1/events/{id}", post(accept).get(show).delete(discard))
        .route("/v1/events/{id}/retry", post(retry))
}

/// Here the path names the kind, which no id is alike to.
async fn accept(State(app): State<App>, Path(kind): Path<String>, request: Request) -> Result<Response> {
    let kind: EventKind = kind.parse()?;
    guard::require_json(request.headers())?;
    let key = request
        .headers()
        .get("idempotency-key")
        .map(|key| IdempotencyKey::parse(key.as_bytes()))
        .transpose()?;
    let wait = wait_asked(request.headers());
    let body = body::read(request, app.limits()).await?;
    let event = Event::parse(kind, body.into_bytes())?;
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

#[derive(Serialize)]
struct List {
    events: Vec<Shown>,
    next: Option<i64>,
}

async fn list(State(app): State<App>, Checked(query): Checked<ListQuery>) -> Result<Json<List>> {
    let state = query.state.as_deref().map(read_state).transpose()?;
    let fault = query.fault.as_deref().map(read_fault).transpose()?;
    let filter = Filter { state, fault, after: query.cursor.unwrap_or(0) };
    let Page { entries, next } = app.outbox().store().entries(filter).await?;
    let now = app.outbox().store().uptime();
    Ok(Json(List { events: entries.into_iter().map(|entry| Shown::of(entry, now)).collect(), next }))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Shown>> {
    let entry = app.outbox().store().entry(id).await?;
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

async fn retry(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Shown>> {
    let entry = app.outbox().retry(id).await?;
    tracing::info!(event = entry.id, "an event is retried on request");
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryQuery {
    fault: String,
}

async fn retry_all(State(app): State<App>, Checked(query): Checked<RetryQuery>) -> Result<Response> {
    let fault = read_fault(&query.fault)?;
    let retried = app.outbox().retry_all(fault).await?;
    tracing::info!(fault = fault.as_str(), events = retried, "parked events are retried on request");
    Ok(Json(json!({ "retried": retried })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscardQuery {
    reason: String,
}

async fn discard(
    State(app): State<App>,
    Path(id): Path<String>,
    Checked(query): Checked<DiscardQuery>,
) -> Result<Json<Shown>> {
    let entry = app.outbox().discard(id, query.reason.clone()).await?;
    tracing::warn!(event = entry.id, reason = query.reason, "an event is discarded on request");
    Ok(Json(Shown::of(entry, app.outbox().store().uptime())))
}

/// An entry as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    kind: &'static str,
    state: &'static str,
    attempts: u32,
    accepted_at: String,
    /// Seconds until the next attempt is due; 0: when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_in: Option<i64>,
    aid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<Refusal>,
}

impl Shown {
    fn of(entry: Entry, now: i64) -> Self {
        let waits = entry.state == EntryState::Queued;
        Self {
            id: entry.id,
            kind: entry.kind.as_str(),
            state: entry.state.as_str(),
            attempts: entry.attempts,
            accepted_at: entry.accepted_at.to_iso(),
            next_try_in: waits.then(|| (entry.next_at - now).max(0) / 1000),
            aid: entry.aid.map(|aid| aid.to_string()),
            last_fault: entry.refusal,
        }
    }
}

fn read_state(text: &str) -> Result<EntryState> {
    text.parse()
        .map_err(|()| Error::new(Code::Field, "`state` is none of queued, leased, done, parked, discarded"))
}

fn read_fault(text: &str) -> Result<Fault> {
    Fault::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or_else(|| {
        Error::new(Code::Field, "`fault` is none of caller, keys, partner, upstream, tampered, storage, bug")
    })
}

/// `Prefer: wait=N` (RFC 7240), at most a minute.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let seconds: u64 = preferences
        .flat_map(|line| line.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}
