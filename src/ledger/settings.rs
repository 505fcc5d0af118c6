//! `[outbox]` and `[quarantine]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::{MIB, TIB};

use crate::config::section::Section;
use crate::config::value::is_inside;
use crate::store::Location;

const DAY: Duration = Duration::from_hours(24);

/// `[outbox]`
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// The database; default `outbox.db` in the folder of the configuration file.
    pub(crate) location: Location,
    /// The keys its rows are sealed under; default `outbox.key` beside it. Never inside `keys.dir`.
    pub(crate) key_file: PathBuf,
    /// How long settled rows stay listed; default 30 days.
    pub(crate) retention: Duration,
    /// How long a repeated event is recognised; default 400 days.
    pub(crate) remember: Duration,
    /// After how long an entry that MOSIP never takes is parked; default 30 days.
    pub(crate) give_up_after: Duration,
    /// How long an entry is held without its lease being renewed; default a minute.
    pub(crate) lease: Duration,
    /// The last bytes of the disk, which belong to event posts; default 512 MiB.
    pub(crate) reserve: u64,
}

/// `[quarantine]`
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    /// Bytes of pushes that are kept unverified; default 256 MiB.
    pub(crate) max_bytes: u64,
    /// How many; default 10,000.
    pub(crate) max_rows: u32,
}

/// `[outbox]`. Its key must not be in `keys_dir`.
pub(crate) fn outbox(root: &mut Section<'_>, keys_dir: &Path) -> Outbox {
    let mut section = root.section("outbox");
    let location = Location::read(&mut section);
    let beside = match location.file() {
        Some((_, file)) => file.with_file_name("outbox.key"),
        None => section.reader().base().join("outbox.key"),
    };
    let named = section.path("key_file");
    if location.is_shared() && named.is_none() {
        section.problem(
            "key_file",
            "is missing, and several gateways that share a database need the same key",
            "name a file, make it with `mosip-gateway outbox keygen`, and give it to each gateway",
        );
    }
    let key_file = named.unwrap_or(beside);
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
    // A shorter time would be over before a second attempt.
    let retention = days("retention", 30, Duration::ZERO..=3650 * DAY);
    let remember = days("remember", 400, DAY..=3650 * DAY);
    let give_up_after = days("give_up_after", 30, Duration::from_mins(1)..=3650 * DAY);
    if remember < retention {
        section.problem(
            "remember",
            "is shorter than outbox.retention, so that an event would be forgotten before its row is",
            "set it to outbox.retention at least",
        );
    }
    // Shorter, the time that a renewal leaves would be less than a step of the database's clock may take.
    let lease = section.duration("lease", Duration::from_secs(15)..=Duration::from_mins(10));
    let lease = lease.unwrap_or(Duration::from_mins(1));
    let reserve = section.size("reserve", 0..=TIB).unwrap_or(512 * MIB);
    section.finish();
    Outbox { location, key_file, retention, remember, give_up_after, lease, reserve }
}

/// `[quarantine]`
pub(crate) fn quarantine(root: &mut Section<'_>) -> Quarantine {
    let mut section = root.section("quarantine");
    let max_bytes = section.size("max_bytes", MIB..=TIB).unwrap_or(256 * MIB);
    let max_rows = section.number("max_rows", 1..=10_000_000).unwrap_or(10_000);
    section.finish();
    Quarantine { max_bytes, max_rows }
}
