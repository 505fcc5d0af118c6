//! Measures calls of IDA through the listeners of a whole gateway, with the simulator on the same cores: calls a second, the gateway's CPU
//! time for a call beside that of the unavoidable cryptography, and a job of many UINTOKENs.
//!
//! `cargo bench --bench ida_http` measures; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mosip_gateway::simulator;
use serde_json::{Value, json};
use support::ida_calls::{call, floor};
use support::load::is_test;
use support::process::{cpu_time, peak_memory};
use support::rings::event::birth;
use support::rings::process::{Gateway, client, post};
use tokio::time::sleep;

struct Size {
    calls: usize,
    records: usize,
}

#[tokio::main]
async fn main() {
    let is_test = is_test();
    let size =
        if is_test { Size { calls: 32, records: 40 } } else { Size { calls: 20_000, records: 10_000 } };
    let floor = floor(if is_test { 10 } else { 2_000 });
    println!("a request built and a signature verified, without HTTP: {floor:.0?}\n");
    let (simulator, gateway) = start().await;
    calls(&gateway, size.calls, floor).await;
    job(&gateway, size.records).await;
    drop(gateway);
    simulator.shutdown().await;
}

async fn start() -> (simulator::Running, Gateway) {
    let simulator = support::rings::ida_setup::simulator(None).await;
    let mut gateway = Gateway::new();
    let ida = format!("{}/idauthentication/v1", simulator.base_url);
    gateway.set(&[("UPSTREAM__IDA__URL", &ida)]);
    gateway.start();
    gateway.ready().await;
    (simulator, gateway)
}

/// `/v1/ida/auth` over 1, 4 and 16 connections.
async fn calls(gateway: &Gateway, count: usize, floor: Duration) {
    println!("| connections | calls/s | p50 | p99 | gateway CPU a call | of the above |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for connections in [1, 4, 16] {
        // Connections and threads are set up before anything is measured.
        call(gateway, 8 * connections, connections).await;
        let cpu = cpu_time(gateway.pid());
        let measured = call(gateway, count, connections).await;
        let cpu = cpu_time(gateway.pid()) - cpu;
        let each = cpu.div_f64(count as f64);
        println!(
            "| {connections} | {:.0} | {:.2?} | {:.2?} | {each:.0?} | {:.2} × |",
            measured.rate(),
            measured.at(50),
            measured.at(99),
            each.as_secs_f64() / floor.as_secs_f64(),
        );
    }
}

/// One job from post to file, and what events wait meanwhile.
async fn job(gateway: &Gateway, count: usize) {
    let before = peak_memory(gateway.pid());
    let is_over = Arc::new(AtomicBool::new(false));
    let posting = tokio::spawn(post_events(gateway.api(), Arc::clone(&is_over)));

    let record = r#"{"individualId":"4152630978","consent":true,"demographics":{"name":[{"language":"eng","value":"Leila Karim"}],"dob":"1990/03/14"}}"#;
    let list = format!("[{}]", vec![record; count].join(","));
    let begun = Instant::now();
    let reply = post(&client(), &format!("{}/v1/uin-tokens", gateway.api()), list).await.expect("an answer");
    let submitted = begun.elapsed();
    is_over.store(true, Ordering::Relaxed);
    let longest = posting.await.unwrap();
    assert_eq!(reply.status, 202, "{}", String::from_utf8_lossy(&reply.body));
    let accepted: Value = serde_json::from_slice(&reply.body).unwrap();

    let route = format!("/v1/uin-tokens/{}?from={count}", accepted["job"].as_str().unwrap());
    let (mut settled, mut steps, mut moved, mut standstill) = (0, 0, Instant::now(), Duration::ZERO);
    while settled < count as u64 {
        let status = gateway.get(&route).await;
        assert_eq!((&status["progress"]["refused"], &status["progress"]["invalid"]), (&json!(0), &json!(0)));
        let done = status["progress"]["done"].as_u64().unwrap();
        if done > settled {
            standstill = standstill.max(moved.elapsed());
            (settled, steps, moved) = (done, steps + 1, Instant::now());
        }
        sleep(Duration::from_millis(20)).await;
    }
    let elapsed = begun.elapsed();
    println!(
        "\na job of {count}: submitted in {submitted:.0?}, {:.0} UINTOKENs/s, {steps} steps of progress seen, {standstill:.0?} between two at most",
        count as f64 / elapsed.as_secs_f64()
    );
    println!(
        "memory of the gateway: at most {before} KiB before it, {} KiB after it",
        peak_memory(gateway.pid())
    );
    println!("an event that was posted while it was submitted waited {longest:.2?} at most");
}

/// Events one by one until `is_over`; the longest that one took.
async fn post_events(api: String, is_over: Arc<AtomicBool>) -> Duration {
    let (client, url) = (client(), format!("{api}/v1/events/birth"));
    let mut longest = Duration::ZERO;
    for index in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let reply = post(&client, &url, birth(&format!("3b1c2f40-0000-4000-8000-{index:012x}"))).await;
        longest = longest.max(begun.elapsed());
        assert_eq!(reply.expect("an answer").status, 202);
    }
    longest
}
