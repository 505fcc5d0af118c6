//! The database and its key, as they lie on the disk. A running gateway is not disturbed: the database is opened for reading.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::Finding;
use crate::ledger::settings::Outbox;
use crate::ledger::vault::{KEY_HEAD_LEN, KeyTag, Vault, VaultError};
use crate::ledger::{missing_keys, values_are};
use crate::store::{Head, Location};
use crate::{place, regular};

const RESTORE: &str = "restore outbox.key_file and the database from the same backup";

/// Room on the disk, the key file, and whether it opens what is stored.
pub(super) fn examine(outbox: &Outbox) -> Vec<Finding> {
    let key_file = ("outbox.key_file", outbox.key_file.as_path());
    let state_file = outbox.location.state_file().map(|file| ("outbox.state_file", file));
    let files = outbox.location.file().into_iter().chain(state_file).chain([key_file]);
    let folders: Vec<Finding> = files.filter_map(|(setting, file)| folder(setting, file)).collect();
    if !folders.is_empty() {
        return folders;
    }
    let mut findings: Vec<Finding> = room(outbox).into_iter().chain(memory(outbox)).collect();
    let stored = match outbox.location.heads(KEY_HEAD_LEN) {
        Ok(stored) => stored,
        Err(refusal) => {
            let level = if refusal.stops_start { Finding::fail } else { Finding::warn };
            findings.push(level(refusal.file, refusal.what, refusal.advice));
            return findings;
        }
    };
    findings.push(match Vault::load(&outbox.key_file) {
        Ok(vault) => fit(&outbox.location, &vault, &stored),
        Err(VaultError::Missing(_) | VaultError::Empty(_)) if stored.is_empty() => unmade(outbox),
        Err(error) if stored.is_empty() => {
            Finding::fail("outbox.key_file", error.to_string(), "correct the file, or remove it")
        }
        Err(error) => {
            Finding::fail("outbox.key_file", format!("{error}, and the database is sealed under it"), RESTORE)
        }
    });
    findings
}

/// What becomes of a key file that is not there yet: where several gateways need the same one, no start makes it.
fn unmade(outbox: &Outbox) -> Finding {
    let file = outbox.key_file.display();
    if outbox.location.is_shared() {
        return Finding::fail(
            file,
            "is not there or empty, and no start makes it",
            "make it by `mosip-gateway outbox keygen`, and give every gateway the same",
        );
    }
    Finding::ok(file, "is made at the first start")
}

/// Where the last acknowledged commits are in memory alone.
fn memory(outbox: &Outbox) -> Option<Finding> {
    let is_kept = !outbox.location.is_shared() || outbox.location.state_file().is_some();
    let what = "is not set: whether the database lost commits while no gateway ran is not noticed at a start";
    let advice = "name a file in a folder of this gateway's own that it can write to";
    (!is_kept).then(|| Finding::warn("outbox.state_file", what, advice))
}

/// The folder that `file` of `setting` is in, where nothing can be made in it. `serve` makes no folder. A key file that is there needs
/// no more than to be read.
fn folder(setting: &str, file: &Path) -> Option<Finding> {
    if setting == "outbox.key_file" && regular::metadata(file).is_ok() {
        return None;
    }
    let folder = place::folder(file);
    let what = match regular::in_time(folder, hindrance) {
        Ok(None) => return None,
        Ok(Some(what)) => what,
        Err(error) => format!("cannot be used ({})", regular::reason(&error)),
    };
    let advice = "make the folder and give it to the user that the gateway runs as, or name another one";
    Some(Finding::fail(setting, format!("the folder {} {what}", folder.display()), advice))
}

/// Why nothing can be made in `folder`.
fn hindrance(folder: &Path) -> io::Result<Option<String>> {
    if !std::fs::metadata(folder)?.is_dir() {
        return Ok(Some("is no folder".to_owned()));
    }
    match rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Err(error @ (Errno::ACCESS | Errno::ROFS)) => {
            Ok(Some(format!("cannot be written to ({})", regular::reason(&error.into()))))
        }
        _ => Ok(None),
    }
}

fn room(outbox: &Outbox) -> Option<Finding> {
    let left = place::disk_left(outbox.location.file()?.1)?;
    (left < outbox.reserve).then(|| {
        let what = format!("has {} KiB of room left, less than outbox.reserve", left >> 10);
        Finding::warn(&outbox.location, what, "free space on the volume of outbox.path")
    })
}

fn fit(location: &Location, vault: &Vault, stored: &[Head]) -> Finding {
    let missing = missing_keys(vault, stored.iter().map(|head| (head.head.as_slice(), head.values)));
    if missing.is_empty() {
        return Finding::ok("outbox.key_file", "holds every key that the database is sealed under");
    }
    let values = values_are(missing.values().sum());
    let keys: Vec<_> = missing.keys().map(KeyTag::to_string).collect();
    Finding::fail(
        location,
        format!("{values} sealed under a key that outbox.key_file does not hold ({})", keys.join(", ")),
        RESTORE,
    )
}
