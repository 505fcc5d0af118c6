//! What is kept on the disk, so that the next start knows what the hub may have stopped delivering, and under which settings it subscribed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Cause, HubInner, LOOK, Subscriber};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::HubTopic;

/// How often it is kept that the gateway is up.
const NOTED_EVERY: Duration = Duration::from_secs(5);

/// What was kept last.
#[derive(Default)]
pub(super) struct Noted {
    topics: Vec<(&'static str, HubTopic)>,
    at: Option<Instant>,
    /// Words of other gateways were heard, and it is not kept what came of them.
    pub(super) has_heard: bool,
}

impl Noted {
    /// When it is kept again.
    pub(super) fn next(&self) -> Instant {
        self.at.map_or_else(Instant::now, |at| at + NOTED_EVERY)
    }
}

impl HubInner {
    /// Where nobody took what the hub delivered for longer than the hub tries, or the subscription was made under other settings, the
    /// topic is subscribed anew.
    pub(super) async fn look_back(&self, subscriber: &Subscriber) {
        let kept = loop {
            match self.read_kept(subscriber).await {
                Ok(kept) => break kept,
                Err(error) => {
                    tracing::error!(
                        code = error.code().as_str(),
                        "it cannot be read what the hub was last asked for"
                    );
                    sleep(LOOK).await;
                }
            }
        };
        let now = self.clock.now();
        // Nobody settles one topic before all are known.
        let mut state = self.state();
        for (topic, kept, identity) in kept {
            let Some((cause, since)) = state.restore(topic, &kept, identity, now) else { continue };
            let since = since.to_iso();
            match cause {
                Cause::Changed => tracing::warn!(
                    topic,
                    since,
                    "the settings of the hub's subscription changed: the topic is subscribed anew"
                ),
                _ => tracing::warn!(
                    topic,
                    since,
                    "no gateway took the hub's messages for longer than the hub tries: the topic is subscribed anew"
                ),
            }
        }
    }

    /// What was kept of each topic, and the identity of the subscription that the settings ask for.
    async fn read_kept(&self, subscriber: &Subscriber) -> Result<Vec<(&'static str, HubTopic, i64)>> {
        let Subscriber { hub, callback, secret } = subscriber;
        let (hub, callback) = (hub.to_string(), callback.to_string());
        let kept = self.ledger.hub_topics(self.topics.set().map(|(setting, _)| setting).collect()).await?;
        let with_identity = |((setting, kept), (_, topic)): ((&'static str, HubTopic), (_, &str))| {
            let parts = [hub.as_bytes(), topic.as_bytes(), callback.as_bytes(), secret.expose()];
            Ok((setting, kept, self.ledger.subscription_identity(&parts)?))
        };
        kept.into_iter().zip(self.topics.set()).map(with_identity).collect()
    }

    /// Keeps how the topics stand, every [`NOTED_EVERY`], and where anything but the time changed. What was said or heard counts in that, and
    /// nobody is to hear it any more.
    pub(super) async fn note(&self, noted: &mut Noted) {
        let Ok(ours) = self.ours() else { return };
        let (topics, said) = {
            let mut state = self.state();
            let topics = state.kept(self.clock.now());
            let shape = |(topic, kept): &(&'static str, HubTopic)| {
                let passes = |moment: Option<Timestamp>| moment.map(|_| Timestamp::default());
                (*topic, HubTopic { up: passes(kept.up), heard: passes(kept.heard), ..*kept })
            };
            let is_same = topics.iter().map(shape).eq(noted.topics.iter().map(shape));
            if is_same && !noted.has_heard && Instant::now() < noted.next() {
                return;
            }
            (topics, state.take_said())
        };
        noted.topics.clone_from(&topics);
        noted.at = Some(Instant::now());
        match ours.keep_hub_topics(topics, noted.has_heard).await {
            Ok(()) => noted.has_heard = false,
            Err(error) => {
                said.into_iter().for_each(|word| self.say(|| word));
                tracing::error!(
                    code = error.code().as_str(),
                    "it cannot be kept how the subscriptions at the hub stand"
                );
            }
        }
    }
}
