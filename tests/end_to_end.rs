//! The whole way through the listeners: a mediator posts a plain birth, the simulator takes it sealed and signed and pushes a sealed
//! UINTOKEN, and the mediator receives it in plain JSON. Nothing of it is logged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::config::{Address, Config};
use mosip_gateway::gateway::Gateway;
use mosip_gateway::simulator::{Callback, Knobs, Running, Settings, Simulator};
use mosip_gateway::telemetry::{self, Capture};
use mosip_gateway::upstream::{Client, Reply, Request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tracing::level_filters::LevelFilter;

const EXAMPLE: &str = include_str!("../deploy/example.toml");
const BIRTH: &str = include_str!("../src/demo/birth.json");
const SECRET: &str = "example-client-secret";

/// Gateway, simulator and mediator, each on a port of its own.
struct World {
    simulator: Running,
    api: String,
    callback: String,
    deliveries: mpsc::Receiver<(HeaderMap, Value)>,
    client: Client,
    stop: oneshot::Sender<()>,
    gateway: tokio::task::JoinHandle<()>,
}

async fn world() -> World {
    let (delivered, deliveries) = mpsc::channel(8);
    let mediator = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deliver_url = format!("http://{}/mosip", mediator.local_addr().unwrap());
    let routes = Router::new().route("/mosip", post(receive)).with_state(delivered);
    tokio::spawn(async move { axum::serve(mediator, routes).await });

    // The simulator must know the callback before the gateway stands, and the gateway the simulator.
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback = format!("http://{}/birthReceiveNid", reserved.local_addr().unwrap());
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    settings.callback = Some(Callback { url: callback.parse().unwrap(), roots_pem: None });
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();

    let text = EXAMPLE
        .replace("http://127.0.0.1:4600", &simulator.base_url)
        .replace("127.0.0.1:4547", &reserved.local_addr().unwrap().to_string());
    let text = format!("{text}\n[deliver]\nurl = \"{deliver_url}\"\n");
    let variables = BTreeMap::from([
        ("MOSIP_AUTH_CLIENT_SECRET", SECRET),
        ("MOSIP_GATEWAY__LISTEN__INTERNAL", "127.0.0.1:0"),
        ("MOSIP_GATEWAY__LISTEN__OPS", "127.0.0.1:0"),
    ]);
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let load =
        || Config::from_toml(&text, Path::new("deploy"), &variables, &|path| std::fs::read(path)).unwrap();
    let client = Client::new(&load().upstream).unwrap();
    drop(reserved);
    let gateway = Gateway::bind(load(), true).await.unwrap();
    let Some(Address::Tcp(api)) = gateway.address("internal") else { panic!("no plain API") };
    let api = format!("http://{api}");
    let (stop, stopped) = oneshot::channel();
    let gateway = tokio::spawn(gateway.run(async {
        let _ = stopped.await;
    }));
    World { simulator, api, callback, deliveries, client, stop, gateway }
}

async fn receive(
    State(delivered): State<mpsc::Sender<(HeaderMap, Value)>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    delivered.send((headers, serde_json::from_slice(&body).unwrap())).await.unwrap();
    StatusCode::NO_CONTENT
}

impl World {
    async fn post(&self, url: &str, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let uri = url.parse().unwrap();
        let deadline = Duration::from_secs(60);
        let request = Request {
            method: Method::POST,
            uri,
            headers,
            body: body.into(),
            deadline,
            max_response: 1 << 24,
        };
        self.client.send(request).await.unwrap()
    }

    async fn post_birth(&self, body: &str) -> (u16, Value) {
        let reply =
            self.post(&format!("{}/v1/events/birth", self.api), "application/json", body.to_owned()).await;
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
    }
}

#[tokio::test]
async fn a_birth_goes_there_and_back_through_the_listeners_and_nothing_of_it_is_logged() {
    let logs = Capture::default();
    tracing::subscriber::set_global_default(telemetry::subscriber(logs.clone(), LevelFilter::TRACE)).unwrap();
    let mut world = world().await;

    let (status, settled) = world.post_birth(BIRTH).await;
    assert_eq!((status, &settled["state"]), (200, &json!("done")));
    let id = settled["id"].as_str().unwrap();
    let accepted = world.simulator.history.accepted(id).unwrap();
    assert_eq!(accepted.aid.as_deref(), settled["aid"].as_str());

    let (headers, delivery) = world.deliveries.recv().await.unwrap();
    let token = delivery["data"]["uinToken"].as_str().unwrap();
    assert_eq!(delivery["type"], "uin-token.received");
    assert_eq!(
        (&delivery["subject"]["brn"], &delivery["verified"]),
        (&json!("2026BDEMO01"), &json!("signature"))
    );
    assert_eq!(headers["webhook-id"], delivery["id"].as_str().unwrap());
    let record = world.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
    assert_eq!((record.pushes[0].uin_token.as_str(), record.pushes[0].status), (token, Some(200)));

    // Refusals log more than successes do.
    world.post_birth(&BIRTH.replace("Composition/", "Ada/")).await;
    world.post(&world.callback, "application/json", format!(r#"{{"data":"{token}"}}"#)).await;
    world.simulator.dials.set(Knobs { errors_in_200: Some("OPN-SUB-001".to_owned()), ..Knobs::default() });
    world.post_birth(BIRTH).await;

    world.stop.send(()).unwrap();
    world.gateway.await.unwrap();
    let logs = logs.text();
    assert!(logs.contains("request refused") && logs.contains("/v1/events/{kind}"), "{logs}");
    let password = std::fs::read_to_string("keys.example/keystore.password").unwrap();
    for secret in ["Ada", "Example", "2025-12-30", "2026BDEMO01", token, SECRET, password.trim(), "eyJ"] {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn mosips_failures_are_its_own_and_the_record_can_be_sent_again() {
    let world = world().await;
    let knobs = [
        (Knobs { answer_html: true, ..Knobs::default() }, 502, "upstream"),
        (Knobs { errors_in_200: Some("OPN-SUB-001".to_owned()), ..Knobs::default() }, 502, "upstream"),
        (Knobs { errors_in_200: Some("OPN-AUT-003".to_owned()), ..Knobs::default() }, 502, "partner"),
        (Knobs { down: true, ..Knobs::default() }, 502, "upstream"),
    ];
    for (knobs, status, fault) in knobs {
        world.simulator.dials.set(knobs);
        let (answered, problem) = world.post_birth(BIRTH).await;
        assert_eq!(
            (answered, &problem["fault"], &problem["retryable"]),
            (status, &json!(fault), &json!(true))
        );
    }
    world.simulator.dials.set(Knobs { reject_token_once: true, ..Knobs::default() });
    assert_eq!(world.post_birth(BIRTH).await.0, 200, "a refused token is fetched anew, once");
}

#[tokio::test]
async fn a_caller_without_the_opencrvs_token_is_refused_at_the_callback() {
    let world = world().await;
    let reply = world.post(&world.callback, "application/json", r#"{"data":"AAAA"}"#).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_seal_writes_and_mosip_did_not_sign_does_not_open() {
    let world = world().await;
    let sealed =
        world.post(&format!("{}/v1/seal?to=mosip", world.api), "application/octet-stream", "plain").await;
    assert_eq!(sealed.status, StatusCode::OK);
    let open = format!("{}/v1/open", world.api);
    assert_eq!(
        world.post(&open, "application/json", sealed.body.clone()).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(world.post(&open, "text/plain", sealed.body).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let field = world.post(&format!("{}/v1/seal?to=mosip&sing=none", world.api), "text/plain", "x").await;
    assert_eq!(field.status, StatusCode::UNPROCESSABLE_ENTITY);
}
