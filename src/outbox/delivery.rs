//! Deliveries to the mediator: one JSON body, signed as Standard Webhooks says (`id.timestamp.body`, HMAC-SHA256).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::crypto::base64;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::secret::{self, SecretBytes};
use crate::error::{Code, Error, Result};
use crate::upstream::{Client, Request};

/// One message for the mediator. At least once: it drops repeats by `id`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery<'a, D> {
    /// Unique to the message, the same in every attempt.
    pub id: &'a str,
    /// `uin-token.received`, …
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// When it was received here, ISO 8601.
    pub occurred_at: String,
    /// Whom it is about.
    pub subject: Subject<'a>,
    /// The plain message.
    pub data: D,
    /// `signature` or `tls`; `none` under `envelope.danger_accept_unsigned`.
    pub verified: &'a str,
    /// Thumbprint of our key that opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The ids by which the mediator knows a record.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Subject<'a> {
    /// Birth registration number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brn: Option<&'a str>,
}

/// Posts deliveries to `deliver.url`.
pub struct Deliverer {
    client: Client,
    deliver: config::Deliver,
    clock: Clock,
}

/// Only the status of the answer counts.
const MAX_REPLY: usize = 64 << 10;

impl Deliverer {
    /// A deliverer for `[deliver]`.
    pub fn new(client: Client, deliver: config::Deliver, clock: Clock) -> Self {
        Self { client, deliver, clock }
    }

    /// Posts once; anything but 2xx is an error.
    pub async fn deliver<D: Serialize>(&self, delivery: &Delivery<'_, D>) -> Result<()> {
        let refuse =
            |what: String| Error::new(Code::Upstream, what).advise("Check deliver.url and the mediator.");
        let Some(uri) = self.deliver.url.clone() else {
            return Err(refuse("no deliver.url is set".to_owned()));
        };
        let (headers, body) = delivery.request(self.deliver.secret.as_ref(), self.clock.now())?;
        let deadline = self.deliver.deadline;
        let request = Request { method: Method::POST, uri, headers, body, deadline, max_response: MAX_REPLY };
        let reply = self.client.send(request).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        Err(refuse(format!("the mediator answered {}", reply.status.as_u16())))
    }
}

/// A fresh `webhook-id`.
pub fn fresh_id() -> String {
    let random: [u8; 16] = secret::random();
    random.iter().fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

impl<D: Serialize> Delivery<'_, D> {
    /// Headers and body of the post at `now`. Without `secret` it goes unsigned.
    pub fn request(&self, secret: Option<&SecretBytes>, now: Timestamp) -> Result<(HeaderMap, Bytes)> {
        let bug = |_| Error::new(Code::Bug, "a delivery does not serialise");
        let body = serde_json::to_vec(self).map(Bytes::from).map_err(bug)?;
        let timestamp = now.seconds().to_string();
        let mut headers = HeaderMap::new();
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| Error::new(Code::Bug, "a delivery header is not text"))
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", value(self.id)?);
        headers.insert("webhook-timestamp", value(&timestamp)?);
        if let Some(secret) = secret {
            let parts: [&[u8]; 5] = [self.id.as_bytes(), b".", timestamp.as_bytes(), b".", &body];
            let tag = hmac::tag(HmacAlgorithm::Sha256, &signing_key(secret), &parts);
            headers.insert("webhook-signature", value(&format!("v1,{}", base64::encode(&tag)))?);
        }
        Ok((headers, body))
    }
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
        let delivery = Delivery {
            id: "msg_1",
            kind: "uin-token.received",
            occurred_at: Timestamp::from_seconds(0).to_iso(),
            subject: Subject { brn: Some("2026B1") },
            data: (),
            verified: "signature",
            key: None,
        };
        let secret = SecretBytes::new(b"plain".to_vec());
        let (first, body) = delivery.request(Some(&secret), Timestamp::from_seconds(10)).unwrap();
        let (second, again) = delivery.request(Some(&secret), Timestamp::from_seconds(20)).unwrap();
        assert_eq!((first.get("webhook-id"), &body), (second.get("webhook-id"), &again));
        assert_ne!(first.get("webhook-signature"), second.get("webhook-signature"));
        let (unsigned, _) = delivery.request(None, Timestamp::from_seconds(10)).unwrap();
        assert!(unsigned.get("webhook-signature").is_none());
    }
}
