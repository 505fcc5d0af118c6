//! The routes while the private key is unavailable: callers hear 503 `keys`, and events wait.

pub(crate) mod addition;
mod strangers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::routing::post;
use axum::{Json, Router};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt as _;
use tracing::level_filters::LevelFilter;

use super::*;
use crate::clock::Clock;
use crate::config;
use crate::crypto::rsa::Keeper;
use crate::destinations::{self, mediator};
use crate::error::{Code, Error, Fault};
use crate::http::body;
use crate::keys::ring::fake::ring;
use crate::keys::settings::UnknownThumbprint;
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;
use crate::mosip::envelope::Policy;
use crate::pool::Pool;
use crate::queue::channel::Flow;
use crate::services::{self, Services, Tools};
use crate::store::{Queue, State};
use crate::telemetry::Tracer;
use crate::upstream::Client;

/// A gateway whose only private key is kept by `keeper`, before a MOSIP-side mediator that accepts and counts births.
struct World {
    _dir: TempDir,
    keeper: Arc<Keeper>,
    births: Arc<AtomicUsize>,
    services: Services,
    app: App,
    router: Router,
}

impl World {
    async fn new() -> Self {
        let births = Arc::new(AtomicUsize::new(0));
        let birth = Self::accept_births(Arc::clone(&births)).await;
        let keeper = Keeper::away("token `mosip`");
        let keys = Keyring::fixed(ring(&[("partner", &keeper)], UnknownThumbprint::Reject));
        let dir = tempfile::tempdir().unwrap();
        let (clock, pool) = (Clock::system(), Pool::for_this_machine().unwrap());
        let policy = Policy { danger_accept_unsigned: true };
        let ledger = Ledger::in_folder(dir.path(), clock.clone());
        let upstream = config::Upstream {
            roots: None,
            danger_plain_http: false,
            danger_plain_http_hosts: Vec::new(),
            probe_interval: Duration::from_hours(1),
            client: config::ClientCertificates::default(),
        };
        let client = Client::new(&upstream).unwrap();
        let calls = client.meters().clone();
        let mediator = mediator::Settings {
            events: BTreeMap::from([("birth".to_owned(), birth)]),
            ..mediator::Settings::default()
        };
        let settings = services::Settings {
            destinations: destinations::Settings { mediator, ..destinations::Settings::default() },
            esignet: None,
            death_link: false,
            probe_interval: upstream.probe_interval,
            data_share: None,
        };
        let tools = Tools {
            client,
            keys: keys.clone(),
            pool: pool.clone(),
            logins: pool.clone(),
            clock: clock.clone(),
            tracer: Tracer::default(),
            policy,
            credentials: Err(Error::new(Code::Keys, "no credential is verified here")),
        };
        let services = Services::new(ledger, settings, tools);
        let reload = ops::Reload::fixed(keys.clone());
        let limits = body::Limits::new(1 << 20, Duration::from_mins(1), 1 << 20);
        let app = App::new(Shared {
            keys,
            services: services.clone(),
            credentials: Err(Error::new(Code::Keys, "no credential is verified here")),
            policy,
            primitives: true,
            limits,
            pool,
            clock,
            meters: crate::http::meters::Meters::default(),
            calls,
            tracer: Tracer::default(),
            level: LevelFilter::INFO.into(),
            documents: Vec::new(),
            listeners: Arc::new([]),
            reload,
            key_needs: Arc::new([]),
            troubles: Arc::new([]),
            file_troubles: tokio::sync::watch::channel(Arc::from([])).1,
            caller_keys: CallerKeys::default(),
            faces: Arc::new([]),
            hub_proof: None,
            name: None,
        });
        let router = plain::router(app.clone(), None);
        Self { _dir: dir, keeper, births, services, app, router }
    }

    async fn accept_births(births: Arc<AtomicUsize>) -> http::Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/birth", listener.local_addr().unwrap()).parse().unwrap();
        let accept = async move || {
            births.fetch_add(1, Ordering::SeqCst);
            Json(json!({ "response": {}, "errors": null }))
        };
        tokio::spawn(async { axum::serve(listener, Router::new().route("/birth", post(accept))).await });
        uri
    }

    async fn post(&self, target: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
        let request = Request::post(target).header(header::CONTENT_TYPE, "application/json");
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn assert_unavailable(&self, target: &str, body: String) {
        let (status, problem) = self.post(target, body).await;
        let problem: Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{target}: {problem}");
        assert_eq!((&problem["code"], &problem["fault"]), (&json!("keys"), &json!("keys")), "{target}");
        assert_eq!(problem["retryable"], true, "{target}");
        assert_eq!(problem["detail"], "the private key is unavailable: token `mosip`", "{target}");
    }
}

#[tokio::test]
async fn open_seal_and_sign_answer_503_keys_while_the_key_is_unavailable() {
    let world = World::new().await;
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/envelope.json")).unwrap();
    let case = cases.iter().find(|case| case["name"] == "plain-json").unwrap();
    let message = json!({ "data": case["envelope"], "from": "mosip" }).to_string();

    world.assert_unavailable("/v1/open", message.clone()).await;
    world.assert_unavailable("/v1/seal?to=mosip", "{}".to_owned()).await;
    world.assert_unavailable("/v1/sign?form=jws", "{}".to_owned()).await;

    world.keeper.come_back();
    let (status, plaintext) = world.post("/v1/open", message).await;
    let expected = crate::crypto::base64::decode(case["expect_b64"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!((status, plaintext), (StatusCode::OK, expected));
}

#[tokio::test]
async fn an_event_waits_with_fault_keys_while_the_key_is_unavailable_and_then_goes_once() {
    let world = World::new().await;
    let event = json!({ "id": "w", "timestamp": "t", "event": {
        "hub": { "topic": "BIRTH_REGISTERED" },
        "context": [{ "entry": [
            { "resource": { "resourceType": "Task", "focus": { "reference": "Composition/c1" } } },
            { "resource": { "resourceType": "Patient" } },
        ]}],
    }});
    let (status, answer) = world.post("/v1/events/birth", event.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&answer));

    let (stop, stopping) = watch::channel(false);
    let (running, keys) = (world.services.clone(), Keyring::fixed(Ring::default()));
    let running = tokio::spawn(async move { running.run(stopping, keys).await });
    let waiting = loop {
        let entry = world.services.ledger.entry("c1".to_owned()).await.unwrap();
        if entry.refusal.is_some() {
            break entry;
        }
    };
    let refusal = waiting.refusal.unwrap();
    assert_eq!((waiting.state, refusal.code.as_str(), refusal.fault), (State::Queued, "keys", Fault::Keys));
    let channel =
        world.services.engine.status().into_iter().find(|channel| channel.queue == Queue::Entries).unwrap();
    assert!(matches!(channel.flow, Flow::Paused { .. }), "the other events wait with it");
    assert_eq!(world.births.load(Ordering::SeqCst), 0, "nothing leaves unsigned");

    world.keeper.come_back();
    world.services.engine.retry("c1".to_owned()).await.unwrap();
    let settled = world.services.engine.settled("c1").await.unwrap();
    assert_eq!((settled.state, world.births.load(Ordering::SeqCst)), (State::Done, 1));
    stop.send_replace(true);
    running.await.unwrap();
}

#[test]
fn of_two_signatures_nobody_knows_which_one_is_meant() {
    let headers = |signatures: &[&str]| -> HeaderMap {
        let name = http::HeaderName::from_static("x-hub-signature");
        signatures.iter().map(|signature| (name.clone(), signature.parse().unwrap())).collect()
    };
    assert_eq!(super::hub_signature(&headers(&["sha256=00"])).unwrap(), "sha256=00");
    for signatures in [&[][..], &["sha256=00", "sha256=00"], &["sha256=00", "sha1=00"]] {
        let refused = super::hub_signature(&headers(signatures)).unwrap_err();
        assert_eq!(refused.code(), Code::CallerSignature, "{signatures:?}");
    }
}
