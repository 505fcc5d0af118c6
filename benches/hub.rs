//! Measures how fast messages of MOSIP's hub are acknowledged, which happens once they are on the disk, beside durable posts of events in the
//! same run: acknowledgements a second and their latency at 16 connections.
//!
//! `cargo bench --bench hub` measures; `-- --test` only shows that it runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench says so by panicking, and prints"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::upstream::Client;
use serde_json::json;
use support::rings::event::birth;
use support::rings::gateway::HUB_SECRET;
use support::rings::process::{Gateway, client, post, push};
use support::rings::world::{Hub, urls};
use tokio::task::JoinSet;

/// Nobody listens here: neither MOSIP nor its hub is there.
const AWAY: &str = "http://127.0.0.1:9";
const CONNECTIONS: usize = 16;
/// Size of what is posted, of either kind.
const LEN: usize = 4 << 10;

/// What is posted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Event,
    HubMessage,
}

/// How long each post took, and all of them together.
#[derive(Default)]
struct Measured {
    latencies: Vec<Duration>,
    time: Duration,
}

#[tokio::main]
async fn main() {
    let is_test = std::env::args().any(|word| word == "--test");
    // The two alternate, so that other work on the machine affects both alike.
    let (rounds, count) = if is_test { (1, 64) } else { (10, 2_000) };
    let disk = tempfile::tempdir_in("target").unwrap();
    let mut gateway = Gateway::new();
    let set = urls(AWAY);
    gateway.set(&set.iter().map(|(name, url)| (*name, url.as_str())).collect::<Vec<_>>());
    let database = std::path::absolute(disk.path().join("hub.db")).unwrap();
    gateway.set(&[("OUTBOX__PATH", &database.display().to_string())]);
    let hub = Hub::beside(AWAY, &gateway.callback);
    gateway.configure(hub.text);
    gateway.set(&hub.set().collect::<Vec<_>>());
    gateway.start();
    gateway.ready().await;

    let (mut events, mut messages) = (Measured::default(), Measured::default());
    for round in 0..rounds {
        events.add(post_all(&gateway, What::Event, round * count, count).await);
        messages.add(post_all(&gateway, What::HubMessage, round * count, count).await);
    }
    let (rate, p99) = (events.rate(), events.at(99).as_secs_f64());
    println!(
        "| {CONNECTIONS} connections, {LEN} bytes | a second | p50 | p99 | of the events' rate | of their p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, measured) in [("events", &events), ("messages of the hub", &messages)] {
        println!(
            "| {name} | {:.0} | {:.2?} | {:.2?} | {:.2} | {:.2} |",
            measured.rate(),
            measured.at(50),
            measured.at(99),
            measured.rate() / rate,
            measured.at(99).as_secs_f64() / p99,
        );
    }
    println!("wanted: at least 0.90 of the rate, at most 1.50 of the p99");
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.time += other.time;
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    fn at(&self, share: usize) -> Duration {
        self.latencies[(self.latencies.len() * share / 100).min(self.latencies.len() - 1)]
    }
}

/// `count` posts from `first` on over all connections.
async fn post_all(gateway: &Gateway, what: What, first: usize, count: usize) -> Measured {
    let url = match what {
        What::Event => format!("{}/v1/events/birth", gateway.api()),
        What::HubMessage => format!("http://{}{}", gateway.callback, Hub::CALLBACK),
    };
    let (client, next) = (client(), Arc::new(AtomicUsize::new(first)));
    let mut posting = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..CONNECTIONS {
        let (client, next, url) = (client.clone(), Arc::clone(&next), url.clone());
        posting.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= first + count {
                    return latencies;
                }
                latencies.push(post_one(&client, &url, what, index).await);
            }
        });
    }
    let latencies = posting.join_all().await.concat();
    Measured { latencies, time: begun.elapsed() }
}

/// How long it takes until it is acknowledged.
async fn post_one(client: &Client, url: &str, what: What, index: usize) -> Duration {
    match what {
        What::Event => {
            let text = birth(&format!("3b1c2f40-0000-4000-8000-{index:012x}"));
            let padding = "x".repeat(LEN.saturating_sub(text.len() + 9));
            let event = text.replacen('{', &format!("{{\"pad\":\"{padding}\","), 1);
            let begun = Instant::now();
            assert_eq!(post(client, url, event).await.expect("an answer").status, 202);
            begun.elapsed()
        }
        What::HubMessage => {
            let message = |padding: &str| {
                let attributes = json!({ "NAME": padding });
                json!({
                    "instanceId": format!("{index:029}"), "resultCode": "REJECTED", "workflowType": "CRVS_NEW",
                    "errorCode": "PACKET_REJECTED", "notificationAttributes": attributes,
                })
                .to_string()
            };
            let body = message(&"x".repeat(LEN - message("").len()));
            let tag = hmac::tag(HmacAlgorithm::Sha256, HUB_SECRET.as_bytes(), &[body.as_bytes()]);
            let tag = HEXLOWER.encode(&tag);
            let begun = Instant::now();
            assert_eq!(push(client, url, &tag, &body).await.expect("an answer").status, 200);
            begun.elapsed()
        }
    }
}
