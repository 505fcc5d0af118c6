//! How the subscriptions stand, as the gateway and those who look see it.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::words::words;

/// How long after a request of ours the service's question may come.
pub(super) const QUESTION_WITHIN: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct State {
    pub(super) topics: Vec<Topic>,
    pub(super) is_ended: bool,
    pub(super) looked: Option<Timestamp>,
    pub(super) refusal: Option<Error>,
    /// When each topic was last asked for.
    asked: Vec<(&'static str, Instant)>,
}

/// How the subscriptions stand.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// Of the service.
    pub(crate) host: String,
    /// A person has ended them, and nothing is subscribed until one asks for it.
    pub(crate) is_ended: bool,
    /// When the service last listed them.
    pub(crate) looked: Option<Timestamp>,
    /// Why the service did not list them at the last look.
    pub(crate) refusal: Option<Error>,
    pub(crate) topics: Vec<Topic>,
}

/// How one topic stands.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    /// How many subscriptions of ours the service lists. With more than one each webhook comes as often, and counts once.
    pub(crate) subscriptions: usize,
    /// Since when webhooks may be missing, until a person has looked after them.
    pub(crate) lost: Option<Timestamp>,
    /// Why it is not subscribed.
    pub(crate) refusal: Option<Error>,
}

words! {
    /// How a topic stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Standing {
        /// It was not asked for yet.
        Pending = "pending",
        /// The service lists it.
        Active = "active",
        /// It cannot be subscribed, or the service cannot be asked.
        Failing = "failing",
        /// A person has ended it.
        Ended = "ended",
    }
}

impl State {
    /// Nothing was asked for yet.
    pub(super) fn of(topics: &[&'static str]) -> Self {
        let pending = |name: &&'static str| Topic {
            name,
            standing: Standing::Pending,
            subscriptions: 0,
            lost: None,
            refusal: None,
        };
        Self { topics: topics.iter().map(pending).collect(), ..Self::default() }
    }

    /// Whether nothing is to be asked for soon.
    pub(super) fn is_well(&self) -> bool {
        self.topics.iter().all(|topic| matches!(topic.standing, Standing::Active | Standing::Ended))
    }

    /// `topic` is asked for now.
    pub(super) fn ask(&mut self, topic: &'static str) {
        self.asked.retain(|(of, _)| *of != topic);
        self.asked.push((topic, Instant::now()));
    }

    /// What came of asking for `topic`: `None` where the service has taken it.
    pub(super) fn refuse(&mut self, topic: &str, refusal: Option<Error>) {
        for topic in self.topics.iter_mut().filter(|of| of.name == topic) {
            topic.standing = if refusal.is_some() { Standing::Failing } else { Standing::Pending };
            topic.refusal.clone_from(&refusal);
        }
    }

    /// Whether a question about `topic` is one that a request of ours has caused.
    pub(super) fn expects(&self, topic: &str) -> bool {
        self.asked.iter().any(|(of, at)| *of == topic && at.elapsed() < QUESTION_WITHIN)
    }
}
