//! Rows that do not open: each waits where it is, is logged once, and is read again after a start, a rekey, or an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::store::Millis;

/// How long a row that does not open is left alone, unless a rekey or a start comes first.
pub(crate) const REST: Millis = 3_600_000;

/// The same where several gateways share the database: another one may have the key already.
pub(crate) const SHORT_REST: Millis = 60_000;

/// What this process has found that does not open, by table.
#[derive(Default)]
pub(crate) struct Unreadable(Mutex<BTreeMap<&'static str, BTreeSet<String>>>);

impl Unreadable {
    /// The row `id` does not open, because of `error`.
    pub(crate) fn note(&self, table: &'static str, id: &str, error: &Error) {
        if self.lock().entry(table).or_default().insert(id.to_owned()) {
            tracing::error!(table, row = id, detail = error.detail(), "a row does not open; it waits");
        }
    }

    /// It opens, or a person has taken it out.
    pub(crate) fn forget(&self, table: &'static str, id: &str) {
        if let Some(rows) = self.lock().get_mut(table) {
            rows.remove(id);
        }
    }

    /// How many there are in each table that has any.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let counted = |(table, rows): (&&'static str, &BTreeSet<String>)| (*table, rows.len() as u64);
        self.lock().iter().filter(|(_, rows)| !rows.is_empty()).map(counted).collect()
    }

    /// How many rows of `table` have a name that begins with `prefix`.
    pub(crate) fn count_under(&self, table: &'static str, prefix: &str) -> u64 {
        let rows = self.lock();
        rows.get(table).map_or(0, |rows| rows.iter().filter(|id| id.starts_with(prefix)).count() as u64)
    }

    /// Whether the row `id` is known not to open.
    pub(super) fn holds(&self, table: &'static str, id: &str) -> bool {
        self.lock().get(table).is_some_and(|rows| rows.contains(id))
    }

    /// The rows of `table`.
    pub(super) fn ids(&self, table: &'static str) -> Vec<String> {
        self.lock().get(table).map(|rows| rows.iter().cloned().collect()).unwrap_or_default()
    }

    /// All are read again.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
