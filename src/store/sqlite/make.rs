//! The first start: a database is made under a temporary name, synced, then named, so that an interrupted start leaves nothing that
//! stops a later one.

use std::path::Path;

use super::open::{self, OpenError};
use super::session::Session;
use super::site::Site;
use crate::place::{self, beside};
use crate::store::Owner;

/// Whether there is no database yet: no file, or one of 0 bytes. Refuses where a log without its database tells that there was one.
pub(super) fn is_missing(path: &Path) -> Result<bool, OpenError> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    if size(path) > 0 {
        return Ok(false);
    }
    if size(&beside(path, "-wal")) > 0 {
        return Err(OpenError::LogAlone(path.to_owned()));
    }
    Ok(true)
}

/// Has the owner make what seals the rows, where that is missing, and makes an empty database.
pub(super) fn database(site: &Site) -> Result<(), OpenError> {
    let path = &site.path;
    site.owner.prepare().map_err(|error| OpenError::of_owner(path, error))?;
    let unfinished = beside(path, ".new");
    let made = fill(&unfinished, &*site.owner).and_then(|()| {
        // What an interrupted start of an older gateway left would be taken for the log of the new database.
        for suffix in ["-journal", "-wal", "-shm"] {
            remove(&beside(path, suffix))?;
        }
        site.files().release_database();
        remove_empty(path)?;
        place::name(&unfinished, path).map_err(|error| OpenError::of_io(path, error))?;
        site.files().take_database(path)
    });
    if made.is_err() {
        for suffix in ["", "-journal"] {
            let _ = std::fs::remove_file(beside(&unfinished, suffix));
        }
    }
    made
}

/// A database of 0 pages is one of 0 bytes, or one whose making SQLite has undone.
fn remove_empty(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(_) => remove(path),
        Err(_) => Ok(()),
    }
}

fn fill(unfinished: &Path, owner: &dyn Owner) -> Result<(), OpenError> {
    remove(&beside(unfinished, "-journal"))?;
    place::private(unfinished).map_err(|error| OpenError::of_io(unfinished, error))?;
    let refused = |error: rusqlite::Error| open::refused(unfinished, &error);
    let session = Session::new(open::connect(unfinished).map_err(refused)?);
    open::prepare(&session, unfinished, owner, 0)?;
    session.close().map_err(refused)
}

pub(super) fn remove(file: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| OpenError::of_io(file, error)),
    }
}
