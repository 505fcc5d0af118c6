//! One loop per upstream URL: lease what may go, attempt it, settle it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::channel::{Channel, Flow, Next, Turn};
use super::entry::{Destination, Entry, EntryKind, Lease, Verdict};
use super::exchange::Exchange;
use super::legacy::Legacy;
use super::link::Link;
use super::meters::Meters;
use super::store::Store;
use super::uptime::Millis;
use crate::error::{Code, Error, Result};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::pool;
use crate::upstream;

/// How long a loop rests when the store refuses.
const STORE_REST: Duration = Duration::from_secs(1);
/// Settled ids that a slow waiter may be behind; beyond it, it asks the store.
const SETTLED_BACKLOG: usize = 1024;

/// The loops and what they share.
pub struct Dispatcher {
    store: Store,
    exchange: Arc<Exchange>,
    link: Arc<Option<Link>>,
    legacy: Option<Arc<Legacy>>,
    channels: Arc<[Arc<Line>]>,
    meters: Meters,
    settled: broadcast::Sender<String>,
}

/// One upstream URL with its kinds.
struct Line {
    url: Uri,
    kinds: Vec<EntryKind>,
    /// Attempts at once.
    concurrency: usize,
    health: Mutex<Channel>,
    wake: Notify,
}

/// What an operator sees of a channel.
#[derive(Debug, Clone)]
pub struct ChannelStatus {
    /// Host and port.
    pub host: String,
    /// What goes there; never empty, and all of it to one destination.
    pub kinds: Vec<EntryKind>,
    /// Whether it flows.
    pub flow: Flow,
    /// Since when it does not, on the outbox's clock.
    pub stopped_at: Option<Millis>,
}

impl ChannelStatus {
    /// Where it leads.
    pub fn destination(&self) -> Destination {
        self.kinds.first().map_or(Destination::Mediator, |kind| kind.destination())
    }
}

impl Dispatcher {
    /// A channel for every URL that `exchange` has, and one for `legacy`.
    pub fn new(
        store: Store,
        exchange: Exchange,
        link: Option<Link>,
        legacy: Option<Legacy>,
        probe_interval: Duration,
    ) -> Self {
        let mut kinds: BTreeMap<String, (Uri, Vec<EntryKind>)> = BTreeMap::new();
        for kind in EventKind::ALL {
            if let Ok(url) = exchange.url(kind) {
                kinds.entry(url.to_string()).or_insert_with(|| (url.clone(), Vec::new())).1.push(kind.into());
            }
        }
        let line = |url, kinds, concurrency| {
            let health = Mutex::new(Channel::new(probe_interval, exchange.deadline()));
            Arc::new(Line { url, kinds, concurrency, health, wake: Notify::new() })
        };
        let to_mosip = kinds.into_values().map(|(url, kinds)| line(url, kinds, exchange.concurrency()));
        let to_opencrvs = legacy
            .iter()
            .map(|legacy| line(legacy.url().clone(), vec![EntryKind::Legacy], legacy.concurrency()));
        let channels: Arc<[Arc<Line>]> = to_mosip.chain(to_opencrvs).collect();
        let meters = Meters::new(channels.iter().flat_map(|line| line.kinds.iter().copied()));
        let settled = broadcast::channel(SETTLED_BACKLOG).0;
        let (exchange, link, legacy) = (Arc::new(exchange), Arc::new(link), legacy.map(Arc::new));
        Self { store, exchange, link, legacy, channels, meters, settled }
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// For calls that are not queued.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// How attempts ended.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// [`crate::error::Code::KindNotConfigured`] unless a URL is set for `kind`.
    pub fn check_kind(&self, kind: EventKind) -> Result<()> {
        self.exchange.url(kind).map(drop)
    }

    /// Something was queued, or may go now.
    pub fn wake(&self) {
        wake(&self.channels);
    }

    /// The entry `id` will not move any more: whoever waits for it hears so, and what waits behind it may go.
    pub fn tell_settled(&self, id: String) {
        // Nobody may be waiting.
        let _ = self.settled.send(id);
        self.wake();
    }

    /// Keys changed, or a person does not want to wait: a paused channel is tried at once.
    pub fn probe_now(&self) {
        for line in self.channels.iter() {
            line.health().probe_now();
        }
        self.wake();
    }

    /// The health of every channel.
    pub fn status(&self) -> Vec<ChannelStatus> {
        let status = |line: &Arc<Line>| {
            let health = line.health();
            ChannelStatus {
                host: upstream::host_and_port(&line.url),
                kinds: line.kinds.clone(),
                flow: health.flow().clone(),
                stopped_at: health.stopped_at(),
            }
        };
        self.channels.iter().map(status).collect()
    }

    /// Waits until `id` is neither queued nor leased.
    pub async fn settled(&self, id: &str) -> Result<Entry> {
        let mut settled = self.settled.subscribe();
        loop {
            let entry = self.store.entry(id.to_owned()).await?;
            if !matches!(entry.state, super::entry::State::Queued | super::entry::State::Leased) {
                return Ok(entry);
            }
            // Either its own word, or so many that one may have been missed.
            while let Ok(other) = settled.recv().await {
                if other == id {
                    break;
                }
            }
        }
    }

    /// Runs the channel `index` until `stop` turns true, and then finishes what is under way.
    pub async fn run(&self, index: usize, mut stop: watch::Receiver<bool>) {
        let Some(line) = self.channels.get(index) else { return };
        let mut attempts = JoinSet::new();
        let mut lost_lease = false;
        while !*stop.borrow() {
            if lost_lease && attempts.is_empty() {
                tracing::error!("an attempt ended without a verdict; its event is queued again");
                lost_lease = self.store.void_leases(line.kinds.clone()).await.is_err();
            }
            let since = self.store.uptime();
            let turn = line.health().turn(since);
            let leased = match turn {
                Turn::Free => {
                    let slots = line.concurrency.saturating_sub(attempts.len());
                    self.store.lease(&line.kinds, slots).await
                }
                Turn::Trial if attempts.is_empty() => self.store.lease(&line.kinds, 1).await,
                Turn::Trial | Turn::Wait(_) => Ok(Vec::new()),
            };
            let is_idle = match &leased {
                Ok(leases) => leases.is_empty(),
                Err(_) => false,
            };
            match leased {
                Ok(leases) => {
                    for lease in leases {
                        attempts.spawn(self.attempt(Arc::clone(line), lease));
                    }
                }
                Err(error) => {
                    tracing::error!(
                        code = error.code().as_str(),
                        step = error.operator_detail(),
                        "no event can be leased"
                    );
                    sleep(STORE_REST).await;
                }
            }
            let is_full = attempts.len() >= line.concurrency;
            if !is_idle && !is_full && turn == Turn::Free {
                continue;
            }
            let alarm = if is_full { None } else { self.next_look(line, turn, since).await };
            tokio::select! {
                _ = stop.changed() => {}
                Some(ended) = attempts.join_next() => lost_lease |= ended.is_err(),
                () = line.wake.notified() => {}
                () = super::sleep_for(alarm) => {}
            }
        }
        attempts.join_all().await;
    }

    /// How long until looking again is of use; none: until woken.
    async fn next_look(&self, line: &Line, turn: Turn, since: Millis) -> Option<Duration> {
        let mut soonest = match turn {
            Turn::Wait(at) => Some(at),
            Turn::Free | Turn::Trial => None,
        };
        if soonest.is_none() {
            for kind in &line.kinds {
                let due = match self.store.next_due(*kind, since).await {
                    Ok(due) => due,
                    Err(_) => return Some(STORE_REST),
                };
                soonest = [soonest, due].into_iter().flatten().min();
            }
        }
        let wait = soonest?.saturating_sub(self.store.uptime()).max(0);
        Some(Duration::from_millis(wait.unsigned_abs()))
    }

    /// One attempt, from lease to verdict.
    fn attempt(&self, line: Arc<Line>, lease: Lease) -> impl Future<Output = ()> + Send + 'static {
        let (store, exchange, settled) =
            (self.store.clone(), Arc::clone(&self.exchange), self.settled.clone());
        let (link, legacy) = (Arc::clone(&self.link), self.legacy.clone());
        let (channels, meters) = (Arc::clone(&self.channels), self.meters.clone());
        async move {
            let (id, attempts) = (lease.entry.id.clone(), lease.entry.attempts);
            let kind = lease.entry.kind;
            let outcome = match (kind, legacy) {
                (EntryKind::Event(kind), _) => {
                    exchange_once(&store, &exchange, link.as_ref().as_ref(), kind, &lease).await
                }
                (EntryKind::Legacy, Some(legacy)) => legacy.post(lease.payload.clone()).await,
                (EntryKind::Legacy, None) => Err(Error::new(Code::Bug, "no channel leads to OpenCRVS")),
            };
            let fault = outcome.as_ref().err().map(Error::fault);
            meters.attempt_ended(kind, fault);
            let verdict = match outcome {
                Ok(()) => {
                    line.health().succeeded(&id);
                    tracing::info!(
                        event = id,
                        kind = kind.as_str(),
                        attempts,
                        "{} took the entry",
                        kind.destination().system()
                    );
                    Verdict::Done
                }
                Err(error) => {
                    let next = line.health().failed(&id, attempts, &error, store.uptime());
                    tracing::warn!(
                        event = id,
                        attempts,
                        code = error.code().as_str(),
                        fault = error.fault().as_str(),
                        detail = error.detail(),
                        upstream = error.upstream().map(|said| said.code.as_str()),
                        parked = matches!(next, Next::Park(_)),
                        "an attempt failed"
                    );
                    match next {
                        Next::Again(next_at) => Verdict::Again { next_at, refusal: (&error).into() },
                        Next::Park(reason) => Verdict::Park((&reason).into()),
                    }
                }
            };
            // Until it is written the entry stays leased, and nothing of its composition moves.
            while let Err(error) = store.settle(id.clone(), verdict.clone()).await {
                tracing::error!(event = id, code = error.code().as_str(), "a verdict cannot be written");
                sleep(STORE_REST).await;
            }
            // Nobody may be waiting.
            let _ = settled.send(id);
            // What waits behind it may belong to another channel: a correction behind its birth.
            wake(&channels);
        }
    }
}

impl Line {
    fn health(&self) -> MutexGuard<'_, Channel> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(channels: &[Arc<Line>]) {
    for line in channels {
        line.wake.notify_one();
    }
}

/// Application id first, then the link, both stored before the first byte of the event leaves; then the event.
async fn exchange_once(
    store: &Store,
    exchange: &Exchange,
    link: Option<&Link>,
    kind: EventKind,
    lease: &Lease,
) -> Result<()> {
    let id = &lease.entry.id;
    let payload = lease.payload.clone();
    let mut event = pool::aside(payload.len(), move || Event::parse(kind, payload)).await?;
    let mut aid: Option<Aid> = lease.entry.aid.clone();
    if !lease.sent {
        let fetched = match aid {
            None if exchange.wants_aid(&event) => Some(exchange.fetch_aid().await?.into_inner()),
            _ => None,
        };
        if let Some(link) = link
            && let Some(linked) = link.linked(&event).await
        {
            store.keep_linked(id.clone(), linked.body().clone()).await?;
            event = linked;
        }
        aid = aid.or_else(|| fetched.clone());
        store.begin_send(id.clone(), fetched).await?;
    }
    exchange.send(&event, id, aid.as_ref()).await
}
