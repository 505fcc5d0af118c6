//! What the threads of a database and its callers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::acknowledged::Acknowledged;
use super::connect::Target;
use super::open::OpenError;
use super::schema;
use super::session::Failure;
use crate::error::Result;
use crate::store::health::Health;
use crate::store::{Gone, Owner, Piece};

/// How long a server that could not be reached is left alone.
const REST: Duration = Duration::from_millis(500);
/// How often a process that writes moves the outbox's clock on.
const TICK: Duration = Duration::from_secs(1);

/// One database, whether or not it could be opened yet.
pub(super) struct Site {
    pub(super) target: Target,
    pub(super) owner: Arc<dyn Owner>,
    /// What this program makes of an older database.
    pub(super) migrations: &'static [&'static str],
    pub(super) health: Health,
    pub(super) acknowledged: Acknowledged,
    /// Whether the owner has read what is theirs.
    is_open: Mutex<bool>,
    /// When and why no connection could be had, since one was.
    failed: Mutex<Option<(Instant, Failure)>>,
    used: AtomicU64,
    /// When this process last moved the outbox's clock on.
    ticked: Mutex<Option<Instant>>,
}

impl Site {
    pub(super) fn new(target: Target, owner: Arc<dyn Owner>) -> Self {
        let (health, used) = (Health::default(), AtomicU64::new(0));
        let acknowledged = Acknowledged::new(target.state_file());
        let (is_open, failed, ticked) = Default::default();
        let migrations = &schema::MIGRATIONS;
        Self { target, owner, migrations, health, acknowledged, is_open, failed, used, ticked }
    }

    /// Whether the database was opened by this process. Held while it is.
    pub(super) fn is_open(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no connection could be had a moment ago.
    pub(super) fn failed(&self) -> Option<Failure> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, failure) = failed.as_ref().filter(|(when, _)| when.elapsed() < REST)?;
        Some(failure.clone())
    }

    /// A connection could be had, or why it could not.
    pub(super) fn tried(&self, failure: Option<&Failure>) {
        let failed = failure.map(|failure| (Instant::now(), failure.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// `what` is wrong, and no start helps.
    pub(super) fn refused(&self, what: String) -> OpenError {
        OpenError::Refused(format!("{}: {what}", self.target.name()))
    }

    /// Whether what seals the rows is where it was; if not, nothing more is acknowledged.
    pub(super) fn check_key(&self) -> Result<()> {
        if let Some(what) = self.owner.missing() {
            self.health.lose(vec![Gone { piece: Piece::Key, what }]);
        }
        self.health.check()
    }

    /// For how long this process has not moved the outbox's clock on, where it is time to.
    pub(super) fn ticks(&self) -> Option<Duration> {
        let ticked = self.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        let since = ticked.map_or(Duration::ZERO, |ticked| ticked.elapsed());
        (ticked.is_none() || since >= TICK).then_some(since)
    }

    /// It was moved on.
    pub(super) fn ticked(&self) {
        *self.ticked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Bytes of the database when it was last asked.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn set_used(&self, bytes: u64) {
        self.used.store(bytes, Ordering::Relaxed);
    }
}
