//! `[outbox]` and `[quarantine]`.

use std::path::Path;
use std::time::Duration;

use bytesize::{MIB, TIB};

use super::section::Section;
use super::value::is_inside;
use super::{Outbox, Quarantine};
use crate::store::Location;

const DAY: Duration = Duration::from_hours(24);

/// `[outbox]`. Its key must not be in `keys_dir`.
pub(crate) fn outbox(root: &mut Section<'_>, keys_dir: &Path) -> Outbox {
    let mut section = root.section("outbox");
    let location = Location::read(&mut section);
    let beside = match location.file() {
        Some((_, file)) => file.with_file_name("outbox.key"),
        None => section.reader().base().join("outbox.key"),
    };
    let key_file = section.path("key_file").unwrap_or(beside);
    if location.file().is_some_and(|(_, path)| is_inside(&key_file, path) && is_inside(path, &key_file)) {
        section.problem("key_file", "is outbox.path, too", "give the key a file of its own");
    }
    if is_inside(&key_file, keys_dir) {
        section.problem(
            "key_file",
            "is inside keys.dir, which is shared and replaced whole",
            "put it on a volume of its own",
        );
    }
    let mut days = |name, default: u32, range| section.duration(name, range).unwrap_or(DAY * default);
    let retention = days("retention", 30, Duration::ZERO..=3650 * DAY);
    let remember = days("remember", 400, DAY..=3650 * DAY);
    let give_up_after = days("give_up_after", 30, DAY..=3650 * DAY);
    if remember < retention {
        section.problem(
            "remember",
            "is shorter than outbox.retention, so that an event would be forgotten before its row is",
            "set it to outbox.retention at least",
        );
    }
    let reserve = section.size("reserve", 0..=TIB).unwrap_or(512 * MIB);
    section.finish();
    Outbox { location, key_file, retention, remember, give_up_after, reserve }
}

/// `[quarantine]`
pub(crate) fn quarantine(root: &mut Section<'_>) -> Quarantine {
    let mut section = root.section("quarantine");
    let max_bytes = section.size("max_bytes", MIB..=TIB).unwrap_or(256 * MIB);
    let max_rows = section.number("max_rows", 1..=10_000_000).unwrap_or(10_000);
    section.finish();
    Quarantine { max_bytes, max_rows }
}
