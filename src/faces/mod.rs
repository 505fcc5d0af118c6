//! Faces that stand in for older systems: `/webhooks` of the older mediator, so that a small country can point OpenCRVS at the gateway
//! alone, and `/authtoken` of MOSIP's Token Seeder.

mod app;
pub(crate) mod callback;
mod jobs;
pub(crate) mod openapi;
pub(crate) mod ops;
pub(crate) mod plain;
mod request;
pub(crate) mod token_seeder;
pub(crate) mod webhooks;

use axum::{Router, middleware};
use http::HeaderMap;
use tokio::sync::watch;

pub(crate) use self::app::{App, Listener, Shared};
pub(crate) use self::request::not_found;
use crate::crypto::CryptoError;
use crate::error::{Code, Error, Result};
use crate::http::guard::{self, Guard};

/// The listener that serves nothing but faces that stand in for older systems.
pub(crate) const LISTENER: &str = "faces";

/// The faces that are on.
pub(crate) struct Faces {
    webhooks: Option<Router>,
    authtoken: Option<Router>,
}

impl Faces {
    /// `/webhooks` on the listeners `on`, until `stopping` turns true; and `/authtoken` where the operator answers for consent.
    pub(crate) fn new(
        app: &App,
        webhooks: Option<webhooks::Settings>,
        consent: bool,
        on: &[&'static str],
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            webhooks: webhooks.map(|settings| webhooks::router(app.clone(), settings, on, stopping)),
            authtoken: consent.then(|| token_seeder::router(app.clone())),
        }
    }

    /// `/authtoken`, which has no authentication of its own, behind `guard`; not there without one.
    pub(crate) fn authtoken(&self, guard: Option<Guard>) -> Option<Router> {
        self.authtoken
            .clone()
            .zip(guard)
            .map(|(router, guard)| router.layer(middleware::from_fn_with_state(guard, guard::enforce)))
    }

    /// Whether OpenCRVS posts here.
    pub(crate) fn has_webhooks(&self) -> bool {
        self.webhooks.is_some()
    }

    /// The routes of a listener, with `/webhooks` beside them: OpenCRVS brings no token, no known host name and no patience, so
    /// guards and limits stand around `routes` alone.
    pub(crate) fn beside_webhooks(&self, routes: Router) -> Router {
        match &self.webhooks {
            Some(webhooks) => routes.merge(webhooks.clone()),
            None => routes,
        }
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
