//! One more kind of push: this file is its file in `mosip/`, and its place in [`PushKind::ALL`](super::PushKind::ALL) is its line.

use data_encoding::HEXLOWER;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Identity, Notice, Outcome, PushKind, Topic, Trust};
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::error::Result;
use crate::gateway::fake::Running;
use crate::json::{self, Object};
use crate::mosip::{Attested, Stated, Transport};
use crate::registration::Subject;

/// A registration that another office withdrew.
pub(super) const EXAMPLE: PushKind =
    PushKind { name: "example", topic: Some(Topic { setting: "example", is_like: |_| false }), verify };

fn verify(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    #[derive(Deserialize)]
    struct Withdrawn {
        registration: String,
    }
    let Object(Withdrawn { registration }) = json::read(body)?;
    let notice = Notice {
        kind: "example.withdrawn",
        outcome: Some(Outcome::Rejected),
        subject: Subject { registration_id: Some(registration.clone()), ..Subject::default() },
        identity: Identity::Once(registration),
        data: json!({}),
        uin_token: None,
        receipt: None,
    };
    Ok(Stated::Unsigned(Attested::new(notice, Transport::Hub)))
}

#[tokio::test]
async fn a_kind_of_push_is_one_file_and_one_line() {
    let text = "listen.callback = \"127.0.0.1:0\"\ncallback.require = [\"hub-hmac\"]\n\
                [websub]\nsecret_env = \"HUB_SECRET\"\ntopics = { example = \"WITHDRAWN\" }\n";
    let gateway = Running::start(text, &[("HUB_SECRET", "secret")]).await;
    let push = async |body: &str| {
        let tag = hmac::tag(HmacAlgorithm::Sha256, b"secret", &[body.as_bytes()]);
        let signature = format!("sha256={}", HEXLOWER.encode(&tag));
        let headers = [("x-hub-signature", signature.as_str())];
        gateway.callback(Method::POST, "/websub/callback", &headers, body).await
    };
    let (status, answer) = push(r#"{"topic":"WITHDRAWN","registration":"10001"}"#).await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, ""));
    let message = gateway.first("/v1/inbox").await;
    assert_eq!((&message["type"], &message["verified"]), (&json!("example.withdrawn"), &json!("hub")));
    assert_eq!(message["subject"], json!({ "registrationId": "10001" }));

    // What it does not say is kept under its name.
    assert_eq!(push(r#"{"topic":"WITHDRAWN","registration":7}"#).await.0, StatusCode::OK);
    let kept: Value = gateway.first("/v1/quarantine").await;
    assert_eq!(kept["kind"], "example");
    assert!(kept["reason"]["detail"].as_str().unwrap().ends_with("(at /registration)"), "{kept}");
    let metrics = gateway.ops("/metrics").await;
    let line = r#"mosip_gateway_quarantine_reasons{kind="example",code="field"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    gateway.stop().await;
}
