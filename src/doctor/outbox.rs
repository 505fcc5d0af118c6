//! The database and its key, as they lie on the disk. A running gateway is not disturbed: the database is opened for reading.

use std::path::Path;

use super::Finding;
use crate::config::Outbox;
use crate::ledger::missing_keys;
use crate::ledger::vault::{KEY_HEAD_LEN, KeyTag, Vault, VaultError};
use crate::place;
use crate::store::sqlite::{self, Head, LookError};

const RESTORE: &str = "restore outbox.key_file and the database from the same backup";

/// Room on the disk, the key file, and whether it opens what is stored.
pub(super) fn examine(outbox: &Outbox) -> Vec<Finding> {
    let mut findings: Vec<Finding> = room(outbox).into_iter().collect();
    let stored = match sqlite::heads(&outbox.path, KEY_HEAD_LEN) {
        Ok(stored) => stored,
        Err(refusal) => {
            findings.push(Finding::warn(
                outbox.path.display(),
                refusal.to_string(),
                match refusal {
                    LookError::LogAlone => "restore the database beside its log, or move the log away with `mosip-gateway outbox set-aside`",
                    LookError::Unreadable(_) => "look at the disk; where the database is damaged, restore it from a backup",
                },
            ));
            return findings;
        }
    };
    findings.push(match Vault::load(&outbox.key_file) {
        Ok(vault) => fit(&outbox.path, &vault, &stored),
        Err(VaultError::Missing(_) | VaultError::Empty(_)) if stored.is_empty() => {
            Finding::ok(outbox.key_file.display(), "is made at the first start")
        }
        Err(error) if stored.is_empty() => {
            Finding::fail("outbox.key_file", error.to_string(), "correct the file, or remove it")
        }
        Err(error) => {
            Finding::fail("outbox.key_file", format!("{error}, and the database is sealed under it"), RESTORE)
        }
    });
    findings
}

fn room(outbox: &Outbox) -> Option<Finding> {
    let left = place::disk_left(&outbox.path)?;
    (left < outbox.reserve).then(|| {
        let what = format!("has {} KiB of room left, less than outbox.reserve", left >> 10);
        Finding::warn(outbox.path.display(), what, "free space on the volume of outbox.path")
    })
}

fn fit(path: &Path, vault: &Vault, stored: &[Head]) -> Finding {
    let missing = missing_keys(vault, stored.iter().map(|head| (head.head.as_slice(), head.values)));
    if missing.is_empty() {
        return Finding::ok("outbox.key_file", "holds every key that the database is sealed under");
    }
    let values = match missing.values().sum() {
        1_u64 => "1 value is".to_owned(),
        values => format!("{values} values are"),
    };
    let keys: Vec<_> = missing.keys().map(KeyTag::to_string).collect();
    Finding::fail(
        path.display(),
        format!("{values} sealed under a key that outbox.key_file does not hold ({})", keys.join(", ")),
        RESTORE,
    )
}
