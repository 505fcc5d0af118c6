//! `mosip-gateway demo`: one birth there and back against the simulator, printed step by step.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::keys::watch;
use crate::mosip::caller::CallerKey;
use crate::mosip::envelope::Policy;
use crate::mosip::event::{Event, EventKind};
use crate::mosip::{mediator, roles};
use crate::outbox::worker::Worker;
use crate::pool::Pool;
use crate::simulator::{Callback, Settings, Simulator};
use crate::upstream::Client;

const BIRTH: &[u8] = include_bytes!("demo/birth.json");
const CONFIG: &str = include_str!("demo/demo.toml");

/// How long the key files are left alone between two looks.
const WATCH: Duration = Duration::from_secs(10);

type Push = (HeaderMap, Bytes);

/// Runs the demo with the key set in `keys.example` of the current folder and writes each step to `out`. `Ok` only if MOSIP's
/// answer came back verified.
pub async fn run(out: &mut (impl Write + Send)) -> Result<()> {
    let clock = Clock::system();
    let mut say = |line: String| {
        writeln!(out, "{line}").map_err(|_| Error::new(Code::Bug, "standard output is closed"))
    };

    let (pushed, mut pushes) = mpsc::channel::<Push>(1);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?;
    let routes = Router::new().route("/birthReceiveNid", post(receive)).with_state(pushed);
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut settings = Settings::from_key_set(Path::new("keys.example")).map_err(broken)?;
    settings.bind.set_port(0);
    let url = format!("http://{address}/birthReceiveNid").parse().map_err(broken)?;
    settings.callback = Some(Callback { url, roots_pem: None });
    let simulator = Simulator::start(settings, clock.clone()).await.map_err(broken)?;

    let variables =
        BTreeMap::from([("MOSIP_GATEWAY_DEMO_SECRET".to_owned(), "example-client-secret".to_owned())]);
    let text = CONFIG.replace("@MOSIP@", &simulator.base_url);
    let read = |path: &Path| std::fs::read(path);
    let config = Config::from_toml(&text, Path::new(""), &variables, &read).map_err(broken)?;
    let (_watcher, keys) = watch::watch(Arc::new(config.keys), clock.clone(), WATCH);
    let pem = std::fs::read("keys.example/opencrvs-jwt.pem").map_err(broken)?;
    let caller =
        CallerKey::from_pem(&pem, "opencrvs:auth-service".to_owned(), "opencrvs:mosip-user".to_owned())?;
    let client = Client::new(&config.upstream)?;
    let worker = Worker::new(client, config.upstream, keys.clone(), Pool::default(), clock.clone());

    let event = Event::parse(EventKind::Birth, Bytes::from_static(BIRTH))?;
    say(format!("1  plain event      birth of composition {}", event.composition_id()))?;
    let settled = worker.send(event).await?;
    let aid = settled.aid.map_or_else(|| "none".to_owned(), |aid| aid.to_string());
    say(format!("2  application id   {aid}"))?;
    let ring = keys.current();
    let to = roles::recipient(&ring, roles::MOSIP, clock.now())?;
    say(format!("3  sealed to        MOSIP's certificate {}", to.thumbprint()))?;
    say(format!("4  MOSIP accepted   id {}", settled.id))?;

    let (headers, body) = pushes.recv().await.ok_or_else(|| Error::new(Code::Bug, "the receiver is gone"))?;
    say(format!("5  sealed answer    {} bytes", body.len()))?;
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| Error::new(Code::Unauthorized, "no bearer token"))?;
    caller.check(bearer, clock.now())?;
    let nid = mediator::open_nid(&ring, roles::peer(&ring, roles::MOSIP)?, &body, Policy::default())?;
    let covered = nid.evidence().as_str();
    say(format!(
        "6  verified answer  UINTOKEN of {} digits for {}, signed over the {covered}",
        nid.get().uin_token.len(),
        nid.get().brn
    ))?;
    simulator.shutdown().await;
    Ok(())
}

async fn receive(State(pushed): State<mpsc::Sender<Push>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match pushed.send((headers, body)).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Bug, error.to_string())
}
