//! OpenCRVS 1.x beside MOSIP's side: its webhooks service, `/core/webhooks`. It asks the subscriber before it answers, as the real one: with the
//! query put in place of the callback's, without `hub.` before the names, and with JSON for an answer. As the real one it makes a second
//! subscription of one that it has, and ends any id for any client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use form_urlencoded::byte_serialize;
use http_body_util::{BodyExt, Full, Limited};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::World;
use super::answer::json_response;
use super::behaviour::WebhooksLie;
use super::opencrvs::is_caller;
use super::push::HttpClient;
use crate::crypto::base64;
use crate::crypto::secret::random;

/// The `sha_secret` of the integration that it knows.
pub const SHA_SECRET: &str = "example-sha-secret";
/// The client whose tokens the simulator gives.
const CLIENT: &str = "opencrvs";
const TOPICS: [&str; 6] = [
    "BIRTH_REGISTERED",
    "DEATH_REGISTERED",
    "BIRTH_CERTIFIED",
    "DEATH_CERTIFIED",
    "BIRTH_CORRECTED",
    "DEATH_CORRECTED",
];
/// For the answer of a subscriber.
const DEADLINE: Duration = Duration::from_secs(10);
/// Largest answer of a subscriber, bytes.
const MAX_ANSWER: usize = 64 << 10;
/// How much later a late question comes.
const LATE: Duration = Duration::from_millis(300);

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/core/webhooks", get(list).post(subscribe)).route("/core/webhooks/{id}", delete(end))
}

/// What is subscribed. Cheap to share.
pub struct Webhooks {
    http: HttpClient,
    kept: Mutex<Vec<Webhook>>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// By which it is ended.
    pub id: String,
    /// Whose it is.
    pub client: String,
    /// Where it is posted.
    pub callback: String,
    /// What it is for.
    pub topic: String,
}

impl Webhooks {
    pub(super) fn new(http: HttpClient) -> Self {
        Self { http, kept: Mutex::default() }
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<Webhook> {
        self.kept().clone()
    }

    /// Somebody ends those to `topic`.
    pub fn forget(&self, topic: &str) {
        self.kept().retain(|webhook| webhook.topic != topic);
    }

    /// Somebody makes one for `client`.
    pub fn add(&self, client: &str, callback: &str, topic: &str) {
        let (client, callback, topic) = (client.to_owned(), callback.to_owned(), topic.to_owned());
        let id = base64::encode_url(&random::<12>());
        self.kept().push(Webhook { id, client, callback, topic });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Webhook>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the subscriber at `callback` says that it meant it.
    async fn asks(&self, callback: &str, topic: &str) -> bool {
        let challenge = base64::encode(&random::<16>());
        let encoded: String = byte_serialize(challenge.as_bytes()).collect();
        let bare = callback.split('?').next().unwrap_or_default();
        let url = format!("{bare}?mode=subscribe&challenge={encoded}&topic={topic}");
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let request = Request::get(uri).header("content-type", "application/json").body(Full::default());
        let Ok(request) = request else { return false };
        let asked = async {
            let reply = self.http.request(request).await.ok()?;
            Some(Limited::new(reply.into_body(), MAX_ANSWER).collect().await.ok()?.to_bytes())
        };
        let answer = timeout(DEADLINE, asked).await.ok().flatten().unwrap_or_default();
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        answer.get("challenge").and_then(Value::as_str) == Some(&challenge)
    }
}

async fn list(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    if !is_caller(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut kept = world.webhooks.all();
    // The real one gives those of the caller alone.
    if world.controls.get().opencrvs_webhooks != Some(WebhooksLie::ListsOthers) {
        kept.retain(|webhook| webhook.client == CLIENT);
    }
    let entry = |webhook: &Webhook| {
        json!({
            "id": webhook.id,
            "callback": webhook.callback,
            "createdAt": "2026-11-28T09:00:00.000Z",
            "createdBy": { "client_id": webhook.client, "name": "MOSIP", "type": "webhook", "username": "n" },
            "topic": webhook.topic,
        })
    };
    json_response(StatusCode::OK, &json!({ "entries": kept.iter().map(entry).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    hub: Hub,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hub {
    callback: String,
    mode: String,
    topic: String,
    secret: String,
}

async fn subscribe(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    const NO_ANSWER: &str = "Subscription callback check failed";
    if !is_caller(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(Asked { hub }) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Hub { callback, mode, topic, secret } = hub;
    let lie = world.controls.get().opencrvs_webhooks;
    let reason = if !TOPICS.contains(&topic.as_str()) {
        Some(format!("Unsupported topic: {topic}"))
    } else if lie == Some(WebhooksLie::Denies) {
        Some("Active system details cannot be found.  This system is no longer authorized".to_owned())
    } else if secret != SHA_SECRET {
        Some("hub.secret is incorrect".to_owned())
    } else if mode != "subscribe" {
        Some("hub.mode must be set to subscribe".to_owned())
    } else {
        None
    };
    if let Some(reason) = reason {
        let denied = json!({ "hub": { "mode": "denied", "topic": topic, "reason": reason } });
        return json_response(StatusCode::BAD_REQUEST, &denied);
    }
    if lie == Some(WebhooksLie::Late) {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            sleep(LATE).await;
            if world.webhooks.asks(&callback, &topic).await {
                world.webhooks.add(CLIENT, &callback, &topic);
            }
        });
        return StatusCode::ACCEPTED.into_response();
    }
    if !world.webhooks.asks(&callback, &topic).await {
        return (StatusCode::BAD_REQUEST, NO_ANSWER).into_response();
    }
    if lie != Some(WebhooksLie::Forgets) {
        world.webhooks.add(CLIENT, &callback, &topic);
    }
    StatusCode::ACCEPTED.into_response()
}

async fn end(State(world): State<Arc<World>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if !is_caller(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    world.webhooks.kept().retain(|webhook| webhook.id != id);
    StatusCode::NO_CONTENT.into_response()
}
