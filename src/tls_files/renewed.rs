//! What is made of files, and made again once they change: validated, then swapped.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{LARGEST, Refusal};
use crate::regular;

/// SHA-256 over the content of the files.
type Fingerprint = [u8; 32];

/// What was last made of files, and why nothing can be made of them as they are.
pub(crate) struct Renewed<T> {
    files: Vec<PathBuf>,
    seen: Fingerprint,
    /// What was made last, else why nothing could be made so far.
    last: Result<T, Refusal>,
    /// Of files that broke since.
    refusal: Option<Refusal>,
}

impl<T> Renewed<T> {
    /// What `make` makes of `files` at the start, which waits for none of them longer than [`regular`] does.
    pub(crate) fn begin(files: Vec<PathBuf>, make: impl FnOnce() -> Result<T, Refusal>) -> Self {
        // Before it is made: what changes in between is seen as a change.
        let seen = fingerprint(&files, |file| regular::read_bounded(file, LARGEST));
        Self { files, seen, last: make(), refusal: None }
    }

    /// Makes it again if a file has changed since the last look. Where nothing can be made, what was made before stays. Whether another one
    /// was made. A file system that does not answer holds this thread.
    pub(crate) fn look(&mut self, make: impl FnOnce() -> Result<T, Refusal>) -> bool {
        let found = fingerprint(&self.files, |file| regular::read_however_long(file, LARGEST));
        if found == self.seen {
            return false;
        }
        self.seen = found;
        match (make(), &mut self.last) {
            (Ok(made), last) => {
                *last = Ok(made);
                self.refusal = None;
                return true;
            }
            (Err(refusal), Ok(_)) => self.refusal = Some(refusal),
            (Err(refusal), last) => *last = Err(refusal),
        }
        false
    }

    /// What was made last, else why nothing could be made so far.
    pub(crate) fn made(&self) -> Result<&T, &Refusal> {
        self.last.as_ref()
    }

    /// Why nothing can be made of the files as they are.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref().or(self.last.as_ref().err())
    }
}

fn fingerprint(files: &[PathBuf], read: impl Fn(&Path) -> io::Result<Zeroizing<Vec<u8>>>) -> Fingerprint {
    let mut digest = Sha256::new();
    for file in files {
        match read(file) {
            Ok(bytes) => {
                digest.update(format!("{} ", bytes.len()));
                digest.update(bytes.as_slice());
            }
            Err(error) => digest.update(format!("{error}\n")),
        }
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that begins with `good`.
    fn make(file: &Path) -> Result<String, Refusal> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let is_good = text.starts_with("good");
        is_good.then_some(text).ok_or_else(|| Refusal::new(file, "is not good", "write another"))
    }

    #[test]
    fn what_changes_is_made_again_and_what_breaks_or_vanishes_leaves_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "good 1").unwrap();
        let mut one = Renewed::begin(vec![file.clone()], || make(&file));
        assert!(!one.look(|| panic!("nothing has changed")));
        let broken = [Some("half"), None, Some("")];
        for text in broken {
            match text {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            assert!(!one.look(|| make(&file)));
            assert_eq!(one.made().unwrap(), "good 1");
            assert_eq!(one.refusal().unwrap().what, "is not good");
            assert!(!one.look(|| panic!("nothing has changed")));
        }
        std::fs::write(&file, "good 2").unwrap();
        assert!(one.look(|| make(&file)));
        assert_eq!((one.made().unwrap().as_str(), one.refusal()), ("good 2", None));
    }

    #[test]
    fn what_could_not_be_made_at_the_start_is_made_once_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut one = Renewed::begin(vec![file.clone()], || make(&file));
        assert!(one.made().is_err() && one.refusal().is_some());
        std::fs::write(&file, "good").unwrap();
        assert!(one.look(|| make(&file)) && one.refusal().is_none());
    }
}
