//! The settings of an entry of `keys.own` whose key is in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{KeyFile, Password};
use crate::config::section::{SecretSetting, Section, Unset};
use crate::config::value::path_under;
use crate::keys::source::{KeySource, Kind};

/// A key in a file.
pub(in crate::keys::source) const KIND: Kind = Kind { setting: "file", read };

/// `file`, `password_file` or `password_env`, `key_password_file` or `key_password_env`; files are joined with `dir`.
fn read(section: &mut Section<'_>, dir: &Path) -> Option<Arc<dyn KeySource>> {
    let path: Option<PathBuf> = section.required("file", path_under(dir));
    let container = password(section, "password", dir);
    let password = match password(section, "key_password", dir) {
        Password::None => container,
        key => Password::AndOfKey { container: Box::new(container), key: Box::new(key) },
    };
    Some(KeyFile::source(path?, password))
}

fn password(section: &mut Section<'_>, setting: &str, dir: &Path) -> Password {
    match section.secret_setting(setting, Unset::Refused) {
        None => Password::None,
        Some(SecretSetting::File(file)) => Password::File(dir.join(file)),
        Some(SecretSetting::Value(password)) => Password::Value(password),
    }
}
