//! `outbox copy`: the rows of a stopped gateway move to another database, under the same keys.

use std::path::Path;

use super::rekey::{missing_keys, values_are};
use super::vault::{KEY_HEAD_LEN, Vault};
use crate::store::{Copying, Head, Location, OpenError};

/// What a copy did.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The former database, and the one that is in use now.
    pub(crate) names: [String; 2],
    /// How many rows of each table were written, read back and found equal; `None`: a command before did it all.
    pub(crate) tables: Option<Vec<(&'static str, u64)>>,
}

/// Moves everything from the one database to the other. Both are sealed under the keys of `key_file`, which has to hold each that is needed.
pub(crate) fn copy(from: &Location, to: &Location, key_file: &Path) -> Result<Moved, OpenError> {
    let copying = Copying::hold(from, to)?;
    let (names, is_moved) = (copying.names(), copying.is_moved());
    if !is_moved {
        check_keys(from, key_file)?;
    }
    let tables = copying.run()?;
    Ok(Moved { names, tables: (!is_moved).then_some(tables) })
}

/// The gateways of the new database open every row, and so do those of the former.
fn check_keys(from: &Location, key_file: &Path) -> Result<(), OpenError> {
    let refused = |what: String| OpenError::Refused(what);
    let vault = Vault::load(key_file).map_err(|error| {
        refused(format!("{error}; let outbox.key_file name a copy of the key file that {from} has, which the user of this command can read"))
    })?;
    let heads = from
        .heads(KEY_HEAD_LEN)
        .map_err(|error| refused(format!("{}: {}; {}", error.file, error.what, error.advice)))?;
    let values = heads.iter().map(|Head { head, values, .. }| (head.as_slice(), *values));
    match missing_keys(&vault, values).first_key_value() {
        None => Ok(()),
        Some((tag, values)) => Err(refused(format!(
            "{}: it does not hold key {tag}, under which {} sealed in {from}; add the line of that key, or let outbox.key_file name the file that has it",
            key_file.display(),
            values_are(*values)
        ))),
    }
}
