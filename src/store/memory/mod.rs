//! Rows in memory, for tests and simulations. A transaction works on the rows themselves, and one that fails is undone row by row.
//! Nothing outlives the process.

pub(super) mod database;
mod kept;
mod lines;
mod overview;
mod pushes;
mod table;
mod tx;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::kept::Kept;
use self::pushes::Pushes;
use self::table::Table;
use self::work::Work;
use super::{
    AttemptRow, Backend, Beside, Fence, NewRow, Order, Owner, OwnerError, Queue, SealedColumn, SealedValue,
    Seq, Store, has_changed,
};
use crate::error::Result;

/// A database in memory. Clones are the same database.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Tables>>);

impl Memory {
    /// As at a start: the owner of the rows reads what it needs.
    pub(crate) fn open(&self, owner: &dyn Owner) -> std::result::Result<Store, OwnerError> {
        self.opened_by(owner, true)?;
        Ok(Store::new(self.clone()))
    }

    /// As [`Self::open`]; leases stay where `voids_leases` is false.
    pub(crate) fn opened_by(
        &self,
        owner: &dyn Owner,
        voids_leases: bool,
    ) -> std::result::Result<(), OwnerError> {
        owner.prepare()?;
        let mut tables = self.tables();
        let opened = owner.opened(&mut *tables, voids_leases);
        tables.end(opened.is_ok());
        opened
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// How many commits changed something.
    pub(crate) fn changes(&self) -> u64 {
        self.tables().changes
    }

    /// The rows as they are now, as a database of their own.
    pub(crate) fn copy(&self) -> Self {
        let tables = self.tables();
        Self(Arc::new(Mutex::new(tables.copy())))
    }
}

impl Backend for Memory {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        let Order { terms, job } = order;
        let mut tables = self.tables();
        let mut outcome = job(&mut *tables);
        let reads = terms.beside == Beside::Everything;
        if tables.end(outcome.is_ok() && !reads) && reads {
            outcome = outcome.and(Err(has_changed()));
        }
        drop(tables);
        std::future::ready(outcome).boxed()
    }
}

/// The same rows, as several gateways reach them. Each keeps the clock for itself.
#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Memory);

impl Backend for Shared {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        self.0.run(order)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// All tables of a database, and the transaction over them.
#[derive(Default)]
struct Tables {
    /// Commits that changed something.
    changes: u64,
    numbers: Table<String, i64>,
    sealed: Table<String, Vec<u8>>,
    work: Work,
    attempts: Table<(Seq, Fence), AttemptRow>,
    kept: Kept,
    pushes: Pushes,
}

impl Tables {
    /// The transaction is over; whether it changed anything.
    fn end(&mut self, is_committed: bool) -> bool {
        let Self { changes, numbers, sealed, work, attempts, kept, pushes } = self;
        let Work { rows, jobs, freed, .. } = work;
        freed.clear();
        let Kept { identities, keys, correlations, correlated, expected, outcomes, tokens, verified, .. } =
            kept;
        let tables: [&mut dyn Transacted; 14] = [
            numbers,
            sealed,
            rows,
            jobs,
            attempts,
            identities,
            keys,
            correlations,
            correlated,
            expected,
            outcomes,
            tokens,
            verified,
            &mut pushes.rows,
        ];
        let changed =
            tables.into_iter().map(|table| table.end(is_committed)).filter(|changed| *changed).count();
        *changes += u64::from(is_committed && changed > 0);
        changed > 0
    }

    fn column(&self, column: SealedColumn) -> Vec<SealedValue> {
        let value = |at: Seq, name: &str, value: &[u8]| SealedValue {
            at,
            name: name.to_owned(),
            value: value.to_vec(),
        };
        match (column.table, column.column) {
            ("meta", _) => {
                (1..).zip(self.sealed.iter()).map(|(at, (name, sealed))| value(at, name, sealed)).collect()
            }
            ("push", _) => {
                self.pushes.rows.values().map(|push| value(push.seq, &push.id, &push.body)).collect()
            }
            ("correlation", "answer") => {
                let entry = |seq| self.kept.correlations.get(seq).map_or("", |row| &row.entry);
                let rows = self.kept.outcomes.iter();
                rows.map(|(seq, row)| value(*seq, entry(seq), &row.answer)).collect()
            }
            ("correlation", "token") => {
                let entry = |seq| self.kept.correlations.get(seq).map_or("", |row| &row.entry);
                let rows = self.kept.tokens.iter();
                rows.filter_map(|(seq, row)| Some(value(*seq, entry(seq), row.token.as_ref()?))).collect()
            }
            ("correlation", _) => {
                let rows = self.kept.correlations.iter();
                rows.map(|(seq, row)| value(*seq, &row.entry, &row.subject)).collect()
            }
            (table, name) => queue_of(table).map_or_else(Vec::new, |queue| self.work.sealed(queue, name)),
        }
    }

    fn replace(&mut self, column: SealedColumn, at: Seq, value: Vec<u8>) {
        match (column.table, column.column) {
            ("meta", _) => {
                let index = usize::try_from(at - 1).unwrap_or(usize::MAX);
                if let Some(name) = self.sealed.keys().nth(index).cloned() {
                    self.sealed.insert(name, value);
                }
            }
            ("push", _) => {
                if let Some(push) = self.pushes.rows.change(&at) {
                    push.body = value;
                }
            }
            ("correlation", "answer") => {
                if let Some(row) = self.kept.outcomes.change(&at) {
                    row.answer = value;
                }
            }
            ("correlation", "token") => {
                if let Some(row) = self.kept.tokens.change(&at) {
                    row.token = Some(value);
                }
            }
            ("correlation", _) => {
                if let Some(row) = self.kept.correlations.change(&at) {
                    row.subject = value;
                }
            }
            (table, name) => {
                if let Some(queue) = queue_of(table) {
                    self.work.replace(queue, name, at, value);
                }
            }
        }
    }
}

impl Tables {
    /// Keeps `row` with its identity.
    fn insert_row(&mut self, row: &NewRow) -> Result<()> {
        self.work.insert(row)?;
        if let Some(identity) = &row.identity {
            self.kept.insert_identity(identity, &row.id, row.waiting_since);
        }
        Ok(())
    }

    fn copy(&self) -> Self {
        let Self { changes, numbers, sealed, work, attempts, kept, pushes } = self;
        Self {
            changes: *changes,
            numbers: numbers.copy(),
            sealed: sealed.copy(),
            work: Work { last: work.last, rows: work.rows.copy(), jobs: work.jobs.copy(), freed: Vec::new() },
            attempts: attempts.copy(),
            kept: Kept {
                last: kept.last,
                identities: kept.identities.copy(),
                keys: kept.keys.copy(),
                correlations: kept.correlations.copy(),
                correlated: kept.correlated.copy(),
                expected: kept.expected.copy(),
                outcomes: kept.outcomes.copy(),
                tokens: kept.tokens.copy(),
                verified: kept.verified.copy(),
            },
            pushes: Pushes { last: pushes.last, rows: pushes.rows.copy() },
        }
    }
}

impl std::ops::DerefMut for super::Row {
    fn deref_mut(&mut self) -> &mut super::Listed {
        &mut self.listed
    }
}

/// A table of any rows, at the end of a transaction.
trait Transacted {
    /// Whether it changed anything there.
    fn end(&mut self, is_committed: bool) -> bool;
}

impl<K: Ord + Clone, V: Clone> Transacted for Table<K, V> {
    fn end(&mut self, is_committed: bool) -> bool {
        let changed = self.is_changed();
        if is_committed {
            self.commit()
        } else {
            self.undo()
        }
        changed
    }
}

fn queue_of(table: &str) -> Option<Queue> {
    match table {
        "entry" => Some(Queue::Entries),
        "delivery" => Some(Queue::Deliveries),
        "job_record" => Some(Queue::Records),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, conformance};

    conformance::suite!((Store::new(Memory::default()), ()));
}
