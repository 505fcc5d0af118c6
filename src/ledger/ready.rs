//! Wakes the workers that what may go now concerns, and no others: a look is a transaction.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::Rules;
use crate::store::Lane;

/// Announcements that a busy worker may be behind; beyond it, it looks for whatever may go.
pub(super) const BACKLOG: usize = 64;

/// What may go now.
#[derive(Debug, Clone)]
pub(super) enum Ready {
    /// Rows of any lane.
    Any,
    /// Rows that go through this one.
    Through(Lane),
}

impl Ready {
    /// Whether a worker of `lane` has to look.
    fn concerns(&self, lane: &Lane) -> bool {
        match self {
            Self::Any => true,
            Self::Through(ready) => lane.meets(ready),
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

/// Where rows may go once a job of the store is committed. The store drops the job then, and with it this, which announces them: also where
/// whoever asked for it has not stayed.
pub(super) struct Announcement {
    pub(super) rules: Arc<Rules>,
    lanes: RefCell<Vec<Lane>>,
}

impl Announcement {
    /// Of nothing yet.
    pub(super) fn of(rules: Arc<Rules>) -> Self {
        Self { rules, lanes: RefCell::default() }
    }

    /// The job may run again: what it did counts the last time alone.
    pub(super) fn replace(&self, lanes: Vec<Lane>) {
        self.lanes.replace(lanes);
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.lanes.take().into_iter().for_each(|lane| self.rules.announce(Ready::Through(lane)));
    }
}
