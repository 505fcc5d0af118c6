//! What goes to MOSIP and OpenCRVS and what goes back to the mediator, kept until it has arrived.
//!
//! [`store`] is the truth; everything else may be killed at any moment. [`Outbox::accept`] writes an intent; [`dispatch`] leases it,
//! [`exchange`] seals and posts it, [`legacy`] posts to OpenCRVS 1.x, [`channel`] decides what a failure means. [`inbox`] judges what MOSIP pushed; [`delivery`] posts
//! to the mediator.

pub mod channel;
pub mod delivery;
pub mod dispatch;
pub mod entry;
pub mod exchange;
pub mod inbox;
pub mod job;
pub mod legacy;
pub mod link;
pub mod meters;
pub(crate) mod place;
pub mod store;
pub mod subject;
pub mod uptime;
pub mod vault;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::delivery::Deliverer;
use self::dispatch::{ChannelStatus, Dispatcher};
use self::entry::Entry;
use self::exchange::Exchange;
use self::inbox::Inbox;
use self::legacy::Legacy;
use self::link::Link;
use self::meters::Meters;
use self::store::{Accepted, IdempotencyKey, LegacyPosts, Rekeyed, Store};
use self::webhook::Webhooks;
use crate::error::{Fault, Result};
use crate::keys::Keyring;
use crate::mosip::Attested;
use crate::mosip::envelope::Policy;
use crate::mosip::event::{Aid, Event, EventKind};
use crate::pool::Pool;

/// How often the clock is written and old rows are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often the files of the outbox are looked after, and a disk that refused is tried.
const WATCH: Duration = Duration::from_secs(1);

/// The outbox and the inbox of one database. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Parts>);

struct Parts {
    store: Store,
    dispatcher: Arc<Dispatcher>,
    inbox: Inbox,
    deliverer: Option<Deliverer>,
    give_up_after: Duration,
}

/// How an [`Outbox`] is to behave.
pub struct Options {
    /// How often a paused channel is tried.
    pub probe_interval: Duration,
    /// After how long an entry is parked for its age.
    pub give_up_after: Duration,
    /// How far the operator trusts.
    pub policy: Policy,
    /// Links deaths to births; absent where `events.death.link` is off.
    pub link: Option<Link>,
    /// Posts application ids and UINTOKENs to OpenCRVS 1.x; absent where `opencrvs.legacy_url` is not set.
    pub legacy: Option<(Legacy, LegacyPosts)>,
}

impl Outbox {
    /// Over `store`. Nothing moves before [`Self::run`]. Without `deliverer` the mediator pulls.
    pub fn new(
        store: Store,
        exchange: Exchange,
        deliverer: Option<Deliverer>,
        keys: Keyring,
        pool: Pool,
        options: Options,
    ) -> Self {
        let legacy = options.legacy.map(|(legacy, posts)| {
            store.post_to_opencrvs(posts);
            legacy
        });
        let dispatcher =
            Dispatcher::new(store.clone(), exchange, options.link, legacy, options.probe_interval);
        let dispatcher = Arc::new(dispatcher);
        let webhooks = Webhooks::new(store.clone(), Arc::clone(&dispatcher));
        let inbox = Inbox::new(store.clone(), keys, pool, options.policy, webhooks);
        Self(Arc::new(Parts { store, dispatcher, inbox, deliverer, give_up_after: options.give_up_after }))
    }

    /// What is stored: lists and counts.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What MOSIP pushed.
    pub fn inbox(&self) -> &Inbox {
        &self.0.inbox
    }

    /// Stores `event`; it is on the disk once this returns. A repeat finds its entry.
    pub async fn accept(&self, event: Event, key: Option<IdempotencyKey>) -> Result<Accepted> {
        self.0.dispatcher.check_kind(event.kind())?;
        let accepted = self.0.store.accept(event, key).await?;
        if accepted.is_new {
            self.0.dispatcher.wake();
        }
        Ok(accepted)
    }

    /// [`crate::error::Code::KindNotConfigured`] unless events of `kind` are taken.
    pub fn check_kind(&self, kind: EventKind) -> Result<()> {
        self.0.dispatcher.check_kind(kind)
    }

    /// Waits until the entry `id` is done, parked or discarded, and says how it stands then.
    pub async fn settled(&self, id: &str) -> Result<Entry> {
        self.0.dispatcher.settled(id).await
    }

    /// A person has put right what parked it, or does not want to wait.
    pub async fn retry(&self, id: String) -> Result<Entry> {
        let entry = self.0.store.retry(id).await?;
        self.0.dispatcher.probe_now();
        Ok(entry)
    }

    /// As [`Self::retry`], for all that `fault` parked; how many.
    pub async fn retry_all(&self, fault: Fault) -> Result<usize> {
        let entries = self.0.store.retry_all(fault).await?;
        self.0.dispatcher.probe_now();
        Ok(entries)
    }

    /// A person decides that it will not go. What waits behind it goes on.
    pub async fn discard(&self, id: String, reason: String) -> Result<Entry> {
        let entry = self.0.store.discard(id, reason).await?;
        self.0.dispatcher.tell_settled(entry.id.clone());
        Ok(entry)
    }

    /// A fresh application id for the caller, at once.
    pub async fn fetch_aid(&self) -> Result<Attested<Aid>> {
        self.0.dispatcher.exchange().fetch_aid().await
    }

    /// Seals everything under the first key of `outbox.key_file`; what did not open is looked at again.
    pub async fn rekey(&self) -> Result<Rekeyed> {
        let rekeyed = self.0.store.rekey().await?;
        self.go_on().await;
        Ok(rekeyed)
    }

    /// Goes on after files of the outbox were removed or replaced; [`crate::error::Code::Storage`] with what is still wrong.
    pub async fn resume(&self) -> Result<()> {
        self.0.store.resume().await?;
        self.go_on().await;
        Ok(())
    }

    /// What could not be read or written before may be now.
    async fn go_on(&self) {
        self.0.dispatcher.wake();
        self.0.store.wake_deliveries();
        self.0.inbox.judge_again().await;
    }

    /// The health of every upstream URL.
    pub fn channels(&self) -> Vec<ChannelStatus> {
        self.0.dispatcher.status()
    }

    /// What has been counted since the process began.
    pub fn meters(&self) -> &Meters {
        self.0.dispatcher.meters()
    }

    /// Moves everything until `stop` turns true; attempts that are under way then are finished.
    pub async fn run(&self, mut stop: watch::Receiver<bool>, keys: Keyring) {
        let mut running = JoinSet::new();
        for channel in 0..self.0.dispatcher.channels() {
            let (outbox, stop) = (self.clone(), stop.clone());
            running.spawn(async move { outbox.0.dispatcher.run(channel, stop).await });
        }
        let (outbox, reloads) = (self.clone(), keys.clone());
        running.spawn(stopped_by(stop.clone(), async move { outbox.follow_keys(reloads).await }));
        let outbox = self.clone();
        running.spawn(stopped_by(stop.clone(), async move { outbox.keep_house().await }));
        let outbox = self.clone();
        running.spawn(stopped_by(stop.clone(), async move {
            // Pushes find their events by rows that those of an older database do not have yet.
            outbox.correlate_older().await;
            outbox.0.inbox.run().await;
        }));
        let outbox = self.clone();
        running.spawn(stopped_by(stop.clone(), async move { outbox.follow_legacy().await }));
        if self.0.deliverer.is_some() {
            let outbox = self.clone();
            running.spawn(stopped_by(stop.clone(), async move {
                if let Some(deliverer) = &outbox.0.deliverer {
                    deliverer.run(&outbox.0.store).await;
                }
            }));
        }
        let _ = stop.wait_for(|stop| *stop).await;
        running.join_all().await;
    }

    /// New keys: paused channels are tried, and what did not verify is judged again. At start too: keys may have been put right while
    /// nothing ran.
    async fn follow_keys(&self, mut keys: Keyring) {
        self.0.inbox.judge_again().await;
        while keys.changed().await.is_some() {
            self.0.dispatcher.probe_now();
            self.0.inbox.judge_again().await;
        }
    }

    async fn correlate_older(&self) {
        while let Err(error) = self.0.store.correlate_older().await {
            tracing::error!(code = error.code().as_str(), "the names of older events cannot be kept");
            sleep(WATCH).await;
        }
    }

    /// An entry for OpenCRVS was made: its channel looks.
    async fn follow_legacy(&self) {
        let queued = self.0.store.legacy_queued();
        loop {
            queued.notified().await;
            self.0.dispatcher.wake();
        }
    }

    async fn keep_house(&self) {
        let mut ticks = interval(WATCH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_kept = HOUSEKEEPING;
        loop {
            ticks.tick().await;
            since_kept += WATCH;
            let took_nothing = !self.0.store.is_writable();
            let takes = self.0.store.look_after().await.is_ok();
            if takes && took_nothing {
                self.go_on().await;
            }
            if !takes || since_kept < HOUSEKEEPING {
                continue;
            }
            if self.0.store.keep_house().await.is_ok() {
                since_kept = Duration::ZERO;
                // What is parked wakes nothing; what follows it may be discarded by a person only.
                if let Err(error) = self.0.store.park_aged(self.0.give_up_after).await {
                    tracing::error!(code = error.code().as_str(), "old events cannot be parked");
                }
            }
        }
    }
}

/// Sleeps; without an alarm, for ever.
async fn sleep_for(alarm: Option<Duration>) {
    match alarm {
        Some(alarm) => tokio::time::sleep(alarm).await,
        None => std::future::pending().await,
    }
}

async fn stopped_by(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}
