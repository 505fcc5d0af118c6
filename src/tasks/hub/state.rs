//! How each subscription stands, and when it is asked for next.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::mosip::websub::{Answer, Topics};

/// The hub verifies a subscription within this time, or it does not reach the callback.
const VERIFIED_WITHIN: Duration = Duration::from_mins(2);
/// Pauses between attempts begin with this, and double.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause between attempts is longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// What strangers may say makes the gateway ask the hub no more often than this.
const HINTS_EVERY: Duration = Duration::from_mins(5);

/// How the hub stands, for operators.
pub(crate) struct Status {
    /// Host and port.
    pub(crate) host: String,
    /// What a subscription needs and is not set.
    pub(crate) unset: Vec<&'static str>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// While messages of the hub may have been lost.
    pub(crate) gap: Option<Gap>,
}

/// A time in which a message of the hub could not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) since: Timestamp,
    /// `None`: there is still no room.
    pub(crate) until: Option<Timestamp>,
}

/// One topic.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// The setting under `websub.topics`.
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    /// Since when it stands so; `None`: since the start.
    pub(crate) since: Option<Timestamp>,
    /// Why the last attempt failed.
    pub(crate) refusal: Option<Error>,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The hub was not asked, or has not verified it yet.
    Pending,
    /// The hub has verified it, or has had it before.
    Active,
    /// The last attempt failed; it is tried again.
    Failing,
}

impl Standing {
    /// Every word.
    pub(crate) const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Failing];

    /// The word in readiness and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Failing => "failing",
        }
    }
}

/// Every topic that is subscribed.
pub(super) struct State {
    topics: Vec<Topic>,
    renew_every: Duration,
    hinted: Option<Instant>,
    gap: Option<Gap>,
}

struct Topic {
    topic: String,
    shown: Subscription,
    /// A request for it has left since the start.
    asked: bool,
    /// The hub took it, and has to verify it before it is asked for again.
    awaits: bool,
    failures: u32,
    next_at: Instant,
}

impl State {
    pub(super) fn new(topics: &Topics, renew_every: Duration) -> Self {
        let topic = |(name, topic): (&'static str, &str)| Topic {
            topic: topic.to_owned(),
            shown: Subscription { name, standing: Standing::Pending, since: None, refusal: None },
            asked: false,
            awaits: false,
            failures: 0,
            next_at: Instant::now(),
        };
        Self { topics: topics.set().map(topic).collect(), renew_every, hinted: None, gap: None }
    }

    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        self.topics.iter().map(|topic| topic.shown.clone()).collect()
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// A topic that is to be asked for now, or none, and when the next one is.
    pub(super) fn due(&mut self) -> (Option<String>, Instant) {
        let next = self.topics.iter().min_by_key(|topic| topic.next_at);
        let Some(next) = next else { return (None, Instant::now() + LONGEST_PAUSE) };
        let is_due = next.next_at <= Instant::now();
        (is_due.then(|| next.topic.clone()), next.next_at)
    }

    /// A request for `topic` is about to leave: from now on its verification is answered.
    pub(super) fn asked(&mut self, topic: &str) {
        if let Some(topic) = self.find(topic) {
            topic.asked = true;
        }
    }

    /// What came of a request for `topic`; `die`: 32 random bits.
    pub(super) fn answered(&mut self, topic: &str, answer: Result<Answer>, die: u32, now: Timestamp) {
        let renew_every = self.renew_every;
        let Some(topic) = self.find(topic) else { return };
        let was_unverified = topic.awaits;
        topic.awaits = false;
        match answer {
            Ok(Answer::AlreadyRegistered) => topic.activate(renew_every, now),
            // Its verification came while the answer was on its way.
            Ok(Answer::Accepted) if topic.verified_early() => {}
            Ok(Answer::Accepted) => {
                topic.awaits = true;
                topic.next_at = Instant::now() + VERIFIED_WITHIN.max(topic.pause(die));
                if was_unverified {
                    topic.fail(Error::new(Code::Partner, "MOSIP's hub took the subscription and did not verify it").advise(
                        "Check that the hub reaches websub.callback_url, and that it leads to /websub/callback of this gateway.",
                    ), now);
                }
            }
            Err(error) => {
                let asked_to_wait = error.retry_after().unwrap_or_default().min(LONGEST_PAUSE);
                topic.next_at = Instant::now() + topic.pause(die).max(asked_to_wait);
                topic.fail(error, now);
            }
        }
    }

    /// The hub verifies a subscription to `topic`, for `lease`; false: it was not asked for.
    pub(super) fn verified(&mut self, topic: &str, lease: Duration, now: Timestamp) -> bool {
        let renew_every = self.renew_every;
        let Some(topic) = self.find(topic).filter(|topic| topic.asked) else { return false };
        // Before the lease ends, with time for a hub that is away for a while.
        topic.activate(renew_every.min(lease / 4 * 3), now);
        true
    }

    /// A hint that `topic` (`None`: some topic) is denied; `is_registered`: because the hub has it. True: the hub is asked again.
    pub(super) fn denied(&mut self, topic: Option<&str>, is_registered: bool, now: Timestamp) -> bool {
        if is_registered {
            let renew_every = self.renew_every;
            if let Some(topic) = topic.and_then(|topic| self.find(topic)).filter(|topic| topic.awaits) {
                topic.activate(renew_every, now);
            }
            return false;
        }
        let instant = Instant::now();
        if self.hinted.is_some_and(|hinted| instant < hinted + HINTS_EVERY) {
            return false;
        }
        self.hinted = Some(instant);
        for known in self.topics.iter_mut().filter(|known| topic.is_none_or(|topic| known.topic == topic)) {
            known.next_at = instant;
        }
        true
    }

    /// A message could not be stored; false: it is not the first.
    pub(super) fn missed(&mut self, now: Timestamp) -> bool {
        match self.gap {
            Some(Gap { until: None, .. }) => false,
            Some(Gap { since, .. }) => {
                self.gap = Some(Gap { since, until: None });
                true
            }
            None => {
                self.gap = Some(Gap { since: now, until: None });
                true
            }
        }
    }

    /// Whether there is still no room for messages.
    pub(super) fn is_missing(&self) -> bool {
        self.gap.is_some_and(|gap| gap.until.is_none())
    }

    /// There is room again: everything is subscribed anew.
    pub(super) fn room_again(&mut self, now: Timestamp) {
        self.gap = self.gap.map(|gap| Gap { until: Some(now), ..gap });
        for topic in &mut self.topics {
            topic.next_at = Instant::now();
        }
    }

    fn find(&mut self, topic: &str) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|known| known.topic == topic)
    }
}

impl Topic {
    fn activate(&mut self, renew_in: Duration, now: Timestamp) {
        if self.shown.standing != Standing::Active {
            self.shown.since = Some(now);
        }
        self.shown.standing = Standing::Active;
        self.shown.refusal = None;
        (self.awaits, self.failures) = (false, 0);
        self.next_at = Instant::now() + renew_in;
    }

    fn fail(&mut self, error: Error, now: Timestamp) {
        if self.shown.standing != Standing::Failing {
            self.shown.since = Some(now);
        }
        self.shown.standing = Standing::Failing;
        self.shown.refusal = Some(error);
    }

    /// Whether the hub verified this request before it answered it: then the next one is not due.
    fn verified_early(&self) -> bool {
        self.shown.standing == Standing::Active && self.next_at > Instant::now()
    }

    /// 1 s, doubling, at most five minutes, and by chance at least half of that.
    fn pause(&mut self, die: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let half = longest / 2;
        half + half.mul_f64(f64::from(die) / f64::from(u32::MAX))
    }
}
