//! MOSIP's hub calls `mosip-api` back here. What it brings goes the same way as at the callback listener; the answers have the form of
//! `mosip-api`.

use axum::Json;
use axum::extract::{OriginalUri, Request, State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::refusal::PeerError;
use super::{MosipApi, Shared};
use crate::error::{Code, Error, Result};
use crate::faces::hub::{HubCallback, Intent};
use crate::faces::request::query_of;
use crate::http::caller::Caller;
use crate::pool;

/// Takes messages.
pub(super) fn message() -> UtoipaMethodRouter<MosipApi> {
    routes!(websub_message)
}

/// Answers the hub's question.
pub(super) fn question() -> UtoipaMethodRouter<MosipApi> {
    routes!(websub_intent)
}

/// The members of a message that its answer repeats.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    publisher: String,
    topic: String,
    published_on: String,
    event: Event,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event {
    id: String,
    transaction_id: String,
    timestamp: String,
}

/// What was received; what the message did not say is empty.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HubReceipt)]
struct Receipt {
    publisher: String,
    topic: String,
    published_on: String,
    #[schema(inline)]
    event: ReceivedEvent,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReceivedEvent {
    id: String,
    /// `transactionId` of the event.
    request_id: String,
    timestamp: String,
    /// `RECEIVED`, whatever the verdict.
    status: &'static str,
    /// Empty.
    url: &'static str,
}

/// Takes a message of the hub: 200 once it is on the disk. The hub stops for good after an answer of another kind. Where
/// `websub.callback_url` has a part that cannot be guessed, no other path is there.
#[utoipa::path(post, path = "/websub/callback", params(("X-Hub-Signature" = String, Header, description = "`method=hex`: the HMAC over the raw body.")),
    request_body(content = serde_json::Value, description = "The message. Whatever else comes, an empty body too, is kept in quarantine."),
    responses((status = 200, description = "It is on the disk.", body = Receipt)))]
async fn websub_message(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    request: Request,
) -> Result<Json<Receipt>, PeerError> {
    let taken = face.hub()?.take(&caller, request).await;
    let message = taken.map_err(|refusal| counted(&caller, refusal))?;
    Ok(Json(pool::offload(message.len(), move || Ok(Receipt::of(&message))).await?))
}

/// What the hub asks. OpenCRVS's mock of MOSIP sends the challenge alone.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Question {
    /// Absent: `subscribe`.
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    /// Absent: the topic that the gateway has subscribed last, within a minute.
    #[serde(rename = "hub.topic")]
    topic: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
    #[serde(rename = "hub.lease_seconds")]
    lease: Option<String>,
    #[serde(rename = "hub.reason")]
    reason: Option<String>,
}

/// The hub asks whether a request of the gateway is meant, as at the callback listener: its challenge comes back, byte for byte.
#[utoipa::path(get, path = "/websub/callback", params(Question), responses((status = 200, description = "The challenge, or nothing.", content_type = "text/plain", body = String)))]
async fn websub_intent(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    uri: OriginalUri,
    request: Request,
) -> Result<String, PeerError> {
    let answer = match query_of(&request) {
        Ok(question) => face.answer(&caller, uri.path(), question).await,
        Err(refusal) => Err(refusal),
    };
    answer.map_err(|refusal| counted(&caller, refusal).into())
}

impl Shared {
    async fn answer(&self, caller: &Caller, path: &str, question: Question) -> Result<String> {
        let Question { mode, topic, challenge, lease, reason } = question;
        let topic = match topic {
            None if challenge.is_some() => self.app.hub().any_asked_last().await,
            topic => topic,
        };
        let mode = mode.unwrap_or_else(|| "subscribe".to_owned());
        self.hub()?.confirm(caller, path, Intent { mode, topic, challenge, lease, reason }).await
    }

    fn hub(&self) -> Result<&HubCallback> {
        self.hub.as_ref().ok_or_else(|| Error::new(Code::NotFound, "no secret is shared with the hub"))
    }
}

/// What `caller` is refused with, which counts for its address unless it has proved who it is; not a body that could not be read to its end,
/// whose signature is not known.
fn counted(caller: &Caller, refusal: Error) -> Error {
    match refusal.code() {
        Code::TooLarge | Code::Timeout => refusal,
        _ => caller.count_once().err().unwrap_or(refusal),
    }
}

impl Receipt {
    fn of(message: &Bytes) -> Self {
        // It is signed and stored, whatever it is.
        let Message { publisher, topic, published_on, event } =
            serde_json::from_slice(message).unwrap_or_default();
        let Event { id, transaction_id, timestamp } = event;
        let event = ReceivedEvent { id, request_id: transaction_id, timestamp, status: "RECEIVED", url: "" };
        Self { publisher, topic, published_on, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(message: &'static str) -> String {
        serde_json::to_string(&Receipt::of(&Bytes::from_static(message.as_bytes()))).unwrap()
    }

    #[test]
    fn a_receipt_is_the_one_that_mosip_api_gives() {
        let message = r#"{"publisher":"CREDENTIAL_SERVICE","topic":"t","publishedOn":"2026-11-28T10:00:00.000Z","event":{"id":"e","transactionId":"r","timestamp":"2026-11-28T10:00:01.000Z","type":{"namespace":"mosip","name":"mosip"},"data":{"credential":"secret"}}}"#;
        assert_eq!(
            receipt(message),
            r#"{"publisher":"CREDENTIAL_SERVICE","topic":"t","publishedOn":"2026-11-28T10:00:00.000Z","event":{"id":"e","requestId":"r","timestamp":"2026-11-28T10:00:01.000Z","status":"RECEIVED","url":""}}"#
        );
        for odd in ["", "<html>", "[]", r#"{"topic":7}"#, r#"{"event":null}"#] {
            assert_eq!(
                receipt(odd),
                r#"{"publisher":"","topic":"","publishedOn":"","event":{"id":"","requestId":"","timestamp":"","status":"RECEIVED","url":""}}"#
            );
        }
    }
}
