//! Messages of MOSIP's hub that may be missing: when that is said, what ends it, and what a person decides about it.

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mosip_gateway::simulator::Behaviour;
use serde_json::{Value, json};

use crate::support::event::BIRTH;
use crate::support::gateway::HUB_SECRET;
use crate::support::rows::Rows;
use crate::support::world::{Hub, World};
use crate::websub::{hub_until, is_subscribed, ops, post, post_to, quarantine, sign, world};

const STATUS: usize = 1;
const ERRORS: usize = 2;

/// Refused as often as the hub tries.
async fn refuse(world: &World, body: &str) {
    for _ in 0..3 {
        assert_eq!(post(world, &[&sign("another", body)], body).await.status, StatusCode::UNAUTHORIZED);
    }
}

async fn take(world: &World, body: &str) {
    assert_eq!(post(world, &[&sign(HUB_SECRET, body)], body).await.status, StatusCode::OK);
}

/// Whether messages of the topic may be missing, and the gap is not over.
fn is_open(hub: &Value, topic: usize) -> bool {
    let gap = &hub["subscriptions"][topic]["gap"];
    gap.is_object() && gap["until"].is_null()
}

fn rejected(id: &str) -> String {
    json!({ "instanceId": id, "resultCode": "REJECTED" }).to_string()
}

fn failed(event: &str, id: &str) -> String {
    let data = json!({ "registrationId": id, "failureReason": "NIN_NOT_FOUND" });
    json!({ "topic": Hub::ERRORS, "event": { "id": event, "data": data } }).to_string()
}

/// Waits until the mediator hears that `id` is rejected. Messages are examined in order: by then all before it were.
async fn hears(world: &mut World, id: &str) {
    while world.mediator.next_of("registration.rejected").await.1["data"]["registrationId"] != id {}
}

#[tokio::test]
async fn what_the_hub_did_not_sign_is_not_stored_and_the_hub_gives_up() {
    let world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    world.simulator.controls.set(Behaviour { hub_wrong_hmac: true, hub_retry_ms: 1, ..Behaviour::default() });
    world.simulator.hub.publish_result("10001", "REJECTED");
    let record = world.simulator.history.wait_until(|record| record.hub_deliveries.len() == 3).await;
    assert!(record.hub_deliveries.iter().all(|delivery| delivery.status == Some(401)));
    assert!(quarantine(&world).await.is_empty());
    assert_eq!(world.gateway.get("/v1/inbox").await.1["messages"], json!([]));

    // The operator hears of it: the sender knew the address that the hub alone is told.
    // The message says which topic it is of.
    let status = |hub: &Value| hub["subscriptions"][1].clone();
    let refused =
        |hub: &Value| (status(hub)["refused"]["messages"].clone(), status(hub)["refused"]["code"].clone());
    let hub = hub_until(&world, |hub| !status(hub)["refused"].is_null()).await;
    assert_eq!(refused(&hub), (json!(3), json!("unauthorized")), "{hub}");
    assert_eq!(status(&hub)["topic"], "packet_status");
    assert_eq!(
        (&status(&hub)["refused"]["is_hub"], &status(&hub)["gap"]["cause"]),
        (&json!(true), &json!("refused"))
    );
    assert!(hub["subscriptions"][0]["gap"].is_null() && hub["refused"].is_null(), "{hub}");
    let metrics = ops(&world, "/metrics").await;
    for line in [
        r#"mosip_gateway_hub_messages_refused{topic="packet_status"} 3"#,
        r#"mosip_gateway_hub_gap{topic="packet_status",cause="refused"} 1"#,
        r#"mosip_gateway_hub_gap{topic="credential",cause="refused"} 0"#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let page = ops(&world, "/").await;
    assert!(
        page.contains("3 messages of MOSIP's hub (packet_status) were refused")
            && page.contains("Messages of MOSIP's hub (packet_status) may be missing from ")
            && page.contains("Messages may be missing from "),
        "{page}"
    );
    // A stranger who does not know that address moves nothing.
    let body = r#"{"instanceId":"1","resultCode":"REJECTED"}"#;
    let signature = sign(HUB_SECRET, body);
    for signature in ["sha256=00", signature.as_str()] {
        let status = post_to(&world, "/websub/callback", &[signature], body).await.status;
        assert_eq!(status, StatusCode::NOT_FOUND, "under no other address anything is taken");
    }
    assert_eq!(refused(&hub_until(&world, |_| true).await).0, json!(3));
    // What is taken ends the alarm; that messages may be missing is told until a start.
    assert_eq!(post(&world, &[&sign(HUB_SECRET, body)], body).await.status, StatusCode::OK);
    let hub = hub_until(&world, |hub| status(hub)["refused"].is_null()).await;
    assert!(status(&hub)["gap"]["until"].is_string(), "{hub}");
    let page = ops(&world, "/").await;
    let gap = page.split("Messages may be missing from ").nth(1).unwrap().split('<').next().unwrap();
    assert!(gap.contains(" until 2") && gap.contains(": they were refused"), "{gap}");
    let line = r#"mosip_gateway_hub_messages_refused{topic="packet_status"} 0"#;
    assert!(ops(&world, "/metrics").await.contains(line));
}

#[tokio::test]
async fn a_message_that_is_posted_again_shows_nothing_of_the_hub_and_ends_no_gap() {
    let mut world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let (status, error) = (rejected("10001"), failed("e1", "10002"));
    take(&world, &status).await;
    take(&world, &error).await;
    hears(&mut world, "10002").await;
    for body in [&rejected("lost"), &failed("lost", "lost")] {
        refuse(&world, body).await;
    }
    hub_until(&world, |hub| is_open(hub, STATUS) && is_open(hub, ERRORS)).await;
    // Whoever captured it needs no secret.
    take(&world, &error).await;
    take(&world, &rejected("10003")).await;
    hears(&mut world, "10003").await;
    let hub = hub_until(&world, |hub| !is_open(hub, STATUS)).await;
    assert!(is_open(&hub, ERRORS) && hub["subscriptions"][ERRORS]["refused"].is_object(), "{hub}");
    refuse(&world, &rejected("lost")).await;
    take(&world, &status).await;
    take(&world, &failed("e2", "10004")).await;
    hears(&mut world, "10004").await;
    let hub = hub_until(&world, |hub| !is_open(hub, ERRORS)).await;
    assert!(is_open(&hub, STATUS), "{hub}");
}

/// Decides with the form about `about` on the page at `path`; what the page says that it leads to.
async fn decide(world: &World, path: &str, about: &str, reason: &str) -> String {
    let page = ops(world, path).await;
    let form = page.split("<form").find(|form| form.contains(&format!("value=\"{about}\""))).unwrap();
    let token = form.split_once(r#"name="token" value=""#).unwrap().1.split_once('"').unwrap().0;
    let members = [("about", about), ("do", "settle"), ("reason", reason), ("token", token)];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let url = format!("http://{}/", world.gateway.ops);
    let reply = world.gateway.request(Method::POST, url, headers, &form).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(&reply.body));
    ops(world, &format!("/{}", reply.headers["location"].to_str().unwrap())).await
}

async fn settle(world: &World, route: &str) -> (u16, Value) {
    let reply = world.gateway.ask(Method::POST, route).await;
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default())
}

#[tokio::test]
async fn a_gap_that_a_person_looks_after_is_told_no_more_until_there_is_another() {
    let world = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let (status, problem) = settle(&world, "/v1/hub/packet_status/settle?reason=none").await;
    assert_eq!((status, &problem["code"]), (409, &json!("state-conflict")));
    assert_eq!(settle(&world, "/v1/hub/nobody/settle?reason=none").await.0, 404);
    refuse(&world, &rejected("lost")).await;
    hub_until(&world, |hub| is_open(hub, STATUS)).await;
    assert_eq!(settle(&world, "/v1/hub/packet_status/settle").await.0, 422, "it needs a reason");
    let alarms = [
        r#"mosip_gateway_hub_messages_refused{topic="packet_status"} "#,
        r#"mosip_gateway_hub_gap{topic="packet_status",cause="refused"} "#,
    ];
    let told = async || {
        let metrics = ops(&world, "/metrics").await;
        alarms.map(|alarm| !metrics.contains(&format!("{alarm}0")))
    };
    assert_eq!(told().await, [true; 2]);
    assert_eq!(settle(&world, "/v1/hub/packet_status/settle?reason=sent+again").await.0, 204);
    assert_eq!(told().await, [false; 2]);
    assert!(!ops(&world, "/").await.contains("may be missing"));

    refuse(&world, &rejected("lost")).await;
    hub_until(&world, |hub| is_open(hub, STATUS)).await;
    let page = ops(&world, "/").await;
    assert!(page.contains(r#"<a href="?list=hub&amp;after=0">Decide</a>"#), "{page}");
    let page = decide(&world, "/?list=hub&after=0", "gap:packet_status", "MOSIP sends it again").await;
    assert!(page.contains("The gap is settled.") && !page.contains("may be missing"), "{page}");
    assert_eq!(told().await, [false; 2]);
}

#[tokio::test]
async fn a_registration_without_an_answer_is_settled_on_the_page_or_over_the_api_and_is_no_alarm_after_that()
{
    let mut world = world(Behaviour::default()).await;
    let mut ids = Vec::new();
    for birth in [BIRTH.to_owned(), BIRTH.replace("3b1c2f40", "4c2d3051").replace("BDEMO", "CDEMO")] {
        let (_, taken) = world.gateway.post_event("birth", &[("prefer", "wait=60")], &birth).await;
        ids.push(taken["id"].as_str().unwrap().to_owned());
    }
    // As if they had gone as packets, long ago.
    Rows::of(&world.gateway.outbox()).run("UPDATE correlation SET expected_by=1");
    world.gateway.restart(&[]).await;
    for _ in &ids {
        world.mediator.next_of("registration.silent").await;
    }
    let (_, list) = world.gateway.get("/v1/unanswered").await;
    let listed: Vec<_> = list["registrations"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((listed, &list["next"]), (vec![&json!(ids[0]), &json!(ids[1])], &Value::Null));
    assert_eq!(list["registrations"][0]["answer"]["outcome"], "silent", "{list}");
    let alarm = async |count: u32| {
        let line = format!("mosip_gateway_registrations_silent {count}\n");
        assert!(ops(&world, "/metrics").await.contains(&line), "{line}");
    };
    alarm(2).await;
    let route = format!("/v1/unanswered/{}/settle", ids[0]);
    assert_eq!(settle(&world, &route).await.0, 422, "it needs a reason");
    let (status, answer) = settle(&world, &format!("{route}?reason=by+telephone")).await;
    assert_eq!(
        (status, &answer["outcome"], &answer["settledFor"]),
        (200, &json!("settled"), &json!("by telephone"))
    );
    assert_eq!(settle(&world, &format!("{route}?reason=again")).await.0, 409);
    assert_eq!(settle(&world, "/v1/unanswered/nobody/settle?reason=none").await.0, 404);
    alarm(1).await;
    let page = ops(&world, "/").await;
    assert!(
        page.contains("Registrations without an answer: 1") && page.contains("list=unanswered"),
        "{page}"
    );
    let about = format!("unanswered:{}", ids[1]);
    let page = decide(&world, "/?list=unanswered&after=0", &about, "MOSIP lost it").await;
    assert!(page.contains("The registration is settled."), "{page}");
    alarm(0).await;
    let (_, event) = world.gateway.get(&format!("/v1/events/{}", ids[1])).await;
    assert_eq!(
        (&event["answer"]["outcome"], &event["answer"]["settledFor"]),
        (&json!("settled"), &json!("MOSIP lost it"))
    );
    assert!(ops(&world, &format!("/?event={}", ids[1])).await.contains("Settled because: MOSIP lost it."));
}
