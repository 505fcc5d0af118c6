//! What MOSIP pushes. One more kind is a file that reads and verifies it, and a line in [`PushKind::ALL`].

#[cfg(test)]
mod addition;

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::credential::Credentials;
use super::envelope::Policy;
use super::{Stated, mediator, websub};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::keys::Ring;
use crate::registration::Subject;
use crate::words::words;

/// A kind of push.
#[derive(Clone, Copy)]
pub(crate) struct PushKind {
    /// The word in the database and the API.
    pub(crate) name: &'static str,
    /// How the hub's messages of this kind are known; `None`: they come another way.
    pub(crate) topic: Option<Topic>,
    pub(crate) verify: Verify,
}

/// A topic of the hub.
#[derive(Clone, Copy)]
pub(crate) struct Topic {
    /// The setting under `websub.topics` that names it.
    pub(crate) setting: &'static str,
    /// Whether a message that names no topic is one of this topic, by its members.
    pub(crate) is_like: fn(&[u8]) -> bool,
}

/// Reads a body. What MOSIP signs comes out only under its signature; what it never signs says what it came under.
pub(crate) type Verify = fn(&[u8], Trust<'_>) -> Result<Stated<Notice>>;

/// What a push is verified against.
#[derive(Clone, Copy)]
pub(crate) struct Trust<'a> {
    pub(crate) ring: &'a Ring,
    /// A credential's issuer has dates; a UINTOKEN's signer has none that count.
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    /// Whose credentials count; else why none can be verified.
    pub(crate) credentials: &'a Result<Arc<Credentials>>,
}

/// What a verified push says. No `Debug`: it is about a person.
pub(crate) struct Notice {
    /// The type of the delivery, such as `uin-token.received`.
    pub(crate) kind: &'static str,
    /// What it says came of its registration, if it does.
    pub(crate) outcome: Option<Outcome>,
    /// The names that the push held. By any of them it finds its event, whose further names the delivery names too. A name that could
    /// have been written by somebody else than who vouches for the push is not among them.
    pub(crate) subject: Subject,
    pub(crate) identity: Identity,
    /// The member `data` of the delivery.
    pub(crate) data: Value,
    /// The UINTOKEN that it brings, which OpenCRVS 1.x gets too.
    pub(crate) uin_token: Option<String>,
    /// Under what its receipt is published, where it brings a credential whose request is named.
    pub(crate) receipt: Option<Receipt>,
}

/// A credential whose receipt may be published.
#[derive(Clone)]
pub(crate) struct Receipt {
    /// MOSIP's id of the request that it answers. Nothing signs it.
    pub(crate) request_id: String,
    /// SHA-256 of what makes it one credential: its receipt is published once.
    pub(crate) credential: [u8; 32],
}

/// What makes a push the same message when it comes again. Only HMACs of it are kept.
pub(crate) enum Identity {
    /// What it says, for messages that can have this content only once.
    Once(String),
    /// A message with an id of its own, such as the hub's `event.id`. No signature of MOSIP covers that id, so a message that says
    /// something else under it is another message: whoever sends one under the id of a genuine message does not bar the genuine one.
    Message {
        /// Its own id.
        id: String,
        /// [`digest`] of what it says.
        says: [u8; 32],
        /// The same of a message that names a share, as far as that is known without the share.
        of_share: Option<[u8; 32]>,
    },
    /// The whole message. MOSIP gives it neither an id nor a time, and can mean the same words again: it is the same message when it comes
    /// again soon, whatever came between, since the hub delivers out of order too.
    Repeatable(String),
}

words! {
    /// What MOSIP says came of a registration.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Outcome {
        /// Its credential came.
        Issued = "issued",
        /// MOSIP refused it, or could not process it.
        Rejected = "rejected",
        /// MOSIP processed its packet, and its credential has not come yet.
        Processed = "processed",
        /// MOSIP waits for more of the applicant.
        Paused = "paused",
    }
}

/// SHA-256 of `parts`, each behind its length as eight big-endian bytes.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl PushKind {
    /// Every kind. A message without a topic is of the first kind whose form it has.
    pub(crate) const ALL: &[Self] = &[
        mediator::BIRTH_NID,
        websub::credential::CREDENTIAL,
        websub::status::PACKET_PAUSED,
        websub::status::PACKET_STATUS,
        websub::status::REGISTRATION_ERROR,
        websub::HUB,
        #[cfg(test)]
        addition::EXAMPLE,
    ];

    /// The kind of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|kind| kind.name == name).copied()
    }

    /// Those that the hub brings, each with its topic.
    pub(crate) fn of_hub() -> impl Iterator<Item = (Self, Topic)> {
        Self::ALL.iter().filter_map(|kind| Some((*kind, kind.topic?)))
    }

    /// What `body` tells, and how far that is verified.
    pub(crate) fn verify(self, body: &[u8], trust: Trust<'_>) -> Result<Stated<Notice>> {
        (self.verify)(body, trust)
    }
}

impl Outcome {
    /// Whether nothing else is waited for.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Issued | Self::Rejected)
    }

    /// Whether it is delivered to the mediator; the rest is shown with the event.
    pub(crate) const fn is_delivered(self) -> bool {
        matches!(self, Self::Issued | Self::Rejected)
    }
}
