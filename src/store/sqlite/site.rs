//! What the thread of a database and its callers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::Files;
use crate::error::Result;
use crate::place;
use crate::store::health::Health;
use crate::store::{Gone, Owner, Piece};

/// One database, whether or not it could be opened yet.
pub(super) struct Site {
    /// As SQLite sees it, which follows links and keeps the log beside the file that it finds.
    pub(super) path: PathBuf,
    /// `outbox.path` as it is configured.
    named: PathBuf,
    pub(super) owner: Arc<dyn Owner>,
    pub(super) health: Health,
    files: Mutex<Files>,
}

impl Site {
    pub(super) fn new(named: PathBuf, owner: Arc<dyn Owner>) -> Self {
        Self {
            path: place::resolved(&named),
            named,
            owner,
            health: Health::default(),
            files: Mutex::default(),
        }
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which files are not what was opened.
    pub(super) fn files_gone(&self) -> Vec<Gone> {
        let mut gone = self.files().gone(&self.path, &self.named);
        gone.extend(self.owner.missing().map(|what| Gone { piece: Piece::Key, what }));
        gone
    }

    /// Whether every file is the one that was opened; if not, nothing more is acknowledged.
    pub(super) fn check_files(&self) -> Result<()> {
        let gone = self.files_gone();
        if !gone.is_empty() {
            self.health.lose(gone);
        }
        self.health.check()
    }
}
