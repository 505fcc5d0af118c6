//! What a person decides over the plain API: to try again, or to let go.

use crate::support::event::{birth, event};
use crate::support::fake::Fake;
use crate::support::gateway::{Running, json};
use crate::support::mosip::Push;
use crate::support::world::{Setup, World};
use http::{Method, StatusCode};
use mosip_gateway::simulator::Behaviour;
use mosip_gateway::telemetry::Capture;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

async fn world_with(set: &[(&str, &str)]) -> World {
    World::start(Setup { set: set.to_vec(), ..Setup::default() }).await
}

#[tokio::test]
async fn whoever_waits_for_an_event_that_parks_hears_so() {
    let fake = Fake::start().await;
    let world = world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url)]).await;
    fake.refuses("bad", "IDA-MLC-002");
    let (status, answer) = world.gateway.post_event("birth", &[("prefer", "wait=60")], &birth("bad")).await;
    assert_eq!((status, &answer["state"]), (202, &json!("parked")), "{answer}");
}

#[tokio::test]
async fn an_entry_alone_refused_ten_times_parks_and_a_person_retries_or_discards_it() {
    let fake = Fake::start().await;
    let mut world = world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url)]).await;
    fake.accepts();
    for id in ["bad", "worse"] {
        fake.refuses(id, "OPN-CRVS-026");
        world.gateway.accept("birth", &birth(id)).await;
        // Whoever presses `retry` does not wait for the next attempt's time. Others succeed meanwhile: it is this entry alone.
        let mut event = world.gateway.failed_event(id).await;
        for good in 0.. {
            if event["state"] == "parked" {
                assert!(event["attempts"].as_u64() >= Some(10), "{event}");
                break;
            }
            world.gateway.settle("birth", &birth(&format!("good-{id}-{good}"))).await;
            world.gateway.ask(Method::POST, &format!("/v1/events/{id}/retry")).await;
            let before = event["attempts"].as_u64();
            let ended = |event: &Value| event["attempts"].as_u64() > before && event["state"] != "leased";
            event = world.gateway.event_until(id, ended).await;
        }
        let parked = loop {
            let (_, parked) = world.mediator.next_of("event.parked").await;
            if parked["subject"]["compositionId"] == id {
                break parked;
            }
        };
        assert_eq!((&parked["data"]["code"], &parked["data"]["id"]), (&json!("bug"), &json!(id)));
        assert!(parked["data"]["advice"].is_string());
    }
    let correction =
        world.gateway.accept("birth-correction", &event("birth-correction", "bad", "Mary")).await;
    assert_eq!(world.gateway.ids("state=parked").await, ["bad", "worse"]);
    assert_eq!(world.gateway.ids("fault=bug&state=parked").await, ["bad", "worse"]);
    assert_eq!(world.gateway.ids("fault=keys").await, [""; 0]);
    for query in ["state=gone", "fault=mine", "cursor=x", "stat=done"] {
        let (status, problem) = world.gateway.get(&format!("/v1/events?{query}")).await;
        assert_eq!((status, &problem["code"]), (422, &json!("field")), "{query}");
    }

    // What is done can be neither retried nor discarded, and what is not there neither.
    for (id, status, code) in [("good-bad-0", 409, "state-conflict"), ("nobody", 404, "not-found")] {
        for (method, route) in [(Method::POST, "/retry"), (Method::DELETE, "?reason=test")] {
            let (answered, problem) =
                json(world.gateway.ask(method, &format!("/v1/events/{id}{route}")).await);
            assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{id} {route}");
        }
    }
    let (status, _) = json(world.gateway.ask(Method::DELETE, "/v1/events/bad").await);
    assert_eq!(status, 422, "a discard needs a reason");

    // What follows a parked one waits, and goes once a person has let the parked one go.
    assert_eq!(world.gateway.get(&format!("/v1/events/{correction}")).await.1["attempts"], 0);
    assert_eq!(world.gateway.discard("bad").await["state"], "discarded");
    world.gateway.event_in(&correction, "done").await;
    fake.treats_all_alike();
    let (status, answer) = json(world.gateway.ask(Method::POST, "/v1/events/retry?fault=bug").await);
    assert_eq!((status, answer), (200, json!({"retried": 1})));
    world.gateway.event_in("worse", "done").await;
    assert_eq!(fake.take_ids().last().map(String::as_str), Some("worse"));
    // What a person discarded and posts again is a new entry.
    let (status, again) = world.gateway.post_birth(&birth("bad")).await;
    let id = again["id"].as_str().unwrap();
    assert!(status == 202 && id.starts_with("bad-"), "{again}");
    world.gateway.event_in(id, "done").await;
}

#[tokio::test]
async fn a_retry_is_a_probe_nobody_has_to_wait_for_the_next_one() {
    let world = world_with(&[("UPSTREAM__PROBE_INTERVAL", "1h")]).await;
    world.simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    for id in ["one", "two"] {
        world.gateway.accept("birth", &birth(id)).await;
    }
    assert_eq!(world.gateway.failed_event("one").await["lastFault"]["fault"], "partner");
    world.simulator.controls.set(Behaviour::default());
    let (status, _) = json(world.gateway.ask(Method::POST, "/v1/events/one/retry").await);
    assert_eq!(status, 200);
    for id in ["one", "two"] {
        world.gateway.event_in(id, "done").await;
    }
}

#[tokio::test]
async fn whoever_waits_for_an_event_hears_that_it_was_discarded() {
    let world = world_with(&[]).await;
    world.simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    let body = birth("one");
    let waiting = world.gateway.post_event("birth", &[("prefer", "wait=60")], &body);
    let discarding = async {
        world.gateway.failed_event("one").await;
        world.gateway.discard("one").await
    };
    let ((status, answer), _) = tokio::join!(waiting, discarding);
    assert_eq!((status, &answer["state"]), (200, &json!("discarded")), "{answer}");
}

#[tokio::test]
async fn a_push_in_quarantine_is_discarded_with_a_reason_and_gone_for_good() {
    let logs = Capture::default();
    let _logs = logs.listen(LevelFilter::INFO);
    let gateway = Running::start(&[]).await;
    gateway.push(r#"{"id":"","requestTime":"","data":"AAAA","signature":"AAAA"}"#).await;
    let kept = gateway.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    let message = format!("/v1/quarantine/{}", kept["messages"][0]["id"].as_str().unwrap());
    assert_eq!(gateway.ask(Method::DELETE, &message).await.status, 422, "a discard needs a reason");
    let discard = format!("{message}?reason=a+stranger%27s");
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(gateway.ask(Method::DELETE, &discard).await.status, status);
    }
    assert_eq!(gateway.get("/v1/quarantine").await.1["messages"], json!([]));
    gateway.push(&Push::new("1").body()).await;
    gateway.until("/v1/inbox", |inbox| inbox["messages"][0].is_object()).await;
    gateway.stop().await;
    let logs = logs.text();
    let line = logs.lines().find(|line| line.contains("a push is discarded on request")).unwrap();
    assert!(line.contains("a stranger's"), "{line}");
}
