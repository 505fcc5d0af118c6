//! What people are shown of the rows.

use std::collections::BTreeMap;

use super::Tables;
use super::work::{Waiting, refuse};
use crate::error::Result;
use crate::store::{
    ATTEMPTS_KEPT, AttemptRow, Failed, Fence, JobRow, ListedPush, Millis, Overview, PushGroup, PushReason,
    Queue, Refusal, Seq,
};

impl Overview for Tables {
    fn failed(&mut self, queue: Queue) -> Result<Vec<Failed>> {
        let mut groups: BTreeMap<_, (u64, Option<Millis>)> = BTreeMap::new();
        for Waiting { row, .. } in self.work.waiting(queue) {
            let Some(refusal) = row.refusal.clone() else { continue };
            let group = (row.destination.clone(), row.kind.clone(), row.state, refusal);
            let (rows, last) = groups.entry(group).or_default();
            (*rows, *last) = (*rows + 1, (*last).max(row.settled_at));
        }
        let mut failed: Vec<_> = groups
            .into_iter()
            .map(|((destination, kind, state, refusal), (rows, last_settled))| Failed {
                destination,
                kind,
                state,
                refusal,
                rows,
                last_settled,
            })
            .collect();
        failed.sort_by_key(|failed| std::cmp::Reverse(failed.rows));
        Ok(failed)
    }

    fn explain(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<()> {
        if let Some(Waiting { row, .. }) = self.work.rows.change(&(queue, seq)) {
            refuse(row, refusal);
        }
        Ok(())
    }

    fn note_attempt(&mut self, seq: Seq, attempt: &AttemptRow) -> Result<()> {
        self.attempts.insert((seq, attempt.number), attempt.clone());
        let oldest = attempt.number - ATTEMPTS_KEPT;
        self.attempts.remove_those(|(of, number), _| *of == seq && *number <= oldest);
        Ok(())
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<AttemptRow>> {
        let kept = self.attempts.range((seq, Fence::MIN)..=(seq, Fence::MAX));
        Ok(kept.map(|(_, attempt)| attempt.clone()).collect())
    }

    fn unfinished_jobs(&mut self) -> Result<Vec<JobRow>> {
        Ok(self.work.jobs.values().filter(|job| job.settled_at.is_none()).cloned().collect())
    }

    fn quarantined_for(&mut self, group: PushGroup<'_>, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        let those = self
            .pushes
            .rows
            .values()
            .map(|push| &push.listed)
            .filter(|push| push.seq > after && group.holds(push));
        Ok(those.take(limit).cloned().collect())
    }

    fn release_quarantined_for(&mut self, group: PushGroup<'_>) -> Result<usize> {
        let rows = &mut self.pushes.rows;
        Ok(rows.change_those(|_, push| group.holds(push), |push| push.listed.is_quarantined = false))
    }

    fn push_reasons(&mut self) -> Result<Vec<PushReason>> {
        Ok(self.pushes.reasons())
    }
}

impl PushGroup<'_> {
    fn holds(self, push: &ListedPush) -> bool {
        push.is_quarantined && push.kind == self.kind && push.refusal.as_deref() == self.reason
    }
}
