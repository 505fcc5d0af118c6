//! An ID system that is not MOSIP: strict about who posts, and in whatever manner a test wants.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No post takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of Standard Webhooks.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What a flood consists of: a thousand times.
static MEGABYTE: [u8; 1 << 20] = [b' '; 1 << 20];

/// How a post is answered whose signature is good.
#[derive(Clone)]
pub(crate) enum Manner {
    /// With this status and body.
    Says(u16, String),
    /// Sent elsewhere: to this URL.
    Redirects(String),
    /// With success, and a body of 1 GB.
    Floods,
    /// Never.
    Hangs,
}

/// What was posted.
pub(crate) struct Posted {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it is answered with success.
    pub(crate) is_taken: bool,
}

impl Posted {
    /// `webhook-id`
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }
}

/// A system that listens.
pub(crate) struct IdSystem {
    /// `url` of the system.
    pub(crate) url: String,
    posts: mpsc::UnboundedReceiver<Posted>,
    manner: Arc<Mutex<Manner>>,
}

#[derive(Clone)]
struct Desk {
    manner: Arc<Mutex<Manner>>,
    posted: mpsc::UnboundedSender<Posted>,
}

impl IdSystem {
    pub(crate) async fn start() -> Self {
        let (posted, posts) = mpsc::unbounded_channel();
        let manner = Arc::new(Mutex::new(Manner::Says(200, "{}".to_owned())));
        let desk = Desk { manner: Arc::clone(&manner), posted };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let routes = Router::new().route("/events", post(receive)).with_state(desk);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, posts, manner }
    }

    pub(crate) fn set(&self, manner: Manner) {
        *lock(&self.manner) = manner;
    }

    pub(crate) fn says(&self, status: u16, body: &str) {
        self.set(Manner::Says(status, body.to_owned()));
    }

    /// The next post, whether or not it was taken.
    pub(crate) async fn next(&mut self) -> (HeaderMap, Bytes) {
        let Posted { headers, body, .. } =
            timeout(PATIENCE, self.posts.recv()).await.expect("a post").unwrap();
        (headers, body)
    }

    /// Everything that came and was not looked at, in order.
    pub(crate) fn all(&mut self) -> Vec<Posted> {
        std::iter::from_fn(|| self.posts.try_recv().ok()).collect()
    }

    /// Whether nothing came that was not looked at.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.posts.try_recv().is_err()
    }
}

fn lock(manner: &Mutex<Manner>) -> MutexGuard<'_, Manner> {
    manner.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let is_ours = match headers.contains_key("webhook-signature") {
        true => Webhook::new(SECRET).unwrap().verify(&body, &headers).is_ok(),
        false => true,
    };
    let manner = lock(&desk.manner).clone();
    let is_taken = is_ours && matches!(manner, Manner::Says(200..300, _));
    desk.posted.send(Posted { headers, body, is_taken }).unwrap();
    if !is_ours {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match manner {
        Manner::Says(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Manner::Redirects(url) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response(),
        Manner::Floods => {
            let pieces = std::iter::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&MEGABYTE)));
            Body::from_stream(stream::iter(pieces.take(1000))).into_response()
        }
        Manner::Hangs => std::future::pending().await,
    }
}
