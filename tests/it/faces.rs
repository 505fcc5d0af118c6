//! Routes that stand in for older systems, and the hub's: signed over the raw body or refused, and what is refused is not stored.

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, Running};
use http::{HeaderMap, Method, StatusCode};
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};

const SECRET: &str = "example webhook secret";

struct Home {
    dir: tempfile::TempDir,
    gateway: Running,
}

/// A gateway with the face `/webhooks` on, and the hub's callback.
async fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("webhook.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let text = EXAMPLE.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let outbox = dir.path().join("outbox.db").display().to_string();
    let set = [
        ("OUTBOX__PATH", outbox.as_str()),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__WEBHOOK_SECRET_FILE", secret.to_str().unwrap()),
        ("WEBSUB__SECRET_FILE", secret.to_str().unwrap()),
        ("WEBSUB__TOPIC", "opencrvs-partner/CREDENTIAL_ISSUED"),
    ];
    let gateway = Running::start_under(&text, &set).await;
    Home { dir, gateway }
}

fn signed(body: &str, method: &str, algorithm: HmacAlgorithm) -> String {
    let tag = hmac::tag(algorithm, SECRET.as_bytes(), &[body.as_bytes()]);
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method}={hex}")
}

impl Home {
    async fn post(&self, url: &str, signature: Option<&str>, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        if let Some(signature) = signature {
            headers.insert("x-hub-signature", signature.parse().unwrap());
        }
        self.gateway.request(Method::POST, url.to_owned(), headers, body).await
    }

    async fn get(&self, url: &str) -> Reply {
        self.gateway.request(Method::GET, url.to_owned(), HeaderMap::new(), "").await
    }

    fn webhooks(&self) -> String {
        format!("http://{}/webhooks", self.gateway.api)
    }

    fn hub(&self) -> String {
        format!("http://{}/websub/callback", self.gateway.callback)
    }

    async fn stored(&self) -> usize {
        let reply = self.get(&format!("http://{}/v1/events", self.gateway.api)).await;
        serde_json::from_slice::<Value>(&reply.body).unwrap()["events"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_signed_webhook_is_stored_under_the_kind_of_its_topic() {
    let home = home().await;
    for (method, algorithm) in
        [("sha256", HmacAlgorithm::Sha256), ("sha1", HmacAlgorithm::Sha1), ("SHA512", HmacAlgorithm::Sha512)]
    {
        let reply = home.post(&home.webhooks(), Some(&signed(BIRTH, method, algorithm)), BIRTH).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED);
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(answer["id"], "3b1c2f40-0000-4000-8000-000000000001");
    }
    assert_eq!(home.stored().await, 1, "a repeat is the same event");
    let death = BIRTH
        .replace("BIRTH_REGISTERED", "DEATH_REGISTERED")
        .replace("Composition/3b1c2f40", "Composition/4b1c2f40");
    home.post(&home.webhooks(), Some(&signed(&death, "sha256", HmacAlgorithm::Sha256)), &death).await;
    let reply = home
        .get(&format!("http://{}/v1/events/4b1c2f40-0000-4000-8000-000000000001", home.gateway.api))
        .await;
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap()["kind"], "death");
}

#[tokio::test]
async fn an_unsigned_or_wrongly_signed_webhook_is_refused_and_not_stored() {
    let home = home().await;
    let good = signed(BIRTH, "sha256", HmacAlgorithm::Sha256);
    let other = signed("other", "sha256", HmacAlgorithm::Sha256);
    let unnamed = good.trim_start_matches("sha256=").to_owned();
    for signature in
        [None, Some(other.as_str()), Some("sha256="), Some("md5=00"), Some(&unnamed), Some(&good[..20])]
    {
        let reply = home.post(&home.webhooks(), signature, BIRTH).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{signature:?}");
    }
    let spaced = format!("{BIRTH} ");
    assert_eq!(home.post(&home.webhooks(), Some(&good), &spaced).await.status, StatusCode::UNAUTHORIZED);
    let large = "x".repeat((1 << 20) + 1);
    let reply =
        home.post(&home.webhooks(), Some(&signed(&large, "sha256", HmacAlgorithm::Sha256)), &large).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(home.stored().await, 0);
}

#[tokio::test]
async fn a_topic_of_no_kind_is_refused_at_its_pointer() {
    let home = home().await;
    let body = BIRTH.replace("BIRTH_REGISTERED", "MARRIAGE_REGISTERED");
    let reply =
        home.post(&home.webhooks(), Some(&signed(&body, "sha256", HmacAlgorithm::Sha256)), &body).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap()["pointer"], "/event/hub/topic");
}

#[tokio::test]
async fn opencrvs_has_its_subscription_confirmed() {
    let home = home().await;
    let reply =
        home.get(&format!("{}?mode=subscribe&topic=BIRTH_REGISTERED&challenge=a%20b", home.webhooks())).await;
    assert_eq!(
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap()),
        (StatusCode::OK, json!({ "challenge": "a b" }))
    );
    let reply = home.get(&format!("{}?mode=unsubscribe&topic=t&challenge=c", home.webhooks())).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_face_that_is_off_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = dir.path().join("outbox.db").display().to_string();
    let gateway = Running::start(&[("OUTBOX__PATH", &outbox)]).await;
    assert_eq!(gateway.call("/webhooks", "application/json", BIRTH).await.status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_of_the_hub_is_stored_only_if_the_hub_signed_it() {
    let home = home().await;
    let body = r#"{"event":{"id":"1"}}"#;
    let good = signed(body, "sha256", HmacAlgorithm::Sha256);
    for url in [home.hub(), format!("{}/", home.hub()), format!("{}/unguessable", home.hub())] {
        assert_eq!(home.post(&url, None, body).await.status, StatusCode::UNAUTHORIZED);
        let reply = home.post(&url, Some(&good), body).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b""[..]), "{url}");
    }
}

#[tokio::test]
async fn the_hub_has_our_own_topic_confirmed_and_no_other() {
    let home = home().await;
    let ask = |topic: &str| {
        format!("{}?hub.mode=subscribe&hub.topic={topic}&hub.challenge=c-1&hub.lease_seconds=9", home.hub())
    };
    let reply = home.get(&ask("opencrvs-partner%2FCREDENTIAL_ISSUED")).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"c-1"[..]));
    assert_eq!(home.get(&ask("another")).await.status, StatusCode::NOT_FOUND);
    let denied = format!("{}?hub.mode=denied&hub.reason=x", home.hub());
    assert_eq!(home.get(&denied).await.status, StatusCode::OK);
    assert!(home.dir.path().exists());
}
