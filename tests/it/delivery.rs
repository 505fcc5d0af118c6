//! Pushes that do not get through: because the mediator fails, or because they do not verify.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::gateway::{EXAMPLE, Running};
use crate::support::mediator::{Manner, Mediator, Reserved};
use crate::support::mosip::{Push, private_key};
use http::StatusCode;
use mosip_gateway::crypto::base64;
use mosip_gateway::upstream::Reply;
use serde_json::json;
use tokio::sync::Notify;

/// What MOSIP's side hears, whatever becomes of its push: it posts once and forgets.
fn assert_taken(reply: &Reply) {
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b""[..]));
}

/// A push meets `manner`, and a second one does; once the mediator takes deliveries again, it gets both.
async fn survives(manner: Manner) {
    let mut mediator = Mediator::start();
    let gateway = Running::start(&[("DELIVER__URL", &mediator.url), ("DELIVER__DEADLINE", "1s")]).await;
    mediator.set(manner);
    assert_taken(&gateway.push(&Push::new("1").body()).await);
    let (first, delivery) = mediator.next().await;
    assert_eq!(delivery["data"]["uinToken"], "1");

    mediator.set(Manner::Takes);
    assert_taken(&gateway.push(&Push::new("2").body()).await);
    let mut ids = BTreeMap::new();
    while ids.len() < 2 {
        let (headers, delivery) = mediator.next().await;
        let token = delivery["data"]["uinToken"].as_str().unwrap().to_owned();
        ids.insert(token, headers["webhook-id"].clone());
    }
    assert_eq!(ids["1"], first["webhook-id"], "a repeat is known by its id");
    gateway.until("/v1/inbox", |inbox| inbox["messages"] == json!([])).await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_comes_while_the_mediator_is_down_is_delivered_when_it_is_back_even_by_another_process() {
    let reserved = Reserved::new();
    let mut gateway = Running::start(&[("DELIVER__URL", &reserved.url())]).await;
    assert_taken(&gateway.push(&Push::new("1").body()).await);
    gateway.restart(&[]).await;
    assert_taken(&gateway.push(&Push::new("2").body()).await);
    gateway.until("/v1/inbox", |inbox| inbox["messages"].as_array().unwrap().len() == 2).await;

    let mut mediator = reserved.open();
    let mut tokens = [mediator.uin_token().await, mediator.uin_token().await];
    tokens.sort();
    assert_eq!(tokens, ["1", "2"]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_mediator_that_answers_no_success_is_survived() {
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST, StatusCode::NOT_MODIFIED] {
        survives(Manner::Refuses(status)).await;
    }
}

#[tokio::test]
async fn a_mediator_that_never_answers_is_survived() {
    survives(Manner::Hangs).await;
}

/// The push of this UINTOKEN, about the birth `brn`.
fn push_about(brn: &str, uin_token: &str) -> String {
    let key = private_key("keys.example/simulator/mosip-priv.key");
    Push::holding(&key, &json!({"uinToken": uin_token, "opencrvsBRN": brn}).to_string()).body()
}

#[tokio::test]
async fn a_message_without_an_answer_holds_up_its_own_subject_and_no_other() {
    let mut mediator = Mediator::start();
    let gateway = Running::start(&[
        ("DELIVER__URL", &mediator.url),
        ("DELIVER__CONCURRENCY", "2"),
        ("DELIVER__DEADLINE", "60s"),
    ])
    .await;
    let answer = Arc::new(Notify::new());
    mediator.set(Manner::Waits(Arc::clone(&answer)));
    assert_taken(&gateway.push(&push_about("A", "first of A")).await);
    assert_eq!(mediator.uin_token().await, "first of A");

    mediator.set(Manner::Takes);
    assert_taken(&gateway.push(&push_about("A", "second of A")).await);
    gateway.until("/v1/inbox", |inbox| inbox["messages"].as_array().unwrap().len() == 2).await;
    assert_taken(&gateway.push(&push_about("B", "first of B")).await);
    assert_eq!(mediator.uin_token().await, "first of B");
    gateway.until("/v1/inbox", |inbox| inbox["messages"].as_array().unwrap().len() == 2).await;
    assert!(mediator.deliveries.try_recv().is_err(), "the second of A overtook the first");

    answer.notify_one();
    assert_eq!(mediator.uin_token().await, "second of A");
    gateway.until("/v1/inbox", |inbox| inbox["messages"] == json!([])).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_redirect_of_the_mediator_is_not_followed() {
    let mut elsewhere = Mediator::start();
    survives(Manner::Redirects(elsewhere.url.clone())).await;
    assert!(elsewhere.deliveries.try_recv().is_err(), "a UINTOKEN went where nobody configured");
}

#[tokio::test]
async fn a_push_that_does_not_verify_is_kept_and_never_delivered_and_all_are_answered_alike() {
    let mut mediator = Mediator::start();
    let gateway = Running::start(&[("DELIVER__URL", &mediator.url)]).await;
    let cases = unverifiable();
    for (_, body) in &cases {
        assert_taken(&gateway.push(body).await);
    }
    assert_taken(&gateway.push(&Push::new("good").body()).await);
    assert_eq!(mediator.uin_token().await, "good", "something before it was delivered");

    let (_, quarantine) = gateway.get("/v1/quarantine").await;
    let kept = quarantine["messages"].as_array().unwrap();
    assert_eq!(kept.len(), cases.len());
    for ((why, body), kept) in cases.iter().zip(kept) {
        assert_eq!((&kept["kind"], &kept["bytes"]), (&json!("birth-nid"), &json!(body.len())), "{why}");
        assert!(kept["reason"]["code"].is_string() && kept["reason"]["advice"].is_string(), "{why}: {kept}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_push_under_an_unknown_thumbprint_is_never_delivered_where_such_are_rejected() {
    let mut mediator = Mediator::start();
    let rejecting = EXAMPLE.replace(r#"unknown_thumbprint = "try""#, r#"unknown_thumbprint = "reject""#);
    let gateway = Running::start_under(&rejecting, &[("DELIVER__URL", &mediator.url)]).await;
    let push = with_envelope(Push::new("1"), |envelope| envelope[THUMBPRINT] ^= 1);
    assert_taken(&gateway.push(&push).await);
    assert_taken(&gateway.push(&Push::new("2").body()).await);
    assert_eq!(mediator.uin_token().await, "2");
    let (_, quarantine) = gateway.get("/v1/quarantine").await;
    assert_eq!(quarantine["messages"][0]["reason"]["code"], "unknown-key", "{quarantine}");
    gateway.stop().await;
}

/// Where parts of a VER_R2 envelope to a 2048-bit key begin.
const THUMBPRINT: usize = 6;
const WRAPPED_KEY: usize = THUMBPRINT + 32;
const SPLITTER: usize = WRAPPED_KEY + 256;
const AAD: usize = SPLITTER + 14;
const CIPHERTEXT: usize = AAD + 32;

fn unverifiable() -> Vec<(&'static str, String)> {
    let stranger = private_key("tests/vectors/keys/stranger.key.pem");
    let mosip = private_key("keys.example/simulator/mosip-priv.key");
    let (good, other) = (Push::new("1"), Push::new("2"));
    let mut cases = vec![
        ("signed by a stranger", Push::signed_by(&stranger, "1").body()),
        ("signed, and no UINTOKEN inside", Push::holding(&mosip, r#"{"uinToken":7}"#).body()),
        ("the signature of another push", Push { signature: other.signature, ..Push::new("1") }.body()),
        ("a signature that is not base64", Push { signature: "#".to_owned(), ..Push::new("1") }.body()),
        ("an empty signature", Push { signature: String::new(), ..Push::new("1") }.body()),
        ("data that is not base64", Push { data: "#".to_owned(), ..Push::new("1") }.body()),
        ("no data", r#"{"signature":"AAAA"}"#.to_owned()),
        ("not JSON", "<html>".to_owned()),
        ("nothing", String::new()),
        ("truncated", good.body()[..good.body().len() / 2].to_owned()),
        ("no envelope", Push { data: base64::encode_url(&[7; 600]), ..Push::new("1") }.body()),
    ];
    for (why, at) in [
        ("a bit of the wrapped key", WRAPPED_KEY),
        ("a bit of the splitter", SPLITTER),
        ("a bit of the nonce", AAD),
        ("a bit of the ciphertext", CIPHERTEXT),
    ] {
        cases.push((why, with_envelope(Push::new("1"), |envelope| envelope[at] ^= 1)));
    }
    cases.push(("a bit of the tag", with_envelope(good, |envelope| *envelope.last_mut().unwrap() ^= 1)));
    cases
}

fn with_envelope(push: Push, alter: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut envelope = base64::decode(push.data.as_bytes()).unwrap();
    alter(&mut envelope);
    Push { data: base64::encode_url(&envelope), ..push }.body()
}
