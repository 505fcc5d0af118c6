//! What the outbox promises, through the listeners: every event that is taken goes to MOSIP under one id with one application id,
//! whatever MOSIP, the keys, the mediator or the process do meanwhile.

mod once;

use crate::support::event::{BIRTH, COMPOSITION, birth, event};
use crate::support::fake::{Fake, Then};
use crate::support::gateway::{Running, json};
use crate::support::key_volume::KeyVolume;
use crate::support::mediator::Reserved;
use crate::support::mosip::Push;
use crate::support::world::{Setup, World};
use http::{Method, StatusCode};
use mosip_gateway::simulator::{AfterAccept, Behaviour};
use serde_json::{Value, json};

async fn world() -> World {
    World::start(Setup::default()).await
}

async fn world_with(set: &[(&str, &str)]) -> World {
    World::start(Setup { set: set.to_vec(), ..Setup::default() }).await
}

/// One whose stopped URLs are tried every second.
async fn eager_world() -> World {
    world_with(&[("UPSTREAM__PROBE_INTERVAL", "1s")]).await
}

/// A MOSIP of which nothing is heard.
fn down() -> Behaviour {
    Behaviour { down: true, ..Behaviour::default() }
}

impl World {
    /// Accepts births of these compositions; their ids are the compositions.
    async fn accept_births(&self, compositions: &[String]) {
        for composition in compositions {
            assert_eq!(self.gateway.accept("birth", &birth(composition)).await, *composition);
        }
    }

    /// Waits until all of `ids` are done and sees that MOSIP has each once, unaltered, with an application id of its own.
    async fn assert_taken_once(&self, ids: &[String]) {
        for id in ids {
            let event = self.gateway.event_in(id, "done").await;
            let accepted = self.simulator.history.accepted(id).unwrap();
            assert_eq!((accepted.altered, accepted.aid.as_deref()), (0, event["aid"].as_str()), "{id}");
        }
        let record = self.simulator.history.record();
        let mut accepted: Vec<_> = record.accepted.iter().map(|accepted| accepted.id.clone()).collect();
        let mut expected = ids.to_vec();
        accepted.sort();
        expected.sort();
        assert_eq!(accepted, expected);
        assert_eq!(record.aids_issued as usize, ids.len(), "an application id was fetched and not used");
        assert!(
            record.refused.iter().all(|refused| !refused.code.starts_with("SIM-")),
            "{:?}",
            record.refused
        );
    }
}

fn compositions(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("c{index}")).collect()
}

// MOSIP fails.

#[tokio::test]
async fn a_fault_before_mosip_accepted_is_followed_by_one_acceptance() {
    let world = world().await;
    world.simulator.controls.set(Behaviour { fault_rate: 1.0, ..Behaviour::default() });
    let ids = compositions(2);
    world.accept_births(&ids).await;
    for id in &ids {
        assert_eq!(world.gateway.failed_event(id).await["lastFault"]["fault"], "upstream");
    }
    world.simulator.controls.set(Behaviour::default());
    world.assert_taken_once(&ids).await;
    assert!(world.simulator.history.record().accepted.iter().all(|accepted| accepted.repeats == 0));
}

#[tokio::test]
async fn a_fault_after_mosip_accepted_is_followed_by_the_same_id_and_application_id() {
    let mut world = world().await;
    for (index, fault) in [AfterAccept::HangUp, AfterAccept::Answer500].into_iter().enumerate() {
        world.simulator.controls.set(Behaviour { fault_after_accept: Some(fault), ..Behaviour::default() });
        let [birth, death] = ["birth", "death"].map(|kind| (kind, format!("{kind}{index}")));
        for (kind, composition) in [&birth, &death] {
            world.gateway.accept(kind, &event(kind, composition, "Ada")).await;
        }
        for (_, id) in [&birth, &death] {
            let event = world.gateway.event_until(id, |event| event["attempts"].as_u64() > Some(1)).await;
            assert_ne!(event["state"], "done", "{fault:?}");
        }
        world.simulator.controls.set(Behaviour::default());
        for (_, id) in [&birth, &death] {
            world.gateway.event_in(id, "done").await;
            let accepted = world.simulator.history.accepted(id).unwrap();
            assert!(accepted.repeats + accepted.count > 1 && accepted.altered == 0, "{accepted:?}");
        }
    }
    let ids = ["birth0", "death0", "birth1", "death1"].map(str::to_owned);
    world.assert_taken_once(&ids).await;
    // Told once, before the acceptance, however many attempts there were.
    let mut told = Vec::new();
    while told.len() < 2 * ids.len() {
        let (_, delivery) = world.mediator.next().await;
        if delivery["data"]["id"] == ids[0].as_str() || delivery["type"] != "uin-token.received" {
            told.push((delivery["data"]["id"].clone(), delivery["type"].clone()));
        }
    }
    for id in ids {
        let types: Vec<_> = told.iter().filter(|told| told.0 == id.as_str()).map(|told| &told.1).collect();
        assert_eq!(types, ["aid.assigned", "event.accepted"], "{id}");
    }
}

#[tokio::test]
async fn mosip_down_for_the_whole_run_and_back_is_sent_everything_once() {
    let world = eager_world().await;
    world.simulator.controls.set(down());
    let ids = compositions(15);
    world.accept_births(&ids).await;
    // So many failures that the breaker opens: from here on one goes at a time.
    for id in &ids[..10] {
        world.gateway.failed_event(id).await;
    }
    assert_eq!(world.gateway.readiness().await.0, 200);
    let (status, accepted) = world.gateway.post_event("birth", &[("prefer", "wait=1")], &birth("c15")).await;
    assert_eq!((status, &accepted["state"]), (202, &json!("queued")), "not settled in time");
    world.simulator.controls.set(Behaviour::default());
    let ids = compositions(16);
    world.assert_taken_once(&ids).await;
}

#[tokio::test]
async fn a_mosip_that_is_back_with_a_backlog_never_has_two_posts_to_one_url() {
    let world = eager_world().await;
    world.simulator.controls.set(down());
    let ids = compositions(200);
    world.accept_births(&ids).await;
    world.gateway.failed_event(&ids[0]).await;
    world.simulator.controls.set(Behaviour { delay_ms: 1, ..Behaviour::default() });
    world.assert_taken_once(&ids).await;
    let most = world.simulator.history.record().max_concurrent;
    assert_eq!((most["/opencrvs/v1/birth"], most["/opencrvs/v1/generateAid"]), (1, 1));
}

#[tokio::test]
async fn no_more_posts_go_to_one_url_at_once_than_its_concurrency() {
    let world = world_with(&[("UPSTREAM__MEDIATOR__CONCURRENCY", "4")]).await;
    world.simulator.controls.set(Behaviour { delay_ms: 20, ..Behaviour::default() });
    let ids = compositions(24);
    world.accept_births(&ids).await;
    world.assert_taken_once(&ids).await;
    let most = world.simulator.history.record().max_concurrent["/opencrvs/v1/birth"];
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn a_client_secret_that_is_wrong_for_the_whole_run_parks_nothing_and_put_right_all_goes() {
    let world = eager_world().await;
    for behaviour in [
        Behaviour { bad_client_secret: true, ..Behaviour::default() },
        Behaviour { errors_in_200: Some("OPN-AUT-003".to_owned()), ..Behaviour::default() },
    ] {
        let known = world.gateway.ids("").await;
        world.simulator.controls.set(behaviour);
        let ids: Vec<_> = (0..5).map(|index| format!("c{}", known.len() + index)).collect();
        world.accept_births(&ids).await;
        // Two of them: the probes take the waiting entries in turn.
        for id in &ids[..2] {
            let event = world.gateway.failed_event(id).await;
            assert_eq!((&event["lastFault"]["fault"], &event["attempts"]), (&json!("partner"), &json!(1)));
        }
        assert!(world.gateway.ids("state=parked").await.is_empty());
        assert_eq!(world.gateway.ids("fault=partner").await[..2], ids[..2]);
        world.simulator.controls.set(Behaviour::default());
        world.assert_taken_once(&[known, ids].concat()).await;
    }
}

#[tokio::test]
async fn a_partner_that_is_refused_asks_once_and_not_for_every_event() {
    let world = world().await;
    world.simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    let ids = compositions(3);
    world.accept_births(&ids).await;
    world.gateway.failed_event(&ids[0]).await;
    for id in &ids[1..] {
        let (_, event) = world.gateway.get(&format!("/v1/events/{id}")).await;
        assert_eq!((&event["attempts"], event.get("lastFault")), (&json!(0), None), "{event}");
    }
    assert_eq!(world.simulator.history.record().tokens_refused, 1);
}

#[tokio::test]
async fn an_entry_that_mosip_refuses_again_and_again_does_not_hold_the_others() {
    let world = world().await;
    // An application id that MOSIP never handed out.
    let poisoned = birth("poison")
        .replace("\"gender\"", r#""identifier":[{"type":"MOSIP_AID","value":"10001"}],"gender""#);
    world.gateway.accept("birth", &poisoned).await;
    world.gateway.failed_event("poison").await;
    for composition in compositions(5) {
        world.gateway.settle("birth", &birth(&composition)).await;
    }
    let (_, event) = world.gateway.get("/v1/events/poison").await;
    assert_ne!(event["state"], "done");
    assert_eq!(
        (&event["aid"], &event["lastFault"]["upstream"]),
        (&json!("10001"), &json!("SIM-AID-UNKNOWN"))
    );
    let refused = world.simulator.history.record().refused;
    assert!(refused.iter().all(|refused| refused.id.as_deref() == Some("poison")), "{refused:?}");
}

// Keys fail.

#[tokio::test]
async fn keys_swapped_between_attempts_seal_the_next_attempt() {
    let volume = KeyVolume::new();
    volume.replace("mosip-public.key", "tests/vectors/keys/stranger.crt.pem");
    let world = world_with(&[("KEYS__DIR", volume.path())]).await;
    world.accept_births(&compositions(1)).await;
    let event = world.gateway.failed_event("c0").await;
    assert_eq!(event["lastFault"]["upstream"], "SIM-THUMBPRINT", "{event}");

    volume.replace("mosip-public.key", "keys.example/mosip-public.key");
    world.gateway.keys.reload().await;
    let done = world.gateway.event_in("c0", "done").await;
    assert_eq!(done["aid"], event["aid"], "sealed anew, with the same application id inside");
    let (_, keys) = world.gateway.get("/v1/keys").await;
    let accepted = world.simulator.history.accepted("c0").unwrap();
    assert!(keys.to_string().contains(&accepted.thumbprint), "{keys}");
}

#[tokio::test]
async fn a_certificate_that_is_missing_or_broken_at_start_queues_events_until_its_file_is_right() {
    for broken in [None, Some("README.md")] {
        let volume = KeyVolume::new();
        match broken {
            None => volume.remove("mosip-public.key"),
            Some(file) => volume.replace("mosip-public.key", file),
        }
        let world = world_with(&[("KEYS__DIR", volume.path())]).await;
        let ids = compositions(3);
        world.accept_births(&ids).await;
        let event = world.gateway.failed_event("c0").await;
        assert_eq!(event["lastFault"]["fault"], "keys", "{event}");
        let advice = event["lastFault"]["advice"].as_str().unwrap();
        assert!(advice.contains("mosip-public.key"), "{advice}");
        let (status, readiness) = world.gateway.readiness().await;
        assert_eq!((status, &readiness["keys"]["healthy"]), (200, &json!(false)), "{readiness}");
        assert!(world.gateway.ids("state=parked").await.is_empty());

        volume.replace("mosip-public.key", "keys.example/mosip-public.key");
        // A reload is a probe: nobody waits for the half minute.
        world.gateway.keys.reload().await;
        world.assert_taken_once(&ids).await;
    }
}

#[tokio::test]
async fn a_push_that_a_wrong_certificate_kept_is_delivered_once_the_file_is_right() {
    let volume = KeyVolume::new();
    volume.replace("mosip-public.key", "tests/vectors/keys/stranger.crt.pem");
    let mut world = world_with(&[("KEYS__DIR", volume.path())]).await;
    for token in ["1", "2"] {
        let reply = world.gateway.push(&Push::new(token).body()).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b""[..]));
    }
    let kept = world.gateway.until("/v1/quarantine", |kept| kept["messages"][1].is_object()).await;
    let verify = format!("/v1/quarantine/{}/verify", kept["messages"][0]["id"].as_str().unwrap());
    let (status, problem) = json(world.gateway.ask(Method::POST, &verify).await);
    assert_eq!((status, &problem["code"]), (422, &json!("signature-invalid")), "not yet");
    assert_eq!(world.gateway.get("/v1/quarantine").await.1["messages"].as_array().unwrap().len(), 2);

    volume.replace("mosip-public.key", "keys.example/mosip-public.key");
    world.gateway.keys.reload().await;
    assert_eq!([world.mediator.uin_token().await, world.mediator.uin_token().await], ["1", "2"]);
    assert_eq!(world.gateway.get("/v1/quarantine").await.1["messages"], json!([]));
    let gone = world.gateway.ask(Method::POST, &verify).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_push_that_a_wrong_certificate_kept_is_delivered_by_a_process_that_starts_with_the_right_one() {
    let volume = KeyVolume::new();
    volume.replace("mosip-public.key", "tests/vectors/keys/stranger.crt.pem");
    let mut world = world_with(&[("KEYS__DIR", volume.path())]).await;
    world.gateway.push(&Push::new("1").body()).await;
    world.gateway.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    volume.replace("mosip-public.key", "keys.example/mosip-public.key");
    world.gateway.restart(&[]).await;
    assert_eq!(world.mediator.uin_token().await, "1");
}

// The process or the mediator fails.

#[tokio::test]
async fn a_process_killed_between_send_and_settle_sends_the_same_id_and_application_id_again() {
    let fake = Fake::start().await;
    let mut world = world_with(&[("UPSTREAM__MEDIATOR__BIRTH", &fake.url)]).await;
    fake.answers("", Then::Hangs);
    world.accept_births(&compositions(1)).await;
    let sent = fake.next_id().await;
    let (_, before) = world.gateway.get("/v1/events/c0").await;
    assert_eq!((sent.as_str(), &before["state"]), ("c0", &json!("leased")));
    assert!(before["aid"].is_string());

    let mosip = format!("{}/opencrvs/v1/birth", world.simulator.base_url);
    world.gateway.restart(&[("UPSTREAM__MEDIATOR__BIRTH", &mosip)]).await;
    let after = world.gateway.event_in("c0", "done").await;
    assert_eq!(after["aid"], before["aid"]);
    world.assert_taken_once(&compositions(1)).await;
}

#[tokio::test]
async fn credentials_that_arrive_while_the_mediator_is_down_are_delivered_when_it_is_back() {
    let reserved = Reserved::new();
    let mut world = world_with(&[("DELIVER__URL", &reserved.url())]).await;
    world.gateway.settle("birth", BIRTH).await;
    world.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
    world.gateway.until("/v1/inbox", |inbox| inbox["messages"][2].is_object()).await;
    world.gateway.restart(&[]).await;
    let mut mediator = reserved.open();
    let mut types = Vec::new();
    for _ in 0..3 {
        types.push(mediator.next().await.1["type"].clone());
    }
    for expected in ["aid.assigned", "event.accepted", "uin-token.received"] {
        assert!(types.contains(&json!(expected)), "{types:?}");
    }
}

// The mediator.

#[tokio::test]
async fn a_list_is_paged_in_order_of_acceptance() {
    let world = world().await;
    world.simulator.controls.set(down());
    let ids = compositions(120);
    world.accept_births(&ids).await;
    let mut listed = Vec::new();
    let mut next = json!(0);
    while !next.is_null() {
        let (_, page) = world.gateway.get(&format!("/v1/events?cursor={next}")).await;
        let events = page["events"].as_array().unwrap();
        assert!(events.iter().all(|event| event.get("payload").is_none()));
        listed.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        next = page["next"].clone();
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_mediator_without_a_url_pulls_and_acknowledges() {
    let gateway = Running::start(&[]).await;
    for token in ["1", "2"] {
        gateway.push(&Push::new(token).body()).await;
    }
    let inbox = gateway.until("/v1/inbox", |inbox| inbox["messages"][1].is_object()).await;
    let tokens = |inbox: &Value| -> Vec<Value> {
        let messages = inbox["messages"].as_array().unwrap();
        messages.iter().map(|message| message["data"]["uinToken"].clone()).collect()
    };
    assert_eq!(tokens(&inbox), ["1", "2"]);
    assert_eq!(inbox["messages"][0]["verified"], "signature");
    let acknowledge = format!("/v1/inbox/{}/ack", inbox["messages"][0]["id"].as_str().unwrap());
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(gateway.ask(Method::POST, &acknowledge).await.status, status);
    }
    assert_eq!(tokens(&gateway.get("/v1/inbox").await.1), ["2"]);
    // The same push again, from a sender that did not hear our answer.
    gateway.push(&Push::new("1").body()).await;
    gateway.push(&Push::new("3").body()).await;
    let inbox = gateway.until("/v1/inbox", |inbox| tokens(inbox).contains(&json!("3"))).await;
    assert_eq!(tokens(&inbox), ["2", "3"]);
}
