//! Health (DESIGN.md 7, Ops): `/livez` and `/readyz`.
//!
//! `/readyz` is 200 exactly while an event post would be taken. The state of keys and of MOSIP stands in its body and never
//! changes the status: an unready sidecar would take the mediator's whole pod out of service.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use tokio::sync::watch;

use super::{App, internal};
use crate::clock::Timestamp;
use crate::keys::Ring;

const MILLIS_PER_DAY: i64 = 86_400_000;

#[derive(Clone)]
struct Ops {
    app: App,
    stopping: watch::Receiver<bool>,
}

/// Routes of the ops listener. `stopping` turns true when the process drains.
pub fn router(app: App, stopping: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(internal::not_found)
        .method_not_allowed_fallback(internal::method_not_allowed)
        .with_state(Ops { app, stopping })
}

async fn readyz(State(ops): State<Ops>) -> Response {
    let ready = !*ops.stopping.borrow() && ops.app.outbox().store().is_writable();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, keys: Health::of(&ops.app.ring(), ops.app.now()) })).into_response()
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    keys: Health,
}

#[derive(Serialize)]
struct Health {
    /// Every configured key and certificate is loaded and in its dates.
    healthy: bool,
    own: usize,
    peers: usize,
    troubles: usize,
    /// Days until the first certificate expires; negative once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    days_to_first_expiry: Option<i64>,
}

impl Health {
    fn of(ring: &Ring, now: Timestamp) -> Self {
        let own = ring.own().iter().filter_map(|own| own.certificate.as_ref());
        let peers = ring.peers().iter().filter_map(|peer| peer.certificate.as_ref());
        let first = own.chain(peers).map(|certificate| certificate.not_after().millis()).min();
        Self {
            healthy: ring.troubles().is_empty(),
            own: ring.own().len(),
            peers: ring.peers().len(),
            troubles: ring.troubles().len(),
            days_to_first_expiry: first.map(|at| at.saturating_sub(now.millis()).div_euclid(MILLIS_PER_DAY)),
        }
    }
}
