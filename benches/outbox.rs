//! What the durable outbox costs, through the listeners of a whole gateway: posts a second and their latency beside the fsync rate
//! of the same disk, the drain against the simulator, and a start over a large backlog.
//!
//! `cargo bench --bench outbox` measures; `-- --test` only shows that it runs; `-- --backlog N` sets the backlog (100,000).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench says so by panicking, and prints"
)]

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::config::{Address, Config};
use mosip_gateway::gateway::Gateway;
use mosip_gateway::mosip::event::{Event, EventKind};
use mosip_gateway::outbox::entry::State;
use mosip_gateway::outbox::store::Store;
use mosip_gateway::simulator::{Settings, Simulator};
use mosip_gateway::upstream::{Client, Request};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

const EXAMPLE: &str = include_str!("../deploy/example.toml");
const BIRTH: &str = include_str!("../src/demo/birth.json");
const COMPOSITION: &str = "3b1c2f40-0000-4000-8000-000000000001";
/// Size of an event that OpenCRVS sends.
const EVENT_LEN: usize = 4 << 10;

struct Size {
    posts: usize,
    drained: usize,
    backlog: usize,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let backlog =
        arguments.iter().position(|word| word == "--backlog").map(|at| arguments[at + 1].parse().unwrap());
    let size = if arguments.iter().any(|word| word == "--test") {
        Size { posts: 64, drained: 20, backlog: 200 }
    } else {
        Size { posts: 20_000, drained: 2_000, backlog: backlog.unwrap_or(100_000) }
    };
    let disk = tempfile::tempdir_in("target").unwrap();
    posts(disk.path(), size.posts).await;
    drain(disk.path(), size.drained).await;
    start(disk.path(), size.backlog).await;
}

/// Durable posts a second at 1, 16 and 64 connections.
async fn posts(disk: &Path, count: usize) {
    println!("| connections | posts/s | p50 | p99 | fsyncs/s of this disk | wanted posts/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for connections in [1, 16, 64] {
        let fsyncs = fsync_rate(disk, count.min(2_000));
        let gateway =
            Running::start(&disk.join(format!("posts-{connections}.db")), "http://127.0.0.1:9").await;
        // One connection alone waits for every fsync, so it gets fewer posts to do.
        let (rate, mut latencies) = gateway.post(0, count.min(2_000 * connections), connections).await;
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() * share / 100).min(latencies.len() - 1)];
        let wanted = (0.8 * connections as f64 * fsyncs).min(2_000.0);
        println!(
            "| {connections} | {rate:.0} | {:.2?} | {:.2?} | {fsyncs:.0} | {wanted:.0} |",
            at(50),
            at(99)
        );
        gateway.stop().await;
    }
}

/// From a backlog to MOSIP, with an application id each, one post at a time as the mediator demands.
async fn drain(disk: &Path, count: usize) {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    let database = disk.join("drain.db");
    fill(&database, count).await;
    let begun = Instant::now();
    let gateway = Running::start(&database, &simulator.base_url).await;
    simulator.history.wait_until(|record| record.accepted.len() == count).await;
    println!("\ndrain: {:.0} events/s over {count}", count as f64 / begun.elapsed().as_secs_f64());
    gateway.stop().await;
    simulator.shutdown().await;
}

/// A start over a backlog while MOSIP is away: time to ready, memory, disk.
async fn start(disk: &Path, backlog: usize) {
    let database = disk.join("backlog.db");
    fill(&database, backlog).await;
    let bytes = std::fs::metadata(&database).unwrap().len();
    println!(
        "\nbacklog: {backlog} events of {EVENT_LEN} bytes take {} bytes of disk each",
        bytes / backlog as u64
    );
    let before = resident();
    let begun = Instant::now();
    let gateway = Running::start(&database, "http://127.0.0.1:9").await;
    gateway.until_ready().await;
    println!("start over it: {:.2?} to ready", begun.elapsed());
    gateway.post(backlog, 1_000.min(backlog), 16).await;
    println!("resident memory: {before} KiB before, {} KiB over the backlog and 1,000 posts", resident());
    gateway.stop().await;
}

/// Fills a database as posts do, without listeners.
async fn fill(database: &Path, count: usize) {
    let store = Arc::new(open(database));
    let next = Arc::new(AtomicUsize::new(0));
    let mut filling = JoinSet::new();
    for _ in 0..128 {
        let (store, next) = (Arc::clone(&store), Arc::clone(&next));
        filling.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let event = Event::parse(EventKind::Birth, Bytes::from(event(index))).unwrap();
                store.accept(event, None).await.unwrap();
            }
        });
    }
    filling.join_all().await;
    let queued = store.counts().await.unwrap()[&("birth".to_owned(), State::Queued)];
    assert_eq!(queued, count as u64);
}

/// Writes and syncs of 4 KiB a second, as one commit needs.
fn fsync_rate(disk: &Path, count: usize) -> f64 {
    let mut file = std::fs::File::create(disk.join("fsync")).unwrap();
    let begun = Instant::now();
    for _ in 0..count {
        file.rewind().unwrap();
        file.write_all(&[7; EVENT_LEN]).unwrap();
        file.sync_data().unwrap();
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// The birth of the demo under a composition of its own, padded to the size of a real one.
fn event(index: usize) -> String {
    let text = BIRTH.replace(COMPOSITION, &format!("3b1c2f40-0000-4000-8000-{index:012x}"));
    let padding = "x".repeat(EVENT_LEN.saturating_sub(text.len() + 12));
    text.replacen('{', &format!("{{\"pad\":\"{padding}\","), 1)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn config(database: &Path, mosip: &str) -> Config {
    let text = EXAMPLE.replace("http://127.0.0.1:4600", mosip);
    let variables = BTreeMap::from([
        ("MOSIP_AUTH_CLIENT_SECRET", "example-client-secret".to_owned()),
        ("MOSIP_GATEWAY__OUTBOX__PATH", std::path::absolute(database).unwrap().display().to_string()),
        ("MOSIP_GATEWAY__LISTEN__INTERNAL", "127.0.0.1:0".to_owned()),
        ("MOSIP_GATEWAY__LISTEN__CALLBACK", "127.0.0.1:0".to_owned()),
        ("MOSIP_GATEWAY__LISTEN__OPS", "127.0.0.1:0".to_owned()),
    ]);
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let read = |path: &Path| std::fs::read(path);
    Config::from_toml(&text, Path::new("deploy"), &variables, &read)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn open(database: &Path) -> Store {
    let config = config(database, "http://127.0.0.1:9");
    Store::open(config.outbox, config.quarantine, Clock::system()).unwrap()
}

struct Running {
    api: String,
    ops: String,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(database: &Path, mosip: &str) -> Self {
        let client = Client::new(&config(database, mosip).upstream).unwrap();
        let gateway = Gateway::bind(config(database, mosip), true).await.unwrap();
        let address = |name| match gateway.address(name) {
            Some(Address::Tcp(address)) => format!("http://{address}"),
            other => panic!("{name} stands at {other:?}"),
        };
        let (api, ops) = (address("internal"), address("ops"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(gateway.run(async {
            let _ = stopped.await;
        }));
        Self { api, ops, client, stop, task }
    }

    async fn until_ready(&self) {
        let reply =
            self.client.send(request(Method::GET, format!("{}/readyz", self.ops), String::new())).await;
        assert_eq!(reply.unwrap().status, 200);
    }

    /// `count` posts from `first` on over `connections`; posts a second, and how long each took.
    async fn post(&self, first: usize, count: usize, connections: usize) -> (f64, Vec<Duration>) {
        let next = Arc::new(AtomicUsize::new(first));
        let mut posting = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..connections {
            let (client, next, url) =
                (self.client.clone(), Arc::clone(&next), format!("{}/v1/events/birth", self.api));
            posting.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= first + count {
                        return latencies;
                    }
                    let request = request(Method::POST, url.clone(), event(index));
                    let begun = Instant::now();
                    let reply = client.send(request).await.unwrap();
                    latencies.push(begun.elapsed());
                    assert_eq!(reply.status, 202);
                }
            });
        }
        let latencies = posting.join_all().await.concat();
        (count as f64 / begun.elapsed().as_secs_f64(), latencies)
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn request(method: Method, url: String, body: String) -> Request {
    let headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let deadline = Duration::from_secs(60);
    Request { method, uri: url.parse().unwrap(), headers, body: body.into(), deadline, max_response: 1 << 20 }
}
