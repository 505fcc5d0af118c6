//! What the messages of a topic say of its subscription, and what their absence says.

use std::time::Duration;

use tokio::time::Instant;

use super::{Topic, distance};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::tasks::hub::doubts::Cause;

/// A subscription is ended, to be made anew, no more often than this where silence is the only reason.
const ENDED_FOR_SILENCE_EVERY: Duration = Duration::from_hours(24);
/// This many unanswered registrations make a quiet topic suspect while others deliver.
const SEVERAL_SILENT: u64 = 3;

impl Topic {
    /// A message of some topic was received then. `silent`: it is one of this topic, and so many registrations have no answer.
    pub(in crate::tasks::hub) fn hears(&mut self, silent: Option<u64>, received: Timestamp, now: Timestamp) {
        let at = instant_of(received, now);
        self.hub_quiet_since = self.hub_quiet_since.max(at);
        if let Some(silent) = silent.filter(|_| at >= self.quiet_since) {
            (self.quiet_since, self.excused) = (at, silent);
            self.last_known = self.last_known.max(Some(received));
        }
    }

    /// A message of this topic that was received then verifies.
    pub(in crate::tasks::hub) fn delivers(&mut self, received: Timestamp) {
        self.refused = self.refused.filter(|refused| refused.last > received);
        if self.ended.is_none_or(|ended| received >= ended) {
            self.ending = None;
        }
        self.doubts.delivered(received);
    }

    /// A message of this topic found no room.
    pub(in crate::tasks::hub) fn found_no_room(&mut self, now: Timestamp) {
        self.doubts.found_no_room(now);
        self.ends_in_time();
    }

    /// A message was refused because of `code`; `is_named`: it named this topic.
    pub(in crate::tasks::hub) fn refuses(&mut self, code: Code, is_named: bool, now: Timestamp) {
        self.doubts.refused(code, is_named, now);
        self.ends_in_time();
    }

    /// A person looks after what may be missing until now. False: nothing was said to be.
    pub(in crate::tasks::hub) fn settle(&mut self, now: Timestamp) -> bool {
        let had_any = self.refused.take().is_some() | self.doubts.gap().is_some();
        if had_any {
            self.doubts.settle(now);
        }
        had_any
    }

    /// The hub is asked no later than when the subscription is to be ended.
    fn ends_in_time(&mut self) {
        self.next_at = self.doubts.ends_at().map_or(self.next_at, |at| self.next_at.min(at));
    }

    /// So many registrations have no answer of MOSIP.
    pub(in crate::tasks::hub) fn are_silent(&mut self, silent: u64) {
        // Some of those that were excused have been answered.
        self.excused = self.excused.min(silent);
    }

    /// `silent` registrations have no answer. One of them says nothing of the hub, since MOSIP may be slow. Where nothing of any topic came
    /// for a `term`, or several registrations are silent and nothing of this topic came, it is taken as a hub that has given the topic up.
    pub(in crate::tasks::hub) fn is_too_quiet(&self, silent: u64, term: Duration, now: Timestamp) -> bool {
        let is_quiet = self.quiet_since.elapsed() >= term;
        let enough = if self.hub_quiet_since.elapsed() >= term { 1 } else { SEVERAL_SILENT };
        let is_evident = silent.saturating_sub(self.excused) >= enough;
        let has_rested = self.ended.is_none_or(|ended| distance(ended, now) >= ENDED_FOR_SILENCE_EVERY);
        is_evident && has_rested && is_quiet && self.doubts.ends_at().is_none()
    }

    /// Where the topic [is too quiet](Self::is_too_quiet), each of the `silent` registrations counts for one end of the subscription.
    pub(in crate::tasks::hub) fn may_have_ended(&mut self, silent: u64, term: Duration, now: Timestamp) {
        if self.is_too_quiet(silent, term, now) {
            self.excused = silent;
            self.doubts.stopped(Cause::Silence, self.last_known.unwrap_or(now), now);
        }
    }
}

/// When it was `then` by the machine's clock, where it is `now`.
pub(super) fn instant_of(then: Timestamp, now: Timestamp) -> Instant {
    let instant = Instant::now();
    let ago = if then <= now { distance(then, now) } else { Duration::ZERO };
    instant.checked_sub(ago).unwrap_or(instant)
}
