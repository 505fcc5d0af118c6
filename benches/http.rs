//! CPU time of a whole gateway for one `/v1/seal` and one `/v1/open` at 16 connections, beside the same in process. The client is another
//! process, and does not count.
//!
//! `cargo bench --bench http` measures, and fails beyond a limit; `-- --test` only shows that it runs.

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mosip_gateway::mosip::envelope::{self, Flavour, Policy, SealOptions, Sealed, SealedMessage, SignOver};
use serde_json::json;
use support::load::{Measured, is_test};
use support::message;
use support::process::{cpu_time, own_cpu_time};
use support::rings::mosip::{Push, private_key};
use support::rings::process::{Gateway, client, post_large};

const CONNECTIONS: usize = 16;

/// The two take turns, so that other work on the machine affects both alike.
const TURNS: usize = 7;

/// A length of plaintext, how far above the same in process a request may lie, and how many of them make a turn.
const SIZES: [(&str, usize, f64, usize); 2] =
    [("4 KiB", 4 << 10, 1.15, 4_000), ("64 KiB", 64 << 10, 1.20, 2_000)];

/// One kind of request.
struct Case {
    name: String,
    route: &'static str,
    content_type: &'static str,
    body: Bytes,
    in_process: Box<dyn Fn() + Sync>,
    wanted: f64,
    count: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut gateway = Gateway::new();
    gateway.start();
    gateway.ready().await;
    println!("| {CONNECTIONS} connections | in process | through HTTP | ratio | wanted | a second |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut kept = true;
    for (name, bytes, wanted, count) in SIZES {
        for case in [seal(name, bytes, wanted, count), open(name, bytes, wanted, count)] {
            kept &= case.measure(&gateway).await;
        }
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seal(name: &str, bytes: usize, wanted: f64, count: usize) -> Case {
    let (ring, plaintext) = (support::ring(), message(bytes));
    let body = plaintext.clone().into();
    let in_process = Box::new(move || {
        let to = ring.peer("mosip").and_then(|peer| peer.certificate.as_ref()).unwrap();
        let signer = &ring.signer(Some("partner")).unwrap().private;
        envelope::seal_message(to, Some(signer), &plaintext, SealOptions::default()).unwrap();
    });
    let (route, content_type) = ("/v1/seal?to=mosip", "application/octet-stream");
    Case { name: format!("seal+sign, {name}"), route, content_type, body, in_process, wanted, count }
}

fn open(name: &str, bytes: usize, wanted: f64, count: usize) -> Case {
    let (ring, plaintext) = (support::ring(), message(bytes));
    // As MOSIP writes to us, with the keys of the example; in process with others of the same length.
    let Push { data, signature } = Push::holding(
        &private_key("keys.example/simulator/mosip-priv.key"),
        str::from_utf8(&plaintext).unwrap(),
    );
    let body = json!({"data": data, "signature": signature, "from": "mosip"}).to_string().into();
    let SealedMessage { data, signature, .. } = {
        let to = ring.signer(Some("partner")).unwrap().certificate.as_ref().unwrap();
        let signer = &ring.signer(Some("mosip")).unwrap().private;
        let options =
            SealOptions { sign: SignOver::Plaintext, base64: Flavour::Url, ..SealOptions::default() };
        envelope::seal_message(to, Some(signer), &plaintext, options).unwrap()
    };
    let in_process = Box::new(move || {
        let message = Sealed { data: &data, signature: signature.as_deref(), aad: &[], over: None };
        envelope::open(&ring, ring.peer("mosip").unwrap(), message, Policy::default()).unwrap();
    });
    let (route, content_type) = ("/v1/open", "application/json");
    Case { name: format!("verify+open, {name}"), route, content_type, body, in_process, wanted, count }
}

impl Case {
    /// Prints a line. Whether the limit is kept.
    async fn measure(&self, gateway: &Gateway) -> bool {
        let (turns, count) = if is_test() { (1, 64) } else { (TURNS, self.count) };
        // Connections, threads and memory are set up before anything is measured.
        self.post_all(gateway, CONNECTIONS * 4).await;
        let mut sent = Measured::default();
        let mut pairs = Vec::new();
        for _ in 0..turns {
            let begun = cpu_time(gateway.pid());
            sent.add(self.post_all(gateway, count).await);
            let through_http = cpu_time(gateway.pid()) - begun;
            pairs.push((self.work(count), through_http));
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        let in_process = median(pairs.iter().map(|(in_process, _)| each(*in_process)));
        let through_http = median(pairs.iter().map(|(_, through_http)| each(*through_http)));
        let ratio =
            median(pairs.iter().map(|(in_process, http)| http.as_secs_f64() / in_process.as_secs_f64()));
        println!(
            "| {} | {in_process:.0} µs | {through_http:.0} µs | {ratio:.3} × | ≤ {:.2} × | {:.0} |",
            self.name,
            self.wanted,
            sent.rate()
        );
        is_test() || ratio <= self.wanted
    }

    async fn post_all(&self, gateway: &Gateway, count: usize) -> Measured {
        let (client, url) = (client(), format!("{}{}", gateway.api(), self.route));
        let (content_type, body) = (self.content_type, self.body.clone());
        let send = move |_| {
            let (client, url, body) = (client.clone(), url.clone(), body.clone());
            async move {
                let begun = Instant::now();
                let reply = post_large(&client, &url, content_type, body).await.expect("an answer");
                assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
                begun.elapsed()
            }
        };
        Measured::of(0, count, CONNECTIONS, send).await
    }

    /// CPU time of `count` in process, on as many threads as the gateway has for private keys.
    fn work(&self, count: usize) -> Duration {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let begun = own_cpu_time();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..count / threads).for_each(|_| (self.in_process)()));
            }
        });
        own_cpu_time() - begun
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
