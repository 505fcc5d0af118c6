//! Registrations that went to MOSIP as packets, from the post to what OpenCRVS's core learns of them.

mod answers;
mod both;
mod core;
mod corrections;
mod names;

use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::credentials::{CredentialType, Registration};
use mosip_gateway::simulator::opencrvs::{CoreCall, Waiting};
use mosip_gateway::simulator::{AfterAccept, Behaviour, OpencrvsReply};
use serde_json::{Value, json};

use crate::support::gateway::json as read;
use crate::support::logs::Logs;
use crate::support::mosip::caller_token_of;
use crate::support::patience;
use crate::support::rows::Rows;
use crate::support::world::{Setup, World};

pub(crate) const NUMBER: &str = "4961027835190246";
pub(crate) const ACCEPT: &str = "event.actions.register.accept";
pub(crate) const REJECT: &str = "event.actions.register.reject";

pub(crate) async fn world(setup: Setup<'_>) -> World {
    let confirms = setup.confirms || !setup.record_tokens;
    let world = World::start(Setup { packets: true, hub: true, confirms, ..setup }).await;
    patience::until("the subscriptions", async || match world.simulator.hub.subscriptions().len() {
        3 => Ok(()),
        other => Err(other),
    })
    .await;
    world
}

/// A registration is handed over, and MOSIP has its packet; its id.
async fn register(world: &World, kind: &str, event: Option<&str>, fields: Value) -> String {
    let mut body = json!({ "trackingId": "T1", "requestFields": fields });
    if let Some(event) = event {
        body["eventId"] = event.into();
    }
    let route = format!("/v1/packets/{kind}");
    let (status, accepted) = read(world.gateway.call(&route, "application/json", &body.to_string()).await);
    assert_eq!(status, 202, "{accepted}");
    let id = accepted["id"].as_str().unwrap().to_owned();
    world.gateway.event_in(&id, "done").await;
    id
}

async fn birth(world: &World, event: &str) -> String {
    world.simulator.core.asks(event, "a1", Waiting::Registration);
    register(world, "birth", Some(event), json!({ "birthCertificateNumber": format!("B-{event}") })).await
}

/// The hub brings a credential of the registration `id`.
pub(crate) fn issue(world: &World, id: &str, number: Option<&str>) {
    let registration = Registration {
        registration_id: id.to_owned(),
        number: number.map(str::to_owned),
        ..Registration::default()
    };
    let now = Clock::system().now();
    let published =
        world.simulator.issuer.publish(&registration, CredentialType::Vercred, None, now).unwrap();
    assert_eq!(world.simulator.hub.publish_credential(&published).unwrap(), 1);
}

/// What core was asked to decide.
pub(crate) fn decisions(world: &World) -> Vec<CoreCall> {
    let calls = world.simulator.history.record().core_calls;
    calls.into_iter().filter(|call| call.procedure != "event.get").collect()
}

pub(crate) fn confirmation(id: &str) -> String {
    format!("{id}@opencrvs")
}

#[tokio::test]
async fn a_credential_becomes_one_accepted_registration_however_many_come() {
    let logs = Logs::from_here();
    let mut world = world(Setup::default()).await;
    let id = birth(&world, "e1").await;
    for _ in 0..2 {
        issue(&world, &id, Some(NUMBER));
        world.mediator.next_of("credential.issued").await;
    }
    let entry = world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!((&entry["kind"], &entry["destination"]), (&json!("confirm"), &json!("opencrvs")));
    let decisions = decisions(&world);
    let [call] = decisions.as_slice() else { panic!("{decisions:?}") };
    let transaction = call.input["transactionId"].as_str().unwrap();
    assert!(transaction.starts_with("mosip-gateway-"), "{transaction}");
    assert_eq!(
        (call.procedure.as_str(), &call.input),
        (
            ACCEPT,
            &json!({
                "transactionId": transaction,
                "eventId": "e1",
                "actionId": "a1",
                "registrationNumber": "B-e1",
                "declaration": { "child.nid": NUMBER },
            })
        )
    );
    assert_eq!(world.simulator.core.actions("e1").len(), 2);
    assert_eq!(world.gateway.ids("state=done").await, [id.clone(), confirmation(&id)], "no second one waits");
    world.gateway.stop().await;
    let logs = logs.text();
    for secret in [NUMBER, "example-client-secret", "B-e1", "eventId", transaction] {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

/// Some versions of the client of `mosip-api` name no record in the body.
#[tokio::test]
async fn the_token_names_the_record_where_the_body_of_mosip_api_names_none() {
    let face =
        [("FACES__MOSIP_API", "true"), ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem")];
    let world = world(Setup { set: face.to_vec(), ..Setup::default() }).await;
    world.simulator.core.asks("e1", "a1", Waiting::Registration);
    let token = caller_token_of(&[("eventId", "e1"), ("actionId", "a1")]);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = json!({ "trackingId": "T1", "requestFields": { "birthCertificateNumber": "B-e1" } });
    let url = format!("http://{}/events/registration", world.gateway.api);
    let reply = world.gateway.request(Method::POST, url, headers, &body.to_string()).await;
    assert_eq!(reply.status, 202);
    let id = world.gateway.ids("").await.remove(0);
    world.gateway.event_in(&id, "done").await;
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    let decisions = decisions(&world);
    let [call] = decisions.as_slice() else { panic!("{decisions:?}") };
    assert_eq!((&call.input["eventId"], &call.input["actionId"]), (&json!("e1"), &json!("a1")));
}

#[tokio::test]
async fn a_death_without_a_number_leaves_the_field_out() {
    let world = world(Setup::default()).await;
    world.simulator.core.asks("e1", "a1", Waiting::Registration);
    let id = register(&world, "death", Some("e1"), json!({ "deathCertificateNumber": "D1" })).await;
    issue(&world, &id, None);
    world.gateway.event_in(&confirmation(&id), "done").await;
    let input = &decisions(&world)[0].input;
    assert_eq!((&input["registrationNumber"], &input["declaration"]), (&json!("D1"), &json!({})));
}

#[tokio::test]
async fn a_correction_is_approved_with_the_request_that_the_event_names() {
    let world = world(Setup::default()).await;
    world.simulator.core.asks("e1", "c1", Waiting::Correction);
    let id = register(&world, "birth-correction", Some("e1"), json!({ "VID": "8031687218" })).await;
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    let decisions = decisions(&world);
    assert_eq!(decisions[0].procedure, "event.actions.correction.approve.accept");
    let input = &decisions[0].input;
    assert_eq!(
        (&input["actionId"], &input["requestId"], input.get("registrationNumber")),
        (&json!("c1"), &json!("c1-request"), None)
    );
}

#[tokio::test]
async fn a_rejected_packet_becomes_a_rejection_and_a_credential_after_it_parks_and_is_told() {
    let mut world = world(Setup::default()).await;
    let id = birth(&world, "e1").await;
    world.simulator.hub.publish_result(&id, "REJECTED");
    world.mediator.next_of("registration.rejected").await;
    world.gateway.event_in(&confirmation(&id), "done").await;
    let decisions = decisions(&world);
    assert_eq!(decisions[0].procedure, REJECT);
    let members: Vec<_> = decisions[0].input.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["actionId", "eventId", "transactionId"], "no reason has a place there");

    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "rejected-before", "{parked}");
    assert_eq!(parked["subject"]["eventId"], "e1");
    assert!(parked["data"]["id"].as_str().unwrap().starts_with(&confirmation(&id)), "{parked}");
}

#[tokio::test]
async fn what_was_rejected_and_is_registered_again_unchanged_is_a_packet_again_and_is_confirmed() {
    let world = world(Setup::default()).await;
    let rejected = birth(&world, "e1").await;
    world.simulator.hub.publish_result(&rejected, "REJECTED");
    world.gateway.event_in(&confirmation(&rejected), "done").await;
    world.simulator.core.asks("e1", "a2", Waiting::Registration);
    let fields = json!({ "birthCertificateNumber": "B-e1" });
    let registered = register(&world, "birth", Some("e1"), fields).await;
    assert_ne!(registered, rejected);
    issue(&world, &registered, Some(NUMBER));
    world.gateway.event_in(&confirmation(&registered), "done").await;
    let decisions = decisions(&world);
    let made: Vec<_> =
        decisions.iter().map(|call| (call.procedure.as_str(), &call.input["actionId"])).collect();
    assert_eq!(made, [(REJECT, &json!("a1")), (ACCEPT, &json!("a2"))]);
}

#[tokio::test]
async fn what_mosip_is_silent_about_is_rejected_where_the_country_wants_it() {
    let set = vec![("OPENCRVS__ON_SILENCE", "reject"), ("WEBSUB__EXPECT_WITHIN", "1m")];
    let mut world = world(Setup { set, ..Setup::default() }).await;
    let id = birth(&world, "e1").await;
    // As if MOSIP had had its packet long ago.
    let overdue = "UPDATE correlation SET expected_by=1 WHERE expected_by IS NOT NULL";
    assert_eq!(Rows::of(&world.gateway.outbox()).change(overdue, []), 1, "its answer is expected");
    assert!(decisions(&world).is_empty());
    world.gateway.restart(&[]).await;
    let (_, silent) = world.mediator.next_of("registration.silent").await;
    assert_eq!(
        (&silent["subject"]["eventId"], &silent["data"]["registrationId"]),
        (&json!("e1"), &json!(id))
    );
    world.gateway.event_in(&confirmation(&id), "done").await;
    let decisions = decisions(&world);
    let [call] = decisions.as_slice() else { panic!("{decisions:?}") };
    assert_eq!((call.procedure.as_str(), &call.input["actionId"]), (REJECT, &json!("a1")));
    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "rejected-before", "{parked}");
}

#[tokio::test]
async fn with_the_alarm_alone_a_rejection_rejects_nothing_in_opencrvs() {
    let mut world = world(Setup { set: vec![("OPENCRVS__ON_REJECTED", "alarm")], ..Setup::default() }).await;
    let id = birth(&world, "e1").await;
    world.simulator.hub.publish_result(&id, "REJECTED");
    world.mediator.next_of("registration.rejected").await;
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(decisions(&world)[0].procedure, ACCEPT);
}

#[tokio::test]
async fn a_record_that_somebody_has_open_is_waited_for_and_a_lost_answer_is_the_same_transaction() {
    let world = world(Setup::default()).await;
    let id = birth(&world, "e1").await;
    let behave = |opencrvs, fault_after_accept| {
        world.simulator.controls.set(Behaviour { opencrvs, fault_after_accept, ..Behaviour::default() });
    };
    behave(Some(OpencrvsReply::Conflict), None);
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.failed_event(&confirmation(&id)).await;
    assert_eq!(
        (&entry["lastFault"]["fault"], &entry["lastFault"]["upstream"]),
        (&json!("upstream"), &json!("CONFLICT"))
    );
    let accepted = async |count: usize| {
        let is_taken = |call: &&CoreCall| call.procedure == ACCEPT && call.status == 200;
        let record = world
            .simulator
            .history
            .wait_until(|record| record.core_calls.iter().filter(is_taken).count() >= count);
        let calls = record.await.core_calls;
        calls.into_iter().filter(|call| is_taken(&call)).map(|call| call.input).collect::<Vec<_>>()
    };
    behave(None, Some(AfterAccept::HangUp));
    accepted(1).await;
    behave(Some(OpencrvsReply::Half), None);
    accepted(2).await;
    behave(None, None);
    // It is looked up, and found accepted.
    world.gateway.event_in(&confirmation(&id), "done").await;
    let mut inputs = accepted(2).await;
    inputs.dedup();
    assert_eq!(inputs.len(), 1, "each repeat is the same: {inputs:?}");
    assert_eq!(world.simulator.core.actions("e1").len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_a_client_without_scope_pauses_the_channel() {
    let world = world(Setup::default()).await;
    let id = birth(&world, "e1").await;
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(entry["attempts"], 1, "{entry}");

    let id = birth(&world, "e2").await;
    world
        .simulator
        .controls
        .set(Behaviour { opencrvs: Some(OpencrvsReply::Forbidden), ..Behaviour::default() });
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.failed_event(&confirmation(&id)).await;
    assert_eq!(entry["lastFault"]["fault"], "partner", "{entry}");
    assert!(entry["lastFault"]["advice"].as_str().unwrap().contains("record.action.accept"), "{entry}");
    let (status, readiness) = world.gateway.readiness().await;
    let channels = readiness["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["kinds"] == json!(["confirm"])).unwrap();
    assert_eq!((status, &channel["state"]), (200, &json!("paused")), "{readiness}");
}

#[tokio::test]
async fn what_was_accepted_before_is_done_and_what_was_rejected_before_parks() {
    let world = world(Setup::default()).await;
    for (event, status, state) in [("e1", "Accepted", "done"), ("e2", "Rejected", "parked")] {
        let id = birth(&world, event).await;
        world.simulator.core.decided(event, "a1", status);
        issue(&world, &id, Some(NUMBER));
        world.gateway.event_in(&confirmation(&id), state).await;
    }
    assert!(decisions(&world).is_empty(), "nothing is left to decide");
}

#[tokio::test]
async fn an_opencrvs_that_answers_pages_is_waited_for_and_holds_no_registration_up() {
    let world = world(Setup::default()).await;
    world.simulator.controls.set(Behaviour { opencrvs: Some(OpencrvsReply::Html), ..Behaviour::default() });
    let id = birth(&world, "e1").await;
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.failed_event(&confirmation(&id)).await;
    assert!(entry["lastFault"]["advice"].as_str().unwrap().contains("opencrvs.url"), "{entry}");
    birth(&world, "e2").await;
    world.simulator.controls.set(Behaviour::default());
    world.gateway.event_in(&confirmation(&id), "done").await;
}

#[tokio::test]
async fn a_confirmation_that_comes_before_its_action_is_stored_waits_for_it() {
    let world = world(Setup::default()).await;
    let id = birth(&world, "e2").await;
    world.simulator.core.asks("e3", "c1", Waiting::Correction);
    // A birth may be what a correction waits for; a death is not.
    let early = register(&world, "death", Some("e3"), json!({ "deathCertificateNumber": "D3" })).await;
    issue(&world, &early, None);
    let entry = world.gateway.failed_event(&confirmation(&early)).await;
    assert_eq!(entry["lastFault"]["upstream"], "nothing-waits", "{entry}");
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    world.simulator.core.asks("e3", "a1", Waiting::Registration);
    world.gateway.event_in(&confirmation(&early), "done").await;
}

#[tokio::test]
async fn what_was_never_sent_or_names_no_event_is_told_and_not_confirmed() {
    let logs = Logs::from_here();
    let mut world = world(Setup::default()).await;
    issue(&world, "100019999999999", Some(NUMBER));
    let (_, told) = world.mediator.next_of("credential.issued").await;
    assert_eq!(told["data"]["registrationId"], "100019999999999");
    assert_eq!(told["data"]["notConfirmed"], "unknown-registration");
    let id = register(&world, "birth", None, json!({ "birthCertificateNumber": "B1" })).await;
    let warns = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("neither the registration nor its token") && line["event"] == id.as_str()
    };
    assert!(logs.lines().iter().any(warns), "before MOSIP says anything");
    issue(&world, &id, Some(NUMBER));
    let (_, told) = world.mediator.next_of("credential.issued").await;
    assert_eq!(told["subject"]["brn"], "B1");
    assert_eq!(told["data"]["notConfirmed"], "no-event-id");
    assert_eq!(world.gateway.ids("").await, [id], "no confirmation was made");
    assert!(world.simulator.history.record().core_calls.is_empty());
}

#[tokio::test]
async fn without_a_mediator_a_confirmed_credential_is_settled_and_a_failure_stays_in_the_inbox() {
    let world = world(Setup { no_mediator: true, ..Setup::default() }).await;
    let types = async || -> Vec<Value> {
        let (_, inbox) = world.gateway.get("/v1/inbox").await;
        inbox["messages"].as_array().unwrap().iter().map(|message| message["type"].clone()).collect()
    };
    let id = birth(&world, "e1").await;
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(types().await, [""; 0]);
    let id = birth(&world, "e2").await;
    world.simulator.core.decided("e2", "a1", "Rejected");
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "parked").await;
    assert_eq!(types().await, ["credential.issued", "event.parked"]);
    let route = format!("/v1/events/{}?reason=decided", confirmation(&id));
    assert_eq!(world.gateway.ask(Method::DELETE, &route).await.status, 200);
}

#[tokio::test]
async fn a_confirmation_that_waits_outlives_the_process() {
    let mut world = world(Setup::default()).await;
    let id = birth(&world, "e1").await;
    world
        .simulator
        .controls
        .set(Behaviour { opencrvs: Some(OpencrvsReply::Conflict), ..Behaviour::default() });
    issue(&world, &id, Some(NUMBER));
    world.gateway.failed_event(&confirmation(&id)).await;
    world.simulator.controls.set(Behaviour::default());
    world.gateway.restart(&[]).await;
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(world.simulator.core.actions("e1").len(), 2);
}
