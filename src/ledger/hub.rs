//! What is kept for MOSIP's hub. What is published back to it is an entry of its own for each credential that verified, made in the
//! transaction that first delivers the credential. And of each topic it is kept how it stood, for the next start.

use std::time::Duration;

use super::correlation::Named;
use super::entry::NewEntry;
use super::{Book, Ledger};
use crate::clock::{Timestamp, to_millis};
use crate::error::Result;
use crate::mosip::push::Receipt;
use crate::mosip::websub;
use crate::registration::Subject;

/// How it is published that a credential was received.
#[derive(Debug, Clone)]
pub(crate) struct Publications {
    /// The destination and the kind of their entries.
    pub(crate) destination: &'static str,
    pub(crate) kind: &'static str,
    /// The partner as whom it is published.
    pub(crate) publisher: String,
}

/// What is kept of a topic of the hub for the next start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HubTopic {
    /// Until when a gateway was up for it; written where it is there.
    pub(crate) up: Option<Timestamp>,
    /// The identity of the subscription that the hub has, 0 while it is being ended; written where it is there.
    pub(crate) subscription: Option<i64>,
    /// Messages of the topic may be missing that were refused.
    pub(crate) refused: Option<KeptDoubt>,
    /// The same, where the messages named no topic and may have been of another one.
    pub(crate) unnamed: Option<KeptDoubt>,
    /// Since when messages may be missing that the hub did not deliver.
    pub(crate) silence: Option<Timestamp>,
    /// When the gateway last ended the subscription.
    pub(crate) ended: Option<Timestamp>,
    /// After how long the hub's last lease asks for a renewal.
    pub(crate) renew_in: Option<Duration>,
    /// When the last message was taken, or the hub last verified a new subscription.
    pub(crate) heard: Option<Timestamp>,
    /// Registrations without an answer that say nothing against the topic.
    pub(crate) excused: u64,
    /// Until when a person has looked after what may be missing.
    pub(crate) settled: Option<Timestamp>,
}

/// What is kept of messages that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptDoubt {
    pub(crate) since: Timestamp,
    /// How many attempts of the hub failed; 0: the hub has verified a new subscription since.
    pub(crate) attempts: u32,
    /// How many of them did not fail on their way.
    pub(crate) lasting: u32,
}

impl Ledger {
    /// What is kept of each of `topics`.
    pub(crate) async fn hub_topics(
        &self,
        topics: Vec<&'static str>,
    ) -> Result<Vec<(&'static str, HubTopic)>> {
        self.read(move |book| topics.iter().map(|topic| Ok((*topic, book.hub_topic(topic)?))).collect()).await
    }

    /// Keeps these for the next start; `with_heard`: what [`Self::hear_hub_words`] gave last counts in them, and is heard no more.
    pub(crate) async fn keep_hub_topics(
        &self,
        topics: Vec<(&'static str, HubTopic)>,
        with_heard: bool,
    ) -> Result<()> {
        self.run(move |book| {
            if with_heard {
                book.forget_heard()?;
            }
            topics.iter().try_for_each(|(topic, kept)| book.keep_hub_topic(topic, kept))
        })
        .await
    }

    /// By what a subscription is known again that these `parts` make, such as its secret: the first 64 bits of an HMAC under the identity
    /// key, so that nothing of them can be told from it.
    pub(crate) fn subscription_identity(&self, parts: &[&[u8]]) -> Result<i64> {
        let hash = self.identity(&[&[b"subscription".as_slice()], parts].concat())?;
        Ok(hash.first_chunk().map_or(1, |first| i64::from_be_bytes(*first)))
    }

    /// From now on it is published that a credential was received. Called once, before anything moves.
    pub(crate) fn publish_received(&self, publications: Publications) {
        // A second call changes nothing.
        let _ = self.rules.publications.set(publications);
    }
}

impl Book<'_> {
    fn hub_topic(&self, topic: &str) -> Result<HubTopic> {
        let number = |what: &str| self.tx().number(&of_topic(what, topic));
        let moment = |what: &str| -> Result<_> {
            Ok(number(what)?.filter(|millis| *millis != 0).map(Timestamp::from_millis))
        };
        let count = |what: String| -> Result<u32> {
            Ok(number(&what)?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default())
        };
        let doubt = |what: &str| -> Result<_> {
            let Some(since) = moment(what)? else { return Ok(None) };
            let (attempts, lasting) = (count(format!("{what}-attempts"))?, count(format!("{what}-lasting"))?);
            Ok(Some(KeptDoubt { since, attempts, lasting }))
        };
        let renew_in = number("renew-in")?.and_then(|millis| u64::try_from(millis).ok());
        Ok(HubTopic {
            up: self.hub_was_up(moment("up")?)?,
            subscription: number("subscription")?,
            refused: doubt("refused")?,
            unnamed: doubt("unnamed")?,
            silence: moment("silence")?,
            ended: moment("ended")?,
            renew_in: renew_in.filter(|millis| *millis != 0).map(Duration::from_millis),
            heard: moment("heard")?,
            excused: number("excused")?.and_then(|excused| u64::try_from(excused).ok()).unwrap_or_default(),
            settled: moment("settled")?,
        })
    }

    fn keep_hub_topic(&self, topic: &str, kept: &HubTopic) -> Result<()> {
        let HubTopic {
            up,
            subscription,
            refused,
            unnamed,
            silence,
            ended,
            renew_in,
            heard,
            excused,
            settled,
        } = kept;
        let moment = |moment: &Option<Timestamp>| Some(moment.map_or(0, Timestamp::millis));
        let numbers = [
            ("up", up.map(Timestamp::millis)),
            ("subscription", *subscription),
            ("refused", moment(&refused.map(|doubt| doubt.since))),
            ("refused-attempts", refused.map(|doubt| doubt.attempts.into())),
            ("refused-lasting", refused.map(|doubt| doubt.lasting.into())),
            ("unnamed", moment(&unnamed.map(|doubt| doubt.since))),
            ("unnamed-attempts", unnamed.map(|doubt| doubt.attempts.into())),
            ("unnamed-lasting", unnamed.map(|doubt| doubt.lasting.into())),
            ("silence", moment(silence)),
            ("ended", moment(ended)),
            ("renew-in", Some(renew_in.map_or(0, to_millis))),
            ("heard", heard.map(Timestamp::millis)),
            ("excused", Some(i64::try_from(*excused).unwrap_or(i64::MAX))),
            ("settled", moment(settled)),
        ];
        for (what, number) in numbers.into_iter().filter_map(|(what, number)| Some((what, number?))) {
            let name = of_topic(what, topic);
            // It is kept every few seconds, and little of it changes.
            let is_kept = self.tx().number(&name)? == Some(number);
            if !is_kept {
                self.tx().set_number(&name, number)?;
            }
        }
        Ok(())
    }
}

/// Names a number that is kept of `topic`; 0 stands for none.
pub(super) fn of_topic(what: &str, topic: &str) -> String {
    format!("hub-{what}/{topic}")
}

impl Book<'_> {
    /// The credential that `push` brought was received: its issuer hears so once, under the id of the request, without which it could not
    /// tell which credential is meant.
    pub(super) fn publish_received(
        &self,
        push: &str,
        named: Option<&Named>,
        subject: &Subject,
        receipt: Option<&Receipt>,
    ) -> Result<()> {
        let Some((publications, receipt)) = self.rules.publications.get().zip(receipt) else { return Ok(()) };
        let mark = self.identity(&[b"published", &receipt.credential]);
        if self.tx().mark_verified(&mark, self.now)?.is_some() {
            return Ok(());
        }
        let cause = match named {
            Some(named) => named.entry.as_str(),
            None => {
                self.correlate(push, subject)?;
                push
            }
        };
        let Publications { destination, kind, publisher } = publications;
        let id = self.free_name(&format!("{cause}@hub"))?;
        let body = websub::credential_received(publisher, &self.uuid(), &receipt.request_id, self.wall)?;
        let line = id.clone();
        self.queue(NewEntry { destination, kind, id, line, payload: &body, aid: None, identity: None })
    }

    /// 128 random bits in the form of a UUID.
    fn uuid(&self) -> String {
        let [a, b, c, d] = std::array::from_fn(|_| self.rules.random.u32());
        format!(
            "{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}",
            b >> 16,
            b & 0xfff,
            (c >> 16) & 0x3fff | 0x8000,
            c & 0xffff
        )
    }
}
