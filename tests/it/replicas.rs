//! Two gateways, each a process of its own, over one database on PostgreSQL. Skipped, with a word, where `MOSIP_GATEWAY_TEST_POSTGRES` names none.

mod faults;
mod import;
mod moving;
mod single;
mod slots;
mod upgrade;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::history::{Accepted, Record};
use mosip_gateway::simulator::{self, Behaviour, Settings, Simulator};
use serde_json::json;
use tokio_postgres::NoTls;

use crate::support::event::event;
use crate::support::patience;
use crate::support::process::Gateway;
use crate::support::world::urls;

/// The URL of a database in which tests may make schemas.
const SERVER: &str = "MOSIP_GATEWAY_TEST_POSTGRES";
/// The shortest that may be set.
const LEASE: &str = "15s";
/// Compositions, each with a birth and its correction. The process dies after the first half of them.
const STORIES: usize = 16;
/// How long the rest may take, with the lease of the one that died.
const LONGEST: Duration = Duration::from_secs(120);

/// A schema for one test, and what two gateways need to share it.
struct Shared {
    dir: tempfile::TempDir,
    server: String,
    schema: String,
}

impl Shared {
    async fn new() -> Option<Self> {
        let Ok(server) = std::env::var(SERVER) else {
            eprintln!("skipped: {SERVER} names no PostgreSQL");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("replicas_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let shared = Self { dir, server, schema };
        shared.sql(&format!("CREATE SCHEMA {}", shared.schema)).await;
        let mark = if shared.server.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}options=-c%20search_path={}", shared.server, shared.schema);
        std::fs::write(shared.url(), url).unwrap();
        Some(shared)
    }

    fn url(&self) -> PathBuf {
        self.dir.path().join("url")
    }

    async fn sql(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.server, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }

    /// A gateway of this database, which sends to `simulator`.
    fn gateway(&self, simulator: &simulator::Running) -> Gateway {
        let mut gateway = Gateway::new();
        gateway.share(&self.url(), &self.dir.path().join("outbox.key"));
        gateway.set(&[("OUTBOX__LEASE", LEASE), ("UPSTREAM__MEDIATOR__CONCURRENCY", "1")]);
        for (name, value) in urls(&simulator.base_url) {
            gateway.set(&[(name, &value)]);
        }
        gateway
    }
}

async fn simulator() -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    Simulator::start(settings, Clock::system()).await.unwrap()
}

async fn post(gateway: &Gateway, kind: &str, composition: &str) -> String {
    let (status, answer) = gateway.post_event(kind, event(kind, composition, "Ada")).await;
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    answer["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gateway_leaves_that_is_killed_goes_through_the_other_once_and_in_order() {
    let Some(shared) = Shared::new().await else { return };
    let simulator = simulator().await;
    let (mut one, mut other) = (shared.gateway(&simulator), shared.gateway(&simulator));
    let made = one.run(&["outbox", "keygen"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    one.start();
    other.start();
    one.ready().await;
    other.ready().await;

    patience::until("both on the page of each", async || {
        for gateway in [&one, &other] {
            let page = gateway.page().await;
            let section = page.split("Gateways</h2>").nth(1).unwrap_or_default();
            let rows = section.split("</table>").next().unwrap_or_default().matches(" ago").count();
            if rows != 2 {
                return Err(page);
            }
        }
        Ok(())
    })
    .await;

    let (mut acknowledged, mut compositions) = (BTreeSet::new(), Vec::new());
    for number in 0..STORIES / 2 {
        let composition = format!("r{number}");
        acknowledged.insert(post(&one, "birth", &composition).await);
        acknowledged.insert(post(&other, "birth-correction", &composition).await);
        assert_eq!(
            post(&other, "birth", &composition).await,
            composition,
            "what the one took, the other knows"
        );
        compositions.push(composition);
    }
    let first = |record: &Record| record.accepted.len();
    simulator.history.wait_until(|record| first(record) >= STORIES).await;
    let most = simulator.history.record().max_concurrent;
    assert_eq!(most.get("/opencrvs/v1/birth"), Some(&1), "calls are counted over both: {most:?}");

    // The other is started again, as for an update, while the one has a call under way, which is not answered before it dies.
    other.kill();
    simulator.controls.set(Behaviour { delay_ms: 60_000, ..Behaviour::default() });
    let later: Vec<_> = (STORIES / 2..STORIES).map(|number| format!("r{number}")).collect();
    for composition in &later {
        acknowledged.insert(post(&one, "birth", composition).await);
    }
    let held = patience::until("a call", async || {
        let leased = one.get("/v1/events?state=leased").await;
        leased["events"][0]["id"].as_str().map(str::to_owned).ok_or(())
    })
    .await;
    other.start();
    other.ready().await;
    for composition in later {
        acknowledged.insert(post(&other, "birth-correction", &composition).await);
        compositions.push(composition);
    }
    let before = first(&simulator.history.record());
    one.kill();
    let killed = Instant::now();
    simulator.controls.set(Behaviour::default());
    let rest = async {
        let has_held = |record: &Record| record.accepted.iter().any(|accepted| accepted.id == held);
        simulator.history.wait_until(has_held).await;
        let next = killed.elapsed();
        simulator.history.wait_until(|record| first(record) == 2 * STORIES).await;
        next
    };
    let all = tokio::time::timeout(LONGEST, rest).await;
    let accepted = simulator.history.record().accepted;
    let Ok(next) = all else { panic!("{} of {} arrived: {}", accepted.len(), 2 * STORIES, other.log()) };
    println!(
        "{} arrived after the kill within {:.1} s; what it held came after {:.1} s, under a lease of {LEASE}",
        accepted.len() - before,
        killed.elapsed().as_secs_f64(),
        next.as_secs_f64()
    );

    let arrived: BTreeSet<_> = accepted.iter().map(|accepted| accepted.id.clone()).collect();
    assert_eq!(arrived, acknowledged, "nothing is lost, and nothing went under two ids");
    assert_eq!(accepted.len(), arrived.len());
    assert!(accepted.iter().all(|accepted| accepted.altered == 0));
    for composition in compositions {
        let of = |accepted: &&Accepted| accepted.composition == composition;
        let kinds: Vec<_> = accepted.iter().filter(of).map(|accepted| json!(accepted.kind)).collect();
        assert_eq!(kinds, ["birth", "birth-correction"], "{composition} keeps its order");
    }
    other.kill();
    shared.sql(&format!("DROP SCHEMA {} CASCADE", shared.schema)).await;
}
