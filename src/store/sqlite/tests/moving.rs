//! A copy of the rows knows every column that this backend has.

use std::collections::BTreeSet;

use super::*;
use crate::store::Location;
use crate::store::moving::tests::columns;
use crate::store::moving::{Copying, Side};
use crate::store::sqlite::moving::{FileSide, UNFINISHED};
use crate::store::sqlite::schema;

/// What does not move: it follows from what does.
const FOLLOWS: [&str; 11] = [
    "correlation_name.start",
    "correlation_name.correlation",
    "entry_identity.seq",
    "entry_identity.entry",
    "entry_identity.hash",
    "entry_identity.seen_at",
    "entry_line.start",
    "entry_line.seq",
    "push_size.kind",
    "push_size.rows",
    "push_size.bytes",
];

#[test]
fn every_column_moves_or_follows_from_what_moves() {
    let home = Home::new();
    drop(home.open());
    let connection = Connection::open(home.file("")).unwrap();
    let find = "SELECT s.name || '.' || c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
        WHERE s.type='table' AND s.name NOT LIKE 'sqlite%'";
    let mut find = connection.prepare(find).unwrap();
    let found: BTreeSet<String> =
        find.query_map((), |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
    let known = columns().into_iter().chain(FOLLOWS.map(str::to_owned)).collect();
    assert_eq!(found, known, "a new column is named in store/moving/tables.rs");
}

fn hold(home: &Home) -> std::result::Result<FileSide, String> {
    FileSide::hold(&home.file("")).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_database_of_an_older_version_or_with_a_damaged_log_is_not_copied_and_stays_as_it_is() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    let killed = home.killed();
    drop(store);
    home.sql(&format!("PRAGMA user_version={}", schema::newest() - 1));
    assert!(hold(&home).err().unwrap().contains("older"), "it is brought up to date by a gateway");

    let log = killed.file("-wal");
    let mut bytes = fs::read(&log).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&log, &bytes).unwrap();
    for _ in 0..2 {
        let refused = hold(&killed).err().unwrap();
        assert!(refused.contains("its log is damaged"), "again, since nothing is forgotten: {refused}");
    }
    assert!(fs::read(&log).unwrap() == bytes);
}

#[tokio::test]
async fn what_is_out_of_use_is_no_outbox_for_a_gateway_of_any_version_and_is_moved_away_like_any_other() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    drop(store);
    let (from, to) = (Location::in_file(home.file("")), Location::in_file(home.file(".there")));
    Copying::hold(&from, &to).and_then(Copying::run).map_err(|error| error.to_string()).unwrap();
    assert!(matches!(home.refused(), OpenError::OutOfUse { .. }));
    assert!(matches!(heads(&home.file(""), 4), Err(LookError::Refused(OpenError::OutOfUse { .. }))));
    let connection = Connection::open(home.file("")).unwrap();
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
    assert_ne!(application, schema::APPLICATION_ID);
    drop(connection);
    assert!(!home.file("-wal").exists(), "all that says so is in the file");
    set_aside(&home.file(""), Timestamp::from_seconds(5)).unwrap();
    assert!(names(&home.open()).await.is_empty());
}

#[tokio::test]
async fn a_copy_is_read_by_its_owner_alone_leaves_no_other_file_and_takes_none_of_a_person_for_its_own() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    drop(store);
    let to = Home::new();
    // As a process that was killed leaves it.
    fs::write(to.file(UNFINISHED), "half").unwrap();
    for of_a_person in [".copy", ".new"] {
        fs::write(to.file(of_a_person), "kept").unwrap();
    }
    let copying = Copying::hold(&Location::in_file(home.file("")), &Location::in_file(to.file("")));
    copying.and_then(Copying::run).map_err(|error| error.to_string()).unwrap();
    assert_eq!(fs::metadata(to.file("")).unwrap().permissions().mode() & 0o777, 0o600);
    let mut left: Vec<_> = fs::read_dir(to.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["outbox.db", "outbox.db.copy", "outbox.db.lock", "outbox.db.new"]);
    let mut side = hold(&to).unwrap();
    assert_eq!(side.counters().unwrap().last.first(), Some(&1));
}
