//! MOSIP's hub: subscribed to, believed only under its signature, answered with success whatever it sends, and never in the way of events.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mosip_gateway::clock::Clock;
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::doctor::{self, Level};
use mosip_gateway::simulator::Behaviour;
use mosip_gateway::simulator::hub::PACKET_STATUS;
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::event::BIRTH;
use crate::support::gateway::{HUB_SECRET, secrets};
use crate::support::patience;
use crate::support::vectors::{cases, text};
use crate::support::world::{Hub, Setup, World};

pub(crate) async fn world(behaviour: Behaviour) -> World {
    let behaviour = Behaviour { hub_retry_ms: 1, ..behaviour };
    World::start(Setup { hub: true, behaviour, ..Setup::default() }).await
}

/// The hub as readiness shows it, once `condition` holds of it.
pub(crate) async fn hub_until(world: &World, condition: impl Fn(&Value) -> bool) -> Value {
    patience::until("the hub", async || {
        let (status, readiness) = world.gateway.readiness().await;
        assert_eq!(status, 200, "the hub changes nothing for events");
        let hub = readiness["hub"].clone();
        if condition(&hub) { Ok(hub) } else { Err(hub) }
    })
    .await
}

pub(crate) fn is_subscribed(hub: &Value) -> bool {
    let subscriptions = hub["subscriptions"].as_array().unwrap();
    subscriptions.len() == 3 && subscriptions.iter().all(|subscription| subscription["state"] == "active")
}

/// Posts to the callback as the hub does.
pub(crate) async fn post(world: &World, signatures: &[&str], body: &str) -> Reply {
    post_to(world, Hub::CALLBACK, signatures, body).await
}

pub(crate) async fn post_to(world: &World, path: &str, signatures: &[&str], body: &str) -> Reply {
    let name = HeaderName::from_static("x-hub-signature");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for signature in signatures {
        headers.append(&name, signature.parse().unwrap());
    }
    let url = format!("http://{}{path}", world.gateway.callback);
    world.gateway.request(Method::POST, url, headers, body).await
}

/// A page of the ops listener.
pub(crate) async fn ops(world: &World, route: &str) -> String {
    let url = format!("http://{}{route}", world.gateway.ops);
    let reply = world.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

pub(crate) fn sign(secret: &str, body: &str) -> String {
    let tag = hmac::tag(HmacAlgorithm::Sha256, secret.as_bytes(), &[body.as_bytes()]);
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

pub(crate) async fn quarantine(world: &World) -> Vec<Value> {
    let (_, answer) = world.gateway.get("/v1/quarantine").await;
    answer["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_rejected_packet_reaches_the_mediator_and_a_processed_one_does_not() {
    let mut world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let record = world.simulator.history.record();
    assert!(record.hub_calls.iter().all(|call| call.denial.is_none()), "{:?}", record.hub_calls);
    assert_eq!(world.simulator.hub.publish_result("10001", "PROCESSED"), 1);
    world.simulator.hub.publish_result("10002", "REJECTED");
    let (_, delivery) = world.mediator.next_of("registration.rejected").await;
    assert_eq!(delivery["subject"], json!({ "registrationId": "10002" }));
    assert_eq!(
        (&delivery["data"]["reason"], &delivery["verified"]),
        (&json!("PACKET_REJECTED"), &json!("hub"))
    );
    assert!(!delivery.to_string().contains("somebody"), "whom MOSIP notified is nobody's business");
    let error = json!({
        "topic": Hub::ERRORS,
        "event": { "id": "e1", "data": { "registrationId": "10003", "failureReason": "NIN_NOT_FOUND" } },
    });
    world.simulator.hub.publish(Hub::ERRORS, &error);
    let (_, delivery) = world.mediator.next_of("registration.rejected").await;
    assert_eq!(
        (&delivery["data"]["registrationId"], &delivery["data"]["reason"]),
        (&json!("10003"), &json!("NIN_NOT_FOUND"))
    );
    assert!(quarantine(&world).await.is_empty());
    assert!(
        world.simulator.history.record().hub_deliveries.iter().all(|delivery| delivery.status == Some(200))
    );
}

#[tokio::test]
async fn a_hub_that_is_away_at_the_start_changes_nothing_for_events_and_is_subscribed_to_once_it_is_back() {
    let world = world(Behaviour { hub_denies: true, ..Behaviour::default() }).await;
    let hub = hub_until(&world, |hub| hub["subscriptions"][0]["state"] == "failing").await;
    assert_eq!(hub["subscriptions"][0]["fault"], "partner", "{hub}");
    world.gateway.settle("birth", BIRTH).await;
    world.simulator.controls.set(Behaviour::default());
    hub_until(&world, is_subscribed).await;
}

#[tokio::test]
async fn what_the_hub_delivers_twice_and_out_of_order_is_told_once_each() {
    let mut world =
        world(Behaviour { hub_duplicates: true, hub_reorders: true, ..Behaviour::default() }).await;
    hub_until(&world, is_subscribed).await;
    let ids: Vec<String> = (0..6).map(|index| format!("2000{index}")).collect();
    for id in &ids {
        world.simulator.hub.publish_result(id, "FAILED");
    }
    let last = json!({ "instanceId": "last", "resultCode": "FAILED" });
    patience::until("the queue", async || match world.simulator.hub.waiting() {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    world.simulator.hub.publish(PACKET_STATUS, &last);
    let mut told = Vec::new();
    loop {
        let (_, delivery) = world.mediator.next_of("registration.rejected").await;
        let id = delivery["data"]["registrationId"].as_str().unwrap().to_owned();
        if id == "last" {
            break;
        }
        told.push(id);
    }
    told.sort();
    assert_eq!(told, ids, "each once");
}

#[tokio::test]
async fn a_message_on_a_topic_of_somebody_else_is_kept_and_answered_as_taken() {
    let world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    world.simulator.controls.set(Behaviour { hub_wrong_topic: true, ..Behaviour::default() });
    world.simulator.hub.publish_result("10001", "REJECTED");
    let record = world.simulator.history.wait_until(|record| !record.hub_deliveries.is_empty()).await;
    assert_eq!(record.hub_deliveries[0].status, Some(200));
    let kept = patience::until("the quarantine", async || match quarantine(&world).await {
        kept if kept.is_empty() => Err(()),
        kept => Ok(kept),
    })
    .await;
    assert_eq!(kept[0]["kind"], "hub");
}

#[tokio::test]
async fn the_signatures_that_others_made_are_taken_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.secret");
    std::fs::write(&file, "websub-secret-shared").unwrap();
    let set = vec![("WEBSUB__SECRET_FILE", file.to_str().unwrap())];
    let world = World::start(Setup { hub: true, set, ..Setup::default() }).await;
    for case in cases("hub.json").iter().filter(|case| case["secret"] == "websub-secret-shared") {
        let (body, header) = (text(case, "body"), text(case, "header"));
        let wanted = if case["valid"] == true { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(post(&world, &[header], body).await.status, wanted, "{}", case["name"]);
        let upper = header.split_once('=').map_or_else(
            || header.to_owned(),
            |(method, tag)| format!("{}={}", method.to_uppercase(), tag.to_uppercase()),
        );
        assert_eq!(post(&world, &[&upper], body).await.status, wanted, "{} in capitals", case["name"]);
    }
}

#[tokio::test]
async fn no_signed_body_however_broken_is_answered_with_anything_but_success() {
    let world = world(Behaviour::default()).await;
    let deep = "[".repeat(100_000);
    let large = format!(
        r#"{{"topic":"{}","event":{{"id":"x","data":"{}"}}}}"#,
        Hub::CREDENTIALS,
        "A".repeat(5 << 20)
    );
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "<html>",
        "\u{feff}{}",
        &deep,
        &large,
        r#"{"topic":"opencrvs-partner/CREDENTIAL_ISSUED"}"#,
        r#"{"topic":1,"topic":2}"#,
        r#"{"instanceId":"1","resultCode":"EXPLODED"}"#,
        r#"{"instanceId":{"a":1},"resultCode":[]}"#,
    ];
    for body in bodies {
        let reply = post(&world, &[&sign(HUB_SECRET, body)], body).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0), "{:.40}", body);
    }
    let kept = patience::until("the quarantine", async || match quarantine(&world).await {
        kept if kept.len() == bodies.len() => Ok(kept),
        kept => Err(kept.len()),
    })
    .await;
    assert!(kept.iter().all(|message| message["reason"]["detail"].is_string()), "{kept:?}");
}

#[tokio::test]
async fn of_two_signatures_neither_counts() {
    let world = world(Behaviour::default()).await;
    let body = r#"{"instanceId":"1","resultCode":"REJECTED"}"#;
    let (good, bad) = (sign(HUB_SECRET, body), sign("another", body));
    for signatures in [[good.as_str(), &bad], [&bad, &good], [&good, &good]] {
        assert_eq!(post(&world, &signatures, body).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(post(&world, &[&good], body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_state_of_the_hub_stands_in_metrics_and_on_the_page() {
    let world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let metrics = ops(&world, "/metrics").await;
    for topic in ["credential", "packet_status", "errors"] {
        let line = format!(r#"mosip_gateway_subscription{{topic="{topic}",state="active"}} 1"#);
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(metrics.contains("mosip_gateway_registrations_silent 0"), "{metrics}");
    let page = ops(&world, "/").await;
    assert!(page.contains("MOSIP's hub, ") && page.contains("packet_status"), "{page}");
}

#[tokio::test]
async fn doctor_asks_the_hub_for_each_topic_and_says_what_to_put_right() {
    let world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let keys = std::path::absolute("keys.example").unwrap();
    let text = include_str!("../../deploy/example-hub.toml")
        .replace("http://127.0.0.1:4600", &world.simulator.base_url)
        .replace("127.0.0.1:4547", &world.gateway.callback)
        .replace("../keys.example", keys.to_str().unwrap());
    std::fs::write(&file, text).unwrap();
    let findings = async || {
        let findings = doctor::call(Some(&file), &secrets(), Clock::system()).await;
        let topics = findings.into_iter().filter(|finding| finding.subject.starts_with("websub.topics."));
        let topics: Vec<_> = topics.collect();
        assert_eq!(topics.len(), 3, "{topics:?}");
        topics
    };
    assert!(findings().await.iter().all(|finding| finding.level == Level::Ok));
    world.simulator.controls.set(Behaviour { hub_denies: true, ..Behaviour::default() });
    for finding in findings().await {
        assert_eq!(finding.level, Level::Fail, "{finding:?}");
        assert!(finding.advice.unwrap().contains("websub.token"));
    }
}

#[tokio::test]
async fn a_challenge_comes_back_byte_for_byte_at_the_hubs_address_and_while_our_request_waits_for_it() {
    let world = world(Behaviour { hub_never_verifies: true, ..Behaviour::default() }).await;
    world.simulator.history.wait_until(|record| record.hub_calls.len() == 3).await;
    let ask_at = async |path: &str, mode: &str, topic: &str, challenge: &str| {
        let topic: String = form_urlencoded::byte_serialize(topic.as_bytes()).collect();
        let query =
            format!("hub.mode={mode}&hub.topic={topic}&hub.challenge={challenge}&hub.lease_seconds=1");
        let url = format!("http://{}{path}?{query}", world.gateway.callback);
        world.gateway.request(Method::GET, url, HeaderMap::new(), "").await
    };
    let ask =
        async |mode: &str, topic: &str| ask_at(Hub::CALLBACK, mode, topic, "%3Cb%3E+%2B%25%C3%A9%0A").await;
    let guesses =
        ["/websub/callback", "/websub/callback/", "/websub/callback/0123456789abcdef0123456789abcdee"];
    for path in guesses {
        for mode in ["subscribe", "denied", "hub-error"] {
            let status = ask_at(path, mode, Hub::CREDENTIALS, "x").await.status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path} {mode}");
        }
        for (signature, body) in [(sign(HUB_SECRET, "{}"), "{}"), (sign("another", "{}"), "{}")] {
            let status = post_to(&world, path, &[&signature], body).await.status;
            assert_eq!(status, StatusCode::NOT_FOUND, "a post to {path}");
        }
    }
    let long = ask_at(Hub::CALLBACK, "subscribe", Hub::CREDENTIALS, &"A".repeat(1025)).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    let state = hub_until(&world, |_| true).await["subscriptions"][0]["state"].clone();
    assert_eq!(state, "pending", "nobody has said anything that counts");
    let reply = ask("subscribe", Hub::CREDENTIALS).await;
    assert_eq!((reply.status, std::str::from_utf8(&reply.body).unwrap()), (StatusCode::OK, "<b> +%é\n"));
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    for (mode, topic) in [
        ("subscribe", "another/CREDENTIAL_ISSUED"),
        ("subscribe", ""),
        ("unsubscribe", Hub::CREDENTIALS),
        ("", Hub::CREDENTIALS),
    ] {
        assert_eq!(ask(mode, topic).await.status, StatusCode::NOT_FOUND, "{mode} {topic}");
    }
    assert_eq!(ask("denied", Hub::CREDENTIALS).await.body, "");
    hub_until(&world, |hub| hub["subscriptions"][0]["state"] == "active").await;
    // A denial of a request that waits is shown with its reason.
    let denied = "denied&hub.reason=Topic+is+not%0Aregistered";
    assert_eq!(ask(denied, Hub::ERRORS).await.status, StatusCode::OK);
    let hub = hub_until(&world, |hub| hub["subscriptions"][2]["state"] == "failing").await;
    assert_eq!(hub["subscriptions"][2]["detail"], "MOSIP's hub denied the request: Topic is not registered");
    assert_eq!(hub["subscriptions"][2]["fault"], "partner");
    let page = ops(&world, "/").await;
    assert!(page.contains("Topic is not registered"), "{page}");
}

#[tokio::test]
async fn a_large_message_of_the_hub_waits_for_the_room_that_another_one_takes() {
    let set = vec![("LISTEN__IN_FLIGHT_LIMIT", "24MiB"), ("LISTEN__BODY_LIMIT", "1MiB")];
    let world = World::start(Setup { hub: true, set, ..Setup::default() }).await;
    let body = |id: &str| {
        let event = json!({ "id": id, "data": "A".repeat(4 << 20) });
        json!({ "topic": Hub::CREDENTIALS, "event": event }).to_string()
    };
    // All but its last byte, so that it holds its room.
    let (slow, other) = (body("slow"), body("other"));
    let mut stream = TcpStream::connect(&world.gateway.callback).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Hub-Signature: {}\r\nContent-Length: {}\r\n\r\n",
        Hub::CALLBACK,
        sign(HUB_SECRET, &slow),
        slow.len()
    );
    let (last, rest) = slow.as_bytes().split_last().unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(rest).await.unwrap();
    let signature = sign(HUB_SECRET, &other);
    for _ in 0..3 {
        assert_eq!(post(&world, &[&signature], &other).await.status, StatusCode::OK);
    }
    stream.write_all(&[*last]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
