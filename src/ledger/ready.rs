//! Wakes the workers that what was queued concerns, and no others: a look is a transaction.

use tokio::sync::broadcast;

use crate::store::{Lane, Queue};

/// Announcements that a busy worker may be behind; beyond it, it looks for whatever may go.
pub(super) const BACKLOG: usize = 64;

/// What may go now.
#[derive(Debug, Clone)]
pub(super) enum Ready {
    /// Rows of any lane.
    Any,
    /// An event that was queued for these destinations.
    Event { kind: &'static str, destinations: Vec<&'static str> },
}

impl Ready {
    /// Whether a worker of `lane` has to look.
    fn concerns(&self, lane: &Lane) -> bool {
        match self {
            Self::Any => true,
            Self::Event { kind, destinations } => {
                destinations.iter().any(|to| lane.takes(Queue::Entries, to, kind))
            }
        }
    }
}

/// What a worker is woken by.
pub(crate) struct Queued {
    pub(super) ready: broadcast::Receiver<Ready>,
    pub(super) lane: Lane,
}

impl Queued {
    /// Returns once rows of the lane were queued, or may go now. One that is late has missed nothing but repetition.
    pub(crate) async fn recv(&mut self) {
        while let Ok(ready) = self.ready.recv().await {
            if ready.concerns(&self.lane) {
                return;
            }
        }
    }
}
