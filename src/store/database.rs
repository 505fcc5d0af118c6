//! The database that the configuration names: opened by a gateway, and looked at and moved from outside, while one runs or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::moving::Side;
use super::{Location, Owner, SealedColumn, Store};
use crate::clock::Timestamp;

/// What the command line and `doctor` do with a database. Each backend has one; nothing else names a backend.
pub(crate) trait Database: Send + Sync {
    /// How it is called in errors and logs. It holds no secret.
    fn name(&self) -> String;

    /// The setting that names its file, and the file, where it is on this machine's disk.
    fn file(&self) -> Option<(&'static str, &Path)>;

    /// Whether several gateways may have it open.
    fn is_shared(&self) -> bool {
        false
    }

    /// `outbox.state_file`, where the last acknowledged commits of a shared database are kept.
    fn state_file(&self) -> Option<&Path> {
        None
    }

    /// The roots that its server's certificate has to lead to, as `outbox.ca_file` names them.
    fn roots(&self) -> &[CertificateDer<'static>] {
        &[]
    }

    /// What to do where the key that seals its rows cannot be used, as the end of a sentence.
    fn without_key(&self) -> &'static str {
        "restore the key, or move the database away with `mosip-gateway outbox set-aside`"
    }

    /// Opens it for this process, or makes it.
    fn open(&self, owner: Arc<dyn Owner>) -> Result<Store, OpenError>;

    /// What stands where the configuration says.
    fn remains(&self) -> Remains;

    /// Whether a gateway owns it. For when something says already that a process runs.
    fn is_in_use(&self) -> bool;

    /// How its sealed values begin: the first `length` bytes. Empty where there is no database yet. Nothing is written, and a running
    /// gateway notices nothing.
    fn heads(&self, length: usize) -> Result<Vec<Head>, LookError>;

    /// Copies it as it is at one moment into the new file `to`, which its owner alone can read.
    fn copy(&self, to: &Path) -> Result<(), CopyError>;

    /// Moves it away untouched, and says where to. [`OpenError::InUse`] while a gateway runs over it.
    fn set_aside(&self, now: Timestamp) -> Result<PathBuf, OpenError>;

    /// Holds it for a copy of its rows, whether or not there is one. [`OpenError::InUse`] while a gateway runs over it.
    fn hold(&self) -> Result<Box<dyn Side>, OpenError>;

    /// The database of `url` on a server, reached as this one is, where this one is on a server, too.
    fn likewise(&self, _url: &[u8]) -> Option<Result<Location, String>> {
        None
    }
}

/// What there is of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    /// A database.
    Database,
    /// No database, and what an interrupted `set_aside` leaves.
    HalfMoved,
    /// Nothing.
    Nothing,
}

/// The first bytes of sealed values, and how many values of a column begin with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) column: SealedColumn,
    pub(crate) head: Vec<u8>,
    pub(crate) values: u64,
}

/// Why a database cannot be opened or moved. `Display` is `<where>: <what>; <what to do>`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process owns it.
    #[error("{0}")]
    InUse(String),
    /// Anything else.
    #[error("{0}")]
    Refused(String),
}

/// Why a database cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct LookError {
    /// The file that it is about.
    pub(crate) file: String,
    /// What is wrong, as the rest of a sentence about that file.
    pub(crate) what: String,
    /// What to do.
    pub(crate) advice: String,
    /// A gateway refuses to start over it.
    pub(crate) stops_start: bool,
}

/// Why there is no copy. `Display` is `<where>: <what>; <what to do>`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CopyError(pub(crate) String);
