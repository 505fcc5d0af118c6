//! The one loop of the engine: it leases rows that may go, makes their steps, and writes how each attempt ended. Events, records of jobs and
//! deliveries are handled alike; what differs is in their destinations and in the ledger.

mod taking;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::channel::Next;
use super::health::Health;
use super::meters::Meters;
use super::moments::{is_past, sleep_for};
use crate::destinations::drive::{Keep, Outside, drive};
use crate::destinations::{News, Progress, Steps};
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::{Ending, Held, Leased, Ledger};
use crate::store::{Lane, Millis, Queue};
use crate::telemetry::{self, SpanKind, Tracer};

/// How long the loop rests when the store refuses.
pub(super) const STORE_REST: Duration = Duration::from_secs(1);
/// How long a row waits when a defect of ours makes the store refuse its verdict, milliseconds.
const PUT_OFF: Millis = 3_600_000;
/// A lease is renewed this many times before it would end.
const RENEWALS: u32 = 3;

/// What one loop works on. Share it in an `Arc`.
pub(crate) struct Worker {
    pub(crate) lane: Lane,
    pub(crate) steps: Arc<dyn Steps>,
    pub(crate) ledger: Ledger,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) health: Health,
    /// Notified when a pause has ended: the same cause may have paused other channels.
    pub(crate) resumed: Arc<Notify>,
    pub(crate) meters: Meters,
    /// Where its spans go.
    pub(crate) tracer: Tracer,
    /// Largest number of attempts that make calls.
    pub(crate) concurrency: usize,
    /// How long a lease holds without being renewed.
    pub(crate) lease: Duration,
    /// The URL leads to this machine, so that each gateway over the database reaches another server by it.
    pub(crate) is_local: bool,
}

/// The attempts that are under way.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    /// In the order in which they began, so that a simulation can be repeated.
    attempts: Vec<Attempt>,
    /// Notified when an attempt has come to its verdict, which is still to be written.
    judged: Arc<Notify>,
}

struct Attempt {
    task: Id,
    held: Held,
    /// Attempts begun, this one among them.
    attempts: u32,
    /// When another worker may have the row: the attempt is broken off then, whatever holds the loop up.
    until: watch::Sender<Instant>,
    signs: Arc<Signs>,
}

/// What an attempt tells the loop.
struct Signs {
    /// It has come to its verdict: it makes no call any more.
    is_judged: AtomicBool,
    /// As [`UnderWay::judged`].
    judged: Arc<Notify>,
}

impl Worker {
    /// Works until `stop` turns true, and then finishes what is under way.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut queued = self.ledger.queued(&self.lane);
        let mut under_way = UnderWay::default();
        let mut renew_at = Instant::now() + self.renewal();
        loop {
            let stopping = *stop.borrow() || stop.has_changed().is_err();
            if stopping && under_way.tasks.is_empty() {
                return;
            }
            // This comes before leasing: a row whose lease was not renewed in time would be leased a second time.
            let mut alarm = None;
            if under_way.attempts.is_empty() {
                renew_at = Instant::now() + self.renewal();
            } else if Instant::now() >= renew_at {
                let is_renewed = self.renew(&mut under_way).await;
                renew_at = Instant::now() + if is_renewed { self.renewal() } else { STORE_REST };
                alarm = Some(STORE_REST).filter(|_| !is_renewed);
            }
            if alarm.is_none() && !stopping {
                alarm = self.take(&mut under_way).await;
            }
            if alarm == Some(Duration::ZERO) {
                continue;
            }
            tokio::select! {
                biased;
                _ = stop.changed(), if !stopping => {}
                Some(ended) = under_way.tasks.join_next_with_id() => self.ended(&mut under_way, ended),
                // The next rows are leased in the commit that writes the verdict. Where slots are counted by their leases, that has to come first.
                () = under_way.judged.notified(), if !self.is_shared() => {}
                () = queued.recv() => {}
                () = sleep_for(alarm) => {}
                () = sleep_until(renew_at), if !under_way.attempts.is_empty() => {}
            }
        }
    }

    /// An attempt has ended. One that panicked has left no verdict: its row is queued again.
    fn ended(self: &Arc<Self>, under_way: &mut UnderWay, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(place) = under_way.attempts.iter().position(|attempt| attempt.task == id) else { return };
        let attempt = under_way.attempts.remove(place);
        if ended.is_err_and(|error| error.is_panic()) {
            tracing::error!(
                entry = attempt.held.id,
                "an attempt stopped without a verdict; it is made again"
            );
            let next_at = self.ledger.uptime().saturating_add(self.health.backoff(attempt.attempts));
            let error = Some(Error::new(Code::Bug, "an attempt stopped unexpectedly"));
            let (worker, held) = (Arc::clone(self), attempt.held.clone());
            let settling = async move { worker.settle(&held, Ending::Again { next_at, error }).await };
            let task = under_way.tasks.spawn(settling);
            under_way.attempts.push(Attempt { task: task.id(), ..attempt });
        }
    }

    /// Renews the leases of all that is under way; false: the store refuses. An attempt whose lease is lost is broken off, so that no two
    /// gateways call for one row. A verdict that is being written is not: the store refuses it where it comes too late.
    async fn renew(&self, under_way: &mut UnderWay) -> bool {
        let held: Vec<Held> = under_way.attempts.iter().map(|attempt| attempt.held.clone()).collect();
        let until = self.lasts();
        let renewed = self.ledger.renew(&held, self.lease).await;
        if let Err(error) = &renewed {
            tracing::error!(
                destination = self.lane.destination,
                code = error.code().as_str(),
                step = error.operator_detail(),
                "leases cannot be renewed"
            );
        }
        if let Ok(kept) = &renewed {
            for attempt in &under_way.attempts {
                let is_kept = kept.contains(&attempt.held.seq);
                attempt.until.send_replace(if is_kept { until } else { Instant::now() });
            }
        }
        renewed.is_ok()
    }

    fn renewal(&self) -> Duration {
        self.lease / RENEWALS
    }

    /// Whether other gateways call the same server.
    fn is_shared(&self) -> bool {
        !self.is_local && self.ledger.is_shared()
    }

    /// One attempt, from lease to verdict.
    async fn attempt(
        self: Arc<Self>,
        mut leased: Leased,
        until: watch::Receiver<Instant>,
        signs: Arc<Signs>,
    ) {
        let (span, trace) = self.tracer.begin(SpanKind::Attempt, leased.trace.take());
        let Held { kind, destination, .. } = leased.held.clone();
        let made = async {
            let held = leased.held.clone();
            let mut watched = Watched { held, attempts: leased.attempts, is_over: false };
            let failure = self.make(leased, until, &signs).await;
            watched.is_over = true;
            failure
        };
        let failure = telemetry::scoped(trace, &self.tracer, made).await;
        let told =
            [("mosip_gateway.destination", destination.as_str()), ("mosip_gateway.kind", kind.as_str())];
        span.end(&["attempt", &destination], &told, None, failure.map(Code::as_str));
    }

    /// Why it failed, if it did.
    async fn make(&self, leased: Leased, until: watch::Receiver<Instant>, signs: &Signs) -> Option<Code> {
        let Leased { held, attempts, work, .. } = leased;
        let keeper = Kept { ledger: &self.ledger, held: &held, until: until.clone() };
        let outcome = tokio::select! {
            biased;
            outcome = drive(&*self.outside, &self.steps, work, &keeper) => outcome,
            () = is_past(until) => Ok(None),
        };
        if matches!(outcome, Ok(None)) {
            self.was_lost(&held);
            return None;
        }
        let failure = outcome.as_ref().err().map(|error| (error.fault(), error.code()));
        let kind = Some(held.kind.as_str()).filter(|_| held.queue == Queue::Entries);
        self.meters.attempt_ended(&held.destination, kind, failure);
        let ending = match outcome {
            Ok(done) => {
                if self.health.succeeded(&held.id, self.ledger.uptime()) {
                    self.resumed.notify_one();
                }
                tracing::info!(
                    entry = held.id,
                    kind = held.kind,
                    destination = held.destination,
                    attempts,
                    "the destination took it"
                );
                Ending::Done(done.unwrap_or_default())
            }
            Err(error) => self.failed(&held, attempts, error),
        };
        // Where the store refuses, the loop tells it.
        let _ = self.tell().await;
        signs.is_judged.store(true, Ordering::Relaxed);
        signs.judged.notify_one();
        self.settle(&held, ending).await;
        failure.map(|(_, code)| code)
    }

    fn failed(&self, held: &Held, attempts: u32, error: Error) -> Ending {
        let next = self.health.failed(&held.id, attempts, &error, self.ledger.uptime());
        tracing::warn!(
            entry = held.id,
            kind = held.kind,
            destination = held.destination,
            attempts,
            code = error.code().as_str(),
            fault = error.fault().as_str(),
            detail = error.detail(),
            upstream = error.upstream().map(|said| said.code.as_str()),
            parked = matches!(next, Next::Park(_)),
            "an attempt failed"
        );
        match next {
            Next::Again(next_at) => Ending::Again { next_at, error: Some(error) },
            Next::Park(reason) => Ending::Park(reason),
        }
    }

    /// Until the verdict is written the row stays leased, and nothing behind it in its line moves.
    async fn settle(&self, held: &Held, mut ending: Ending) {
        let mut is_put_off = false;
        loop {
            let error = match self.ledger.settle(held, &ending).await {
                Ok(true) => return,
                Ok(false) => return self.was_lost(held),
                Err(error) => error,
            };
            tracing::error!(
                entry = held.id,
                code = error.code().as_str(),
                step = error.operator_detail(),
                "a verdict cannot be written"
            );
            match error.fault() {
                // It would be refused each time: the row waits, and the others go on.
                Fault::Bug if is_put_off => return,
                Fault::Bug => {
                    is_put_off = true;
                    let next_at = self.ledger.uptime().saturating_add(PUT_OFF);
                    ending = Ending::Again { next_at, error: Some(error) };
                }
                _ => sleep(STORE_REST).await,
            }
        }
    }

    fn was_lost(&self, held: &Held) {
        tracing::warn!(
            entry = held.id,
            destination = held.destination,
            "the lease was lost; the worker that holds the entry now goes on with it"
        );
    }
}

impl UnderWay {
    fn begin(&mut self, worker: &Arc<Worker>, leased: Leased, until: Instant) {
        let (held, attempts) = (leased.held.clone(), leased.attempts);
        let signs = Arc::new(Signs { is_judged: AtomicBool::new(false), judged: Arc::clone(&self.judged) });
        let (until, lasts) = watch::channel(until);
        let task = self.tasks.spawn(Arc::clone(worker).attempt(leased, lasts, Arc::clone(&signs)));
        self.attempts.push(Attempt { task: task.id(), held, attempts, until, signs });
    }

    /// How many attempts may begin where `concurrency` may make calls, and as many wait for their verdicts to be written.
    fn room(&self, concurrency: usize) -> usize {
        let calling = self.attempts.iter().filter(|it| !it.signs.is_judged.load(Ordering::Relaxed)).count();
        let of_calls = concurrency.saturating_sub(calling);
        of_calls.min((2 * concurrency).saturating_sub(self.tasks.len()))
    }
}

/// Says in the log that an attempt was cut off, where it is dropped before it is over: mostly since the gateway stops.
struct Watched {
    held: Held,
    attempts: u32,
    is_over: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        // One that panics is told by itself.
        if self.is_over || std::thread::panicking() {
            return;
        }
        let Held { id, kind, destination, .. } = &self.held;
        let attempts = self.attempts;
        tracing::warn!(
            entry = id,
            kind,
            destination,
            attempts,
            "an attempt is cut off; it is made again after the next start, under the same id"
        );
    }
}

/// The row of an attempt, as where its progress is kept.
struct Kept<'a> {
    ledger: &'a Ledger,
    held: &'a Held,
    /// As [`Attempt::until`].
    until: watch::Receiver<Instant>,
}

impl Keep for Kept<'_> {
    fn keep<'a>(&'a self, progress: &'a Progress, news: Option<News>) -> BoxFuture<'a, Result<bool>> {
        self.ledger.advance(self.held, progress, news).boxed()
    }

    /// Where the process stood still, another gateway may have the row, and make the call.
    fn holds(&self) -> bool {
        Instant::now() < *self.until.borrow()
    }
}

#[cfg(test)]
mod tests;
