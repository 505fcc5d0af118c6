//! Reads the files of keys, one after another, and lets another thread see which of them does not come.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::LoadError;
use super::file::password;
use crate::regular;

/// Largest key file; the largest bundle seen is 10 kB.
const MAX_FILE: u64 = 1 << 20;

/// Reads files for one thread at a time. Clones see the same file.
#[derive(Clone, Default)]
pub struct Reader(Arc<Mutex<Option<Reading>>>);

/// A file that is being read. What is made of its content afterwards is no part of that.
struct Reading {
    file: PathBuf,
    since: Instant,
}

impl Reader {
    /// The bytes of a file of at most 1 MiB and its metadata.
    pub(crate) fn read(&self, path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), LoadError> {
        self.seen(path, || read(path))
    }

    /// The password in `path`, as [`password`] has it.
    pub(super) fn read_password(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        Ok(password(&self.read(path)?.0))
    }

    /// Stops with the file that has not come for `deadline`; else goes on with the time after which one may be late.
    pub(crate) fn late(&self, deadline: Duration) -> ControlFlow<PathBuf, Duration> {
        let reading = self.reading();
        let Some(Reading { file, since }) = &*reading else { return ControlFlow::Continue(deadline) };
        match deadline.saturating_sub(since.elapsed()) {
            Duration::ZERO => ControlFlow::Break(file.clone()),
            left => ControlFlow::Continue(left),
        }
    }

    /// What `read` makes of the file at `path`, which is seen meanwhile.
    pub(crate) fn seen<T>(&self, path: &Path, read: impl FnOnce() -> T) -> T {
        *self.reading() = Some(Reading { file: path.to_owned(), since: Instant::now() });
        let made = read();
        *self.reading() = None;
        made
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As [`Reader::read`].
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), LoadError> {
    let refusal = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing,
        io::ErrorKind::InvalidInput => LoadError::NotRegular,
        _ => LoadError::Unreadable(regular::reason(&error)),
    };
    let (file, metadata) = regular::open(path).map_err(refusal)?;
    if metadata.len() > MAX_FILE {
        return Err(LoadError::TooLarge);
    }
    let bytes = regular::whole(file.take(MAX_FILE + 1), metadata.len()).map_err(refusal)?;
    if bytes.len() as u64 > MAX_FILE { Err(LoadError::TooLarge) } else { Ok((bytes, metadata)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_late_while_it_is_read_and_not_while_something_is_made_of_it() {
        const AT_ONCE: Duration = Duration::ZERO;
        let (files, path, hour) = (Reader::default(), Path::new("Cargo.toml"), Duration::from_hours(1));
        files.read(path).unwrap();
        assert_eq!(files.late(AT_ONCE), ControlFlow::Continue(AT_ONCE), "it has come");
        files.seen(path, || {
            assert_eq!(files.late(AT_ONCE), ControlFlow::Break(path.to_owned()));
            assert!(
                matches!(files.late(hour), ControlFlow::Continue(left) if left > AT_ONCE && left <= hour)
            );
        });
        assert_eq!(files.late(AT_ONCE), ControlFlow::Continue(AT_ONCE));
    }
}
