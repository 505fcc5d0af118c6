//! The plain API: `/v1`, for the mediator.

mod events;
mod ida;
mod inbox;
pub(super) mod uin_tokens;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::json;

use super::App;
use super::request::{Query, method_not_allowed, not_found, read_object};
use crate::error::Result;
use crate::http::body;
use crate::keys::{Certificate, Ring};
use crate::mosip::primitives::{Open, Seal, Sign, Verify};
use crate::pool;

/// The listener of the plain API.
pub const LISTENER: &str = "internal";

/// Thumbprint of our key that opened the message.
const X_MOSIP_KEY: HeaderName = HeaderName::from_static("x-mosip-key");
/// What its signature covered: `envelope`, `plaintext` or `none`.
const X_MOSIP_VERIFIED: HeaderName = HeaderName::from_static("x-mosip-verified");

/// All routes of the internal listener, with the `faces` that stand on it; without seal, open, sign and verify where `internal.primitives` is off.
pub fn router(app: App, faces: Option<Router>) -> Router {
    let primitives = Router::new()
        .route("/v1/seal", post(seal))
        .route("/v1/open", post(open))
        .route("/v1/sign", post(sign))
        .route("/v1/verify", post(verify));
    let routes = Router::new()
        .route("/v1/keys", get(keys))
        .route("/v1/aid", get(aid))
        .merge(events::router())
        .merge(inbox::router())
        .merge(ida::router())
        .merge(uin_tokens::router());
    let routes = if app.primitives() { routes.merge(primitives) } else { routes };
    let routes = routes.with_state(app);
    let routes = match faces {
        Some(faces) => routes.merge(faces),
        None => routes,
    };
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn seal(State(app): State<App>, Query(asked): Query<Seal>, request: Request) -> Result<Response> {
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let sealed = app.run(move || asked.seal(&ring, now, &body)?.to_json()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], sealed).into_response())
}

async fn open(State(app): State<App>, request: Request) -> Result<Response> {
    let asked: Open = read_object(request, app.limits()).await?;
    let (ring, policy) = (app.ring(), app.policy());
    let opened = app.run(move || asked.open(&ring, policy)).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_MOSIP_VERIFIED, HeaderValue::from_static(opened.evidence().as_str()));
    if let Some(key) = opened.key().and_then(|key| HeaderValue::from_str(&key.to_string()).ok()) {
        headers.insert(X_MOSIP_KEY, key);
    }
    // Sent from the buffer that it was opened in, which is wiped once it has gone.
    Ok((headers, Bytes::from_owner(opened.into_inner())).into_response())
}

async fn sign(State(app): State<App>, Query(asked): Query<Sign>, request: Request) -> Result<Response> {
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let signed = app.run(move || asked.sign(&ring, now, &body)).await?;
    Ok(Json(signed).into_response())
}

async fn verify(State(app): State<App>, request: Request) -> Result<Response> {
    let asked: Verify = read_object(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let len =
        asked.token.len() + asked.payload.as_ref().or(asked.payload_b64.as_ref()).map_or(0, String::len);
    Ok(Json(pool::aside(len, move || asked.verify(&ring, now)).await?).into_response())
}

async fn aid(State(app): State<App>) -> Result<Response> {
    let aid = app.outbox().fetch_aid().await?;
    Ok(Json(json!({ "aid": aid.get().as_str(), "verified": "tls" })).into_response())
}

async fn keys(State(app): State<App>) -> Response {
    Json(KeyList::of(&app.ring())).into_response()
}

/// Roles, thumbprints, subjects and dates; no key.
#[derive(Serialize)]
struct KeyList {
    own: Vec<OwnEntry>,
    peers: Vec<PeerEntry>,
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct OwnEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    r#use: Vec<&'static str>,
    bits: usize,
    certificate: Option<CertificateEntry>,
}

#[derive(Serialize)]
struct PeerEntry {
    name: String,
    bits: usize,
    certificate: Option<CertificateEntry>,
}

#[derive(Serialize)]
struct CertificateEntry {
    thumbprint: String,
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
}

impl KeyList {
    fn of(ring: &Ring) -> Self {
        let own = ring.own().iter().map(|own| OwnEntry {
            name: own.name.clone(),
            r#use: [("sign", own.uses.sign), ("decrypt", own.uses.decrypt)]
                .into_iter()
                .filter_map(|(word, on)| on.then_some(word))
                .collect(),
            bits: own.private.modulus_len() * 8,
            certificate: own.certificate.as_ref().map(CertificateEntry::of),
        });
        let peers = ring.peers().iter().map(|peer| PeerEntry {
            name: peer.name.clone(),
            bits: peer.key.modulus_len() * 8,
            certificate: peer.certificate.as_ref().map(CertificateEntry::of),
        });
        let troubles = ring.troubles().iter().map(ToString::to_string).collect();
        Self { own: own.collect(), peers: peers.collect(), troubles }
    }
}

impl CertificateEntry {
    fn of(certificate: &Certificate) -> Self {
        Self {
            thumbprint: certificate.thumbprint().to_string(),
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            not_before: certificate.not_before().to_iso(),
            not_after: certificate.not_after().to_iso(),
        }
    }
}
