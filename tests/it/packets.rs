//! Registrations that go to MOSIP as packets, from the post to what MOSIP says of them.

use http::{HeaderMap, Method};
use mosip_gateway::simulator::Behaviour;
use mosip_gateway::simulator::packets::Packet;
use serde_json::{Value, json};

use crate::support::event::BIRTH;
use crate::support::fake::Fake;
use crate::support::gateway::{Running, json as read};
use crate::support::patience;
use crate::support::process::{self, Gateway};
use crate::support::world::{Setup, World};

/// What a workflow is asked under.
const WORKFLOW: &str = "mosip.registration.processor.workflow.instance";
/// What a packet is created under.
const CREATE: &str = "string";

async fn world(setup: Setup<'_>) -> World {
    World::start(Setup { packets: true, ..setup }).await
}

fn birth(number: &str, note: &str) -> Value {
    json!({
        "trackingId": format!("T{number}"),
        "notification": { "recipientFullName": "Grace", "recipientEmail": "g@example.org", "recipientPhone": "" },
        "requestFields": { "birthCertificateNumber": number, "IDSchemaVersion": 3.101, "note": note },
        "metaInfo": { "registrationId": "x" },
        "audit": { "uuid": "u" },
        "schemaJson": "{}",
    })
}

async fn post(gateway: &Running, kind: &str, body: &Value) -> (u16, Value) {
    read(gateway.call(&format!("/v1/packets/{kind}"), "application/json", &body.to_string()).await)
}

/// The id of a registration that has to be taken.
async fn accept(gateway: &Running, kind: &str, body: &Value) -> String {
    let (status, accepted) = post(gateway, kind, body).await;
    assert_eq!((status, accepted["state"].as_str()), (202, Some("queued")), "{accepted}");
    accepted["id"].as_str().unwrap().to_owned()
}

fn packet(world: &World, id: &str) -> Packet {
    world.simulator.history.record().packets.into_iter().find(|packet| packet.id == id).unwrap()
}

#[tokio::test]
async fn registrations_go_as_packets_under_one_token_and_each_under_its_id() {
    let world = world(Setup::default()).await;
    let death = json!({ "requestFields": { "deathCertificateNumber": "D1", "VID": "8031687218" } });
    let correction = json!({ "requestFields": { "VID": "8031687218", "fullName": "[]" } });
    for (kind, body, process) in [
        ("birth", &birth("B1", ""), "CRVS_NEW"),
        ("death", &death, "CRVS_DEATH"),
        ("birth-correction", &correction, "CRVS_UPDATE"),
    ] {
        let id = accept(&world.gateway, kind, body).await;
        let event = world.gateway.event_in(&id, "done").await;
        assert_eq!((&event["kind"], &event["destination"]), (&json!(kind), &json!("packets")));
        let packet = packet(&world, &id);
        assert_eq!((packet.created, packet.processed), (1, 1));
        assert_eq!(
            (&packet.content["process"], &packet.content["refId"]),
            (&json!(process), &json!("10123_10234"))
        );
        assert_eq!(packet.workflow.unwrap()["registrationId"], id.as_str());
        let (status, again) = post(&world.gateway, kind, body).await;
        assert_eq!((status, again["id"].as_str()), (200, Some(id.as_str())));
    }
    let (_, update) = post(&world.gateway, "update", &correction).await;
    assert_eq!(update["state"], "done", "it is the other name of birth-correction");
    assert_eq!(world.simulator.history.record().tokens_issued, 1);
}

#[tokio::test]
async fn what_came_for_the_mediator_goes_to_no_packet_manager_and_the_other_way_round() {
    let world = world(Setup::default()).await;
    world.gateway.settle("birth", BIRTH).await;
    let id = accept(&world.gateway, "birth", &birth("B1", "")).await;
    world.gateway.event_in(&id, "done").await;
    let record = world.simulator.history.record();
    assert_eq!((record.accepted.len(), record.packets.len()), (1, 1));
    let (status, refusal) = post(&world.gateway, "birth", &serde_json::from_str(BIRTH).unwrap()).await;
    assert_eq!((status, &refusal["code"]), (422, &json!("field")));
}

#[tokio::test]
async fn a_rejection_reaches_the_mediator_with_all_names_and_frees_the_number() {
    let mut world = world(Setup { hub: true, ..Setup::default() }).await;
    patience::until("the hub", async || {
        let subscriptions = world.simulator.hub.subscriptions();
        if subscriptions.len() == 3 { Ok(()) } else { Err(subscriptions) }
    })
    .await;
    let id = accept(&world.gateway, "birth", &birth("B1", "")).await;
    world.gateway.event_in(&id, "done").await;
    let other = birth("B1", "corrected");
    let (status, refusal) = post(&world.gateway, "birth", &other).await;
    assert_eq!(
        (status, &refusal["pointer"]),
        (422, &json!("/requestFields/birthCertificateNumber")),
        "{refusal}"
    );
    assert!(refusal["detail"].as_str().unwrap().contains("on its way"), "{refusal}");
    world.simulator.hub.publish_result(&id, "REJECTED");
    let (_, delivery) = world.mediator.next_of("registration.rejected").await;
    assert_eq!(
        delivery["subject"],
        json!({ "trackingId": "TB1", "brn": "B1", "registrationId": id.as_str() })
    );
    let event = world.gateway.event_until(&id, |event| event["answer"].is_object()).await;
    assert_eq!(event["answer"]["outcome"], "rejected");
    let second = accept(&world.gateway, "birth", &other).await;
    assert_ne!(second, id);
    world.gateway.event_in(&second, "done").await;
    assert_eq!(packet(&world, &second).content["fields"]["note"], "corrected");
}

#[tokio::test]
async fn a_mosip_that_is_away_stops_no_registration_and_a_token_that_is_refused_is_fetched_anew() {
    let world =
        world(Setup { behaviour: Behaviour { down: true, ..Behaviour::default() }, ..Setup::default() })
            .await;
    let ids = [
        accept(&world.gateway, "birth", &birth("B1", "")).await,
        accept(&world.gateway, "birth", &birth("B2", "")).await,
    ];
    world.gateway.failed_event(&ids[0]).await;
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    for id in &ids {
        world.gateway.event_in(id, "done").await;
        assert_eq!((packet(&world, id).created, packet(&world, id).processed), (1, 1));
    }
    assert!(world.simulator.history.record().tokens_issued >= 2);
}

#[tokio::test]
async fn the_host_of_the_workflow_is_named_while_it_is_the_one_that_is_away() {
    let nobody = crate::support::port::Port::hold();
    let process = format!("http://{}/workflowinstance", nobody.address());
    let set = vec![("UPSTREAM__PACKETS__PROCESS", process.as_str())];
    let world = world(Setup { set, ..Setup::default() }).await;
    let id = accept(&world.gateway, "birth", &birth("B1", "")).await;
    world.gateway.failed_event(&id).await;
    let channel = patience::until("the channel", async || {
        let (_, readiness) = world.gateway.readiness().await;
        let channels = readiness["channels"].as_array().unwrap();
        let channel = channels.iter().find(|channel| channel["destination"] == "packets").unwrap();
        if channel["state"] == "failing" { Ok(channel.clone()) } else { Err(readiness) }
    })
    .await;
    assert_eq!(channel["host"], nobody.address(), "createPacket is at another host and answers");
    let url = format!("http://{}/", world.gateway.ops);
    // Under load its figures may not come in time.
    patience::until("the page", async || {
        let page = world.gateway.request(Method::GET, url.clone(), HeaderMap::new(), "").await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        let waiting = "Waiting for MOSIP's packet manager</dt><dd>1 <small>the oldest for ";
        if page.contains(&nobody.address()) && page.contains(waiting) { Ok(()) } else { Err(page) }
    })
    .await;
    // A series keeps its host, or an alarm that waits an hour never comes; the mediator is at the same one, and flows.
    let metrics = format!("{url}metrics");
    let metrics = world.gateway.request(Method::GET, metrics, HeaderMap::new(), "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let host = world.simulator.base_url.strip_prefix("http://").unwrap();
    for (destination, is_open) in [("packets", 0), ("mediator", 1)] {
        let labels = format!("destination=\"{destination}\",host=\"{host}\",kind=\"birth\",state=\"open\"");
        let sample = format!("mosip_gateway_channel{{{labels}}} {is_open}");
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_source_that_mosip_does_not_know_waits_for_a_person_and_parks_nobody() {
    let world = world(Setup { set: vec![("UPSTREAM__PACKETS__SOURCE", "CRVS1")], ..Setup::default() }).await;
    let id = accept(&world.gateway, "birth", &birth("B1", "")).await;
    let event = world.gateway.failed_event(&id).await;
    let fault = &event["lastFault"];
    assert_eq!((&fault["fault"], &fault["upstream"]), (&json!("partner"), &json!("KER-PUT-025")), "{event}");
    assert!(fault["advice"].as_str().unwrap().contains("upstream.packets"), "{fault}");
    let (status, readiness) = world.gateway.readiness().await;
    let channels = readiness["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["destination"] == "packets").unwrap();
    assert_eq!((status, &channel["state"]), (200, &json!("paused")), "{readiness}");
}

#[tokio::test]
async fn what_is_no_registration_is_refused_by_its_member() {
    let world = world(Setup::default()).await;
    for (kind, body, status, pointer) in [
        ("birth", json!({}), 422, json!("/requestFields")),
        ("birth", json!({ "requestFields": {} }), 422, json!("/requestFields/birthCertificateNumber")),
        ("death", birth("B1", ""), 422, json!("/requestFields/deathCertificateNumber")),
        ("birth", json!({ "requestfields": {} }), 422, json!("")),
        ("birth", json!([]), 422, json!("")),
        ("death-correction", birth("B1", ""), 404, Value::Null),
        ("marriage", birth("B1", ""), 404, Value::Null),
    ] {
        let (answered, refusal) = post(&world.gateway, kind, &body).await;
        assert_eq!((answered, &refusal["pointer"]), (status, &pointer), "{kind} {body}: {refusal}");
    }
    let without = Running::start(&[]).await;
    let (status, refusal) = post(&without, "birth", &birth("B1", "")).await;
    assert_eq!((status, &refusal["code"]), (422, &json!("kind-not-configured")));
    assert!(refusal["advice"].as_str().unwrap().contains("upstream.packets.create"), "{refusal}");
}

/// A process before a packet manager and a workflow that answer byte for byte.
async fn site() -> (Gateway, Fake) {
    let (mut gateway, fake) = (Gateway::new(), Fake::start().await);
    gateway.set(&[
        ("UPSTREAM__PACKETS__CREATE", &format!("{}createPacket", fake.url)),
        ("UPSTREAM__PACKETS__PROCESS", &format!("{}workflowinstance", fake.url)),
        ("UPSTREAM__PACKETS__CENTER_ID", "1"),
        ("UPSTREAM__PACKETS__MACHINE_ID", "2"),
    ]);
    fake.answers_json("200 OK", r#"{"response":[{}],"errors":[]}"#);
    gateway.start();
    gateway.ready().await;
    (gateway, fake)
}

async fn post_birth(gateway: &Gateway) -> String {
    let url = format!("{}/v1/packets/birth", gateway.api());
    let reply = process::post(&process::client(), &url, birth("B1", "").to_string()).await.unwrap();
    let accepted: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 202, "{accepted}");
    accepted["id"].as_str().unwrap().to_owned()
}

async fn event_in(gateway: &Gateway, id: &str, state: &str) -> Value {
    patience::until(state, async || {
        let event = gateway.get(&format!("/v1/events/{id}")).await;
        if event["state"] == state { Ok(event) } else { Err(event) }
    })
    .await
}

#[tokio::test]
async fn a_process_killed_while_a_packet_is_created_creates_it_again_and_one_killed_later_does_not() {
    let (mut gateway, fake) = site().await;
    fake.hangs(CREATE);
    let id = post_birth(&gateway).await;
    assert_eq!(fake.next_id().await, CREATE);
    gateway.kill();
    fake.treats_all_alike();
    fake.hangs(WORKFLOW);
    gateway.start();
    assert_eq!(fake.next_id().await, CREATE);
    assert_eq!(fake.next_id().await, WORKFLOW);
    gateway.kill();
    // MOSIP took the call whose answer the process did not live to see.
    fake.treats_all_alike();
    fake.refuses(WORKFLOW, "RPR-WIS-001");
    gateway.start();
    gateway.ready().await;
    event_in(&gateway, &id, "done").await;
    assert_eq!(fake.take_ids(), [WORKFLOW], "the packet is not created once more");
}

#[tokio::test]
async fn a_repeat_that_mosip_refuses_for_a_reason_unknown_parks_alone() {
    let (mut gateway, fake) = site().await;
    fake.hangs(WORKFLOW);
    let id = post_birth(&gateway).await;
    assert_eq!(fake.next_id().await, CREATE);
    assert_eq!(fake.next_id().await, WORKFLOW);
    gateway.kill();
    fake.treats_all_alike();
    fake.refuses(WORKFLOW, "NEW-001");
    gateway.start();
    gateway.ready().await;
    let event = event_in(&gateway, &id, "parked").await;
    assert_eq!(event["lastFault"]["fault"], "partner", "{event}");
    let advice = event["lastFault"]["advice"].as_str().unwrap();
    assert!(advice.contains("Look the registration id"), "{advice}");
    let (_, readiness) = gateway.readiness().await.unwrap();
    let channels = readiness["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["destination"] == "packets").unwrap();
    assert_eq!(channel["state"], "open", "the others go on");
}

#[tokio::test]
async fn a_success_without_a_packet_is_tried_again_and_says_why() {
    let (gateway, fake) = site().await;
    fake.answers_json("200 OK", r#"{"response":null,"errors":null}"#);
    let id = post_birth(&gateway).await;
    let event = patience::until("a refusal", async || {
        let event = gateway.get(&format!("/v1/events/{id}")).await;
        if event["lastFault"].is_object() { Ok(event) } else { Err(event) }
    })
    .await;
    assert_eq!(event["lastFault"]["upstream"], "no-packet", "{event}");
    fake.answers_json("200 OK", r#"{"response":[{}],"errors":[]}"#);
    event_in(&gateway, &id, "done").await;
}
