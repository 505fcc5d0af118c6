//! An open connection, and what of the rows is in memory: the names of the newest correlations, the identities and the lines of the newest
//! entries, and the last position in a queue. It is part of the transaction as the file is: undone with it, and read from the file again
//! when the next process opens it.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use rusqlite::Connection;

use super::recent::Recent;
use super::{identities, lines, names};
use crate::store::Seq;

pub(super) struct Session {
    connection: Connection,
    pub(super) recent: RefCell<Recent>,
    pub(super) identities: RefCell<Recent>,
    pub(super) lines: RefCell<Recent>,
    position: Cell<Seq>,
    /// The position when the last transaction was over.
    kept: Cell<Seq>,
    /// The position that is in the file: the last one that is given before another is written there.
    saved: Cell<Seq>,
}

/// Positions that are given before one is written into the file. A start leaves out those that are left.
const RESERVED: Seq = 1_000;

/// How far a transaction had come.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    rows: u64,
    changes: [usize; 3],
    position: Seq,
}

impl Deref for Session {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Session {
    /// Nothing is in memory before [`Self::load`].
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            recent: RefCell::default(),
            identities: RefCell::default(),
            lines: RefCell::default(),
            position: Cell::new(0),
            kept: Cell::new(0),
            saved: Cell::new(0),
        }
    }

    /// Reads what is in memory from a database of today's version.
    pub(super) fn load(&self) -> rusqlite::Result<()> {
        let find = "SELECT value FROM meta WHERE name='position'";
        self.saved.set(self.query_row(find, (), |row| row.get(0))?);
        self.kept.set(self.saved.get());
        self.position.set(self.saved.get());
        self.recent.replace(names::newest(self)?.into());
        self.identities.replace(identities::newest(self)?.into());
        self.lines.replace(lines::newest(self)?.into());
        Ok(())
    }

    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.connection.close().map_err(|(_, error)| error)
    }

    /// The place behind all that wait.
    pub(super) fn next_position(&self) -> Seq {
        self.position.set(self.position.get() + 1);
        self.position.get()
    }

    fn memory(&self) -> [&RefCell<Recent>; 3] {
        [&self.recent, &self.identities, &self.lines]
    }

    pub(super) fn execute_cached(&self, sql: &str) -> rusqlite::Result<()> {
        self.prepare_cached(sql)?.execute(()).map(drop)
    }

    pub(super) fn commit(&self) -> rusqlite::Result<()> {
        let (position, mut saved) = (self.position.get(), self.saved.get());
        if position > saved {
            saved = position + RESERVED;
            self.prepare_cached("UPDATE meta SET value=?1 WHERE name='position'")?.execute([saved])?;
        }
        self.execute_cached("COMMIT")?;
        self.kept.set(position);
        self.saved.set(saved);
        self.memory().into_iter().for_each(|memory| memory.borrow_mut().keep());
        Ok(())
    }

    /// Undoes the transaction, which SQLite may have ended by itself. One that cannot be ended, for want of space or another reason, must
    /// not block the next one.
    pub(super) fn roll_back(&self) {
        if !self.is_autocommit() {
            let _ = self.execute_cached("ROLLBACK");
        }
        self.position.set(self.kept.get());
        self.memory().into_iter().for_each(|memory| memory.borrow_mut().undo_to(0));
    }

    pub(super) fn mark(&self) -> Mark {
        let changes = self.memory().map(|memory| memory.borrow().changes());
        Mark { rows: self.total_changes(), changes, position: self.position.get() }
    }

    /// Whether a row was written since `mark`.
    pub(super) fn has_written_since(&self, mark: Mark) -> bool {
        self.total_changes() != mark.rows
    }

    /// Undoes what was done since `mark`, but not to rows.
    pub(super) fn forget_since(&self, mark: Mark) {
        self.position.set(mark.position);
        for (memory, changes) in self.memory().into_iter().zip(mark.changes) {
            memory.borrow_mut().undo_to(changes);
        }
    }
}
