//! The subscriptions to OpenCRVS's webhooks. Each look lists them first and asks for what is missing, so that none is made twice; nothing is
//! ended that the list did not give. A service that is away holds nothing up: events go their way, and how it stands is shown.
//! Of several gateways over one database one at a time asks for anything; the others list.

mod compare;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use self::state::{QUESTION_WITHIN, State};
pub(crate) use self::state::{Standing, Status, Topic};
use crate::clock::Clock;
use crate::destinations::EventRoutes;
use crate::destinations::drive::Outside;
use crate::destinations::opencrvs::Service;
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::{Ledger, Task, WebhookTopic};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::subscription::{Subscribed, TOPICS};

/// Between two looks where all is in order.
const EVERY: Duration = Duration::from_hours(1);
/// Before the next look where something is not; it doubles up to [`EVERY`].
const SOON: Duration = Duration::from_mins(1);
/// How long no other gateway asks for anything where one ended within a look: longer than each call of a look may take, one after the other.
const TURN: Duration = Duration::from_mins(10);

/// The subscriptions at OpenCRVS. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Subscriptions(Arc<Inner>);

struct Inner {
    /// `None`: the gateway subscribes nothing, and a person may by hand.
    service: Option<Arc<Service>>,
    topics: Vec<&'static str>,
    routes: EventRoutes,
    outside: Arc<dyn Outside>,
    ledger: Ledger,
    clock: Clock,
    state: Mutex<State>,
    /// Of whoever looks here: two at once would subscribe a topic twice. Among several gateways whoever asks has [`Task::Webhooks`], too.
    turn: tokio::sync::Mutex<()>,
    /// A look for a person found something missing.
    wake: Notify,
}

/// What a look may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It lists.
    Show,
    /// It asks for what is missing, unless a person has ended the subscriptions, or another gateway does.
    Keep,
    /// A person wants them, and has looked after what may be missing.
    Want,
}

impl Subscriptions {
    /// At `service`. Nothing is asked before [`Self::run`]. Where no topic is named, those are meant that `routes` take.
    pub(crate) fn new(
        service: Option<Arc<Service>>,
        routes: EventRoutes,
        (outside, ledger, clock): (Arc<dyn Outside>, Ledger, Clock),
    ) -> Self {
        let named = service.as_ref().and_then(|service| service.topics().map(<[_]>::to_vec));
        let taken = || TOPICS.into_iter().filter(|topic| is_taken(&routes, topic)).collect();
        let topics: Vec<&'static str> = named.unwrap_or_else(taken);
        let state = Mutex::new(State::of(&topics));
        let (turn, wake) = Default::default();
        Self(Arc::new(Inner { service, topics, routes, outside, ledger, clock, state, turn, wake }))
    }

    /// Whether a question of the service about `topic` is one that a request of ours has caused, of this gateway or of another one over the
    /// database. `None`: the gateway subscribes nothing, and somebody else may have asked.
    pub(crate) async fn expects(&self, topic: &str) -> Option<bool> {
        self.0.service.as_ref()?;
        if self.0.state().expects(topic) {
            return Some(true);
        }
        let Some(ours) = self.0.topics.iter().find(|ours| **ours == topic) else { return Some(false) };
        Some(self.0.ledger.any_asked_for_webhooks(ours).await.unwrap_or_default())
    }

    /// How they stand, as was last seen; `None`: none are set.
    pub(crate) fn status(&self) -> Option<Status> {
        let host = self.0.service.as_ref()?.host();
        let State { topics, is_ended, looked, refusal, .. } = &*self.0.state();
        let (topics, refusal) = (topics.clone(), refusal.clone());
        Some(Status { host, is_ended: *is_ended, looked: *looked, refusal, topics })
    }

    /// Has the service list them, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`Code::StateConflict`] where none are set; what the service, its token or the outbox is refused with.
    pub(crate) async fn look(&self) -> Result<Status> {
        self.0.look(Purpose::Show).await?;
        self.status().ok_or_else(unset)
    }

    /// Subscribes what is missing. A person has looked after the webhooks that may be missing until now.
    ///
    /// # Errors
    ///
    /// As [`Self::look`], and [`Code::StateConflict`] while another gateway looks; a topic that is refused says so in the answer.
    pub(crate) async fn want(&self) -> Result<Status> {
        self.0.look(Purpose::Want).await?;
        self.status().ok_or_else(unset)
    }

    /// As [`Self::want`], without asking for anything: where no gateway runs, nobody answers the service's question.
    ///
    /// # Errors
    ///
    /// [`Code::Storage`]; [`Code::StateConflict`] while another gateway looks.
    pub(crate) async fn allow(&self) -> Result<()> {
        let _turn = self.0.turn.lock().await;
        let ours = self.0.ours().await?.ok_or_else(another_looks)?;
        let allowed = ours.allow_webhooks(self.0.topics.clone()).await;
        self.0.let_go().await;
        allowed
    }

    /// Ends every subscription that the service lists as ours, and has none made until [`Self::want`].
    ///
    /// # Errors
    ///
    /// As [`Self::want`]. What was ended stays ended; it is durable that none is to be made.
    pub(crate) async fn end(&self) -> Result<Status> {
        let service = self.0.service.as_ref().ok_or_else(unset)?;
        self.0.end(service).await?;
        self.look().await
    }

    /// Looks at the start and every hour. Runs for ever.
    pub(crate) async fn run(&self) {
        if self.0.service.is_none() {
            return std::future::pending().await;
        }
        let mut rest = SOON;
        loop {
            // What came of it stands in the state, and in the log.
            let is_well = self.0.look(Purpose::Keep).await.is_ok() && self.0.state().is_well();
            let next = if is_well { EVERY } else { rest };
            rest = if is_well { SOON } else { (rest * 2).min(EVERY) };
            // Whoever wakes it has seen that it is time.
            let _ = timeout(next, self.0.wake.notified()).await;
        }
    }
}

impl Inner {
    async fn look(&self, purpose: Purpose) -> Result<()> {
        let service = self.service.as_ref().ok_or_else(unset)?;
        let _turn = self.turn.lock().await;
        let ours = match purpose {
            Purpose::Show => None,
            Purpose::Keep => self.ours().await?,
            Purpose::Want => Some(self.ours().await?.ok_or_else(another_looks)?),
        };
        let seen = self.look_at(service, purpose, ours.as_ref()).await;
        if ours.is_some() {
            self.let_go().await;
        }
        let mut state = self.state();
        state.refusal = seen.as_ref().err().cloned();
        if let Err(error) = &seen {
            for topic in state.topics.iter_mut().filter(|topic| topic.standing == Standing::Pending) {
                topic.standing = Standing::Failing;
            }
            tracing::warn!(
                code = error.code().as_str(),
                detail = error.detail(),
                advice = error.advice(),
                "OpenCRVS does not say what is subscribed; webhooks come as before"
            );
        }
        seen
    }

    /// The ledger of the one gateway that asks, which this one is until [`Self::let_go`]; `None`: another one is.
    async fn ours(&self) -> Result<Option<Ledger>> {
        let hold = self.ledger.hold(Task::Webhooks, TURN).await?;
        Ok(hold.map(|hold| self.ledger.under(hold)))
    }

    async fn let_go(&self) {
        // Where that fails, it ends by itself.
        let _ = self.ledger.let_go(Task::Webhooks).await;
    }

    /// `ours` as [`Self::ours`] says; `None`: nothing is asked for, and nothing kept.
    async fn look_at(&self, service: &Service, purpose: Purpose, ours: Option<&Ledger>) -> Result<()> {
        if let (Purpose::Want, Some(ours)) = (purpose, ours) {
            ours.allow_webhooks(self.topics.clone()).await?;
        }
        let (is_ended, mut kept) = self.ledger.webhook_topics(self.topics.clone()).await?;
        let listed = service.list(&*self.outside).await?;
        let stale = self.compare(service, &listed, is_ended, &mut kept)?;
        let Some(ours) = ours else {
            if purpose == Purpose::Show && !is_ended && !self.state().is_well() {
                self.wake.notify_one();
            }
            return Ok(());
        };
        self.keep(ours, &kept).await?;
        if is_ended {
            return Ok(());
        }
        let taken = self.ask_for_missing(service, ours, &stale).await;
        if taken.is_empty() && stale.is_empty() {
            return Ok(());
        }
        // A subscription counts once it is listed.
        let mut listed = if taken.is_empty() { listed } else { service.list(&*self.outside).await? };
        self.end_replaced(service, &stale, &mut listed, &mut kept).await?;
        let stale = self.compare(service, &listed, is_ended, &mut kept)?;
        self.keep(ours, &kept).await?;
        self.find_forgotten(&stale, &taken);
        Ok(())
    }

    /// Asks for the topics of which the list gives none, or `stale` ones alone; those that the service has taken.
    async fn ask_for_missing(
        &self,
        service: &Service,
        ours: &Ledger,
        stale: &[Subscribed],
    ) -> Vec<&'static str> {
        let is_missing = |topic: &&Topic| topic.subscriptions == count_of(stale, topic.name);
        let missing: Vec<&'static str> =
            self.state().topics.iter().filter(is_missing).map(|topic| topic.name).collect();
        let mut taken = Vec::new();
        for topic in missing {
            if self.ask(service, ours, topic).await {
                taken.push(topic);
            }
        }
        taken
    }

    /// Whether the service has taken a subscription to `topic`.
    async fn ask(&self, service: &Service, ours: &Ledger, topic: &'static str) -> bool {
        let asked = match is_taken(&self.routes, topic) {
            true => {
                self.state().ask(topic);
                match ours.ask_for_webhooks(topic, QUESTION_WITHIN).await {
                    Ok(()) => service.subscribe(&*self.outside, topic).await,
                    Err(error) => Err(error),
                }
            }
            false => Err(not_taken(topic)),
        };
        match &asked {
            Ok(()) => tracing::info!(topic, "OpenCRVS takes the subscription to a topic"),
            Err(error) => tracing::warn!(
                topic,
                code = error.code().as_str(),
                detail = error.detail(),
                advice = error.advice(),
                "OpenCRVS's webhooks cannot be subscribed to yet"
            ),
        }
        let has_taken = asked.is_ok();
        self.state().refuse(topic, asked.err());
        has_taken
    }

    /// Ends those that are `stale` where `listed` has another one of the topic, so that no webhook falls between; they leave `listed`. One that
    /// cannot be ended holds up no other.
    async fn end_replaced(
        &self,
        service: &Service,
        stale: &[Subscribed],
        listed: &mut Vec<Subscribed>,
        kept: &mut [WebhookTopic],
    ) -> Result<()> {
        let is_stale = |listed: &Subscribed| stale.iter().any(|stale| stale.id == listed.id);
        for (topic, kept) in self.topics.iter().zip(kept) {
            let is_new = |of: &Subscribed| of.topic == *topic && service.is_ours(of) && !is_stale(of);
            let Some(new) = listed.iter().find(|of| is_new(of)) else { continue };
            if count_of(stale, topic) == 0 {
                continue;
            }
            kept.identity = Some(self.identity(service, topic)?);
            kept.current = Some(self.known(new)?);
            let mut refusal = None;
            for old in stale.iter().filter(|stale| stale.topic == *topic) {
                match service.end(&*self.outside, old).await {
                    Ok(()) => listed.retain(|listed| listed.id != old.id),
                    Err(error) => refusal = Some(error),
                }
            }
            match &refusal {
                None => {
                    tracing::info!(topic, "a subscription at OpenCRVS is made anew under the secret of today")
                }
                Some(error) => tracing::warn!(
                    topic,
                    code = error.code().as_str(),
                    detail = error.detail(),
                    advice = error.advice(),
                    "a former subscription at OpenCRVS cannot be ended yet; webhooks that it brings are refused"
                ),
            }
            self.state().refuse(topic, refusal);
        }
        Ok(())
    }

    /// What the service has `taken` and does not list: of the topic it lists none, or `stale` ones alone.
    fn find_forgotten(&self, stale: &[Subscribed], taken: &[&'static str]) {
        let mut state = self.state();
        let is_forgotten = |topic: &&mut Topic| {
            taken.contains(&topic.name) && topic.subscriptions == count_of(stale, topic.name)
        };
        for topic in state.topics.iter_mut().filter(is_forgotten) {
            tracing::warn!(topic = topic.name, "OpenCRVS took a subscription and does not list it");
            (topic.standing, topic.refusal) = (Standing::Failing, Some(forgotten()));
        }
    }

    async fn end(&self, service: &Service) -> Result<()> {
        let _turn = self.turn.lock().await;
        let ours = self.ours().await?;
        // Before the first is ended, or the next look would make it again; and while another gateway looks, too, which then asks for no more.
        self.ledger.end_webhooks(self.topics.clone()).await?;
        let ended = match ours {
            Some(_) => self.end_listed(service).await,
            None => return Err(another_looks()),
        };
        self.let_go().await;
        ended
    }

    async fn end_listed(&self, service: &Service) -> Result<()> {
        let listed = service.list(&*self.outside).await?;
        for ours in listed.iter().filter(|listed| service.is_ours(listed)) {
            service.end(&*self.outside, ours).await?;
            tracing::warn!(topic = ours.topic, "a subscription at OpenCRVS is ended on request");
        }
        Ok(())
    }

    async fn keep(&self, ours: &Ledger, kept: &[WebhookTopic]) -> Result<()> {
        let topics = self.topics.iter().copied().zip(kept.iter().copied()).collect();
        ours.keep_webhook_topics(topics).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of `subscriptions` are to `topic`.
fn count_of(subscriptions: &[Subscribed], topic: &str) -> usize {
    subscriptions.iter().filter(|of| of.topic == topic).count()
}

/// Whether an event of `topic` goes anywhere.
fn is_taken(routes: &EventRoutes, topic: &str) -> bool {
    EventKind::of_topic(topic).is_some_and(|kind| routes.destinations_of(kind).is_ok())
}

fn not_taken(topic: &str) -> Error {
    Error::new(Code::KindNotConfigured, format!("nothing takes what {topic} brings"))
        .advise("Set its URL under [upstream.mediator], name its kind in kinds of one of [[systems]], or take the topic out of opencrvs.webhooks.topics.")
}

fn forgotten() -> Error {
    Error::new(Code::Upstream, "OpenCRVS's webhooks service took the subscription and does not list it")
        .blame(Fault::Partner, true)
        .advise("Ask the administrator of OpenCRVS whether the database of its webhooks service keeps what it takes.")
}

fn another_looks() -> Error {
    Error::new(Code::StateConflict, "another gateway looks at the webhooks of OpenCRVS just now")
        .advise("Ask again in a moment. Where that gateway has ended, its look ends after ten minutes.")
}

fn unset() -> Error {
    Error::new(Code::StateConflict, "the gateway subscribes no webhooks of OpenCRVS")
        .advise("Set opencrvs.webhooks, the client of OpenCRVS and faces.webhooks; `mosip-gateway doctor` names what is missing.")
}
