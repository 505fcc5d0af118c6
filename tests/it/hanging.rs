//! MOSIP hangs, is overloaded or refuses: the events that it would take go to it all the same, and those that it would not wait.

use crate::support::event::{birth, event};
use crate::support::fake::{Fake, Then};
use crate::support::gateway::Running;
use crate::support::ida_setup::{self, UIN};
use crate::support::patience;
use crate::support::rows::Rows;
use crate::support::seeder::{VID, leila, submit};
use crate::support::world::{Setup, World};
use serde_json::json;

/// A minute: the longest wait after an attempt where the deadline of a call is short.
const LONGEST_WAIT: i64 = 60_000;

async fn world_with(set: &[(&str, &str)]) -> World {
    World::start(Setup { set: set.to_vec(), ..Setup::default() }).await
}

/// How the channel of births flows.
async fn flow_of_births(gateway: &Running) -> String {
    let (status, readiness) = gateway.readiness().await;
    assert_eq!(status, 200, "{readiness}");
    let channels = readiness["channels"].as_array().unwrap();
    let births = channels.iter().find(|channel| channel["kinds"][0] == "birth").unwrap();
    births["state"].as_str().unwrap().to_owned()
}

async fn flow_becomes(gateway: &Running, wanted: &str) {
    patience::until(wanted, async || match flow_of_births(gateway).await {
        flow if flow == wanted => Ok(()),
        flow => Err(flow),
    })
    .await;
}

/// The longest that anything in `table` has to wait, once an attempt has failed: a moment on the outbox's clock, which began at 0.
async fn next_at(gateway: &Running, table: &str) -> i64 {
    let database = Rows::of(&gateway.outbox());
    let latest = format!("SELECT max(next_at) FROM {table} WHERE state='queued' AND next_at>0");
    patience::until("a failed attempt", async || {
        let latest: Option<i64> = database.one(&latest, |row| row.get(0));
        latest.ok_or("none has failed")
    })
    .await
}

#[tokio::test]
async fn a_hundred_events_get_through_in_order_while_two_hang() {
    let fake = Fake::start().await;
    let world =
        world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url), ("UPSTREAM__MEDIATOR__DEADLINE", "1s")]).await;
    fake.accepts();
    fake.hangs("hangs0");
    fake.hangs("hangs1");
    let mut held = Vec::new();
    for composition in ["hangs0", "hangs1"] {
        world.gateway.accept("birth", &birth(composition)).await;
        held.push(world.gateway.accept("birth", &event("birth", composition, "Mary")).await);
    }
    let mut sent = Vec::new();
    for composition in (0..50).map(|index| format!("c{index}")) {
        for name in ["Ada", "Mary"] {
            sent.push(world.gateway.accept("birth", &event("birth", &composition, name)).await);
        }
    }
    for id in &sent {
        world.gateway.event_in(id, "done").await;
    }
    let went = fake.take_ids();
    let through: Vec<_> = went.iter().filter(|id| sent.contains(id)).cloned().collect();
    println!("{} of {} events got through while two hang", through.len(), sent.len());
    assert_eq!(through.len(), sent.len(), "each once");
    for pair in sent.chunks(2) {
        let place = |id: &String| through.iter().position(|went| went == id);
        assert!(place(&pair[0]) < place(&pair[1]), "{pair:?}");
    }
    assert!(["hangs0", "hangs1"].iter().all(|id| went.iter().any(|went| went == id)), "{went:?}");
    assert!(!held.iter().any(|id| went.contains(id)), "what follows an event that hangs waits for it");

    fake.treats_all_alike();
    for id in &held {
        world.gateway.event_in(id, "done").await;
    }
}

#[tokio::test]
async fn ten_answers_of_503_open_the_breaker_also_with_a_code_of_mosips_and_the_next_success_closes_it() {
    let fake = Fake::start().await;
    let world =
        world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url), ("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    let body = json!({"errors": [{"errorCode": "OPN-SUB-001", "errorMessage": ""}]}).to_string();
    fake.answers_json("503 Service Unavailable", &body);
    for index in 0..12 {
        world.gateway.accept("birth", &birth(&format!("c{index}"))).await;
    }
    flow_becomes(&world.gateway, "broken").await;
    assert!(fake.take_ids().len() >= 10);
    fake.accepts();
    for index in 0..12 {
        world.gateway.event_in(&format!("c{index}"), "done").await;
    }
    assert_eq!(flow_of_births(&world.gateway).await, "open");
}

#[tokio::test]
async fn a_paused_channel_stays_paused_until_a_probe_succeeds() {
    let fake = Fake::start().await;
    let world =
        world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url), ("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    let refusal = |code| json!({"errors": [{"errorCode": code, "errorMessage": ""}]}).to_string();
    fake.answers_json("403 Forbidden", &refusal("OPN-AUT-004"));
    for index in 0..3 {
        world.gateway.accept("birth", &birth(&format!("c{index}"))).await;
    }
    flow_becomes(&world.gateway, "paused").await;
    for (status, body) in [
        ("200 OK", refusal("XYZ-001")),
        ("500 Internal Server Error", refusal("OPN-SUB-001")),
        ("503 Service Unavailable", "<html>".to_owned()),
    ] {
        fake.answers_json(status, &body);
        fake.take_ids();
        // When the second probe after it comes, the first has been settled.
        let probes = [fake.next_id().await, fake.next_id().await];
        assert_ne!(probes[0], probes[1], "probes take the waiting entries in turn");
        assert_eq!(flow_of_births(&world.gateway).await, "paused", "{status} {body}");
        for index in 0..3 {
            let (_, event) = world.gateway.get(&format!("/v1/events/c{index}")).await;
            assert_ne!(event["state"], "done", "{event}");
        }
    }
    fake.accepts();
    for index in 0..3 {
        world.gateway.event_in(&format!("c{index}"), "done").await;
    }
}

#[tokio::test]
async fn retry_after_counts_on_every_call_of_an_event() {
    for setting in ["UPSTREAM__TOKEN__URL", "UPSTREAM__MEDIATOR__AID", "UPSTREAM__MEDIATOR__BIRTH"] {
        for (status, body) in [("503 Service Unavailable", "<html>"), ("429 Too Many Requests", "{}")] {
            let fake = Fake::start().await;
            let world = world_with(&[(setting, &fake.url), ("UPSTREAM__MEDIATOR__DEADLINE", "1s")]).await;
            fake.answers_retry_after_an_hour(status, body);
            world.gateway.accept("birth", &birth("c")).await;
            let next_at = next_at(&world.gateway, "entry").await;
            assert!(next_at >= LONGEST_WAIT, "{setting}, {status}: {next_at}");
        }
    }
}

#[tokio::test]
async fn retry_after_counts_on_the_calls_of_a_job() {
    let fake = Fake::start().await;
    let world = ida_setup::World::start(&[("UPSTREAM__IDA__URL", &fake.url)]).await;
    fake.answers_retry_after_an_hour("503 Service Unavailable", "<html>");
    submit(&world, &[leila(UIN)]).await;
    let next_at = next_at(&world.gateway, "job_record").await;
    assert!(next_at >= LONGEST_WAIT, "{next_at}");
}

#[tokio::test]
async fn a_person_on_whom_ida_hangs_does_not_stop_the_others() {
    let fake = Fake::start().await;
    let world = ida_setup::World::start(&[("UPSTREAM__IDA__URL", &fake.url)]).await;
    fake.answers("", Then::Hangs);
    submit(&world, &[leila(UIN)]).await;
    fake.next_id().await;
    fake.answers_json("503 Service Unavailable", "<html>");
    submit(&world, &[leila(VID)]).await;
    let database = Rows::of(&world.gateway.outbox());
    let hanging = patience::until("another attempt", async || {
        let both =
            "SELECT hung.state || hung.attempts, other.attempts FROM job_record AS hung, job_record AS other
                    WHERE hung.job=1 AND other.job=2";
        let (hung, attempts): (String, u32) = database.one(both, |row| Ok((row.get(0)?, row.get(1)?)));
        if attempts > 1 { Ok(hung) } else { Err(attempts) }
    })
    .await;
    assert_eq!(hanging, "leased1", "its first call is still under way");
}
