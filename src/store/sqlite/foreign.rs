//! The database of another program, which is read and never written: what waits in it is taken over.
//!
//! It is read where it lies, and nothing is written into its folder. Where a log or a journal lies beside it, which SQLite first has to work
//! into it, a copy of both is read.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};
use zeroize::Zeroizing;

use super::schema;
use super::work::count;
use crate::place::{self, beside};
use crate::regular;

/// Largest file that is read, bytes.
const LARGEST: u64 = 1 << 30;
/// Longest text that is read of a column, bytes. A longer one counts as none.
const LONGEST_TEXT: i64 = 64 << 10;
/// How long another program that writes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where the header of a file says how it is written (`SQLite` file format 1.3), and the word for a log.
const WRITES: (usize, u8) = (18, 2);

/// What is read of a database.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Columns without which it is another program's.
    pub(crate) required: &'static [&'static str],
    /// Columns that some versions of the program have: one of them at least.
    pub(crate) either: &'static [&'static str],
}

/// A database of another program that is open.
pub(crate) struct Foreign {
    connection: Connection,
    file: PathBuf,
    /// Reads a page.
    select: String,
    columns: Vec<&'static str>,
    /// Dropped once nothing reads it any more.
    _copy: Option<Copy>,
}

/// A row. No `Debug`: it may hold secrets.
pub(crate) struct ForeignRow {
    /// Its `rowid`.
    pub(crate) number: i64,
    /// The texts in it, by their columns. What is no text, or too long, is left out.
    pub(crate) texts: BTreeMap<&'static str, Zeroizing<String>>,
}

/// Why a database is not read. `Display` is `<file>: <what>`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForeignError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({})", .0.display(), regular::reason(.1))]
    Io(PathBuf, io::Error),
    /// What lies beside it cannot be worked into a copy.
    #[error("{}: cannot be copied to {} ({}), which its log or journal makes necessary", .0.display(), .1.display(), regular::reason(.2))]
    Copy(PathBuf, PathBuf, io::Error),
    /// It was written while it was copied, so that rows may be in neither part of the copy.
    #[error("{}: another program wrote the database while it was copied", .0.display())]
    Changed(PathBuf),
    /// Another copy is being read.
    #[error("{}: another import reads a copy in the same folder", .0.display())]
    Busy(PathBuf),
    /// Another program holds it.
    #[error("{}: another program holds the database", .0.display())]
    Held(PathBuf),
    /// Nothing is in it.
    #[error("{}: the file is empty", .0.display())]
    Empty(PathBuf),
    /// It has more than [`LARGEST`] bytes, what lies beside it included.
    #[error("{}: the database has more than {} MiB", .0.display(), LARGEST >> 20)]
    Large(PathBuf),
    /// It is ours.
    #[error("{}: this is the outbox of a gateway", .0.display())]
    Ours(PathBuf),
    /// It is no database.
    #[error("{}: this is no database of SQLite", .0.display())]
    NoDatabase(PathBuf),
    /// It is that of another program.
    #[error("{}: the database has no {what}", .file.display())]
    Lacks {
        /// The file.
        file: PathBuf,
        /// A table or a column.
        what: String,
    },
    /// SQLite's words.
    #[error("{}: the database cannot be read ({what})", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// SQLite's words.
        what: String,
    },
}

impl ForeignError {
    /// Whether another file, or another moment, is not what is wanted: the machine is in the way.
    pub(crate) fn is_of_machine(&self) -> bool {
        matches!(self, Self::Io(..) | Self::Copy(..) | Self::Changed(_) | Self::Busy(_) | Self::Held(_))
    }

    fn of_sqlite(file: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, NotADatabase};
        let file = file.to_owned();
        match error.sqlite_error_code() {
            Some(NotADatabase) => Self::NoDatabase(file),
            Some(DatabaseBusy | DatabaseLocked) => Self::Held(file),
            Some(CannotOpen) => Self::Io(file, io::ErrorKind::PermissionDenied.into()),
            _ => Self::Damaged { file, what: error.to_string() },
        }
    }
}

impl Foreign {
    /// Opens the database in `file`, of which `table` is read. A copy that is necessary gets the name `copy`, and is removed at the end.
    pub(crate) fn open(file: &Path, table: &Table, copy: &Path) -> Result<Self, ForeignError> {
        let file = place::resolved(file);
        let unreadable = |error| ForeignError::Io(file.clone(), error);
        regular::check(&file).map_err(unreadable)?;
        match regular::metadata(&file).map_err(unreadable)?.len() {
            0 => return Err(ForeignError::Empty(file)),
            LARGEST.. => return Err(ForeignError::Large(file)),
            _ => {}
        }
        let is_there = |suffix: &&str| regular::metadata(&beside(&file, suffix)).is_ok_and(|it| it.len() > 0);
        let failed = |error: rusqlite::Error| ForeignError::of_sqlite(&file, &error);
        let (connection, copy) = match ["-wal", "-journal"].into_iter().find(is_there) {
            None => (in_place(&file).map_err(unreadable)?.map_err(failed)?, None),
            Some(suffix) => {
                let before = Pieces::look(&file, suffix).map_err(|_| ForeignError::Changed(file.clone()))?;
                let made = Copy::of(&file, &before, copy)?;
                (Connection::open(copy).map_err(failed)?, Some(made))
            }
        };
        configure(&connection).map_err(failed)?;
        let (select, columns) = statement(&connection, &file, table)?;
        Ok(Self { connection, file, select, columns, _copy: copy })
    }

    /// Up to `limit` rows whose `rowid` is `from` or greater, in its order.
    pub(crate) fn page(&self, from: i64, limit: usize) -> Result<Vec<ForeignRow>, ForeignError> {
        self.rows(from, limit).map_err(|error| ForeignError::of_sqlite(&self.file, &error))
    }

    fn rows(&self, from: i64, limit: usize) -> rusqlite::Result<Vec<ForeignRow>> {
        let mut select = self.connection.prepare_cached(&self.select)?;
        let mut rows = select.query(params![from, count(limit), LONGEST_TEXT])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let mut texts = BTreeMap::new();
            for (at, column) in self.columns.iter().enumerate() {
                if let ValueRef::Text(bytes) = row.get_ref(at + 1)?
                    && let Ok(text) = std::str::from_utf8(bytes)
                {
                    texts.insert(*column, Zeroizing::new(text.to_owned()));
                }
            }
            page.push(ForeignRow { number: row.get(0)?, texts });
        }
        Ok(page)
    }
}

/// A closed database that is written by way of a log needs neither log nor index, which SQLite would make beside it unless nothing changes.
fn in_place(file: &Path) -> io::Result<rusqlite::Result<Connection>> {
    let (at, by_log) = WRITES;
    let mut header = Vec::new();
    regular::open(file)?.0.take(at as u64 + 1).read_to_end(&mut header)?;
    let name = file.to_str().ok_or_else(|| io::Error::other("its name is no UTF-8 text"))?;
    let escaped = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let changes = if header.get(at) == Some(&by_log) { "?immutable=1" } else { "" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(format!("file:{escaped}{changes}"), flags))
}

/// What somebody else wrote runs nothing here.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "query_only", true)
}

/// The statement that reads a page of `table`, and the columns in it.
fn statement(
    connection: &Connection,
    file: &Path,
    table: &Table,
) -> Result<(String, Vec<&'static str>), ForeignError> {
    let failed = |error: rusqlite::Error| ForeignError::of_sqlite(file, &error);
    let lacks = |what: String| ForeignError::Lacks { file: file.to_owned(), what };
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if application == i64::from(schema::APPLICATION_ID) {
        return Err(ForeignError::Ours(file.to_owned()));
    }
    let name = table.name;
    let has_table = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1)";
    if !connection.query_row(has_table, [name], |row| row.get(0)).map_err(failed)? {
        return Err(lacks(format!("table {name}")));
    }
    let has_column = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name=?2)";
    let mut columns = Vec::new();
    for column in table.required.iter().chain(table.either) {
        let is_there: bool =
            connection.query_row(has_column, [name, column], |row| row.get(0)).map_err(failed)?;
        if is_there {
            columns.push(*column);
        } else if table.required.contains(column) {
            return Err(lacks(format!("column {column} in its table {name}")));
        }
    }
    if columns.len() == table.required.len() {
        return Err(lacks(format!("column {} in its table {name}", table.either.join(" or "))));
    }
    let text = |column: &&str| {
        format!(", CASE WHEN typeof({column})='text' AND octet_length({column})<=?3 THEN {column} END")
    };
    let texts: String = columns.iter().map(text).collect();
    let select = format!("SELECT rowid{texts} FROM {name} WHERE rowid>=?1 ORDER BY rowid LIMIT ?2");
    connection.prepare_cached(&select).map(drop).map_err(failed)?;
    Ok((select, columns))
}

/// A database and what lies beside it, as they were at one moment: how each is named, how long it was and when it was written.
#[derive(PartialEq, Eq)]
pub(super) struct Pieces([(&'static str, u64, SystemTime); 2]);

impl Pieces {
    pub(super) fn look(file: &Path, suffix: &'static str) -> io::Result<Self> {
        let piece = |suffix| {
            let piece = regular::metadata(&beside(file, suffix))?;
            Ok::<_, io::Error>((suffix, piece.len(), piece.modified()?))
        };
        Ok(Self([piece("")?, piece(suffix)?]))
    }

    fn copy(&self, file: &Path, to: &Path) -> io::Result<()> {
        for (suffix, bytes, _) in self.0 {
            let (from, _) = regular::open(&beside(file, suffix))?;
            io::copy(&mut from.take(bytes), &mut place::private(&beside(to, suffix))?)?;
        }
        Ok(())
    }
}

/// A database and what lies beside it, under other names that its owner alone can read.
pub(super) struct Copy {
    to: PathBuf,
    /// Locked with `flock`, so that no other process takes these names.
    _folder: File,
}

impl Copy {
    /// Copies `file` and what lies beside it, which were `before` when they were looked at.
    pub(super) fn of(file: &Path, before: &Pieces, to: &Path) -> Result<Self, ForeignError> {
        let failed = |error| ForeignError::Copy(file.to_owned(), to.to_owned(), error);
        let [(_, database, _), (suffix, log, _)] = before.0;
        if database.saturating_add(log) >= LARGEST {
            return Err(ForeignError::Large(file.to_owned()));
        }
        let folder = File::open(place::folder(to)).map_err(failed)?;
        // A file system that locks no folder keeps nobody from copying.
        if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(ForeignError::Busy(file.to_owned()));
        }
        let copy = Self { to: to.to_owned(), _folder: folder };
        let copied = before.copy(file, to);
        if !Pieces::look(file, suffix).is_ok_and(|after| after == *before) {
            return Err(ForeignError::Changed(file.to_owned()));
        }
        copied.map(|()| copy).map_err(failed)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            // Most of them were never there.
            let _ = std::fs::remove_file(beside(&self.to, suffix));
        }
    }
}
