//! The health of one upstream URL: whether its entries may go, one at a time, or not at all. It does no I/O; time and chance are
//! arguments, so that a simulation can be repeated.
//!
//! While a channel is broken or paused, one entry is tried at a time. What the attempt shows:
//!
//! | outcome | open | broken | paused |
//! |---|---|---|---|
//! | the upstream takes it, or refuses it for what is in it | open | open | open |
//! | what is wrong with it is found before it is sent | open | broken | paused |
//! | `partner` that the same request cannot get over: it is about this entry, which parks | open | open | paused |
//! | `partner`, `keys`, and what the destination says that all entries meet | paused | paused | paused, by the new reason |
//! | no connection, no answer in time, 5xx, not JSON | broken at the tenth in a row | broken | paused |
//! | the upstream refused it unread, such as an envelope that does not open | paused at the fifth in a row | open | paused |
//! | a code that is not known, a defect that the upstream reports | open | open | paused |
//! | a reply that does not verify; our disk; our own load | open | broken | paused |

mod note;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::to_millis;
use crate::error::{Code, Error, Fault};
use crate::store::Millis;

/// Transport failures in a row that open the breaker.
const BREAKER_FAILURES: u32 = 10;
/// How long the breaker stays open before one entry is tried; less where a paused channel is tried more often.
const BREAKER_REST: Millis = 5_000;
/// Refusals of our signature or envelope in a row, from at least two entries, that are put down to keys.
const REFUSED_IN_A_ROW: usize = 5;
/// How many of the last refusals are looked at.
const REFUSED_KEPT: usize = 64;
/// Such refusals of one entry, while others go through, that are put down to the entry.
const REFUSED_ALONE: u32 = 10;
/// Lower bound of the longest wait of an entry between two attempts.
const LONGEST_BACKOFF: Millis = 60_000;

/// What is known of one upstream URL.
pub(crate) struct Channel {
    flow: Flow,
    /// When the first of the attempts failed since which nothing was taken: it is not open, or nobody gave a usable answer.
    stopped_at: Option<Millis>,
    /// The host of the last of these attempts' calls, where it came to one: a token, or a further step, may be at another than the URL.
    failed_at: Option<String>,
    probe_interval: Millis,
    longest_backoff: Millis,
    transport_failures: u32,
    successes: u64,
    /// Entries whose signature or envelope was refused since the last success, in order.
    refused: Vec<String>,
    /// By entry: how often that happened, and `successes` at its first.
    refused_entries: BTreeMap<String, (u32, u64)>,
    is_unread: IsUnread,
}

/// Whether a code says that the upstream refused what was sent before it looked at what is in it: it could not verify or open it, or it
/// refused the sender. That may be this entry or all.
pub(crate) type IsUnread = fn(&str) -> bool;

/// Whether entries flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    /// All that are due may go.
    Open,
    /// The upstream is away: one entry is tried at this time.
    Broken {
        /// On the outbox's clock.
        until: Millis,
    },
    /// A person has to put something right: one entry is tried every `probe_interval` and when keys change.
    Paused {
        /// What has to be put right. The upstream's own sentence is not kept: it may name a person.
        reason: Error,
        /// When the next is tried, on the outbox's clock.
        probe_at: Millis,
    },
}

impl Flow {
    /// When one entry is tried, on the outbox's clock; `None`: all that are due go.
    pub(crate) const fn next_probe(&self) -> Option<Millis> {
        match self {
            Self::Open => None,
            Self::Broken { until: at } | Self::Paused { probe_at: at, .. } => Some(*at),
        }
    }

    /// The word in health and metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Broken { .. } => "broken",
            Self::Paused { .. } => "paused",
        }
    }
}

/// How many entries may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As many as the concurrency allows.
    Free,
    /// One, to find out whether the trouble is over.
    Probe,
    /// No entry before this time.
    Wait(Millis),
}

/// What happens to an entry whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is queued, and due at this time.
    Again(Millis),
    /// Parked.
    Park(Error),
}

impl Channel {
    /// A channel without a history: its entries may go. A call may take up to `deadline`.
    pub(crate) fn new(probe_interval: Duration, deadline: Duration, is_unread: IsUnread) -> Self {
        Self {
            flow: Flow::Open,
            stopped_at: None,
            failed_at: None,
            probe_interval: to_millis(probe_interval),
            longest_backoff: longest_backoff(deadline),
            transport_failures: 0,
            successes: 0,
            refused: Vec::new(),
            refused_entries: BTreeMap::new(),
            is_unread,
        }
    }

    /// Whether entries flow.
    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Since when entries have not flowed. Where the channel is open: since when nobody gave a usable answer.
    pub(crate) fn stopped_at(&self) -> Option<Millis> {
        self.stopped_at
    }

    /// The host that is in the way while entries do not flow, where that is known.
    pub(crate) fn failed_at(&self) -> Option<&str> {
        self.failed_at.as_deref().filter(|_| self.stopped_at.is_some())
    }

    /// How many entries may go at `now`.
    pub(crate) fn admission(&self, now: Millis) -> Admission {
        match self.flow {
            Flow::Open => Admission::Free,
            Flow::Broken { until: at } | Flow::Paused { probe_at: at, .. } if at > now => Admission::Wait(at),
            Flow::Broken { .. } | Flow::Paused { .. } => Admission::Probe,
        }
    }

    /// Keys or configuration changed: a paused channel is tried at once.
    pub(crate) fn probe_now(&mut self) {
        if let Flow::Paused { probe_at, .. } = &mut self.flow {
            *probe_at = 0;
        }
    }

    /// Nothing waits for this channel, and a probe is due: that it was stopped no longer says anything. The next entry shows its state,
    /// and the failures that were counted still count.
    pub(crate) fn nothing_waits(&mut self, now: Millis) {
        if self.admission(now) == Admission::Probe {
            self.flow = Flow::Open;
            self.stopped_at = None;
        }
    }

    /// When an entry that is due at `next_at` is tried.
    pub(crate) fn try_at(&self, next_at: Millis) -> Millis {
        self.flow.next_probe().map_or(next_at, |at| next_at.max(at))
    }

    /// The upstream took `entry`: all entries may go again.
    pub(crate) fn succeeded(&mut self, entry: &str) {
        self.resume();
        self.successes += 1;
        self.refused.clear();
        self.refused_entries.remove(entry);
    }

    /// An attempt of `entry`, its `attempts`th, failed with `error`. `Retry-After` counts up to the longest wait; `die` is 32 random
    /// bits for the jitter.
    pub(crate) fn failed(
        &mut self,
        entry: &str,
        attempts: u32,
        error: &Error,
        now: Millis,
        die: u32,
    ) -> Next {
        let was_open = self.flow == Flow::Open;
        let reason = self.note_failure(entry, error, now);
        self.stopped_at = match self.flow {
            Flow::Open if self.transport_failures == 0 => None,
            Flow::Open if !is_transport(error) => self.stopped_at,
            _ => self.stopped_at.or(Some(now)),
        };
        if let Some(reason) = reason {
            return Next::Park(reason);
        }
        self.failed_at = error.host().map(str::to_owned);
        let asked = error.retry_after().map_or(0, |asked| to_millis(asked).min(self.longest_backoff));
        let wait = match self.flow {
            // The channel waits, not the entry. The next probe takes the next entry, whenever this one would be due.
            Flow::Paused { .. } => 0,
            Flow::Broken { .. } if !was_open => 0,
            Flow::Open | Flow::Broken { .. } => self.backoff(attempts, die),
        };
        Next::Again(now.saturating_add(wait.max(asked)))
    }

    /// How long an entry waits after its `attempts`th attempt, which failed.
    pub(crate) fn backoff(&self, attempts: u32, die: u32) -> Millis {
        backoff(attempts, self.longest_backoff, die)
    }

    /// What the failure says of the channel. Some: the entry is at fault, and parks for this reason.
    fn note_failure(&mut self, entry: &str, error: &Error, now: Millis) -> Option<Error> {
        match error.fault() {
            _ if error.is_of_all() => self.pause(error, now),
            _ if is_transport(error) => self.note_transport_failure(now),
            Fault::Caller | Fault::Bug => {
                self.refused_entries.remove(entry);
                match (error.fault(), was_answered(error)) {
                    // The channel has not been tried.
                    (_, false) => {}
                    // What is in the entry was looked at, so the others are looked at too.
                    (Fault::Caller, true) => self.resume(),
                    (_, true) => self.note_answer(now),
                }
                return Some(error.clone());
            }
            Fault::Partner if !error.retryable() => {
                self.refused_entries.remove(entry);
                self.note_answer(now);
                return Some(error.clone());
            }
            Fault::Partner | Fault::Keys => self.pause(error, now),
            Fault::Upstream if self.may_hit_every_entry(error) => {
                return self.note_refusal(entry, error, now);
            }
            Fault::Upstream if error.upstream().is_some() => self.note_answer(now),
            // A reply that does not verify, our disk or our load says nothing about the channel; a probe comes again.
            _ => self.rest(now),
        }
        None
    }

    fn may_hit_every_entry(&self, error: &Error) -> bool {
        error.upstream().is_some_and(|said| (self.is_unread)(&said.code))
    }

    /// All entries may go.
    fn resume(&mut self) {
        self.flow = Flow::Open;
        self.stopped_at = None;
        self.transport_failures = 0;
    }

    /// The upstream answered, so it is not away. Whether a person has put right what paused the channel is not known from that.
    fn note_answer(&mut self, now: Millis) {
        self.transport_failures = 0;
        match self.flow {
            Flow::Open | Flow::Broken { .. } => self.flow = Flow::Open,
            Flow::Paused { .. } => self.rest(now),
        }
    }

    fn note_transport_failure(&mut self, now: Millis) {
        self.transport_failures = self.transport_failures.saturating_add(1);
        if self.flow == Flow::Open && self.transport_failures >= BREAKER_FAILURES {
            self.flow = Flow::Broken { until: now };
        }
        self.rest(now);
    }

    fn pause(&mut self, reason: &Error, now: Millis) {
        let reason = without_sentence(reason.clone(), reason);
        self.flow = Flow::Paused { reason, probe_at: now + self.probe_interval };
    }

    /// Postpones the next probe.
    fn rest(&mut self, now: Millis) {
        match &mut self.flow {
            Flow::Open => {}
            Flow::Broken { until } => *until = now + BREAKER_REST.min(self.probe_interval),
            Flow::Paused { probe_at, .. } => *probe_at = now + self.probe_interval,
        }
    }

    /// The upstream refused what we sent unread. Under load that happens now and then; in a row it is something that a person has to put
    /// right; of one entry alone it is the entry, which then parks for the reason returned.
    fn note_refusal(&mut self, entry: &str, error: &Error, now: Millis) -> Option<Error> {
        if self.refused.len() == REFUSED_KEPT {
            self.refused.remove(0);
        }
        self.refused.push(entry.to_owned());
        self.note_answer(now);
        let (times, since) = self.refused_entries.entry(entry.to_owned()).or_insert((0, self.successes));
        *times += 1;
        if *times >= REFUSED_ALONE && self.successes > *since {
            self.refused_entries.remove(entry);
            let detail = format!("{} {REFUSED_ALONE} times, while other events went through", error.detail());
            let bug = Error::new(Code::Bug, detail).advise("Report this with the id of the event.");
            let said = error.upstream().map(|said| (said.code.clone(), said.message.clone()));
            return Some(match said {
                Some((code, message)) => bug.with_upstream(code, message),
                None => bug,
            });
        }
        let entries = self.refused.iter().collect::<BTreeSet<_>>().len();
        if self.refused.len() >= REFUSED_IN_A_ROW && entries >= 2 {
            let detail = format!("{}, {} times in a row", error.detail(), self.refused.len());
            let keys = Error::new(Code::Keys, detail).advise(error.advice());
            self.pause(&without_sentence(keys, error), now);
        }
        None
    }
}

/// The refusal came from the other side: by a code, or by a status where the upstream has no codes.
fn was_answered(error: &Error) -> bool {
    !error.is_before_call() && (error.upstream().is_some() || error.code() == Code::Upstream)
}

/// Refused, timed out, 5xx whatever its body says, not JSON: what answered is not the upstream.
fn is_transport(error: &Error) -> bool {
    let is_away = matches!(error.code(), Code::Upstream | Code::UpstreamTimeout);
    error.fault() == Fault::Upstream && is_away && (error.is_server_error() || error.upstream().is_none())
}

/// The longest wait between two attempts where a call may take up to `deadline`. It is longer than the call, so entries on which
/// the upstream hangs do not take every second turn.
fn longest_backoff(deadline: Duration) -> Millis {
    to_millis(deadline).saturating_mul(2).max(LONGEST_BACKOFF)
}

/// The wait after the `attempts`th attempt: 1 s, doubling, at most `longest`; `die` picks a moment within it (full jitter).
fn backoff(attempts: u32, longest: Millis, die: u32) -> Millis {
    let doublings = attempts.saturating_sub(1).min(30);
    let window = (1_000_i64 << doublings).min(longest).max(1);
    i64::from(die) % window + 1
}

/// `error` with the code that the upstream gave in `source`, and without its sentence.
fn without_sentence(error: Error, source: &Error) -> Error {
    match source.upstream() {
        Some(said) => error.with_upstream(said.code.clone(), ""),
        None => error,
    }
}

#[cfg(test)]
mod tests;
