//! What is acknowledged to whoever sent it: it is stored first, and they do not wait for that without end.

use std::time::Duration;

use tokio::time::timeout;

use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::store::{Beside, Terms};

impl Ledger {
    /// From now on nobody waits longer than `time` for what they sent to be stored. Called once, before anything comes.
    pub(crate) fn acknowledge_within(&self, time: Duration) {
        // A second call changes nothing.
        let _ = self.rules.acknowledged_within.set(time);
    }

    pub(super) fn refuse_in_trouble(&self) -> Result<()> {
        self.trouble().map_or(Ok(()), |trouble| Err((&trouble).into()))
    }

    /// As [`Self::run`], for what is acknowledged to a caller; it holds `locks`. [`Code::Storage`] while nothing is taken, and where the
    /// database does not answer in time: then it may be stored all the same.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        locks: Vec<String>,
        job: impl Fn(&Book<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let stored = self.order(Terms { beside: Beside::locks(locks), acknowledges: true }, job);
        let Some(within) = self.rules.acknowledged_within.get() else { return stored.await };
        let late = || Err(Error::new(Code::Storage, "the outbox did not take it in time"));
        timeout(*within, stored).await.unwrap_or_else(|_| late())
    }
}
