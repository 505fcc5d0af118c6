//! A whole gateway for a test, made from the text of a configuration, on ports and files of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::upstream::{Client, Request};

/// A gateway that runs.
pub(crate) struct Running {
    _dir: TempDir,
    pub(crate) services: Services,
    internal: Address,
    ops: Address,
    callback: Option<Address>,
    listeners: Vec<&'static str>,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// What `text` says beside the listeners, with the `secrets` in variables.
    pub(crate) async fn start(text: &str, secrets: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addresses = match text.contains("listen.internal") {
            true => "",
            false => "listen.internal = \"127.0.0.1:0\"\nlisten.ops = \"127.0.0.1:0\"\n",
        };
        let variables: BTreeMap<_, _> =
            secrets.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect();
        let read = |file: &std::path::Path| std::fs::read(file);
        let config = Config::from_toml(&format!("{addresses}{text}"), dir.path(), &variables, &read);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let client = Client::new(&config.upstream).unwrap();
        let gateway = Gateway::bind(config, false).await.unwrap();
        let address = |name| gateway.address(name).unwrap().clone();
        let (internal, ops) = (address("internal"), address("ops"));
        let callback = gateway.address("callback").cloned();
        let listeners = gateway.addresses().map(|(name, _)| name).collect();
        let services = gateway.services.clone();
        let (stop, stopped) = oneshot::channel();
        let running = gateway.run(async { drop(stopped.await) });
        let task = tokio::spawn(async { running.await.unwrap() });
        Self { _dir: dir, services, internal, ops, callback, listeners, client, stop, task }
    }

    /// Whether the listener `name` is bound.
    pub(crate) fn listens(&self, name: &str) -> bool {
        self.listeners.contains(&name)
    }

    /// A page of the internal listener: its status and its body.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.call(Method::GET, &self.internal, path, &[], Bytes::new()).await
    }

    /// The first entry of a list of the internal listener, once there is one.
    pub(crate) async fn first(&self, path: &str) -> Value {
        loop {
            let (_, body) = self.get(path).await;
            let mut list: Value = serde_json::from_str(&body).unwrap();
            match list["messages"].get_mut(0).map(Value::take) {
                None => tokio::task::yield_now().await,
                Some(first) => return first,
            }
        }
    }

    /// A request to the callback listener: the status and the body of the answer.
    pub(crate) async fn callback(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (StatusCode, String) {
        let address = self.callback.as_ref().unwrap();
        self.call(method, address, path, headers, Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Posts JSON to the internal listener: the status and the body of the answer.
    pub(crate) async fn post(&self, path: &str, body: &str) -> (StatusCode, String) {
        self.call(Method::POST, &self.internal, path, &[], Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// The body of a page of the ops listener.
    pub(crate) async fn ops(&self, path: &str) -> String {
        self.ops_with(path, &[]).await
    }

    /// As [`Self::ops`], with further headers.
    pub(crate) async fn ops_with(&self, path: &str, headers: &[(&'static str, &str)]) -> String {
        let (status, body) = self.call(Method::GET, &self.ops, path, headers, Bytes::new()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Returns once everything has stopped.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    async fn call(
        &self,
        method: Method,
        address: &Address,
        path: &str,
        further: &[(&'static str, &str)],
        body: Bytes,
    ) -> (StatusCode, String) {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]);
        for (name, value) in further {
            headers.insert(*name, value.parse().unwrap());
        }
        let request = Request {
            method,
            uri: format!("http://{address}{path}").parse().unwrap(),
            headers,
            body,
            deadline: Duration::from_secs(30),
            max_response: 1 << 20,
        };
        let reply = self.client.send(request).await.unwrap();
        (reply.status, String::from_utf8(reply.body.to_vec()).unwrap())
    }
}
