//! How a topic stands from one run of the gateway to the next.

use tokio::time::Instant;

use super::heard::instant_of;
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
        self.up = kept.up;
        self.last_known = kept.heard;
        if let Some(heard) = kept.heard.filter(|heard| *heard <= now) {
            self.quiet_since = instant_of(heard, now);
        }
        (self.ended, self.renew_in, self.excused) = (kept.ended, kept.renew_in, kept.excused);
        self.doubts.restore_settled(kept.settled);
        for (refused, is_named) in [(kept.refused, true), (kept.unnamed, false)] {
            refused.into_iter().for_each(|refused| self.doubts.restore(refused, is_named, now));
        }
        kept.silence.into_iter().for_each(|since| self.doubts.restore_silence(since, now));
        let last = kept.up?;
        let is_other = kept.subscription.is_some_and(|known| known != identity && known != ENDS);
        let cause = match distance(last, now) > SHORTEST_TRIES {
            true => Cause::WasAway,
            false if is_other => Cause::Changed,
            false => return None,
        };
        self.doubts.stopped(cause, last.min(now), now);
        Some((cause, last))
    }

    /// Since when the topic is quiet, where it was ever known.
    pub(in crate::tasks::hub) fn quiet_since(&self) -> Option<Instant> {
        self.last_known.map(|_| self.quiet_since)
    }

    /// Nothing came on any topic since then.
    pub(in crate::tasks::hub) fn hub_is_quiet_since(&mut self, since: Instant) {
        self.hub_quiet_since = since;
    }

    /// What the next start has to know of it.
    pub(in crate::tasks::hub) fn kept(&self, now: Timestamp) -> HubTopic {
        let is_up = self.is_subscribed && self.doubts.ends_at().is_none();
        HubTopic {
            up: is_up.then_some(now),
            subscription: self.ending.map(|_| ENDS).or(is_up.then_some(self.identity)),
            refused: self.doubts.kept(true),
            unnamed: self.doubts.kept(false),
            silence: self.doubts.since(Cause::Silence),
            ended: self.ended,
            renew_in: self.renew_in,
            heard: self.last_known,
            excused: self.excused,
            settled: self.doubts.settled(),
        }
    }
}
