//! What OpenCRVS's list says of each topic, beside what was kept of it: which subscriptions are of the settings of today.

use super::{Inner, Standing};
use crate::destinations::opencrvs::Service;
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::WebhookTopic;
use crate::opencrvs::subscription::Subscribed;

impl Inner {
    /// What the list says of each topic. One that it gave before, and gives no longer, may have lost webhooks since. The subscriptions that were
    /// made under other settings, such as another secret, which OpenCRVS goes on signing with.
    pub(super) fn compare(
        &self,
        service: &Service,
        listed: &[Subscribed],
        is_ended: bool,
        kept: &mut [WebhookTopic],
    ) -> Result<Vec<Subscribed>> {
        let mut stale = Vec::new();
        let now = self.clock.now();
        let mut state = self.state();
        (state.is_ended, state.looked) = (is_ended, Some(now));
        for (topic, kept) in state.topics.iter_mut().zip(kept) {
            let of_topic = |of: &&Subscribed| of.topic == topic.name && service.is_ours(of);
            let ours: Vec<&Subscribed> = listed.iter().filter(of_topic).collect();
            topic.subscriptions = ours.len();
            let (place, identity) = (self.place(service, topic.name)?, self.identity(service, topic.name)?);
            let old = if is_ended { Vec::new() } else { self.of_other_settings(&ours, kept, identity)? };
            if ours.is_empty() {
                (kept.identity, kept.current) = (None, None);
            } else if !is_ended && old.len() < ours.len() {
                let current = kept.current.filter(|_| !old.is_empty());
                let (place, identity, seen) = (Some(place), Some(identity), Some(now));
                *kept = WebhookTopic { place, identity, current, seen, ..*kept };
            }
            if ours.is_empty()
                && !is_ended
                && let Some(seen) = kept.seen.take()
                && kept.place == Some(place)
            {
                tracing::error!(
                    topic = topic.name,
                    since = seen.to_iso(),
                    "a subscription at OpenCRVS is gone that the gateway did not end: webhooks may be missing; it is made again"
                );
                kept.lost.get_or_insert(seen);
            }
            topic.lost = kept.lost;
            if !old.is_empty() {
                topic.refusal.get_or_insert_with(of_another_secret);
            }
            topic.standing = match (topic.subscriptions, is_ended) {
                (0, true) => Standing::Ended,
                (0, false) if topic.refusal.is_none() => Standing::Pending,
                (count, false) if count == 0 || !old.is_empty() => Standing::Failing,
                _ => Standing::Active,
            };
            stale.extend(old.into_iter().cloned());
            if topic.standing != Standing::Failing {
                topic.refusal = None;
            }
        }
        Ok(stale)
    }

    /// Those of `ours`, all of one topic, that were made under other settings than those of `identity`.
    fn of_other_settings<'l>(
        &self,
        ours: &[&'l Subscribed],
        kept: &WebhookTopic,
        identity: i64,
    ) -> Result<Vec<&'l Subscribed>> {
        if kept.identity.is_some_and(|kept| kept != identity) {
            return Ok(ours.to_vec());
        }
        let mut others = Vec::new();
        for of in ours {
            if kept.current != Some(self.known(of)?) {
                others.push(*of);
            }
        }
        // Without the one that is known nothing tells them apart.
        let is_known = kept.current.is_some() && others.len() < ours.len();
        Ok(if is_known { others } else { Vec::new() })
    }

    /// By what the subscription is known again that the settings ask for.
    pub(super) fn identity(&self, service: &Service, topic: &str) -> Result<i64> {
        let (parts, secret) = service.parts();
        self.identity_of([b"webhooks".as_slice(), topic.as_bytes(), secret.expose()], &parts)
    }

    /// By what it is known where the subscription is made and posted to, whatever secret signs.
    fn place(&self, service: &Service, topic: &str) -> Result<i64> {
        let (parts, _) = service.parts();
        self.identity_of([b"webhooks-place".as_slice(), topic.as_bytes()], &parts)
    }

    /// By what this one subscription is known again.
    pub(super) fn known(&self, of: &Subscribed) -> Result<i64> {
        self.ledger.subscription_identity(&[b"webhooks-id", of.id.as_bytes()])
    }

    fn identity_of<const N: usize>(&self, begin: [&[u8]; N], parts: &[String]) -> Result<i64> {
        let parts: Vec<&[u8]> = begin.into_iter().chain(parts.iter().map(String::as_bytes)).collect();
        self.ledger.subscription_identity(&parts)
    }
}

fn of_another_secret() -> Error {
    Error::new(Code::Upstream, "a subscription at OpenCRVS was made under another sha_secret, or under other settings; what OpenCRVS signs for it is refused")
        .blame(Fault::Partner, true)
        .advise("Set faces.webhook_secret_file to the sha_secret that the integration in OpenCRVS has today, and start the gateway again. It makes the subscription anew by itself.")
}
