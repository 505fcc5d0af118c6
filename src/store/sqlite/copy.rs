//! A copy of a database for a backup, made from outside while a gateway runs or not.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::open::{self, OpenError};
use crate::{place, regular};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Something is there already.
    #[error("{}: a file of this name is there already, and a backup overwrites none; name another file, or move this one away", .0.display())]
    Exists(PathBuf),
    /// There is no folder to make it in.
    #[error("{}: the folder {} is missing; make it, or name a file in another one", .0.display(), place::folder(.0).display())]
    NoFolder(PathBuf),
    /// It cannot be made.
    #[error("{}: {}; name a file in a folder that this user can write to", .0.display(), regular::reason(.1))]
    Target(PathBuf, io::Error),
    /// A gateway would refuse the database, too.
    #[error(transparent)]
    Unfit(#[from] OpenError),
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
    open::check_regular(path)?;
    let target = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => CopyError::Exists(to.to_owned()),
        io::ErrorKind::NotFound => CopyError::NoFolder(to.to_owned()),
        _ => CopyError::Target(to.to_owned(), error),
    };
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(CopyError::Exists(to.to_owned()));
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
