//! The subscriptions at MOSIP's hub. Each topic is subscribed until the hub has verified it, and renewed before its lease ends. A hub
//! that is away holds nothing up: events go their way, and its state is shown.

mod beside;
mod doubts;
mod kept;
mod state;
#[cfg(test)]
mod tests;
mod topic;
mod word;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use self::beside::{Beside, HubStanding};
pub(crate) use self::doubts::{Cause, Gap};
use self::kept::Noted;
use self::state::{Due, State};
pub(crate) use self::state::{Refused, Standing, Status, Subscription, UNKNOWN};
use self::topic::Denied;
use self::word::Word;
use crate::clock::{Clock, Timestamp};
use crate::destinations::TokenSource;
use crate::destinations::drive::Outside;
use crate::destinations::hub::{Publisher, Settings, Subscriber};
use crate::error::{Code, Error, Result};
use crate::ledger::Ledger;
use crate::mosip::push::PushKind;
use crate::mosip::websub::{self, Denial, Mode, Topics};
use crate::random::Random;
use crate::upstream;

/// How often a disk that had no room for a message is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The hub, and what is subscribed there. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<HubInner>);

struct HubInner {
    topics: Topics,
    /// `None`: the gateway subscribes nothing.
    subscriber: Option<Subscriber>,
    /// What `websub.hub_url` needs and is not set.
    unset: Vec<&'static str>,
    /// The callback listener is not served.
    is_unreachable: bool,
    host: Option<String>,
    outside: Arc<dyn Outside>,
    token: Option<Arc<TokenSource>>,
    ledger: Ledger,
    clock: Clock,
    random: Random,
    state: Mutex<State>,
    wake: Notify,
    /// Among several gateways over one database.
    beside: Option<Beside>,
}

impl Hub {
    /// As the settings of `publisher` say, with its token. Nothing is asked before [`Self::run`].
    pub(crate) fn new(
        publisher: &Publisher,
        outside: Arc<dyn Outside>,
        ledger: Ledger,
        clock: Clock,
        random: Random,
    ) -> Self {
        let Settings { hub_url, topics, renew_every, unset, is_unreachable, .. } = publisher.settings();
        Self(Arc::new(HubInner {
            beside: ledger.is_shared().then(Beside::default),
            topics: topics.clone(),
            state: Mutex::new(State::new(topics, *renew_every)),
            subscriber: publisher.settings().subscriber(),
            unset: unset.clone(),
            is_unreachable: *is_unreachable,
            host: hub_url.as_ref().map(upstream::host_and_port),
            outside,
            token: publisher.token(),
            ledger,
            clock,
            random,
            wake: Notify::new(),
        }))
    }

    /// Which kind of message `body` of the hub is.
    pub(crate) fn kind_of(&self, body: &[u8]) -> PushKind {
        websub::kind_of(body, &self.0.topics)
    }

    /// The hub asks whether what it was asked about `topic` is meant; `lease` as it says it. True where a request of ours waits for that.
    /// Where no hub is set, a topic of the settings is somebody else's subscription.
    pub(crate) fn verify(&self, mode: &str, topic: &str, lease: Option<&str>) -> bool {
        let Some(mode) = mode_of(mode) else { return false };
        let setting = self.0.setting_of_topic(topic);
        if self.0.host.is_none() {
            return mode == Mode::Subscribe && setting.is_some();
        }
        let lease = websub::lease(lease);
        let is_ours = self.0.verified(topic, mode, lease);
        if let Some(setting) = setting.filter(|_| is_ours) {
            self.0.say(|| Word::verified(setting, mode, lease));
        }
        is_ours
    }

    /// The topic that a question of the hub is about which names none, as OpenCRVS's mock of MOSIP asks: the one that it was asked for last,
    /// within a minute, and has not verified.
    pub(crate) fn asked_last(&self) -> Option<String> {
        self.0.state().asked_last()
    }

    /// The hub says that a subscription to `topic` is denied or broken. Nothing proves that it is the hub: it makes the gateway subscribe
    /// again, once in a while, and says why where the hub's question does not come. That the hub has the topic already counts while a
    /// request of ours waits for an answer, as its verification does.
    pub(crate) fn denied(&self, denial: Denial, topic: Option<&str>, reason: Option<&str>) {
        if self.0.subscriber.is_none() {
            return;
        }
        let reason = reason.unwrap_or_default();
        if topic.is_none_or(|topic| self.0.setting_of_topic(topic).is_some()) {
            let (topic, reason) = (topic.map(str::to_owned), websub::readable(reason));
            self.0.say(|| Word::Denied { denial, topic, reason });
        }
        self.0.denied(denial, topic, reason);
    }

    /// A message of the hub, of this kind, is no repeat of one before it, and was received at `received`: so the hub is not silent. Where
    /// it verifies, too, the hub delivers its topic, and messages that failed before it was received are no longer missing from then on.
    pub(crate) fn arrived(&self, kind: PushKind, received: Timestamp, is_verified: bool) {
        let setting = setting_of(kind);
        if let Some(topic) = setting {
            let received = received.millis();
            self.0.say(|| Word::Arrived { topic: topic.to_owned(), received, is_verified });
        }
        self.0.arrived(setting, received, is_verified);
    }

    /// A message of the hub could not be stored, so that the hub may have given up.
    pub(crate) fn missed(&self, kind: PushKind) {
        let setting = setting_of(kind);
        self.0.say(|| Word::Missed { topic: setting.map(str::to_owned) });
        self.0.missed(setting);
    }

    /// A message at the callback was refused, because of `code`, before it could be stored; `is_hub`: its sender knows what the hub alone
    /// is told. `kind` is what it says it is, where it could be read.
    pub(crate) fn refused(&self, code: Code, is_hub: bool, kind: Option<PushKind>) {
        let setting = kind.and_then(setting_of);
        let topic = setting.map(str::to_owned);
        self.0.say(|| Word::Refused { code, is_hub, topic, times: 1 });
        self.0.refused(code, is_hub, setting);
    }

    /// A person looks after the messages of `topic`, a setting under `websub.topics` or [`UNKNOWN`], that may be missing until now, which is
    /// durable with this. [`Code::NotFound`]; [`Code::StateConflict`] where none may be; [`Code::Storage`] until it is known how the topics
    /// stood before this start.
    pub(crate) async fn settle(&self, topic: &str) -> Result<()> {
        let ours = match self.0.ours() {
            Ok(ours) => ours,
            Err(beside) => return self.0.settle_elsewhere(beside, topic).await,
        };
        let (settled, topics) = {
            let (mut state, now) = (self.0.state(), self.0.clock.now());
            if self.0.subscriber.is_some() && !state.is_restored() {
                return Err(unread());
            }
            (state.settle(topic, now), state.kept(now))
        };
        may_settle(settled)?;
        ours.keep_hub_topics(topics, false).await
    }

    /// MOSIP has not answered so many registrations in time.
    pub(crate) fn set_silent(&self, registrations: u64) {
        let mut state = self.0.state();
        state.set_silent(registrations);
        if state.notices_silence(self.0.clock.now()) {
            self.0.wake.notify_one();
        }
    }

    /// How it stands; `None`: no hub is set.
    pub(crate) fn status(&self) -> Option<Status> {
        let host = self.0.host.clone()?;
        let state = self.0.state();
        let HubStanding { subscriptions, refused } = match (&self.0.beside, &self.0.subscriber) {
            (_, None) => HubStanding { subscriptions: Vec::new(), ..state.shown() },
            (Some(beside), _) if !beside.holds() => beside.shown(state.shown()),
            _ => state.shown(),
        };
        let HubInner { unset, is_unreachable, .. } = &*self.0;
        let (unset, is_unreachable) = (unset.clone(), *is_unreachable);
        Some(Status { host, unset, is_unreachable, subscriptions, refused })
    }

    /// Subscribes, and keeps what is subscribed: where several gateways share the database, while this one holds that. Runs for ever.
    pub(crate) async fn run(&self) {
        let Some(subscriber) = &self.0.subscriber else { return std::future::pending().await };
        if let Some(beside) = &self.0.beside {
            return self.share(subscriber, beside).await;
        }
        self.0.look_back(subscriber).await;
        let mut noted = Noted::default();
        loop {
            self.0.go_on(subscriber, &mut noted).await;
        }
    }

    /// The gateway stops: the next start knows from when on none ran, and another gateway may hold the subscriptions at once. After
    /// [`Self::run`].
    pub(crate) async fn stop(&self) {
        if self.0.subscriber.is_some() {
            self.0.note(&mut Noted::default()).await;
            self.0.part().await;
        }
    }
}

impl HubInner {
    /// The setting under `websub.topics` that names `topic`.
    fn setting_of_topic(&self, topic: &str) -> Option<&'static str> {
        self.topics.set().find(|(_, ours)| *ours == topic).map(|(setting, _)| setting)
    }

    /// Keeps what has changed, and asks the hub for what is due, or waits for that.
    async fn go_on(&self, subscriber: &Subscriber, noted: &mut Noted) {
        self.note(noted).await;
        let (due, next) = {
            let mut state = self.state();
            if state.is_missing() && self.ledger.has_room() {
                state.room_again();
                tracing::warn!("there is room again: MOSIP's hub is subscribed to again");
            }
            let (due, next) = state.due();
            let look = state.is_missing().then(|| Instant::now() + LOOK);
            (due, look.map_or(next, |look| look.min(next)))
        };
        match due {
            Some(due) if self.may_ask().await => {
                self.ask(subscriber, &due).await;
                self.has_asked().await;
            }
            Some(_) => sleep(LOOK).await,
            None => tokio::select! {
                () = sleep_until(next.min(noted.next())) => {}
                () = self.wake.notified() => {}
            },
        }
    }

    fn verified(&self, topic: &str, mode: Mode, lease: Duration) -> bool {
        let is_ours = self.state().verified(topic, mode, lease, self.clock.now());
        if is_ours {
            self.wake.notify_one();
        }
        is_ours
    }

    fn denied(&self, denial: Denial, topic: Option<&str>, reason: &str) {
        let now = self.clock.now();
        if websub::is_already_registered(reason) {
            if let Some(topic) = topic {
                self.state().registered(topic, now);
            }
        } else {
            let error = denial.error(reason);
            let changed = self.state().denied(topic, &error, self.random.u32(), now);
            for (topic, change) in changed {
                match change {
                    Denied::Request => {
                        tracing::warn!(
                            topic,
                            detail = error.detail(),
                            "MOSIP's hub denies a subscription; events are not held up"
                        );
                    }
                    Denied::Hint => {
                        tracing::warn!(
                            topic,
                            "the hub reports a subscription as denied or broken: it is asked again"
                        );
                    }
                    Denied::Ignored => {}
                }
            }
        }
        self.wake.notify_one();
    }

    fn arrived(&self, setting: Option<&str>, received: Timestamp, is_verified: bool) {
        if self.state().arrived(setting, received, is_verified, self.clock.now()) {
            // What may be over now is kept.
            self.wake.notify_one();
        }
    }

    fn missed(&self, setting: Option<&str>) {
        if self.state().missed(setting, self.clock.now()) {
            tracing::error!(
                "a message of MOSIP's hub could not be stored: the hub may stop delivering, and is subscribed to again once there is room"
            );
        }
        self.wake.notify_one();
    }

    fn refused(&self, code: Code, is_hub: bool, topic: Option<&'static str>) {
        if self.state().refuse(code, is_hub, topic, self.clock.now()) {
            tracing::error!(
                code = code.as_str(),
                is_hub,
                topic,
                "messages at the hub's callback are refused and not stored; after three attempts the hub delivers nothing more"
            );
        }
        self.wake.notify_one();
    }

    async fn ask(&self, subscriber: &Subscriber, due: &Due) {
        let Due { name, topic, mode } = due;
        self.state().asked(topic, *mode, self.clock.now());
        // The hub may ask any gateway.
        let answer = match self.share_requests().await {
            Ok(()) => subscriber.ask(&*self.outside, self.token.clone(), *mode, topic).await,
            Err(error) => Err(error),
        };
        match &answer {
            Ok(_) => {
                tracing::info!(
                    topic = name,
                    mode = mode.as_str(),
                    "MOSIP's hub takes the request about a subscription"
                );
            }
            Err(error) => tracing::warn!(
                topic = name,
                mode = mode.as_str(),
                code = error.code().as_str(),
                detail = error.detail(),
                advice = error.advice(),
                "MOSIP's hub cannot be subscribed to yet; events are not held up"
            ),
        }
        self.state().answered(topic, answer, self.random.u32(), self.clock.now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mode_of(word: &str) -> Option<Mode> {
    [Mode::Subscribe, Mode::Unsubscribe].into_iter().find(|known| known.as_str() == word)
}

fn setting_of(kind: PushKind) -> Option<&'static str> {
    kind.topic.map(|topic| topic.setting)
}

/// Whether a topic had what a person may look after; `None`: there is no such topic.
fn may_settle(had_any: Option<bool>) -> Result<()> {
    match had_any {
        None => Err(Error::new(Code::NotFound, "no such topic is subscribed at MOSIP's hub")),
        Some(false) => Err(Error::new(Code::StateConflict, "no messages of this topic may be missing")
            .advise("Nothing is to be settled. `gap` and `refused` of /readyz say which topics have what may be missing.")),
        Some(true) => Ok(()),
    }
}

fn unread() -> Error {
    Error::new(
        Code::Storage,
        "the gateway has not read yet how the topics of MOSIP's hub stood before its start",
    )
    .advise("Try again in a moment. If this lasts, the outbox cannot be read: the log says why.")
}
