//! The end of a process: before or after any commit and any call, at a point that the seed picks. What was about to happen then never
//! does.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Plant;
use crate::error::Result;
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Backend, Order, Tx};

/// Burns a step at every point at which a process may die, and then stops it.
#[derive(Clone)]
pub(super) struct Fuse {
    left: Arc<AtomicU32>,
    blown: Arc<Notify>,
}

impl Fuse {
    /// Blows at the point `steps` from now; 0 blows at once, [`u32::MAX`] never.
    pub(super) fn new(steps: u32) -> Self {
        Self { left: Arc::new(AtomicU32::new(steps)), blown: Arc::new(Notify::new()) }
    }

    /// Done once the process has died.
    pub(super) async fn blown(&self) {
        self.blown.notified().await;
    }

    /// A point at which the process may die. Nothing goes on after that.
    pub(super) async fn pass(&self) {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
        if left < u32::MAX {
            self.left.store(left - 1, Ordering::SeqCst);
        }
    }
}

/// Rows in memory that a process reaches until it dies. What was committed outlives it.
pub(super) struct Disk {
    memory: Memory,
    fuse: Fuse,
    random: Random,
    plant: Option<Plant>,
    /// What a crash leaves where a commit is acknowledged too early.
    durable: Arc<Mutex<Memory>>,
}

impl Disk {
    pub(super) fn new(memory: Memory, fuse: Fuse, random: Random, plant: Option<Plant>) -> Self {
        let durable = Arc::new(Mutex::new(memory.clone()));
        Self { memory, fuse, random, plant, durable }
    }

    /// What is found after the process has died.
    pub(super) fn durable(&self) -> Arc<Mutex<Memory>> {
        Arc::clone(&self.durable)
    }
}

impl Backend for Disk {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        async move {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 4))).await;
            self.fuse.pass().await;
            if self.plant == Some(Plant::VerdictBeforeCommit) {
                *self.durable.lock().unwrap() = self.memory.copy();
            }
            let outcome = self.memory.run(order).await;
            if self.plant == Some(Plant::DroppedLease) && self.random.u32().is_multiple_of(8) {
                let job = Box::new(|tx: &mut dyn Tx| tx.release_all());
                self.memory.run(Order { locks: Vec::new(), acknowledges: false, job }).await?;
            }
            self.fuse.pass().await;
            outcome
        }
        .boxed()
    }
}
