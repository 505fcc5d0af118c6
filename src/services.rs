//! What works behind the listeners: the ledger, what is sent to, the engine that moves entries there, and what runs by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::destinations::drive::{Breaker, Outside};
use crate::destinations::esignet::{self, Esignet};
use crate::destinations::hub::{self, Publisher};
use crate::destinations::ida::{Ida, Records, Requests};
use crate::destinations::mediator::Mediator;
use crate::destinations::opencrvs::{self, ConfirmWith, Opencrvs};
use crate::destinations::packets::Packets;
use crate::destinations::{self, Destinations, EventRoutes, Listed, Rows};
use crate::error::{Error, Result};
use crate::keys::Keyring;
use crate::ledger::{Confirmations, Ledger, LegacyPosts, Publications, Task};
use crate::mosip::credential::Credentials;
use crate::mosip::envelope::Policy;
use crate::pool::Pool;
use crate::queue::outside::Network;
use crate::queue::{self, Engine};
use crate::random::Random;
use crate::tasks::hub::Hub;
use crate::tasks::pushes::share::{self, Shares};
use crate::tasks::pushes::{self, Pushes};
use crate::tasks::reconcile::Reconciler;
use crate::tasks::subscriptions::Subscriptions;
use crate::tasks::{housekeeping, supervised};
use crate::telemetry::Tracer;
use crate::upstream::Client;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Services {
    /// What was accepted and what came.
    pub(crate) ledger: Ledger,
    /// Takes what is due to where it goes.
    pub(crate) engine: Engine,
    /// What MOSIP pushed.
    pub(crate) pushes: Pushes,
    /// What is subscribed at MOSIP's hub.
    pub(crate) hub: Hub,
    /// How the rows of every destination are called, in the order of the list.
    pub(crate) rows: Arc<[Rows]>,
    /// What is subscribed at OpenCRVS.
    pub(crate) subscriptions: Subscriptions,
    /// Asks OpenCRVS for what did not come.
    pub(crate) reconciler: Reconciler,
    /// Where events go.
    pub(crate) routes: EventRoutes,
    /// Gives application ids.
    pub(crate) mediator: Arc<Mediator>,
    /// Says under which ids registrations go.
    pub(crate) packets: Arc<Packets>,
    /// Looks persons up for callers who wait.
    pub(crate) ida: Ida,
    /// Verifies logins for callers who wait.
    pub(crate) esignet: Esignet,
    /// Makes the calls of callers who wait.
    pub(crate) outside: Arc<dyn Outside>,
}

/// What the configuration says about what is sent where.
pub(crate) struct Settings {
    pub(crate) destinations: destinations::Settings,
    /// `[esignet]`
    pub(crate) esignet: Option<esignet::Settings>,
    /// `events.death.link`
    pub(crate) death_link: bool,
    /// `upstream.probe_interval`
    pub(crate) probe_interval: Duration,
    /// `credentials.data_share`
    pub(crate) data_share: Option<share::Settings>,
}

/// What the services work with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) client: Client,
    pub(crate) keys: Keyring,
    pub(crate) pool: Pool,
    /// The threads of logins at eSignet.
    pub(crate) logins: Pool,
    pub(crate) clock: Clock,
    /// Where spans go.
    pub(crate) tracer: Tracer,
    /// How far the operator trusts.
    pub(crate) policy: Policy,
    /// Whose credentials count; else why none can be verified.
    pub(crate) credentials: Result<Arc<Credentials>>,
}

/// What is confirmed in OpenCRVS; absent: nothing is.
pub(crate) fn confirmations(destinations: &destinations::Settings) -> Option<Confirmations> {
    let core = &destinations.opencrvs.confirmation;
    core.url.is_some().then(|| Confirmations {
        destination: Opencrvs::ROWS.destination,
        kind: opencrvs::CONFIRM,
        national_id_key: core.national_id_key.clone(),
        rejects_rejected: core.rejects_rejected,
        rejects_silent: core.rejects_silent,
        keeps_tokens: core.with == ConfirmWith::RecordToken,
        settles: destinations.delivery.url.is_none(),
    })
}

impl Services {
    /// Over `ledger`. Nothing moves before [`Self::run`].
    pub(crate) fn new(ledger: Ledger, settings: Settings, tools: Tools) -> Self {
        let Settings { mut destinations, esignet, death_link, probe_interval, data_share } = settings;
        let Tools { client, keys, pool, logins, clock, policy, credentials, tracer } = tools;
        if destinations.opencrvs.legacy_url.is_some() {
            // Without `deliver.url` the mediator is not waiting for these messages.
            let settles = destinations.delivery.url.is_none();
            let token_member = destinations.opencrvs.legacy_token_member;
            let (destination, kind) = (Opencrvs::ROWS.destination, opencrvs::LEGACY);
            ledger.post_to_opencrvs(LegacyPosts { destination, kind, token_member, settles });
        }
        if let Some(rules) = confirmations(&destinations) {
            ledger.confirm_in_opencrvs(rules);
        }
        if let Some(within) = destinations.hub.expects_within() {
            ledger.expect_answers_within(within);
        }
        if let Some(topic) = destinations.hub.topics.credential()
            && destinations.hub.publish_status
        {
            // `<partner>/CREDENTIAL_ISSUED`
            let partner = topic.split('/').next().unwrap_or(topic);
            ledger.publish_received(Publications {
                destination: Publisher::ROWS.destination,
                kind: hub::STATUS,
                publisher: partner.to_owned(),
            });
        }
        let outside: Arc<dyn Outside> =
            Arc::new(Network::new(client, keys.clone(), pool.clone(), clock.clone()));
        let requests = Arc::new(Requests::new(destinations.ida.take(), keys.clone(), clock.clone()));
        let tools = destinations::Tools {
            keys: keys.clone(),
            clock: clock.clone(),
            ida: Arc::clone(&requests),
            death_link,
        };
        let reconcile_every = destinations.opencrvs.search.every;
        let destinations = Destinations::new(destinations, &tools);
        let lease = ledger.lease_time();
        let settings = queue::Settings { probe_interval, lease, random: Random::system(), tracer };
        let all = destinations.all();
        let engine = Engine::new(ledger.clone(), Arc::clone(&outside), &all, settings);
        let (rows, routes) = (all.iter().map(|one| one.rows()).collect(), EventRoutes::of(&all));
        let Destinations { mediator, packets, hub, opencrvs, .. } = destinations;
        if let Some(breaker) = engine.breaker(Records::ROWS.destination) {
            requests.share(Arc::new(breaker));
        }
        let ida = Ida::new(requests, Arc::clone(&outside), pool);
        let esignet = Esignet::new(esignet, Arc::clone(&outside), keys.clone(), logins, clock.clone());
        let hub = Hub::new(&hub, Arc::clone(&outside), ledger.clone(), clock.clone(), Random::system());
        let beside = || (Arc::clone(&outside), ledger.clone(), clock.clone());
        let subscriptions = Subscriptions::new(opencrvs.webhooks(), routes.clone(), beside());
        let reconciler = Reconciler::new(opencrvs.search(), reconcile_every, beside());
        let shares = Shares::new(data_share, Arc::clone(&outside), Random::system());
        let tools = pushes::Tools { keys, clock, policy, credentials };
        let pushes = Pushes::new(ledger.clone(), routes.clone(), hub.clone(), shares, tools);
        Self {
            ledger,
            engine,
            pushes,
            hub,
            subscriptions,
            reconciler,
            rows,
            routes,
            mediator,
            packets,
            ida,
            esignet,
            outside,
        }
    }

    /// Moves everything until `stop` turns true, and then finishes the attempts that are under way.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>, keys: Keyring) {
        let Self { ledger, engine, pushes, hub, subscriptions, reconciler, .. } = self;
        let mut tasks = JoinSet::new();
        let (others, of_hub, held) = (pushes.clone(), hub.clone(), ledger.clone());
        tasks.spawn(supervised("housekeeping", move || {
            housekeeping::run(ledger.clone(), others.clone(), of_hub.clone())
        }));
        let reloads = keys.clone();
        tasks.spawn(supervised("pushes", move || {
            let (pushes, reloads) = (pushes.clone(), reloads.clone());
            async move { pushes.run(reloads).await }
        }));
        let stopping = stop.clone();
        let subscribed = hub.clone();
        tasks.spawn(supervised("hub", move || {
            let hub = subscribed.clone();
            async move { hub.run().await }
        }));
        tasks.spawn(supervised("subscriptions", move || {
            let subscriptions = subscriptions.clone();
            async move { subscriptions.run().await }
        }));
        tasks.spawn(supervised("reconcile", move || {
            let reconciler = reconciler.clone();
            async move { reconciler.run().await }
        }));
        let moving = async { engine.run(stopping, keys).await };
        let stopped = async move {
            // The receiver is gone, so everything stops.
            let _ = stop.wait_for(|stop| *stop).await;
            tasks.shutdown().await;
            hub.stop().await;
            // Of what is to be compared with OpenCRVS, the term says when; a look at its webhooks that was cut off may be under way there.
            let _ = held.let_go(Task::Housekeeping).await;
        };
        tokio::join!(moving, stopped);
    }
}

impl Breaker for queue::Breaker {
    fn lets_through(&self) -> bool {
        self.lets_through()
    }

    fn is_away_for(&self) -> Option<Duration> {
        self.is_away_for()
    }

    fn succeeded(&self) {
        self.succeeded();
    }

    fn failed(&self, error: &Error) {
        self.failed(error);
    }
}
