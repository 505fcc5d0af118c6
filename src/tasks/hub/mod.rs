//! The subscriptions at MOSIP's hub. Each topic is subscribed until the hub has verified it, and renewed before its lease ends. A hub
//! that is away holds nothing up: events go their way, and its state is shown.

mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Uri};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::state::State;
pub(crate) use self::state::{Gap, Standing, Status};
use crate::clock::Clock;
use crate::crypto::secret::SecretBytes;
use crate::destinations::TokenSource;
use crate::destinations::drive::Outside;
use crate::destinations::hub::{Publisher, Settings};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::mosip::push::PushKind;
use crate::mosip::websub::{self, Answer, Topics};
use crate::random::Random;
use crate::upstream::{self, Request};

/// For one request to the hub.
const DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer of the hub, bytes; a real one is a line.
const MAX_REPLY: usize = 64 << 10;
/// How often a disk that had no room for a message is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The hub, and what is subscribed there. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Parts>);

struct Parts {
    topics: Topics,
    /// `None`: nothing is subscribed from here.
    target: Option<Target>,
    /// What `websub.hub_url` needs and is not set.
    unset: Vec<&'static str>,
    host: Option<String>,
    outside: Arc<dyn Outside>,
    token: Option<Arc<TokenSource>>,
    ledger: Ledger,
    clock: Clock,
    random: Random,
    state: Mutex<State>,
    wake: Notify,
}

/// Where is subscribed, and what for.
struct Target {
    hub: Uri,
    callback: Uri,
    secret: Arc<SecretBytes>,
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
        let Settings { hub_url, callback_url, secret, topics, renew_every, unset, .. } = publisher.settings();
        let target = match (hub_url, callback_url, secret) {
            (Some(hub), Some(callback), Some(secret)) if unset.is_empty() => {
                Some(Target { hub: hub.clone(), callback: callback.clone(), secret: Arc::clone(secret) })
            }
            _ => None,
        };
        Self(Arc::new(Parts {
            topics: topics.clone(),
            state: Mutex::new(State::new(topics, *renew_every)),
            target,
            unset: unset.clone(),
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

    /// The hub verifies that a subscription to `topic` was meant; `lease` as it says it. True where it was asked for. Where nothing is
    /// subscribed from here, a topic of the settings is somebody else's subscription.
    pub(crate) fn verify(&self, topic: &str, lease: Option<&str>) -> bool {
        let Some(_) = self.0.target else { return self.0.topics.set().any(|(_, ours)| ours == topic) };
        let is_ours = self.0.state().verified(topic, websub::lease(lease), self.0.clock.now());
        if is_ours {
            self.0.wake.notify_one();
        }
        is_ours
    }

    /// Somebody says, as the hub does, that a subscription to `topic` is denied or broken. Nothing proves it: it makes the gateway
    /// subscribe again, once in a while, and nothing else.
    pub(crate) fn denied(&self, topic: Option<&str>, reason: Option<&str>) {
        if self.0.target.is_none() {
            return;
        }
        let is_known = reason.is_some_and(websub::is_already_registered);
        if self.0.state().denied(topic, is_known, self.0.clock.now()) {
            tracing::warn!("the hub tells of a subscription that is denied or broken: it is asked again");
        }
        self.0.wake.notify_one();
    }

    /// A message of the hub could not be stored, so that the hub may have given up.
    pub(crate) fn missed(&self) {
        if self.0.state().missed(self.0.clock.now()) {
            tracing::error!(
                "a message of MOSIP's hub could not be stored: the hub may stop delivering, and is subscribed to again once there is room"
            );
        }
        self.0.wake.notify_one();
    }

    /// How it stands; `None`: no hub is set.
    pub(crate) fn status(&self) -> Option<Status> {
        let host = self.0.host.clone()?;
        let state = self.0.state();
        let subscriptions = match self.0.target {
            Some(_) => state.subscriptions(),
            None => Vec::new(),
        };
        Some(Status { host, unset: self.0.unset.clone(), subscriptions, gap: state.gap() })
    }

    /// Subscribes, and keeps what is subscribed. Runs for ever.
    pub(crate) async fn run(&self) {
        let Some(target) = &self.0.target else { return std::future::pending().await };
        loop {
            let (due, next) = {
                let mut state = self.0.state();
                if state.is_missing() && self.0.ledger.has_room() {
                    state.room_again(self.0.clock.now());
                    tracing::warn!("there is room again: MOSIP's hub is subscribed to again");
                }
                let (due, next) = state.due();
                let look = state.is_missing().then(|| Instant::now() + LOOK);
                (due, look.map_or(next, |look| look.min(next)))
            };
            match due {
                Some(topic) => self.0.ask(target, &topic).await,
                None => tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.0.wake.notified() => {}
                },
            }
        }
    }
}

impl Parts {
    async fn ask(&self, target: &Target, topic: &str) {
        self.state().asked(topic);
        let answer = self.subscribe(target, topic).await;
        match &answer {
            Ok(_) => tracing::info!("MOSIP's hub takes the subscription"),
            Err(error) => tracing::warn!(
                code = error.code().as_str(),
                detail = error.detail(),
                advice = error.advice(),
                "MOSIP's hub cannot be subscribed to yet; events are not held up"
            ),
        }
        self.state().answered(topic, answer, self.random.u32(), self.clock.now());
    }

    async fn subscribe(&self, target: &Target, topic: &str) -> Result<Answer> {
        let Target { hub, callback, secret } = target;
        let (uri, headers, body) = websub::subscribe(hub, topic, callback, secret);
        let (method, deadline, max_response) = (Method::POST, DEADLINE, MAX_REPLY);
        let request = Request { method, uri, headers, body, deadline, max_response };
        let reply = self.outside.send(self.token.clone(), request).await??;
        websub::read_answer(reply.status, &reply.body).map_err(|error| reply.explain(error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
