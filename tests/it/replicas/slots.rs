//! The slots of a URL are those of all gateways together, where there is more than one.

use super::*;

/// `concurrency` of the URL.
const SLOTS: usize = 3;
/// Births, half of them posted to each gateway.
const BIRTHS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_together_have_as_many_calls_under_way_as_the_url_has_slots() {
    let Some(shared) = Shared::new().await else { return };
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    // Long enough for each call that others come beside it.
    simulator.controls.set(Behaviour { delay_ms: 500, ..Behaviour::default() });
    let (mut one, mut other) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let made = one.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for gateway in [&mut one, &mut other] {
        gateway.set(&[("UPSTREAM__MEDIATOR__CONCURRENCY", &SLOTS.to_string())]);
        gateway.start();
        gateway.ready().await;
    }
    let mut acknowledged = BTreeSet::new();
    for number in 0..BIRTHS {
        let gateway = if number % 2 == 0 { &one } else { &other };
        acknowledged.insert(post(gateway, "birth", &format!("s{number}")).await);
    }
    let record = simulator.history.wait_until(|record| record.accepted.len() >= BIRTHS).await;
    let arrived: BTreeSet<_> = record.accepted.iter().map(|accepted| accepted.id.clone()).collect();
    assert_eq!(arrived, acknowledged, "nothing is lost, and nothing went under two ids");
    // An attempt may be at its application id meanwhile.
    let most = record.max_concurrent.get("/opencrvs/v1/birth").copied().unwrap_or_default();
    assert!((2..=SLOTS).contains(&most), "{:?}", record.max_concurrent);
    one.kill();
    other.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}
