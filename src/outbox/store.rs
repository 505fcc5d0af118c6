//! The durable part: one SQLite file, one thread that owns it, and group commit. Whoever is answered has its write on the disk.
//!
//! Callers hand over closures; all that wait while a commit is under way share the next one, and so its fsync. A PostgreSQL store
//! would stand behind the same functions.

mod correlation;
mod deliveries;
mod entries;
mod group;
mod jobs;
mod legacy;
mod open;
mod operator;
mod pushes;
mod queue;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::Notify;
use zeroize::Zeroizing;

pub use self::deliveries::Undelivered;
pub use self::entries::{Accepted, IdempotencyKey};
pub use self::legacy::LegacyPosts;
pub use self::open::{OpenError, set_aside};
pub use self::operator::{Filter, Page, ShownPage};
pub use self::pushes::{PushKind, QuarantineCount, Quarantined, Received, Told};

use self::group::Group;
use super::uptime::{Millis, Uptime};
use super::vault::{Place, Vault, VaultError};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::error::{Code, Error, Result};

/// The database of the outbox and the inbox. Cheap to clone; the last clone closes the file.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    group: Group,
    vault: RwLock<Arc<Vault>>,
    /// Under which identities are compared; made with the database, never changed.
    identity_key: Arc<Zeroizing<Vec<u8>>>,
    uptime: Uptime,
    clock: Clock,
    /// Told of every message queued for the mediator.
    told: Arc<Notify>,
    /// How application ids and UINTOKENs reach OpenCRVS 1.x; unset: they do not.
    legacy: OnceLock<LegacyPosts>,
    /// Told of every entry made for OpenCRVS.
    legacy_queued: Arc<Notify>,
    settings: config::Outbox,
    quarantine: config::Quarantine,
    /// Held for the life of the process: a second one is refused.
    _lock: std::fs::File,
}

/// What a job sees of the store while it runs.
struct Tables<'c> {
    connection: &'c Connection,
    vault: Arc<Vault>,
    identity_key: Arc<Zeroizing<Vec<u8>>>,
    told: Arc<Notify>,
    legacy: Option<LegacyPosts>,
    legacy_queued: Arc<Notify>,
    now: Millis,
    wall: Timestamp,
}

impl Store {
    /// The outbox's clock.
    pub fn uptime(&self) -> Millis {
        self.0.uptime.now()
    }

    /// Whether the last write reached the disk; false = an event post is answered 507.
    pub fn is_writable(&self) -> bool {
        self.0.group.is_writable()
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.0.settings.path
    }

    /// Bytes that the disk of the database still takes.
    pub fn disk_left(&self) -> Option<u64> {
        disk_left(&self.0.settings.path)
    }

    /// Bytes that the database and its log take.
    pub fn disk_used(&self) -> u64 {
        let wal = open::beside(&self.0.settings.path, "-wal");
        [self.0.settings.path.clone(), wal]
            .iter()
            .filter_map(|file| std::fs::metadata(file).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Writes the outbox's clock, forgets what is older than `outbox.retention` and `outbox.remember`. Also the trial write after a
    /// full disk.
    pub async fn keep_house(&self) -> Result<()> {
        let (retention, remember) = (self.0.settings.retention, self.0.settings.remember);
        self.run(move |tables| {
            tables.connection.execute("UPDATE meta SET value=?1 WHERE name='uptime'", [tables.now])?;
            tables.forget_entries(retention, remember)?;
            tables.forget_correlations(remember)?;
            tables.forget_deliveries(retention)?;
            tables.forget_jobs(retention)?;
            tables.forget_pushes(remember)
        })
        .await
    }

    /// Reads `outbox.key_file` anew and seals every row, and the identity key, under its first key. The keys that rows are sealed
    /// under must be in the file still.
    pub async fn rekey(&self) -> Result<u64> {
        let fresh = Vault::load(&self.0.settings.key_file).map_err(|error| unusable(&error))?;
        *self.0.vault.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        let mut resealed = 0;
        for column in schema::SEALED {
            let mut after = Some(0);
            while let Some(rowid) = after {
                let step = self.run(move |tables| tables.reseal(column, rowid)).await?;
                resealed += step.resealed;
                after = step.last;
            }
        }
        Ok(resealed)
    }

    /// Runs `job` in the next group; answered once its commit is on the disk.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.0);
        let vault = Arc::clone(&shared.vault.read().unwrap_or_else(PoisonError::into_inner));
        let (now, wall) = (self.uptime(), shared.clock.now());
        let identity_key = Arc::clone(&shared.identity_key);
        let (told, legacy_queued) = (Arc::clone(&shared.told), Arc::clone(&shared.legacy_queued));
        let legacy = shared.legacy.get().copied();
        // The job must not hold the store: whoever drops the last of it waits for the thread that the job runs on.
        drop(shared);
        self.0
            .group
            .run(move |connection| {
                job(&Tables { connection, vault, identity_key, told, legacy, legacy_queued, now, wall })
            })
            .await
    }

    /// HMAC-SHA256 of `parts` under the identity key, each part closed by its length.
    fn identity(&self, parts: &[&[u8]]) -> Vec<u8> {
        identity(&self.0.identity_key, parts)
    }
}

/// HMAC-SHA256 of `parts` under `key`, each part closed by its length.
fn identity(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
    let framed: Vec<&[u8]> =
        parts.iter().zip(&lengths).flat_map(|(part, length)| [length.as_slice(), part]).collect();
    hmac::tag(HmacAlgorithm::Sha256, key, &framed)
}

impl Tables<'_> {
    fn seal(&self, table: &'static str, row: &str, column: &'static str, value: &[u8]) -> Result<Vec<u8>> {
        self.vault.seal(Place { table, row, column }, value).map_err(|error| unusable(&error))
    }

    fn unseal(
        &self,
        table: &'static str,
        row: &str,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.vault.open(Place { table, row, column }, sealed).map_err(|error| unusable(&error))
    }

    /// Seals anew what is not under the first key, among the next rows after `rowid`.
    fn reseal(
        &self,
        (table, row, column): (&'static str, &str, &'static str),
        rowid: i64,
    ) -> Result<Resealed> {
        const ROWS_AT_ONCE: i64 = 200;
        let find = format!(
            "SELECT rowid, {row}, {column} FROM {table} WHERE rowid>?1 AND {column} IS NOT NULL ORDER BY rowid LIMIT ?2"
        );
        let update = format!("UPDATE {table} SET {column}=?1 WHERE rowid=?2");
        let mut step = Resealed { resealed: 0, last: None };
        let mut find = self.connection.prepare_cached(&find)?;
        let mut rows = find.query([rowid, ROWS_AT_ONCE])?;
        while let Some(found) = rows.next()? {
            let (rowid, name, sealed): (i64, String, Vec<u8>) = (found.get(0)?, found.get(1)?, found.get(2)?);
            step.last = Some(rowid);
            if !self.vault.is_current(&sealed) {
                let again = self.seal(table, &name, column, &self.unseal(table, &name, column, &sealed)?)?;
                self.connection.prepare_cached(&update)?.execute((again, rowid))?;
                step.resealed += 1;
            }
        }
        Ok(step)
    }
}

/// How far resealing has come.
struct Resealed {
    resealed: u64,
    /// The last row looked at; none: the table is through.
    last: Option<i64>,
}

fn disk_left(path: &Path) -> Option<u64> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn unusable(error: &VaultError) -> Error {
    Error::new(Code::Storage, error.to_string())
        .advise("Restore outbox.key_file and the database from the same backup.")
}

/// A full, broken or read-only disk is the disk's; anything else SQLite refuses is a defect of ours.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, ReadOnly,
            SystemIoFailure,
        };
        let storage = Error::new(Code::Storage, "the outbox cannot be written");
        match error.sqlite_error_code() {
            Some(DiskFull) => storage.for_operator("the disk is full"),
            Some(DatabaseBusy | DatabaseLocked) => storage
                .advise("Another program holds the database: let it finish, or stop it.")
                .for_operator("another program holds the database"),
            Some(SystemIoFailure | CannotOpen | ReadOnly) => {
                storage.for_operator(format!("the disk fails: {error}"))
            }
            Some(DatabaseCorrupt | NotADatabase) => storage
                .advise("The database is damaged: stop the gateway and restore it from a backup.")
                .for_operator("the database is damaged"),
            _ => Error::new(Code::Bug, "the outbox refuses a statement").for_operator(error.to_string()),
        }
    }
}

/// Where the lock of the database at `path` is.
fn lock_file(path: &Path) -> PathBuf {
    open::beside(path, ".lock")
}
