//! The plain API (DESIGN.md 5).

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{App, body, events, guard, ida, inbox};
use crate::crypto::base64;
use crate::error::{Code, Error, Result};
use crate::keys::{Certificate, Ring};
use crate::mosip::envelope::{self, Flavour, Format, SealOptions, Sealed, SignOver};
use crate::mosip::roles;
use crate::mosip::signature::{self, Form};

/// Thumbprint of our key that opened the message.
const X_MOSIP_KEY: HeaderName = HeaderName::from_static("x-mosip-key");
/// What its signature covered: `envelope`, `plaintext` or `none`.
const X_MOSIP_VERIFIED: HeaderName = HeaderName::from_static("x-mosip-verified");

/// All routes of the internal listener; without seal, open, sign and verify where `internal.primitives` is off.
pub fn router(app: App) -> Router {
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
        .merge(ida::router());
    let routes = if app.primitives() { routes.merge(primitives) } else { routes };
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(app)
}

pub(super) async fn not_found() -> Error {
    Error::new(Code::NotFound, "there is no such route")
}

pub(super) async fn method_not_allowed() -> Error {
    Error::new(Code::MethodNotAllowed, "this route takes another method")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SealQuery {
    to: String,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    sign: SignOver,
    #[serde(default)]
    base64: Flavour,
    key: Option<String>,
}

async fn seal(
    State(app): State<App>,
    Checked(query): Checked<SealQuery>,
    request: Request,
) -> Result<Response> {
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let sealed = app
        .run(move || {
            let to = roles::recipient(&ring, &query.to, now)?;
            let signer = match query.sign {
                SignOver::None => None,
                _ => Some(roles::signer(&ring, query.key.as_deref(), now)?),
            };
            let options = SealOptions { format: query.format, sign: query.sign, base64: query.base64 };
            envelope::seal_message(to, signer.map(|own| &own.private), &body, options)
        })
        .await?;
    Ok(Json(sealed).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRequest {
    data: String,
    signature: Option<String>,
    from: Option<String>,
    aad: Option<String>,
}

async fn open(State(app): State<App>, request: Request) -> Result<Response> {
    let asked: OpenRequest = json_body(request, &app).await?;
    let (ring, policy) = (app.ring(), app.policy());
    let opened = app
        .run(move || {
            let from = roles::peer_or_only(&ring, asked.from.as_deref())?;
            let aad = base64_field("/aad", asked.aad.as_deref().unwrap_or_default())?;
            let message = Sealed { data: &asked.data, signature: asked.signature.as_deref(), aad: &aad };
            envelope::open(&ring, from, message, policy)
        })
        .await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_MOSIP_VERIFIED, HeaderValue::from_static(opened.evidence().as_str()));
    if let Some(key) = opened.key().and_then(|key| HeaderValue::from_str(&key.to_string()).ok()) {
        headers.insert(X_MOSIP_KEY, key);
    }
    // Sent from the buffer that it was opened in, which is wiped once it has gone.
    Ok((headers, Bytes::from_owner(opened.into_inner())).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignQuery {
    form: Form,
    key: Option<String>,
}

async fn sign(
    State(app): State<App>,
    Checked(query): Checked<SignQuery>,
    request: Request,
) -> Result<Response> {
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let signature = app
        .run(move || signature::sign_as(roles::signer(&ring, query.key.as_deref(), now)?, &body, query.form))
        .await?;
    Ok(Json(json!({ "signature": signature })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyRequest {
    token: String,
    payload: Option<String>,
    payload_b64: Option<String>,
    from: Option<String>,
}

#[derive(Serialize)]
struct VerifyReply {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_b64: Option<String>,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

async fn verify(State(app): State<App>, request: Request) -> Result<Json<VerifyReply>> {
    let asked: VerifyRequest = json_body(request, &app).await?;
    let detached = match (asked.payload, asked.payload_b64) {
        (Some(_), Some(_)) => {
            return Err(Error::field("/payload_b64", "give payload or payload_b64, not both"));
        }
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(text)) => Some(base64_field("/payload_b64", &text)?),
        (None, None) => None,
    };
    let ring = app.ring();
    let from = roles::peer_or_only(&ring, asked.from.as_deref())?;
    let verified = signature::verify(from, &asked.token, detached.as_deref(), app.now())?;
    let (payload, payload_b64) = match String::from_utf8(verified.bytes.into_owned()) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(base64::encode(bytes.as_bytes()))),
    };
    let key = from.certificate.as_ref().map(|certificate| certificate.thumbprint().to_string());
    Ok(Json(VerifyReply { valid: true, payload, payload_b64, alg: verified.alg.name(), key }))
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

/// A query string read strictly: what is unknown, missing or misspelt is refused by name.
pub(super) struct Checked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Checked<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|refusal| Error::new(Code::Field, format!("the query: {}", refusal.body_text())))
    }
}

/// Reads a small JSON object. What serde says names the field, and never the value.
async fn json_body<T: DeserializeOwned>(request: Request, app: &App) -> Result<T> {
    guard::require_json(request.headers())?;
    let body = body::read(request, app.limits()).await?;
    // serde would read a list as the members in order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Error::field("", "a list stands where an object should"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            Error::new(Code::Field, "a member is missing, unknown or of the wrong type")
                .advise("See the manual for the members of this route.")
        } else {
            let at = (error.line(), error.column());
            Error::new(Code::Malformed, format!("the body is not JSON (line {}, column {})", at.0, at.1))
        }
    })
}

fn base64_field(pointer: &str, text: &str) -> Result<Vec<u8>> {
    base64::decode(text.as_bytes()).map_err(|_| Error::field(pointer, "this is not base64"))
}
