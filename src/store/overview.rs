//! What people are shown of the rows, beside the rows themselves: what fails and why, and what was tried.

use super::rows::{
    AttemptRow, Failed, Fence, JobRow, ListedPush, Millis, PushGroup, PushReason, Queue, Refusal, Seq,
};
use crate::error::Result;

/// Attempts of one entry that are kept, the last ones.
pub(crate) const ATTEMPTS_KEPT: Fence = 20;

/// A gateway that says that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayRow {
    /// Names it as long as it runs.
    pub(crate) id: i64,
    pub(crate) host: String,
    pub(crate) version: String,
    /// When it said so.
    pub(crate) seen_at: Millis,
    /// Tags of keys.
    pub(crate) keys: String,
}

/// Verbs of a transaction for what people are shown.
pub(crate) trait Overview {
    /// Every reason for which a row is refused, whatever its state, with its number of rows, the commonest first: rows whose last attempt
    /// failed and that are not taken yet, and settled ones that were [explained](Self::explain).
    fn failed(&mut self, queue: Queue) -> Result<Vec<Failed>>;
    /// Why a row that is settled has no result; it stays with the row.
    fn explain(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<()>;

    /// Keeps how an attempt of the entry `seq` ended, and forgets all but the last [`ATTEMPTS_KEPT`].
    fn note_attempt(&mut self, seq: Seq, attempt: &AttemptRow) -> Result<()>;
    /// The attempts of the entry `seq` that are kept, in order.
    fn attempts(&mut self, seq: Seq) -> Result<Vec<AttemptRow>>;

    /// The jobs of which a record is queued or leased, in order.
    fn unfinished_jobs(&mut self) -> Result<Vec<JobRow>>;

    /// Up to `limit` pushes of a group after `after`, in order.
    fn quarantined_for(&mut self, group: PushGroup<'_>, after: Seq, limit: usize) -> Result<Vec<ListedPush>>;
    /// Every push of a group is to be looked at again; how many.
    fn release_quarantined_for(&mut self, group: PushGroup<'_>) -> Result<usize>;
    /// Rows and bytes of the quarantine, by kind and by the reason.
    fn push_reasons(&mut self) -> Result<Vec<PushReason>>;

    /// Keeps that a gateway lives, and forgets those that have not said so since `from`. Nothing is kept where one alone has the database.
    fn beat(&mut self, _gateway: &GatewayRow, _from: Millis) -> Result<()> {
        Ok(())
    }
    /// The gateways that are kept, the one that began first in front.
    fn gateways(&mut self) -> Result<Vec<GatewayRow>> {
        Ok(Vec::new())
    }
}
