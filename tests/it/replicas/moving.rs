//! A gateway over a file moves to two on PostgreSQL with all that it had under way, and back; and a new key reaches one of two gateways late.

use std::process::Output;

use http::StatusCode;
use mosip_gateway::crypto::base64;
use serde_json::Value;

use super::*;
use crate::support::fake::Fake;
use crate::support::ida_setup::UIN;
use crate::support::mediator::{Mediator, Reserved};
use crate::support::process;
use crate::support::seeder::leila;

/// The code of the MOSIP-side mediator after which an event waits for a person.
const PARKS: &str = "IDA-MLC-002";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The outbox of `gateway` in a file.
fn file_of(gateway: &Gateway) -> String {
    gateway.home().join("outbox.db").display().to_string()
}

/// The messages that the mediator got, by their ids, once `gateway` has none left.
async fn delivered(mediator: &mut Mediator, gateway: &Gateway) -> BTreeSet<String> {
    patience::until("every message taken", async || {
        let inbox = gateway.get("/v1/inbox").await;
        if inbox["messages"] == json!([]) { Ok(()) } else { Err(inbox) }
    })
    .await;
    let mut ids = BTreeSet::new();
    while let Ok((headers, _)) = mediator.deliveries.try_recv() {
        assert!(ids.insert(headers["webhook-id"].to_str().unwrap().to_owned()), "each goes once");
    }
    ids
}

async fn states(gateway: &Gateway) -> Vec<(String, String)> {
    let of =
        |event: Value| [&event["id"], &event["state"]].map(|text| text.as_str().unwrap().to_owned()).into();
    gateway.events().await.into_iter().map(of).collect()
}

async fn submit(gateway: &Gateway) -> String {
    let url = format!("{}/v1/uin-tokens", gateway.api());
    let reply = process::post(&process::client(), &url, json!([leila(UIN)]).to_string()).await.unwrap();
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    answer["job"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_a_gateway_over_a_file_had_goes_once_through_two_on_a_server_and_comes_back() {
    let Some(shared) = Shared::new().await else { return };
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    let ida = format!("{}/idauthentication/v1", simulator.base_url);
    let (refusing, absent_ida, absent_mediator) = (Fake::start().await, Reserved::new(), Reserved::new());
    refusing.refuses("parked", PARKS);
    let mut old = Gateway::new();
    for (name, value) in urls(&simulator.base_url) {
        old.set(&[(name, &value)]);
    }
    old.set(&[
        ("UPSTREAM__MEDIATOR__CONCURRENCY", "1"),
        ("UPSTREAM__MEDIATOR__DEATH", &refusing.url),
        ("UPSTREAM__IDA__URL", &absent_ida.url()),
        ("DELIVER__URL", &absent_mediator.url()),
    ]);
    old.start();
    old.ready().await;

    // Settled, parked, in quarantine, a job whose record was tried, a message that nobody took; then a call is under way, and others wait.
    post(&old, "birth", "settled").await;
    post(&old, "death", "parked").await;
    old.push(r#"{"id":"","requestTime":"","data":"AAAA","signature":"AAAA"}"#.to_owned()).await;
    let job = submit(&old).await;
    patience::until("each at its place", async || {
        let known = states(&old).await;
        let [inbox, kept] = [old.get("/v1/inbox").await, old.get("/v1/quarantine").await];
        let is = |id: &str, state: &str| known.contains(&(id.to_owned(), state.to_owned()));
        match is("settled", "done") && is("parked", "parked") && kept["messages"][0].is_object() {
            true => inbox["messages"][1].is_object().then_some(()).ok_or((known, inbox)),
            false => Err((known, kept)),
        }
    })
    .await;
    simulator.controls.set(Behaviour { delay_ms: 60_000, ..Behaviour::default() });
    for composition in ["under-way", "waiting"] {
        post(&old, "birth", composition).await;
        post(&old, "birth-correction", composition).await;
    }
    patience::until("a call", async || {
        let leased = old.get("/v1/events?state=leased").await;
        if leased["events"] == json!([]) { Err(()) } else { Ok(()) }
    })
    .await;
    let (before, inbox) = (states(&old).await, old.get("/v1/inbox").await);
    old.kill();
    simulator.controls.set(Behaviour::default());

    let (mut one, mut other) = (shared.gateway(&simulator), shared.gateway(&simulator));
    for gateway in [&mut one, &mut other] {
        gateway.set(&[
            ("UPSTREAM__IDA__URL", &ida),
            ("DELIVER__URL", &absent_mediator.url()),
            ("UPSTREAM__PROBE_INTERVAL", "5s"),
        ]);
    }
    let (file, url) = (file_of(&old), shared.url().display().to_string());
    let there = ["outbox", "copy", "--from", &file, "--to", &url];
    let keyless = one.run(&there);
    assert!(!keyless.status.success() && said(&keyless).contains("outbox.key"), "{}", said(&keyless));
    std::fs::copy(old.home().join("outbox.key"), shared.dir.path().join("outbox.key")).unwrap();
    let moved = one.run(&there);
    assert!(moved.status.success(), "{}", said(&moved));
    assert!(said(&moved).contains(&format!("{:<12} {:>10}\n", "entry", before.len())), "{}", said(&moved));
    let refused = old.run(&["serve", "--allow-example-keys"]);
    assert!(!refused.status.success() && said(&refused).contains("were moved to"), "{}", said(&refused));

    let mut mediator = absent_mediator.open();
    one.start();
    other.start();
    one.ready().await;
    other.ready().await;
    let running = one.run(&["outbox", "copy", "--from", &url, "--to", &file]);
    assert!(!running.status.success() && said(&running).contains("stop all gateways"), "{}", said(&running));
    assert_eq!(post(&other, "birth", "settled").await, "settled", "a repeat is found");
    let (status, _) = one.post_event("birth", event("birth", "waiting", "Ada")).await;
    assert!(matches!(status, 200 | 202));
    let record = simulator.history.wait_until(|record| record.accepted.len() >= 5).await;
    let arrived = |record: &Record| {
        record.accepted.iter().map(|one| (one.id.clone(), one.count)).collect::<BTreeSet<_>>()
    };
    let meant =
        |known: &[(String, String)]| known.iter().map(|(id, _)| (id.clone(), 1)).collect::<BTreeSet<_>>();
    let but_parked: Vec<_> = before.iter().filter(|(id, _)| id != "parked").cloned().collect();
    assert_eq!(arrived(&record), meant(&but_parked), "each once, under the id that it had");
    assert_eq!(one.get("/v1/events/parked").await["state"], "parked", "a person decides, as before");
    let retried = other.run(&["outbox", "retry", "parked"]);
    assert!(retried.status.success(), "{}", said(&retried));
    let record = simulator.history.wait_until(|record| record.accepted.len() >= 6).await;
    assert_eq!(arrived(&record), meant(&before));
    assert_eq!(one.get("/v1/quarantine").await["messages"].as_array().unwrap().len(), 1);
    patience::until("the token of the job", async || {
        let report = one.get(&format!("/v1/uin-tokens/{job}")).await;
        if report["results"][0]["token"].is_string() { Ok(()) } else { Err(report) }
    })
    .await;
    patience::until("all at rest", async || {
        let known = states(&one).await;
        if known.iter().all(|(_, state)| state == "done") { Ok(()) } else { Err(known) }
    })
    .await;
    let waited = inbox["messages"].as_array().unwrap();
    let waited: BTreeSet<_> =
        waited.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect();
    let told = delivered(&mut mediator, &one).await;
    assert!(told.is_superset(&waited), "{waited:?} {told:?}");

    one.end().await;
    other.end().await;
    let known = before.into_iter().map(|(id, _)| (id, "done".to_owned())).collect::<Vec<_>>();
    let moved = one.run(&["outbox", "copy", "--from", &url, "--to", &file]);
    assert!(moved.status.success(), "{}", said(&moved));
    for (name, value) in urls(&simulator.base_url) {
        old.set(&[(name, &value)]);
    }
    old.set(&[("UPSTREAM__IDA__URL", &ida)]);
    old.start();
    old.ready().await;
    assert_eq!(states(&old).await, known);
    assert_eq!(post(&old, "birth", "waiting").await, "waiting");
    let correction = post(&old, "birth-correction", "settled").await;
    let record = simulator.history.wait_until(|record| record.accepted.len() >= 7).await;
    assert_eq!(record.accepted.back().map(|last| last.id.clone()), Some(correction));
    assert!(record.accepted.iter().all(|one| (one.count, one.altered) == (1, 0)), "{:?}", record.accepted);
    old.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_seals_once_the_last_gateway_has_it_and_rekey_names_the_one_that_lacks_it() {
    let Some(shared) = Shared::new().await else { return };
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    let (mut one, mut lagging) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let made = one.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", said(&made));
    let (keys, late) = (shared.dir.path().join("outbox.key"), shared.dir.path().join("late.key"));
    std::fs::copy(&keys, &late).unwrap();
    lagging.share(&shared.url(), &late);
    for gateway in [&mut one, &mut lagging] {
        gateway.set(&[("UPSTREAM__PROBE_INTERVAL", "5s")]);
    }
    one.start();
    lagging.start();
    one.ready().await;
    lagging.ready().await;
    let mut sealed = vec![post(&one, "birth", "of-the-former-key").await];

    let former = std::fs::read_to_string(&keys).unwrap();
    let new = format!("{}\n", base64::encode(&[7; 32]));
    std::fs::write(&keys, format!("{new}{former}")).unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let refused = one.run(&["outbox", "rekey"]);
    let names = format!("the gateway on {host} ");
    assert!(!refused.status.success() && said(&refused).contains(&names), "{}", said(&refused));
    assert!(said(&refused).contains("Nothing was changed"), "{}", said(&refused));
    patience::until("the log names the host", async || {
        let log = one.whole_log();
        let is_named =
            log.lines().any(|line| line.contains("does not have the first key") && line.contains(&host));
        if is_named { Ok(()) } else { Err(log) }
    })
    .await;
    sealed.push(post(&one, "birth", "meanwhile").await);
    assert_eq!(states(&lagging).await.len(), sealed.len(), "the former key seals what both have to open");

    std::fs::write(&late, format!("{new}{former}")).unwrap();
    patience::until("both seal under the new key", async || {
        let rekeyed = one.run(&["outbox", "rekey"]);
        if rekeyed.status.success() { Ok(()) } else { Err(said(&rekeyed)) }
    })
    .await;
    for file in [&keys, &late] {
        std::fs::write(file, &new).unwrap();
    }
    for gateway in [&mut one, &mut lagging] {
        gateway.end().await;
        gateway.start();
        gateway.ready().await;
    }
    sealed.push(post(&lagging, "birth", "of-the-new-key").await);
    simulator.controls.set(Behaviour::default());
    let record = simulator.history.wait_until(|record| record.accepted.len() >= sealed.len()).await;
    let arrived: BTreeSet<_> = record.accepted.iter().map(|one| one.id.clone()).collect();
    assert_eq!(arrived, sealed.into_iter().collect());
    one.kill();
    lagging.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}
