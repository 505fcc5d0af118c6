//! The files of one database: who owns them, and whether they still are the ones that were opened.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::OpenError;
use crate::place::{self, beside};
use crate::store::{Gone, Piece, REMOVED};

/// The locks that make this process the only owner, and what was opened under them.
#[derive(Default)]
pub(super) struct Files {
    /// Locked with `flock`, which SQLite does not use. It is opened before SQLite opens the database and outlives its connection:
    /// closing any descriptor of the file ends SQLite's own locks.
    database: Option<Locked>,
    lock: Option<Locked>,
    /// The lock file, where this process made it and has found no database of ours beside it yet.
    made: Option<PathBuf>,
    log: Option<Id>,
}

impl Drop for Files {
    /// What was made for nothing goes, while it is still locked.
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            // One that stays is no harm.
            let _ = std::fs::remove_file(made);
        }
    }
}

/// How often a lock file is opened that others, who were refused, remove meanwhile.
const TRIES: usize = 8;

/// A file that is locked as long as this lives.
struct Locked {
    _file: File,
    id: Id,
}

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id {
    device: u64,
    inode: u64,
    /// Whether a folder has it. A file that was mounted by itself is still found at its place once its folder has lost it.
    is_linked: bool,
}

impl Files {
    /// Locks the database at `path` and its lock file, where they exist or can be made. A full disk that takes no lock file
    /// prevents nothing where the database itself is locked.
    pub(super) fn take(&mut self, path: &Path) -> Result<(), OpenError> {
        self.take_database(path)?;
        self.take_lock(path)
    }

    fn take_lock(&mut self, path: &Path) -> Result<(), OpenError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let name = beside(path, ".lock");
        for _ in 0..TRIES {
            match lock_file(&name) {
                Ok((file, is_new)) => {
                    let lock = locked(file, path)?;
                    if id_at(&name).is_ok_and(|there| there == lock.id) {
                        self.lock = Some(lock);
                        self.made = is_new.then_some(name);
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound && place::folder(&name).is_dir() => {}
                Err(error) if place::is_full(&error) && self.database.is_some() => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(OpenError::of_io(path, error));
                }
                Err(error) => return Err(OpenError::of_io(&name, error)),
            }
        }
        Err(OpenError::InUse(path.to_owned()))
    }

    /// The lock file stays from now on: a database of ours is beside it.
    pub(super) fn keep_lock(&mut self) {
        self.made = None;
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

    /// Lets go of the lock file, and takes the one that is in its place now.
    pub(super) fn take_lock_again(&mut self, path: &Path) -> Result<(), OpenError> {
        let before = self.lock.take();
        let taken = self.take_lock(path);
        if self.lock.is_none() {
            // Another process holds the new one: that the old one is gone is not forgotten.
            self.lock = before;
        }
        taken
    }

    /// Remembers the log that a connection has just opened.
    pub(super) fn know(&mut self, path: &Path) -> Result<(), OpenError> {
        let log = beside(path, "-wal");
        self.log = Some(id_at(&log).map_err(|error| OpenError::of_io(&log, error))?);
        Ok(())
    }

    /// Which files are not what was opened; `named` is where the configuration says that the database is.
    pub(super) fn gone(&self, path: &Path, named: &Path) -> Vec<Gone> {
        let id = |file: &Option<Locked>| file.as_ref().map(|file| file.id);
        let known = [
            (Piece::Database, named.to_owned(), id(&self.database)),
            (Piece::Log, beside(path, "-wal"), self.log),
            (Piece::Lock, beside(path, ".lock"), id(&self.lock)),
        ];
        known
            .into_iter()
            .filter_map(|(piece, path, known)| {
                let known = known?;
                let what = match id_at(&path) {
                    Ok(found) if found == known => return None,
                    Ok(found) if !found.is_linked => REMOVED,
                    Ok(_) => "was replaced",
                    Err(error) if error.kind() == ErrorKind::NotFound => REMOVED,
                    Err(_) => "cannot be reached",
                };
                Some(Gone { piece, what })
            })
            .collect()
    }
}

impl Id {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino(), is_linked: file.nlink() > 0 }
    }
}

/// The lock file `name`, and whether it was made just now.
fn lock_file(name: &Path) -> io::Result<(File, bool)> {
    let mut open = OpenOptions::new();
    open.write(true).mode(0o600);
    match open.clone().create_new(true).open(name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open.open(name).map(|file| (file, false)),
        made => made.map(|file| (file, true)),
    }
}

fn id_at(path: &Path) -> io::Result<Id> {
    std::fs::metadata(path).map(|file| Id::of(&file))
}

fn locked(file: File, path: &Path) -> Result<Locked, OpenError> {
    match file.try_lock() {
        Ok(()) => {
            let id = file.metadata().map(|file| Id::of(&file));
            id.map(|id| Locked { _file: file, id }).map_err(|error| OpenError::of_io(path, error))
        }
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::of_io(path, error)),
    }
}
