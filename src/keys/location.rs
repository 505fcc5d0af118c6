//! Where keys and certificates come from, as operators name it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a key or a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// What is no file: a token, a service. Nothing secret.
    Elsewhere(String),
}

impl Location {
    /// Without the folders before it.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Elsewhere(name) => name.clone(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Elsewhere(name) => f.write_str(name),
        }
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(path: &P) -> Self {
        Self::File(path.as_ref().to_owned())
    }
}
