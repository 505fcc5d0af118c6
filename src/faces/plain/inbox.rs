//! `/v1/inbox`, where the mediator pulls what it is not posted, and `/v1/quarantine`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{COMMON, schema};
use crate::error::{Code, Error, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, Query, Reason};
use crate::ledger::Quarantined;
use crate::ledger::entry::Refusal;

/// Messages on a page.
const PAGE: usize = 100;

/// What a message that is verified again may be refused for.
pub(in crate::faces) const VERIFIED: [Code; 16] = [
    Code::NotFound,
    Code::StateConflict,
    Code::Malformed,
    Code::Field,
    Code::UnknownKey,
    Code::Decrypt,
    Code::SignatureInvalid,
    Code::SignatureMissing,
    Code::SignerExpired,
    Code::Keys,
    Code::KindNotConfigured,
    Code::Upstream,
    Code::UpstreamTimeout,
    Code::Partner,
    Code::Busy,
    Code::Storage,
];

/// `/v1/inbox` and `/v1/quarantine`
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(refusing(routes!(inbox), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(acknowledge), &COMMON, &[Code::NotFound, Code::Storage]))
        .routes(refusing(routes!(quarantine), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(discard), &COMMON, &[Code::NotFound, Code::Storage]))
        .routes(refusing(routes!(verify), &COMMON, &VERIFIED))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Cursor {
    /// `next` of the page before.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Messages {
    /// Each as it would be posted to `deliver.url`.
    #[schema(value_type = Vec<schema::Delivery>)]
    messages: Vec<Box<RawValue>>,
    next: Option<i64>,
}

/// Lists the messages that the mediator has not taken: 100 on a page, and fewer where they are large.
#[utoipa::path(get, path = "/v1/inbox", params(Cursor), responses((status = 200, description = "A page.", body = Messages)))]
async fn inbox(State(app): State<App>, Query(query): Query<Cursor>) -> Result<Json<Messages>> {
    let (waiting, next) = app.ledger().undelivered(query.cursor.unwrap_or(0), PAGE).await?;
    let broken = || Error::new(Code::Bug, "a stored message is not JSON");
    let messages = waiting
        .into_iter()
        .map(|mut message| {
            let text = String::from_utf8(std::mem::take(&mut *message.body)).map_err(|_| broken())?;
            RawValue::from_string(text).map_err(|_| broken())
        })
        .collect::<Result<_>>()?;
    Ok(Json(Messages { messages, next }))
}

/// The mediator has taken a message.
#[utoipa::path(post, path = "/v1/inbox/{id}/ack", params(("id" = String, Path, description = "The id of the message.")), responses((status = 204, description = "It is noted.")))]
async fn acknowledge(State(app): State<App>, Name(id): Name) -> Result<StatusCode> {
    app.ledger().delivered(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
struct Kept {
    messages: Vec<QuarantinedMessage>,
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QuarantinedMessage {
    id: String,
    kind: String,
    received_at: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<Refusal>,
}

/// Lists the messages of MOSIP that do not verify, 100 on a page.
#[utoipa::path(get, path = "/v1/quarantine", params(Cursor), responses((status = 200, description = "A page.", body = Kept)))]
async fn quarantine(State(app): State<App>, Query(query): Query<Cursor>) -> Result<Json<Kept>> {
    let kept = app.ledger().quarantined(query.cursor.unwrap_or(0)).await?;
    let next = kept.last().map(|push| push.seq).filter(|_| kept.len() == PAGE);
    Ok(Json(Kept { messages: kept.into_iter().map(QuarantinedMessage::of).collect(), next }))
}

/// Verifies a message again. A refusal is the problem that it still has; 409 while its data share is being fetched.
#[utoipa::path(post, path = "/v1/quarantine/{id}/verify", params(("id" = String, Path, description = "The id of the message.")), responses((status = 204, description = "It verifies and is on its way to the mediator.")))]
async fn verify(State(app): State<App>, Name(id): Name) -> Result<Response> {
    app.pushes().verify(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a message out for good.
#[utoipa::path(delete, path = "/v1/quarantine/{id}", params(("id" = String, Path, description = "The id of the message."), Reason), responses((status = 204, description = "It is gone.")))]
async fn discard(
    State(app): State<App>,
    Name(id): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<StatusCode> {
    app.pushes().discard(id.clone()).await?;
    tracing::warn!(push = id, reason, "a push is discarded on request");
    Ok(StatusCode::NO_CONTENT)
}

impl QuarantinedMessage {
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
