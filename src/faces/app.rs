//! What the routes of all listeners share.

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::faces::openapi::Documents;
use crate::http::{body, meters};
use crate::ida::Ida;
use crate::keys::{Certificate, Keyring, Ring};
use crate::mosip::envelope::Policy;
use crate::outbox::Outbox;
use crate::pool::Pool;
use crate::seeder::Seeder;

/// What the routes of all listeners share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// The parts of an [`App`].
pub struct Shared {
    /// The keys of now.
    pub keys: Keyring,
    /// Takes events and pushes.
    pub outbox: Outbox,
    /// Looks persons up.
    pub ida: Ida,
    /// Fetches UINTOKENs for many.
    pub seeder: Seeder,
    /// How far the operator trusts.
    pub policy: Policy,
    /// `internal.primitives`
    pub primitives: bool,
    /// Of request bodies.
    pub limits: body::Limits,
    /// For private-key operations.
    pub pool: Pool,
    /// Time.
    pub clock: Clock,
    /// What listeners refuse and hold.
    pub meters: meters::Meters,
    /// The documents of all listeners.
    pub documents: Documents,
    /// The listeners of this gateway.
    pub listeners: Arc<[Listener]>,
}

/// A listener as operators see it.
pub struct Listener {
    /// Its name.
    pub name: &'static str,
    /// Whether it speaks TLS.
    pub has_tls: bool,
    /// The certificate that it has shown since the start.
    pub certificate: Option<Certificate>,
}

impl Listener {
    /// Whether its certificate has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.not_after() < now)
    }
}

impl App {
    /// Shares `parts` between listeners.
    pub fn new(parts: Shared) -> Self {
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
