//! Deliveries to the mediator: one JSON body, signed as Standard Webhooks says (`id.timestamp.body`, HMAC-SHA256), until 2xx.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::time::sleep;

use super::channel::{backoff, longest_backoff};
use super::store::{Store, Undelivered};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::crypto::base64;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::upstream::{Client, Request};

/// Posts what waits to `deliver.url`.
pub struct Deliverer {
    client: Client,
    url: Uri,
    secret: Option<SecretBytes>,
    deadline: Duration,
    clock: Clock,
}

/// Only the status of the answer counts.
const MAX_REPLY: usize = 64 << 10;
/// Messages taken from the store at once.
const BATCH: usize = 16;

impl Deliverer {
    /// For `[deliver]`; none where no URL is set. Without a secret deliveries go unsigned.
    pub fn new(client: Client, deliver: config::Deliver, clock: Clock) -> Option<Self> {
        let config::Deliver { url, secret, deadline } = deliver;
        Some(Self { client, url: url?, secret, deadline, clock })
    }

    /// Delivers what waits in `store`, in order, until dropped. A message that the mediator refuses is put off and holds nobody up.
    pub async fn run(&self, store: &Store) {
        let longest = longest_backoff(self.deadline);
        let mut unanswered = 0;
        loop {
            let told = store.told();
            let due = match store.undelivered(0, BATCH, true).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(
                        code = error.code().as_str(),
                        step = error.operator_detail(),
                        "deliveries cannot be read"
                    );
                    sleep(REST).await;
                    continue;
                }
            };
            if due.is_empty() {
                let alarm = store.next_delivery().await.unwrap_or(Some(REST));
                tokio::select! {
                    () = told => {}
                    () = super::sleep_for(alarm) => {}
                }
            }
            for message in due {
                let posted = self.post(&message).await;
                let settled = match &posted {
                    Ok(()) => store.delivered(message.id.clone()).await,
                    Err(NotTaken { error, .. }) => {
                        tracing::warn!(
                            delivery = message.id,
                            attempts = message.attempts + 1,
                            code = error.code().as_str(),
                            detail = error.detail(),
                            "the mediator did not take a message"
                        );
                        let wait = backoff(message.attempts.saturating_add(1), longest);
                        let next_at = store.uptime() + wait;
                        store.deliver_again(message.id.clone(), next_at).await
                    }
                };
                if let Err(error) = settled {
                    // It goes out again: the mediator drops repeats by id.
                    tracing::error!(
                        delivery = message.id,
                        code = error.code().as_str(),
                        "a delivery cannot be settled"
                    );
                    sleep(REST).await;
                }
                if matches!(posted, Err(NotTaken { answered: false, .. })) {
                    // Nobody is there, so the others would fare no better.
                    unanswered += 1;
                    sleep(Duration::from_millis(backoff(unanswered, longest).unsigned_abs())).await;
                    break;
                }
                unanswered = 0;
            }
        }
    }

    /// Posts once; anything but 2xx is an error.
    async fn post(&self, message: &Undelivered) -> Result<(), NotTaken> {
        let headers = headers(&message.id, &message.body, self.secret.as_ref(), self.clock.now())
            .map_err(|error| NotTaken { error, answered: true })?;
        let body = Bytes::copy_from_slice(&message.body);
        let (uri, deadline) = (self.url.clone(), self.deadline);
        let request = Request { method: Method::POST, uri, headers, body, deadline, max_response: MAX_REPLY };
        let reply = self
            .client
            .send(request)
            .await
            .map_err(|failure| NotTaken { error: failure.into(), answered: false })?;
        if reply.status.is_success() {
            return Ok(());
        }
        let what = format!("the mediator answered {}", reply.status.as_u16());
        let error = Error::new(Code::Upstream, what).advise("Check deliver.url and the mediator.");
        Err(NotTaken { error, answered: true })
    }
}

/// Why the mediator does not have a message.
struct NotTaken {
    error: Error,
    /// It was there and said no.
    answered: bool,
}

/// How long the loop rests when the store refuses.
const REST: Duration = Duration::from_secs(1);

/// Headers of the post of `body` under `id` at `now`.
fn headers(id: &str, body: &[u8], secret: Option<&SecretBytes>, now: Timestamp) -> Result<HeaderMap> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Error::new(Code::Bug, "a delivery header is not text"))
    };
    let timestamp = now.seconds().to_string();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", value(id)?);
    headers.insert("webhook-timestamp", value(&timestamp)?);
    if let Some(secret) = secret {
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let tag = hmac::tag(HmacAlgorithm::Sha256, &signing_key(secret), &parts);
        headers.insert("webhook-signature", value(&format!("v1,{}", base64::encode(&tag)))?);
    }
    Ok(headers)
}

/// Standard Webhooks writes secrets as `whsec_` and base64; a secret of another form is taken as it stands.
fn signing_key(secret: &SecretBytes) -> zeroize::Zeroizing<Vec<u8>> {
    let raw = secret.expose();
    let decoded = raw.strip_prefix(b"whsec_").and_then(|text| base64::decode(text).ok());
    zeroize::Zeroizing::new(decoded.unwrap_or_else(|| raw.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = SecretBytes::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec());
        let parts: [&[u8]; 1] = [br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#];
        let tag = hmac::tag(HmacAlgorithm::Sha256, &signing_key(&secret), &parts);
        assert_eq!(base64::encode(&tag), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_attempt_repeats_the_id_and_signs_the_moment() {
        let secret = SecretBytes::new(b"plain".to_vec());
        let at = |seconds| headers("msg_1", b"{}", Some(&secret), Timestamp::from_seconds(seconds)).unwrap();
        let (first, second) = (at(10), at(20));
        assert_eq!(first.get("webhook-id"), second.get("webhook-id"));
        assert_ne!(first.get("webhook-signature"), second.get("webhook-signature"));
        let unsigned = headers("msg_1", b"{}", None, Timestamp::from_seconds(10)).unwrap();
        assert!(unsigned.get("webhook-signature").is_none());
    }
}
