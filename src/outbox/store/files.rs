//! The files of one database: who owns them, and whether they still are the ones that were opened.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::OpenError;
use super::health::{Gone, Piece, REMOVED};
use crate::config;
use crate::outbox::place::{self, beside};
use crate::outbox::vault::{KeyTag, Vault};

/// The locks that make this process the only owner, and what was opened under them.
#[derive(Default)]
pub(super) struct Files {
    /// Locked with `flock`, which SQLite does not use. It is opened before SQLite opens the database and outlives its connection:
    /// closing any descriptor of the file ends SQLite's own locks.
    database: Option<File>,
    lock: Option<File>,
    log: Option<Id>,
    key: Option<Stamp>,
}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id {
    device: u64,
    inode: u64,
}

/// Which file it is, and which content it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    id: Id,
    size: u64,
    changed: (i64, i64),
}

impl Files {
    /// Locks the database at `path` and its lock file, as far as they are there or can be made. A full disk that takes no lock file
    /// is no bar where the database itself is locked.
    pub(super) fn take(&mut self, path: &Path) -> Result<(), OpenError> {
        self.take_database(path)?;
        self.take_lock(path)
    }

    fn take_lock(&mut self, path: &Path) -> Result<(), OpenError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let name = beside(path, ".lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name);
        match opened {
            Ok(file) => self.lock = Some(locked(file, path)?),
            Err(error) if place::is_full(&error) && self.database.is_some() => {}
            Err(error) => return Err(OpenError::of_io(&name, error)),
        }
        Ok(())
    }

    /// Locks the database, where there is one and it is not locked yet.
    pub(super) fn take_database(&mut self, path: &Path) -> Result<(), OpenError> {
        if self.database.is_some() {
            return Ok(());
        }
        match File::open(path) {
            Ok(file) => self.database = Some(locked(file, path)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::of_io(path, error)),
        }
        Ok(())
    }

    /// Lets go of a database in whose place another one comes. No connection on it may be open.
    pub(super) fn release_database(&mut self) {
        self.database = None;
    }

    /// Lets go of the lock file, and takes the one that stands at its place now.
    pub(super) fn take_lock_again(&mut self, path: &Path) -> Result<(), OpenError> {
        self.lock = None;
        self.take_lock(path)
    }

    /// Remembers the files that a connection opens or has just opened.
    pub(super) fn know(&mut self, settings: &config::Outbox) {
        self.log = id_at(&beside(&settings.path, "-wal")).ok();
        self.key = std::fs::metadata(&settings.key_file).ok().map(|file| Stamp::of(&file));
    }

    /// Which files are not what was opened. A key file counts as replaced only when it no longer holds the key that seals: a
    /// Kubernetes Secret swaps its folder at every update.
    pub(super) fn gone(&mut self, settings: &config::Outbox, sealing_key: Option<KeyTag>) -> Vec<Gone> {
        let open = |file: &Option<File>| {
            file.as_ref().and_then(|file| file.metadata().ok()).map(|file| Id::of(&file))
        };
        let known = [
            (Piece::Database, settings.path.clone(), open(&self.database)),
            (Piece::Log, beside(&settings.path, "-wal"), self.log),
            (Piece::Lock, beside(&settings.path, ".lock"), open(&self.lock)),
        ];
        let mut gone: Vec<Gone> = known
            .into_iter()
            .filter_map(|(piece, path, known)| {
                let known = known?;
                let what = match id_at(&path) {
                    Ok(found) if found == known => return None,
                    Ok(_) => "was replaced",
                    Err(error) if error.kind() == ErrorKind::NotFound => REMOVED,
                    Err(_) => "cannot be reached",
                };
                Some(Gone { piece, what })
            })
            .collect();
        gone.extend(self.key_gone(&settings.key_file, sealing_key));
        gone
    }

    fn key_gone(&mut self, file: &Path, sealing_key: Option<KeyTag>) -> Option<Gone> {
        let (known, sealing_key) = (self.key?, sealing_key?);
        let found = std::fs::metadata(file).map(|file| Stamp::of(&file));
        let what = match found {
            Ok(found) if found == known => return None,
            Ok(found) => match Vault::load(file) {
                Ok(vault) if vault.holds(sealing_key) => {
                    self.key = Some(found);
                    return None;
                }
                Ok(_) => "no longer holds the key in use",
                Err(_) => "can no longer be used",
            },
            Err(error) if error.kind() == ErrorKind::NotFound => REMOVED,
            Err(_) => "cannot be reached",
        };
        Some(Gone { piece: Piece::Key, what })
    }
}

impl Id {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self { id: Id::of(file), size: file.len(), changed: (file.ctime(), file.ctime_nsec()) }
    }
}

fn id_at(path: &Path) -> io::Result<Id> {
    std::fs::metadata(path).map(|file| Id::of(&file))
}

fn locked(file: File, path: &Path) -> Result<File, OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::of_io(path, error)),
    }
}
