//! The plain API: `/v1`, for the mediator.

mod credentials;
mod esignet;
mod events;
mod ida_routes;
mod import;
pub(super) mod inbox;
pub(crate) mod opencrvs;
mod packets;
mod schema;
mod settings;
mod settled;
pub(super) mod uin_tokens;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::Settings;
use super::openapi::{self, About, RawBytes, refusing, taking_empty_body};
use super::request::{
    Query, method_not_allowed, not_found, read_as_object, read_json_body, read_object, refuse_unread_query,
    take_query,
};
use super::{App, openapi_of_each};
use crate::crypto::jwk::Jwk;
use crate::error::{Code, Result};
use crate::http::{body, guard};
use crate::keys::{Certificate, OwnKey, Ring};
use crate::mosip::envelope::SealedMessage;
use crate::mosip::primitives::{Open, Seal, Sign, Signed, Valid, Verify};
use crate::pool;

/// The listener of the plain API.
pub(crate) const LISTENER: &str = "internal";

/// Thumbprint of our key that opened the message.
const X_MOSIP_KEY: HeaderName = HeaderName::from_static("x-mosip-key");
/// What its signature covered: `envelope`, `plaintext` or `none`.
const X_MOSIP_VERIFIED: HeaderName = HeaderName::from_static("x-mosip-verified");

/// The use of a key that signs for eSignet alone.
const ESIGNET: &str = "esignet";

/// What any route of the plain API may answer.
pub(super) const COMMON: [Code; 4] = [Code::Unauthorized, Code::Forbidden, Code::Bug, Code::Field];

/// What a route that reads a body may answer.
pub(super) const BODY: [Code; 8] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::Bug,
    Code::Malformed,
    Code::Timeout,
    Code::TooLarge,
    Code::Busy,
    Code::Field,
];

/// What a route that reads JSON may answer.
pub(super) const JSON: [Code; 9] = [
    Code::Unauthorized,
    Code::Forbidden,
    Code::Bug,
    Code::Malformed,
    Code::Timeout,
    Code::TooLarge,
    Code::Busy,
    Code::Field,
    Code::MediaType,
];

/// All routes of the plain API; without seal, open, sign and verify where `primitives` is off.
fn routes(primitives: bool) -> OpenApiRouter<App> {
    let routes = OpenApiRouter::new()
        .routes(refusing(routes!(keys), &COMMON, &[]))
        .routes(refusing(
            routes!(aid),
            &COMMON,
            &[
                Code::KindNotConfigured,
                Code::Keys,
                Code::Partner,
                Code::Upstream,
                Code::UpstreamTimeout,
                Code::Tampered,
            ],
        ))
        .merge(events::routes())
        .merge(packets::routes())
        .merge(inbox::routes())
        .merge(settled::routes())
        .merge(import::routes())
        .merge(opencrvs::routes())
        .merge(ida_routes::routes())
        .merge(credentials::routes())
        .merge(esignet::routes())
        .merge(uin_tokens::routes())
        .merge(openapi::routes());
    if primitives { routes.merge(primitive_routes()) } else { routes }
}

fn primitive_routes() -> OpenApiRouter<App> {
    let sealed = [Code::UnknownKey, Code::Decrypt, Code::SignatureInvalid, Code::SignatureMissing];
    OpenApiRouter::new()
        .routes(taking_empty_body(refusing(routes!(seal), &BODY, &[Code::Keys, Code::MediaType])))
        .routes(refusing(routes!(open), &JSON, &[&sealed[..], &[Code::Keys]].concat()))
        .routes(taking_empty_body(refusing(routes!(sign), &BODY, &[Code::Keys, Code::MediaType])))
        .routes(refusing(routes!(verify), &JSON, &[Code::SignatureInvalid, Code::Keys]))
}

/// All that the listener can serve, the faces that stand in for older systems among it.
pub(crate) fn document() -> OpenApi {
    let about = About {
        name: LISTENER,
        text: "The plain API, for the mediator. It signs and opens what it is given, so it is on the loopback or a unix socket. `internal.primitives = false` switches `/v1/seal`, `/v1/open`, `/v1/sign` and `/v1/verify` off; `faces.webhooks`, `seeder.consent` and `faces.mosip_api` switch `/webhooks`, `/authtoken` and the routes of `mosip-api` on: `/events`, `/verify` unless `faces.consent` is off, `/websub/callback` where `websub.secret_file` is set, and `/esignet`.",
        token: Some("internal.token_file"),
    };
    openapi::document(&about, routes(true).into_openapi().merge_from(openapi_of_each()))
}

/// The plain API with the `faces` that stand on its listener.
pub(crate) fn router(app: App, faces: Option<Router>) -> Router {
    let (routes, document) = routes(app.primitives()).split_for_parts();
    let queries = middleware::from_fn_with_state(take_query(&document), refuse_unread_query);
    let routes = routes.with_state(app).layer(queries);
    let routes = match faces {
        Some(faces) => routes.merge(faces),
        None => routes,
    };
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

/// Seals the body, a plaintext, to a peer.
#[utoipa::path(post, path = "/v1/seal", params(Seal), request_body(content = RawBytes, content_type = "application/octet-stream", description = "The plaintext; it may be empty."),
    responses((status = 200, description = "The sealed message.", body = SealedMessage)))]
async fn seal(State(app): State<App>, Query(asked): Query<Seal>, request: Request) -> Result<Response> {
    guard::refuse_compressed(request.headers())?;
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let sealed = app.run(move || asked.seal_json(&ring, now, body)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], sealed).into_response())
}

/// Opens a message and checks its signature. The answer is the plaintext.
#[utoipa::path(post, path = "/v1/open", request_body = Open<'_>,
    responses((status = 200, description = "The plaintext.", content_type = "application/octet-stream", body = RawBytes,
        headers(("x-mosip-verified" = String, description = "What the signature covers: `envelope`, `plaintext` or `none`."),
                ("x-mosip-key" = String, description = "Lower-case hex thumbprint of the key that opened the message.")))))]
async fn open(State(app): State<App>, request: Request) -> Result<Response> {
    let body = read_json_body(request, app.limits()).await?;
    let (ring, policy) = (app.ring(), app.policy());
    // Read where it is opened: another thread between would have to be woken, too.
    let opened = app.run(move || read_as_object::<Open<'_>>(&body)?.open(&ring, policy)).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_MOSIP_VERIFIED, HeaderValue::from_static(opened.evidence().as_str()));
    if let Some(key) = opened.key().and_then(|key| HeaderValue::from_str(&key.to_string()).ok()) {
        headers.insert(X_MOSIP_KEY, key);
    }
    // Sent from the buffer that it was opened in, which is wiped once it has gone.
    Ok((headers, Bytes::from_owner(opened.into_inner())).into_response())
}

/// Signs the body, a payload.
#[utoipa::path(post, path = "/v1/sign", params(Sign), request_body(content = RawBytes, content_type = "application/octet-stream", description = "The payload; it may be empty."),
    responses((status = 200, description = "The signature.", body = Signed)))]
async fn sign(State(app): State<App>, Query(asked): Query<Sign>, request: Request) -> Result<Response> {
    guard::refuse_compressed(request.headers())?;
    let body = body::read(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let signed = app.run(move || asked.sign(&ring, now, &body)).await?;
    Ok(Json(signed).into_response())
}

/// Verifies a token under the key of a peer and no other.
#[utoipa::path(post, path = "/v1/verify", request_body = Verify, responses((status = 200, description = "It verifies.", body = Valid)))]
async fn verify(State(app): State<App>, request: Request) -> Result<Response> {
    let asked: Verify = read_object(request, app.limits()).await?;
    let (ring, now) = (app.ring(), app.now());
    let len =
        asked.token.len() + asked.payload.as_ref().or(asked.payload_b64.as_ref()).map_or(0, String::len);
    Ok(Json(pool::offload(len, move || asked.verify(&ring, now)).await?).into_response())
}

/// Fetches an application id of MOSIP.
#[utoipa::path(get, path = "/v1/aid", responses((status = 200, description = "The application id.", body = schema::FetchedAid)))]
async fn aid(State(app): State<App>) -> Result<Response> {
    let aid = app.fetch_aid().await?;
    Ok(Json(json!({ "aid": aid.get().as_str(), "verified": aid.word() })).into_response())
}

/// Lists the keys in use: roles, thumbprints, subjects, dates, and what is wrong with the key files. No key is shown.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, description = "The keys.", body = KeyList)))]
async fn keys(State(app): State<App>) -> Response {
    Json(KeyList::of(&app.ring())).into_response()
}

/// Roles, thumbprints, subjects and dates; no key.
#[derive(Serialize, ToSchema)]
struct KeyList {
    own: Vec<OwnEntry>,
    peers: Vec<PeerEntry>,
    /// Own keys that will be gone: their files are missing, or hold other keys. The latter decrypt alone and do not stand in `own`.
    retiring: Vec<RetiringEntry>,
    troubles: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct OwnEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// `sign` (for MOSIP), `decrypt`, `esignet` (it signs for eSignet, and for nobody else)
    r#use: Vec<&'static str>,
    bits: usize,
    /// `P-256` for an EC key, which signs for eSignet alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    curve: Option<&'static str>,
    /// Base64url of the SHA-256 of its JSON Web Key (RFC 7638), by which eSignet can tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jwk_thumbprint: Option<String>,
    certificate: Option<CertificateEntry>,
}

#[derive(Serialize, ToSchema)]
struct PeerEntry {
    name: String,
    bits: usize,
    certificate: Option<CertificateEntry>,
}

#[derive(Serialize, ToSchema)]
struct RetiringEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// A restart ends it before.
    until: String,
    certificate: Option<CertificateEntry>,
}

#[derive(Serialize, ToSchema)]
struct CertificateEntry {
    thumbprint: String,
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
}

impl KeyList {
    fn of(ring: &Ring) -> Self {
        let client = ring.client();
        let is_of_esignet = |own: &Arc<OwnKey>| client.is_some_and(|client| Arc::ptr_eq(client, own));
        let own = ring.own().iter().map(|own| OwnEntry {
            name: own.name.clone(),
            r#use: [
                ("sign", own.uses.sign && !is_of_esignet(own)),
                (ESIGNET, own.uses.sign && is_of_esignet(own)),
                ("decrypt", own.uses.decrypt),
            ]
            .into_iter()
            .filter_map(|(word, on)| on.then_some(word))
            .collect(),
            bits: own.private.modulus_len() * 8,
            curve: None,
            jwk_thumbprint: Jwk::of_rsa(own.private.public_key()).map(|jwk| jwk.thumbprint()),
            certificate: own.certificate.as_ref().map(CertificateEntry::of),
        });
        let ec = ring.ec_keys().map(|key| OwnEntry {
            name: key.name.clone(),
            r#use: vec![ESIGNET],
            bits: 256,
            curve: Some("P-256"),
            jwk_thumbprint: Some(Jwk::of_ec(key.private.public_key()).thumbprint()),
            certificate: None,
        });
        let peers = ring.peers().iter().map(|peer| PeerEntry {
            name: peer.name.clone(),
            bits: peer.key.modulus_len() * 8,
            certificate: peer.certificate.as_ref().map(CertificateEntry::of),
        });
        let retiring = ring.retiring().map(|key| RetiringEntry {
            name: key.name.map(str::to_owned),
            until: key.until.to_iso(),
            certificate: key.certificate.map(CertificateEntry::of),
        });
        let troubles = ring.troubles().iter().map(ToString::to_string).collect();
        Self { own: own.chain(ec).collect(), peers: peers.collect(), retiring: retiring.collect(), troubles }
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
