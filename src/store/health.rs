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
        if !matches!(*current, Some(Trouble::Gone(_))) && *current != Some(trouble.clone()) {
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
        if *current != Some(trouble.clone()) {
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

    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
