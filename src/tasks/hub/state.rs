//! How all subscriptions stand together, and what of the hub's messages may be missing.

use std::time::Duration;

use tokio::time::Instant;

use super::topic::{LONGEST_PAUSE, Topic};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::mosip::websub::{Answer, Mode, Topics};

/// What anybody can say on the callback makes the gateway ask the hub about a topic no more often than this.
const HINTS_EVERY: Duration = Duration::from_mins(5);
/// That messages are refused is logged no more often than this.
const LOGGED_EVERY: Duration = Duration::from_mins(5);

/// How the hub stands, for operators.
pub(crate) struct Status {
    /// Host and port.
    pub(crate) host: String,
    /// What a subscription needs and is not set.
    pub(crate) unset: Vec<&'static str>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// While messages of the hub may have been lost.
    pub(crate) gap: Option<Gap>,
    /// Messages that were refused, where none was taken since.
    pub(crate) refused: Option<Refused>,
}

/// A time of which messages of the hub may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) since: Timestamp,
    /// `None`: it is not over.
    pub(crate) until: Option<Timestamp>,
    pub(crate) cause: Cause,
}

/// Why messages of the hub may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There was no room for them.
    NoRoom,
    /// They were refused before they could be stored, such as for a wrong signature.
    Refused,
    /// The hub delivered nothing while registrations waited for an answer, so that it was subscribed to anew.
    Silence,
}

impl Cause {
    /// The word in readiness.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoom => "no-room",
            Self::Refused => "refused",
            Self::Silence => "silence",
        }
    }
}

/// Messages at the callback that were refused before they could be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) messages: u64,
    pub(crate) since: Timestamp,
    pub(crate) last: Timestamp,
    /// Why the last one was.
    pub(crate) code: Code,
    /// One of them came from the hub: its sender knew what the hub alone is told, or showed a certificate. Else anybody may have sent them.
    pub(crate) is_hub: bool,
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
    gap: Option<Gap>,
    /// A message could not be stored, and there has been no room since.
    waits_for_room: bool,
    is_waited_for: bool,
    refused: Option<Refused>,
    logged: Option<Instant>,
}

impl State {
    pub(super) fn new(topics: &Topics, renew_every: Duration) -> Self {
        Self {
            topics: topics.set().map(|(setting, topic)| Topic::new(setting, topic)).collect(),
            renew_every,
            gap: None,
            waits_for_room: false,
            is_waited_for: false,
            refused: None,
            logged: None,
        }
    }

    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        self.topics.iter().map(|topic| topic.shown.clone()).collect()
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// A topic that the hub is to be asked about now, with what is asked, or none, and when the next one is.
    pub(super) fn due(&self) -> (Option<(String, Mode)>, Instant) {
        let next = self.topics.iter().min_by_key(|topic| topic.next_at);
        let Some(next) = next else { return (None, Instant::now() + LONGEST_PAUSE) };
        let is_due = next.next_at <= Instant::now();
        (is_due.then(|| (next.topic.clone(), next.next)), next.next_at)
    }

    /// A request about `topic` is about to leave: from now on the hub's question whether it is meant is answered. Where registrations wait
    /// for an answer of MOSIP, and no message of the topic came since the hub was last asked, it may have stopped.
    pub(super) fn asked(&mut self, topic: &str, mode: Mode, now: Timestamp) {
        let is_waited_for = self.is_waited_for && mode == Mode::Subscribe;
        let Some(topic) = self.find(topic) else { return };
        let may_have_ended = is_waited_for && topic.may_have_ended();
        topic.ask(mode);
        if may_have_ended {
            self.open_gap(Cause::Silence, now);
            self.close_gap(now);
        }
    }

    /// What came of the request about `topic`; `random`: 32 random bits.
    pub(super) fn answered(&mut self, topic: &str, answer: Result<Answer>, random: u32, now: Timestamp) {
        let renew_every = self.renew_every;
        if let Some(topic) = self.find(topic) {
            topic.answered(answer, random, renew_every, now);
        }
    }

    /// The hub asks whether what it was asked about `topic` is meant, and grants `lease`. False: no such request of ours waits for that.
    pub(super) fn verified(&mut self, topic: &str, mode: Mode, lease: Duration, now: Timestamp) -> bool {
        // Before the lease ends, with time for a hub that is away for a while.
        let renew_in = self.renew_every.min(lease / 4 * 3);
        self.find(topic).is_some_and(|topic| topic.verified(mode, renew_in, now))
    }

    /// Anybody says that the hub has `topic` already.
    pub(super) fn registered(&mut self, topic: &str, now: Timestamp) {
        let renew_every = self.renew_every;
        if let Some(topic) = self.find(topic) {
            topic.registered_late(renew_every, now);
        }
    }

    /// Anybody says that `topic` (`None`: some topic) is denied. True: the hub is asked again.
    pub(super) fn denied(&mut self, topic: Option<&str>) -> bool {
        let meant = self.topics.iter_mut().filter(|known| topic.is_none_or(|topic| known.topic == topic));
        // Each topic counts for itself, so that a word about one takes nothing from another.
        let mut is_asked = false;
        for topic in meant {
            is_asked |= topic.hinted(HINTS_EVERY);
        }
        is_asked
    }

    /// A message was taken whose topic the setting `setting` names. `None`: no setting names it, and it says nothing about ours.
    pub(super) fn arrived(&mut self, setting: Option<&str>, now: Timestamp) {
        if setting.is_none() {
            return;
        }
        for topic in self.topics.iter_mut().filter(|topic| setting == Some(topic.shown.name)) {
            topic.delivers();
        }
        self.refused = None;
        if !self.waits_for_room {
            self.close_gap(now);
        }
    }

    /// A message of the topic that the setting `setting` names could not be stored; false: it is not the first.
    pub(super) fn missed(&mut self, setting: Option<&str>, now: Timestamp) -> bool {
        let is_first = !self.waits_for_room;
        self.waits_for_room = true;
        self.may_be_given_up(setting);
        self.open_gap(Cause::NoRoom, now);
        is_first
    }

    /// A message was refused, because of `code`, before anything was known of its topic. True: it is to be logged.
    pub(super) fn refuse(&mut self, code: Code, is_hub: bool, now: Timestamp) -> bool {
        let before = self.refused;
        self.refused = Some(Refused {
            messages: before.map_or(0, |before| before.messages).saturating_add(1),
            since: before.map_or(now, |before| before.since),
            last: now,
            code,
            is_hub: is_hub || before.is_some_and(|before| before.is_hub),
        });
        if is_hub {
            self.may_be_given_up(None);
            self.open_gap(Cause::Refused, now);
        }
        let instant = Instant::now();
        let is_logged = self.logged.is_none_or(|logged| instant >= logged + LOGGED_EVERY);
        if is_logged {
            self.logged = Some(instant);
        }
        is_logged
    }

    /// Whether MOSIP is silent about registrations.
    pub(super) fn set_waited_for(&mut self, is_waited_for: bool) {
        self.is_waited_for = is_waited_for;
    }

    /// Whether there is still no room for messages.
    pub(super) fn is_missing(&self) -> bool {
        self.waits_for_room
    }

    /// There is room again: everything is subscribed anew.
    pub(super) fn room_again(&mut self, now: Timestamp) {
        self.waits_for_room = false;
        self.close_gap(now);
        for topic in &mut self.topics {
            topic.next_at = Instant::now();
        }
    }

    /// The hub may give up what it delivers on the topic of `setting`, or on any.
    fn may_be_given_up(&mut self, setting: Option<&str>) {
        let is_meant = |topic: &&mut Topic| setting.is_none_or(|setting| topic.shown.name == setting);
        self.topics.iter_mut().filter(is_meant).for_each(Topic::may_be_given_up);
    }

    fn open_gap(&mut self, cause: Cause, now: Timestamp) {
        self.gap = Some(match self.gap {
            Some(gap @ Gap { until: None, .. }) => gap,
            Some(Gap { since, .. }) => Gap { since, until: None, cause },
            None => Gap { since: now, until: None, cause },
        });
    }

    fn close_gap(&mut self, now: Timestamp) {
        self.gap = self.gap.map(|gap| Gap { until: gap.until.or(Some(now)), ..gap });
    }

    fn find(&mut self, topic: &str) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|known| known.topic == topic)
    }
}
