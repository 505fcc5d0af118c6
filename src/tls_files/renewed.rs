//! What is made of files, and made again once they change: validated, then swapped.

use std::path::PathBuf;

use super::Refusal;
use super::contents::{Contents, Fingerprint};

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
    pub(crate) fn begin(files: Vec<PathBuf>, make: impl FnOnce(&Contents) -> Result<T, Refusal>) -> Self {
        let contents = Contents::read(files.iter().map(PathBuf::as_path));
        Self { files, seen: contents.fingerprint(), last: make(&contents), refusal: None }
    }

    /// Makes it again if a file has changed since the last look, of the very bytes that were looked at: of the same ones the same would come, so
    /// that no look is forced. Where nothing can be made, what was made before stays. Whether another one was made. A file system that does
    /// not answer holds this thread.
    pub(crate) fn look(&mut self, make: impl FnOnce(&Contents) -> Result<T, Refusal>) -> bool {
        let contents = Contents::read_however_long(self.files.iter().map(PathBuf::as_path));
        let found = contents.fingerprint();
        if found == self.seen {
            return false;
        }
        self.seen = found;
        match (make(&contents), &mut self.last) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Text that begins with `good`.
    fn make(file: &Path, contents: &Contents) -> Result<String, Refusal> {
        let text = String::from_utf8_lossy(contents.of(file).unwrap_or_default()).into_owned();
        let is_good = text.starts_with("good");
        is_good.then_some(text).ok_or_else(|| Refusal::new(file, "is not good", "write another"))
    }

    #[test]
    fn what_changes_is_made_again_and_what_breaks_or_vanishes_leaves_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "good 1").unwrap();
        let mut one = Renewed::begin(vec![file.clone()], |contents| make(&file, contents));
        assert!(!one.look(|_| panic!("nothing has changed")));
        let broken = [Some("half"), None, Some("")];
        for text in broken {
            match text {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            assert!(!one.look(|contents| make(&file, contents)));
            assert_eq!(one.made().unwrap(), "good 1");
            assert_eq!(one.refusal().unwrap().what, "is not good");
            assert!(!one.look(|_| panic!("nothing has changed")));
        }
        std::fs::write(&file, "good 2").unwrap();
        assert!(one.look(|contents| make(&file, contents)));
        assert_eq!((one.made().unwrap().as_str(), one.refusal()), ("good 2", None));
    }

    #[test]
    fn what_could_not_be_made_at_the_start_is_made_once_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut one = Renewed::begin(vec![file.clone()], |contents| make(&file, contents));
        assert!(one.made().is_err() && one.refusal().is_some());
        std::fs::write(&file, "good").unwrap();
        assert!(one.look(|contents| make(&file, contents)) && one.refusal().is_none());
    }

    #[test]
    fn what_stands_in_a_file_for_a_moment_while_it_is_made_is_not_what_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        let make_after = |between: &str, contents: &Contents| {
            write(between);
            make(&file, contents)
        };
        write("good 1");
        let mut one = Renewed::begin(vec![file.clone()], |contents| make_after("good 2", contents));
        write("good 1");
        assert!(!one.look(|_| panic!("nothing has changed")));
        assert_eq!(one.made().unwrap(), "good 1");
        write("good 3");
        assert!(one.look(|contents| make_after("half", contents)));
        write("good 3");
        assert!(!one.look(|_| panic!("nothing has changed")));
        assert_eq!((one.made().unwrap().as_str(), one.refusal()), ("good 3", None));
    }
}
