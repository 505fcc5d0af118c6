//! What the routes of all listeners share.

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::faces::openapi::Documents;
use crate::http::{body, meters};
use crate::ida::Ida;
use crate::keys::cert::{Dates, Validity};
use crate::keys::{Keyring, Ring};
use crate::mosip::envelope::Policy;
use crate::outbox::Outbox;
use crate::pool::Pool;
use crate::seeder::Seeder;

/// What the routes of all listeners share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// The parts of an [`App`].
pub(crate) struct Shared {
    /// The keys of now.
    pub(crate) keys: Keyring,
    /// Takes events and pushes.
    pub(crate) outbox: Outbox,
    /// Looks persons up.
    pub(crate) ida: Ida,
    /// Fetches UINTOKENs for many.
    pub(crate) seeder: Seeder,
    /// How far the operator trusts.
    pub(crate) policy: Policy,
    /// `internal.primitives`
    pub(crate) primitives: bool,
    /// Of request bodies.
    pub(crate) limits: body::Limits,
    /// For private-key operations.
    pub(crate) pool: Pool,
    /// Time.
    pub(crate) clock: Clock,
    /// What listeners refuse and hold.
    pub(crate) meters: meters::Meters,
    /// The documents of all listeners.
    pub(crate) documents: Documents,
    /// The listeners of this gateway.
    pub(crate) listeners: Arc<[Listener]>,
}

/// A listener as operators see it.
pub(crate) struct Listener {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it speaks TLS.
    pub(crate) has_tls: bool,
    /// The dates of the certificate that it has shown since the start.
    pub(crate) dates: Option<Dates>,
}

impl Listener {
    /// Whether its certificate has expired.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.dates.is_some_and(|dates| matches!(dates.validity(now), Validity::ExpiredSince(_)))
    }
}

impl App {
    /// Shares `parts` between listeners.
    pub(crate) fn new(parts: Shared) -> Self {
        Self(Arc::new(parts))
    }

    pub(super) fn ring(&self) -> Arc<Ring> {
        self.0.keys.current()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(super) fn meters(&self) -> &meters::Meters {
        &self.0.meters
    }

    pub(super) fn documents(&self) -> &Documents {
        &self.0.documents
    }

    pub(super) fn listeners(&self) -> Arc<[Listener]> {
        Arc::clone(&self.0.listeners)
    }

    pub(super) fn limits(&self) -> &body::Limits {
        &self.0.limits
    }

    pub(super) fn policy(&self) -> Policy {
        self.0.policy
    }

    pub(super) fn primitives(&self) -> bool {
        self.0.primitives
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub(super) fn ida(&self) -> &Ida {
        &self.0.ida
    }

    pub(super) fn seeder(&self) -> &Seeder {
        &self.0.seeder
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.pool.run(work).await
    }
}
