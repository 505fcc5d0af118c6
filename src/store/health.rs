//! Whether what comes is taken, and what is logged when that changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::store::{Gone, Trouble};

/// The current trouble, if there is any.
#[derive(Default)]
pub(super) struct Health(Mutex<Option<Trouble>>);

impl Health {
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    /// [`crate::error::Code::Storage`] while nothing is taken.
    pub(super) fn check(&self) -> Result<()> {
        self.lock().as_ref().map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// A write did not reach the disk. What is gone weighs more.
    pub(super) fn unwritable(&self, trouble: Trouble) {
        let mut current = self.lock();
        if !matches!(*current, Some(Trouble::Gone(_) | Trouble::Lost { .. }))
            && *current != Some(trouble.clone())
        {
            tracing::error!(
                what = trouble.detail(),
                advice = trouble.advice(),
                "the outbox cannot be written"
            );
            *current = Some(trouble);
        }
    }

    /// A trial write reached the disk.
    pub(super) fn written(&self) {
        let mut current = self.lock();
        if matches!(*current, Some(Trouble::Unwritable { .. })) {
            tracing::info!("the outbox can be written again");
            *current = None;
        }
    }

    /// Files are gone, until [`Self::resume`].
    pub(super) fn lose(&self, gone: Vec<Gone>) {
        let trouble = Trouble::Gone(gone);
        let mut current = self.lock();
        if !matches!(*current, Some(Trouble::Lost { .. })) && *current != Some(trouble.clone()) {
            tracing::error!(
                what = trouble.detail(),
                advice = trouble.advice(),
                "files of the outbox are gone; nothing more is acknowledged"
            );
            *current = Some(trouble);
        }
    }

    /// The files are there again.
    pub(super) fn resume(&self) {
        let mut current = self.lock();
        if matches!(*current, Some(Trouble::Gone(_))) {
            tracing::warn!("the files of the outbox are there again; it goes on");
            *current = None;
        }
    }

    /// Acknowledged commits are missing, and how many; none are. It weighs more than all else, and what else is wrong is found again.
    pub(super) fn lack(&self, commits: u64) {
        let mut current = self.lock();
        match (&*current, commits) {
            (Some(Trouble::Lost { .. }), 0) => {
                tracing::info!("the database has every commit that was acknowledged again");
                *current = None;
            }
            (_, 0) | (Some(Trouble::Lost { .. }), _) => {}
            _ => {
                let trouble = Trouble::Lost { commits };
                tracing::error!(
                    what = trouble.detail(),
                    advice = trouble.advice(),
                    "commits that were acknowledged are missing; nothing more is acknowledged"
                );
                *current = Some(trouble);
            }
        }
    }

    /// A person accepts that they are.
    pub(super) fn accept_loss(&self) {
        let mut current = self.lock();
        if let Some(Trouble::Lost { commits }) = *current {
            tracing::warn!(
                commits,
                "acknowledged commits are lost, and a person accepts it; the outbox goes on"
            );
            *current = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
