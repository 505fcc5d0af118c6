//! The order of the rows of a line: a row waits for the older ones of its line at its destination that are not settled.

use super::work::Work;
use crate::store::{Lane, Listed, Queue, Seq};

impl Work {
    /// Whether `row` waits for no other.
    pub(super) fn is_free(&self, row: &Listed) -> bool {
        self.others_of(row).all(|other| other.seq > row.seq)
    }

    /// The row `seq` is settled, or about to go: the oldest of its line waits no longer.
    pub(super) fn free_behind(&mut self, queue: Queue, seq: Seq) {
        let Some(gone) = self.rows.get(&(queue, seq)) else { return };
        let next = self.others_of(&gone.row).next().map(|Listed { destination, kind, .. }| Lane {
            queue,
            destination: destination.clone(),
            kinds: vec![kind.clone()],
        });
        self.freed.extend(next);
    }

    /// The other rows of the line of `row` that are not settled, the oldest first.
    fn others_of(&self, row: &Listed) -> impl Iterator<Item = &Listed> {
        self.waiting(row.queue).map(|waiting| &waiting.row.listed).filter(move |other| {
            row.line.is_some()
                && other.line == row.line
                && other.destination == row.destination
                && other.seq != row.seq
                && !other.state.is_settled()
        })
    }
}
