//! What a start does over the database that it finds.

use super::*;

#[tokio::test]
async fn a_process_killed_while_it_made_the_database_is_no_bar_to_the_next() {
    let (home, next) = (Home::new(), Home::new());
    // Half of a first transaction is in the file, and the journal that undoes it beside it.
    let dying = Connection::open(home.file("")).unwrap();
    dying
        .execute_batch(
            "PRAGMA cache_size=1; BEGIN; CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(100000))",
        )
        .unwrap();
    for suffix in ["", "-journal"] {
        assert!(fs::copy(home.file(suffix), next.file(suffix)).unwrap() > 0);
    }
    accept(&next.open(), "c1").await;
}

#[tokio::test]
async fn a_database_of_ours_is_known_from_its_first_page_and_is_its_owners_alone() {
    let home = Home::new();
    let _store = home.open();
    let bytes = fs::read(home.file("")).unwrap();
    assert_eq!(bytes[68..72], super::super::schema::APPLICATION_ID.to_be_bytes(), "not only in the log");
    for suffix in ["", "-wal", ".lock"] {
        let mode = fs::metadata(home.file(suffix)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_no_lease_and_what_was_under_way_goes_behind_the_others() {
    let home = Home::new();
    let store = home.open();
    for id in ["a", "b", "c"] {
        accept(&store, id).await;
    }
    lease_at(&store, 10, 1).await;
    let killed = home.killed();
    let store = killed.open();
    assert!(entries(&store).await.iter().all(|row| row.state == State::Queued), "the lease is void");
    assert_eq!(ids(&lease_at(&store, 20, 9).await), ["b", "c", "a"]);
}

#[tokio::test]
async fn a_backup_that_is_put_back_goes_on_with_the_rows_it_has() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    let backup = home.file(".backup");
    Connection::open(home.file("")).unwrap().execute("VACUUM INTO ?1", [backup.to_str()]).unwrap();
    let leased = lease_at(&store, 10, 1).await.remove(0);
    settle(&store, &leased, conformance::done()).await;
    drop(store);
    fs::rename(&backup, home.file("")).unwrap();
    assert_eq!(ids(&lease_at(&home.open(), 20, 9).await), ["c1"]);
}

#[tokio::test]
async fn a_second_process_on_the_same_database_is_refused() {
    let home = Home::new();
    let _store = home.open();
    assert!(matches!(home.refused(), OpenError::InUse(_)));
}

#[tokio::test]
async fn a_missing_or_another_key_refuses_the_start_and_never_begins_empty() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    drop(store);
    let before = fs::read(home.file("")).unwrap();
    fs::remove_file(home.key_file()).unwrap();
    assert_eq!(home.refused().to_string(), "the key is missing");
    assert!(!home.key_file().exists(), "no key is made over a database that has one");
    fs::write(home.key_file(), "another").unwrap();
    assert!(matches!(home.refused(), OpenError::Owner(_)));
    assert!(fs::read(home.file("")).unwrap() == before);
    fs::write(home.key_file(), KEY).unwrap();
    assert_eq!(names(&home.open()).await, ["c1"]);
}

#[tokio::test]
async fn a_newer_an_alien_and_a_damaged_database_are_refused() {
    let home = Home::new();
    let store = home.open();
    for index in 0..50 {
        accept(&store, &format!("c{index}")).await;
    }
    drop(store);
    home.sql("PRAGMA user_version=99");
    assert!(matches!(home.refused(), OpenError::Newer { found: 99, .. }));
    home.sql("PRAGMA user_version=1; PRAGMA application_id=1");
    assert!(matches!(home.refused(), OpenError::NotOurs(_)));
    let ours = super::super::schema::APPLICATION_ID;
    home.sql(&format!("PRAGMA application_id={ours}; PRAGMA wal_checkpoint(TRUNCATE)"));
    let whole = fs::read(home.file("")).unwrap();
    fs::write(home.file(""), &whole[..whole.len() / 2]).unwrap();
    let refused = home.refused();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    fs::write(home.file(""), b"this is a text file and no database at all").unwrap();
    assert!(matches!(home.refused(), OpenError::NotOurs(_)));
}

#[tokio::test]
async fn set_aside_moves_the_database_away_and_refuses_while_a_gateway_runs() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    let moment = Timestamp::from_seconds(5);
    assert!(matches!(set_aside(&home.file(""), moment), Err(OpenError::InUse(_))));
    drop(store);
    let moved_to = set_aside(&home.file(""), moment).unwrap();
    assert!(names(&home.open()).await.is_empty(), "the next start begins empty");
    fs::rename(&moved_to, home.file("")).unwrap();
    assert_eq!(names(&home.open()).await, ["c1"]);
}

#[tokio::test]
async fn a_look_from_outside_tells_how_sealed_values_begin_beside_a_running_gateway() {
    let home = Home::new();
    assert_eq!(heads(&home.file(""), 4).unwrap(), [], "there is no database yet");
    let store = home.open();
    accept(&store, "a").await;
    accept(&store, "b").await;
    let found = heads(&home.file(""), 4).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|head| (head.column.table, head.column.column, &head.head[..], head.values))
        .collect();
    assert_eq!(found, [("meta", "sealed", &KEY[..4], 1), ("entry", "payload", &b"payl"[..], 2)]);
    drop(store);
    let old = Home::new();
    let connection = Connection::open(old.file("")).unwrap();
    super::super::schema::migrate_to(&connection, 0, 1).unwrap();
    connection.execute("INSERT INTO meta (name, sealed) VALUES ('identity', 'sealed')", ()).unwrap_err();
    connection.execute("INSERT INTO meta (name, sealed) VALUES ('identity', x'01020304')", ()).unwrap();
    assert_eq!(heads(&old.file(""), 2).unwrap()[0].head, [1, 2], "an older version lacks tables and columns");
    fs::write(home.file("-wal"), "a log").unwrap();
    fs::remove_file(home.file("")).unwrap();
    assert!(matches!(heads(&home.file(""), 4), Err(LookError::Refused(OpenError::LogAlone(_)))));
}
