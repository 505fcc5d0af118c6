//! A running gateway under `deploy/example.toml`, and what its callers send.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mosip_gateway::gateway::Gateway;
use mosip_gateway::keys::Keyring;
use mosip_gateway::settings::Config;
use mosip_gateway::upstream::{Client, Reply, Request};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::patience;
use super::port::Port;

/// The configuration of the example.
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/example.toml");

/// The client secret of the example.
pub(crate) const SECRET: &str = "example-client-secret";

/// The licence key of the example.
pub(crate) const LICENSE_KEY: &str = "example-licence-key";

/// The API key of the example.
pub(crate) const API_KEY: &str = "example-api-key";

/// What MOSIP's hub signs with, where a test subscribes there.
pub(crate) const HUB_SECRET: &str = "example-hub-secret";

/// The variables that the example names, as the simulator knows them.
pub(crate) fn secrets() -> BTreeMap<String, String> {
    let secrets = [
        ("MOSIP_AUTH_CLIENT_SECRET", SECRET),
        ("PARTNER_MISP_LK", LICENSE_KEY),
        ("PARTNER_APIKEY", API_KEY),
        ("HUB_SECRET", HUB_SECRET),
    ];
    secrets.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const JSON: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

/// Every listener on a port of its own, and an outbox of its own.
pub(crate) struct Running {
    /// `ip:port` of the plain API.
    pub(crate) api: String,
    /// `ip:port` of the callback listener.
    pub(crate) callback: String,
    /// `ip:port` of health and metrics.
    pub(crate) ops: String,
    /// Where the outbox is, unless the caller set another place.
    pub(crate) home: TempDir,
    /// Every listener, by name, with its address.
    pub(crate) listeners: Vec<(&'static str, String)>,
    /// To have the key files read at once.
    pub(crate) keys: Keyring,
    text: String,
    variables: BTreeMap<String, String>,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _ports: [Port; 4],
}

impl Running {
    /// Settings of `set` (names without `MOSIP_GATEWAY__`) go over the example.
    pub(crate) async fn start(set: &[(&str, &str)]) -> Self {
        Self::start_under(EXAMPLE, set).await
    }

    /// As [`Running::start`], over a configuration of the caller's. Nobody is where the example has its simulator, whatever runs on this machine.
    pub(crate) async fn start_under(text: &str, set: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ports = [Port::hold(), Port::hold(), Port::hold(), Port::hold()];
        let [api, callback, ops, nobody] = ports.each_ref().map(Port::address);
        // With what ends the address: 46001 to 46009 are ports of others.
        let text = ['/', '"'].iter().fold(text.to_owned(), |text, end| {
            text.replace(&format!("127.0.0.1:4600{end}"), &format!("{nobody}{end}"))
        });
        let outbox = home.path().join("outbox.db").display().to_string();
        let mut variables = secrets();
        let own = [
            ("LISTEN__INTERNAL", api.as_str()),
            ("LISTEN__CALLBACK", &callback),
            ("LISTEN__OPS", &ops),
            ("OUTBOX__PATH", &outbox),
        ];
        extend(&mut variables, &own);
        extend(&mut variables, set);
        let callback = variables["MOSIP_GATEWAY__LISTEN__CALLBACK"].clone();
        let client = Client::new(&load(&text, &variables).upstream).unwrap();
        let (keys, listeners, stop, task) = run(&text, &variables).await;
        Self { api, callback, ops, home, listeners, keys, text, variables, client, stop, task, _ports: ports }
    }

    /// Kills it where it is and starts it again over the same outbox, with `set` over what was set before.
    pub(crate) async fn restart(&mut self, set: &[(&str, &str)]) {
        self.task.abort();
        // It ends as cancelled.
        let _ = (&mut self.task).await;
        extend(&mut self.variables, set);
        // The connections of the old one lead nowhere.
        self.client = Client::new(&load(&self.text, &self.variables).upstream).unwrap();
        (self.keys, self.listeners, self.stop, self.task) = run(&self.text, &self.variables).await;
    }

    /// The database.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.home.path().join("outbox.db")
    }

    /// Posts to the plain API.
    pub(crate) async fn call(&self, route: &str, content_type: &'static str, body: &str) -> Reply {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        self.post(format!("http://{}{route}", self.api), headers, body).await
    }

    /// Posts an event with further headers and says how it was answered.
    pub(crate) async fn post_event(
        &self,
        kind: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let further = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let url = format!("http://{}/v1/events/{kind}", self.api);
        json(self.post(url, [JSON].into_iter().chain(further), body).await)
    }

    /// Posts a birth and says how it was answered.
    pub(crate) async fn post_birth(&self, body: &str) -> (u16, Value) {
        self.post_event("birth", &[], body).await
    }

    /// Posts an event that has to be taken; its id.
    pub(crate) async fn accept(&self, kind: &str, body: &str) -> String {
        let (status, accepted) = self.post_event(kind, &[], body).await;
        assert_eq!((status, accepted["state"].as_str()), (202, Some("queued")), "{accepted}");
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// Posts an event that has to go through while the caller waits; the answer.
    pub(crate) async fn settle(&self, kind: &str, body: &str) -> Value {
        let (status, settled) = self.post_event(kind, &[("prefer", "wait=30")], body).await;
        assert_eq!((status, settled["state"].as_str()), (200, Some("done")), "{settled}");
        settled
    }

    /// `GET` of the plain API.
    pub(crate) async fn get(&self, route: &str) -> (u16, Value) {
        json(self.ask(Method::GET, route).await)
    }

    /// A request of the plain API without a body.
    pub(crate) async fn ask(&self, method: Method, route: &str) -> Reply {
        self.request(method, format!("http://{}{route}", self.api), HeaderMap::new(), "").await
    }

    /// `/readyz`
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let url = format!("http://{}/readyz", self.ops);
        json(self.request(Method::GET, url, HeaderMap::new(), "").await)
    }

    /// The ids of the events that match `query`, in order of acceptance.
    pub(crate) async fn ids(&self, query: &str) -> Vec<String> {
        let (status, list) = self.get(&format!("/v1/events?{query}")).await;
        assert_eq!((status, &list["next"]), (200, &Value::Null), "{list}");
        let events = list["events"].as_array().unwrap();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What `GET` of the plain API answers as soon as `condition` holds of it.
    pub(crate) async fn until(&self, route: &str, condition: impl Fn(&Value) -> bool) -> Value {
        patience::until(route, async || {
            let (_, answer) = self.get(route).await;
            if condition(&answer) { Ok(answer) } else { Err(answer) }
        })
        .await
    }

    /// The event `id` as soon as `condition` holds of it.
    pub(crate) async fn event_until(&self, id: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("/v1/events/{id}"), condition).await
    }

    /// The event `id` once it is in `state`.
    pub(crate) async fn event_in(&self, id: &str, state: &str) -> Value {
        self.event_until(id, |event| event["state"] == state).await
    }

    /// The event `id` once an attempt of it has failed.
    pub(crate) async fn failed_event(&self, id: &str) -> Value {
        self.event_until(id, |event| event["state"] == "queued" && event["lastFault"].is_object()).await
    }

    /// Takes an event out, once no attempt of it is under way.
    pub(crate) async fn discard(&self, id: &str) -> Value {
        let route = format!("/v1/events/{id}?reason=test");
        patience::until(&route, async || {
            let (status, answer) = json(self.ask(Method::DELETE, &route).await);
            if status == 200 { Ok(answer) } else { Err(answer) }
        })
        .await
    }

    /// Posts to the callback listener as the MOSIP-side mediator does, with a token of OpenCRVS.
    pub(crate) async fn push(&self, body: &str) -> Reply {
        self.push_with(Some(&super::mosip::caller_token()), body).await
    }

    /// Posts to the callback listener with this bearer token or none.
    pub(crate) async fn push_with(&self, token: Option<&str>, body: &str) -> Reply {
        let bearer = token.map(|token| (header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap()));
        let headers = [JSON].into_iter().chain(bearer);
        self.post(format!("http://{}/birthReceiveNid", self.callback), headers, body).await
    }

    /// Stops it and waits until it has drained.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    async fn post(
        &self,
        url: String,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        body: &str,
    ) -> Reply {
        self.request(Method::POST, url, HeaderMap::from_iter(headers), body).await
    }

    /// Any request to any listener.
    pub(crate) async fn request(&self, method: Method, url: String, headers: HeaderMap, body: &str) -> Reply {
        let request = Request {
            method,
            uri: url.parse().unwrap(),
            headers,
            body: body.to_owned().into(),
            deadline: Duration::from_secs(60),
            max_response: 1 << 24,
        };
        self.client.send(request).await.unwrap_or_else(|failure| panic!("{failure}"))
    }
}

/// Status and body of an answer in JSON.
pub(crate) fn json(reply: Reply) -> (u16, Value) {
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
}

fn extend(variables: &mut BTreeMap<String, String>, set: &[(&str, &str)]) {
    variables.extend(set.iter().map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), (*value).to_owned())));
}

fn load(text: &str, variables: &BTreeMap<String, String>) -> Config {
    let read = |path: &Path| std::fs::read(path);
    Config::from_toml(text, Path::new("deploy"), variables, &read)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Binds a gateway, once a killed one has let go of the outbox, and serves it.
async fn run(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> (Keyring, Vec<(&'static str, String)>, oneshot::Sender<()>, JoinHandle<()>) {
    let gateway =
        patience::until("a gateway", async || match Gateway::bind(load(text, variables), true).await {
            Ok(gateway) => Ok(gateway),
            Err(error) if error.to_string().contains("has this database open") => Err(error),
            Err(error) => panic!("{error}"),
        })
        .await;
    let (stop, stopped) = oneshot::channel();
    let keys = gateway.keys().clone();
    let listeners = gateway.addresses().map(|(name, address)| (name, address.to_string())).collect();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(async move { gateway.run(shutdown).await.unwrap() });
    (keys, listeners, stop, task)
}
