//! Opening the database: locked, ours, of a version we know, and with the key that it was made with; or refused with what to do.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};

use rusqlite::{Connection, OptionalExtension};
use zeroize::Zeroizing;

use super::group::Group;
use super::{Shared, Store, lock_file, queue, schema};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::crypto::secret;
use crate::outbox::uptime::{Millis, Uptime};
use crate::outbox::vault::{Place, Vault, VaultError};

/// Where the identity key is sealed.
const IDENTITY: Place<'static> = Place { table: "meta", row: "identity", column: "sealed" };
/// A database below this size is checked page by page at start.
const CHECKED_WHOLE: u64 = 64 << 20;

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

impl Store {
    /// Opens the database of `settings`, or makes it. At start every former lease is void: this process alone owns the file.
    pub fn open(
        settings: config::Outbox,
        quarantine: config::Quarantine,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        let lock = lock(&path)?;
        // SQLite gives its log the mode of the database.
        let private = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        private.map_err(|error| OpenError::Io(path.clone(), error))?;
        let connection = connect(&path).map_err(|error| refused(&path, &error))?;
        let version = version(&connection, &path)?;
        let is_new = version == 0;
        let vault = match Vault::load(&settings.key_file) {
            Err(VaultError::Missing(_)) if is_new => Vault::create(&settings.key_file),
            loaded => loaded,
        }
        .map_err(|key_error| OpenError::Key { file: path.clone(), key_error })?;
        let (identity_key, uptime) = prepare(&connection, &vault, version).map_err(|error| match error {
            PrepareError::Sqlite(error) => refused(&path, &error),
            PrepareError::Vault(key_error) => OpenError::Key { file: path.clone(), key_error },
        })?;
        let group = Group::start(connection).map_err(|error| OpenError::Io(path, error))?;
        Ok(Self(Arc::new(Shared {
            group,
            vault: RwLock::new(Arc::new(vault)),
            identity_key: Arc::new(identity_key),
            uptime: Uptime::from(uptime),
            clock,
            told: Arc::default(),
            legacy: OnceLock::new(),
            legacy_queued: Arc::default(),
            settings,
            quarantine,
            _lock: lock,
        })))
    }
}

/// Moves the database of `settings` and what belongs to it aside, untouched, and says where to. The next start begins empty.
pub fn set_aside(settings: &config::Outbox, now: Timestamp) -> Result<PathBuf, OpenError> {
    let _lock = lock(&settings.path)?;
    let aside = beside(&settings.path, &format!(".aside-{}", now.seconds()));
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(&settings.path, suffix), beside(&aside, suffix));
        match std::fs::rename(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
            moved => moved.map_err(|error| OpenError::Io(from, error))?,
        }
    }
    Ok(aside)
}

/// `path` with `suffix` after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let name = lock_file(path);
    let failed = |error| OpenError::Io(name.clone(), error);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
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
enum PrepareError {
    Sqlite(rusqlite::Error),
    Vault(VaultError),
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
fn prepare(
    connection: &Connection,
    vault: &Vault,
    version: i64,
) -> Result<(Zeroizing<Vec<u8>>, Millis), PrepareError> {
    let transaction = connection.unchecked_transaction()?;
    if version < schema::newest() {
        schema::migrate(&transaction, version)?;
    }
    let sealed: Option<Vec<u8>> = transaction
        .query_row("SELECT sealed FROM meta WHERE name='identity'", (), |row| row.get(0))
        .optional()?;
    let identity = match sealed {
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
    let uptime = transaction.query_row("SELECT value FROM meta WHERE name='uptime'", (), |row| row.get(0))?;
    transaction.commit()?;
    // Switching writes to the file, so only now: one that holds anything is one of ours from its first page.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok((identity, uptime))
}

fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{CannotOpen, NotADatabase};
    match error.sqlite_error_code() {
        Some(NotADatabase) => OpenError::NotOurs(path.to_owned()),
        Some(CannotOpen) => OpenError::Io(path.to_owned(), io::ErrorKind::PermissionDenied.into()),
        _ => OpenError::Damaged { file: path.to_owned(), what: error.to_string() },
    }
}
