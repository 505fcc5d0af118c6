//! A copy of a database for a backup, made from outside while a gateway runs or not.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::place;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Something is there already, or nothing can be made there.
    #[error("{}: {}; name a file that is not there, in a folder that can be written to", .0.display(), .1.kind())]
    Target(PathBuf, io::Error),
    /// SQLite's words.
    #[error("{}: it cannot be copied ({what}); look at the disk, and whether there is room for a copy", .file.display())]
    Refused {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        what: String,
    },
}

/// Copies the database at `path` as it is at one moment, with what its log holds, into the new file `to`, which its owner alone can read.
/// A running gateway goes on writing. Rows that were deleted leave no trace in the copy.
pub(crate) fn copy(path: &Path, to: &Path) -> Result<(), CopyError> {
    let path = &place::resolved(path);
    let target = |error| CopyError::Target(to.to_owned(), error);
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(target(io::ErrorKind::AlreadyExists.into()));
    }
    // Under another name until it is whole: what has the name of a backup is one.
    let unfinished = place::beside(to, ".new");
    place::private(&unfinished).map_err(target)?;
    let copied = write(path, &unfinished)
        .map_err(|error| CopyError::Refused { file: path.clone(), what: error.to_string() })
        .and_then(|()| {
            let synced = std::fs::File::open(&unfinished).and_then(|file| file.sync_all());
            synced.and_then(|()| place::name(&unfinished, to)).map_err(target)
        });
    if copied.is_err() {
        // It takes room, and a later attempt makes it again.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied
}

fn write(path: &Path, to: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let to = to.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [to]).map(drop)
}
