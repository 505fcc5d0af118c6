//! The outbox's own clock: milliseconds that a gateway has run over this database. It stops while none runs and follows no
//! step of the machine's clock, so that neither a wrong date nor its correction gives up, forgets or delays an event.

use tokio::time::Instant;

use crate::clock::to_millis;
use crate::store::Millis;

/// The clock. It goes on from where the database says the last run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uptime {
    base: Millis,
    since: Instant,
}

impl Uptime {
    /// Goes on from `base`.
    pub(crate) fn from(base: Millis) -> Self {
        Self { base, since: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        self.base.saturating_add(to_millis(self.since.elapsed()))
    }
}
