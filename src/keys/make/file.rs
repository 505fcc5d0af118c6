//! Made keys to the disk: private ones to their owner alone, and nothing over what is there.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::MakeError;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner alone (0600).
    Private,
    /// Every user (0644).
    Public,
}

impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// Writes a file that is not there yet, and the folders above it.
///
/// # Errors
///
/// [`MakeError::File`], also where a file of this name is there.
pub(crate) fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<(), MakeError> {
    let write = || {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(path)?.write_all(bytes)
    };
    write().map_err(|source| MakeError::File { path: path.to_owned(), source })
}
