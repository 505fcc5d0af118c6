//! The health of one upstream URL: when its entries may go, one at a time, or not at all (DESIGN.md 6). Without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::entry::Refusal;
use super::uptime::{Millis, millis};
use crate::crypto::secret;
use crate::error::{Code, Error, Fault};

/// Transport failures in a row that open the breaker.
const BREAKER_FAILURES: u32 = 10;
/// How long the breaker stays open before one entry is tried.
const BREAKER_REST: Millis = 5_000;
/// Refusals of our signature or envelope in a row, from at least two entries, that are put down to keys.
const REFUSED_IN_A_ROW: usize = 5;
/// How many of the last refusals are looked at.
const REFUSED_KEPT: usize = 64;
/// Such refusals of one entry, while others go through, that are put down to the entry.
const REFUSED_ALONE: u32 = 10;
/// Longest wait of an entry between two attempts.
const LONGEST_BACKOFF: Millis = 60_000;

/// What is known of one upstream URL.
pub struct Channel {
    flow: Flow,
    /// Since when it has not been open.
    stopped_at: Option<Millis>,
    probe_interval: Millis,
    transport_failures: u32,
    successes: u64,
    /// Entries whose signature or envelope was refused since the last success, in order.
    refused: Vec<String>,
    /// By entry: how often that happened, and `successes` at its first.
    refused_entries: BTreeMap<String, (u32, u64)>,
}

/// Whether entries flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// All that are due go.
    Open,
    /// MOSIP is away: one is tried at this moment.
    Broken {
        /// On the outbox's clock.
        until: Millis,
    },
    /// A person has to put something right: one is tried every `probe_interval` and when keys change.
    Paused {
        /// What has to be put right.
        refusal: Refusal,
        /// When the next is tried, on the outbox's clock.
        probe_at: Millis,
    },
}

impl Flow {
    /// What [`Flow::as_str`] says.
    pub const NAMES: [&'static str; 3] = ["open", "broken", "paused"];

    /// The word in health and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Broken { .. } => "broken",
            Self::Paused { .. } => "paused",
        }
    }
}

/// Who may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As many as the concurrency allows.
    Free,
    /// One, to see whether it is over.
    Trial,
    /// Nobody before this moment.
    Wait(Millis),
}

/// What becomes of an entry whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Back into the queue until this moment.
    Again(Millis),
    /// Parked.
    Park(Error),
}

impl Channel {
    /// A channel that nothing is known of: its entries go.
    pub fn new(probe_interval: Duration) -> Self {
        Self {
            flow: Flow::Open,
            stopped_at: None,
            probe_interval: millis(probe_interval),
            transport_failures: 0,
            successes: 0,
            refused: Vec::new(),
            refused_entries: BTreeMap::new(),
        }
    }

    /// Whether entries flow.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Since when entries have not flowed.
    pub fn stopped_at(&self) -> Option<Millis> {
        self.stopped_at
    }

    /// Who may go at `now`.
    pub fn turn(&self, now: Millis) -> Turn {
        match self.flow {
            Flow::Open => Turn::Free,
            Flow::Broken { until: at } | Flow::Paused { probe_at: at, .. } if at > now => Turn::Wait(at),
            Flow::Broken { .. } | Flow::Paused { .. } => Turn::Trial,
        }
    }

    /// Keys or configuration changed: a paused channel is tried at once.
    pub fn probe_now(&mut self) {
        if let Flow::Paused { probe_at, .. } = &mut self.flow {
            *probe_at = 0;
        }
    }

    /// MOSIP took `entry`: everything flows again.
    pub fn succeeded(&mut self, entry: &str) {
        self.flow = Flow::Open;
        self.stopped_at = None;
        self.transport_failures = 0;
        self.successes += 1;
        self.refused.clear();
        self.refused_entries.remove(entry);
    }

    /// An attempt of `entry`, its `attempts`th, failed with `error`. What MOSIP said in `Retry-After` counts within the longest wait.
    pub fn failed(
        &mut self,
        entry: &str,
        attempts: u32,
        error: &Error,
        retry_after: Option<Duration>,
        now: Millis,
    ) -> Fate {
        let fate = self.judge(entry, attempts, error, retry_after, now);
        self.stopped_at = match self.flow {
            Flow::Open => None,
            Flow::Broken { .. } | Flow::Paused { .. } => self.stopped_at.or(Some(now)),
        };
        fate
    }

    fn judge(
        &mut self,
        entry: &str,
        attempts: u32,
        error: &Error,
        retry_after: Option<Duration>,
        now: Millis,
    ) -> Fate {
        let was_trial = self.flow != Flow::Open;
        match error.fault() {
            // What is wrong with this entry alone. The channel has not been tried.
            Fault::Caller | Fault::Bug => {
                self.refused_entries.remove(entry);
                return Fate::Park(error.clone());
            }
            Fault::Partner | Fault::Keys => {
                self.pause(error.into(), now);
                return Fate::Again(now);
            }
            Fault::Upstream if may_hit_every_entry(error) => {
                self.transport_failures = 0;
                if let Some(fate) = self.refused(entry, error, now) {
                    return fate;
                }
            }
            Fault::Upstream if is_transport(error) => {
                self.transport_failures = self.transport_failures.saturating_add(1);
                if self.flow == Flow::Open && self.transport_failures >= BREAKER_FAILURES {
                    self.flow = Flow::Broken { until: now };
                }
                self.rest(now);
            }
            // MOSIP answered, so it is there.
            Fault::Upstream if error.upstream().is_some() => {
                self.transport_failures = 0;
                self.flow = Flow::Open;
            }
            // A reply that does not verify, or a disk that fails, says nothing about the channel; a trial comes again.
            _ if was_trial => self.rest(now),
            _ => {}
        }
        if was_trial && self.flow != Flow::Open {
            // The next trial takes the next entry, whenever this one would be due.
            return Fate::Again(now);
        }
        Fate::Again(now + backoff(attempts, retry_after))
    }

    fn pause(&mut self, refusal: Refusal, now: Millis) {
        self.flow = Flow::Paused { refusal, probe_at: now + self.probe_interval };
    }

    /// Postpones the next trial.
    fn rest(&mut self, now: Millis) {
        match &mut self.flow {
            Flow::Open => {}
            Flow::Broken { until } => *until = now + BREAKER_REST,
            Flow::Paused { probe_at, .. } => *probe_at = now + self.probe_interval,
        }
    }

    /// The mediator could not verify or open what we sent, or IDA failed without looking. Once or twice that happens under load; in a
    /// row it is something that a person has to put right; of one entry alone it is the entry.
    fn refused(&mut self, entry: &str, error: &Error, now: Millis) -> Option<Fate> {
        if self.refused.len() == REFUSED_KEPT {
            self.refused.remove(0);
        }
        self.refused.push(entry.to_owned());
        let (times, since) = self.refused_entries.entry(entry.to_owned()).or_insert((0, self.successes));
        *times += 1;
        if *times >= REFUSED_ALONE && self.successes > *since {
            self.refused_entries.remove(entry);
            let detail = format!("{} {REFUSED_ALONE} times, while other events went through", error.detail());
            return Some(Fate::Park(
                Error::new(Code::Bug, detail).advise("Report this with the id of the event."),
            ));
        }
        let entries = self.refused.iter().collect::<BTreeSet<_>>().len();
        if self.refused.len() >= REFUSED_IN_A_ROW && entries >= 2 || matches!(self.flow, Flow::Paused { .. })
        {
            let detail = format!("{}, {} times in a row", error.detail(), self.refused.len());
            let keys = Error::new(Code::Keys, detail).advise(error.advice());
            self.pause(
                Refusal { upstream: error.upstream().map(|said| said.code.clone()), ..(&keys).into() },
                now,
            );
            return Some(Fate::Again(now));
        }
        self.flow = Flow::Open;
        None
    }
}

/// The mediator refused our signature or could not open our envelope; IDA refused a call without looking at the person (a clock that
/// is wrong, a partner that has expired). It may be this entry or all.
fn may_hit_every_entry(error: &Error) -> bool {
    error.upstream().is_some_and(|said| {
        matches!(said.code.as_str(), "OPN-CRVS-026" | "OPN-CRVS-022") || said.code.starts_with("IDA-")
    })
}

/// Refused, timed out, 5xx, not JSON: nobody answered in MOSIP's language.
fn is_transport(error: &Error) -> bool {
    matches!(error.code(), Code::Upstream | Code::UpstreamTimeout) && error.upstream().is_none()
}

/// 1 s, doubling, full jitter, at most a minute; `retry_after` pushes it out within that minute.
pub fn backoff(attempts: u32, retry_after: Option<Duration>) -> Millis {
    let doublings = attempts.saturating_sub(1).min(6);
    let window = (1_000_i64 << doublings).min(LONGEST_BACKOFF);
    let jitter = i64::from(u32::from_be_bytes(secret::random())) % window + 1;
    retry_after.map_or(jitter, |asked| millis(asked).min(LONGEST_BACKOFF).max(jitter))
}

#[cfg(test)]
mod tests;
