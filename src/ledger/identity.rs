//! What makes two posts one event, and two uses of an idempotency key one: HMACs under the identity key of the database.

use super::{Ledger, framed};
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::error::Result;
use crate::mosip::event::{Event, FORMULA};

/// By what an event is known.
pub(super) struct Identities {
    /// By the formula of today, which is kept.
    pub(super) current: Vec<u8>,
    /// By the formula of older gateways, where the database holds identities of theirs.
    former: Option<Vec<u8>>,
}

impl Identities {
    /// All of them, the one of today first.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.current.as_slice()).chain(self.former.as_deref())
    }
}

impl Ledger {
    /// The identities of `event`: of its kind, its composition and the content of `event.context`.
    pub(super) fn identities(&self, event: &Event) -> Result<Identities> {
        let opened = self.rules.keys.opened()?;
        let (kind, composition) = (event.kind().as_str().as_bytes(), event.composition_id().as_bytes());
        let current = hmac::tag_written(HmacAlgorithm::Sha256, &opened.identity_key, |write| {
            for part in framed(&[b"event", &[FORMULA], kind, composition]) {
                write(&part);
            }
            // It comes last and so needs no length.
            event.write_context(&mut |piece: &str| write(piece.as_bytes()))
        })?;
        let former = match opened.has_first_formula {
            // What the first formula cannot write was never kept by it.
            true => event.first_formula(),
            false => None,
        };
        let former = former.map(|content| self.identity(&[b"event", kind, composition, &content]));
        Ok(Identities { current, former: former.transpose()? })
    }
}
