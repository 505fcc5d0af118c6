//! Faces that are off, and the hub's callback: signed over the raw body or refused, and what is refused is not stored.

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, Running};
use data_encoding::HEXLOWER;
use http::{HeaderMap, Method, StatusCode};
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::upstream::Reply;

const SECRET: &str = "example webhook secret";

struct Home {
    dir: tempfile::TempDir,
    gateway: Running,
}

/// A gateway with the hub's callback.
async fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("webhook.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let text = EXAMPLE.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let outbox = dir.path().join("outbox.db").display().to_string();
    let set = [
        ("OUTBOX__PATH", outbox.as_str()),
        ("WEBSUB__SECRET_FILE", secret.to_str().unwrap()),
        ("WEBSUB__TOPIC", "opencrvs-partner/CREDENTIAL_ISSUED"),
    ];
    let gateway = Running::start_under(&text, &set).await;
    Home { dir, gateway }
}

fn signed(body: &str, method: &str, algorithm: HmacAlgorithm) -> String {
    let tag = hmac::tag(algorithm, SECRET.as_bytes(), &[body.as_bytes()]);
    format!("{method}={}", HEXLOWER.encode(&tag))
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

    fn hub(&self) -> String {
        format!("http://{}/websub/callback", self.gateway.callback)
    }
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
