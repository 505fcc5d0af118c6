//! An index over the newest rows of a table, which is in memory and part of the transaction all the same.

use std::collections::BTreeSet;

use crate::store::Seq;

/// The first bytes of a name, or of the hash of an id: what an index holds. A row that it finds is asked for the whole of it.
pub(super) type Start = [u8; 8];

/// Rows that are indexed in memory: about 2 MB of names. A start reads about as many of them.
const MOST: Seq = 4_096;
/// Names that go to the disk with one.
const TOGETHER: usize = 64;

pub(super) fn start(name: &[u8]) -> Start {
    name.first_chunk().copied().unwrap_or_default()
}

/// Names, each with the number of its row.
#[derive(Default)]
pub(super) struct Recent {
    by_start: BTreeSet<(Start, Seq)>,
    by_row: BTreeSet<(Seq, Start)>,
    /// What the transaction has added and removed, in order.
    changes: Vec<Change>,
}

#[derive(Clone, Copy)]
enum Change {
    Added(Start, Seq),
    Removed(Start, Seq),
}

impl From<Vec<(Start, Seq)>> for Recent {
    /// What was written before this transaction.
    fn from(all: Vec<(Start, Seq)>) -> Self {
        let by_row = all.iter().map(|(start, row)| (*row, *start)).collect();
        Self { by_start: all.into_iter().collect(), by_row, changes: Vec::new() }
    }
}

impl Recent {
    pub(super) fn add(&mut self, start: Start, row: Seq) {
        if self.put(start, row) {
            self.changes.push(Change::Added(start, row));
        }
    }

    /// Whether it was here.
    pub(super) fn remove(&mut self, start: Start, row: Seq) -> bool {
        let is_here = self.take(start, row);
        if is_here {
            self.changes.push(Change::Removed(start, row));
        }
        is_here
    }

    /// Takes out what goes to the disk now that `newest` is there: of the oldest row, once there are [`MOST`] newer ones, each name with
    /// those behind it. Of one name the older rows go first. So no transaction has much more to do than another.
    pub(super) fn leave(&mut self, newest: Seq) -> Vec<(Start, Seq)> {
        let Some(oldest) = self.oldest().filter(|oldest| *oldest <= newest - MOST) else { return Vec::new() };
        let mut left = Vec::new();
        for start in self.starts(oldest) {
            for (start, row) in self.together(start, oldest) {
                self.remove(start, row);
                left.push((start, row));
            }
        }
        left
    }

    /// The last row up to which none is here, where `newest` is the last one.
    pub(super) fn whole(&self, newest: Seq) -> Seq {
        self.oldest().map_or(newest, |oldest| oldest - 1)
    }

    /// The rows that bear `start`.
    pub(super) fn rows(&self, start: Start) -> impl Iterator<Item = Seq> {
        self.by_start.range((start, Seq::MIN)..=(start, Seq::MAX)).map(|(_, row)| *row)
    }

    /// The names of `row`.
    fn starts(&self, row: Seq) -> Vec<Start> {
        self.by_row.range((row, Start::default())..=(row, [u8::MAX; 8])).map(|(_, start)| *start).collect()
    }

    /// The oldest row that has a name here.
    pub(super) fn oldest(&self) -> Option<Seq> {
        self.by_row.first().map(|(row, _)| *row)
    }

    /// Up to [`TOGETHER`] names in their order, with their rows: that of `row` and those behind it; none where it is not here.
    fn together(&self, start: Start, row: Seq) -> Vec<(Start, Seq)> {
        match self.by_start.contains(&(start, row)) {
            true => self.by_start.range((start, row)..).take(TOGETHER).copied().collect(),
            false => Vec::new(),
        }
    }

    /// How much the transaction has changed.
    pub(super) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Undoes what the transaction has changed since it had changed so much.
    pub(super) fn undo_to(&mut self, changes: usize) {
        for change in self.changes.split_off(changes.min(self.changes.len())).into_iter().rev() {
            match change {
                Change::Added(start, row) => self.take(start, row),
                Change::Removed(start, row) => self.put(start, row),
            };
        }
    }

    /// The transaction is over, and what it has changed stays.
    pub(super) fn keep(&mut self) {
        self.changes.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_start.len()
    }

    fn put(&mut self, start: Start, row: Seq) -> bool {
        self.by_row.insert((row, start));
        self.by_start.insert((start, row))
    }

    fn take(&mut self, start: Start, row: Seq) -> bool {
        self.by_row.remove(&(row, start));
        self.by_start.remove(&(start, row))
    }
}
