//! The shared key volume: a copy of `keys.example` whose files come and go.

use std::path::Path;

use tempfile::TempDir;

pub(crate) struct KeyVolume(TempDir);

impl KeyVolume {
    /// With every file of `keys.example` in it.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir("keys.example").unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
            }
        }
        Self(dir)
    }

    /// `keys.dir`
    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Puts a copy of `with` in the place of `file`, at once.
    pub(crate) fn replace(&self, file: &str, with: impl AsRef<Path>) {
        let next = self.0.path().join("next");
        std::fs::copy(with, &next).unwrap();
        std::fs::rename(next, self.0.path().join(file)).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.0.path().join(file)).unwrap();
    }
}
