//! `outbox set-aside`: the database moves to another name as a whole, and can be opened there.

use std::path::{Path, PathBuf};

use super::files::Files;
use super::open::OpenError;
use crate::clock::Timestamp;
use crate::place::{self, beside};

/// What goes with the database, under SQLite's names. The database goes first: what is left without it is never taken for the log of
/// a new one, and a second call finishes what a first one began.
const PARTS: [&str; 4] = ["", "-wal", "-journal", "-shm"];

/// Moves the database at `path` and what belongs to it to another name, untouched, and returns that name. The next start begins empty.
/// [`OpenError::InUse`] while a gateway runs over it.
pub(crate) fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, OpenError> {
    let path = &place::resolved(path);
    let mut files = Files::default();
    files.take(path)?;
    let moved_to = interrupted(path).unwrap_or_else(|| fresh(path, now));
    let mut moved = false;
    for part in PARTS {
        let (from, to) = (beside(path, part), beside(&moved_to, part));
        match std::fs::rename(&from, to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            renamed => {
                renamed.map_err(|error| OpenError::of_io(&from, error))?;
                moved = true;
            }
        }
    }
    if !moved {
        return Err(OpenError::Io(path.to_owned(), std::io::ErrorKind::NotFound.into()));
    }
    place::sync_folder(path).map_err(|error| OpenError::of_io(path, error))?;
    Ok(moved_to)
}

/// Where a call that was interrupted moved the database to; none: the database is still there, or its log is not.
fn interrupted(path: &Path) -> Option<PathBuf> {
    let is_there = |path: &Path| path.try_exists().unwrap_or(true);
    if is_there(path) || !is_there(&beside(path, "-wal")) {
        return None;
    }
    let prefix = format!("{}.aside-", path.file_name()?.to_str()?);
    let moved = std::fs::read_dir(place::folder(path)).ok()?.filter_map(|file| {
        let name = file.ok()?.file_name();
        let moment: u64 = name.to_str()?.strip_prefix(&prefix)?.parse().ok()?;
        Some((moment, path.with_file_name(&name)))
    });
    let latest = moved.max()?.1;
    (!is_there(&beside(&latest, "-wal"))).then_some(latest)
}

/// A name that nothing has yet.
fn fresh(path: &Path, now: Timestamp) -> PathBuf {
    let mut moment = now.seconds();
    loop {
        let moved_to = beside(path, &format!(".aside-{moment}"));
        if PARTS.iter().all(|part| matches!(beside(&moved_to, part).try_exists(), Ok(false))) {
            return moved_to;
        }
        moment += 1;
    }
}
