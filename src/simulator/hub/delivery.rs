//! The requests of the hub to a callback: verifications of an intent, denials, messages.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use form_urlencoded::byte_serialize;
use http::header::{CONTENT_TYPE, LINK};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{Hub, PATH, Subscription};
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::SecretBytes;
use crate::simulator::behaviour::Behaviour;
use crate::simulator::history::HubDelivery;

/// Time for a callback to answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// Attempts to deliver a message; then the subscriber is given up.
const ATTEMPTS: u32 = 3;
/// Largest answer of a callback, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// A request and its receiver.
struct Post {
    topic: String,
    callback: Uri,
    secret: Arc<SecretBytes>,
    messages: Vec<Value>,
    /// How many messages of the queue these are.
    taken: usize,
}

impl Hub {
    /// The body of a callback that answers 2xx to the question whether it meant `mode`.
    pub(super) async fn verify(
        &self,
        mode: &str,
        subscription: &Subscription,
        challenge: &str,
    ) -> Option<Bytes> {
        let query = [
            ("hub.mode", mode),
            ("hub.topic", &subscription.topic),
            ("hub.challenge", challenge),
            ("hub.lease_seconds", "86400"),
        ];
        self.get(&subscription.callback, &query).await
    }

    pub(super) async fn deny(&self, subscription: &Subscription, reason: &str) {
        let query = [("hub.mode", "denied"), ("hub.topic", &subscription.topic), ("hub.reason", reason)];
        self.get(&subscription.callback, &query).await;
    }

    async fn get(&self, callback: &Uri, query: &[(&str, &str)]) -> Option<Bytes> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", byte_serialize(value.as_bytes()).collect::<String>()))
            .collect();
        let separator = if callback.query().is_some() { '&' } else { '?' };
        let uri: Uri = format!("{callback}{separator}{}", query.join("&")).parse().ok()?;
        let request = Request::builder().method(Method::GET).uri(uri).body(Full::default()).ok()?;
        let reply = timeout(DEADLINE, self.0.http.request(request)).await.ok()?.ok()?;
        let is_success = reply.status().is_success();
        let body = Limited::new(reply.into_body(), MAX_ANSWER).collect().await.ok()?.to_bytes();
        is_success.then_some(body)
    }

    /// Delivers the messages of the subscriber `id`, for as long as it is subscribed.
    pub(super) async fn deliver(self, id: &str) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let Some(post) = self.next(id) else {
                let is_subscribed = self.subscribers().contains_key(id);
                if !is_subscribed || changed.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let outcome = self.post_all(&post).await;
            let mut subscribers = self.subscribers();
            let Some(subscriber) = subscribers.get_mut(id) else { return };
            match outcome {
                Delivered::Taken => drop(subscriber.queue.drain(..post.taken)),
                Delivered::Refused => subscriber.given_up = true,
                Delivered::Gone => drop(subscribers.remove(id)),
            }
            drop(subscribers);
            self.0.changed.send_replace(());
        }
    }

    fn next(&self, id: &str) -> Option<Post> {
        let behaviour = self.0.controls.get();
        let subscribers = self.subscribers();
        let subscriber = subscribers.get(id).filter(|subscriber| !subscriber.given_up)?;
        let taken = subscriber.queue.len().min(if behaviour.hub_reorders { 2 } else { 1 });
        let mut messages: Vec<Value> = subscriber.queue.iter().take(taken).cloned().collect();
        if messages.is_empty() {
            return None;
        }
        messages.reverse();
        if behaviour.hub_duplicates {
            messages.extend(messages.clone());
        }
        let (topic, callback) = (subscriber.topic.clone(), subscriber.callback.clone());
        Some(Post { topic, callback, secret: Arc::clone(&subscriber.secret), messages, taken })
    }

    async fn post_all(&self, post: &Post) -> Delivered {
        for message in &post.messages {
            let mut attempt = 1;
            loop {
                let behaviour = self.0.controls.get();
                let status = self.post(post, message, &behaviour).await;
                let id = message.pointer("/event/id").and_then(Value::as_str).map(str::to_owned);
                self.0.history.hub_delivery(HubDelivery { topic: post.topic.clone(), id, attempt, status });
                match status {
                    Some(200..300) => break,
                    Some(410) => return Delivered::Gone,
                    _ if attempt == ATTEMPTS => return Delivered::Refused,
                    _ => {}
                }
                // 3 s, doubling, in the field.
                sleep(Duration::from_millis(behaviour.hub_retry_ms) * attempt).await;
                attempt += 1;
            }
        }
        Delivered::Taken
    }

    async fn post(&self, post: &Post, message: &Value, behaviour: &Behaviour) -> Option<u16> {
        let body = written_anew(message, behaviour);
        let other: &[u8] = if behaviour.hub_wrong_hmac { b" " } else { b"" };
        let tag = hmac::tag(HmacAlgorithm::Sha256, post.secret.expose(), &[body.as_bytes(), other]);
        let hex = HEXLOWER.encode(&tag);
        let link = format!("<{PATH}>; rel=\"hub\", <{}>; rel=\"self\"", post.topic);
        let request = Request::builder()
            .method(Method::POST)
            .uri(post.callback.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(LINK, link)
            .header("X-Hub-Signature", format!("sha256={hex}"))
            .body(Full::from(body))
            .ok()?;
        let reply = timeout(DEADLINE, self.0.http.request(request)).await.ok()?.ok()?;
        Some(reply.status().as_u16())
    }
}

enum Delivered {
    /// All are.
    Taken,
    /// One was refused three times.
    Refused,
    /// The callback answered 410.
    Gone,
}

/// The hub keeps messages as values and serialises them again, so that the white space differs from that of the publisher.
fn written_anew(message: &Value, behaviour: &Behaviour) -> String {
    let mut message = message.clone();
    if let (true, Some(members)) = (behaviour.hub_wrong_topic, message.as_object_mut()) {
        members.insert("topic".to_owned(), "another-partner/CREDENTIAL_ISSUED".into());
    }
    format!(" {message:#}\n")
}
