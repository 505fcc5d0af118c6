//! What MOSIP pushes. One more kind is a file that verifies it and a line in [`KINDS`].

use std::sync::Arc;

use serde_json::Value;

use super::credential::Credentials;
use super::envelope::Policy;
use super::subject::Subject;
use super::{Stated, mediator, websub};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::keys::Ring;

/// A kind of push.
#[derive(Clone, Copy)]
pub(crate) struct PushKind {
    name: &'static str,
    verify: Verify,
}

/// Reads a body. What MOSIP signs comes out only under its signature; what it never signs says what it came under.
type Verify = fn(&[u8], Trust<'_>) -> Result<Stated<Notice>>;

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

/// `POST /birthReceiveNid`: a UINTOKEN of the MOSIP-side mediator.
pub(crate) const BIRTH_NID: PushKind = PushKind { name: "birth-nid", verify: mediator::verify_nid };

/// A credential, from the hub.
pub(crate) const CREDENTIAL: PushKind = PushKind { name: "credential", verify: websub::verify_credential };

/// What the workflow of a packet came to, from the hub.
pub(crate) const PACKET_STATUS: PushKind =
    PushKind { name: "packet-status", verify: websub::status::verify_status };

/// Why a registration failed, on a country's own topic, from the hub.
pub(crate) const REGISTRATION_ERROR: PushKind =
    PushKind { name: "registration-error", verify: websub::status::verify_error };

/// A message of the hub on a topic that is none of ours.
pub(crate) const HUB: PushKind = PushKind { name: "hub", verify: websub::refuse_unknown };

/// Every kind.
const KINDS: [PushKind; 5] = [BIRTH_NID, CREDENTIAL, PACKET_STATUS, REGISTRATION_ERROR, HUB];

/// What a verified push tells. No `Debug`: it is about a person.
pub(crate) struct Notice {
    /// The type of the delivery, such as `uin-token.received`.
    pub(crate) kind: &'static str,
    /// The names that the push held. By any of them it finds its event, whose further names the delivery tells too.
    pub(crate) subject: Subject,
    /// What makes it the same message when it comes again: its own id, such as the hub's `event.id`, or what it says where it bears none.
    /// Only an HMAC of it is kept.
    pub(crate) identity: String,
    /// The member `data` of the delivery.
    pub(crate) data: Value,
    /// The UINTOKEN that it brings, which OpenCRVS 1.x is told of too.
    pub(crate) uin_token: Option<String>,
}

impl PushKind {
    /// The word in the database and the API.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// The kind of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// What `body` tells, and how far that is verified.
    pub(crate) fn verify(self, body: &[u8], trust: Trust<'_>) -> Result<Stated<Notice>> {
        (self.verify)(body, trust)
    }
}
