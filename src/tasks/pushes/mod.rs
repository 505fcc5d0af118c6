//! Pushes of MOSIP: stored first, examined after, delivered once they verify. Webhooks of OpenCRVS, too: they become events or are kept
//! in quarantine.

pub(crate) mod share;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::sleep;

use self::share::Shares;
pub(crate) use self::webhook::Taken;
use super::housekeeping;
use super::hub::Hub;
use crate::clock::{Clock, Timestamp};
use crate::destinations::EventRoutes;
use crate::error::{Code, Error, Fault, Result};
use crate::keys::Keyring;
use crate::ledger::entry::Refusal;
use crate::ledger::{Ledger, Novelty, Received, Sender, WEBHOOK};
use crate::mosip::credential::Credentials;
use crate::mosip::envelope::Policy;
use crate::mosip::push::{PushKind, Trust};
use crate::mosip::websub;
use crate::pool;
use crate::telemetry::carried;

/// On a message of MOSIP that is not as its kind is.
const ADVICE: &str = "Nothing in the gateway can put this right: report the reason to the MOSIP administrator. Discard the message, or keep it for a gateway that reads it.";

/// How long examining rests when the store refuses.
const REST: Duration = Duration::from_secs(1);

/// What was pushed to this gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pushes(Arc<PushesInner>);

struct PushesInner {
    ledger: Ledger,
    routes: EventRoutes,
    hub: Hub,
    tools: Tools,
    shares: Shares,
    wake: Notify,
}

/// What pushes are examined with.
pub(crate) struct Tools {
    pub(crate) keys: Keyring,
    pub(crate) clock: Clock,
    /// How far the operator trusts.
    pub(crate) policy: Policy,
    /// Whose credentials count; else why none can be verified.
    pub(crate) credentials: Result<Arc<Credentials>>,
}

impl Pushes {
    /// Kept in `ledger`. Nothing is examined before [`Self::run`]. `routes` says where events go, `hub` which
    /// topics are ours, `shares` where credentials are that the hub only names.
    pub(crate) fn new(ledger: Ledger, routes: EventRoutes, hub: Hub, shares: Shares, tools: Tools) -> Self {
        Self(Arc::new(PushesInner { ledger, routes, hub, tools, shares, wake: Notify::new() }))
    }

    /// Stores a push; once this returns it is on the disk and the sender may forget it.
    pub(crate) async fn receive(&self, kind: PushKind, body: Bytes, sender: Sender) -> Result<String> {
        let id = self.0.ledger.receive(kind, body, sender).await?;
        self.0.wake.notify_one();
        Ok(id)
    }

    /// Examines a quarantined push again, after its cause has been put right; the refusal if it still does not verify.
    pub(crate) async fn verify(&self, id: String) -> Result<()> {
        let push = self.0.ledger.push(id).await?;
        match self.0.look_for_share(self.0.of_its_kind(push)).await? {
            None => Ok(()),
            Some((push, None)) => self.0.examine_whole(push).await,
            Some((push, Some(_))) => {
                let attempt = self.0.shares.begin(&push.id).ok_or_else(is_being_fetched)?;
                // It goes on though the caller hangs up: MOSIP may give a share once only.
                let pushes = Arc::clone(&self.0);
                let made = tokio::spawn(carried(async move { pushes.make(attempt).await }));
                made.await.unwrap_or_else(|_| Err(Error::new(Code::Bug, "the fetch of a share panicked")))
            }
        }
    }

    /// A person decides that a quarantined push is nothing to wait for.
    pub(crate) async fn discard(&self, id: String) -> Result<()> {
        self.0.ledger.discard_push(id).await
    }

    /// What is in quarantine for the reason that `group` names is examined again; how many. [`Code::NotFound`] where nothing is.
    pub(crate) async fn examine_group(&self, group: String) -> Result<usize> {
        let pushes = self.0.ledger.examine_group(group).await?;
        self.0.wake.notify_one();
        Ok(pushes)
    }

    /// As [`Self::discard`], for all of one reason; their ids.
    pub(crate) async fn discard_group(&self, group: String) -> Result<Vec<String>> {
        self.0.ledger.discard_push_group(group).await
    }

    /// Everything in quarantine is examined again.
    pub(crate) async fn examine_again(&self) {
        match self.0.ledger.examine_again().await {
            Ok(0) => {}
            Ok(pushes) => {
                tracing::info!(pushes, "what is in quarantine is tried again");
                self.0.wake.notify_one();
            }
            Err(error) => tracing::error!(code = error.code().as_str(), "the quarantine cannot be read"),
        }
    }

    /// Takes up what a gateway may have left that is gone: what it had not examined, and shares that it was to fetch.
    pub(crate) async fn take_up(&self) -> Result<()> {
        if !self.0.ledger.is_shared() {
            return Ok(());
        }
        self.0.wake.notify_one();
        let mut after = Some(0);
        while let Some(from) = after {
            let kept = self.0.ledger.quarantined(from).await?;
            after = kept.last().map(|last| last.seq);
            for push in kept.into_iter().filter(share::is_awaited) {
                self.0.shares.take_up(push.id);
            }
        }
        Ok(())
    }

    /// Examines new pushes in order, and those in quarantine at the start and whenever keys change. Runs for ever.
    pub(crate) async fn run(&self, mut keys: Keyring) {
        // Keys may have been put right while nothing ran.
        self.examine_again().await;
        let follow_keys = async {
            while keys.changed().await.is_some() {
                self.examine_again().await;
            }
            std::future::pending::<()>().await;
        };
        let examine = async {
            housekeeping::correlate_older(&self.0.ledger).await;
            self.0.examine_all().await;
        };
        tokio::join!(follow_keys, examine, self.fetch_shares());
    }
}

impl PushesInner {
    async fn examine_all(&self) {
        let mut after = 0;
        loop {
            match self.ledger.next_received(after).await {
                Ok(Some((seq, push))) => match self.examine_new(push).await {
                    // It stays where it is; the others go on.
                    Err(error) if is_ours(&error) => {
                        tracing::error!(
                            code = error.code().as_str(),
                            step = error.operator_detail(),
                            "a push cannot be examined"
                        );
                        sleep(REST).await;
                        after = seq;
                    }
                    _ => {}
                },
                Ok(None) if after > 0 => {
                    after = 0;
                    sleep(REST).await;
                }
                Ok(None) => self.wake.notified().await,
                Err(error) => {
                    tracing::error!(code = error.code().as_str(), "pushes cannot be read");
                    sleep(REST).await;
                }
            }
        }
    }

    /// As [`Self::examine`], but what is in a share is left to those who fetch it.
    async fn examine_new(&self, push: Received) -> Result<()> {
        match self.look_for_share(self.of_its_kind(push)).await? {
            None => Ok(()),
            Some((push, None)) => self.examine_whole(push).await,
            Some((push, Some(address))) => self.leave(push, &address).await,
        }
    }

    /// Verified and queued for the mediator, or quarantined with its reason, which is returned.
    async fn examine(&self, push: Received) -> Result<()> {
        let push = match self.look_for_share(self.of_its_kind(push)).await? {
            None => return Ok(()),
            Some((push, None)) => push,
            Some((push, Some(address))) => self.complete(push, &address).await?,
        };
        self.examine_whole(push).await
    }

    /// A message on a topic that was none of ours is one of ours where the settings name it by now.
    fn of_its_kind(&self, push: Received) -> Received {
        match push.kind == websub::HUB.name {
            true => Received { kind: self.hub.kind_of(&push.body).name.to_owned(), ..push },
            false => push,
        }
    }

    async fn examine_whole(&self, push: Received) -> Result<()> {
        let Received { id, kind, body, received_at } = push;
        if kind == WEBHOOK {
            return self.examine_webhook(id, Bytes::from_owner(body)).await;
        }
        let (ring, now, policy) = (self.tools.keys.current(), self.tools.clock.now(), self.tools.policy);
        let credentials = self.tools.credentials.clone();
        let verified = match PushKind::find(&kind) {
            Some(kind) => {
                let verify = move || {
                    let trust = Trust { ring: &ring, now, policy, credentials: &credentials };
                    kind.verify(&body, trust)
                };
                // One at a time, and not among the operations with private keys that callers wait for.
                pool::beside(verify).await
            }
            None => {
                Err(Error::new(Code::SignatureInvalid, "this gateway does not know messages of this kind")
                    .advise("A newer gateway stored it: run that one."))
            }
        };
        let notice = match verified {
            Ok(notice) => notice,
            Err(error) if is_ours(&error) => return Err(error),
            Err(error) => {
                self.refuse(id, error.clone()).await?;
                self.arrived(&kind, received_at, false);
                return Err(error);
            }
        };
        let novelty = self.ledger.verified(id.clone(), &kind, notice).await?;
        tracing::info!(push = id, repeated = novelty == Novelty::Repeat, "a push verifies");
        // Whoever captured a message can post it again, so that one that came before says nothing of the hub.
        if novelty == Novelty::New {
            self.arrived(&kind, received_at, true);
        }
        Ok(())
    }

    /// A message of this kind, which is no repeat, was received then; `is_verified`: and it verifies.
    fn arrived(&self, kind: &str, received_at: Timestamp, is_verified: bool) {
        if let Some(kind) = PushKind::find(kind) {
            self.hub.arrived(kind, received_at, is_verified);
        }
    }

    /// Keeps the push `id` in quarantine with its reason.
    async fn refuse(&self, id: String, error: Error) -> Result<()> {
        tracing::warn!(
            push = id,
            code = error.code().as_str(),
            pointer = error.pointer().filter(|pointer| !pointer.is_empty()),
            detail = error.detail(),
            step = error.operator_detail(),
            "a push does not verify and is kept in quarantine"
        );
        self.ledger.quarantine(id, reason(&error)).await
    }
}

/// Why a message of MOSIP is kept, for the operator: what is said to a caller is of no use to them, since the message is MOSIP's.
fn reason(refusal: &Error) -> Refusal {
    let mut reason = Refusal::from(refusal);
    if refusal.advice() == refusal.code().advice()
        && let Some(advice) = advice(refusal.code())
    {
        advice.clone_into(&mut reason.advice);
    }
    reason
}

/// What the operator does about a message that is refused with `code`, where the refusal says nothing more precise.
fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::Malformed | Code::Field => Some(ADVICE),
        Code::UnknownKey => Some(
            "If it is sealed to a former key of ours, add that key to keys.own. Else it is for another partner: give the MOSIP administrator the certificate that /v1/keys lists, ask for it to be issued again, and discard it.",
        ),
        Code::Decrypt => Some(
            "Ask the MOSIP administrator to issue it again, sealed to the certificate that /v1/keys lists, and discard it; the log says which step failed.",
        ),
        Code::SignatureInvalid => Some(
            "If MOSIP has a new certificate, replace the file of its peer in keys.peers: all are then verified again. Else ask the MOSIP administrator whether they sent this, and discard it if they did not.",
        ),
        Code::SignatureMissing => {
            Some("Ask the MOSIP administrator why it is not signed; an unsigned message is never passed on.")
        }
        Code::Upstream | Code::UpstreamTimeout => Some(
            "It is tried again by itself. If this lasts, compare credentials.data_share.url with the MOSIP administrator.",
        ),
        Code::Partner => Some(
            "It is tried again by itself. Put the client of credentials.data_share.token right with the MOSIP administrator, and start the gateway again.",
        ),
        _ => None,
    }
}

fn is_being_fetched() -> Error {
    Error::new(Code::StateConflict, "the credential of this message is being fetched from its data share")
        .advise("Look at /v1/quarantine in half a minute: by then the message is gone from there, or has the reason of that attempt.")
}

/// The message is not at fault: it has not been examined.
fn is_ours(error: &Error) -> bool {
    matches!(error.fault(), Fault::Storage)
        || matches!(error.code(), Code::Busy | Code::Bug | Code::KeyUnavailable)
}
