//! The mediator: receives deliveries, in whatever manner a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// No delivery takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a delivery is received.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Taken, 204.
    Takes,
    /// Answered with this status.
    Refuses(StatusCode),
    /// Sent elsewhere: to this URL.
    Redirects(String),
    /// Taken, and answered as soon as the test says so.
    Waits(Arc<Notify>),
    /// Never answered.
    Hangs,
}

/// An address that refuses connections until somebody listens; nobody else can take it meanwhile.
pub(crate) struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    /// `deliver.url`
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mosip", self.address)
    }

    /// Listens from now on.
    pub(crate) fn open(self) -> Mediator {
        let url = self.url();
        let (delivered, deliveries) = mpsc::unbounded_channel();
        let manner = Arc::new(Mutex::new(Manner::Takes));
        let desk = Desk { manner: Arc::clone(&manner), delivered };
        let routes = Router::new().route("/mosip", post(receive)).with_state(desk);
        let listener = self.socket.listen(16).unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Mediator { url, deliveries, manner }
    }
}

/// A mediator that listens.
pub(crate) struct Mediator {
    /// `deliver.url`
    pub(crate) url: String,
    /// What it was sent, whether or not it took it.
    pub(crate) deliveries: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
    manner: Arc<Mutex<Manner>>,
}

impl Mediator {
    pub(crate) fn start() -> Self {
        Reserved::new().open()
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// The next delivery.
    pub(crate) async fn next(&mut self) -> (HeaderMap, Value) {
        timeout(PATIENCE, self.deliveries.recv()).await.expect("a delivery").unwrap()
    }

    /// The next delivery of this type; those before it are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> (HeaderMap, Value) {
        loop {
            let (headers, delivery) = self.next().await;
            if delivery["type"] == kind {
                return (headers, delivery);
            }
        }
    }

    /// The UINTOKEN of the next delivery that brings one.
    pub(crate) async fn uin_token(&mut self) -> String {
        let (_, delivery) = self.next_of("uin-token.received").await;
        delivery["data"]["uinToken"].as_str().unwrap().to_owned()
    }
}

#[derive(Clone)]
struct Desk {
    manner: Arc<Mutex<Manner>>,
    delivered: mpsc::UnboundedSender<(HeaderMap, Value)>,
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    desk.delivered.send((headers, serde_json::from_slice(&body).unwrap())).unwrap();
    let manner = desk.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match manner {
        Manner::Takes => StatusCode::NO_CONTENT.into_response(),
        Manner::Refuses(status) => status.into_response(),
        Manner::Redirects(url) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response(),
        Manner::Waits(said) => {
            said.notified().await;
            StatusCode::NO_CONTENT.into_response()
        }
        Manner::Hangs => std::future::pending().await,
    }
}
