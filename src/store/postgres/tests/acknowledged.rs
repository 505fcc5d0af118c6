//! Servers that lost commits which they had acknowledged.

use super::*;

/// What the server holds now, to be put back later: as a standby does that is promoted without what came since.
const KEEP: &str = "CREATE TABLE kept_meta AS TABLE meta; CREATE TABLE kept_writer AS TABLE writer";
const PUT_BACK: &str = "TRUNCATE meta, writer; INSERT INTO meta (name, value, sealed) SELECT name, value, sealed FROM kept_meta; \
                        INSERT INTO writer TABLE kept_writer; DROP TABLE kept_meta, kept_writer";

/// How often a store may find that the server ended its connections before it has a new one.
const CUTS: usize = 100;

/// Nothing is well until the loss is found, and nothing is taken then.
async fn lost(store: &Store) {
    let mut trouble = None;
    for _ in 0..CUTS {
        assert_eq!(store.look_after().await.unwrap_err().code(), Code::Storage);
        trouble = store.trouble();
        if matches!(trouble, Some(crate::store::Trouble::Lost { .. })) {
            break;
        }
    }
    let trouble = trouble.unwrap();
    assert!(matches!(trouble, crate::store::Trouble::Lost { commits: 1.. }), "{trouble:?}");
    assert!(trouble.advice().contains("resume --accept-loss"), "{trouble:?}");
    assert_eq!(store.take(Vec::new(), count).await.unwrap_err().code(), Code::Storage);
}

#[tokio::test]
async fn acknowledged_commits_that_are_gone_after_a_new_connection_stop_all_acknowledgement() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.take(Vec::new(), count).await.unwrap();
    home.sql(KEEP);
    store.take(Vec::new(), count).await.unwrap();
    home.sql(PUT_BACK);
    home.cut();
    lost(&store).await;
    assert!(store.resume().await.is_err(), "files alone do not help");
    for _ in 0..9 {
        store.run(count).await.unwrap();
    }
    lost(&store).await;
    store.accept_loss().await.unwrap();
    assert_eq!(store.trouble(), None);
    store.take(Vec::new(), count).await.unwrap();
    home.cut();
    while store.look_after().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.trouble(), None, "it is accepted for good");
}

#[tokio::test]
async fn commits_that_are_found_again_need_nobody() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.take(Vec::new(), count).await.unwrap();
    home.sql("ALTER TABLE writer RENAME TO writer_of_the_primary; CREATE TABLE writer (LIKE writer_of_the_primary INCLUDING ALL)");
    home.cut();
    lost(&store).await;
    home.sql("DROP TABLE writer; ALTER TABLE writer_of_the_primary RENAME TO writer");
    home.cut();
    while store.look_after().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn what_was_lost_while_no_gateway_ran_is_known_by_the_file_until_it_is_accepted() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.state");
    let store = home.remembering(&file);
    store.take(Vec::new(), count).await.unwrap();
    home.sql(KEEP);
    store.take(Vec::new(), count).await.unwrap();
    drop(store);
    home.sql(PUT_BACK);
    drop(home.store());
    for _ in 0..2 {
        let store = home.remembering(&file);
        lost(&store).await;
    }
    let store = home.remembering(&file);
    store.accept_loss().await.unwrap();
    store.take(Vec::new(), count).await.unwrap();
    drop(store);
    let store = home.remembering(&file);
    store.look_after().await.unwrap();
    store.take(Vec::new(), count).await.unwrap();
}
