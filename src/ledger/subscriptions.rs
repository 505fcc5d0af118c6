//! What is kept of the webhooks that are subscribed at OpenCRVS, for the next look and the next start.

use std::time::Duration;

use super::{Book, Ledger};
use crate::clock::{Timestamp, to_millis};
use crate::error::{Code, Error, Result};

/// Whether a person has ended the subscriptions.
const ENDED: &str = "webhooks-ended";

/// What is kept of a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WebhookTopic {
    /// The identity of the subscription that was seen.
    pub(crate) identity: Option<i64>,
    /// The same without its secret.
    pub(crate) place: Option<i64>,
    /// By which that one of several is known that has this identity, while others are still to be ended.
    pub(crate) current: Option<i64>,
    /// When OpenCRVS last listed it.
    pub(crate) seen: Option<Timestamp>,
    /// Since when webhooks may be missing, until a person has looked after them.
    pub(crate) lost: Option<Timestamp>,
}

impl Ledger {
    /// Whether a person has ended the subscriptions, and what is kept of each of `topics`.
    pub(crate) async fn webhook_topics(
        &self,
        topics: Vec<&'static str>,
    ) -> Result<(bool, Vec<WebhookTopic>)> {
        self.read(move |book| {
            let kept = topics.iter().map(|topic| book.webhook_topic(topic)).collect::<Result<_>>()?;
            Ok((book.are_webhooks_ended()?, kept))
        })
        .await
    }

    /// OpenCRVS is about to be asked for a subscription to `topic`: it may ask any gateway whether that is meant, for so long.
    /// [`Code::StateConflict`] where a person has ended the subscriptions meanwhile.
    pub(crate) async fn ask_for_webhooks(&self, topic: &'static str, lasts: Duration) -> Result<()> {
        self.run(move |book| {
            if book.are_webhooks_ended()? {
                return Err(Error::new(
                    Code::StateConflict,
                    "a person has ended the subscriptions meanwhile",
                )
                .advise("`mosip-gateway opencrvs subscribe` has them made again."));
            }
            let until = book.now.saturating_add(to_millis(lasts));
            book.tx().set_number(&of_topic("asked", topic), until)
        })
        .await
    }

    /// Whether any gateway has asked for a subscription to `topic` that OpenCRVS may still ask about.
    pub(crate) async fn any_asked_for_webhooks(&self, topic: &'static str) -> Result<bool> {
        if !self.is_shared() {
            return Ok(false);
        }
        // Anybody may ask: no event waits for that.
        let locks = vec![of_topic("asked", topic)];
        self.take(locks, move |book| Ok(book.tx().number(&of_topic("asked", topic))? > Some(book.now))).await
    }

    /// Keeps these for the next look and the next start.
    pub(crate) async fn keep_webhook_topics(&self, topics: Vec<(&'static str, WebhookTopic)>) -> Result<()> {
        self.run(move |book| {
            topics.iter().try_for_each(|(topic, kept)| book.keep_webhook_topic(topic, *kept))
        })
        .await
    }

    /// A person has ended the subscriptions: from now on none is asked for, and none of `topics` counts as gone.
    pub(crate) async fn end_webhooks(&self, topics: Vec<&'static str>) -> Result<()> {
        self.run(move |book| {
            book.tx().set_number(ENDED, 1)?;
            topics.iter().try_for_each(|topic| book.tx().set_number(&of_topic("seen", topic), 0))
        })
        .await
    }

    /// A person wants the subscriptions, and has looked after the webhooks of `topics` that may be missing.
    pub(crate) async fn allow_webhooks(&self, topics: Vec<&'static str>) -> Result<()> {
        self.run(move |book| {
            book.tx().set_number(ENDED, 0)?;
            topics.iter().try_for_each(|topic| book.tx().set_number(&of_topic("lost", topic), 0))
        })
        .await
    }
}

impl Book<'_> {
    fn are_webhooks_ended(&self) -> Result<bool> {
        Ok(self.tx().number(ENDED)?.unwrap_or_default() != 0)
    }

    fn webhook_topic(&self, topic: &str) -> Result<WebhookTopic> {
        let number = |what| -> Result<Option<i64>> {
            Ok(self.tx().number(&of_topic(what, topic))?.filter(|number| *number != 0))
        };
        let moment = |what| -> Result<Option<Timestamp>> { Ok(number(what)?.map(Timestamp::from_millis)) };
        Ok(WebhookTopic {
            identity: number("identity")?,
            place: number("place")?,
            current: number("current")?,
            seen: moment("seen")?,
            lost: moment("lost")?,
        })
    }

    fn keep_webhook_topic(&self, topic: &str, kept: WebhookTopic) -> Result<()> {
        let moment = |moment: Option<Timestamp>| moment.map_or(0, Timestamp::millis);
        let numbers = [
            ("identity", kept.identity.unwrap_or_default()),
            ("place", kept.place.unwrap_or_default()),
            ("current", kept.current.unwrap_or_default()),
            ("seen", moment(kept.seen)),
            ("lost", moment(kept.lost)),
        ];
        numbers.iter().try_for_each(|(what, number)| self.tx().set_number(&of_topic(what, topic), *number))
    }
}

/// Names a number that is kept of `topic`; 0 stands for none.
fn of_topic(what: &str, topic: &str) -> String {
    format!("webhooks-{what}/{topic}")
}
