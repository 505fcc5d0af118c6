//! Faces that stand in for older systems (DESIGN.md 7): `/webhooks` of the older mediator, so that a small country can point
//! OpenCRVS at the gateway alone, and `/authtoken` of MOSIP's Token Seeder.

mod authtoken;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::routing::post;
use axum::{Json, Router, middleware};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::guard::{self, Guard};
use super::internal::Checked;
use super::{App, internal};
use crate::crypto::hmac;
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::mosip::event::{Event, EventKind};

/// Largest webhook, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The faces that are on.
pub struct Faces {
    webhooks: Option<Router>,
    authtoken: Option<Router>,
}

impl Faces {
    /// `/webhooks` under the secret that OpenCRVS signs with, and `/authtoken` where the operator answers for consent.
    pub fn new(app: &App, webhooks: Option<SecretBytes>, consent: bool) -> Self {
        Self {
            webhooks: webhooks.map(|secret| webhooks_router(app.clone(), Arc::new(secret))),
            authtoken: consent.then(|| authtoken::router(app.clone())),
        }
    }

    /// Those that a listener serves, if any: `/authtoken`, which has no authentication of its own, only behind `guard`.
    pub fn on_listener(&self, guard: Option<Guard>) -> Option<Router> {
        let guarded = self
            .authtoken
            .clone()
            .zip(guard)
            .map(|(router, guard)| router.layer(middleware::from_fn_with_state(guard, guard::enforce)));
        match (self.webhooks.clone(), guarded) {
            (Some(webhooks), Some(authtoken)) => Some(webhooks.merge(authtoken)),
            (webhooks, authtoken) => webhooks.or(authtoken),
        }
    }
}

#[derive(Clone)]
struct Webhooks {
    app: App,
    secret: Arc<SecretBytes>,
}

fn webhooks_router(app: App, secret: Arc<SecretBytes>) -> Router {
    Router::new()
        .route("/webhooks", post(receive).get(confirm))
        .method_not_allowed_fallback(internal::method_not_allowed)
        .with_state(Webhooks { app, secret })
}

/// An event whose topic says which kind it is. Signed over the raw body; stored; 202.
async fn receive(State(webhooks): State<Webhooks>, request: Request) -> Result<(StatusCode, Json<Value>)> {
    let Webhooks { app, secret } = webhooks;
    let signature = hub_signature(request.headers())?.to_owned();
    let body = body::read(request, &app.limits().with_body_limit(BODY_LIMIT)).await?;
    check_hub_signature(&secret, &body, &signature)?;
    let read = |body: Body| Event::parse(EventKind::of_topic(&body)?, body.into_bytes());
    let accepted = app.outbox().accept(body.read_as(read).await?, None).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": accepted.id, "state": accepted.state.as_str() }))))
}

#[derive(Deserialize)]
struct Intent {
    mode: String,
    #[serde(rename = "topic")]
    _topic: String,
    challenge: String,
}

/// OpenCRVS verifies the intent of its subscribers: the challenge comes back, as JSON.
async fn confirm(Checked(intent): Checked<Intent>) -> Result<Json<Value>> {
    if intent.mode != "subscribe" {
        return Err(Error::new(Code::Field, "the query: mode is not subscribe"));
    }
    Ok(Json(json!({ "challenge": intent.challenge })))
}

/// The `X-Hub-Signature` of a request; [`Code::Unauthorized`] without one.
pub(super) fn hub_signature(headers: &HeaderMap) -> Result<&str> {
    headers
        .get("x-hub-signature")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Error::new(Code::Unauthorized, "there is no X-Hub-Signature").advise(ADVICE))
}

/// `method=hex` over the raw body; [`Code::Unauthorized`].
pub(super) fn check_hub_signature(secret: &SecretBytes, body: &[u8], signature: &str) -> Result<()> {
    hmac::verify_hub_header(secret.expose(), body, signature).map_err(|refusal| {
        Error::new(Code::Unauthorized, "X-Hub-Signature does not fit the body")
            .advise(ADVICE)
            .for_operator(refusal.stage())
    })
}

const ADVICE: &str = "Sign the raw body with the secret that this gateway is configured with.";
