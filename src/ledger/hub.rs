//! What is kept for MOSIP's hub. What is published back to it is an entry of its own for each credential that verified, made in the
//! transaction that delivers the credential. And it is kept when the gateway was last up for what the hub delivers.

use super::correlation::Named;
use super::entry::NewEntry;
use super::{Book, Ledger};
use crate::clock::Timestamp;
use crate::error::Result;
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

impl Ledger {
    /// Until when a gateway was up for each of `topics`.
    pub(crate) async fn last_up(&self, topics: Vec<&'static str>) -> Result<Vec<(&'static str, Timestamp)>> {
        self.run(move |book| {
            let last = |topic: &'static str| {
                let kept = book.tx().number(&up_until(topic))?;
                Ok(kept.map(|millis| (topic, Timestamp::from_millis(millis))))
            };
            topics.iter().filter_map(|topic| last(topic).transpose()).collect()
        })
        .await
    }

    /// The gateway is up for `topics` at `now`.
    pub(crate) async fn keep_last_up(&self, topics: Vec<&'static str>, now: Timestamp) -> Result<()> {
        self.run(move |book| {
            topics.iter().try_for_each(|topic| book.tx().set_number(&up_until(topic), now.millis()))
        })
        .await
    }

    /// From now on it is published that a credential was received. Called once, before anything moves.
    pub(crate) fn publish_received(&self, publications: Publications) {
        // A second call changes nothing.
        let _ = self.rules.publications.set(publications);
    }
}

/// Names the number that says until when a gateway was up for `topic`.
fn up_until(topic: &str) -> String {
    format!("hub-up/{topic}")
}

impl Book<'_> {
    /// The credential that `push` brought was received: its issuer hears so under the id `request` of the request, without which it could
    /// not tell which credential is meant.
    pub(super) fn publish_received(
        &self,
        push: &str,
        named: Option<&Named>,
        subject: &Subject,
        request: Option<&str>,
    ) -> Result<()> {
        let Some((publications, request)) = self.rules.publications.get().zip(request) else { return Ok(()) };
        let cause = match named {
            Some(named) => named.entry.as_str(),
            None => {
                self.correlate(push, subject)?;
                push
            }
        };
        let Publications { destination, kind, publisher } = publications;
        let id = self.free_name(&format!("{cause}@hub"))?;
        let body = websub::credential_received(publisher, &self.uuid(), request, self.wall)?;
        let line = id.clone();
        self.queue(NewEntry { destination, kind, id, line, payload: &body, aid: None })?;
        self.rules.wake();
        Ok(())
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
