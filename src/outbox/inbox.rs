//! What MOSIP pushed: stored first, judged after, delivered once it verifies.

use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::store::{PushKind, Received, Store, Told};
use super::webhook::Webhooks;
use crate::error::{Code, Error, Fault, Result};
use crate::keys::Keyring;
use crate::mosip::envelope::Policy;
use crate::mosip::{Evidence, Verified, mediator, roles};
use crate::pool::Pool;

/// How long judging rests when the store or the pool refuses.
const REST: Duration = Duration::from_secs(1);

/// The inbox of one database.
pub struct Inbox {
    store: Store,
    keys: Keyring,
    pool: Pool,
    policy: Policy,
    webhooks: Webhooks,
    wake: Notify,
}

impl Inbox {
    pub(super) fn new(store: Store, keys: Keyring, pool: Pool, policy: Policy, webhooks: Webhooks) -> Self {
        Self { store, keys, pool, policy, webhooks, wake: Notify::new() }
    }

    /// What OpenCRVS posts.
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// Stores a push; once this returns it is on the disk and the sender may forget it.
    pub async fn receive(&self, kind: PushKind, body: Vec<u8>) -> Result<String> {
        let id = self.store.receive(kind, body).await?;
        self.wake.notify_one();
        Ok(id)
    }

    /// Judges a quarantined push again, after its cause has been put right; the refusal if it still does not verify.
    pub async fn verify(&self, id: String) -> Result<()> {
        let push = self.store.push(id).await?;
        self.judge(push).await
    }

    /// A person decides that a quarantined push is nothing to wait for.
    pub async fn discard(&self, id: String) -> Result<()> {
        self.store.discard_push(id).await
    }

    pub(super) async fn judge_again(&self) {
        match self.store.judge_again().await {
            Ok(0) => {}
            Ok(pushes) => {
                tracing::info!(pushes, "what is in quarantine is tried again");
                self.wake.notify_one();
            }
            Err(error) => tracing::error!(code = error.code().as_str(), "the quarantine cannot be read"),
        }
    }

    /// Judges what comes, in order.
    pub(super) async fn run(&self) {
        let mut after = 0;
        loop {
            match self.store.next_received(after).await {
                Ok(Some((seq, push))) => match self.judge(push).await {
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
                    tracing::error!(code = error.code().as_str(), "the inbox cannot be read");
                    sleep(REST).await;
                }
            }
        }
    }

    /// Verified and queued for the mediator, or quarantined with its reason.
    async fn judge(&self, push: Received) -> Result<()> {
        if push.kind == PushKind::Webhook {
            return self.webhooks.judge(push).await;
        }
        let (ring, policy, kind) = (self.keys.current(), self.policy, push.kind);
        let body = push.body;
        let opened = self
            .pool
            .run(move || match kind {
                PushKind::BirthNid => {
                    mediator::open_nid(&ring, roles::peer(&ring, roles::MOSIP)?, &body, policy)
                }
                // Kept until a gateway that verifies credentials judges them again.
                PushKind::Credential | PushKind::Webhook => {
                    Err(Error::new(Code::SignatureInvalid, "credentials are not verified yet")
                        .advise("It is kept until a gateway that verifies credentials runs here."))
                }
            })
            .await;
        let nid = match opened {
            Ok(nid) => nid,
            Err(error) if is_ours(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    push = push.id,
                    code = error.code().as_str(),
                    detail = error.detail(),
                    step = error.operator_detail(),
                    "a push does not verify and is kept in quarantine"
                );
                self.store.quarantine(push.id, (&error).into()).await?;
                return Err(error);
            }
        };
        let told = Told::uin_token(&nid);
        let identity = format!("{}\0{}", nid.get().brn, nid.get().uin_token);
        let is_new = self.store.verified(push.id.clone(), kind, identity.as_bytes(), told).await?;
        tracing::info!(push = push.id, repeated = !is_new, "a push verifies");
        Ok(())
    }
}

impl Told {
    fn uin_token(nid: &Verified<mediator::Nid>) -> Self {
        Self {
            kind: "uin-token.received",
            brn: nid.get().brn.clone(),
            uin_token: nid.get().uin_token.clone(),
            data: json!({ "uinToken": nid.get().uin_token }),
            verified: if nid.evidence() == Evidence::DangerUnsigned { "none" } else { "signature" },
            key: nid.key().map(|key| key.to_string()),
        }
    }
}

/// Not the message's fault: it has not been judged.
fn is_ours(error: &Error) -> bool {
    matches!(error.fault(), Fault::Storage)
        || matches!(error.code(), Code::Busy | Code::Bug | Code::KeyUnavailable)
}

#[cfg(test)]
mod tests;
