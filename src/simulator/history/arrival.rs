//! What the MOSIP-side mediator makes of an event: whether it came before, and with what.

use super::{Accepted, Record, remember};
use crate::simulator::answer::Refusal;
use crate::simulator::event::Kind;

/// An event whose form is right.
pub(in crate::simulator) struct Arrival {
    pub(in crate::simulator) id: String,
    pub(in crate::simulator) composition: String,
    pub(in crate::simulator) kind: Kind,
    pub(in crate::simulator) aid: Option<String>,
    pub(in crate::simulator) thumbprint: String,
    pub(in crate::simulator) envelope_bytes: usize,
    pub(in crate::simulator) digest: String,
}

/// How an event was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Receipt {
    /// The first under its id.
    First,
    /// Processed once more: only births are remembered by the real MOSIP-side mediator.
    Again,
    /// A repeated birth.
    Dropped,
}

impl Record {
    pub(super) fn accept(&mut self, arrival: Arrival) -> Result<Receipt, Refusal> {
        let mut since = self.accepted.iter().rev().take_while(|entry| entry.id != arrival.id);
        let is_late = since.any(|entry| entry.composition == arrival.composition);
        let known = self.accepted.iter_mut().rev().find(|entry| entry.id == arrival.id);
        if known.as_ref().is_some_and(|entry| entry.kind != arrival.kind) {
            return Err(Refusal::strict("SIM-ID-KIND", "the id belongs to an event of another kind"));
        }
        if known.as_ref().is_some_and(|entry| entry.aid != arrival.aid) {
            return Err(Refusal::strict("SIM-AID-CHANGED", "the id came before with another AID"));
        }
        if let Some(value) = &arrival.aid {
            let aid = self
                .aids
                .iter_mut()
                .rev()
                .find(|aid| aid.value == *value)
                .ok_or(Refusal::strict("SIM-AID-UNKNOWN", "the AID was not handed out here"))?;
            if aid.used_by.as_ref().is_some_and(|id| *id != arrival.id) {
                return Err(Refusal::strict("SIM-AID-USED", "the AID came before under another id"));
            }
            aid.used_by = Some(arrival.id.clone());
        }
        let Some(entry) = known else {
            remember(&mut self.accepted, Accepted::first(arrival));
            return Ok(Receipt::First);
        };
        entry.late += u64::from(is_late);
        if entry.digest != arrival.digest {
            entry.altered += 1;
        }
        if entry.kind == Kind::Birth {
            entry.repeats += 1;
            Ok(Receipt::Dropped)
        } else {
            entry.count += 1;
            Ok(Receipt::Again)
        }
    }
}

impl Accepted {
    fn first(arrival: Arrival) -> Self {
        let Arrival { id, composition, kind, aid, thumbprint, envelope_bytes, digest } = arrival;
        Self {
            id,
            composition,
            kind,
            count: 1,
            repeats: 0,
            late: 0,
            altered: 0,
            aid,
            thumbprint,
            envelope_bytes,
            digest,
        }
    }
}
