//! MOSIP's WebSub hub: `POST /hub`.
//!
//! It behaves as the real one. It accepts a token only in the cookie. It answers a subscription at once and verifies it afterwards, and it
//! denies a subscription that it already has. It serialises messages again before it signs them, and delivers at least once. After three
//! failed attempts it gives a subscriber up: undelivered messages wait until another subscription is made, or are lost with their own.

mod delivery;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::HEXLOWER;
use http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::World;
use super::answer::json_response;
use super::behaviour::Controls;
use super::credentials::Published;
use super::history::{History, HubCall};
use super::mediator::check_token;
use super::push::HttpClient;
use crate::crypto::secret::{SecretBytes, random};

/// The topic of the registration processor for the results of packets.
pub const PACKET_STATUS: &str = "REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT";
/// The topic on which receivers of credentials answer.
pub const CREDENTIAL_STATUS: &str = "CREDENTIAL_STATUS_UPDATE";
/// Where the hub is, behind the base URL.
pub const PATH: &str = "/hub";

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route(PATH, post(ask)).route("/hub/", post(ask))
}

/// For tests in other languages, without a token.
pub(super) fn manage_routes() -> Router<Arc<World>> {
    Router::new().route("/simulator/publish", post(publish))
}

/// The handle to the hub of a running fake. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    http: HttpClient,
    history: History,
    controls: Controls,
    subscribers: Mutex<BTreeMap<String, Subscriber>>,
    tasks: Mutex<Vec<AbortHandle>>,
    changed: watch::Sender<()>,
}

struct Subscriber {
    topic: String,
    callback: Uri,
    secret: Arc<SecretBytes>,
    /// The undelivered messages, in order.
    queue: VecDeque<Value>,
    /// Three attempts failed, and there are no more.
    given_up: bool,
}

/// A subscriber.
struct Subscription {
    topic: String,
    callback: Uri,
    secret: Arc<SecretBytes>,
}

impl Hub {
    pub(super) fn new(http: HttpClient, history: History, controls: Controls) -> Self {
        let (subscribers, tasks, changed) = Default::default();
        Self(Arc::new(Inner { http, history, controls, subscribers, tasks, changed }))
    }

    /// Hands `message` to every subscriber of `topic`, and returns their number.
    pub fn publish(&self, topic: &str, message: &Value) -> usize {
        let mut subscribers = self.subscribers();
        let of_topic = subscribers.values_mut().filter(|subscriber| subscriber.topic == topic);
        let mut reached = 0;
        for subscriber in of_topic {
            subscriber.queue.push_back(message.clone());
            reached += 1;
        }
        drop(subscribers);
        self.0.changed.send_replace(());
        reached
    }

    /// Hands a message of the issuer to every subscriber of its topic, and returns their number.
    ///
    /// # Errors
    ///
    /// The message is no JSON.
    pub fn publish_credential(&self, published: &Published) -> Result<usize, serde_json::Error> {
        let message = serde_json::from_slice(&published.body)?;
        Ok(self.publish(&published.topic, &message))
    }

    /// Publishes that the registration processor has the `result` (`PROCESSED`, `REJECTED`, `FAILED`) of a packet.
    pub fn publish_result(&self, registration_id: &str, result: &str) -> usize {
        let error = (result != "PROCESSED").then(|| format!("PACKET_{result}"));
        let message = json!({
            "instanceId": registration_id,
            "resultCode": result,
            "workflowType": "CRVS_NEW",
            "errorCode": error,
            "notificationAttributes": { "NAME": "somebody" },
        });
        self.publish(PACKET_STATUS, &message)
    }

    /// The topics that are subscribed, and whether each is still delivered to.
    pub fn subscriptions(&self) -> Vec<(String, bool)> {
        self.subscribers().values().map(|known| (known.topic.clone(), !known.given_up)).collect()
    }

    /// Messages that wait for a subscriber.
    pub fn waiting(&self) -> usize {
        self.subscribers().values().map(|subscriber| subscriber.queue.len()).sum()
    }

    pub(super) fn stop(&self) {
        for task in self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(task).abort_handle();
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    fn subscribers(&self) -> MutexGuard<'_, BTreeMap<String, Subscriber>> {
        self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies the intent, as the answer to the request has been given.
    fn take(&self, subscription: Subscription) {
        let hub = self.clone();
        self.run(async move {
            let id = id(&subscription.topic, &subscription.callback);
            if hub.subscribers().contains_key(&id) {
                let reason = "Subscriber has already registered with the Hub";
                return hub.deny(&subscription, reason).await;
            }
            if hub.0.controls.get().hub_never_verifies {
                return;
            }
            let challenge = uuid();
            let answer = hub.verify("subscribe", &subscription, &challenge).await;
            if answer.as_deref() != Some(challenge.as_bytes()) {
                return hub.deny(&subscription, "Subscription intent verification failed").await;
            }
            let Subscription { topic, callback, secret } = subscription;
            let subscriber = Subscriber { topic, callback, secret, queue: VecDeque::new(), given_up: false };
            {
                let mut subscribers = hub.subscribers();
                // A new record of subscribers starts every delivery again.
                subscribers.values_mut().for_each(|known| known.given_up = false);
                subscribers.insert(id.clone(), subscriber);
            }
            hub.0.changed.send_replace(());
            let deliver = hub.clone();
            hub.run(async move { deliver.deliver(&id).await });
        });
    }

    /// Ends a subscription, with what waits for it, once the subscriber has said that it means it.
    fn end(&self, subscription: Subscription) {
        let hub = self.clone();
        self.run(async move {
            let id = id(&subscription.topic, &subscription.callback);
            let challenge = uuid();
            let answer = hub.verify("unsubscribe", &subscription, &challenge).await;
            if answer.as_deref() == Some(challenge.as_bytes()) {
                hub.subscribers().remove(&id);
                hub.0.changed.send_replace(());
            }
        });
    }
}

/// Stops the hub when the fake is gone.
pub(super) struct StopHub(pub(super) Hub);

impl Drop for StopHub {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.topic")]
    topic: Option<String>,
}

async fn ask(
    State(world): State<Arc<World>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (mode, topic, answer) = match asked.mode.as_deref() {
        Some("publish") => {
            let topic = asked.topic.unwrap_or_default();
            let answer = receive(&world, &headers, &topic, &body);
            ("publish".to_owned(), topic, answer)
        }
        _ => subscribe(&world, &headers, &body),
    };
    let denial = answer.as_ref().err().map(|reason| (*reason).to_owned());
    world.history.hub_call(HubCall { mode, topic, denial });
    match answer {
        Ok(()) => (StatusCode::ACCEPTED, "hub.mode=accepted").into_response(),
        // A denial comes with 200, as from the real one.
        Err(reason) => {
            let reason: String = form_urlencoded::byte_serialize(reason.as_bytes()).collect();
            (StatusCode::OK, format!("hub.mode=denied&hub.reason={reason}")).into_response()
        }
    }
}

/// A message that a partner publishes.
fn receive(world: &World, headers: &HeaderMap, topic: &str, body: &[u8]) -> Result<(), &'static str> {
    check_token(world, headers).map_err(|refusal| refusal.message)?;
    if world.controls.get().hub_denies {
        return Err("not authorized");
    }
    let message: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON")?;
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    if topic != CREDENTIAL_STATUS || text("/topic") != Some(topic) {
        return Err("Topic is not registered with the Hub");
    }
    if text("/event/requestId").is_none() || text("/event/status").is_none() {
        return Err("the event names no request");
    }
    world.history.published(message);
    Ok(())
}

/// Mode, topic, and whether the hub takes it.
fn subscribe(
    world: &Arc<World>,
    headers: &HeaderMap,
    body: &[u8],
) -> (String, String, Result<(), &'static str>) {
    let field = |name: &str| {
        let found = form_urlencoded::parse(body).find(|(field, _)| field == name);
        found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
    };
    let (mode, topic) = (field("hub.mode").unwrap_or_default(), field("hub.topic").unwrap_or_default());
    let subscription = || {
        check_token(world, headers).map_err(|refusal| refusal.message)?;
        if world.controls.get().hub_denies {
            return Err("not authorized");
        }
        if !matches!(mode.as_str(), "subscribe" | "unsubscribe") {
            return Err("hub.mode is none that the hub knows");
        }
        let is_credentials = topic.ends_with("/CREDENTIAL_ISSUED");
        if topic.is_empty() || (topic.contains('/') && !is_credentials) {
            return Err("Topic is not registered with the Hub");
        }
        let callback: Uri = field("hub.callback").and_then(|url| url.parse().ok()).ok_or("no callback")?;
        let secret = field("hub.secret").ok_or("no secret")?.into_bytes();
        let secret = Arc::new(SecretBytes::new(secret));
        let id = id(&topic, &callback);
        if mode == "unsubscribe" && !world.hub.subscribers().contains_key(&id) {
            return Err("Subscriber is not registered with the Hub");
        }
        Ok(Subscription { topic: topic.clone(), callback, secret })
    };
    let taken = subscription().map(|subscription| match mode.as_str() {
        "unsubscribe" => world.hub.end(subscription),
        _ => world.hub.take(subscription),
    });
    (mode, topic, taken)
}

async fn publish(State(world): State<Arc<World>>, Query(asked): Query<Asked>, body: Bytes) -> Response {
    match (asked.topic, serde_json::from_slice(&body)) {
        (Some(topic), Ok(message)) => {
            let reached = world.hub.publish(&topic, &message);
            json_response(StatusCode::OK, &json!({ "subscribers": reached }))
        }
        _ => (StatusCode::BAD_REQUEST, "hub.topic, and a message as JSON").into_response(),
    }
}

/// As the real hub names a subscriber.
fn id(topic: &str, callback: &Uri) -> String {
    format!("{topic}:::{callback}").replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

fn uuid() -> String {
    let hex = HEXLOWER.encode(&random::<16>());
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
