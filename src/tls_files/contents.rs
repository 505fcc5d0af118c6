//! What stood in files, each of them read once.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{LARGEST, REPLACE, Refusal};
use crate::regular;

/// SHA-256 over the content of files.
pub(super) type Fingerprint = [u8; 32];

/// What stood in files when they were read, or why they could not be read.
pub(crate) struct Contents(BTreeMap<PathBuf, io::Result<Zeroizing<Vec<u8>>>>);

impl Contents {
    /// Of `files`, none of which is waited for longer than [`regular`] does.
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self::by(regular::read_bounded, files)
    }

    /// Of `files`. A file system that does not answer holds this thread.
    pub(super) fn read_however_long<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self::by(regular::read_however_long, files)
    }

    fn by<'a>(
        read: impl Fn(&Path, u64) -> io::Result<Zeroizing<Vec<u8>>>,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Self {
        Self(files.into_iter().map(|file| (file.to_owned(), read(file, LARGEST))).collect())
    }

    /// Of `file`.
    pub(crate) fn of(&self, file: &Path) -> Result<&[u8], Refusal> {
        let unread = |why: &str| {
            let what = format!("cannot be read ({why})");
            Refusal::new(file, what, "put the file there, readable for this process")
        };
        match self.0.get(file) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Refusal::new(file, "is larger than 1 MiB", REPLACE))
            }
            Some(Err(error)) => Err(unread(&regular::reason(error))),
            None => Err(unread("nothing has looked at it")),
        }
    }

    /// Another one where any file has changed.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        for read in self.0.values() {
            match read {
                Ok(bytes) => {
                    digest.update(format!("{} ", bytes.len()));
                    digest.update(bytes.as_slice());
                }
                Err(error) => digest.update(format!("{error}\n")),
            }
        }
        digest.finalize().into()
    }
}
