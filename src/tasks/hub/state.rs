//! How all subscriptions stand together, and what of the hub's messages may be missing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::beside::HubStanding;
use super::doubts::{Cause, Gap};
use super::topic::{Denied, LONGEST_PAUSE, Topic};
use super::word::{Word, code};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::ledger::HubTopic;
use crate::mosip::websub::{Answer, Mode, Topics};

/// Stands for the topic of messages that named none of ours.
pub(crate) const UNKNOWN: &str = "unknown";
/// That messages are refused is logged no more often than this.
const LOGGED_EVERY: Duration = Duration::from_mins(5);

/// How the hub stands, for operators.
pub(crate) struct Status {
    /// Host and port.
    pub(crate) host: String,
    /// What a subscription needs and is not set.
    pub(crate) unset: Vec<&'static str>,
    /// The callback listener is not served, so that nothing is subscribed.
    pub(crate) is_unreachable: bool,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Messages that were refused and named no topic of ours, where none was taken since.
    pub(crate) refused: Option<Refused>,
}

/// What the hub may ask about each topic, by its setting, and until when.
pub(super) type Requests = Vec<(&'static str, Option<(Mode, Instant)>)>;

/// A request about a topic that is due.
pub(super) struct Due {
    /// The setting under `websub.topics`.
    pub(super) name: &'static str,
    /// As the hub names it.
    pub(super) topic: String,
    pub(super) mode: Mode,
}

/// Messages at the callback that were refused before they could be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) messages: u64,
    pub(crate) since: Timestamp,
    pub(crate) last: Timestamp,
    #[serde(with = "code")]
    pub(crate) code: Code,
    /// One of them came from the hub: its sender knew what the hub alone is told, or showed a certificate. Else anybody may have sent them.
    pub(crate) is_hub: bool,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The setting under `websub.topics`.
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    /// Since when it stands so; `None`: since the start.
    pub(crate) since: Option<Timestamp>,
    /// Why the last attempt failed.
    pub(crate) refusal: Option<Error>,
    /// While messages of the topic may have been lost.
    pub(crate) gap: Option<Gap>,
    /// Messages of the topic that were refused, where none was taken since.
    pub(crate) refused: Option<Refused>,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// The hub was not asked, or has not verified it yet.
    Pending,
    /// The hub has verified it, or has had it before.
    Active,
    /// The last attempt failed; it is tried again.
    Failing,
}

impl Standing {
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
    /// What was kept before this start is known, and may be written over.
    is_restored: bool,
    renew_every: Duration,
    /// A message could not be stored, and there has been no room since.
    waits_for_room: bool,
    /// Registrations that MOSIP has not answered in time.
    silent: u64,
    /// Messages that named no topic of ours.
    refused: Option<Refused>,
    logged: Option<Instant>,
    /// Among several gateways: what was said to this one, until it is kept what came of it.
    said: Vec<Word>,
}

impl State {
    pub(super) fn new(topics: &Topics, renew_every: Duration) -> Self {
        Self {
            topics: topics.set().map(|(setting, topic)| Topic::new(setting, topic)).collect(),
            is_restored: false,
            renew_every,
            waits_for_room: false,
            silent: 0,
            refused: None,
            logged: None,
            said: Vec::new(),
        }
    }

    /// Nothing of `topics` is known, but what was said to this gateway.
    pub(super) fn forget(&mut self, topics: &Topics) {
        let said = std::mem::take(&mut self.said);
        *self = Self { said, ..Self::new(topics, self.renew_every) };
    }

    /// Adds what was said to this gateway.
    pub(super) fn say(&mut self, word: Word) {
        Word::add(&mut self.said, word);
    }

    /// What was said to this gateway, and is not kept.
    pub(super) fn said(&self) -> &[Word] {
        &self.said
    }

    /// The same, of whoever keeps it, or what comes of it.
    pub(super) fn take_said(&mut self) -> Vec<Word> {
        std::mem::take(&mut self.said)
    }

    /// How everything stands, for operators.
    pub(super) fn shown(&self) -> HubStanding {
        let shown = |topic: &Topic| {
            let (gap, refused) = (topic.doubts.gap(), topic.refused);
            Subscription { gap, refused, ..topic.shown.clone() }
        };
        HubStanding { subscriptions: self.topics.iter().map(shown).collect(), refused: self.refused }
    }

    /// The request about each topic, by its setting, that the hub may ask about, and until when.
    pub(super) fn requests(&self) -> Requests {
        self.topics.iter().map(|topic| (topic.shown.name, topic.request())).collect()
    }

    /// Whether it is known how the topics stood before this start.
    pub(super) fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// What the next start has to know of each topic, by its setting. Nothing before it is restored.
    pub(super) fn kept(&self, now: Timestamp) -> Vec<(&'static str, HubTopic)> {
        let topics = self.topics.iter().filter(|_| self.is_restored);
        topics.map(|topic| (topic.shown.name, topic.kept(now))).collect()
    }

    /// What was kept of the topic of `setting` before this start; `identity`: of the subscription that the settings ask for. Where what the
    /// hub published in the meantime may be missing: why, and since when.
    pub(super) fn restore(
        &mut self,
        setting: &str,
        kept: &HubTopic,
        identity: i64,
        now: Timestamp,
    ) -> Option<(Cause, Timestamp)> {
        self.is_restored = true;
        let topic = self.topics.iter_mut().find(|topic| topic.shown.name == setting)?;
        let gap = topic.restore(kept, identity, now);
        if let Some(since) = self.topics.iter().filter_map(Topic::quiet_since).max() {
            self.topics.iter_mut().for_each(|topic| topic.hub_is_quiet_since(since));
        }
        gap
    }

    /// What the hub is to be asked now, or none, and when the next request is.
    pub(super) fn due(&self) -> (Option<Due>, Instant) {
        let next = self.topics.iter().min_by_key(|topic| topic.next_at);
        let Some(next) = next else { return (None, Instant::now() + LONGEST_PAUSE) };
        let is_due = next.next_at <= Instant::now();
        let due = is_due.then(|| Due { name: next.shown.name, topic: next.topic.clone(), mode: next.next });
        (due, next.next_at)
    }

    /// A request about `topic` is about to leave: from now on the hub's question whether it is meant is answered. Where
    /// registrations have no answer of MOSIP, and no message came for a term, it may have stopped.
    pub(super) fn asked(&mut self, topic: &str, mode: Mode, now: Timestamp) {
        let (silent, term) = (self.silent, self.renew_every);
        let Some(topic) = self.find(topic) else { return };
        if mode == Mode::Subscribe {
            topic.may_have_ended(silent, term, now);
        }
        topic.ask(mode);
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
        let silent = self.silent;
        self.find(topic).is_some_and(|topic| topic.verified(mode, renew_in, silent, now))
    }

    /// The topic that the hub was asked for last, within a minute, and has not verified.
    pub(super) fn asked_last(&self) -> Option<String> {
        let waiting = self.topics.iter().filter_map(|topic| Some((topic.waits_until()?, &topic.topic)));
        waiting.max_by_key(|(until, _)| *until).map(|(_, topic)| topic.clone())
    }

    /// Anybody says that the hub has `topic` already.
    pub(super) fn registered(&mut self, topic: &str, now: Timestamp) {
        let renew_every = self.renew_every;
        if let Some(topic) = self.find(topic) {
            topic.registered_late(renew_every, now);
        }
    }

    /// The hub, or anybody, says that `topic` (`None`: some topic) is denied, because of `error`; what that changed, by the setting of the
    /// topic. Each topic counts for itself, so that a word about one takes nothing from another.
    pub(super) fn denied(
        &mut self,
        topic: Option<&str>,
        error: &Error,
        random: u32,
        now: Timestamp,
    ) -> Vec<(&'static str, Denied)> {
        let meant = self.topics.iter_mut().filter(|known| topic.is_none_or(|topic| known.topic == topic));
        meant.map(|topic| (topic.shown.name, topic.denied(error.clone(), random, now))).collect()
    }

    /// A message that came first at `received` is no repeat; `is_verified`: and it verifies. The setting `setting` names its topic; `None`:
    /// none does, and it says nothing about ours. True: there was a doubt that it may have ended.
    pub(super) fn arrived(
        &mut self,
        setting: Option<&str>,
        received: Timestamp,
        is_verified: bool,
        now: Timestamp,
    ) -> bool {
        if setting.is_none() {
            return false;
        }
        let had_doubts = self.topics.iter().any(|topic| topic.doubts.is_open());
        for topic in &mut self.topics {
            let is_its_own = setting == Some(topic.shown.name);
            topic.hears(is_its_own.then_some(self.silent), received, now);
            match is_its_own {
                _ if !is_verified => {}
                true => topic.delivers(received),
                false => topic.doubts.delivered_elsewhere(received),
            }
        }
        // A message of the hub that named no topic may have been of one that has delivered nothing since.
        if is_verified && !self.has_unnamed() {
            self.refused = self.refused.filter(|refused| refused.last > received);
        }
        had_doubts
    }

    /// A message of the topic that the setting `setting` names could not be stored (`None`: of a topic that is none of ours); false: it
    /// is not the first.
    pub(super) fn missed(&mut self, setting: Option<&str>, now: Timestamp) -> bool {
        let is_first = !self.waits_for_room;
        self.waits_for_room = true;
        if let Some(topic) = self.topics.iter_mut().find(|topic| setting == Some(topic.shown.name)) {
            topic.found_no_room(now);
        }
        is_first
    }

    /// A message was refused because of `code`, of the topic of `setting` as far as it can be read; `is_hub`: it came from the hub. True: it
    /// is to be logged.
    pub(super) fn refuse(
        &mut self,
        code: Code,
        is_hub: bool,
        setting: Option<&'static str>,
        now: Timestamp,
    ) -> bool {
        let named = self.topics.iter_mut().find(|topic| is_hub && setting == Some(topic.shown.name));
        let count = |refused: &mut Option<Refused>| {
            let before = *refused;
            *refused = Some(Refused {
                messages: before.map_or(0, |before| before.messages).saturating_add(1),
                since: before.map_or(now, |before| before.since),
                last: now,
                code,
                is_hub: is_hub || before.is_some_and(|before| before.is_hub),
            });
        };
        match named {
            Some(topic) => {
                count(&mut topic.refused);
                topic.refuses(code, true, now);
            }
            None => {
                count(&mut self.refused);
                if is_hub {
                    self.topics.iter_mut().for_each(|topic| topic.refuses(code, false, now));
                }
            }
        }
        let instant = Instant::now();
        let is_logged = self.logged.is_none_or(|logged| instant >= logged + LOGGED_EVERY);
        if is_logged {
            self.logged = Some(instant);
        }
        is_logged
    }

    /// A person looks after what may be missing of the topic of `setting`, or after the refused messages that named no topic,
    /// [`UNKNOWN`]. False: nothing was said to be missing. `None`: there is no such topic.
    pub(super) fn settle(&mut self, setting: &str, now: Timestamp) -> Option<bool> {
        if setting == UNKNOWN {
            return Some(self.refused.take().is_some());
        }
        let topic = self.topics.iter_mut().find(|topic| topic.shown.name == setting)?;
        let had_any = topic.settle(now);
        if had_any && self.refused.is_some_and(|refused| refused.is_hub) && !self.has_unnamed() {
            self.refused = None;
        }
        Some(had_any)
    }

    /// Whether a message was refused that may have been of any topic.
    fn has_unnamed(&self) -> bool {
        self.topics.iter().any(|topic| topic.doubts.has_unnamed())
    }

    /// MOSIP has not answered so many registrations in time.
    pub(super) fn set_silent(&mut self, registrations: u64) {
        self.silent = registrations;
        self.topics.iter_mut().for_each(|topic| topic.are_silent(registrations));
    }

    /// The hub is asked now about each topic that it may have given up without a word. True: there is one.
    pub(super) fn notices_silence(&mut self, now: Timestamp) -> bool {
        let (silent, term) = (self.silent, self.renew_every);
        let mut quiet =
            self.topics.iter_mut().filter(|topic| topic.is_too_quiet(silent, term, now)).peekable();
        let has_one = quiet.peek().is_some();
        quiet.for_each(|topic| topic.next_at = Instant::now());
        has_one
    }

    /// Whether there is still no room for messages.
    pub(super) fn is_missing(&self) -> bool {
        self.waits_for_room
    }

    /// There is room again: the hub is asked for every topic. What it delivers, or verifies anew, ends what was missing.
    pub(super) fn room_again(&mut self) {
        self.waits_for_room = false;
        for topic in &mut self.topics {
            topic.next_at = Instant::now();
        }
    }

    fn find(&mut self, topic: &str) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|known| known.topic == topic)
    }
}
