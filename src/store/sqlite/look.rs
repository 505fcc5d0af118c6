//! A look at a database from outside, for `doctor`: how its sealed values begin. Nothing is written, and no lock is taken that a
//! running gateway would notice.

use std::fs::TryLockError;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{OpenError, make, open};
use crate::store::{Head, SEALED, SealedColumn};
use crate::{place, regular};

/// Why a database cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// No gateway starts over it.
    #[error("{0}")]
    Refused(OpenError),
    /// SQLite's words.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Another program that holds the database now, or a full disk, does not stop every start.
impl From<OpenError> for LookError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Held(_) | OpenError::NoRoom(_) => Self::Unreadable(error.to_string()),
            error => Self::Refused(error),
        }
    }
}

impl From<rusqlite::Error> for LookError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Whether a gateway owns the database at `path`. Its lock is taken for the moment of asking, so this is for when something says already
/// that a process runs.
pub(crate) fn is_in_use(path: &Path) -> bool {
    let lock = place::beside(&place::resolved(path), ".lock");
    regular::open(&lock)
        .is_ok_and(|(file, _)| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// How the sealed values of the database at `path` begin: the first `length` bytes. None where there is no database yet.
pub(crate) fn heads(path: &Path, length: usize) -> Result<Vec<Head>, LookError> {
    let path = &place::resolved(path);
    open::check_regular(path)?;
    if make::is_missing(path)? {
        return Ok(Vec::new());
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    open::version(&connection, path)?;
    let has_column = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name=?2)";
    let mut heads = Vec::new();
    for at in SEALED {
        let SealedColumn { table, column, .. } = at;
        // A database of an older version lacks some, until the next start brings it up to date.
        if !connection.query_row(has_column, [table, column], |row| row.get(0))? {
            continue;
        }
        let count = format!(
            "SELECT substr({column}, 1, {length}) AS head, count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY head"
        );
        let mut count = connection.prepare(&count)?;
        let mut rows = count.query(())?;
        while let Some(row) = rows.next()? {
            let values = row.get::<_, i64>(1)?.unsigned_abs();
            heads.push(Head { column: at, head: row.get(0)?, values });
        }
    }
    Ok(heads)
}
