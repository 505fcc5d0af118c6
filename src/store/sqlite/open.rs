//! Opening the database: it has to be locked, ours, of a known version, and usable for its owner; otherwise it is refused with what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::desk::Link;
use super::log::Log;
use super::session::Session;
use super::site::Site;
use super::tx::Transaction;
use super::{DAMAGED, DISK_FULL, HELD, make, moving, schema};
use crate::error::{Code, Error};
use crate::place::{self, beside};
use crate::regular;
use crate::store::{Owner, OwnerError};

/// A database below this size is checked page by page at start.
const CHECKED_WHOLE: u64 = 64 << 20;
/// SQLite asks for no less at once: the index of the log.
const SMALLEST_ROOM: usize = 64 << 10;

/// Statements that stay prepared: more than there are.
const STATEMENTS: usize = 128;

/// Why the gateway must not start over this database. `Display` is `<file>: <what>; <what to do>`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    /// Another process owns it.
    #[error("{}: a gateway, or a command such as `outbox copy`, has this database open, under this name or another one; stop it, or name another database", .0.display())]
    InUse(PathBuf),
    /// A file cannot be made, read or locked.
    #[error("{}", unusable(.0, .1))]
    Io(PathBuf, io::Error),
    /// A folder, a pipe or a device in the place of the database, or of a file that belongs to it.
    #[error("{}: this is no regular file; move it away, or name another file", .0.display())]
    NotRegular(PathBuf),
    /// The disk is full. The gateway starts all the same and goes on once there is room.
    #[error("{}: the disk is full; free space on it", .0.display())]
    NoRoom(PathBuf),
    /// The disk fails otherwise, or takes no writes.
    #[error("{}: the disk refuses ({what}); check the disk and how it is mounted", .file.display())]
    Failing {
        /// The database.
        file: PathBuf,
        /// SQLite's words.
        what: String,
    },
    /// Another program holds it.
    #[error("{}: another program holds the database; let it finish, or stop it", .0.display())]
    Held(PathBuf),
    /// A log whose database is gone.
    #[error("{}: the database is missing, and its log ({}-wal) is there; restore the database beside it, or move the log away with `mosip-gateway outbox set-aside`", .0.display(), .0.display())]
    LogAlone(PathBuf),
    /// It is not a database of a gateway.
    #[error("{}: this is not an outbox of a gateway; name another file, or restore this one", .0.display())]
    NotOurs(PathBuf),
    /// Its rows were moved, or are being moved to it.
    #[error("{}: {what}", .file.display())]
    OutOfUse {
        /// The database.
        file: PathBuf,
        /// What is the matter, and what to do.
        what: String,
    },
    /// A newer gateway wrote it.
    #[error("{}: version {found} of the outbox was written by a newer gateway (this one knows {}); run that one, or restore the backup that was made before the update", .file.display(), schema::newest())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The owner of the rows cannot use it; in their words.
    #[error("{0}")]
    Owner(String),
    /// SQLite refuses it.
    #[error("{}: the database is damaged ({what}); restore it from a backup, or move it away with `mosip-gateway outbox set-aside`", .file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// SQLite's words.
        what: String,
    },
}

impl OpenError {
    /// `error` of `file`.
    pub(super) fn of_io(file: &Path, error: io::Error) -> Self {
        if place::is_full(&error) { Self::NoRoom(file.to_owned()) } else { Self::Io(file.to_owned(), error) }
    }

    /// What the owner of the database at `path` says.
    pub(super) fn of_owner(path: &Path, error: OwnerError) -> Self {
        match error {
            OwnerError::NoRoom(file) => Self::NoRoom(file),
            OwnerError::Refused(sentence) => Self::Owner(sentence),
            OwnerError::Store(error) => Self::of_store(path, &error),
        }
    }

    /// What a job over the database at `path` was refused with.
    fn of_store(path: &Path, error: &Error) -> Self {
        let file = path.to_owned();
        match error.operator_detail().unwrap_or_else(|| error.detail()) {
            DISK_FULL => Self::NoRoom(file),
            HELD => Self::Held(file),
            what if error.code() != Code::Storage || what == DAMAGED => {
                Self::Damaged { file, what: what.to_owned() }
            }
            _ if is_full(path) => Self::NoRoom(file),
            what => Self::Failing { file, what: what.to_owned() },
        }
    }
}

fn unusable(file: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{}: the folder {} is missing; make it and give it to the user that the gateway runs as, or name another file",
            file.display(),
            place::folder(file).display()
        ),
        _ => {
            let kind = regular::reason(error);
            format!(
                "{}: {kind}; let the user that the gateway runs as read and write there, and run this as that user",
                file.display()
            )
        }
    }
}

/// Locks and opens the database of `site`, or makes it. This process alone owns the file from then on.
pub(super) fn establish(site: &Site) -> Result<Session, OpenError> {
    let path = &site.path;
    check_regular(path)?;
    site.files().take(path)?;
    if make::is_missing(path)? {
        make::database(site)?;
    }
    let log = Log::read(path).map_err(|error| OpenError::of_io(path, error))?;
    let (mut connection, mut version) = connect_to_ours(path)?;
    if version == 0 {
        drop(connection);
        make::database(site)?;
        (connection, version) = connect_to_ours(path)?;
    }
    log.report(&connection, path).map_err(|error| refused(path, &error))?;
    let session = Session::new(connection);
    prepare(&session, path, &*site.owner, version)?;
    begin_log(&session).map_err(|error| refused(path, &error))?;
    site.files().know(path)?;
    site.files().keep_lock();
    Ok(session)
}

/// Refuses what cannot be opened without waiting, in the place of the database at `path` and of each file that belongs to it.
pub(super) fn check_regular(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm", "-journal", ".lock"] {
        let file = beside(path, suffix);
        regular::stands(&file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => OpenError::NotRegular(file),
            _ => OpenError::Io(file, error),
        })?;
    }
    Ok(())
}

/// Opens the database of `site` once more, whose log has been written into it.
pub(super) fn reconnect(site: &Site) -> Result<Session, OpenError> {
    let path = &site.path;
    let (connection, _) = connect_to_ours(path)?;
    let session = Session::new(connection);
    begin_log(&session).and_then(|()| session.load()).map_err(|error| refused(path, &error))?;
    site.files().know(path)?;
    Ok(session)
}

/// Opens the database of `site` without a byte to spare: no file is made and nothing is written.
pub(super) fn for_reading(site: &Site) -> Result<Link, OpenError> {
    let path = &site.path;
    // From now on the log is watched, if it is there, whether or not anything can be read.
    let _ = site.files().know(path);
    if make::is_missing(path)? {
        return Ok(Link::Closed);
    }
    site.files().take_database(path)?;
    match read_without_room(path, &*site.owner) {
        Ok(read) => Ok(read.map_or(Link::Closed, Link::Reading)),
        Err(refusal @ (OpenError::NotOurs(_) | OpenError::Damaged { .. } | OpenError::Owner(_))) => {
            Err(refusal)
        }
        Err(_) => Ok(Link::Closed),
    }
}

/// None: an older version, which has to be brought up to date before anything of it can be shown.
fn read_without_room(path: &Path, owner: &dyn Owner) -> Result<Option<Session>, OpenError> {
    let failed = |error: rusqlite::Error| refused(path, &error);
    let connection = connect_for_reading(path).map_err(failed)?;
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if version != schema::newest() || moving::mark(&connection).map_err(failed)?.is_some() {
        return Ok(None);
    }
    let session = Session::new(connection);
    session.load().map_err(failed)?;
    session.pragma_update(None, "query_only", true).map_err(failed)?;
    session.execute_cached("BEGIN").map_err(failed)?;
    owner.opened(&mut Transaction::new(&session), false).map_err(|error| OpenError::of_owner(path, error))?;
    session.commit().map_err(failed)?;
    Ok(Some(session))
}

/// Without a log the file alone is the database, and SQLite needs neither log nor index; with one, the index is kept in memory.
fn connect_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let has_log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let connection = match path.to_str() {
        Some(text) if !has_log => {
            let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?
        }
        _ => {
            let connection = Connection::open(path)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            connection
        }
    };
    configure(&connection)?;
    Ok(connection)
}

fn connect_to_ours(path: &Path) -> Result<(Connection, i64), OpenError> {
    let connection = connect(path).map_err(|error| refused(path, &error))?;
    let version = version(&connection, path)?;
    Ok((connection, version))
}

/// Switching writes to the file, so only now: one that holds anything is one of ours from its first page. The log is there from then on.
fn begin_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.query_row("SELECT count(*) FROM meta", (), |_| Ok(()))
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What is deleted is overwritten: nothing of a settled event stays in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan that depends on bound values is made anew for each of them, which costs more than the look at the rows.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The version of the database; 0 of one that is not made yet, or whose making was cut off and so undone by SQLite.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let number = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|error| refused(path, &error))
    };
    if number("page_count")? == 0 {
        return Ok(0);
    }
    let (application, version) = (number("application_id")?, number("user_version")?);
    if let Some(mark) = moving::mark(connection).map_err(|error| refused(path, &error))? {
        return Err(OpenError::OutOfUse { file: path.to_owned(), what: mark.words() });
    }
    if application != i64::from(schema::APPLICATION_ID) {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    if version > schema::newest() {
        return Err(OpenError::Newer { file: path.to_owned(), found: version });
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() < CHECKED_WHOLE) {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
            .map_err(|error| refused(path, &error))?;
        if verdict != "ok" {
            return Err(OpenError::Damaged { file: path.to_owned(), what: "quick_check fails".to_owned() });
        }
    }
    Ok(version)
}

/// Migrates the database of `version`, and has its owner read and write what is theirs, all in one transaction.
pub(super) fn prepare(
    session: &Session,
    path: &Path,
    owner: &dyn Owner,
    version: i64,
) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| refused(path, &error);
    session.execute_cached("BEGIN").map_err(failed)?;
    if version < schema::newest() {
        schema::migrate(session, version).map_err(failed)?;
    }
    session.load().map_err(failed)?;
    owner.opened(&mut Transaction::new(session), true).map_err(|error| OpenError::of_owner(path, error))?;
    session.commit().map_err(failed)
}

/// What a refusal of SQLite over `path` means. Several codes can mean a full disk, so the disk is asked.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, NotADatabase, ReadOnly, SystemIoFailure,
    };
    match error.sqlite_error_code() {
        Some(NotADatabase) => OpenError::NotOurs(path.to_owned()),
        Some(DiskFull) => OpenError::NoRoom(path.to_owned()),
        Some(CannotOpen | SystemIoFailure) if is_full(path) => OpenError::NoRoom(path.to_owned()),
        Some(CannotOpen) => OpenError::Io(path.to_owned(), io::ErrorKind::PermissionDenied.into()),
        Some(SystemIoFailure | ReadOnly) => {
            OpenError::Failing { file: path.to_owned(), what: error.to_string() }
        }
        Some(DatabaseBusy | DatabaseLocked) => OpenError::Held(path.to_owned()),
        _ => OpenError::Damaged { file: path.to_owned(), what: error.to_string() },
    }
}

fn is_full(path: &Path) -> bool {
    place::try_room(path, SMALLEST_ROOM).is_err_and(|error| place::is_full(&error))
}
