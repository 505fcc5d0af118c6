//! A database in a file: its settings, and what the command line and `doctor` see of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::look::LookError;
use super::{OpenError, Sqlite, copy, look, moving, set_aside};
use crate::clock::Timestamp;
use crate::config::section::Section;
use crate::place::beside;
use crate::store::moving::Side;
use crate::store::{self, CopyError, Database, Head, Location, Owner, Remains, Store};

/// Where a database lies, or will lie.
struct File(PathBuf);

/// `outbox.path`
pub(crate) fn read(section: &mut Section<'_>) -> Location {
    let path = section.path("path").unwrap_or_else(|| section.reader().base().join("outbox.db"));
    Location::new(File(path))
}

/// The database at `path`.
pub(crate) fn in_file(path: PathBuf) -> Location {
    Location::new(File(path))
}

impl Database for File {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn file(&self) -> Option<(&'static str, &Path)> {
        Some(("outbox.path", &self.0))
    }

    fn open(&self, owner: Arc<dyn Owner>) -> Result<Store, store::OpenError> {
        Ok(Store::new(Sqlite::open(&self.0, owner)?))
    }

    /// A log without its database is what an interrupted set-aside leaves.
    fn remains(&self) -> Remains {
        match (self.0.exists(), beside(&self.0, "-wal").exists()) {
            (true, _) => Remains::Database,
            (false, true) => Remains::HalfMoved,
            (false, false) => Remains::Nothing,
        }
    }

    fn is_in_use(&self) -> bool {
        look::is_in_use(&self.0)
    }

    fn heads(&self, length: usize) -> Result<Vec<Head>, store::LookError> {
        look::heads(&self.0, length).map_err(|error| match error {
            LookError::Refused(error) => {
                // `<file>: <what>; <what to do>`
                let sentence = error.to_string();
                let whole = self.0.display().to_string();
                let (file, what) = sentence.split_once(": ").unwrap_or((&whole, &sentence));
                let (what, advice) = what.rsplit_once("; ").unwrap_or((what, "look at the file"));
                store::LookError {
                    file: file.to_owned(),
                    what: what.to_owned(),
                    advice: advice.to_owned(),
                    stops_start: true,
                }
            }
            LookError::Unreadable(_) => store::LookError {
                file: self.0.display().to_string(),
                what: error.to_string(),
                advice: "look at the disk, and whether another program holds the database".to_owned(),
                stops_start: false,
            },
        })
    }

    fn copy(&self, to: &Path) -> Result<(), CopyError> {
        copy::copy(&self.0, to).map_err(|error| CopyError(error.to_string()))
    }

    fn set_aside(&self, now: Timestamp) -> Result<PathBuf, store::OpenError> {
        Ok(set_aside::set_aside(&self.0, now)?)
    }

    fn hold(&self) -> Result<Box<dyn Side>, store::OpenError> {
        Ok(Box::new(moving::FileSide::hold(&self.0)?))
    }
}

impl From<OpenError> for store::OpenError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse(_) => Self::InUse(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}
