//! The durable part: one SQLite file, one thread that owns it, and group commit. Whoever is answered has its write on the disk.
//!
//! Callers hand over closures; all that wait while a commit is under way share the next one, and so its fsync. A PostgreSQL store
//! would stand behind the same functions.

mod aside;
mod correlation;
mod deliveries;
mod desk;
mod entries;
mod files;
mod group;
mod health;
mod jobs;
mod legacy;
mod log;
mod look;
mod make;
mod open;
mod operator;
mod pushes;
mod queue;
mod rekey;
mod schema;
mod site;
#[cfg(test)]
mod tests;
mod unreadable;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;
use tokio::sync::Notify;
use zeroize::Zeroizing;

pub use self::aside::set_aside;
pub use self::deliveries::Undelivered;
pub use self::entries::{Accepted, IdempotencyKey};
pub use self::health::{Gone, Piece, Trouble};
pub use self::legacy::LegacyPosts;
pub(crate) use self::look::{LookError, key_tags};
pub use self::open::OpenError;
pub use self::operator::{Filter, Page, ShownPage};
pub use self::pushes::{PushKind, QuarantineCount, Quarantined, Received, Told};

pub use self::rekey::Rekeyed;

use self::desk::Desk;
use self::group::Group;
use self::site::{Opened, Site};
use super::place::{self, beside};
use super::uptime::Millis;
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
    site: Arc<Site>,
    clock: Clock,
    /// How application ids and UINTOKENs reach OpenCRVS 1.x; unset: they do not.
    legacy: OnceLock<LegacyPosts>,
    /// Told of every entry made for OpenCRVS.
    legacy_queued: Arc<Notify>,
    quarantine: config::Quarantine,
    /// Held by the one rekey that is under way.
    rekeying: tokio::sync::Mutex<()>,
}

/// What a job sees of the store while it runs.
struct Tables<'c> {
    connection: &'c Connection,
    vault: Arc<Vault>,
    identity_key: Arc<Zeroizing<Vec<u8>>>,
    site: Arc<Site>,
    told: Arc<Notify>,
    legacy: Option<LegacyPosts>,
    legacy_queued: Arc<Notify>,
    now: Millis,
    wall: Timestamp,
}

impl Store {
    /// The names under which [`Self::unreadable`] counts.
    pub const SEALED_TABLES: [&str; 6] =
        ["entry", "delivery", "push", "job_record", "job_result", "correlation"];

    /// Opens the database of `settings`, or makes it. A full disk is no bar: what comes is refused until there is room.
    pub fn open(
        settings: config::Outbox,
        quarantine: config::Quarantine,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        let site = Arc::new(Site::new(settings));
        let desk = Desk::open(Arc::clone(&site))?;
        let group = Group::start(desk).map_err(|error| OpenError::Io(path, error))?;
        Ok(Self(Arc::new(Shared {
            group,
            site,
            clock,
            legacy: OnceLock::new(),
            legacy_queued: Arc::default(),
            quarantine,
            rekeying: tokio::sync::Mutex::new(()),
        })))
    }

    /// The outbox's clock.
    pub fn uptime(&self) -> Millis {
        self.0.site.uptime()
    }

    /// Whether an event post is taken; false: it is answered 507, because of [`Self::trouble`].
    pub fn is_writable(&self) -> bool {
        self.trouble().is_none()
    }

    /// Why nothing is taken.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.site.health.trouble()
    }

    /// How many rows do not open, by table; only tables that have any. They wait for a start or a rekey with the key they need.
    pub fn unreadable(&self) -> BTreeMap<&'static str, u64> {
        self.0.site.unreadable.counts()
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.0.site.settings.path
    }

    /// Bytes that the disk of the database still takes.
    pub fn disk_left(&self) -> Option<u64> {
        place::disk_left(self.path())
    }

    /// Bytes that the database and its log take.
    pub fn disk_used(&self) -> u64 {
        [self.path().to_owned(), beside(self.path(), "-wal")]
            .iter()
            .filter_map(|file| std::fs::metadata(file).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Looks whether the files are still there, and tries a disk that refused or is nearly full; [`Code::Storage`] while nothing is
    /// taken.
    pub async fn look_after(&self) -> Result<()> {
        self.0.group.command(Desk::look_after).await
    }

    /// Goes on after files were removed or replaced; [`Code::Storage`] with what is still wrong.
    pub async fn resume(&self) -> Result<()> {
        self.0.group.command(Desk::resume).await
    }

    /// Writes the outbox's clock, forgets what is older than `outbox.retention` and `outbox.remember`; [`Self::look_after`] first.
    pub async fn keep_house(&self) -> Result<()> {
        self.look_after().await?;
        let (retention, remember) = (self.0.site.settings.retention, self.0.site.settings.remember);
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

    /// Runs `job` in the next group; answered once its commit is on the disk.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(false, job).await
    }

    /// Runs `job`, which tells somebody that what they sent is safe; [`Code::Storage`] while nothing is taken.
    async fn take<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.site.health.check()?;
        self.submit(true, job).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        acknowledges: bool,
        job: impl FnOnce(&Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // The job must not hold the store: whoever drops the last of it waits for the thread that the job runs on.
        let (site, legacy_queued) = (Arc::clone(&self.0.site), Arc::clone(&self.0.legacy_queued));
        let (now, wall) = (self.uptime(), self.0.clock.now());
        let legacy = self.0.legacy.get().copied();
        let job = move |connection: &Connection| {
            // Under the keys of the moment at which it runs: a rekey may have come between.
            let Opened { vault, identity_key, .. } = site.opened()?;
            let told = Arc::clone(&site.told);
            job(&Tables { connection, vault, identity_key, site, told, legacy, legacy_queued, now, wall })
        };
        self.0.group.run(acknowledges, job).await
    }

    /// HMAC-SHA256 of `parts` under the identity key, each part closed by its length.
    fn identity(&self, parts: &[&[u8]]) -> Result<Vec<u8>> {
        Ok(identity(&self.0.site.opened()?.identity_key, parts))
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
}

fn unusable(error: &VaultError) -> Error {
    Error::new(Code::Storage, error.to_string())
        .advise("Restore outbox.key_file and the database from the same backup, then run `mosip-gateway outbox rekey` or start the gateway again.")
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
            Some(DiskFull) => storage.for_operator(desk::DISK_FULL),
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
