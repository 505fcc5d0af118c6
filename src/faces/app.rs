//! What the routes of all listeners share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::config::Trouble;
use crate::destinations::drive::Outside;
use crate::destinations::esignet::Esignet;
use crate::destinations::ida::Ida;
use crate::destinations::mediator::Mediator;
use crate::destinations::{EventRoutes, KeyNeeds, Rows};
use crate::error::Result;
use crate::faces::openapi::Documents;
use crate::faces::{CallerKeys, HubProof, Reload, Switch};
use crate::http::{body, meters};
use crate::keys::{Dated, Keyring, Ring};
use crate::ledger::{Accepted, IdempotencyKey, Ledger, Rekeyed};
use crate::mosip::Attested;
use crate::mosip::credential::Credentials;
use crate::mosip::envelope::Policy;
use crate::opencrvs::document::EventDocument;
use crate::opencrvs::event::Event;
use crate::opencrvs::record_token::RecordToken;
use crate::opencrvs::registration::Registration;
use crate::pool::Pool;
use crate::queue::Engine;
use crate::registration::Aid;
use crate::services::Services;
use crate::tasks::hub::Hub;
use crate::tasks::pushes::Pushes;
use crate::tasks::reconcile::Reconciler;
use crate::tasks::subscriptions::Subscriptions;
use crate::telemetry::{Level, Tracer};
use crate::upstream;

/// What the routes of all listeners share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// The parts of an [`App`].
pub(crate) struct Shared {
    /// The current keys.
    pub(crate) keys: Keyring,
    /// What works behind the listeners.
    pub(crate) services: Services,
    /// Whose credentials count; else why none can be verified.
    pub(crate) credentials: Result<Arc<Credentials>>,
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
    /// What is counted of calls to other systems.
    pub(crate) calls: upstream::Meters,
    /// Where spans go.
    pub(crate) tracer: Tracer,
    /// How much is logged.
    pub(crate) level: Level,
    /// What makes the documents of all listeners.
    pub(crate) documents: Documents,
    /// The listeners of this gateway.
    pub(crate) listeners: Arc<[Listener]>,
    /// Reads keys and certificates again, and knows those that are in use.
    pub(crate) reload: Reload,
    /// What the destinations need of the keys.
    pub(crate) key_needs: Arc<[KeyNeeds]>,
    /// What is not as it should be with the settings and their files.
    pub(crate) troubles: Arc<[Trouble]>,
    /// What others may do with files that they should not, as it was found last.
    pub(crate) file_troubles: watch::Receiver<Arc<[Trouble]>>,
    /// The keys that callers are known by, where these are fetched; the faces add theirs.
    pub(crate) caller_keys: CallerKeys,
    /// The faces that stand in for older systems.
    pub(crate) faces: Arc<[Switch]>,
    /// How MOSIP's hub proves itself; `None`: no secret is shared with it.
    pub(crate) hub_proof: Option<Arc<HubProof>>,
    /// `ops.name`
    pub(crate) name: Option<String>,
}

/// A listener as operators see it.
pub(crate) struct Listener {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it speaks TLS.
    pub(crate) has_tls: bool,
}

/// The certificates outside the key ring, as they were found last.
#[derive(Default)]
pub(crate) struct Certificates {
    /// Those in use.
    pub(crate) dated: Vec<Dated>,
    /// Files that cannot be used as they are.
    pub(crate) refused: Vec<Trouble>,
}

impl Certificates {
    /// The same while the files have not come for `deadline`.
    pub(crate) fn hanging(&self, deadline: Duration) -> Self {
        let what = format!(
            "have not come for {} s: their volume does not answer; what was loaded before stays in use",
            deadline.as_secs()
        );
        let trouble = Trouble::new("files of TLS", what, "look at the volume that they are on");
        Self { dated: self.dated.clone(), refused: vec![trouble] }
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

    pub(super) fn calls(&self) -> &upstream::Meters {
        &self.0.calls
    }

    pub(super) fn tracer(&self) -> &Tracer {
        &self.0.tracer
    }

    pub(super) fn level(&self) -> &Level {
        &self.0.level
    }

    pub(super) fn documents(&self) -> &Documents {
        &self.0.documents
    }

    pub(super) fn listeners(&self) -> Arc<[Listener]> {
        Arc::clone(&self.0.listeners)
    }

    pub(super) fn reload(&self) -> &Reload {
        &self.0.reload
    }

    pub(super) fn key_needs(&self) -> &[KeyNeeds] {
        &self.0.key_needs
    }

    /// What is not as it should be with settings and their files, whatever the time is.
    pub(super) fn troubles(&self) -> Arc<[Trouble]> {
        let files = self.0.file_troubles.borrow().clone();
        let refused = &self.0.reload.certificates().refused;
        let of_callers = self.0.caller_keys.troubles();
        self.0.troubles.iter().chain(&*files).chain(refused).cloned().chain(of_callers).collect()
    }

    pub(super) fn caller_keys(&self) -> &CallerKeys {
        &self.0.caller_keys
    }

    pub(super) fn faces(&self) -> Arc<[Switch]> {
        Arc::clone(&self.0.faces)
    }

    pub(super) fn hub_proof(&self) -> Option<Arc<HubProof>> {
        self.0.hub_proof.clone()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
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

    pub(super) fn ledger(&self) -> &Ledger {
        &self.0.services.ledger
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.services.engine
    }

    pub(super) fn pushes(&self) -> &Pushes {
        &self.0.services.pushes
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.0.services.hub
    }

    pub(super) fn subscriptions(&self) -> &Subscriptions {
        &self.0.services.subscriptions
    }

    pub(super) fn reconciler(&self) -> &Reconciler {
        &self.0.services.reconciler
    }

    pub(super) fn mediator(&self) -> &Arc<Mediator> {
        &self.0.services.mediator
    }

    pub(super) fn routes(&self) -> &EventRoutes {
        &self.0.services.routes
    }

    /// How the rows of every destination are called.
    pub(super) fn rows(&self) -> Arc<[Rows]> {
        Arc::clone(&self.0.services.rows)
    }

    /// Stores `event`; it is on the disk once this returns. A repeat finds its entry.
    pub(super) async fn accept(&self, event: Event, key: Option<IdempotencyKey>) -> Result<Accepted> {
        let destinations = self.routes().destinations_of(event.kind())?;
        self.ledger().accept(event, destinations, key).await
    }

    /// As [`Self::accept`], of an EventDocument.
    pub(super) async fn accept_document(
        &self,
        document: EventDocument,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        let destinations = self.routes().destinations_of_document(document.kind())?;
        self.ledger().accept_document(document, destinations, key).await
    }

    /// As [`Self::accept`], of a registration whose fields are mapped.
    pub(super) async fn accept_registration(
        &self,
        registration: Registration,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        let Services { routes, ledger, packets, .. } = &self.0.services;
        let destinations = routes.destinations_of_registration(registration.kind())?;
        ledger.accept_registration(registration, destinations, key, packets.id_prefix()).await
    }

    /// As [`Self::accept_registration`], of all `registrations`, which came with `token`, or of none.
    pub(super) async fn accept_registrations(
        &self,
        registrations: Vec<Registration>,
        token: Option<RecordToken>,
    ) -> Result<()> {
        let Services { routes, ledger, packets, .. } = &self.0.services;
        let with_destinations = |registration: Registration| -> Result<_> {
            let destinations = routes.destinations_of_registration(registration.kind())?;
            Ok((registration, destinations))
        };
        let registrations: Result<_> = registrations.into_iter().map(with_destinations).collect();
        ledger.accept_registrations(registrations?, token, packets.id_prefix()).await
    }

    /// A fresh application id for the caller, at once.
    pub(super) async fn fetch_aid(&self) -> Result<Attested<Aid>> {
        self.mediator().fetch_aid(&*self.0.services.outside).await
    }

    /// Seals everything under the first key of `outbox.key_file`; what did not open is examined again.
    pub(super) async fn rekey(&self) -> Result<Rekeyed> {
        let rekeyed = self.ledger().rekey().await?;
        self.pushes().examine_again().await;
        Ok(rekeyed)
    }

    /// Goes on after files of the outbox were removed or replaced; [`Code::Storage`](crate::error::Code::Storage) with what is still
    /// wrong. With `accepts_loss` it goes on though commits that were acknowledged are missing.
    pub(super) async fn resume(&self, accepts_loss: bool) -> Result<()> {
        if accepts_loss {
            self.ledger().accept_loss().await?;
        }
        self.ledger().resume().await?;
        self.pushes().examine_again().await;
        Ok(())
    }

    /// [`Code::Keys`](crate::error::Code::Keys) where none can be verified.
    pub(super) fn credentials(&self) -> Result<Arc<Credentials>> {
        self.0.credentials.clone()
    }

    pub(super) fn ida(&self) -> &Ida {
        &self.0.services.ida
    }

    pub(super) fn esignet(&self) -> &Esignet {
        &self.0.services.esignet
    }

    /// The network, for what a face fetches.
    pub(crate) fn outside(&self) -> Arc<dyn Outside> {
        Arc::clone(&self.0.services.outside)
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.pool.run(work).await
    }
}
