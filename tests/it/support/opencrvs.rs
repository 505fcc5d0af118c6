//! OpenCRVS 1.x: its auth service and the route of its country configuration that takes application ids and UINTOKENs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::patience;

/// What the client of [`Opencrvs::settings`] is asked for.
const QUERY: &str = "client_id=gateway&client_secret=opencrvs%26secret&grant_type=client_credentials";

/// The client's secret.
pub(crate) const SECRET: &str = "opencrvs&secret";

/// An OpenCRVS that listens.
pub(crate) struct Opencrvs {
    base: String,
    /// Holds the client's secret.
    secret: NamedTempFile,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    /// Number of the token that counts; those before do not count any more.
    token: u32,
    tokens_given: usize,
    client_is_refused: bool,
    /// Answer of the country configuration, while it is not 200.
    refusal: Option<StatusCode>,
    /// Every body that came under a good token, and whether it was taken.
    posts: Vec<(Value, bool)>,
}

impl Opencrvs {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let desk = Arc::<Mutex<Desk>>::default();
        let routes = Router::new()
            .route("/auth/token", post(give_token))
            .route("/mosip-openhim-mediator", post(take))
            .with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let secret = NamedTempFile::new().unwrap();
        std::fs::write(&secret, SECRET).unwrap();
        Self { base, secret, desk }
    }

    /// The settings of a gateway that posts here.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OPENCRVS__LEGACY_URL", format!("{}/mosip-openhim-mediator", self.base)),
            ("OPENCRVS__AUTH_URL", format!("{}/auth/", self.base)),
            ("OPENCRVS__CLIENT_ID", "gateway".to_owned()),
            ("OPENCRVS__CLIENT_SECRET_FILE", self.secret.path().display().to_string()),
        ]
    }

    /// The tokens given so far count no more.
    pub(crate) fn revoke_tokens(&self) {
        self.desk().token += 1;
    }

    /// Whether the client is refused from now on.
    pub(crate) fn refuse_client(&self, is_refused: bool) {
        self.desk().client_is_refused = is_refused;
    }

    /// What the country configuration answers from now on; none: 200.
    pub(crate) fn answer(&self, refusal: Option<StatusCode>) {
        self.desk().refusal = refusal;
    }

    /// How many tokens were given.
    pub(crate) fn tokens_given(&self) -> usize {
        self.desk().tokens_given
    }

    /// How many posts came under a good token, taken or not.
    pub(crate) fn posted(&self) -> usize {
        self.desk().posts.len()
    }

    /// The bodies that were taken, once there are `count`.
    pub(crate) async fn taken(&self, count: usize) -> Vec<Value> {
        patience::until("posts to OpenCRVS", async || {
            let taken: Vec<Value> = self
                .desk()
                .posts
                .iter()
                .filter(|(_, is_taken)| *is_taken)
                .map(|(body, _)| body.clone())
                .collect();
            if taken.len() >= count { Ok(taken) } else { Err(taken) }
        })
        .await
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn give_token(
    State(desk): State<Arc<Mutex<Desk>>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    if desk.client_is_refused || query.as_deref() != Some(QUERY) || !body.is_empty() {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({ "error": "invalid_client" }))).into_response();
    }
    desk.tokens_given += 1;
    let token = format!("token-{}", desk.token);
    axum::Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 600 })).into_response()
}

async fn take(State(desk): State<Arc<Mutex<Desk>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = format!("Bearer token-{}", desk.token);
    if headers.get(header::AUTHORIZATION).is_none_or(|token| token != wanted.as_str()) {
        return StatusCode::UNAUTHORIZED;
    }
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|media| media == "application/json");
    assert!(is_json, "hapi reads JSON only under its content type");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let refusal = desk.refusal;
    desk.posts.push((body, refusal.is_none()));
    refusal.unwrap_or(StatusCode::OK)
}
