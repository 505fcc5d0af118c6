//! How a topic stands from one run of the gateway to the next.

use super::{Topic, distance};
use crate::clock::Timestamp;
use crate::ledger::HubTopic;
use crate::tasks::hub::doubts::{Cause, SHORTEST_TRIES};

/// Kept in place of the identity of a subscription that is being ended.
const ENDS: i64 = 0;

impl Topic {
    /// What was kept of it before this start; `identity`: of the subscription that the settings ask for. Where what the hub published in the
    /// meantime may be missing: why, and since when.
    pub(in crate::tasks::hub) fn restore(
        &mut self,
        kept: &HubTopic,
        identity: i64,
        now: Timestamp,
    ) -> Option<(Cause, Timestamp)> {
        self.identity = identity;
        self.is_unknown = kept.subscription.map_or(kept.up.is_none(), |known| known == ENDS);
        self.last_known = kept.up.filter(|_| self.is_unknown);
        (self.ended, self.renew_in) = (kept.ended, kept.renew_in);
        for (cause, since) in [(Cause::Refused, kept.refused), (Cause::Silence, kept.silence)] {
            since.into_iter().for_each(|since| self.doubts.restore(cause, since));
        }
        let last = kept.up?;
        let is_other = kept.subscription.is_some_and(|known| known != identity && known != ENDS);
        let cause = match distance(last, now) > SHORTEST_TRIES {
            true => Cause::WasAway,
            false if is_other => Cause::Changed,
            false => return None,
        };
        self.doubts.stopped(cause, last.min(now));
        Some((cause, last))
    }

    /// What the next start has to know of it.
    pub(in crate::tasks::hub) fn kept(&self, now: Timestamp) -> HubTopic {
        let is_up = self.is_subscribed && self.doubts.ends_at().is_none();
        HubTopic {
            up: is_up.then_some(now),
            subscription: self.ending.map(|_| ENDS).or(is_up.then_some(self.identity)),
            refused: self.doubts.since(Cause::Refused),
            silence: self.doubts.since(Cause::Silence),
            ended: self.ended,
            renew_in: self.renew_in,
        }
    }
}
