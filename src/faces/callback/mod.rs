//! What MOSIP calls: `POST /birthReceiveNid` and the hub's `/websub/callback`, authenticated and stored.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::{CallerAuth, Settings};
use super::jwt::{JwtCallers, bearer};
use super::openapi::{self, About, at, refusing, taking_any_query, with_rest};
use super::request::{Query, method_not_allowed, not_found};
use super::{App, hub_signature, signature_refused};
use crate::clock::Timestamp;
use crate::crypto::hmac::HubSignature;
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::http::body::{self, Spent};
use crate::http::caller::Caller;
use crate::ledger::Sender;
use crate::mosip::mediator::BIRTH_NID;
use crate::mosip::push::PushKind;
use crate::mosip::websub::Denial;
use crate::pool;

/// The listener's name.
pub(crate) const LISTENER: &str = "callback";

/// Largest push, bytes: a credential with a photo stays below it.
const BODY_LIMIT: usize = 6 << 20;

/// How long a push waits for keys that have not come since the start, or that may be old. MOSIP's mediator posts once, and drops what is refused.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the callback listener checks before it stores a body.
#[derive(Clone)]
pub(crate) struct Callback {
    app: App,
    callers: Arc<Callers>,
    /// Of the bodies of callers that have proved themselves.
    known: body::Limits,
    /// Of the bodies of callers that nothing is known of yet.
    strangers: body::Limits,
}

impl Callback {
    /// Of the body of `caller`, known by its certificate or a stranger.
    fn limits(&self, caller: &Caller) -> body::Limits {
        match caller.has_certificate() {
            true => self.known.clone(),
            false => self.strangers.of(caller.address()),
        }
    }

    /// Whether `caller`, which calls `path`, is the hub as far as these and its certificate tell. Where the hub has an address of its own,
    /// no other one is there: [`Code::NotFound`].
    fn is_hub(&self, caller: &Caller, path: &str) -> Result<bool> {
        if self.callers.knows_path(path) {
            caller.prove();
            return Ok(true);
        }
        let is_hub = caller.has_certificate();
        if self.callers.hub_path.is_some() {
            if !is_hub {
                caller.count()?;
            }
            return Err(Error::new(Code::NotFound, "the hub has another address"));
        }
        Ok(is_hub)
    }
}

/// How callers prove themselves, by route. A client certificate, where demanded, is the business of the listener's TLS.
#[derive(Default)]
pub(crate) struct Callers {
    /// `opencrvs-jwt`: MOSIP's side brings a bearer JWT that OpenCRVS's auth service made.
    pub(crate) opencrvs_jwt: Option<JwtCallers>,
    /// `mosip-jwt`: MOSIP's side brings a bearer JWT that its own IAM made.
    pub(crate) mosip_jwt: Option<JwtCallers>,
    /// `hub-hmac`: the hub signs the raw body with this secret.
    pub(crate) hub_hmac: Option<Arc<SecretBytes>>,
    /// The last part of `websub.callback_url`, where it cannot be guessed: a caller that knows it is the hub.
    pub(crate) hub_path: Option<SecretBytes>,
    /// A route of which no kind is demanded is open: the listener is on the loopback, demands client certificates, or
    /// `callback.danger_open` is on. Otherwise such a route is not there.
    pub(crate) open: bool,
}

impl Callers {
    /// Whether the callers of `/birthReceiveNid` bring a token.
    fn bring_tokens(&self) -> bool {
        self.opencrvs_jwt.is_some() || self.mosip_jwt.is_some()
    }

    /// Checks a bearer token, which any of the kinds that are demanded may have made; one that waits for its keys keeps no other waiting.
    /// [`Code::Unauthorized`] where each kind has looked at it.
    async fn check(&self, token: &str, now: Timestamp, caller: &Caller) -> Result<()> {
        let kinds = [&self.opencrvs_jwt, &self.mosip_jwt].into_iter().flatten();
        let mut checks: FuturesUnordered<_> = kinds.map(|kind| kind.check(token, now, caller)).collect();
        let (mut refused, mut undecided) = (None, None);
        while let Some(checked) = checks.next().await {
            match checked {
                Ok(()) => return Ok(()),
                Err(refusal) if refusal.code() == Code::Unauthorized => refused = Some(refusal),
                Err(failure) => undecided = Some(failure),
            }
        }
        let nobody = || Error::new(Code::Unauthorized, "the bearer token is refused");
        Err(undecided.or(refused).unwrap_or_else(nobody))
    }

    /// Whether `path` ends with the part that the hub alone knows.
    fn knows_path(&self, path: &str) -> bool {
        let part = path.strip_prefix(HUB_PREFIX).map(|part| part.trim_end_matches('/'));
        self.hub_path.as_ref().zip(part).is_some_and(|(wanted, part)| wanted.matches(part.as_bytes()))
    }
}

/// Longest question of the hub whether a request is meant, bytes. MOSIP's is a UUID.
const LONGEST_CHALLENGE: usize = 1 << 10;

/// What its routes may answer to a post.
const POSTED: [Code; 6] =
    [Code::Unauthorized, Code::TooLarge, Code::Busy, Code::Storage, Code::Timeout, Code::Malformed];

/// Where the MOSIP-side mediator posts.
const NID_PATHS: [&str; 2] = ["/birthReceiveNid", "/birthReceiveNid/"];

/// Where the hub posts.
const HUB_PATHS: [&str; 3] = ["/websub/callback", "/websub/callback/", "/websub/callback/{*unguessable}"];

/// What stands before the part that cannot be guessed.
pub(crate) const HUB_PREFIX: &str = "/websub/callback/";

/// Why the query of a post is not refused.
const ANY_QUERY: &str =
    "Query parameters are accepted and ignored: MOSIP does not repeat a message that is refused.";

/// Why further parameters of the hub are not refused.
const OTHER_PARAMETERS: &str = "Any further parameter is taken, and none is read: hubs add their own, and keep those of the callback URL.";

/// The routes: those of the MOSIP-side mediator and those of the hub, where they are on.
fn routes(nid: bool, hub: bool) -> OpenApiRouter<Callback> {
    let mut routes = OpenApiRouter::new();
    for path in NID_PATHS.into_iter().filter(|_| nid) {
        let posted =
            refusing(routes!(birth_receive_nid), &POSTED, &[Code::Forbidden, Code::Keys, Code::CallerKeys]);
        routes = routes.routes(at(path, taking_any_query(ANY_QUERY, posted)));
    }
    for path in HUB_PATHS.into_iter().filter(|_| hub) {
        let refused = [
            Code::CallerSignature,
            Code::TooLarge,
            Code::Busy,
            Code::Storage,
            Code::Timeout,
            Code::Malformed,
        ];
        let message =
            at(path, with_rest(path, refusing(routes!(websub_message), &refused, &[Code::NotFound])));
        let intent = at(
            path,
            with_rest(path, refusing(routes!(websub_intent), &[Code::Busy], &[Code::Field, Code::NotFound])),
        );
        routes = routes
            .routes(taking_any_query(ANY_QUERY, message))
            .routes(taking_any_query(OTHER_PARAMETERS, intent));
    }
    routes
}

/// All that the listener can serve.
pub(crate) fn document() -> OpenApi {
    let about = About {
        name: LISTENER,
        text: "What MOSIP calls. `callback.require` says how callers prove themselves; a route of which no proof is demanded is off where the listener is off the loopback, unless `callback.danger_open` is on.",
        token: None,
    };
    let mut document = openapi::document(&about, routes(true, true).into_openapi());
    let jwt = openapi::bearer(
        "A JWT of OpenCRVS's auth service or of MOSIP's IAM, where `callback.require` lists `opencrvs-jwt` or `mosip-jwt`.",
    );
    document.components.get_or_insert_default().add_security_scheme(JWT, jwt);
    document
}

/// Routes of the callback listener.
pub(crate) fn router(app: App, callers: Callers) -> Router {
    let refusals =
        [Code::Unauthorized, Code::TooLarge, Code::Busy, Code::Storage, Code::CallerKeys, Code::Keys];
    let (nid, hub) = (callers.bring_tokens() || callers.open, callers.hub_hmac.is_some());
    let nid_paths = NID_PATHS.into_iter().filter(|_| nid);
    for path in nid_paths.chain(HUB_PATHS.into_iter().filter(|_| hub)) {
        app.meters().expect(LISTENER, path, &refusals);
    }
    let (routes, _) = routes(nid, hub).split_for_parts();
    let (known, strangers) = (app.limits().apart(BODY_LIMIT), app.limits().for_strangers(BODY_LIMIT));
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Callback {
        app,
        callers: Arc::new(callers),
        known,
        strangers,
    })
}

/// The scheme of the JWT that the MOSIP-side mediator brings.
const JWT: &str = "opencrvs-jwt";

/// Takes a UINTOKEN of the MOSIP-side mediator: 200 once it is on the disk. The verdict comes after, so that a key mishap on our side
/// never costs a message, and the answer is the same empty body whatever the verdict.
#[utoipa::path(post, path = "/birthReceiveNid", security((), ("opencrvs-jwt" = [])),
    request_body(content = serde_json::Value, description = "`data` and `signature`, sealed to us."),
    responses((status = 200, description = "It is on the disk.")))]
async fn birth_receive_nid(
    State(callback): State<Callback>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode> {
    let app = &callback.app;
    let (limits, sender) = match &callback.callers {
        callers if callers.bring_tokens() => {
            callers.check(bearer(request.headers())?, app.now(), &caller).await?;
            caller.prove();
            (callback.known.clone(), Sender::Known)
        }
        _ if caller.has_certificate() => (callback.known.clone(), Sender::Known),
        _ => {
            caller.count()?;
            (callback.limits(&caller), Sender::Stranger)
        }
    };
    let body = body::read(request, &limits).await?;
    app.pushes().receive(BIRTH_NID, body.into_bytes(), sender).await?;
    Ok(StatusCode::OK)
}

/// Takes a message of the hub: 200 once it is on the disk. The hub stops for good after an answer of another kind. Where
/// `websub.callback_url` has a part that cannot be guessed, no other path is there.
#[utoipa::path(post, path = "/websub/callback", params(("X-Hub-Signature" = String, Header, description = "`method=hex`: the HMAC over the raw body.")),
    request_body(content = serde_json::Value, description = "The message."),
    responses((status = 200, description = "It is on the disk.")))]
async fn websub_message(
    State(callback): State<Callback>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode> {
    let app = &callback.app;
    let is_hub = callback.is_hub(&caller, request.uri().path())?;
    let body = match signed_by_hub(&callback, &caller, is_hub, request).await {
        Ok(body) => body,
        Err(Unsigned { refusal, body }) => {
            // What the hub's own message says of its topic tells which subscription fails; of a stranger's nothing is read.
            let read = match body.filter(|_| is_hub) {
                Some(body) => kind_of(app, body).await.ok(),
                None => None,
            };
            app.hub().refused(refusal.code(), is_hub, read.map(|(kind, _)| kind));
            return Err(refusal);
        }
    };
    caller.prove();
    // Whatever it is, the hub signed it: it is kept, and the verdict comes after.
    let read = kind_of(app, body).await;
    let (kind, body) = read.inspect_err(|refusal| app.hub().refused(refusal.code(), true, None))?;
    let stored = app.pushes().receive(kind, body, Sender::Known).await;
    stored.inspect_err(|_| app.hub().missed(kind))?;
    Ok(StatusCode::OK)
}

async fn kind_of(app: &App, body: Bytes) -> Result<(PushKind, Bytes)> {
    let hub = app.hub().clone();
    pool::offload(body.len(), move || Ok((hub.kind_of(&body), body))).await
}

/// A message that is not under the hub's signature, with its body where that is whole.
struct Unsigned {
    refusal: Error,
    body: Option<Bytes>,
}

impl From<Error> for Unsigned {
    fn from(refusal: Error) -> Self {
        Self { refusal, body: None }
    }
}

/// The body of a message under the hub's signature. That of the hub waits for its turn where others take the room, since a refusal may end
/// what the hub delivers.
async fn signed_by_hub(
    callback: &Callback,
    caller: &Caller,
    is_hub: bool,
    request: Request,
) -> Result<Bytes, Unsigned> {
    let secret = callback.callers.hub_hmac.as_ref().ok_or_else(|| Error::new(Code::NotFound, "no hub"))?;
    let mut signature = HubSignature::begin(secret.expose(), hub_signature(request.headers())?)
        .map_err(|refusal| signature_refused(&refusal))?;
    let (limits, spent) = match is_hub {
        true => (callback.known.clone(), Spent::Waits),
        false => (callback.limits(caller), Spent::Refused),
    };
    let body =
        body::read_seeing(request, &limits, spent, |piece| signature.update(piece)).await?.into_bytes();
    match signature.verify() {
        Ok(()) => Ok(body),
        Err(refusal) => Err(Unsigned { refusal: signature_refused(&refusal), body: Some(body) }),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Intent {
    #[serde(rename = "hub.mode")]
    mode: String,
    #[serde(rename = "hub.topic")]
    topic: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
    #[serde(rename = "hub.lease_seconds")]
    lease: Option<String>,
    #[serde(rename = "hub.reason")]
    reason: Option<String>,
}

/// The hub asks whether we meant to subscribe, or to end a subscription: the challenge comes back, byte for byte, while a request of the
/// gateway about that topic waits for it. That a subscription is denied or broken is a hint: the gateway subscribes
/// again, once in a while, and still answers the question. Where `websub.callback_url` has a part that cannot be guessed, no other path is there.
#[utoipa::path(get, path = "/websub/callback", params(Intent), responses((status = 200, description = "The challenge, or nothing.", content_type = "text/plain", body = String)))]
async fn websub_intent(
    State(callback): State<Callback>,
    caller: Caller,
    uri: OriginalUri,
    Query(intent): Query<Intent>,
) -> Result<String> {
    if !callback.is_hub(&caller, uri.path())? {
        caller.count()?;
    }
    let hub = callback.app.hub();
    let Intent { mode, topic, challenge, lease, reason } = intent;
    if let Some(denial) = Denial::of(&mode) {
        hub.denied(denial, topic.as_deref(), reason.as_deref());
        return Ok(String::new());
    }
    if challenge.as_ref().is_some_and(|challenge| challenge.len() > LONGEST_CHALLENGE) {
        let what = format!("`hub.challenge` is longer than {LONGEST_CHALLENGE} bytes");
        return Err(Error::new(Code::Field, what));
    }
    let asked_for = |topic: &str| hub.verify(&mode, topic, lease.as_deref());
    challenge
        .filter(|_| topic.as_deref().is_some_and(asked_for))
        .ok_or_else(|| Error::new(Code::NotFound, "this gateway has not just asked the hub about that topic"))
}

#[cfg(test)]
mod tests;
