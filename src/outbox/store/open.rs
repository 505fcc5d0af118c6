//! Opening the database: locked, ours, of a version we know, and with the key that it was made with; or refused with what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use zeroize::Zeroizing;

use super::desk::Link;
use super::log::Log;
use super::make;
use super::site::{Opened, Site};
use super::{queue, schema};
use crate::crypto::secret;
use crate::outbox::place::{self, beside};
use crate::outbox::uptime::{Millis, Uptime};
use crate::outbox::vault::{Place, Vault, VaultError};

/// Where the identity key is sealed.
pub(super) const IDENTITY: Place<'static> = Place { table: "meta", row: "identity", column: "sealed" };
/// A database below this size is checked page by page at start.
const CHECKED_WHOLE: u64 = 64 << 20;
/// SQLite asks for no less at once: the index of the log.
const SMALLEST_ROOM: usize = 64 << 10;

/// Why the gateway must not start over this database. `Display` is `<file>: <what>; <what to do>`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process owns it.
    #[error("{}: another gateway is using this database; stop it, or give this one an outbox.path of its own", .0.display())]
    InUse(PathBuf),
    /// A file cannot be made, read or locked.
    #[error("{}: {}; make the folder of outbox.path writable for the gateway", .0.display(), .1.kind())]
    Io(PathBuf, io::Error),
    /// The disk is full. The gateway starts all the same and goes on once there is room.
    #[error("{}: the disk is full; free space on it", .0.display())]
    NoRoom(PathBuf),
    /// The disk fails otherwise, or takes no writes.
    #[error("{}: the disk refuses ({what}); look at it and at how it is mounted", .file.display())]
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
    /// No database is there yet, and the key file is of no use.
    #[error("{0}; correct the file, or remove it and let the gateway make one")]
    KeyFile(VaultError),
    /// It is not a database of a gateway.
    #[error("{}: this is not an outbox of a gateway; name another outbox.path, or restore the file", .0.display())]
    NotOurs(PathBuf),
    /// A newer gateway wrote it.
    #[error("{}: version {found} of the outbox was written by a newer gateway (this one knows {}); run that one", .file.display(), schema::newest())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The key that the rows are sealed under is not there.
    #[error("{key_error}, and {} has rows sealed under it; restore the key, or move the database away with `mosip-gateway outbox set-aside`", .file.display())]
    Key {
        /// The database.
        file: PathBuf,
        /// What is wrong with the key file.
        key_error: VaultError,
    },
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
}

/// Locks and opens the database of `site`, or makes it. At a start every former lease is void: this process alone owns the file.
pub(super) fn establish(site: &Site) -> Result<Connection, OpenError> {
    let path = &site.settings.path;
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
    let vault = load_vault(site)?;
    log.tell(&connection, path).map_err(|error| refused(path, &error))?;
    let (identity_key, uptime) = prepare(&connection, &vault, version).map_err(|error| error.at(path))?;
    begin_log(&connection).map_err(|error| refused(path, &error))?;
    site.files().know(&site.settings)?;
    site.set_opened(Opened {
        vault: Arc::new(vault),
        identity_key: Arc::new(identity_key),
        uptime: Uptime::from(uptime),
    });
    Ok(connection)
}

/// Opens the database of `site` once more, whose log has been written into it.
pub(super) fn reconnect(site: &Site) -> Result<Connection, OpenError> {
    let path = &site.settings.path;
    let (connection, _) = connect_to_ours(path)?;
    begin_log(&connection).map_err(|error| refused(path, &error))?;
    site.files().know(&site.settings)?;
    Ok(connection)
}

/// Opens the database of `site` without a byte to spare: no file is made and nothing is written.
pub(super) fn for_reading(site: &Site) -> Result<Link, OpenError> {
    let path = &site.settings.path;
    // From now on the log is watched, if it is there, whether or not anything can be read.
    let _ = site.files().know(&site.settings);
    if make::is_missing(path)? {
        return Ok(Link::Closed);
    }
    site.files().take_database(path)?;
    let vault = load_vault(site)?;
    let read = match read_without_room(path) {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(Link::Closed),
        Err(error) => {
            return match refused(path, &error) {
                refusal @ (OpenError::NotOurs(_) | OpenError::Damaged { .. }) => Err(refusal),
                _ => Ok(Link::Closed),
            };
        }
    };
    let identity_key =
        vault.open(IDENTITY, &read.identity).map_err(|error| PrepareError::Vault(error).at(path))?;
    site.set_opened(Opened {
        vault: Arc::new(vault),
        identity_key: Arc::new(identity_key),
        uptime: Uptime::from(read.uptime),
    });
    Ok(Link::Reading(read.connection))
}

/// What [`for_reading`] finds.
struct Readable {
    connection: Connection,
    identity: Vec<u8>,
    uptime: Millis,
}

/// None: an older version, which has to be brought up to date before anything of it can be shown.
fn read_without_room(path: &Path) -> rusqlite::Result<Option<Readable>> {
    let connection = connect_for_reading(path)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != schema::newest() {
        return Ok(None);
    }
    let (identity, uptime) = (sealed_identity(&connection)?, read_uptime(&connection)?);
    Ok(identity.map(|identity| Readable { connection, identity, uptime }))
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
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn load_vault(site: &Site) -> Result<Vault, OpenError> {
    Vault::load(&site.settings.key_file)
        .map_err(|key_error| OpenError::Key { file: site.settings.path.clone(), key_error })
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
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The version of the database; 0 of one that is not made yet, or whose making was cut off and so undone by SQLite.
fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let number = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|error| refused(path, &error))
    };
    if number("page_count")? == 0 {
        return Ok(0);
    }
    let (application, version) = (number("application_id")?, number("user_version")?);
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

/// What stands in the way of [`prepare`].
pub(super) enum PrepareError {
    Sqlite(rusqlite::Error),
    Vault(VaultError),
}

impl PrepareError {
    pub(super) fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Sqlite(error) => refused(path, &error),
            Self::Vault(key_error) => OpenError::Key { file: path.to_owned(), key_error },
        }
    }
}

impl From<rusqlite::Error> for PrepareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<VaultError> for PrepareError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

/// Migrates, reads or makes the identity key, and voids old leases, all in one transaction.
pub(super) fn prepare(
    connection: &Connection,
    vault: &Vault,
    version: i64,
) -> Result<(Zeroizing<Vec<u8>>, Millis), PrepareError> {
    let transaction = connection.unchecked_transaction()?;
    if version < schema::newest() {
        schema::migrate(&transaction, version)?;
    }
    let identity = match sealed_identity(&transaction)? {
        Some(sealed) => vault.open(IDENTITY, &sealed)?,
        None => {
            let key = Zeroizing::new(secret::random::<32>().to_vec());
            let sealed = vault.seal(IDENTITY, &key)?;
            transaction.execute("INSERT INTO meta (name, sealed) VALUES ('identity', ?1)", [sealed])?;
            key
        }
    };
    for table in ["entry", "job_record"] {
        queue::void_leases(&transaction, table, None)?;
        let due = format!("UPDATE {table} SET next_at=0 WHERE state='queued' AND next_at>0");
        transaction.execute(&due, ())?;
    }
    transaction.execute("UPDATE delivery SET next_at=0 WHERE next_at>0", ())?;
    let uptime = read_uptime(&transaction)?;
    transaction.commit()?;
    Ok((identity, uptime))
}

pub(super) fn sealed_identity(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT sealed FROM meta WHERE name='identity'", (), |row| row.get(0)).optional()
}

fn read_uptime(connection: &Connection) -> rusqlite::Result<Millis> {
    connection.query_row("SELECT value FROM meta WHERE name='uptime'", (), |row| row.get(0))
}

/// What a refusal of SQLite over `path` means. A full disk hides behind several codes, so that it is asked.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, NotADatabase, ReadOnly, SystemIoFailure,
    };
    let is_full = || place::try_room(path, SMALLEST_ROOM).is_err_and(|error| place::is_full(&error));
    match error.sqlite_error_code() {
        Some(NotADatabase) => OpenError::NotOurs(path.to_owned()),
        Some(DiskFull) => OpenError::NoRoom(path.to_owned()),
        Some(CannotOpen | SystemIoFailure) if is_full() => OpenError::NoRoom(path.to_owned()),
        Some(CannotOpen) => OpenError::Io(path.to_owned(), io::ErrorKind::PermissionDenied.into()),
        Some(SystemIoFailure | ReadOnly) => {
            OpenError::Failing { file: path.to_owned(), what: error.to_string() }
        }
        Some(DatabaseBusy | DatabaseLocked) => OpenError::Held(path.to_owned()),
        _ => OpenError::Damaged { file: path.to_owned(), what: error.to_string() },
    }
}
