//! Files that appear whole or not at all, and the room that a disk has for them.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// `path` with `suffix` after its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file that `path` leads to, where it is a link to one; else `path` itself.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink());
    let target = is_link.then(|| std::fs::canonicalize(path).ok()).flatten();
    target.unwrap_or_else(|| path.to_owned())
}

/// The folder that `path` is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in the folder of `path` survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Writes `bytes` to a new file that only its owner can read: under a temporary name, synced, then named. A file of 0 bytes is
/// replaced; one that holds anything is [`ErrorKind::AlreadyExists`].
pub(crate) fn new_file(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = beside(file, ".new");
    let named = private(&unfinished)
        .and_then(|mut opened| {
            opened.write_all(bytes)?;
            opened.sync_all()
        })
        .and_then(|()| name(&unfinished, file));
    if named.is_err() {
        // It takes room, and a later attempt makes it again.
        let _ = std::fs::remove_file(&unfinished);
    }
    named
}

/// An empty file that only its owner can read, in the place of whatever an interrupted attempt left.
pub(crate) fn private(file: &Path) -> io::Result<File> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// Gives the finished file `from` its name, which no file that holds anything has.
pub(crate) fn name(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::metadata(to).is_ok_and(|there| there.len() == 0) {
        std::fs::rename(from, to)?;
    } else {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A filesystem that cannot promise it.
            Err(Errno::INVAL | Errno::NOSYS) if !to.exists() => std::fs::rename(from, to)?,
            named => named?,
        }
    }
    sync_folder(to)
}

/// Whether the disk of `file` takes `bytes` more: they are written beside it, synced and removed.
pub(crate) fn try_room(file: &Path, bytes: usize) -> io::Result<()> {
    static AT_ONCE: [u8; 64 << 10] = [0; 64 << 10];
    let trial = beside(file, ".trial");
    let written = private(&trial).and_then(|mut opened| {
        let mut left = bytes;
        while left > 0 {
            let part = AT_ONCE.get(..left).unwrap_or(&AT_ONCE);
            opened.write_all(part)?;
            left -= part.len();
        }
        opened.sync_all()
    });
    let removed = match std::fs::remove_file(&trial) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    written.and(removed)
}

/// Whether `error` says that the disk, or a quota on it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Bytes that the disk of `file` still takes from anybody.
pub(crate) fn disk_left(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder(file)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
