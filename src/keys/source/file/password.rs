//! Where the passwords of a key file come from.

use std::path::{Path, PathBuf};

use crate::crypto::secret::SecretBytes;

/// Where a container's password comes from. Read when the key is loaded, so that a rotated password file is seen; a file in
/// `keys.dir` that cannot be read degrades the key, it does not stop `serve`.
pub enum Password {
    /// None is needed.
    None,
    /// `password_file`, joined with `keys.dir`.
    File(PathBuf),
    /// A variable held it (`password_env`, or an alias).
    Value(SecretBytes),
    /// The private key has a password of its own (`key_password_file`, `key_password_env`).
    AndOfKey {
        /// Of the container.
        container: Box<Password>,
        /// Of the private key.
        key: Box<Password>,
    },
}

impl Password {
    /// That of the container and that of the private key.
    pub fn parts(&self) -> (&Self, &Self) {
        match self {
            Self::AndOfKey { container, key } => (container, key),
            container => (container, &Self::None),
        }
    }

    /// The files that hold them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (container, key) = self.parts();
        [container, key].into_iter().filter_map(|password| match password {
            Self::File(path) => Some(path.as_path()),
            Self::None | Self::Value(_) | Self::AndOfKey { .. } => None,
        })
    }
}
