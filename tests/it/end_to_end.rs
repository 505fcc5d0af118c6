//! The whole way through the listeners: a mediator posts a plain birth, the simulator takes it sealed and signed and pushes a sealed
//! UINTOKEN, and the mediator receives it in plain JSON. Nothing of it is logged.

use crate::support::event::{BIRTH, BRN, COMPOSITION, birth};
use crate::support::gateway::SECRET;
use crate::support::logs::Logs;
use crate::support::world::{Setup, World};
use http::StatusCode;
use mosip_gateway::simulator::Behaviour;
use serde_json::json;

#[tokio::test]
async fn a_birth_goes_there_and_back_through_the_listeners_and_nothing_of_it_is_logged() {
    let logs = Logs::from_here();
    let mut world = World::start(Setup::default()).await;

    let settled = world.gateway.settle("birth", BIRTH).await;
    let id = settled["id"].as_str().unwrap();
    let accepted = world.simulator.history.accepted(id).unwrap();
    assert_eq!(accepted.aid.as_deref(), settled["aid"].as_str());
    let told = world.mediator.next_of("aid.assigned").await.1;
    assert_eq!(
        (&told["data"]["aid"], &told["subject"]["compositionId"]),
        (&settled["aid"], &json!(COMPOSITION))
    );

    let (headers, delivery) = world.mediator.next_of("uin-token.received").await;
    let token = delivery["data"]["uinToken"].as_str().unwrap();
    assert_eq!((&delivery["subject"]["brn"], &delivery["verified"]), (&json!(BRN), &json!("signature")));
    assert_eq!(headers["webhook-id"], delivery["id"].as_str().unwrap());
    let record = world.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
    assert_eq!((record.pushes[0].uin_token.as_str(), record.pushes[0].status), (token, Some(200)));

    // Refusals log more than successes do.
    world.gateway.post_birth(&BIRTH.replace("Composition/", "Ada/")).await;
    let push = format!(r#"{{"data":"{token}"}}"#);
    world.gateway.push_with(None, &push).await;
    world.gateway.push(&push).await;
    world.gateway.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    world
        .simulator
        .controls
        .set(Behaviour { errors_in_200: Some("OPN-SUB-001".to_owned()), ..Behaviour::default() });
    let refused = world.gateway.accept("birth", &BIRTH.replace("\"Ada\"", "\"Ada\", \"Mary\"")).await;
    world.gateway.failed_event(&refused).await;

    world.gateway.stop().await;
    let logs = logs.text();
    for line in ["request refused", "/v1/events/{id}", "an attempt failed", "a push does not verify"] {
        assert!(logs.contains(line), "{line}: {logs}");
    }
    let password = std::fs::read_to_string("keys.example/keystore.password").unwrap();
    for secret in ["Ada", "Example", "2025-12-30", BRN, token, SECRET, password.trim(), "eyJ"] {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn mosips_failures_are_its_own_and_every_event_goes_once_it_is_well() {
    let world =
        World::start(Setup { set: vec![("UPSTREAM__PROBE_INTERVAL", "1s")], ..Setup::default() }).await;
    let behaviour = [
        (Behaviour { answer_html: true, ..Behaviour::default() }, "upstream"),
        (Behaviour { errors_in_200: Some("OPN-SUB-001".to_owned()), ..Behaviour::default() }, "upstream"),
        (Behaviour { down: true, ..Behaviour::default() }, "upstream"),
        (Behaviour { errors_in_200: Some("OPN-AUT-003".to_owned()), ..Behaviour::default() }, "partner"),
    ];
    let mut events = Vec::new();
    for (index, (behaviour, fault)) in behaviour.into_iter().enumerate() {
        world.simulator.controls.set(behaviour);
        let id = world.gateway.accept("birth", &birth(&format!("c{index}"))).await;
        let event = world.gateway.failed_event(&id).await;
        assert_eq!(event["lastFault"]["fault"], fault, "{event}");
        events.push(id);
    }
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    for id in events {
        world.gateway.event_in(&id, "done").await;
    }
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    let settled = world.gateway.settle("birth", BIRTH).await;
    let event = world.gateway.event_in(settled["id"].as_str().unwrap(), "done").await;
    assert_eq!(event["attempts"], 1, "a refused token is fetched anew, once");
}

#[tokio::test]
async fn a_caller_without_the_opencrvs_token_is_refused_at_the_callback() {
    let world = World::start(Setup::default()).await;
    let reply = world.gateway.push_with(None, r#"{"data":"AAAA"}"#).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_seal_writes_and_mosip_did_not_sign_does_not_open() {
    let world = World::start(Setup::default()).await;
    let sealed = world.gateway.call("/v1/seal?to=mosip", "application/octet-stream", "plain").await;
    assert_eq!(sealed.status, StatusCode::OK);
    let sealed = std::str::from_utf8(&sealed.body).unwrap();
    for (content_type, status) in [("application/json", 422), ("text/plain", 415)] {
        let reply = world.gateway.call("/v1/open", content_type, sealed).await;
        assert_eq!(reply.status, status, "{content_type}");
    }
    let field = world.gateway.call("/v1/seal?to=mosip&sing=none", "text/plain", "x").await;
    assert_eq!(field.status, StatusCode::UNPROCESSABLE_ENTITY);
}
