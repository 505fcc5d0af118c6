//! What is known of the health of an upstream URL, for those who call it beside the entries.

use std::time::Duration;

use super::channel::{Admission, Flow};
use super::health::Health;
use crate::clock::between;
use crate::error::Error;
use crate::ledger::Ledger;

/// What such a call is known by. No entry has this name.
const BESIDE: &str = "beside";

/// The breaker of one URL. It does not hold the loop of that URL: the loop holds who calls.
pub(crate) struct Breaker {
    pub(super) health: Health,
    pub(super) ledger: Ledger,
}

impl Breaker {
    /// Whether a call may go now.
    pub(crate) fn lets_through(&self) -> bool {
        !matches!(self.health.admission(self.ledger.uptime()), Admission::Wait(_))
    }

    /// For how long the upstream, which is away, is left alone. `None`: it is not known to be away, or a call is due.
    pub(crate) fn is_away_for(&self) -> Option<Duration> {
        let now = self.ledger.uptime();
        let is_broken = matches!(self.health.status().0, Flow::Broken { .. });
        match self.health.admission(now) {
            Admission::Wait(at) if is_broken => Some(between(now, at)),
            _ => None,
        }
    }

    /// The upstream answered.
    pub(crate) fn succeeded(&self) {
        let flowed = self.health.status().0 == Flow::Open;
        self.health.succeeded(BESIDE, self.ledger.uptime());
        if !flowed {
            self.ledger.wake();
        }
    }

    /// A call failed.
    pub(crate) fn failed(&self, error: &Error) {
        self.health.failed(BESIDE, 1, error, self.ledger.uptime());
        if self.ledger.is_shared() && self.health.untold().is_some() {
            // The loop tells the other gateways.
            self.ledger.wake();
        }
    }
}
