//! `mosip-api` of OpenCRVS 1.9 to 2.1: registrations and changes that go to MOSIP as packets, the questions of forms who somebody is, and
//! the callback of MOSIP's hub. But for the hub, callers bring the JWT of OpenCRVS; refusals have the form of `mosip-api`.

mod cors;
mod events;
mod login;
mod person;
mod refusal;
mod settings;
mod verify;
mod websub;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use http::{HeaderMap, HeaderValue};
use tokio::sync::watch;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use self::cors::share_with_page;
use self::refusal::status;
pub(crate) use self::settings::Settings;
pub(crate) use self::verify::Names;
use super::hub::{self, HubCallback};
use super::jwt::{JwtCallers, bearer};
use super::openapi::{self, at, refusing_as, taking_any_query, taking_empty_body, with_rest};
use super::request::method_not_allowed;
use super::{App, Callers, Face};
use crate::error::{Code, Error, Result};
use crate::http::body::Limits;
use crate::http::caller::Caller;
use crate::mosip::caller::Purpose;

/// The scheme of the JWT that callers bring.
const JWT: &str = "opencrvs-jwt";

/// Largest body of a form, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// Largest registration, bytes: it may hold documents and a photo.
const REGISTRATION_LIMIT: usize = 8 << 20;

/// How long a caller waits for a key that has not come since the start, or that may be old. The page of OpenCRVS gives up after 15 s, and a
/// login takes up to 10. It is shorter than the pause after a fetch that failed, so that whoever comes in that pause is answered at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Why further parameters of a login are not refused.
const OTHER_PARAMETERS: &str =
    "Any further parameter is taken, and none is read: eSignet adds its own to the address of the form.";

/// Why the query of a post is not refused.
const ANY_QUERY: &str = "Query parameters are accepted and ignored: `mosip-api` ignores them.";

/// Why the query of a message of the hub is not refused.
const ANY_QUERY_OF_HUB: &str =
    "Query parameters are accepted and ignored: the hub does not repeat a message that is refused.";

/// What a route whose callers bring a JWT may refuse with.
const COMMON: [Code; 10] = [
    Code::Unauthorized,
    Code::CallerKeys,
    Code::Keys,
    Code::Malformed,
    Code::Field,
    Code::MediaType,
    Code::TooLarge,
    Code::Timeout,
    Code::Busy,
    Code::Bug,
];

/// What a route that stores may refuse with besides.
const STORING: [Code; 2] = [Code::KindNotConfigured, Code::Storage];

/// What a route that asks somebody may refuse with besides.
const ASKING: [Code; 7] = [
    Code::KeyUnavailable,
    Code::Partner,
    Code::Upstream,
    Code::UpstreamTimeout,
    Code::Tampered,
    Code::UnknownKey,
    Code::Storage,
];

/// What the callback of the hub may refuse with.
const OF_HUB: [Code; 8] = [
    Code::CallerSignature,
    Code::TooLarge,
    Code::Busy,
    Code::Storage,
    Code::Timeout,
    Code::Malformed,
    Code::NotFound,
    Code::Bug,
];

/// `mosip-api`.
#[derive(Clone)]
pub(crate) struct MosipApi(Arc<Shared>);

struct Shared {
    app: App,
    /// `None`: nobody is known.
    callers: Option<JwtCallers>,
    origin: Option<HeaderValue>,
    names: Names,
    /// Of what forms send.
    limits: Limits,
    /// Of registrations.
    registrations: Limits,
    /// `None`: no secret is shared with the hub.
    hub: Option<HubCallback>,
}

/// The routes, each in both spellings as in `mosip-api`: those of the hub and `/verify` where they are on.
fn routes(verifies: bool, takes_hub: bool) -> OpenApiRouter<MosipApi> {
    let mut all = OpenApiRouter::new();
    let known = |routes: UtoipaMethodRouter<MosipApi>, own: &[Code]| {
        refusing_as(routes, &[&COMMON[..], own].concat(), status)
    };
    for slash in ["", "/"] {
        let mut posts = vec![
            ("/events/registration", known(events::registration(), &STORING)),
            ("/events/update-biographics", known(events::update(), &STORING)),
        ];
        posts.extend(verifies.then(|| ("/verify", known(verify::route(), &ASKING))));
        for (path, post) in posts {
            all = all.routes(at(&format!("{path}{slash}"), taking_any_query(ANY_QUERY, post)));
        }
        let login = taking_any_query(OTHER_PARAMETERS, known(login::route(), &ASKING));
        all = all.routes(at(&format!("/esignet/get-oidp-user-info{slash}"), login));
    }
    for path in hub::PATHS.into_iter().filter(|_| takes_hub) {
        let placed = |routes| at(path, with_rest(path, routes));
        let message = taking_empty_body(placed(refusing_as(websub::message(), &OF_HUB, status)));
        let asked = [Code::Field, Code::NotFound, Code::Busy];
        let question = placed(refusing_as(websub::question(), &asked, status));
        all = all
            .routes(taking_any_query(ANY_QUERY_OF_HUB, message))
            .routes(taking_any_query(hub::OTHER_PARAMETERS, question));
    }
    all
}

impl Face for MosipApi {
    const NAME: &'static str = "mosip_api";
    const SWITCH: &'static str = "faces.mosip_api";

    /// A request proves itself by its JWT, or by the hub's signature; the browser that it comes from has no token of ours.
    const CALLERS: Callers = Callers::ByRequest;

    type Settings = Settings;

    fn openapi() -> OpenApi {
        let mut document = routes(true, true).into_openapi();
        let jwt = openapi::bearer("A JWT of OpenCRVS, as `faces.opencrvs_jwt` says.");
        document.components.get_or_insert_default().add_security_scheme(JWT, jwt);
        document
    }

    fn router(
        app: &App,
        settings: Settings,
        on: &[&'static str],
        _: &watch::Receiver<bool>,
    ) -> Option<Router> {
        let Settings { jwt, origin, consent, names, .. } = settings;
        if consent {
            tracing::info!(
                "faces.consent is on: each person that /verify asks about counts as having consented"
            );
        }
        let limits = app.limits();
        let (known, strangers) = (limits.apart(hub::BODY_LIMIT), limits.for_strangers(hub::BODY_LIMIT));
        let hub = HubCallback::new(app, known, strangers);
        let (routes, document) = routes(consent, hub.is_some()).split_for_parts();
        let refusals = [Code::Unauthorized, Code::Tampered, Code::Upstream, Code::Storage];
        for (listener, path) in
            on.iter().flat_map(|listener| document.paths.paths.keys().map(move |path| (listener, path)))
        {
            app.meters().expect(listener, path, &refusals);
        }
        let usable = jwt.filter(|jwt| jwt.check().is_ok());
        let callers = usable.map(|jwt| JwtCallers::of(app, jwt, PATIENCE));
        let face = Self(Arc::new(Shared {
            app: app.clone(),
            callers,
            origin,
            names,
            limits: limits.apart(BODY_LIMIT),
            registrations: limits.apart(REGISTRATION_LIMIT),
            hub,
        }));
        let routes = routes.method_not_allowed_fallback(method_not_allowed);
        let shared = middleware::from_fn_with_state(face.clone(), share_with_page);
        Some(routes.layer(shared).with_state(face))
    }
}

impl Shared {
    /// Checks the token before anything else of a request. Who has none that is good is a stranger, who is counted.
    async fn let_in(&self, caller: &Caller, headers: &HeaderMap) -> Result<Purpose> {
        let checked = async {
            let callers = self.callers.as_ref().ok_or_else(|| {
                Error::new(Code::Keys, "no caller is known").for_operator(
                    "faces.opencrvs_jwt is not set, or its key cannot be used: set it, and start the gateway again",
                )
            })?;
            callers.check(bearer(headers)?, self.app.now(), caller).await
        };
        match checked.await {
            Ok(purpose) => {
                caller.prove();
                Ok(purpose)
            }
            Err(refusal) => Err(caller.count().err().unwrap_or(refusal)),
        }
    }
}
