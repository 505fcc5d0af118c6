//! What others call: a folder for each face, with its routes, its bodies, its settings and who may call it.
//!
//! Three faces stand in for older systems: `/webhooks` of the older mediator, so that a small country can point OpenCRVS at the gateway
//! alone, `/authtoken` of MOSIP's Token Seeder, and `mosip_api` of OpenCRVS 1.9 and later. One more of these is a folder of its own and a
//! line in the list below.

mod app;
pub(crate) mod callback;
mod caller_keys;
mod hub;
mod jobs;
#[macro_use]
mod list;
pub(crate) mod jwt;
pub(crate) mod mosip_api;
pub(crate) mod openapi;
pub(crate) mod ops;
pub(crate) mod plain;
mod request;
mod settings;
pub(crate) mod token_seeder;
pub(crate) mod webhooks;

use axum::{Router, middleware};
use http::HeaderMap;
use tokio::sync::watch;
use utoipa::openapi::OpenApi;

pub(crate) use self::app::{App, Certificates, Listener, Shared};
pub(crate) use self::caller_keys::CallerKeys;
pub(crate) use self::hub::HubProof;
use self::openapi::About;
pub(crate) use self::ops::Reload;
pub(crate) use self::request::not_found;
pub(crate) use self::settings::{FaceSettings, Settings, Sources};
use crate::crypto::CryptoError;
use crate::error::{Code, Error, Result};
use crate::http::guard::{self, Guard};

/// The listener that serves nothing but faces that stand in for older systems.
pub(crate) const LISTENER: &str = "faces";

faces! {
    webhooks: webhooks::Webhooks,
    authtoken: token_seeder::TokenSeeder,
    mosip_api: mosip_api::MosipApi,
    #[cfg(test)]
    example: tests::addition::Example,
}

/// All that the listener of these faces alone can serve.
pub(crate) fn document() -> OpenApi {
    let about = About {
        name: LISTENER,
        text: "The gateway in place of older systems. Each face has a setting that switches it on.",
        token: Some("faces.token_file"),
    };
    openapi::document(&about, openapi_of_each())
}

/// A face that stands in for an older system.
pub(crate) trait Face {
    /// Its word in health, in metrics and on the page: the first part of its path.
    const NAME: &'static str;

    /// The setting that switches it on and off.
    const SWITCH: &'static str;

    /// How its callers are known.
    const CALLERS: Callers;

    /// What the configuration says of it.
    type Settings: FaceSettings;

    /// Its routes, as the documents describe them.
    fn openapi() -> OpenApi;

    /// Its routes on the listeners `on`, until `stopping` turns true; `None`: the settings leave nothing to serve.
    fn router(
        app: &App,
        settings: Self::Settings,
        on: &[&'static str],
        stopping: &watch::Receiver<bool>,
    ) -> Option<Router>;
}

/// Whether a face is on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switch {
    pub(crate) name: &'static str,
    /// What switches it.
    pub(crate) setting: &'static str,
    pub(crate) is_on: bool,
}

/// How the callers of a face are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Each request proves itself. Its callers bring no token, no known host name and no patience, so that no guard stands before it.
    ByRequest,
    /// The listener knows them: it is local, or demands a token or a client certificate.
    ByListener,
}

/// A face that is on.
struct Served {
    callers: Callers,
    router: Router,
}

/// The faces that are on.
pub(crate) struct Faces(Vec<Served>);

impl Faces {
    /// Those of `settings` on the listeners `on`, until `stopping` turns true.
    pub(crate) fn new(
        app: &App,
        settings: Each,
        on: &[&'static str],
        stopping: &watch::Receiver<bool>,
    ) -> Self {
        Self(settings.served(app, on, stopping))
    }

    /// Those whose callers the listener knows, behind `guard`; `None` where there is none.
    pub(crate) fn guarded(&self, guard: Guard) -> Option<Router> {
        let routes = self.of(Callers::ByListener).map(|face| face.router.clone()).reduce(Router::merge)?;
        Some(routes.layer(middleware::from_fn_with_state(guard, guard::enforce)))
    }

    /// The routes of a listener, with those faces beside them whose requests prove themselves: no guard stands before these, and each is in
    /// what `around` puts around it.
    pub(crate) fn beside_proving(&self, routes: Router, around: impl Fn(Router) -> Router) -> Router {
        self.of(Callers::ByRequest).fold(routes, |routes, face| routes.merge(around(face.router.clone())))
    }

    fn of(&self, callers: Callers) -> impl Iterator<Item = &Served> {
        self.0.iter().filter(move |face| face.callers == callers)
    }
}

/// The `X-Hub-Signature` of a request; [`Code::CallerSignature`] without one, or with two, of which nobody knows which one is meant.
pub(super) fn hub_signature(headers: &HeaderMap) -> Result<&str> {
    let mut signatures = headers.get_all("x-hub-signature").iter();
    match (signatures.next().and_then(|value| value.to_str().ok()), signatures.next()) {
        (Some(signature), None) => Ok(signature),
        (None, _) => Err(Error::new(Code::CallerSignature, "there is no X-Hub-Signature")),
        (Some(_), Some(_)) => Err(Error::new(Code::CallerSignature, "there are two X-Hub-Signature headers")),
    }
}

fn signature_refused(refusal: &CryptoError) -> Error {
    Error::new(Code::CallerSignature, "X-Hub-Signature does not fit the body").for_operator(refusal.stage())
}

#[cfg(test)]
mod tests;
