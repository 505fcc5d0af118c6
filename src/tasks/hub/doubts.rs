//! Why messages of a topic may be missing: what happened that may have made the hub stop delivering it, and since when.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::error::Code;
use crate::ledger::KeptDoubt;

/// The hub tries a message so often; then it delivers nothing of the topic any more.
const TRIES: u32 = 3;
/// What the hub's tries of one message take at most: each may last a minute.
const LONGEST_TRIES: Duration = Duration::from_mins(5);
/// What they take at least, where each is refused at once: pauses of 3 s and 6 s lie between them.
pub(super) const SHORTEST_TRIES: Duration = Duration::from_secs(9);

/// A time of which messages of a topic may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) since: Timestamp,
    /// `None`: it is not over.
    pub(crate) until: Option<Timestamp>,
    pub(crate) cause: Cause,
}

/// Why messages of the hub may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// There was no room for them.
    NoRoom,
    /// They were refused before they could be stored, such as for a wrong signature.
    Refused,
    /// The hub delivered nothing while registrations waited for an answer, so that it was subscribed to anew.
    Silence,
    /// No gateway ran for longer than the hub tries, or the last run ended before the hub was known to deliver again.
    WasAway,
    /// The subscription that the hub had was made under other settings, such as another secret.
    Changed,
}

impl Cause {
    pub(crate) const ALL: [Self; 5] =
        [Self::NoRoom, Self::Refused, Self::Silence, Self::WasAway, Self::Changed];

    /// The word in readiness and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom => "no-room",
            Self::Refused => "refused",
            Self::Silence => "silence",
            Self::WasAway => "was-away",
            Self::Changed => "changed",
        }
    }
}

/// The doubts of one topic.
#[derive(Default)]
pub(super) struct Doubts {
    open: Vec<Doubt>,
    /// The time of those that are over.
    closed: Option<Gap>,
    /// Until when a person has looked after what may be missing. What began before is told no more; the subscription is made anew all the
    /// same.
    settled: Option<Timestamp>,
}

struct Doubt {
    cause: Cause,
    /// It is about this topic, and not perhaps about another one.
    is_named: bool,
    since: Timestamp,
    /// When the last message failed, or the hub was last found to deliver nothing. Messages that were received before it end nothing.
    last: Instant,
    /// The same by the machine's clock.
    raised: Timestamp,
    /// How many attempts of the hub failed.
    attempts: u32,
    /// How many of them did not fail on their way, so that the hub's next attempt fails alike.
    lasting: u32,
    /// The hub has verified a subscription that was made since.
    is_answered: bool,
}

impl Doubt {
    /// From when on the subscription is to be ended and made anew, where the hub says that it has it. `None`: it is left alone.
    fn ends_at(&self) -> Option<Instant> {
        match self.cause {
            _ if self.is_answered => None,
            Cause::Silence | Cause::WasAway | Cause::Changed => Some(self.last),
            Cause::Refused if !self.is_named && self.lasting < TRIES => None,
            Cause::Refused | Cause::NoRoom => Some(self.last + LONGEST_TRIES),
        }
    }

    /// Whether a person has looked after it, which they did for all that began until `settled`.
    fn is_settled(&self, settled: Option<Timestamp>) -> bool {
        settled.is_some_and(|settled| self.since <= settled)
    }

    /// Whether the hub has not given up yet, so that what it delivers now includes what failed.
    fn is_still_tried(&self) -> bool {
        matches!(self.cause, Cause::NoRoom | Cause::Refused)
            && !self.is_answered
            && self.attempts < TRIES
            && Instant::now() < self.last + LONGEST_TRIES
    }
}

impl Doubts {
    /// A message of this topic found no room.
    pub(super) fn found_no_room(&mut self, now: Timestamp) {
        self.raise(Cause::NoRoom, true, true, now, now);
    }

    /// A message was refused because of `code`; `is_named`: it named this topic.
    pub(super) fn refused(&mut self, code: Code, is_named: bool, now: Timestamp) {
        self.raise(Cause::Refused, is_named, !is_of_the_way(code), now, now);
    }

    /// The hub may have stopped at `since`, which nothing but a silence shows, or nobody took what it delivered from then on.
    pub(super) fn stopped(&mut self, cause: Cause, since: Timestamp, now: Timestamp) {
        self.raise(cause, true, true, since, now);
    }

    fn raise(&mut self, cause: Cause, is_named: bool, is_lasting: bool, since: Timestamp, now: Timestamp) {
        let last = Instant::now();
        let settled = self.settled;
        let is_known = |doubt: &&mut Doubt| {
            (doubt.cause, doubt.is_named, doubt.is_answered) == (cause, is_named, false)
                && !doubt.is_settled(settled)
        };
        let known = self.open.iter_mut().find(is_known);
        let doubt = match known {
            Some(doubt) => doubt,
            None => {
                // What was missing before a person looked after it is not missing again.
                let next = |settled: Timestamp| Timestamp::from_millis(settled.millis().saturating_add(1));
                let since = settled.map_or(since, |settled| since.max(next(settled)));
                let (raised, attempts, lasting, is_answered) = (now, 0, 0, false);
                let new = Doubt { cause, is_named, since, last, raised, attempts, lasting, is_answered };
                self.open.push_mut(new)
            }
        };
        (doubt.last, doubt.raised) = (last, now);
        doubt.attempts = doubt.attempts.saturating_add(1);
        doubt.lasting = doubt.lasting.saturating_add(u32::from(is_lasting));
    }

    /// A message of this topic that was received then verifies. What it brings again, on one of the hub's tries, is not missing.
    pub(super) fn delivered(&mut self, received: Timestamp) {
        self.open.retain(|doubt| doubt.raised > received || !doubt.is_still_tried());
        self.close(received, |doubt| doubt.raised <= received);
    }

    /// A message of another topic that was received then verifies: it may be the one that failed.
    pub(super) fn delivered_elsewhere(&mut self, received: Timestamp) {
        self.open.retain(|doubt| doubt.is_named || doubt.raised > received || !doubt.is_still_tried());
    }

    /// The hub has verified a new subscription: what is published from now on is delivered. Where messages were refused, or nothing came,
    /// only a message shows that they come now.
    pub(super) fn verified(&mut self, now: Timestamp) {
        self.close(now, |doubt| matches!(doubt.cause, Cause::NoRoom | Cause::WasAway | Cause::Changed));
        self.open.iter_mut().for_each(|doubt| doubt.is_answered = true);
        self.open.sort_by_key(|doubt| (doubt.cause, doubt.is_named, doubt.since));
        let settled = self.settled;
        self.open.dedup_by_key(|doubt| (doubt.cause, doubt.is_named, doubt.is_settled(settled)));
    }

    /// A person looks after what may be missing until now. The machine's clock may have been put back: what has begun has begun by now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        for doubt in &mut self.open {
            doubt.since = doubt.since.min(now);
        }
        (self.settled, self.closed) = (Some(now), None);
    }

    /// A person had looked after what may be missing until then, in the run before.
    pub(super) fn restore_settled(&mut self, settled: Option<Timestamp>) {
        (self.settled, self.closed) = (settled, None);
    }

    pub(super) fn settled(&self) -> Option<Timestamp> {
        self.settled
    }

    /// Whether one is not over.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Since when there is a doubt of this cause, if there is.
    pub(super) fn since(&self, cause: Cause) -> Option<Timestamp> {
        self.begin(|doubt| doubt.cause == cause)
    }

    /// Since when there is a doubt such as `is_meant`; one that a person has looked after counts where there is no other.
    fn begin(&self, is_meant: impl Fn(&Doubt) -> bool) -> Option<Timestamp> {
        let meant = self.open.iter().filter(|doubt| is_meant(doubt));
        meant.map(|doubt| (doubt.is_settled(self.settled), doubt.since)).min().map(|(_, since)| since)
    }

    /// What the next start has to know of the messages that were refused and named this topic, or of those that named none.
    pub(super) fn kept(&self, is_named: bool) -> Option<KeptDoubt> {
        let is_one = |doubt: &Doubt| doubt.cause == Cause::Refused && doubt.is_named == is_named;
        let of_these = |doubt: &&Doubt| is_one(doubt);
        let since = self.begin(is_one)?;
        let Some(newer) = self.open.iter().filter(of_these).find(|doubt| !doubt.is_answered) else {
            return Some(KeptDoubt { since, attempts: 0, lasting: 0 });
        };
        // Beside messages that the hub has given up, none of them is still tried.
        let has_older = self.open.iter().filter(of_these).any(|doubt| doubt.is_answered);
        let attempts = if has_older { TRIES } else { newer.attempts.min(TRIES) };
        Some(KeptDoubt { since, attempts, lasting: newer.lasting.min(TRIES) })
    }

    /// Messages were refused in the run before, as it was kept.
    pub(super) fn restore(&mut self, kept: KeptDoubt, is_named: bool, now: Timestamp) {
        let KeptDoubt { since, attempts, lasting } = kept;
        let (cause, last, raised, is_answered) = (Cause::Refused, Instant::now(), now, attempts == 0);
        self.open.push(Doubt { cause, is_named, since, last, raised, attempts, lasting, is_answered });
    }

    /// There was a silence in the run before: only a message ends it, and the subscription is not ended for it again.
    pub(super) fn restore_silence(&mut self, since: Timestamp, now: Timestamp) {
        let (cause, last, raised, attempts, lasting) = (Cause::Silence, Instant::now(), now, 0, 0);
        let (is_named, is_answered) = (true, true);
        self.open.push(Doubt { cause, is_named, since, last, raised, attempts, lasting, is_answered });
    }

    fn close(&mut self, now: Timestamp, is_over: impl Fn(&Doubt) -> bool) {
        let settled = self.settled;
        for over in self.open.extract_if(.., |doubt| is_over(doubt)) {
            if over.is_settled(settled) {
                continue;
            }
            let since = self.closed.map_or(over.since, |closed| closed.since.min(over.since));
            self.closed = Some(Gap { since, until: Some(now.max(over.since)), cause: over.cause });
        }
    }

    /// The time of which messages may be missing: that of all doubts that nobody has looked after, under the cause of the first that is not
    /// over.
    pub(super) fn gap(&self) -> Option<Gap> {
        let told = self.open.iter().filter(|doubt| !doubt.is_settled(self.settled));
        let Some(first) = told.min_by_key(|doubt| doubt.since) else { return self.closed };
        let since = self.closed.map_or(first.since, |closed| closed.since.min(first.since));
        Some(Gap { since, until: None, cause: first.cause })
    }

    /// From when on the subscription is to be ended and made anew, where the hub says that it has it.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.open.iter().filter_map(Doubt::ends_at).min()
    }

    /// Whether a message was refused that may have been of this topic, and nobody has looked after that.
    pub(super) fn has_unnamed(&self) -> bool {
        self.open.iter().any(|doubt| !doubt.is_named && !doubt.is_settled(self.settled))
    }
}

/// Whether a message was refused for what happened to it on its way, so that the hub's next attempt may succeed.
fn is_of_the_way(code: Code) -> bool {
    matches!(code, Code::Malformed | Code::Timeout | Code::Busy)
}
