//! How a job of the store works on the book: under the keys and at the time that are current when it runs, beside what its terms say.

use std::cell::RefCell;
use std::sync::Arc;

use super::holds::Hold;
use super::keys::Opened;
use super::ready::Announcement;
use super::{Book, Ledger, Rules, trace};
use crate::error::Result;
use crate::store::{Beside, Terms, Tx};

impl Ledger {
    /// Runs `job`; what it returns is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl Fn(&Book<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.order(Terms::default(), job).await
    }

    /// Runs `job`, which changes nothing: it waits for none that does, and sees the rows as they are at one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl Fn(&Book<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Where it is time to read the key file again, that may change rows.
        let beside = if self.is_behind() { Beside::Nothing } else { Beside::Everything };
        self.order(Terms { beside, ..Terms::default() }, job).await
    }

    /// As [`Self::run`], on these `terms`, and beside what they say.
    pub(super) async fn order<T: Send + 'static>(
        &self,
        terms: Terms,
        job: impl Fn(&Book<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let job = self.rules.job(self.hold, terms.beside == Beside::Everything, job);
        self.store.order(terms, job).await
    }
}

impl Rules {
    /// A job of the store, under the keys that are current when it runs: a rekey may have come between.
    fn job<T>(
        self: &Arc<Self>,
        hold: Option<Hold>,
        reads: bool,
        job: impl Fn(&Book<'_>) -> Result<T> + Send + 'static,
    ) -> impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static {
        let announcement = Announcement::of(Arc::clone(self));
        let (now, wall, trace) = (self.keys.uptime(), self.clock.now(), trace::of_task());
        move |tx| {
            announcement.replace(Vec::new());
            let rules = &announcement.rules;
            let shared = tx.clock()?.inspect(|now| rules.keys.follow(*now));
            let now = shared.unwrap_or(now);
            let Opened { vault, identity_key, .. } = rules.keys.opened()?;
            let (tx, trace) = (RefCell::new(tx), RefCell::new(trace.clone()));
            let queued = RefCell::default();
            let mut book = Book { tx, rules, vault, identity_key, now, wall, trace, queued };
            if shared.is_some() && !reads {
                book.catch_up()?;
            }
            hold.map_or(Ok(()), |hold| book.still_holds(hold))?;
            let done = job(&book)?;
            announcement.replace(book.ready());
            Ok(done)
        }
    }
}
