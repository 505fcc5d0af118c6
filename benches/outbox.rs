//! Measures the durable outbox through the listeners of a whole gateway: posts a second and their latency beside the fsync rate of the same
//! disk, how fast a MOSIP that answers at once takes a backlog, and a start over a large backlog.
//!
//! `cargo bench --bench outbox` measures, and fails where the backlog goes too slowly; `-- --test` only shows that it runs; `-- --backlog N` sets the backlog (100,000);
//! `-- --drain` measures how fast a backlog goes and nothing else.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use support::load::{AWAY, Measured, fsync_rate, gateway_over, is_test, padded_birth};
use support::mediator::Mediator;
use support::process::peak_memory;
use support::rings::process::{Gateway, client, post};

/// Size of an event that OpenCRVS sends.
const EVENT_LEN: usize = 4 << 10;

/// Events a second that leave a backlog one at a time, in parts of the disk's fsyncs a second.
const LEAST_DRAIN: f64 = 0.08;

struct Size {
    posts: usize,
    drained: usize,
    backlog: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let backlog =
        arguments.iter().position(|word| word == "--backlog").map(|at| arguments[at + 1].parse().unwrap());
    let size = if is_test() {
        Size { posts: 64, drained: 20, backlog: 200 }
    } else {
        Size { posts: 20_000, drained: 2_000, backlog: backlog.unwrap_or(100_000) }
    };
    let disk = tempfile::tempdir_in("target").unwrap();
    let drains_alone = arguments.iter().any(|word| word == "--drain");
    if !drains_alone {
        posts(disk.path(), size.posts).await;
    }
    let kept = drain(disk.path(), size.drained).await;
    if !drains_alone {
        start(disk.path(), size.backlog).await;
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Durable posts a second at 1, 16 and 64 connections.
async fn posts(disk: &Path, count: usize) {
    println!("| connections | posts/s | p50 | p99 | fsyncs/s of this disk | wanted posts/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for connections in [1, 16, 64] {
        let fsyncs = fsync_rate(disk, count.min(2_000));
        let gateway = start_over(&disk.join(format!("posts-{connections}.db")), AWAY).await;
        // One connection alone waits for every fsync, so it gets fewer posts to do.
        let count = count.min(2_000 * connections);
        let measured = post_events(&gateway, 0, count, connections).await;
        let wanted = (0.8 * connections as f64 * fsyncs).min(2_000.0);
        println!(
            "| {connections} | {:.0} | {:.2?} | {:.2?} | {fsyncs:.0} | {wanted:.0} |",
            measured.rate(),
            measured.at(50),
            measured.at(99)
        );
    }
}

/// Sends a backlog to a MOSIP that answers at once, each event with an application id, one post at a time as the MOSIP-side mediator
/// demands. Whether it goes fast enough.
async fn drain(disk: &Path, count: usize) -> bool {
    let database = disk.join("drain.db");
    fill(&database, count).await;
    let mut mosip = Mediator::start().await;
    let before = fsync_rate(disk, 2_000.min(count));
    let gateway = start_over(&database, &mosip.url).await;
    mosip.takes(1).await;
    let begun = Instant::now();
    mosip.takes(count - 1).await;
    let rate = (count - 1) as f64 / begun.elapsed().as_secs_f64();
    drop(gateway);
    let fsyncs = f64::midpoint(before, fsync_rate(disk, 2_000.min(count)));
    let of_fsyncs = rate / fsyncs;
    println!(
        "\ndrain: {rate:.0} events/s over {count}, {of_fsyncs:.3} of {fsyncs:.0} fsyncs/s; wanted >= {LEAST_DRAIN}"
    );
    is_test() || of_fsyncs >= LEAST_DRAIN
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
    let empty = start_over(&disk.join("empty.db"), AWAY).await;
    post_events(&empty, 0, 1_000.min(backlog), 16).await;
    let begun = Instant::now();
    let gateway = start_over(&database, AWAY).await;
    println!("start over it: {:.2?} to ready", begun.elapsed());
    post_events(&gateway, backlog, 1_000.min(backlog), 16).await;
    let [empty, full] = [&empty, &gateway].map(|gateway| peak_memory(gateway.pid()));
    println!("memory after 1,000 posts: {empty} KiB over an empty database, {full} KiB over the backlog");
}

/// A gateway over `database`, once it is ready.
async fn start_over(database: &Path, mosip: &str) -> Gateway {
    let mut gateway = gateway_over(database, mosip);
    gateway.start();
    gateway.ready().await;
    gateway
}

/// `count` posts from `first` on over `connections`.
async fn post_events(gateway: &Gateway, first: usize, count: usize, connections: usize) -> Measured {
    let (client, url) = (client(), format!("{}/v1/events/birth", gateway.api()));
    let send = move |number| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let event = padded_birth(number, EVENT_LEN);
            let begun = Instant::now();
            let reply = post(&client, &url, event).await.expect("an answer");
            assert_eq!(reply.status, 202);
            begun.elapsed()
        }
    };
    Measured::of(first, count, connections, send).await
}

/// Fills a database through a gateway of its own, while MOSIP is away.
async fn fill(database: &Path, count: usize) {
    let mut gateway = start_over(database, AWAY).await;
    post_events(&gateway, 0, count, 64).await;
    gateway.kill();
}
