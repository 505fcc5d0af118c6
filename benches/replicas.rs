//! Measures the outbox on PostgreSQL, with one gateway and with two, beside SQLite on the same disk: durable posts a second at 16 connections,
//! and how fast a MOSIP that answers at once takes a backlog, four calls at a time; each beside the fsyncs of the disk.
//!
//! `cargo bench --bench replicas` measures over a server of Debian's packages that it starts; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use mosip_gateway::demo::postgres::{self, Cluster};
use support::load::{AWAY, Measured, fsync_rate, gateway_over, is_test, padded_birth};
use support::mediator::Mediator;
use support::rings::port::Port;
use support::rings::process::{Gateway, client, post};

/// Size of an event that OpenCRVS sends.
const EVENT_LEN: usize = 4 << 10;
const CONNECTIONS: usize = 16;

#[tokio::main]
async fn main() {
    let Some(bin) = postgres::installed() else {
        println!("no PostgreSQL of Debian's packages is installed: nothing was measured");
        return;
    };
    let (posts, drained) = if is_test() { (32, 16) } else { (8_000, 2_000) };
    // Where the user of the server may come; the fsyncs of this disk are printed.
    let disk = tempfile::tempdir().unwrap();
    std::fs::set_permissions(disk.path(), Permissions::from_mode(0o755)).unwrap();
    println!("| outbox | posts/s | p50 | p99 | fsyncs/s of this disk | drained events/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, gateways) in [("SQLite", 0), ("PostgreSQL, one gateway", 1), ("PostgreSQL, two", 2)] {
        let folder = disk.path().join(format!("{gateways}"));
        std::fs::create_dir(&folder).unwrap();
        let (server, port) = (folder.join("server"), Port::hold());
        std::fs::create_dir(&server).unwrap();
        let cluster = (gateways > 0).then(|| {
            let cluster = Cluster::make(&bin, &server, port.number(), &[]).unwrap();
            cluster.start().unwrap();
            cluster
        });
        let fsyncs = fsync_rate(&folder, posts.min(2_000));
        let mut mosip = Mediator::start().await;
        let mut running = start(&folder, cluster.as_ref(), gateways.max(1), AWAY).await;
        let posts = post_events(&running, posts).await;
        running.iter_mut().for_each(Gateway::terminate);
        let running = start(&folder, cluster.as_ref(), gateways.max(1), &mosip.url).await;
        mosip.takes(1).await;
        let begun = Instant::now();
        mosip.takes(drained - 1).await;
        let drain = (drained - 1) as f64 / begun.elapsed().as_secs_f64();
        drop(running);
        println!(
            "| {name} | {:.0} | {:.2?} | {:.2?} | {fsyncs:.0} | {drain:.0} |",
            posts.rate(),
            posts.at(50),
            posts.at(99)
        );
    }
}

/// So many gateways over one outbox, once they are ready.
async fn start(folder: &Path, cluster: Option<&Cluster>, count: usize, mosip: &str) -> Vec<Gateway> {
    let mut gateways = Vec::new();
    for _ in 0..count {
        let mut gateway = gateway_over(&folder.join("outbox.db"), mosip);
        gateway.set(&[("UPSTREAM__MEDIATOR__CONCURRENCY", "4")]);
        if let Some(cluster) = cluster {
            let (url, key) = (folder.join("url"), folder.join("outbox.key"));
            std::fs::write(&url, cluster.url()).unwrap();
            gateway.share(&url, &key);
            if !key.exists() {
                assert!(gateway.run(&["outbox", "keygen"]).status.success());
            }
        }
        gateway.start();
        gateway.ready().await;
        gateways.push(gateway);
    }
    gateways
}

/// `count` posts, to each of `gateways` in turn.
async fn post_events(gateways: &[Gateway], count: usize) -> Measured {
    let urls: Vec<_> = gateways.iter().map(|gateway| format!("{}/v1/events/birth", gateway.api())).collect();
    let client = client();
    let send = move |number: usize| {
        let (client, url) = (client.clone(), urls[number % urls.len()].clone());
        async move {
            let event = padded_birth(number, EVENT_LEN);
            let begun = Instant::now();
            let reply = post(&client, &url, event).await.expect("an answer");
            assert_eq!(reply.status, 202);
            begun.elapsed()
        }
    };
    Measured::of(0, count, CONNECTIONS, send).await
}
