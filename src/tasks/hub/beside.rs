//! Several gateways over one database: one of them holds the subscriptions at MOSIP's hub, which may ask and tell any of them. The others
//! answer its questions from what the holder shares, tell the holder what they hear, and show what it shows. A gateway that is cut off from the
//! database does not know that another one holds them by then: nothing that it keeps counts, and what it heard it tells once it is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use super::doubts::SHORTEST_TRIES;
use super::kept::Noted;
use super::state::{Refused, Requests, Standing, Subscription};
use super::word::Word;
use super::{Gap, Hub, HubInner, LOOK, Subscriber, UNKNOWN, may_settle, mode_of};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::entry::Refusal;
use crate::ledger::{Hold, HubRequest, Ledger, Task};
use crate::mosip::websub::{self, Mode};

/// How often the gateways hear of each other at least.
const EXCHANGE: Duration = Duration::from_secs(5);
/// How long a request to the hub may take, with that for its token.
const REQUEST: Duration = Duration::from_mins(2);
/// A hub that does not name the topic asks within the first minute of two.
const UNNAMED_LEFT: Duration = Duration::from_mins(1);

/// What one gateway among several keeps.
#[derive(Default)]
pub(super) struct Beside {
    /// `None`: another gateway holds the subscriptions, as far as this one knows.
    hold: Mutex<Option<Hold>>,
    /// How everything stands, as the holder shows it.
    shown: Mutex<Vec<TopicStanding>>,
    shown_refused: Mutex<Option<Refused>>,
    /// The requests that every gateway knows.
    requests: tokio::sync::Mutex<Requests>,
}

/// How all subscriptions stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HubStanding {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) refused: Option<Refused>,
}

/// The same, as it is kept for other gateways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    topics: Vec<TopicStanding>,
    refused: Option<Refused>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct TopicStanding {
    /// The setting under `websub.topics`.
    name: String,
    standing: Standing,
    since: Option<Timestamp>,
    refusal: Option<Refusal>,
    gap: Option<Gap>,
    refused: Option<Refused>,
}

impl HubStanding {
    fn kept(&self) -> Kept {
        let topic = |of: &Subscription| TopicStanding {
            name: of.name.to_owned(),
            standing: of.standing,
            since: of.since,
            refusal: of.refusal.as_ref().map(Refusal::from),
            gap: of.gap,
            refused: of.refused,
        };
        Kept { topics: self.subscriptions.iter().map(topic).collect(), refused: self.refused }
    }
}

impl Beside {
    /// Whether this gateway holds the subscriptions, as far as it knows.
    pub(super) fn holds(&self) -> bool {
        locked(&self.hold).is_some()
    }

    /// How everything stands, as the holder shows it; topics of which it shows nothing as they stand in `ours`.
    pub(super) fn shown(&self, ours: HubStanding) -> HubStanding {
        let topics = locked(&self.shown);
        let shown = |ours: Subscription| {
            let Some(topic) = topics.iter().find(|topic| topic.name == ours.name) else { return ours };
            let TopicStanding { standing, since, gap, refused, .. } = *topic;
            let refusal = topic.refusal.as_ref().map(Refusal::error);
            Subscription { name: ours.name, standing, since, refusal, gap, refused }
        };
        let subscriptions = ours.subscriptions.into_iter().map(shown).collect();
        HubStanding { subscriptions, refused: *locked(&self.shown_refused) }
    }
}

impl Hub {
    /// As [`Self::verify`], where any gateway may have made the request.
    pub(crate) async fn confirms(&self, mode: &str, topic: &str, lease: Option<&str>) -> bool {
        if self.verify(mode, topic, lease) {
            return true;
        }
        let HubInner { beside, subscriber, ledger, .. } = &*self.0;
        let is_shared = beside.is_some() && subscriber.is_some();
        let setting = self.0.setting_of_topic(topic).filter(|_| is_shared);
        let Some((setting, mode)) = setting.zip(mode_of(mode)) else { return false };
        let word = Word::verified(setting, mode, websub::lease(lease));
        let verified = ledger.verify_shared(setting, mode == Mode::Unsubscribe, (word, Word::add)).await;
        if let Err(error) = &verified {
            tracing::error!(
                topic = setting,
                code = error.code().as_str(),
                "it cannot be read whether a gateway has asked MOSIP's hub about a topic"
            );
        }
        verified.unwrap_or_default()
    }

    /// As [`Self::asked_last`], by whichever gateway.
    pub(crate) async fn any_asked_last(&self) -> Option<String> {
        let HubInner { beside, topics, ledger, .. } = &*self.0;
        if let Some(topic) = self.asked_last() {
            return Some(topic);
        }
        beside.as_ref()?;
        let settings = topics.set().map(|(setting, _)| setting).collect();
        let (setting, left) = ledger.shared_hub_request(settings).await.ok().flatten()?;
        topics.of(setting).filter(|_| left >= UNNAMED_LEFT).map(str::to_owned)
    }

    /// Takes part, for ever: subscribes while this gateway holds the subscriptions, and else stands by.
    pub(super) async fn share(&self, subscriber: &Subscriber, beside: &Beside) {
        // While this gateway holds them, what was kept last.
        let mut noted: Option<Noted> = None;
        let mut exchanged: Option<Instant> = None;
        let mut shown = Kept::default();
        *locked(&beside.hold) = None;
        loop {
            if exchanged.is_none_or(|at| at.elapsed() >= LOOK) {
                exchanged = Some(Instant::now());
                let Ok(hold) = self.0.ledger.hold(Task::Hub, self.0.term()).await else {
                    // What is not known is not asked for.
                    sleep(LOOK).await;
                    continue;
                };
                if hold != *locked(&beside.hold) {
                    self.0.change(subscriber, beside, hold).await;
                    noted = hold.map(|_| Noted::default());
                    shown = Kept::default();
                }
                if let Err(error) = self.0.exchange(beside, noted.as_mut()).await {
                    tracing::error!(
                        code = error.code().as_str(),
                        "the gateways cannot hear of each other what MOSIP's hub says"
                    );
                }
            }
            match &mut noted {
                Some(noted) => {
                    self.0.go_on(subscriber, noted).await;
                    let now = self.0.state().shown().kept();
                    if now != shown
                        && let Ok(ours) = self.0.ours()
                        && ours.show_hub(now.clone()).await.is_ok()
                    {
                        shown = now;
                    }
                }
                None => {
                    sleep(LOOK).await;
                    let _ = timeout(EXCHANGE - LOOK, self.0.wake.notified()).await;
                }
            }
        }
    }
}

impl HubInner {
    /// The ledger of the one gateway that keeps how the subscriptions stand. Else another one does, beside this one.
    pub(super) fn ours(&self) -> std::result::Result<Ledger, &Beside> {
        let Some(beside) = &self.beside else { return Ok(self.ledger.clone()) };
        let hold = *locked(&beside.hold);
        hold.map(|hold| self.ledger.under(hold)).ok_or(beside)
    }

    /// This gateway holds the subscriptions from now on, or another one does. Even where this one held them before, another one may have done so
    /// in between: what is kept is read anew, and what was said to this gateway and is not kept is heard once more.
    async fn change(&self, subscriber: &Subscriber, beside: &Beside, hold: Option<Hold>) {
        let held = locked(&beside.hold).take();
        self.state().forget(&self.topics);
        beside.requests.lock().await.clear();
        if hold.is_none() {
            if held.is_some() {
                tracing::warn!("another gateway holds the subscriptions at MOSIP's hub now");
            }
            return;
        }
        self.look_back(subscriber).await;
        let said = self.state().said().to_vec();
        said.into_iter().for_each(|word| self.hear(word));
        *locked(&beside.hold) = hold;
        tracing::info!("this gateway holds the subscriptions at MOSIP's hub");
    }

    /// What was said goes to the holder, of which `noted` is; who is not shows what the holder shows.
    async fn exchange(&self, beside: &Beside, noted: Option<&mut Noted>) -> Result<()> {
        self.ledger.serve_hub(self.clock.now(), SHORTEST_TRIES).await?;
        if let (Ok(ours), Some(noted)) = (self.ours(), noted) {
            if !noted.has_heard {
                let words = ours.hear_hub_words().await?;
                noted.has_heard = !words.is_empty();
                words.into_iter().for_each(|word| self.hear(word));
            }
            return self.share_requests().await;
        }
        self.tell().await?;
        let Kept { topics, refused } = self.ledger.shown_hub().await?.unwrap_or_default();
        *locked(&beside.shown) = topics;
        *locked(&beside.shown_refused) = refused;
        Ok(())
    }

    /// The holder is to hear what was said to this gateway and is not kept.
    async fn tell(&self) -> Result<()> {
        let words = self.state().take_said();
        if words.is_empty() {
            return Ok(());
        }
        let told = self.ledger.tell_hub_holder(words.clone(), Word::add).await;
        if told.is_err() {
            words.into_iter().for_each(|word| self.say(|| word));
        }
        told
    }

    /// This gateway takes part no longer.
    pub(super) async fn part(&self) {
        // Where that fails, the hold ends by itself.
        let _ = self.tell().await;
        let _ = self.ledger.let_go(Task::Hub).await;
    }

    /// How long another gateway waits before it takes over.
    fn term(&self) -> Duration {
        self.ledger.lease_time()
    }

    /// Whether a request to the hub may leave: no other gateway makes one before its answer has come.
    pub(super) async fn may_ask(&self) -> bool {
        match &self.beside {
            None => true,
            Some(beside) => {
                let hold = self.ledger.hold(Task::Hub, REQUEST + self.term()).await.ok().flatten();
                hold.is_some() && hold == *locked(&beside.hold)
            }
        }
    }

    /// The answer to a request has come.
    pub(super) async fn has_asked(&self) {
        if self.beside.is_some() {
            // Where it is not known whether another gateway holds the subscriptions now, the next exchange tells.
            let _ = self.ledger.hold(Task::Hub, self.term()).await;
        }
    }

    /// Tells every gateway what the hub may ask about.
    pub(super) async fn share_requests(&self) -> Result<()> {
        let (Some(beside), Ok(ours)) = (&self.beside, self.ours()) else { return Ok(()) };
        let mut shared = beside.requests.lock().await;
        let requests = self.state().requests();
        if requests == *shared {
            return Ok(());
        }
        let request = |(mode, until): (Mode, Instant)| HubRequest {
            is_end: mode == Mode::Unsubscribe,
            lasts: until.saturating_duration_since(Instant::now()),
        };
        let told = requests.iter().map(|(setting, asked)| (*setting, asked.map(request))).collect();
        ours.share_hub_requests(told).await?;
        *shared = requests;
        Ok(())
    }

    /// A person looks after what may be missing, at a gateway that does not hold the subscriptions.
    pub(super) async fn settle_elsewhere(&self, beside: &Beside, topic: &str) -> Result<()> {
        let HubStanding { subscriptions, refused } = beside.shown(self.state().shown());
        let had_any = match topic {
            UNKNOWN => Some(refused.is_some()),
            _ => subscriptions
                .iter()
                .find(|of| of.name == topic)
                .map(|of| of.gap.is_some() || of.refused.is_some()),
        };
        may_settle(had_any)?;
        self.ledger.tell_hub_holder(vec![Word::Settled { topic: topic.to_owned() }], Word::add).await
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
