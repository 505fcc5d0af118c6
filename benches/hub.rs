//! Measures how fast messages of MOSIP's hub are acknowledged, which happens once they are on the disk, beside durable posts of events in the
//! same run: acknowledgements a second and their latency at 16 connections.
//!
//! `cargo bench --bench hub` measures, and fails beyond a limit; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use mosip_gateway::upstream::Client;
use serde_json::json;
use support::load::{AWAY, Measured, gateway_over, is_test, padded_birth};
use support::rings::gateway::HUB_SECRET;
use support::rings::process::{Gateway, client, post, push};
use support::rings::world::Hub;

const CONNECTIONS: usize = 16;
/// Size of what is posted, of either kind.
const LEN: usize = 4 << 10;
/// Messages of the hub a second, in parts of the events' rate.
const LEAST_RATE: f64 = 0.9;
/// Their p99, in times of that of the events.
const MOST_P99: f64 = 1.5;

/// What is posted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Event,
    HubMessage,
}

#[tokio::main]
async fn main() -> ExitCode {
    // The two alternate, so that other work on the machine affects both alike.
    let (rounds, count) = if is_test() { (1, 64) } else { (10, 2_000) };
    let disk = tempfile::tempdir_in("target").unwrap();
    // Neither MOSIP nor its hub is there.
    let mut gateway = gateway_over(&disk.path().join("hub.db"), AWAY);
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
    let of_events =
        |it: &Measured| (it.rate() / events.rate(), it.at(99).as_secs_f64() / events.at(99).as_secs_f64());
    println!(
        "| {CONNECTIONS} connections, {LEN} bytes | a second | p50 | p99 | of the events' rate | of their p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, measured) in [("events", &events), ("messages of the hub", &messages)] {
        let (rate, p99) = of_events(measured);
        println!(
            "| {name} | {:.0} | {:.2?} | {:.2?} | {rate:.2} | {p99:.2} |",
            measured.rate(),
            measured.at(50),
            measured.at(99),
        );
    }
    println!("wanted: at least {LEAST_RATE:.2} of the rate, at most {MOST_P99:.2} of the p99");
    let (rate, p99) = of_events(&messages);
    match is_test() || (rate >= LEAST_RATE && p99 <= MOST_P99) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// `count` posts from `first` on over all connections.
async fn post_all(gateway: &Gateway, what: What, first: usize, count: usize) -> Measured {
    let url = match what {
        What::Event => format!("{}/v1/events/birth", gateway.api()),
        What::HubMessage => format!("http://{}{}", gateway.callback, Hub::CALLBACK),
    };
    let client = client();
    let send = move |number| {
        let (client, url) = (client.clone(), url.clone());
        async move { post_one(&client, &url, what, number).await }
    };
    Measured::of(first, count, CONNECTIONS, send).await
}

/// How long it takes until it is acknowledged.
async fn post_one(client: &Client, url: &str, what: What, index: usize) -> Duration {
    match what {
        What::Event => {
            let event = padded_birth(index, LEN);
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
