//! Whatever MOSIP's side does with an event: it waits under a fault that says who has to act, in time, and the next event goes
//! through.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::event::{BIRTH, birth};
use crate::support::fake::{Fake, Then};
use crate::support::gateway::Running;
use crate::support::mediator::Reserved;
use crate::support::world::{Setup, World};
use serde_json::{Value, json};

/// A gateway whose births go to `fake`, and whose tokens and application ids come from the simulator.
async fn with_births_at(fake: &Fake) -> World {
    let set = vec![
        ("UPSTREAM__MEDIATOR__BIRTH", fake.url.as_str()),
        ("UPSTREAM__MEDIATOR__DEADLINE", "1s"),
        ("UPSTREAM__PROBE_INTERVAL", "1s"),
    ];
    World::start(Setup { set, ..Setup::default() }).await
}

/// Posts a birth that MOSIP refuses: it is taken, and waits with the fault. Taken out again, so that the next case stands alone.
async fn refused(gateway: &Running, fault: &str, why: &str) -> Value {
    let id = gateway.accept("birth", &birth(&composition())).await;
    let event = gateway.failed_event(&id).await;
    assert_eq!(event["lastFault"]["fault"], fault, "{why}: {event}");
    assert!(event["lastFault"]["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{why}");
    let mut discarded = gateway.discard(&id).await;
    discarded["lastFault"] = event["lastFault"].clone();
    discarded
}

/// One that no other birth of these tests has.
fn composition() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("c{}", COUNT.fetch_add(1, Ordering::SeqCst))
}

#[tokio::test]
async fn an_answer_that_is_broken_is_upstreams_fault() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    let oversize = vec![b' '; (1 << 20) + 1];
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", oversize.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", oversize.len());
    let cases = [
        ("a body that ends too early", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"resp".to_vec()),
        ("a head that ends too early", b"HTTP/1.1 200 OK\r\nConte".to_vec()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("an announced body beyond the limit", [declared.as_bytes(), &oversize].concat()),
        ("a growing body beyond the limit", [chunked.as_bytes(), &oversize].concat()),
    ];
    for (why, answer) in cases {
        fake.answers(answer, Then::Closes);
        let event = refused(&world.gateway, "upstream", why).await;
        let fault = &event["lastFault"];
        assert_eq!((&fault["code"], fault.get("upstream")), (&json!("upstream"), None), "{why}");
        assert_eq!(json!(fake.take_ids().len()), event["attempts"], "{why}: sent again within an attempt");
    }
    fake.accepts();
    world.gateway.settle("birth", BIRTH).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_is_upstreams_fault_at_the_deadline() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"resp"] {
        fake.answers(begun, Then::Hangs);
        let event = refused(&world.gateway, "upstream", begun).await;
        assert!(event["lastFault"]["detail"].as_str().unwrap().contains("1000 ms"), "{event}");
    }
    fake.accepts();
    world.gateway.settle("birth", BIRTH).await;
}

#[tokio::test]
async fn a_refused_connection_is_upstreams_fault() {
    let nobody = Reserved::new();
    let birth = nobody.url();
    let world =
        World::start(Setup { set: vec![("UPSTREAM__MEDIATOR__BIRTH", &birth)], ..Setup::default() }).await;
    let fault = &refused(&world.gateway, "upstream", "refused").await["lastFault"];
    assert!(fault["detail"].as_str().unwrap().contains("refused"), "{fault}");
    assert!(fault["advice"].as_str().unwrap().contains("the configuration"), "{fault}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (fake, elsewhere) = (Fake::start().await, Fake::start().await);
    let world = with_births_at(&fake).await;
    elsewhere.accepts();
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let head = format!(
            "HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            elsewhere.url
        );
        fake.answers(head, Then::Closes);
        refused(&world.gateway, "partner", status).await;
    }
    assert_eq!(elsewhere.take_ids().len(), 0, "an event went where nobody configured");
}

#[tokio::test]
async fn mosips_own_code_is_told_whatever_the_status_and_its_words_are_not_kept() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    let cases = [
        ("200 OK", "OPN-CRVS-026", "upstream"),
        ("500 Internal Server Error", "OPN-CRVS-010", "upstream"),
        ("400 Bad Request", "OPN-CRVS-022", "upstream"),
        ("200 OK", "KER-KMS-025", "keys"),
        ("403 Forbidden", "OPN-AUT-003", "partner"),
    ];
    for (status, code, fault) in cases {
        let words = json!({"errors": [{"errorCode": code, "errorMessage": "in MOSIP's words"}]});
        fake.answers_json(status, &words.to_string());
        let event = refused(&world.gateway, fault, code).await;
        assert_eq!(event["lastFault"]["upstream"], code, "{status}");
        assert!(!event.to_string().contains("in MOSIP's words"), "{event}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_again_is_the_partners_fault_after_two_posts() {
    let fake = Fake::start().await;
    let world = World::start(Setup {
        set: vec![("UPSTREAM__MEDIATOR__BIRTH", fake.url.as_str())],
        ..Setup::default()
    })
    .await;
    fake.answers_json("401 Unauthorized", "{}");
    let event = refused(&world.gateway, "partner", "401").await;
    assert_eq!(event["attempts"], 1, "the channel is paused");
    assert_eq!(fake.take_ids().len(), 2);
    assert_eq!(world.simulator.history.record().tokens_issued, 2);
}

#[tokio::test]
async fn an_event_goes_with_a_token_or_not_at_all() {
    let fake = Fake::start().await;
    let world = World::start(Setup {
        set: vec![("UPSTREAM__TOKEN__URL", &fake.url), ("UPSTREAM__MEDIATOR__DEADLINE", "1s")],
        ..Setup::default()
    })
    .await;
    for body in ["<html>login</html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
        fake.answers_json("200 OK", body);
        refused(&world.gateway, "upstream", body).await;
    }
    fake.answers("", Then::Hangs);
    refused(&world.gateway, "upstream", "silence").await;
    let unauthorized = r#"{"error":"unauthorized_client","error_description":"Invalid client"}"#;
    fake.answers_json("401 Unauthorized", unauthorized);
    let event = refused(&world.gateway, "partner", "a wrong secret").await;
    assert!(event["lastFault"]["advice"].as_str().unwrap().contains("upstream.token"), "{event}");
    let record = world.simulator.history.record();
    assert!(record.accepted.is_empty() && record.refused.is_empty(), "something went without a token");
}
