//! What the thread of a database and its callers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::files::Files;
use super::health::{Gone, Health};
use super::unreadable::Unreadable;
use crate::config;
use crate::error::{Error, Result};
use crate::outbox::place;
use crate::outbox::uptime::{Millis, Uptime};
use crate::outbox::vault::Vault;

/// One database, whether or not it could be opened yet.
pub(super) struct Site {
    /// With `path` as SQLite sees it, which follows links and keeps the log beside the file that it finds.
    pub(super) settings: config::Outbox,
    /// `outbox.path` as it is configured.
    named: PathBuf,
    pub(super) health: Health,
    pub(super) unreadable: Unreadable,
    /// Told of every message queued for the mediator.
    pub(super) told: Arc<Notify>,
    opened: RwLock<Option<Opened>>,
    files: Mutex<Files>,
}

/// What is known once the database has been opened.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) vault: Arc<Vault>,
    /// Under which identities are compared; made with the database, never changed.
    pub(super) identity_key: Arc<Zeroizing<Vec<u8>>>,
    pub(super) uptime: Uptime,
}

impl Site {
    pub(super) fn new(settings: config::Outbox) -> Self {
        let named = settings.path.clone();
        let settings = config::Outbox { path: place::resolved(&named), ..settings };
        Self {
            settings,
            named,
            health: Health::default(),
            unreadable: Unreadable::default(),
            told: Arc::default(),
            opened: RwLock::new(None),
            files: Mutex::default(),
        }
    }

    /// What is known of the database; [`crate::error::Code::Storage`] before it could be opened.
    pub(super) fn opened(&self) -> Result<Opened> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| match self.health.trouble() {
            Some(trouble) => (&trouble).into(),
            None => Error::new(crate::error::Code::Storage, "the outbox is not open"),
        })
    }

    pub(super) fn set_opened(&self, opened: Opened) {
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// From now on `vault` seals and opens.
    pub(super) fn replace_vault(&self, vault: Arc<Vault>) {
        if let Some(opened) = self.opened.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            opened.vault = vault;
        }
    }

    /// The outbox's clock; zero before the database could be opened.
    pub(super) fn uptime(&self) -> Millis {
        self.opened().map_or(0, |opened| opened.uptime.now())
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which files are not what was opened.
    pub(super) fn files_gone(&self) -> Vec<Gone> {
        let sealing_key = self.opened().ok().and_then(|opened| opened.vault.sealing_key());
        self.files().gone(&self.settings, &self.named, sealing_key)
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
