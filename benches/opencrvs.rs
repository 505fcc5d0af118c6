//! Measures what a country on OpenCRVS calls, through the listeners of a whole gateway: `/events/registration` beside durable posts of events in
//! the same run, `/verify` beside `/v1/ida/auth` in the same run and the cryptography that it cannot do without, and the memory of a gateway
//! over many registrations, some with MOSIP away and some that are settled.
//!
//! `cargo bench --bench opencrvs` measures, and fails beyond a limit; `-- --test` only shows that it runs; `-- --registrations N` sets how many
//! are posted while memory is looked at (100,000).

#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::{post as posting, put};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::upstream::{Client, Request};
use serde_json::{Value, json};
use support::ida_calls::{call, floor};
use support::load::{AWAY, Measured, gateway_over, is_test, padded_birth};
use support::process::{cpu_time, memory};
use support::rings::ida_setup::{UIN, simulator};
use support::rings::mosip::caller_token_of;
use support::rings::process::{Gateway, client, post};
use support::rings::world::packets;
use tokio::net::TcpListener;
use tokio::time::sleep;

const CONNECTIONS: usize = 16;
/// Size of what is posted, of either kind.
const LEN: usize = 4 << 10;
/// A second, in parts of the rate beside it.
const LEAST_RATE: f64 = 0.9;
/// CPU time of a `/verify`, in times of its cryptography.
const MOST_CPU: f64 = 1.4;
/// Memory after all registrations, in times of that after the first tenth.
const MOST_MEMORY: f64 = 1.2;

struct Size {
    rounds: usize,
    posts: usize,
    verifications: usize,
    registrations: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().position(|word| word == "--registrations");
    let asked = asked.map(|at| arguments[at + 1].parse().unwrap());
    let size = if is_test() {
        Size { rounds: 1, posts: 64, verifications: 64, registrations: 200 }
    } else {
        Size { rounds: 10, posts: 2_000, verifications: 2_000, registrations: asked.unwrap_or(100_000) }
    };
    println!("| what, 16 connections | a second | p50 | p99 | beside | wanted |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let are_kept = [registrations(&size).await, verifications(&size).await, flat(&size, AWAY).await, {
        let mosip = TakesAll::start().await;
        flat(&size, &mosip.url).await
    }];
    match is_test() || are_kept.into_iter().all(|is_kept| is_kept) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Events and registrations in turn, so that other work on the machine affects both alike, while MOSIP is away.
async fn registrations(size: &Size) -> bool {
    let disk = tempfile::tempdir_in("target").unwrap();
    let gateway = face_over(&disk.path().join("registrations.db"), AWAY).await;
    let (mut events, mut registered) = (Measured::default(), Measured::default());
    for round in 0..size.rounds {
        let first = round * size.posts;
        // OpenCRVS makes a token for each record.
        let tokens = tokens(first..first + size.posts);
        events.add(post_events(&gateway, first, size.posts).await);
        registered.add(register(&gateway, first, size.posts, tokens).await);
    }
    line("events, 4 KiB", &events, "", "");
    let rate = registered.rate() / events.rate();
    line("`/events/registration`, 4 KiB", &registered, &format!("{rate:.2} of the events' rate"), "≥ 0.90");
    rate >= LEAST_RATE
}

/// `/v1/ida/auth` and `/verify` in turn, with MOSIP's side on the same cores.
async fn verifications(size: &Size) -> bool {
    let floor = floor(if is_test() { 10 } else { 2_000 });
    let simulator = simulator(None).await;
    let disk = tempfile::tempdir_in("target").unwrap();
    let mut gateway = gateway_over(&disk.path().join("verify.db"), &simulator.base_url);
    gateway.set(&[("UPSTREAM__IDA__URL", &format!("{}/idauthentication/v1", simulator.base_url))]);
    open_face(&mut gateway, &simulator.base_url);
    gateway.start();
    gateway.ready().await;
    // Connections and threads are set up before anything is measured.
    call(&gateway, 8 * CONNECTIONS, CONNECTIONS).await;
    // The users who fill in forms.
    let tokens = tokens(0..100);
    verify(&gateway, 8 * CONNECTIONS, &tokens).await;
    let (mut calls, mut verified) = (Measured::default(), Measured::default());
    let (mut of_calls, mut of_verified) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..size.rounds {
        let begun = cpu_time(gateway.pid());
        calls.add(call(&gateway, size.verifications, CONNECTIONS).await);
        let between = cpu_time(gateway.pid());
        verified.add(verify(&gateway, size.verifications, &tokens).await);
        of_calls += between - begun;
        of_verified += cpu_time(gateway.pid()) - between;
    }
    let of_floor =
        |cpu: Duration| cpu.as_secs_f64() / (size.rounds * size.verifications) as f64 / floor.as_secs_f64();
    let [cpu_of_call, cpu] = [of_calls, of_verified].map(of_floor);
    let rate = verified.rate() / calls.rate();
    line("`/v1/ida/auth`", &calls, &format!("CPU {cpu_of_call:.2} × of its cryptography, {floor:.0?}"), "");
    let beside = format!("{rate:.2} of that rate; CPU {cpu:.2} × of the same cryptography");
    line("`/verify`", &verified, &beside, "≥ 0.90; ≤ 1.40 ×");
    drop(gateway);
    simulator.shutdown().await;
    rate >= LEAST_RATE && cpu <= MOST_CPU
}

/// Memory after a tenth of many registrations and after all of them, which go to `mosip`.
async fn flat(size: &Size, mosip: &str) -> bool {
    let disk = tempfile::tempdir_in("target").unwrap();
    let gateway = face_over(&disk.path().join("flat.db"), mosip).await;
    let (first, tokens) = (size.registrations / 10, tokens(0..1));
    register(&gateway, 0, first, Arc::clone(&tokens)).await;
    let is_away = mosip == AWAY;
    if !is_away {
        settled(&gateway).await;
    }
    let before = memory(gateway.pid());
    register(&gateway, first, size.registrations - first, tokens).await;
    if !is_away {
        settled(&gateway).await;
    }
    let after = memory(gateway.pid());
    let growth = after as f64 / before as f64;
    let state = if is_away { "pending" } else { "settled" };
    println!(
        "| memory over {} {state} registrations | | | | {before} KiB after {first}, {after} KiB after all: {growth:.2} × | ≤ {MOST_MEMORY:.2} × |",
        size.registrations
    );
    growth <= MOST_MEMORY
}

fn line(what: &str, measured: &Measured, beside: &str, wanted: &str) {
    let (rate, p50, p99) = (measured.rate(), measured.at(50), measured.at(99));
    println!("| {what} | {rate:.0} | {p50:.2?} | {p99:.2?} | {beside} | {wanted} |");
}

/// A gateway with the face of `mosip-api`, once it is ready.
async fn face_over(database: &std::path::Path, mosip: &str) -> Gateway {
    let mut gateway = gateway_over(database, mosip);
    open_face(&mut gateway, mosip);
    gateway.start();
    gateway.ready().await;
    gateway
}

fn open_face(gateway: &mut Gateway, mosip: &str) {
    let packets = packets(mosip);
    gateway.set(&packets.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    let key = std::path::absolute("keys.example/opencrvs-jwt.pem").unwrap();
    gateway.set(&[("FACES__MOSIP_API", "true"), ("FACES__OPENCRVS_JWT__FILE", key.to_str().unwrap())]);
}

/// `count` events from `first` on over all connections.
async fn post_events(gateway: &Gateway, first: usize, count: usize) -> Measured {
    let (client, url) = (client(), format!("{}/v1/events/birth", gateway.api()));
    let send = move |number| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let event = padded_birth(number, LEN);
            let begun = Instant::now();
            assert_eq!(post(&client, &url, event).await.expect("an answer").status, 202);
            begun.elapsed()
        }
    };
    Measured::of(first, count, CONNECTIONS, send).await
}

/// Tokens of OpenCRVS, a different one for each record.
fn tokens(records: std::ops::Range<usize>) -> Arc<Vec<String>> {
    Arc::new(records.map(|number| caller_token_of(&[("eventId", &format!("record-{number}"))])).collect())
}

/// `count` registrations from `first` on over all connections, with the tokens in turn.
async fn register(gateway: &Gateway, first: usize, count: usize, tokens: Arc<Vec<String>>) -> Measured {
    let (client, url) = (client(), format!("{}/events/registration", gateway.api()));
    let send = move |number: usize| {
        let (client, url, tokens) = (client.clone(), url.clone(), Arc::clone(&tokens));
        async move {
            let (token, body) = (&tokens[number % tokens.len()], registration(number));
            let begun = Instant::now();
            assert_eq!(post_as(&client, &url, token, body).await, 202);
            begun.elapsed()
        }
    };
    Measured::of(first, count, CONNECTIONS, send).await
}

/// `count` verifications of a person over all connections, with the tokens in turn.
async fn verify(gateway: &Gateway, count: usize, tokens: &Arc<Vec<String>>) -> Measured {
    let (client, url, tokens) = (client(), format!("{}/verify", gateway.api()), Arc::clone(tokens));
    let send = move |number: usize| {
        let (client, url, tokens) = (client.clone(), url.clone(), Arc::clone(&tokens));
        async move {
            let person = json!({
                "nid": UIN, "dob": "1990-03-14", "name": { "firstname": "Leila", "surname": "Karim" },
            });
            let token = &tokens[number % tokens.len()];
            let begun = Instant::now();
            assert_eq!(post_as(&client, &url, token, person.to_string()).await, 200);
            begun.elapsed()
        }
    };
    Measured::of(0, count, CONNECTIONS, send).await
}

async fn post_as(client: &Client, url: &str, token: &str, body: String) -> u16 {
    let json = HeaderValue::from_static("application/json");
    let bearer = format!("Bearer {token}").parse().unwrap();
    let request = Request {
        method: Method::POST,
        uri: url.parse().unwrap(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json), (header::AUTHORIZATION, bearer)]),
        body: body.into(),
        deadline: Duration::from_secs(30),
        max_response: 1 << 20,
    };
    client.send(request).await.expect("an answer").status.as_u16()
}

/// A birth of the country configuration, padded to [`LEN`].
fn registration(number: usize) -> String {
    let number = format!("2026B{number:09}");
    let body = |note: &str| {
        json!({
            "trackingId": number, "eventId": format!("record-{number}"), "actionId": format!("action-{number}"),
            "notification": { "recipientFullName": "Amina Okoro", "recipientEmail": "", "recipientPhone": "" },
            "requestFields": { "birthCertificateNumber": number, "fullName": "Ada Okoro", "dateOfBirth": "2026/10/30", "note": note },
            "metaInfo": {}, "audit": { "uuid": number },
        })
        .to_string()
    };
    body(&"x".repeat(LEN - body("").len()))
}

/// Waits until nothing is left to send.
async fn settled(gateway: &Gateway) {
    let is_left = |list: Value| !list["events"].as_array().unwrap().is_empty();
    while is_left(gateway.get("/v1/events?state=queued").await)
        || is_left(gateway.get("/v1/events?state=leased").await)
    {
        sleep(Duration::from_millis(50)).await;
    }
}

/// A MOSIP that takes every packet and remembers none.
struct TakesAll {
    url: String,
}

impl TakesAll {
    async fn start() -> Self {
        let cookie = [(header::SET_COOKIE, "Authorization=token; Path=/")];
        let routes = Router::new()
            .route("/commons/v1/packetmanager/createPacket", put(async || Json(json!({ "response": [{}] }))))
            .route(
                "/registrationprocessor/v1/workflowmanager/workflowinstance",
                posting(async || Json(json!({ "response": { "workflowInstanceId": "w" } }))),
            )
            .route(
                "/v1/authmanager/authenticate/clientidsecretkey",
                posting(async move || {
                    (cookie, Json(json!({ "response": { "status": "success" }, "errors": null })))
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url }
    }
}
