//! `/v1/inbox`, where the mediator pulls what it is not posted, and `/v1/quarantine`.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::faces::App;
use crate::faces::request::{Name, Query, Reason};
use crate::outbox::entry::Refusal;
use crate::outbox::store::Quarantined;

/// Messages on a page.
const PAGE: usize = 100;

/// Routes of the internal listener.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/v1/inbox", get(inbox))
        .route("/v1/inbox/{id}/ack", post(acknowledge))
        .route("/v1/quarantine", get(quarantine))
        .route("/v1/quarantine/{id}", delete(discard))
        .route("/v1/quarantine/{id}/verify", post(verify))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    cursor: Option<i64>,
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<Box<RawValue>>,
    next: Option<i64>,
}

async fn inbox(State(app): State<App>, Query(query): Query<Cursor>) -> Result<Json<Messages>> {
    let mut waiting = app.outbox().store().undelivered(query.cursor.unwrap_or(0), PAGE + 1, false).await?;
    let more = waiting.len() > PAGE;
    waiting.truncate(PAGE);
    let next = waiting.last().map(|message| message.seq).filter(|_| more);
    let broken = || Error::new(Code::Bug, "a stored message is not JSON");
    let messages = waiting
        .into_iter()
        .map(|message| {
            let text = String::from_utf8(message.body.to_vec()).map_err(|_| broken())?;
            RawValue::from_string(text).map_err(|_| broken())
        })
        .collect::<Result<_>>()?;
    Ok(Json(Messages { messages, next }))
}

async fn acknowledge(State(app): State<App>, Name(id): Name) -> Result<StatusCode> {
    app.outbox().store().delivered(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct Kept {
    messages: Vec<Shown>,
    next: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    kind: String,
    received_at: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Refusal>,
}

async fn quarantine(State(app): State<App>, Query(query): Query<Cursor>) -> Result<Json<Kept>> {
    let kept = app.outbox().store().quarantined(query.cursor.unwrap_or(0)).await?;
    let next = kept.last().map(|push| push.seq).filter(|_| kept.len() == PAGE);
    Ok(Json(Kept { messages: kept.into_iter().map(Shown::of).collect(), next }))
}

/// 204: it verifies now and is on its way to the mediator; else the problem that it still has.
async fn verify(State(app): State<App>, Name(id): Name) -> Result<Response> {
    app.outbox().inbox().verify(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn discard(
    State(app): State<App>,
    Name(id): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<StatusCode> {
    app.outbox().inbox().discard(id.clone()).await?;
    tracing::warn!(push = id, reason, "a push is discarded on request");
    Ok(StatusCode::NO_CONTENT)
}

impl Shown {
    fn of(push: Quarantined) -> Self {
        Self {
            id: push.id,
            kind: push.kind,
            received_at: push.received_at.to_iso(),
            bytes: push.bytes,
            reason: push.refusal,
        }
    }
}
