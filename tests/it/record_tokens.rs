//! Registrations of OpenCRVS 1.9: confirmed with the record token that each brings, and with nothing else unless there is a client.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::simulator::opencrvs::Waiting;
use mosip_gateway::simulator::{Behaviour, OpencrvsReply};
use serde_json::{Value, json};

use crate::confirm::{ACCEPT, NUMBER, REJECT, confirmation, decisions, issue, world};
use crate::support::logs::Logs;
use crate::support::rows::Rows;
use crate::support::world::{Setup, World};
use crate::websub::ops;

/// How long a record token of OpenCRVS lives.
const LIFE: Duration = Duration::from_hours(7 * 24);

fn by_token() -> Setup<'static> {
    Setup { record_tokens: true, ..Setup::default() }
}

/// Record tokens, and a client for what they do no more.
fn with_client() -> Setup<'static> {
    Setup { confirms: true, set: vec![("OPENCRVS__CONFIRM_WITH", "record-token")], ..by_token() }
}

/// The token of OpenCRVS for the action `a1` of the record `event`, which ends in `seconds`.
fn token(world: &World, event: &str, seconds: i64) -> String {
    token_of(world, event, "a1", seconds)
}

fn token_of(world: &World, event: &str, action: &str, seconds: i64) -> String {
    let made = Clock::system().now().seconds() + seconds - i64::try_from(LIFE.as_secs()).unwrap();
    world.simulator.core.record_token(event, action, Timestamp::from_seconds(made)).unwrap()
}

/// What the client of OpenCRVS 1.9 posts for the birth `number`; the body names no record.
async fn post(world: &World, token: &str, more: Value) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut body = json!({ "trackingId": "T1", "requestFields": { "birthCertificateNumber": "B1" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let url = format!("http://{}/events/registration", world.gateway.api);
    let reply = world.gateway.request(Method::POST, url, headers, &body.to_string()).await;
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}

/// A birth of the record `e1` waits in OpenCRVS and came with `token`, and MOSIP has its packet; its id.
async fn birth(world: &World, token: &str) -> String {
    world.simulator.core.asks("e1", "a1", Waiting::Registration);
    registered(world, token).await
}

async fn registered(world: &World, token: &str) -> String {
    assert_eq!(post(world, token, json!({})).await, (202, json!({})));
    let id = world.gateway.ids("").await.remove(0);
    world.gateway.event_in(&id, "done").await;
    id
}

/// The registrations, in order, without their confirmations.
async fn births(world: &World) -> Vec<String> {
    let mut ids = world.gateway.ids("").await;
    ids.retain(|id| !id.contains('@'));
    ids
}

/// The procedures that were called, in order.
fn procedures(world: &World) -> Vec<String> {
    world.simulator.history.record().core_calls.into_iter().map(|call| call.procedure).collect()
}

async fn ending(world: &World) -> (u64, Value) {
    let reply = ops(world, "/metrics").await;
    let line = "mosip_gateway_record_tokens_ending ";
    let count = reply.lines().find_map(|text| text.strip_prefix(line)).unwrap().parse().unwrap();
    (count, world.gateway.readiness().await.1["record_tokens_ending"].clone())
}

#[tokio::test]
async fn a_birth_is_confirmed_with_its_token_alone_and_nothing_ever_shows_or_keeps_the_token() {
    let logs = Logs::from_here();
    let mut world = world(by_token()).await;
    let token = token(&world, "e1", 600);
    let id = birth(&world, &token).await;
    world.gateway.restart(&[]).await;
    issue(&world, &id, Some(NUMBER));
    let (_, delivered) = world.mediator.next_of("credential.issued").await;
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(procedures(&world), [ACCEPT], "a record token reads nothing");
    let input = decisions(&world).remove(0).input;
    let transaction = input["transactionId"].as_str().unwrap();
    assert!(transaction.starts_with("mosip-gateway-"), "{transaction}");
    assert_eq!(
        input,
        json!({
            "transactionId": transaction,
            "eventId": "e1",
            "actionId": "a1",
            "registrationNumber": "B1",
            "declaration": { "child.nid": NUMBER },
        })
    );
    assert_eq!(world.simulator.core.actions("e1").len(), 2);

    let signature = token.rsplit('.').next().unwrap();
    let mut shown = vec![delivered.to_string(), ops(&world, "/").await, ops(&world, "/metrics").await];
    let routes =
        ["/v1/events".to_owned(), format!("/v1/events/{id}"), "/v1/inbox".into(), "/v1/audit".into()];
    for route in routes.into_iter().chain([format!("/v1/events/{}", confirmation(&id))]) {
        shown.push(String::from_utf8(world.gateway.ask(Method::GET, &route).await.body.to_vec()).unwrap());
    }
    let counts = "SELECT count(*), count(token), count(token_until) FROM correlation";
    let counts: (i64, i64, i64) =
        Rows::of(&world.gateway.outbox()).one(counts, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(counts, (1, 0, 0), "it was erased with the confirmation");
    world.gateway.stop().await;
    shown.push(logs.text());
    for (index, text) in shown.iter().enumerate() {
        assert!(!text.contains(signature), "{index}: {text}");
    }
}

#[tokio::test]
async fn a_rejected_packet_is_rejected_with_the_token_and_a_credential_after_it_parks_as_contradicted() {
    let mut world = world(by_token()).await;
    let token = token(&world, "e1", 600);
    let id = birth(&world, &token).await;
    world.simulator.hub.publish_result(&id, "REJECTED");
    world.mediator.next_of("registration.rejected").await;
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(procedures(&world), [REJECT]);
    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "rejected-before", "its token is used up: {parked}");
    assert_eq!(procedures(&world), [REJECT], "core is not asked");
}

#[tokio::test]
async fn what_mosip_is_silent_about_is_rejected_with_the_token_where_the_country_wants_it() {
    let set = vec![("OPENCRVS__ON_SILENCE", "reject"), ("WEBSUB__EXPECT_WITHIN", "1m")];
    let mut world = world(Setup { set, ..by_token() }).await;
    let id = birth(&world, &token(&world, "e1", 600)).await;
    // As if MOSIP had had its packet long ago.
    let overdue = "UPDATE correlation SET expected_by=1 WHERE expected_by IS NOT NULL";
    assert_eq!(Rows::of(&world.gateway.outbox()).change(overdue, []), 1, "its answer is expected");
    world.gateway.restart(&[]).await;
    world.mediator.next_of("registration.silent").await;
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(procedures(&world), [REJECT]);
    assert_eq!(decisions(&world)[0].input["actionId"], "a1");
}

#[tokio::test]
async fn what_was_rejected_and_is_registered_again_unchanged_is_a_packet_again_and_is_confirmed() {
    let mut world = world(by_token()).await;
    let first = token(&world, "e1", 600);
    let rejected = birth(&world, &first).await;
    world.simulator.hub.publish_result(&rejected, "FAILED");
    world.mediator.next_of("registration.rejected").await;
    world.gateway.event_in(&confirmation(&rejected), "done").await;
    // The country configuration did not hear our answer.
    assert_eq!(post(&world, &first, json!({})).await, (202, json!({})));
    assert_eq!(births(&world).await, [rejected.as_str()]);

    world.simulator.core.asks("e1", "a2", Waiting::Registration);
    let second = token_of(&world, "e1", "a2", 660);
    assert_eq!(post(&world, &second, json!({})).await, (202, json!({})));
    let registered = births(&world).await.pop().unwrap();
    assert_ne!(registered, rejected);
    world.gateway.event_in(&registered, "done").await;
    issue(&world, &registered, Some(NUMBER));
    world.gateway.event_in(&confirmation(&registered), "done").await;
    assert_eq!(procedures(&world), [REJECT, ACCEPT]);
    assert_eq!(decisions(&world)[1].input["actionId"], "a2");
}

#[tokio::test]
async fn the_token_of_another_record_is_refused_at_once_and_one_that_core_refuses_parks_alone() {
    let mut world = world(by_token()).await;
    let token = token(&world, "e1", 600);
    let (status, refusal) = post(&world, &token, json!({ "eventId": "e2" })).await;
    assert_eq!(status, 422, "{refusal}");
    assert!(refusal["error"].as_str().unwrap().starts_with("/eventId: "), "{refusal}");
    assert_eq!(world.gateway.ids("").await, [""; 0]);

    let id = birth(&world, &token).await;
    let behaviour = Behaviour { opencrvs: Some(OpencrvsReply::Forbidden), ..Behaviour::default() };
    world.simulator.controls.set(behaviour);
    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "FORBIDDEN", "{parked}");
    let (_, readiness) = world.gateway.readiness().await;
    let channels = readiness["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["kinds"] == json!(["confirm"])).unwrap();
    assert_eq!(channel["state"], "open", "one token says nothing of the others: {readiness}");
}

#[tokio::test]
async fn a_token_that_has_ended_gives_way_to_the_client_where_there_is_one() {
    let world = world(with_client()).await;
    // Our clock may differ from that of OpenCRVS by a minute, so that it is taken.
    let token = token(&world, "e1", -30);
    let id = birth(&world, &token).await;
    issue(&world, &id, Some(NUMBER));
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(procedures(&world), ["event.get", ACCEPT]);
}

#[tokio::test]
async fn a_token_that_died_before_its_end_gives_way_to_the_client_too() {
    let world = world(with_client()).await;
    let token = token(&world, "e1", 600);
    let id = birth(&world, &token).await;
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(entry["attempts"], 1, "{entry}");
    assert_eq!(procedures(&world), [ACCEPT, "event.get", ACCEPT]);
}

#[tokio::test]
async fn without_a_client_it_parks_and_is_told_and_a_repeat_under_a_newer_token_cures_it() {
    let mut world = world(by_token()).await;
    let ended = token(&world, "e1", -30);
    let id = birth(&world, &ended).await;
    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "record-token-expired", "{parked}");
    assert_eq!(parked["subject"]["eventId"], "e1");
    assert!(parked["data"]["advice"].as_str().unwrap().contains("newer token"), "{parked}");
    assert!(procedures(&world).is_empty(), "core is not asked");

    assert_eq!(registered(&world, &token(&world, "e1", 600)).await, id, "it is the same registration");
    let retry = format!("/v1/events/{}/retry", confirmation(&id));
    assert_eq!(world.gateway.ask(Method::POST, &retry).await.status, 200);
    world.gateway.event_in(&confirmation(&id), "done").await;
    assert_eq!(procedures(&world), [ACCEPT]);
}

#[tokio::test]
async fn a_token_that_died_before_its_end_parks_as_one_that_ended() {
    let mut world = world(by_token()).await;
    let token = token(&world, "e1", 600);
    let id = birth(&world, &token).await;
    world.simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    issue(&world, &id, Some(NUMBER));
    let (_, parked) = world.mediator.next_of("event.parked").await;
    assert_eq!(parked["data"]["upstream"], "record-token-expired", "{parked}");
    assert_eq!(procedures(&world), [ACCEPT], "there is no new token to fetch");
}

#[tokio::test]
async fn an_action_that_is_not_stored_yet_is_waited_for() {
    let world = world(by_token()).await;
    let token = token(&world, "e1", 600);
    let id = registered(&world, &token).await;
    issue(&world, &id, Some(NUMBER));
    let entry = world.gateway.failed_event(&confirmation(&id)).await;
    assert_eq!(entry["lastFault"]["upstream"], "nothing-waits", "{entry}");
    world.simulator.core.asks("e1", "a1", Waiting::Registration);
    world.gateway.event_in(&confirmation(&id), "done").await;
}

#[tokio::test]
async fn tokens_that_end_within_two_days_are_counted_until_they_are_used() {
    let world = world(by_token()).await;
    assert_eq!(ending(&world).await, (0, json!(0)));
    let day = 86_400;
    let id = birth(&world, &token(&world, "e1", day)).await;
    assert_eq!(ending(&world).await, (1, json!(1)));
    assert_eq!(registered(&world, &token(&world, "e1", 3 * day)).await, id);
    assert_eq!(ending(&world).await, (0, json!(0)), "a newer one has more time");
}

/// The core of the simulator is as strict as that of OpenCRVS 1.9.
#[tokio::test]
async fn a_record_token_decides_its_own_action_alone_until_its_end() {
    let world = world(by_token()).await;
    for event in ["e1", "e2"] {
        world.simulator.core.asks(event, "a1", Waiting::Registration);
    }
    let call = async |method: Method, route: &str, token: &str, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = format!("{}/core/events/{route}", world.simulator.base_url);
        world.gateway.request(method, url, headers, body).await.status
    };
    let accept = async |token: &str, event: &str| {
        let input =
            json!({ "transactionId": "t", "eventId": event, "actionId": "a1", "registrationNumber": "B1" });
        let body = json!({ "0": { "json": input } }).to_string();
        call(Method::POST, &format!("{ACCEPT}?batch=1"), token, &body).await
    };
    let good = token(&world, "e1", 600);
    let read = "event.get?batch=1&input=%7B%220%22%3A%7B%22json%22%3A%7B%22eventId%22%3A%22e1%22%7D%7D%7D";
    assert_eq!(call(Method::GET, read, &good, "").await, 403);
    assert_eq!(accept(&token(&world, "e1", -1), "e1").await, 401);
    assert_eq!(accept(&good, "e2").await, 403);
    assert_eq!(accept(&good, "e1").await, 200);
}
