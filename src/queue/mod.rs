//! The engine: one loop for each URL that entries go to, the breaker and the pauses of that URL, and what a failure means. It knows no
//! kind of message: destinations say what the steps of an entry are, the ledger says what follows from them.

mod breaker;
pub(crate) mod channel;
pub(crate) mod health;
pub(crate) mod meters;
mod moments;
pub(crate) mod outside;
pub(crate) mod pace;
#[cfg(test)]
mod simulation;
pub(crate) mod worker;

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::Authority;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

pub(crate) use self::breaker::Breaker;
use self::channel::Flow;
use self::health::Health;
use self::meters::Meters;
use self::moments::sleep_for;
use self::worker::{STORE_REST, Worker};
use crate::clock::Timestamp;
use crate::destinations::Destination;
use crate::destinations::drive::Outside;
use crate::error::{Fault, Result};
use crate::keys::Keyring;
use crate::ledger::Ledger;
use crate::ledger::entry::Entry;
use crate::loopback::names_loopback;
use crate::random::Random;
use crate::store::{Lane, Millis, Queue, State};
use crate::telemetry::Tracer;

/// The loops, and what they share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine(Arc<EngineInner>);

struct EngineInner {
    ledger: Ledger,
    loops: Vec<UrlLoop>,
    meters: Meters,
    resumed: Arc<Notify>,
}

/// A loop and the URL that it serves.
struct UrlLoop {
    host: String,
    worker: Arc<Worker>,
    /// When an earlier process last had something taken there.
    taken_before: OnceLock<Timestamp>,
}

/// How an [`Engine`] is to behave.
pub(crate) struct Settings {
    /// How often a paused channel is tried.
    pub(crate) probe_interval: Duration,
    /// How long a lease holds without being renewed.
    pub(crate) lease: Duration,
    /// What waits are drawn by.
    pub(crate) random: Random,
    /// Where the spans of attempts go.
    pub(crate) tracer: Tracer,
}

/// What an operator sees of an upstream URL.
#[derive(Debug, Clone)]
pub(crate) struct ChannelStatus {
    /// The word of the rows.
    pub(crate) destination: String,
    pub(crate) queue: Queue,
    /// Host and port.
    pub(crate) host: String,
    /// What goes there; none is named where all of the destination does.
    pub(crate) kinds: Vec<String>,
    /// Whether it flows.
    pub(crate) flow: Flow,
    /// Since when it does not, or nobody gives a usable answer, on the outbox's clock.
    pub(crate) stopped_at: Option<Millis>,
    /// The host that is in the way meanwhile, where it is not [`Self::host`]: that of a token, or of a further step.
    pub(crate) failed_at: Option<String>,
    /// When the last entry was taken, by this process or an earlier one, by the machine's clock.
    pub(crate) last_success: Option<Timestamp>,
    /// Entries taken in a minute, over the last five; `None`: too few to tell.
    pub(crate) per_minute: Option<f64>,
}

/// The state of a channel that is open, though the last attempts got no usable answer.
const FAILING: &str = "failing";

impl ChannelStatus {
    /// What [`Self::state`] says.
    pub(crate) const STATES: [&'static str; 4] = ["open", FAILING, "broken", "paused"];

    /// The word in health and metrics.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_failing() { FAILING } else { self.flow.as_str() }
    }

    /// Whether nobody gave a usable answer to the last attempts, too few yet to leave the other side alone.
    pub(crate) fn is_failing(&self) -> bool {
        self.flow == Flow::Open && self.stopped_at.is_some()
    }

    /// The host that a person has to look at: the one that is in the way, else that of the URL. It changes; series of metrics have [`Self::host`].
    pub(crate) fn host_to_look_at(&self) -> &str {
        self.failed_at.as_deref().filter(|_| self.stopped_at.is_some()).unwrap_or(&self.host)
    }

    /// Whether it carries the rows of `queue` that go to `destination` and are of `kind`.
    pub(crate) fn takes(&self, queue: Queue, destination: &str, kind: &str) -> bool {
        self.queue == queue
            && self.destination == destination
            && (self.kinds.is_empty() || self.kinds.iter().any(|of| of == kind))
    }

    /// Whether its URL is set; `host` says otherwise what is not, in words.
    pub(crate) fn is_configured(&self) -> bool {
        !self.host.contains(' ')
    }

    /// What goes there: its kinds, or the destination where all of it does.
    pub(crate) fn carries(&self) -> Vec<String> {
        if self.kinds.is_empty() { vec![self.destination.clone()] } else { self.kinds.clone() }
    }
}

impl Engine {
    /// A loop for each URL of `destinations`. Nothing moves before [`Self::run`].
    pub(crate) fn new(
        ledger: Ledger,
        outside: Arc<dyn Outside>,
        destinations: &[Arc<dyn Destination>],
        settings: Settings,
    ) -> Self {
        let Settings { probe_interval, lease, random, tracer } = settings;
        let (meters, resumed) = (Meters::default(), Arc::<Notify>::default());
        let mut loops = Vec::new();
        for destination in destinations {
            for route in destination.routes() {
                let rows = destination.rows();
                if rows.queue == Queue::Entries {
                    route.kinds.iter().for_each(|kind| meters.expect(kind));
                }
                let is_local = is_local(rows.queue, &route.host);
                let worker = Arc::new(Worker {
                    lane: Lane {
                        queue: rows.queue,
                        destination: rows.destination.to_owned(),
                        kinds: route.kinds,
                    },
                    steps: Arc::<dyn Destination>::clone(destination),
                    ledger: ledger.clone(),
                    outside: Arc::clone(&outside),
                    health: Health::new(
                        probe_interval,
                        route.deadline,
                        destination.is_unread(),
                        random.clone(),
                    ),
                    meters: meters.clone(),
                    tracer: tracer.clone(),
                    resumed: Arc::clone(&resumed),
                    concurrency: route.concurrency,
                    lease,
                    is_local,
                });
                loops.push(UrlLoop { host: route.host, worker, taken_before: OnceLock::new() });
            }
        }
        Self(Arc::new(EngineInner { ledger, loops, meters, resumed }))
    }

    /// The breaker of the URL that the rows of `destination` go to, for those who call it beside them.
    pub(crate) fn breaker(&self, destination: &str) -> Option<Breaker> {
        let goes_there = |url_loop: &&UrlLoop| url_loop.worker.lane.destination == destination;
        let Worker { health, ledger, .. } = &*self.0.loops.iter().find(goes_there)?.worker;
        Some(Breaker { health: health.clone(), ledger: ledger.clone() })
    }

    /// What has been counted since the process began.
    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Keys changed, or a person does not want to wait: a paused channel is tried at once.
    pub(crate) fn probe_now(&self) {
        for url_loop in &self.0.loops {
            url_loop.worker.health.probe_now();
        }
        self.0.ledger.wake();
    }

    /// A person has put right what parked the entry `id`, or does not want to wait.
    pub(crate) async fn retry(&self, id: String) -> Result<Entry> {
        let entry = self.0.ledger.retry(id).await?;
        self.probe_now();
        Ok(entry)
    }

    /// As [`Self::retry`], for all that `fault` parked; how many.
    pub(crate) async fn retry_all(&self, fault: Fault) -> Result<usize> {
        let entries = self.0.ledger.retry_all(fault).await?;
        self.probe_now();
        Ok(entries)
    }

    /// As [`Self::retry`], for all that are parked for the reason that `group` names; how many.
    pub(crate) async fn retry_group(&self, group: String) -> Result<usize> {
        let entries = self.0.ledger.retry_group(group).await?;
        self.probe_now();
        Ok(entries)
    }

    /// The health of every upstream URL.
    pub(crate) fn status(&self) -> Vec<ChannelStatus> {
        let (now, wall) = (self.0.ledger.uptime(), self.0.ledger.now());
        let status = |UrlLoop { host, worker, taken_before }: &UrlLoop| {
            let Lane { queue, destination, kinds } = worker.lane.clone();
            let (flow, stopped_at, failed_at) = worker.health.status();
            let (taken, per_minute) = worker.health.rate(now);
            let taken =
                taken.map(|at| Timestamp::from_millis(wall.millis().saturating_sub(now.saturating_sub(at))));
            let last_success = taken.or_else(|| taken_before.get().copied());
            let (host, failed_at) = (host.clone(), failed_at.filter(|failed_at| failed_at != host));
            ChannelStatus {
                destination,
                queue,
                host,
                kinds,
                flow,
                stopped_at,
                failed_at,
                last_success,
                per_minute,
            }
        };
        self.0.loops.iter().map(status).collect()
    }

    /// `entry` with the moment at which it is tried in place of that at which it is due: where its channel is stopped, not before the next
    /// probe.
    pub(crate) fn timed(&self, mut entry: Entry) -> Entry {
        let takes = |lane: &Lane| lane.takes(Queue::Entries, &entry.destination, &entry.kind);
        if let Some(url_loop) = self.0.loops.iter().find(|url_loop| takes(&url_loop.worker.lane)) {
            entry.next_at = url_loop.worker.health.try_at(entry.next_at);
        }
        entry
    }

    /// Waits until the entry `id` moves no more by itself: it is done, parked or discarded. Returns it as it is then.
    pub(crate) async fn settled(&self, id: &str) -> Result<Entry> {
        let mut settled = self.0.ledger.settled();
        loop {
            let entry = self.0.ledger.entry(id.to_owned()).await?;
            if entry.state.is_settled() || entry.state == State::Parked {
                return Ok(entry);
            }
            // Nobody tells here what another gateway settles.
            let mut look = pin!(sleep_for(self.0.ledger.looks_every()));
            loop {
                let news = tokio::select! {
                    biased;
                    news = settled.recv() => news,
                    () = &mut look => break,
                };
                match news {
                    Ok(other) if other == id => break,
                    Ok(_) => {}
                    // So many that this one may be among those that were missed. The ledger, which is held here, never closes it.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                }
            }
        }
    }

    /// Moves everything until `stop` turns true, and then finishes what is under way. New keys, and the end of another pause, end pauses.
    pub(crate) async fn run(&self, mut stop: watch::Receiver<bool>, mut keys: Keyring) {
        let mut running = JoinSet::new();
        for url_loop in &self.0.loops {
            // Where the database does not answer, the time is shown after the next success.
            if let Ok(Some(at)) = self.0.ledger.last_taken(&url_loop.worker.lane).await {
                let _ = url_loop.taken_before.set(at);
            }
        }
        for url_loop in &self.0.loops {
            running.spawn(keep_running(Arc::clone(&url_loop.worker), stop.clone()));
        }
        let follow_keys = async {
            while keys.changed().await.is_some() {
                self.probe_now();
            }
            std::future::pending::<()>().await;
        };
        let follow_resumed = async {
            loop {
                self.0.resumed.notified().await;
                self.probe_now();
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = follow_keys => {}
            () = follow_resumed => {}
        }
        while running.join_next().await.is_some() {}
    }
}

/// Whether `host` is one that each gateway over the database has for itself: messages go to the mediator beside it.
fn is_local(queue: Queue, host: &str) -> bool {
    let host = host.parse::<Authority>();
    queue == Queue::Deliveries && host.is_ok_and(|host| names_loopback(host.host()))
}

/// A loop that panics is begun again: what it held is leased again once its leases have ended.
async fn keep_running(worker: Arc<Worker>, stop: watch::Receiver<bool>) {
    loop {
        let mut running = JoinSet::new();
        running.spawn(Arc::clone(&worker).run(stop.clone()));
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(destination = worker.lane.destination, "a loop stopped unexpectedly");
                sleep(STORE_REST).await;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mediator_on_the_loopback_is_another_one_for_each_gateway() {
        for host in ["127.0.0.1:4545", "localhost", "[::1]:4545"] {
            assert!(is_local(Queue::Deliveries, host), "{host}");
            assert!(!is_local(Queue::Entries, host), "{host}");
        }
        for host in ["mediator:4545", "10.0.0.1:4545", "[2001:db8::1]:4545", "no deliver.url"] {
            assert!(!is_local(Queue::Deliveries, host), "{host}");
        }
    }
}
