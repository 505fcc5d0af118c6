//! Listeners, routes, problems. Handlers parse, call `mosip` or `outbox`, and answer; they never call `crypto`.

pub mod body;
pub mod callback;
pub mod guard;
pub mod internal;
pub mod ops;
pub mod problem;
pub mod server;
mod subject;
mod tls;
mod trace;

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config;
use crate::keys::Ring;
use crate::mosip::envelope::Policy;
use crate::outbox::Deliverer;
use crate::outbox::worker::Worker;
use crate::pool::Pool;

/// What the routes of all listeners share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    ring: watch::Receiver<Arc<Ring>>,
    worker: Worker,
    deliverer: Deliverer,
    policy: Policy,
    primitives: bool,
    limits: body::Limits,
    pool: Pool,
    clock: Clock,
}
