//! What a start does over the database that it finds.

use super::*;

#[tokio::test]
async fn a_process_killed_while_it_made_the_database_is_no_bar_to_the_next() {
    let (home, next) = (Home::new(), Home::new());
    // Half of a first transaction is in the file, and the journal that undoes it beside it.
    let dying = Connection::open(home.settings().path).unwrap();
    dying
        .execute_batch(
            "PRAGMA cache_size=1; BEGIN; CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(100000))",
        )
        .unwrap();
    for suffix in ["", "-journal"] {
        let [from, to] = [&home, &next].map(|home| beside(&home.settings().path, suffix));
        assert!(std::fs::copy(from, to).unwrap() > 0);
    }
    assert!(accept(&next.open(), birth("c1")).await.is_new);
}

#[tokio::test]
async fn a_database_of_ours_is_known_from_its_first_page() {
    let home = Home::new();
    let _store = home.open();
    let path = home.settings().path;
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[68..72], schema::APPLICATION_ID.to_be_bytes(), "not only in the log");
}

#[tokio::test]
async fn after_a_rekey_repeats_are_known_and_the_old_key_is_not_needed() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    accept(&store, event(EventKind::Birth, "c1", "second", "w")).await;
    let key_file = home.settings().key_file;
    let old = std::fs::read_to_string(&key_file).unwrap();
    let new = format!("{}\n", crate::crypto::base64::encode(&[7; 32]));
    std::fs::write(&key_file, format!("{new}{old}")).unwrap();
    assert_eq!(
        store.rekey().await.unwrap().resealed,
        5,
        "two payloads with their names, and the identity key"
    );
    std::fs::write(&key_file, &new).unwrap();
    assert_eq!(store.rekey().await.unwrap().resealed, 0);
    drop(store);
    let store = home.open();
    assert!(!accept(&store, birth("c1")).await.is_new);
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn a_restored_old_database_sends_under_the_same_ids() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    let second = accept(&store, event(EventKind::Birth, "c1", "second", "w")).await;
    let backup = home.dir.path().join("backup.db");
    let into = backup.display().to_string();
    // VACUUM INTO cannot stand inside the transaction of a group, so the backup is made as a tool would, from outside.
    Connection::open(home.settings().path).unwrap().execute("VACUUM INTO ?1", [into]).unwrap();
    lease_ids(&store, EventKind::Birth).await;
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    drop(store);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&home.settings().path, suffix));
    }
    std::fs::copy(&backup, home.settings().path).unwrap();
    let store = home.open();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, [second.id]);
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
    accept(&store, birth("c1")).await;
    drop(store);
    let key_file = home.settings().key_file;
    let key = std::fs::read(&key_file).unwrap();
    std::fs::remove_file(&key_file).unwrap();
    let refused = home.refused().to_string();
    assert!(refused.contains("outbox.key") && refused.contains("set-aside"), "{refused}");
    assert!(!key_file.exists(), "no key is made over a database that has one");
    std::fs::write(&key_file, crate::crypto::base64::encode(&[9; 32])).unwrap();
    assert!(matches!(home.refused(), OpenError::Key { .. }));
    std::fs::write(&key_file, key).unwrap();
    assert!(!accept(&home.open(), birth("c1")).await.is_new);
}

#[tokio::test]
async fn a_newer_an_alien_and_a_damaged_database_are_refused() {
    let home = Home::new();
    let store = home.open();
    for index in 0..50 {
        accept(&store, birth(&format!("c{index}"))).await;
    }
    drop(store);
    home.sql("PRAGMA user_version=99");
    assert!(matches!(home.refused(), OpenError::Newer { found: 99, .. }));
    home.sql("PRAGMA user_version=1; PRAGMA application_id=1");
    assert!(matches!(home.refused(), OpenError::NotOurs(_)));
    home.sql(&format!("PRAGMA application_id={}; PRAGMA wal_checkpoint(TRUNCATE)", schema::APPLICATION_ID));
    let path = home.settings().path;
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let refused = home.refused();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    std::fs::write(&path, b"this is a text file and no database at all").unwrap();
    assert!(matches!(home.refused(), OpenError::NotOurs(_)));
}

#[tokio::test]
async fn set_aside_moves_the_database_away_untouched() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    assert!(matches!(set_aside(&home.settings(), Timestamp::from_seconds(5)), Err(OpenError::InUse(_))));
    drop(store);
    let aside = set_aside(&home.settings(), Timestamp::from_seconds(5)).unwrap();
    assert!(accept(&home.open(), birth("c1")).await.is_new);
    std::fs::rename(&aside, home.settings().path).unwrap();
    let refused = home.try_open().err();
    assert!(refused.is_none() || !matches!(refused, Some(OpenError::NotOurs(_))));
}

#[tokio::test]
async fn a_rekey_with_another_key_is_refused_and_changes_nothing() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("before")).await;
    let key_file = home.settings().key_file;
    let good = std::fs::read(&key_file).unwrap();
    let job = store
        .create_job(
            crate::mosip::authtoken::Form::Json,
            vec![crate::outbox::job::NewRecord::Ask(b"asked".to_vec().into())],
        )
        .await
        .unwrap();
    std::fs::write(&key_file, crate::crypto::base64::encode(&[9; 32])).unwrap();
    let refused = store.rekey().await.unwrap_err();
    assert_eq!(refused.fault(), crate::error::Fault::Storage);
    let tag = Vault::load(&home.dir.path().join("outbox.key")).unwrap().sealing_key().unwrap().to_string();
    assert!(
        refused.detail().contains("4 values") && !refused.detail().contains(&tag),
        "{}",
        refused.detail()
    );
    assert!(refused.advice().contains("Nothing was changed"), "{}", refused.advice());
    for broken in ["", "no key"] {
        std::fs::write(&key_file, broken).unwrap();
        assert!(store.rekey().await.is_err());
    }
    assert!(store.accept(birth("while"), None).await.is_err(), "the file no longer holds the key in use");
    std::fs::write(&key_file, good).unwrap();
    store.resume().await.unwrap();
    accept(&store, birth("after")).await;
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["before", "while", "after"]);
    assert_eq!(&*store.lease_records(9).await.unwrap()[0].kept, b"asked");
    drop(store);
    let store = home.open();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["before", "while", "after"]);
    assert_eq!(store.job(job).await.unwrap().progress.queued, 1);
}

#[tokio::test]
async fn a_rekey_is_refused_while_a_row_of_any_column_is_under_a_key_that_the_file_lacks() {
    let home = Home::new();
    let store = home.open();
    let push = store.receive(PushKind::BirthNid, b"pushed".to_vec()).await.unwrap();
    let key_file = home.settings().key_file;
    let old = std::fs::read_to_string(&key_file).unwrap();
    let new = crate::crypto::base64::encode(&[9; 32]);
    std::fs::write(&key_file, format!("{new}\n{old}")).unwrap();
    drop(store);
    // As a rekey leaves it that is killed once the first table is through.
    let store = home.open();
    store.run(|tables| tables.reseal(schema::SEALED[0], 0).map(drop)).await.unwrap();
    drop(store);
    let store = home.open();
    std::fs::write(&key_file, &new).unwrap();
    let refused = store.rekey().await.unwrap_err();
    assert!(refused.detail().contains("1 value is sealed"), "{}", refused.detail());
    std::fs::write(&key_file, format!("{new}\n{old}")).unwrap();
    assert_eq!(store.rekey().await.unwrap(), Rekeyed { resealed: 1, unreadable: 0 });
    std::fs::write(&key_file, &new).unwrap();
    drop(store);
    assert_eq!(&*home.open().push(push).await.unwrap().body, b"pushed");
}

#[tokio::test]
async fn a_rekey_leaves_what_was_damaged_as_it_is_and_has_the_rest_go_on() {
    let home = Home::new();
    let store = home.open();
    for composition in ["c1", "c2"] {
        accept(&store, birth(composition)).await;
    }
    home.sql("UPDATE entry SET payload=zeroblob(100) WHERE id='c1'");
    let key_file = home.settings().key_file;
    let old = std::fs::read_to_string(&key_file).unwrap();
    std::fs::write(&key_file, format!("{}\n{old}", crate::crypto::base64::encode(&[9; 32]))).unwrap();
    assert_eq!(store.rekey().await.unwrap(), Rekeyed { resealed: 4, unreadable: 1 });
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c2"]);
    assert_eq!(store.entry("c1".into()).await.unwrap().state, State::Queued);
}
