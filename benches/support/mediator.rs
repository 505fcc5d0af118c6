//! The other side of the gateway, as fast as it can be.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A mediator, with a packet manager beside it, that takes every birth at once, however large, and opens none.
pub(crate) struct Mediator {
    pub(crate) url: String,
    taken: mpsc::UnboundedReceiver<()>,
}

impl Mediator {
    pub(crate) async fn start() -> Self {
        let (take, taken) = mpsc::unbounded_channel();
        let (take_packet, take_document) = (take.clone(), take.clone());
        let process = async move |_: Bytes| {
            take_packet.send(()).unwrap_or_default();
            Json(json!({"response": {}}))
        };
        let system = async move |_: Bytes| take_document.send(()).unwrap_or_default();
        let birth = async move |_: Bytes| {
            take.send(()).unwrap_or_default();
            Json(json!({"response": {"message": "Received"}}))
        };
        let last = Arc::new(AtomicU64::new(0));
        let aid =
            async move || Json(format!("10001100770000320220{:09}", last.fetch_add(1, Ordering::Relaxed)));
        let routes = axum::Router::new()
            .route("/opencrvs/v1/birth", post(birth))
            .route("/system", post(system))
            .route("/createPacket", put(async |_: Bytes| Json(json!({"response": [{}]}))))
            .route("/workflowinstance", post(process))
            .route("/opencrvs/v1/generateAid", get(aid))
            .route(
                "/auth/realms/mosip/protocol/openid-connect/token",
                post(async || Json(json!({"access_token": "token", "expires_in": 3600}))),
            )
            .layer(DefaultBodyLimit::disable());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, taken }
    }

    /// Waits until it has taken so many more.
    pub(crate) async fn takes(&mut self, births: usize) {
        for _ in 0..births {
            self.taken.recv().await.unwrap();
        }
    }
}
