//! What must be single is single: one gateway subscribes at MOSIP's hub for both, and a URL that one of them pauses is paused for both.

use mosip_gateway::simulator::webhooks::SHA_SECRET;
use serde_json::Value;

use super::*;
use crate::support::port::Port;
use crate::support::world::{Hub, webhooks};

/// How long the takeover of the hub may take: two minutes, where the one that is gone was asking the hub just then, and the lease.
const TAKEOVER: Duration = Duration::from_secs(180);

async fn readiness_until(gateway: &Gateway, what: &str, holds: impl Fn(&Value) -> bool) {
    let waited = async {
        loop {
            let readiness = gateway.readiness().await.map(|(_, readiness)| readiness).unwrap_or_default();
            if holds(&readiness) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let in_time = tokio::time::timeout(TAKEOVER, waited).await;
    assert!(in_time.is_ok(), "{what}: {:?}\n{}", gateway.readiness().await, gateway.log());
}

/// All topics are subscribed, and nothing is missing.
fn is_subscribed(readiness: &Value) -> bool {
    let of_hub = readiness["hub"]["subscriptions"].as_array();
    let is_well = |topic: &Value| topic["state"] == "active" && topic["gap"].is_null();
    of_hub.is_some_and(|topics| topics.len() == 3 && topics.iter().all(is_well))
}

fn is_paused(readiness: &Value) -> bool {
    let mut channels = readiness["channels"].as_array().into_iter().flatten();
    channels.any(|channel| channel["state"] == "paused")
}

/// Both call back one address, as behind a load balancer that sends everything to `to`.
fn subscribes(gateway: &mut Gateway, simulator: &simulator::Running, to: &str) {
    let hub = Hub::beside(&simulator.base_url, to);
    gateway.configure(hub.text);
    gateway.set(&hub.set().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_subscribes_the_other_is_asked_and_told_and_takes_over() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    let (mut one, mut other) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let to = other.callback.clone();
    subscribes(&mut one, &simulator, &to);
    subscribes(&mut other, &simulator, &to);
    let made = one.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // The one holds the subscriptions before the other is there to be asked.
    simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    one.start();
    one.ready().await;
    patience::until("the one holds the subscriptions", async || {
        if one.log().contains("holds the subscriptions") { Ok(()) } else { Err(()) }
    })
    .await;
    other.start();
    other.ready().await;
    simulator.controls.set(Behaviour::default());
    readiness_until(&one, "the one", is_subscribed).await;
    readiness_until(&other, "the other", is_subscribed).await;
    assert_eq!(simulator.hub.subscriptions().len(), 3);
    assert!(!other.log().contains("holds the subscriptions"));
    patience::until("the holder on the page of the other", async || {
        let page = other.page().await;
        let gateways = page.split("Gateways</h2>").nth(1).and_then(|rest| rest.split("</table>").next());
        let is_shown = gateways.is_some_and(|gateways| gateways.contains("MOSIP's hub"));
        if is_shown { Ok(()) } else { Err(page) }
    })
    .await;

    simulator.hub.publish_result("10001000000001", "REJECTED");
    simulator.history.wait_until(|record| !record.hub_deliveries.is_empty()).await;
    patience::until("the other takes what the one subscribed", async || match simulator.hub.waiting() {
        0 => Ok(()),
        waiting => Err(waiting),
    })
    .await;

    one.kill();
    let asked = simulator.history.record().hub_calls.len();
    let killed = Instant::now();
    simulator.history.wait_until(|record| record.hub_calls.len() > asked).await;
    println!("the other subscribes {:.0} s after the kill", killed.elapsed().as_secs_f64());
    readiness_until(&other, "the other alone", is_subscribed).await;
    assert_eq!(simulator.hub.subscriptions().len(), 3, "none is made twice");
    other.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_mosip_refuses_pauses_both_gateways_and_one_probe_goes() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    let (mut one, mut other) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let made = one.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for gateway in [&mut one, &mut other] {
        gateway.set(&[("UPSTREAM__PROBE_INTERVAL", "5s")]);
        gateway.start();
        gateway.ready().await;
    }
    let id = post(&one, "birth", "paused").await;
    readiness_until(&one, "the one", is_paused).await;
    readiness_until(&other, "the other", is_paused).await;

    // It holds at both, however one of them is replaced.
    one.kill();
    readiness_until(&other, "the other alone", is_paused).await;
    one.start();
    one.ready().await;
    readiness_until(&one, "the one, started again", is_paused).await;

    simulator.controls.set(Behaviour::default());
    simulator.history.wait_until(|record| record.accepted.iter().any(|accepted| accepted.id == id)).await;
    for gateway in [&one, &other] {
        readiness_until(gateway, "it flows", |readiness| !is_paused(readiness)).await;
    }
    one.kill();
    other.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}

/// A command that worked on the shared database itself would ask for nothing, and the gateway would find out an hour later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_about_opencrvss_webhooks_speak_to_the_gateway_that_runs_here() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    let (mut gateway, at) = (shared.gateway(&simulator), Port::hold());
    let secret = shared.dir.path().join("sha_secret");
    std::fs::write(&secret, SHA_SECRET).unwrap();
    for (name, value) in webhooks(&simulator.base_url, &at.address()) {
        gateway.set(&[(name, &value)]);
    }
    gateway.set(&[("FACES__WEBHOOK_SECRET_FILE", secret.to_str().unwrap())]);
    let made = gateway.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    gateway.start();
    gateway.ready().await;
    for (command, left) in [("subscribe", 2), ("unsubscribe", 0), ("subscribe", 2)] {
        // The command waits, and the simulator answers meanwhile.
        let output = tokio::task::block_in_place(|| gateway.run(&["opencrvs", command]));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(simulator.webhooks.all().len(), left, "{command}");
    }
    gateway.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}
