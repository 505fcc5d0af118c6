//! What MOSIP calls: `POST /birthReceiveNid` and the hub's `/websub/callback`, authenticated and stored.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::{CallerAuth, Settings};
use super::App;
use super::hub::{self, BODY_LIMIT, HubCallback, Intent};
use super::jwt::{JwtCallers, bearer};
use super::openapi::{self, About, at, refusing, taking_any_query, taking_empty_body, with_rest};
use super::request::{Query, method_not_allowed, not_found};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::http::body;
use crate::http::caller::Caller;
use crate::ledger::Sender;
use crate::mosip::mediator::BIRTH_NID;

/// The listener's name.
pub(crate) const LISTENER: &str = "callback";

/// How long a push waits for keys that have not come since the start, or that may be old. The MOSIP-side mediator posts once, and drops what is refused.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the callback listener checks before it stores a body.
#[derive(Clone)]
pub(crate) struct Callback {
    app: App,
    callers: Arc<Callers>,
    /// `None`: the hub does not call here.
    hub: Option<HubCallback>,
    /// Of the bodies of callers that have proved themselves.
    known: body::Limits,
    /// Of the bodies of callers that nothing is known of yet.
    strangers: body::Limits,
}

/// How callers prove themselves, by route. A client certificate, where demanded, is the business of the listener's TLS.
#[derive(Default)]
pub(crate) struct Callers {
    /// `opencrvs-jwt`: MOSIP's side brings a bearer JWT that OpenCRVS's auth service made.
    pub(crate) opencrvs_jwt: Option<JwtCallers>,
    /// `mosip-jwt`: MOSIP's side brings a bearer JWT that its own IAM made.
    pub(crate) mosip_jwt: Option<JwtCallers>,
    /// `hub-hmac`: the hub signs what it brings.
    pub(crate) hub_hmac: bool,
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
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.code() == Code::Unauthorized => refused = Some(refusal),
                Err(failure) => undecided = Some(failure),
            }
        }
        let nobody = || Error::new(Code::Unauthorized, "the bearer token is refused");
        Err(undecided.or(refused).unwrap_or_else(nobody))
    }
}

/// What its routes may answer to a post.
const POSTED: [Code; 6] =
    [Code::Unauthorized, Code::TooLarge, Code::Busy, Code::Storage, Code::Timeout, Code::Malformed];

/// Where the MOSIP-side mediator posts.
const NID_PATHS: [&str; 2] = ["/birthReceiveNid", "/birthReceiveNid/"];

/// Why the query of a post is not refused.
const ANY_QUERY: &str =
    "Query parameters are accepted and ignored: MOSIP does not repeat a message that is refused.";

/// The routes: those of the MOSIP-side mediator and those of the hub, where they are on.
fn routes(nid: bool, hub: bool) -> OpenApiRouter<Callback> {
    let mut routes = OpenApiRouter::new();
    for path in NID_PATHS.into_iter().filter(|_| nid) {
        let posted =
            refusing(routes!(birth_receive_nid), &POSTED, &[Code::Forbidden, Code::Keys, Code::CallerKeys]);
        routes = routes.routes(at(path, taking_any_query(ANY_QUERY, taking_empty_body(posted))));
    }
    for path in hub::PATHS.into_iter().filter(|_| hub) {
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
            .routes(taking_any_query(ANY_QUERY, taking_empty_body(message)))
            .routes(taking_any_query(hub::OTHER_PARAMETERS, intent));
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
    let (known, strangers) = (app.limits().apart(BODY_LIMIT), app.limits().for_strangers(BODY_LIMIT));
    let hub = HubCallback::new(&app, known.clone(), strangers.clone()).filter(|_| callers.hub_hmac);
    let nid = callers.bring_tokens() || callers.open;
    let nid_paths = NID_PATHS.into_iter().filter(|_| nid);
    for path in nid_paths.chain(hub::PATHS.into_iter().filter(|_| hub.is_some())) {
        app.meters().expect(LISTENER, path, &refusals);
    }
    let (routes, _) = routes(nid, hub.is_some()).split_for_parts();
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Callback {
        app,
        callers: Arc::new(callers),
        hub,
        known,
        strangers,
    })
}

/// The scheme of the JWT that the MOSIP-side mediator brings.
const JWT: &str = "opencrvs-jwt";

/// Takes a UINTOKEN of the MOSIP-side mediator: 200 once it is on the disk. The verdict comes after, so that a key mishap on our side
/// never costs a message, and the answer is the same empty body whatever the verdict.
#[utoipa::path(post, path = "/birthReceiveNid", security((), ("opencrvs-jwt" = [])),
    request_body(content = serde_json::Value, description = "`data` and `signature`, sealed to us. Whatever else comes, an empty body too, is kept in quarantine."),
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
            (callback.strangers.of(caller.address()), Sender::Stranger)
        }
    };
    let body = body::read(request, &limits).await?;
    app.pushes().receive(BIRTH_NID, body.into_bytes(), sender).await?;
    Ok(StatusCode::OK)
}

/// Takes a message of the hub: 200 once it is on the disk. The hub stops for good after an answer of another kind. Where
/// `websub.callback_url` has a part that cannot be guessed, no other path is there.
#[utoipa::path(post, path = "/websub/callback", params(("X-Hub-Signature" = String, Header, description = "`method=hex`: the HMAC over the raw body.")),
    request_body(content = serde_json::Value, description = "The message. Whatever else comes, an empty body too, is kept in quarantine."),
    responses((status = 200, description = "It is on the disk.")))]
async fn websub_message(
    State(callback): State<Callback>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode> {
    callback.hub()?.take(&caller, request).await?;
    Ok(StatusCode::OK)
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
    callback.hub()?.confirm(&caller, uri.path(), intent).await
}

impl Callback {
    fn hub(&self) -> Result<&HubCallback> {
        self.hub.as_ref().ok_or_else(|| Error::new(Code::NotFound, "no hub"))
    }
}

#[cfg(test)]
mod tests;
