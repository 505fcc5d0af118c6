//! Wakes the workers that what may go now concerns, and no others: a look is a transaction.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

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
        loop {
            match self.ready.recv().await {
                Ok(ready) if !ready.concerns(&self.lane) => {}
                Ok(_) | Err(_) => break,
            }
        }
        // One look finds all that was announced before it.
        while !matches!(self.ready.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_look_is_enough_for_all_that_was_announced() {
        let (ready, lane) = (broadcast::channel(BACKLOG).0, crate::store::conformance::lane());
        let mut queued = Queued { ready: ready.subscribe(), lane: lane.clone() };
        for times in [1, 3, 2 * BACKLOG] {
            for _ in 0..times {
                ready.send(Ready::Through(lane.clone())).unwrap();
            }
            assert!(queued.recv().now_or_never().is_some());
            assert!(queued.recv().now_or_never().is_none(), "it has looked");
        }
    }
}
