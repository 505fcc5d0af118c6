//! A disk that fails, and a group whose jobs fail.

use super::*;
use crate::store::{Advance, Queues};

#[tokio::test]
async fn a_disk_that_is_full_refuses_and_what_was_acknowledged_stays_and_it_recovers_by_itself() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    on_connection(&sqlite, |connection| connection.pragma_update(None, "max_page_count", 60)).await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let id = format!("c{}", acknowledged.len());
        let row = crate::store::NewRow { payload: Some(vec![7; 4096]), ..new(&id) };
        match store.take(Vec::new(), move |tx| tx.insert(std::slice::from_ref(&row))).await {
            Ok(()) => acknowledged.push(id),
            Err(error) => break error,
        }
    };
    assert!(!acknowledged.is_empty());
    assert_eq!((refused.code(), refused.code().status()), (Code::Storage, 507));
    assert_eq!(store.trouble(), Some(Trouble::full()));
    assert_eq!(names(&store).await, acknowledged);
    assert!(store.look_after().await.is_err(), "there is still no room");
    on_connection(&sqlite, |connection| connection.pragma_update(None, "max_page_count", 1_000_000)).await;
    store.look_after().await.unwrap();
    assert_eq!(store.trouble(), None);
    accept(&store, "later").await;
    acknowledged.push("later".to_owned());
    assert_eq!(names(&store).await, acknowledged, "the trial has left no row");
}

/// What a trial of the disk takes is missing to the next event.
#[tokio::test]
async fn a_trial_of_the_disk_leaves_the_room_that_it_found() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c0").await;
    store.resume().await.unwrap();
    assert_eq!(fs::metadata(home.file("-wal")).unwrap().len(), 0, "bytes of the log are left");
    assert_eq!(names(&store).await, ["c0"]);
}

#[tokio::test]
async fn what_is_settled_or_overwritten_is_in_the_files_no_more() {
    let home = Home::new();
    let store = home.open();
    let written: [(&'static str, u8); 2] = [("settled", 0x5e), ("resealed", 0x7a)];
    for (id, byte) in written {
        let row = crate::store::NewRow { payload: Some(vec![byte; 20_000]), ..new(id) };
        store.run(move |tx| tx.insert(std::slice::from_ref(&row))).await.unwrap();
    }
    // Pieces of a payload that lie within a page, wherever its pages begin.
    let kept = |suffix: &str, byte: u8| {
        let file = fs::read(home.file(suffix)).unwrap();
        file.windows(32).filter(|window| window.iter().all(|found| *found == byte)).count()
    };
    store.overwrite().await.unwrap();
    assert!(written.iter().all(|(_, byte)| kept("", *byte) > 10_000));
    let leased = lease_at(&store, 10, 1).await;
    settle(&store, leased.first().unwrap(), conformance::done()).await;
    let resealed = row(&store, "resealed").await;
    let column = crate::store::SEALED.into_iter().find(|at| at.column == "payload").unwrap();
    store.run(move |tx| tx.replace_sealed(column, resealed.seq, &[1; 20_000])).await.unwrap();
    store.overwrite().await.unwrap();
    for (id, byte) in written {
        assert_eq!((kept("", byte), kept("-wal", byte)), (0, 0), "{id}");
    }
}

#[tokio::test]
async fn one_job_that_fails_does_not_undo_its_group() {
    let home = Home::new();
    let store = home.open();
    let refused = store.run(|tx| {
        tx.set_number("n", 7)?;
        Err::<(), _>(Error::new(Code::Bug, "no"))
    });
    let (refused, accepted) = tokio::join!(refused, try_accept(&store, "c1"));
    assert!(refused.is_err() && accepted.is_ok());
    assert_eq!(store.run(|tx| tx.number("n")).await.unwrap(), None);
}

#[tokio::test]
async fn a_group_that_cannot_be_begun_or_ended_does_not_stand_in_the_way_of_the_next() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    on_connection(&sqlite, |connection| connection.execute_batch("BEGIN")).await;
    assert!(try_accept(&store, "c1").await.is_err());
    accept(&store, "c1").await;
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_the_disks_fault() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    on_connection(&sqlite, |connection| connection.busy_timeout(Duration::ZERO)).await;
    let other = Connection::open(home.file("")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = try_accept(&store, "c1").await.unwrap_err();
    assert_eq!((refused.code(), refused.retryable()), (Code::Storage, true));
    other.execute_batch("ROLLBACK").unwrap();
    store.look_after().await.unwrap();
    accept(&store, "c1").await;
}

/// The files without what SQLite keeps for readers, with their contents.
fn contents(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(home.0.path()).unwrap().map(|file| file.unwrap().path());
    let mut contents: Vec<_> = files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect();
    contents.sort();
    contents
}

#[tokio::test]
async fn without_a_byte_to_spare_what_was_accepted_is_read_and_nothing_is_written() {
    let running = Home::new();
    let store = running.open();
    accept(&store, "c1").await;
    let with_log = running.killed();
    drop(store);
    let without_log = running.killed();
    assert!(fs::metadata(with_log.file("-wal")).unwrap().len() > 0 && !without_log.file("-wal").exists());
    for home in [with_log, without_log] {
        let before = contents(&home);
        let site = Site::new(home.file(""), home.owner());
        let desk::Link::Reading(session) = open::for_reading(&site).unwrap() else { panic!("closed") };
        let mut transaction = tx::Transaction::new(&session);
        let rows = transaction.rows(Queue::Entries, &Filter::default(), 0, 9).unwrap();
        assert_eq!(ids(&rows), ["c1"]);
        let written = transaction.advance(rows[0].lease(), &Advance::default());
        assert_eq!(written.unwrap_err().code(), Code::Storage);
        drop((session, site));
        assert!(contents(&home) == before);
        fs::write(home.key_file(), "another").unwrap();
        let site = Site::new(home.file(""), home.owner());
        assert!(matches!(open::for_reading(&site), Err(OpenError::Owner(_))), "no start without the key");
    }
}
