//! What the gateways over one database keep together of MOSIP's hub: one of them subscribes for all, and the hub may ask and tell any of them.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hub::of_topic;
use super::{Book, Ledger};
use crate::clock::{Timestamp, between, to_millis};
use crate::error::Result;

/// What the holder of the subscriptions has not heard yet.
const WORDS: &str = "hub-words";
/// What it has heard, and has not kept yet.
const HEARD: &str = "hub-heard";
/// How the subscriptions stand, as their holder shows it.
const SHOWN: &str = "hub-shown";
/// The lock of a question, which anybody may ask: no event waits for it.
const ASKED: &str = "hub-asked";
/// Since when one gateway or another has taken the hub's messages, and until when.
const SERVED: [&str; 2] = ["hub-served-since", "hub-served"];

/// A request about a topic that the hub may ask about, on any gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HubRequest {
    /// It is to end the subscription.
    pub(crate) is_end: bool,
    /// For so long.
    pub(crate) lasts: Duration,
}

impl Ledger {
    /// From now on every gateway knows these requests, each of the topic of a setting; `None`: the hub may ask about none.
    pub(crate) async fn share_hub_requests(
        &self,
        requests: Vec<(&'static str, Option<HubRequest>)>,
    ) -> Result<()> {
        self.run(move |book| {
            requests.iter().try_for_each(|(topic, request)| {
                // When it ends, on the outbox's clock; below zero: it is to end the subscription.
                let until = request.map_or(0, |HubRequest { is_end, lasts }| {
                    let until = book.now.saturating_add(to_millis(lasts));
                    if is_end { -until } else { until }
                });
                book.tx().set_number(&of_topic("asks", topic), until)
            })
        })
        .await
    }

    /// Whether a gateway has asked the hub to begin the subscription to `topic`, or to end it as `is_end` says, and the hub may ask about that.
    /// Then the word tells the holder that the hub has verified it, as [`Self::tell_hub_holder`] does.
    pub(crate) async fn verify_shared<W: Serialize + DeserializeOwned + Clone + Send + 'static>(
        &self,
        topic: &'static str,
        is_end: bool,
        (word, add): (W, fn(&mut Vec<W>, W)),
    ) -> Result<bool> {
        self.take(vec![ASKED.to_owned()], move |book| {
            let is_asked = book.hub_request(topic)?.is_some_and(|request| request.is_end == is_end);
            if is_asked {
                book.tell_holder(vec![word.clone()], add)?;
            }
            Ok(is_asked)
        })
        .await
    }

    /// Of `topics` that of which the subscription was asked for last, with for how long the hub may ask about it.
    pub(crate) async fn shared_hub_request(
        &self,
        topics: Vec<&'static str>,
    ) -> Result<Option<(&'static str, Duration)>> {
        self.take(vec![ASKED.to_owned()], move |book| {
            let mut last = None;
            for topic in &topics {
                let request = book.hub_request(topic)?.filter(|request| !request.is_end);
                last = last.max(request.map(|request| (request.lasts, *topic)));
            }
            Ok(last.map(|(lasts, topic)| (topic, lasts)))
        })
        .await
    }

    /// Keeps `words` until the holder hears them; `add` adds one to those before it, and keeps them few.
    pub(crate) async fn tell_hub_holder<W: Serialize + DeserializeOwned + Clone + Send + 'static>(
        &self,
        words: Vec<W>,
        add: fn(&mut Vec<W>, W),
    ) -> Result<()> {
        self.run(move |book| book.tell_holder(words.clone(), add)).await
    }

    /// What other gateways have told the holder, in order: the same again, whoever holds the subscriptions then, until it is kept what came of
    /// it, as [`Self::keep_hub_topics`] does.
    pub(crate) async fn hear_hub_words<W: Serialize + DeserializeOwned + Send + 'static>(
        &self,
    ) -> Result<Vec<W>> {
        self.run(|book| {
            let heard: Vec<W> = book.noted(HEARD)?.unwrap_or_default();
            if !heard.is_empty() {
                return Ok(heard);
            }
            let words: Vec<W> = book.noted(WORDS)?.unwrap_or_default();
            if !words.is_empty() {
                book.note(HEARD, &words)?;
                book.note(WORDS, &[(); 0])?;
            }
            Ok(words)
        })
        .await
    }

    /// The holder shows the other gateways how the subscriptions stand.
    pub(crate) async fn show_hub<S: Serialize + Send + Sync + 'static>(&self, shown: S) -> Result<()> {
        self.run(move |book| book.note(SHOWN, &shown)).await
    }

    /// How the subscriptions stand, as the holder last showed it.
    pub(crate) async fn shown_hub<S: DeserializeOwned + Send + 'static>(&self) -> Result<Option<S>> {
        self.read(|book| book.noted(SHOWN)).await
    }

    /// This gateway takes the hub's messages at `now`. Where none did for longer than `longest`, what came in between is missing.
    pub(crate) async fn serve_hub(&self, now: Timestamp, longest: Duration) -> Result<()> {
        self.run(move |book| {
            let now = now.millis();
            let [since, until] = SERVED;
            let last = book.tx().number(until)?;
            if last.is_none_or(|last| now.abs_diff(last) > longest.as_millis().try_into().unwrap_or(u64::MAX))
            {
                book.tx().set_number(since, now)?;
            }
            book.tx().set_number(until, now)
        })
        .await
    }
}

impl Book<'_> {
    /// Until when a gateway was up for a topic: where another one has taken the hub's messages ever since, until it last said so.
    pub(super) fn hub_was_up(&self, up: Option<Timestamp>) -> Result<Option<Timestamp>> {
        let moment = |name| -> Result<_> { Ok(self.tx().number(name)?.map(Timestamp::from_millis)) };
        let [since, until] = SERVED.map(moment);
        let served = since?.zip(until?);
        Ok(match (up, served) {
            (Some(up), Some((since, until))) if since <= up => Some(up.max(until)),
            _ => up,
        })
    }

    fn hub_request(&self, topic: &str) -> Result<Option<HubRequest>> {
        let until = self.tx().number(&of_topic("asks", topic))?.unwrap_or_default();
        let (is_end, until) = (until < 0, until.saturating_abs());
        Ok((until > self.now).then(|| HubRequest { is_end, lasts: between(self.now, until) }))
    }

    /// What was heard is kept now.
    pub(super) fn forget_heard(&self) -> Result<()> {
        self.note(HEARD, &[(); 0])
    }

    fn tell_holder<W: Serialize + DeserializeOwned>(
        &self,
        words: Vec<W>,
        add: fn(&mut Vec<W>, W),
    ) -> Result<()> {
        let mut kept: Vec<W> = self.noted(WORDS)?.unwrap_or_default();
        words.into_iter().for_each(|word| add(&mut kept, word));
        self.note(WORDS, &kept)
    }
}
