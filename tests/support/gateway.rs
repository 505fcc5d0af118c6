//! A running gateway under `deploy/example.toml`, and what its callers send.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mosip_gateway::config::{Address, Config};
use mosip_gateway::gateway::Gateway;
use mosip_gateway::upstream::{Client, Reply, Request};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The configuration of the example.
pub(crate) const EXAMPLE: &str = include_str!("../../deploy/example.toml");

/// A birth as OpenCRVS posts it.
pub(crate) const BIRTH: &str = include_str!("../../src/demo/birth.json");

/// The client secret of the example.
pub(crate) const SECRET: &str = "example-client-secret";

const JSON: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

/// Every listener on a port of its own.
pub(crate) struct Running {
    /// `ip:port` of the plain API.
    pub(crate) api: String,
    /// `ip:port` of the callback listener.
    pub(crate) callback: String,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Settings of `set` (names without `MOSIP_GATEWAY__`) go over the example.
    pub(crate) async fn start(set: &[(&str, &str)]) -> Self {
        Self::start_under(EXAMPLE, set).await
    }

    /// As [`Running::start`], over a configuration of the caller's.
    pub(crate) async fn start_under(text: &str, set: &[(&str, &str)]) -> Self {
        let free = "127.0.0.1:0";
        let ports = ["LISTEN__INTERNAL", "LISTEN__OPS", "LISTEN__CALLBACK"].map(|name| (name, free));
        let variables: BTreeMap<_, _> = ports
            .iter()
            .chain(set)
            .map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), (*value).to_owned()))
            .chain([("MOSIP_AUTH_CLIENT_SECRET".to_owned(), SECRET.to_owned())])
            .collect();
        let read = |path: &Path| std::fs::read(path);
        let load = || Config::from_toml(text, Path::new("deploy"), &variables, &read);
        let client = Client::new(&load().unwrap_or_else(|problems| panic!("{problems}")).upstream).unwrap();
        let gateway = Gateway::bind(load().unwrap_or_else(|problems| panic!("{problems}")), true).await;
        let gateway = gateway.unwrap_or_else(|error| panic!("{error}"));
        let address = |name| match gateway.address(name) {
            Some(Address::Tcp(address)) => address.to_string(),
            other => panic!("{name} stands at {other:?}"),
        };
        let (api, callback) = (address("internal"), address("callback"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(gateway.run(async {
            let _ = stopped.await;
        }));
        Self { api, callback, client, stop, task }
    }

    /// Posts to the plain API.
    pub(crate) async fn call(&self, route: &str, content_type: &'static str, body: &str) -> Reply {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        self.post(format!("http://{}{route}", self.api), headers, body).await
    }

    /// Posts a birth and says how it was answered.
    pub(crate) async fn post_birth(&self, body: &str) -> (u16, Value) {
        let reply = self.call("/v1/events/birth", "application/json", body).await;
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
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
        let request = Request {
            method: Method::POST,
            uri: url.parse().unwrap(),
            headers: HeaderMap::from_iter(headers),
            body: body.to_owned().into(),
            deadline: Duration::from_secs(60),
            max_response: 1 << 24,
        };
        self.client.send(request).await.unwrap_or_else(|failure| panic!("{failure}"))
    }
}
