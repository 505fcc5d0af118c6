//! A look at a database from outside, for `doctor`: which keys it is sealed under. Nothing is written, and no lock is taken that a
//! running gateway would notice.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema::SEALED;
use super::{OpenError, make};
use crate::outbox::place;
use crate::outbox::vault::{KEY_HEAD_LEN, KeyTag};

/// Why a database cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// A log whose database is gone.
    #[error("the database is missing, and its log is there")]
    LogAlone,
    /// SQLite's words.
    #[error("cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Under which keys how many values of the database at `path` are sealed; none where there is no database yet.
pub(crate) fn key_tags(path: &Path) -> Result<BTreeMap<KeyTag, u64>, LookError> {
    let path = &place::resolved(path);
    match make::is_missing(path) {
        Ok(true) => return Ok(BTreeMap::new()),
        Err(OpenError::LogAlone(_)) => return Err(LookError::LogAlone),
        _ => {}
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let has_table = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1)";
    let mut tags = BTreeMap::new();
    for (table, _, column) in SEALED {
        // A database of an older version, which the next start brings up to date.
        if !connection.query_row(has_table, [table], |row| row.get(0))? {
            continue;
        }
        let count = format!(
            "SELECT substr({column}, 1, {KEY_HEAD_LEN}) AS head, count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY head"
        );
        let mut count = connection.prepare(&count)?;
        let mut rows = count.query(())?;
        while let Some(row) = rows.next()? {
            if let Some(tag) = KeyTag::of(&row.get::<_, Vec<u8>>(0)?) {
                *tags.entry(tag).or_default() += row.get::<_, i64>(1)?.unsigned_abs();
            }
        }
    }
    Ok(tags)
}
