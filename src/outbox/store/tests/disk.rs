//! What is on the disk, and a disk that fails.

use super::*;

#[tokio::test]
async fn nothing_personal_can_be_read_in_the_files() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    store.receive(PushKind::BirthNid, FAMILY_NAME.into()).await.unwrap();
    lease_ids(&store, EventKind::Birth).await;
    store.begin_send("c1".into(), Aid::parse("12345678901234567890123456789")).await.unwrap();
    for file in std::fs::read_dir(home.dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [FAMILY_NAME, "12345678901234567890123456789", "Patient"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
    }
    let mode = |name| std::fs::metadata(home.dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["outbox.key", "outbox.db", "outbox.db-wal"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_and_what_was_acknowledged_stays_and_it_recovers_by_itself() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c0")).await;
    store.run(|tables| Ok(tables.connection.pragma_update(None, "max_page_count", 40)?)).await.unwrap();
    let mut acknowledged = vec!["c0".to_owned()];
    let refused = loop {
        let composition = format!("c{}", acknowledged.len());
        match store.accept(event(EventKind::Birth, &composition, &"x".repeat(4096), "w"), None).await {
            Ok(accepted) => acknowledged.push(accepted.id),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.code(), refused.code().status()), (Code::Storage, 507));
    assert!(!store.is_writable());
    let page = store.entries(Filter::default()).await.unwrap().entries;
    assert_eq!(page.into_iter().map(|entry| entry.id).collect::<Vec<_>>(), acknowledged);
    store
        .run(|tables| Ok(tables.connection.pragma_update(None, "max_page_count", 1_000_000)?))
        .await
        .unwrap();
    store.keep_house().await.unwrap();
    assert!(store.is_writable());
    assert!(accept(&store, birth("later")).await.is_new);
}

/// What a trial of the disk takes is missing to the next event.
#[tokio::test]
async fn a_trial_of_the_disk_leaves_the_room_that_it_found() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c0")).await;
    store.resume().await.unwrap();
    let log = std::fs::metadata(home.dir.path().join("outbox.db-wal")).unwrap().len();
    assert_eq!(log, 0, "bytes of the log are left");
    assert_eq!(store.entries(Filter::default()).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn what_is_settled_or_sealed_under_a_new_key_is_overwritten_in_the_files() {
    let home = Home::new();
    let store = home.open();
    for composition in ["settled", "resealed"] {
        accept(&store, event(EventKind::Birth, composition, &"x".repeat(20_000), "w")).await;
    }
    // Pieces of a sealed payload that lie within a page, wherever its pages begin.
    let pieces = |id: &str| {
        let find = "SELECT payload FROM entry WHERE id=?1";
        let database = Connection::open(home.settings().path).unwrap();
        let sealed: Vec<u8> = database.query_row(find, [id], |row| row.get(0)).unwrap();
        sealed.chunks_exact(32).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let kept = |name: &str, pieces: &[Vec<u8>]| {
        let file = std::fs::read(home.dir.path().join(name)).unwrap();
        pieces.iter().filter(|piece| file.windows(piece.len()).any(|window| window == &piece[..])).count()
    };
    let (settled, resealed) = (pieces("settled"), pieces("resealed"));
    home.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert!(kept("outbox.db", &settled) > 600 && kept("outbox.db", &resealed) > 600);
    store.lease(&[EventKind::Birth], 1).await.unwrap();
    store.settle("settled".into(), Verdict::Done).await.unwrap();
    home.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(kept("outbox.db", &settled), 0);

    let key_file = home.settings().key_file;
    let old = std::fs::read_to_string(&key_file).unwrap();
    std::fs::write(&key_file, format!("{}\n{old}", crate::crypto::base64::encode(&[7; 32]))).unwrap();
    store.rekey().await.unwrap();
    for file in ["outbox.db", "outbox.db-wal"] {
        assert_eq!(kept(file, &resealed), 0, "{file}");
    }
}

#[tokio::test]
async fn one_job_that_fails_does_not_undo_its_group() {
    let home = Home::new();
    let store = home.open();
    let refused = store.run(|tables| {
        tables.connection.execute("UPDATE meta SET value=7 WHERE name='uptime'", ())?;
        Err::<(), _>(Error::new(Code::Bug, "no"))
    });
    let (refused, accepted) = tokio::join!(refused, accept(&store, birth("c1")));
    assert!(refused.is_err() && accepted.is_new);
    let uptime = store
        .run(|tables| {
            Ok(tables
                .connection
                .query_row("SELECT value FROM meta WHERE name='uptime'", (), |row| row.get::<_, i64>(0))?)
        })
        .await;
    assert_eq!(uptime.unwrap(), 0);
}

#[tokio::test]
async fn a_group_that_cannot_be_ended_does_not_stand_in_the_way_of_the_next() {
    let home = Home::new();
    let store = home.open();
    let unbalanced = store.run(|tables| Ok(tables.connection.execute_batch("RELEASE job")?)).await;
    assert!(unbalanced.is_err());
    assert!(accept(&store, birth("c1")).await.is_new);
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_the_disks_fault_and_parks_nothing() {
    let home = Home::new();
    let store = home.open();
    store.run(|tables| Ok(tables.connection.busy_timeout(Duration::ZERO)?)).await.unwrap();
    let other = Connection::open(home.settings().path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.accept(birth("c1"), None).await.unwrap_err();
    assert_eq!((refused.code(), refused.retryable()), (Code::Storage, true));
    other.execute_batch("ROLLBACK").unwrap();
    store.look_after().await.unwrap();
    assert!(accept(&store, birth("c1")).await.is_new);
}
