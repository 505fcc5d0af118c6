//! What `mosip-api` does that the gateway meets: it subscribes at MOSIP's hub, keeps a row for each registration, takes the row when the
//! credential comes, and tells core, under a transaction of its own and whatever becomes of that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator;
use mosip_gateway::simulator::opencrvs::{Core, Waiting};
use mosip_gateway::upstream::{Reply, Request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::country::ACCEPT;
use crate::support::gateway::{HUB_SECRET, SECRET};
use crate::support::mosip_api::{Database, Era, TOPIC};
use crate::support::patience;
use crate::support::process::client;

/// How its transactions begin.
pub(super) const INTEROP: &str = "mosip-interop-";
/// The only action of its records.
const ACTION: &str = "a1";

pub(super) struct Peer {
    shared: Arc<Shared>,
    address: String,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    era: Era,
    mosip: String,
    core: Arc<Core>,
    file: PathBuf,
    /// The record of each row.
    events: Mutex<BTreeMap<String, String>>,
    /// The number that it finds in a credential when it has opened it.
    numbers: Mutex<BTreeMap<String, Option<String>>>,
    transactions: AtomicUsize,
}

impl Peer {
    /// It listens at `address`, has a new database in `file`, and is subscribed.
    pub(super) async fn start(era: Era, mosip: &simulator::Running, address: &str, file: &Path) -> Self {
        Database::make_of(era, file);
        let shared = Shared {
            era,
            mosip: mosip.base_url.clone(),
            core: Arc::clone(&mosip.core),
            file: file.to_owned(),
            events: Mutex::default(),
            numbers: Mutex::default(),
            transactions: AtomicUsize::new(0),
        };
        let mut peer = Self { shared: Arc::new(shared), address: address.to_owned(), server: None };
        peer.listen().await;
        peer.subscribe("/websub/callback").await;
        patience::until("its subscription", async || match mosip.hub.subscriptions() {
            known if known.iter().any(|(topic, _)| topic == TOPIC) => Ok(()),
            other => Err(other),
        })
        .await;
        peer
    }

    /// It is started once more over its file, under a callback URL that the hub does not know.
    pub(super) async fn starts_again(&mut self) {
        self.listen().await;
        self.subscribe("/websub/callback/").await;
        patience::until("a message", async || match self.waiting().as_slice() {
            // The hub begins to deliver again, and brings what it could not.
            [] | [_] => Ok(()),
            more => Err(more.to_vec()),
        })
        .await;
    }

    async fn listen(&mut self) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        let callback = || get(answer).post(take);
        let routes =
            Router::new().route("/websub/callback", callback()).route("/websub/callback/", callback());
        let routes = routes.with_state(Arc::clone(&self.shared));
        self.server = Some(tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }));
    }

    async fn subscribe(&self, path: &str) {
        let shared = &self.shared;
        let login = json!({ "request": { "clientId": "opencrvs", "secretKey": SECRET, "appId": "admin" } });
        let authmanager = format!("{}/v1/authmanager/authenticate/clientidsecretkey", shared.mosip);
        let token = post(&authmanager, JSON, header::COOKIE, "", login.to_string()).await;
        let cookie = format!("Authorization={}", token.headers["authorization"].to_str().unwrap());
        let callback = format!("http://{}{path}", self.address);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("hub.mode", "subscribe"),
                ("hub.topic", TOPIC),
                ("hub.callback", &callback),
                ("hub.secret", HUB_SECRET),
            ])
            .finish();
        let asked = post(&format!("{}/hub", shared.mosip), FORM, header::COOKIE, &cookie, form).await;
        assert_eq!(asked.status, 202, "{:?}", asked.body);
    }

    /// It ends, and its file stays.
    pub(super) fn ends(&mut self) {
        self.server.take().unwrap().abort();
    }

    /// It has handed the registration of the record `event` to MOSIP under `id`.
    pub(super) fn registers(&self, id: &str, event: &str, number: &str) {
        let Shared { era, core, events, .. } = &*self.shared;
        core.asks(event, ACTION, Waiting::Registration);
        let token = core.record_token(event, ACTION, Clock::system().now()).unwrap();
        let record = if *era == Era::RecordToken { token.as_str() } else { event };
        events.lock().unwrap().insert(id.to_owned(), event.to_owned());
        self.shared.database().insert(id, record, number);
    }

    /// It will find `number` in the next credential of the registration `id`.
    pub(super) fn will_read(&self, id: &str, number: Option<&str>) {
        self.shared.numbers.lock().unwrap().insert(id.to_owned(), number.map(str::to_owned));
    }

    /// The ids of its rows.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.shared.database().ids()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl Shared {
    fn database(&self) -> Database {
        Database::open(self.era, &self.file)
    }

    /// Tells core what came of a row that is gone. A failure is nobody's.
    async fn confirm(&self, id: &str, record: &str, number: &str) {
        let token = match self.era {
            Era::RecordToken => record.to_owned(),
            Era::Client => self.client_token().await,
        };
        let event = self.events.lock().unwrap()[id].clone();
        let of_person = self.numbers.lock().unwrap()[id].clone();
        let transaction = format!("{INTEROP}{}", self.transactions.fetch_add(1, Ordering::Relaxed));
        let input = json!({
            "transactionId": transaction, "eventId": event, "actionId": ACTION, "registrationNumber": number,
            "declaration": { "child.nid": of_person },
        });
        let mut wrapped = json!({ "json": input });
        if of_person.is_none() {
            wrapped["meta"] = json!({ "values": { "declaration.child.nid": ["undefined"] } });
        }
        let url = format!("{}/core/events/{ACCEPT}?batch=1", self.mosip);
        let body = json!({ "0": wrapped }).to_string();
        post(&url, JSON, header::AUTHORIZATION, &format!("Bearer {token}"), body).await;
    }

    async fn client_token(&self) -> String {
        let form = format!("client_id=opencrvs&client_secret={SECRET}&grant_type=client_credentials");
        let url = format!("{}/core/auth/token", self.mosip);
        let reply = post(&url, FORM, header::COOKIE, "", form).await;
        let granted: Value = serde_json::from_slice(&reply.body).unwrap();
        granted["access_token"].as_str().unwrap().to_owned()
    }
}

/// Its answer to the hub's question, whatever that is about.
async fn answer(RawQuery(query): RawQuery) -> (StatusCode, String) {
    let query = query.unwrap_or_default();
    let challenge = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "hub.challenge");
    match challenge {
        Some((_, challenge)) => (StatusCode::OK, challenge.into_owned()),
        None => (StatusCode::BAD_REQUEST, "Missing hub.challenge".to_owned()),
    }
}

/// It answers before core has, and success where it knows nothing of the registration.
async fn take(State(shared): State<Arc<Shared>>, body: Bytes) -> axum::Json<Value> {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let id = message["event"]["data"]["registrationId"].as_str().unwrap().to_owned();
    let row = shared.database().take(&id);
    let status = if row.is_some() { "RECEIVED" } else { "ERROR" };
    if let Some((record, number)) = row {
        tokio::spawn(async move { shared.confirm(&id, &record, &number).await });
    }
    axum::Json(json!({ "event": { "status": status } }))
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

async fn post(url: &str, media: &str, name: HeaderName, value: &str, body: String) -> Reply {
    let headers = [(header::CONTENT_TYPE, media), (name, value)];
    let headers: HeaderMap =
        headers.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
    let (uri, body) = (url.parse().unwrap(), body.into());
    let (deadline, max_response) = (Duration::from_secs(30), 1 << 20);
    client().send(Request { method: Method::POST, uri, headers, body, deadline, max_response }).await.unwrap()
}
