//! The end of a process: before or after any commit and any call. What was about to happen then never does.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Plant;
use super::check::Watch;
use super::posts::DESTINATIONS;
use crate::error::Result;
use crate::mosip::push::Outcome;
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Backend, Filter, Order, PushRow, Queue, State, Store, Tx};

/// Counts the points at which a process may die, and stops it at one of them.
#[derive(Clone)]
pub(super) struct Fuse {
    dies_at: Option<u32>,
    passed: Arc<AtomicU32>,
    blown: Arc<Notify>,
}

impl Fuse {
    /// The process dies at the point with this number, counted from 0; `None`: at none.
    pub(super) fn new(dies_at: Option<u32>) -> Self {
        Self { dies_at, passed: Arc::default(), blown: Arc::default() }
    }

    /// How many points the process has passed.
    pub(super) fn passed(&self) -> u32 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Done once the process has died.
    pub(super) async fn blown(&self) {
        self.blown.notified().await;
    }

    /// A point at which the process may die. Nothing goes on after that.
    pub(super) async fn pass(&self) {
        if self.dies_at == Some(self.passed()) {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
        self.passed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Commits for which [`Plant::WrittenLate`] keeps a push to itself.
const LATE: u32 = 3;

/// Rows in memory that a process reaches until it dies. What was committed outlives it.
pub(super) struct Disk {
    memory: Memory,
    fuse: Fuse,
    random: Random,
    plant: Option<Plant>,
    watch: Watch,
    /// What a crash leaves where a commit is acknowledged too early.
    durable: Arc<Mutex<Memory>>,
    /// A push that is not written yet, and after how many commits it is.
    unwritten: Arc<Mutex<Option<(u32, PushRow)>>>,
}

impl Disk {
    pub(super) fn new(
        memory: Memory,
        fuse: Fuse,
        random: Random,
        plant: Option<Plant>,
        watch: Watch,
    ) -> Self {
        let durable = Arc::new(Mutex::new(memory.clone()));
        Self { memory, fuse, random, plant, watch, durable, unwritten: Arc::default() }
    }

    /// What is found after the process has died.
    pub(super) fn durable(&self) -> Arc<Mutex<Memory>> {
        Arc::clone(&self.durable)
    }

    /// Does what the planted defect does after each commit.
    async fn spoil(&self) -> Result<()> {
        let store = Store::new(self.memory.clone());
        match self.plant {
            Some(Plant::DroppedLease) if self.random.u32().is_multiple_of(8) => {
                store.run(|tx| tx.release_all()).await
            }
            Some(Plant::WaitComesBack) if self.random.u32().is_multiple_of(8) => store.run(wait_again).await,
            Some(Plant::SharedPause) => store.run(pause_together).await,
            Some(Plant::WrittenLate) => {
                let unwritten = Arc::clone(&self.unwritten);
                store.run(move |tx| write_late(tx, &mut unwritten.lock().unwrap())).await
            }
            _ => Ok(()),
        }
    }
}

/// Takes a push that was just written out of the rows, and puts it there again some commits later.
fn write_late(tx: &mut dyn Tx, unwritten: &mut Option<(u32, PushRow)>) -> Result<()> {
    match unwritten {
        Some((0, push)) => {
            tx.insert_push(push)?;
            // This one has been late; no other is.
            *unwritten = Some((u32::MAX, push.clone()));
        }
        Some((u32::MAX, _)) => {}
        Some((left, _)) => *left -= 1,
        None => {
            let next = tx.pushes(false, 0, 1)?.pop();
            if let Some(push) = next.map_or(Ok(None), |next| tx.push(&next.id))? {
                tx.delete_push(&push.id)?;
                *unwritten = Some((LATE, push));
            }
        }
    }
    Ok(())
}

/// An answer of MOSIP to a registration that was answered is waited for once more.
fn wait_again(tx: &mut dyn Tx) -> Result<()> {
    for outcome in [Outcome::Rejected, Outcome::Issued] {
        for (_, entry) in tx.concluded(outcome.as_str(), 0, 1)? {
            tx.expect(&entry, Some(0))?;
        }
    }
    Ok(())
}

/// What is queued for the one destination of events waits a minute longer while it fails at the other.
fn pause_together(tx: &mut dyn Tx) -> Result<()> {
    let [one, other] = DESTINATIONS.map(|to| Filter {
        destination: Some(to.to_owned()),
        states: vec![State::Queued, State::Leased],
        ..Filter::default()
    });
    let failing = tx.rows(Queue::Entries, &other, 0, usize::MAX)?;
    if failing.iter().any(|row| row.refusal.is_some()) {
        for row in tx.rows(Queue::Entries, &one, 0, usize::MAX)? {
            tx.postpone(Queue::Entries, row.seq, row.next_at + 60_000, None)?;
        }
    }
    Ok(())
}

impl Backend for Disk {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        async move {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 4))).await;
            self.fuse.pass().await;
            if self.plant == Some(Plant::VerdictBeforeCommit) {
                *self.durable.lock().unwrap() = self.memory.copy();
            }
            let before = self.memory.changes();
            let outcome = self.memory.run(order).await;
            self.spoil().await?;
            if self.memory.changes() > before {
                self.watch.look(&self.memory).await;
            }
            self.fuse.pass().await;
            outcome
        }
        .boxed()
    }
}
