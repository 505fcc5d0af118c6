//! What OpenCRVS posted and signed: it becomes an event, or is kept in quarantine with its reason. OpenCRVS never looks at a refusal,
//! so there is none.

use bytes::Bytes;

use super::{Pushes, PushesInner};
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::Accepted;
use crate::ledger::entry::Refusal;
use crate::opencrvs::event::Event;
use crate::pool;

/// On a webhook that is no event.
const ADVICE: &str = "Look in OpenCRVS at what it posts here: BIRTH_REGISTERED and DEATH_REGISTERED are what the gateway takes. Discard the message, or keep it for a gateway that reads it.";

/// What became of a webhook; it is on the disk.
#[derive(Debug)]
pub(crate) enum Taken {
    /// An event, new or known.
    Event(Accepted),
    /// A message in quarantine, by its id.
    Quarantined(String),
}

impl Pushes {
    /// Stores a webhook whose signature is good. Refused only while there is no room for it: the same call can succeed later.
    pub(crate) async fn take_webhook(&self, body: Bytes) -> Result<Taken> {
        let refusal = match self.0.accept_webhook(body.clone(), None).await {
            Ok(accepted) => return Ok(Taken::Event(accepted)),
            Err(error) if has_no_room(&error) => return Err(error),
            Err(refusal) => refusal,
        };
        let id = self.0.ledger.keep_webhook(body, reason(&refusal)).await?;
        tracing::error!(
            push = id,
            code = refusal.code().as_str(),
            pointer = refusal.pointer().filter(|pointer| !pointer.is_empty()),
            detail = refusal.detail(),
            step = refusal.operator_detail(),
            "a webhook of OpenCRVS cannot become an event and is kept in quarantine"
        );
        Ok(Taken::Quarantined(id))
    }
}

impl PushesInner {
    /// Makes the quarantined webhook `push` an event, in one transaction; else it is kept with its present reason, which is returned.
    pub(super) async fn examine_webhook(&self, push: String, body: Bytes) -> Result<()> {
        match self.accept_webhook(body, Some(push.clone())).await {
            Ok(accepted) => {
                tracing::info!(push, event = accepted.id, "a webhook in quarantine became an event");
                Ok(())
            }
            Err(error) if has_no_room(&error) => Err(error),
            Err(refusal) => {
                self.ledger.quarantine(push, reason(&refusal)).await?;
                Err(refusal)
            }
        }
    }

    async fn accept_webhook(&self, body: Bytes, push: Option<String>) -> Result<Accepted> {
        let event = pool::offload(body.len(), move || Event::from_webhook(body)).await?;
        let destinations = self.routes.destinations_of(event.kind())?;
        match push {
            Some(push) => self.ledger.accept_push(push, event, destinations).await,
            None => self.ledger.accept(event, destinations, None).await,
        }
    }
}

/// Why a webhook is kept, for the operator: what is said to a caller is of no use to them, since OpenCRVS cannot correct what it posted.
fn reason(refusal: &Error) -> Refusal {
    let mut reason = Refusal::from(refusal);
    if refusal.fault() == Fault::Caller && refusal.code() != Code::KindNotConfigured {
        ADVICE.clone_into(&mut reason.advice);
    }
    reason
}

/// Nothing is wrong with the webhook: the store takes nothing now.
fn has_no_room(error: &Error) -> bool {
    error.fault() == Fault::Storage || error.code() == Code::Busy
}
