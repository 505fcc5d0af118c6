//! What MOSIP pushes. One more kind is a file that verifies it and a line in [`KINDS`].

use serde_json::Value;

use super::envelope::Policy;
use super::{Verified, mediator, websub};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::keys::Ring;

/// A kind of push.
#[derive(Clone, Copy)]
pub(crate) struct PushKind {
    name: &'static str,
    verify: Verify,
}

/// Reads a body under the keys and at the time of the moment. Only what verifies comes out.
type Verify = fn(&[u8], &Ring, Timestamp, Policy) -> Result<Verified<Notice>>;

/// `POST /birthReceiveNid`: a UINTOKEN of the MOSIP-side mediator.
pub(crate) const BIRTH_NID: PushKind = PushKind { name: "birth-nid", verify: mediator::verify_nid };

/// A message of the hub at `/websub/callback`.
pub(crate) const CREDENTIAL: PushKind = PushKind { name: "credential", verify: websub::verify_credential };

/// Every kind.
const KINDS: [PushKind; 2] = [BIRTH_NID, CREDENTIAL];

/// What a verified push tells. No `Debug`: it is about a person.
pub(crate) struct Notice {
    /// The type of the delivery.
    pub(crate) kind: &'static str,
    /// The birth registration number that it is about, by which it finds its event.
    pub(crate) brn: String,
    /// The UINTOKEN that it brings.
    pub(crate) uin_token: String,
    /// The plain message for the mediator.
    pub(crate) data: Value,
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

    /// What `body` tells, which only a good signature lets out.
    pub(crate) fn verify(
        self,
        body: &[u8],
        ring: &Ring,
        now: Timestamp,
        policy: Policy,
    ) -> Result<Verified<Notice>> {
        (self.verify)(body, ring, now, policy)
    }
}
