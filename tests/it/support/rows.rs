//! The database from outside, as a repair, a fault or another program comes to it: it is locked, refuses writes, or holds what no call of the
//! gateway makes. No other file of the tests, and of the benchmarks, names SQLite.
#![allow(clippy::disallowed_types, reason = "what the store never does, such as to lock itself out")]

use std::path::Path;

use rusqlite::{Connection, Params, Row};

/// A second connection to the database of a gateway that runs. Dropped, it holds nothing.
pub(crate) struct Rows(Connection);

impl Rows {
    pub(crate) fn of(database: &Path) -> Self {
        Self(Connection::open(database).unwrap())
    }

    /// Statements without parameters.
    pub(crate) fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap();
    }

    /// How many rows it changed.
    pub(crate) fn change(&self, sql: &str, values: impl Params) -> usize {
        self.0.execute(sql, values).unwrap()
    }

    /// What `read` makes of the only row of `sql`.
    pub(crate) fn one<T>(&self, sql: &str, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> T {
        self.0.query_row(sql, [], read).unwrap()
    }
}
