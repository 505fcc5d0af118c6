//! What the gateways over one database tell each other of a channel.

use super::{BREAKER_FAILURES, Channel, Flow};
use crate::error::{Error, Fault};
use crate::ledger::ChannelNote;
use crate::ledger::entry::Refusal;

impl Channel {
    /// Whether entries flow, for the other gateways; `None`: they do not, for a reason that is this gateway's own. Failures after which they
    /// still do are counted by each for itself.
    pub(in crate::queue) fn note(&self) -> Option<ChannelNote> {
        let reason = match &self.flow {
            Flow::Open => return Some(ChannelNote::default()),
            Flow::Broken { .. } => None,
            Flow::Paused { reason, .. } if is_lack_of_a_key(reason) => return None,
            Flow::Paused { reason, .. } => Some(Refusal::from(reason)),
        };
        Some(ChannelNote {
            probe_at: self.flow.next_probe(),
            reason,
            stopped_at: self.stopped_at,
            failed_at: self.failed_at().map(str::to_owned),
        })
    }

    /// Another gateway has found out that entries flow, or that they do not.
    pub(in crate::queue) fn follow(&mut self, note: ChannelNote) {
        let ChannelNote { probe_at, reason, stopped_at, failed_at } = note;
        let Some(probe_at) = probe_at else { return self.resume() };
        self.flow = match reason {
            Some(reason) => Flow::Paused { reason: reason.error(), probe_at },
            None => {
                self.transport_failures = self.transport_failures.max(BREAKER_FAILURES);
                Flow::Broken { until: probe_at }
            }
        };
        (self.stopped_at, self.failed_at) = (stopped_at, failed_at);
    }
}

/// A file of this gateway is missing or of no use; nobody has refused anything. The others have files of their own.
fn is_lack_of_a_key(reason: &Error) -> bool {
    reason.fault() == Fault::Keys && reason.upstream().is_none()
}
