//! Rows that do not open.

use super::*;

#[tokio::test]
async fn a_row_that_does_not_open_waits_shows_why_and_holds_its_own_successors_alone() {
    let home = Home::new();
    let store = home.open();
    for composition in ["c1", "c2", "c3"] {
        accept(&store, birth(composition)).await;
    }
    let behind = accept(&store, event(EventKind::Birth, "c1", "again", "w")).await.id;
    home.sql("CREATE TABLE kept AS SELECT id, payload, aid FROM entry");
    home.sql(
        "UPDATE entry SET payload=zeroblob(100) WHERE id='c1'; UPDATE entry SET aid=x'00' WHERE id='c2'",
    );
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c3"]);
    for id in ["c1", "c2"] {
        let waiting = store.entry(id.into()).await.unwrap();
        assert_eq!((waiting.state, waiting.refusal.unwrap().fault), (State::Queued, "storage".to_owned()));
        assert_eq!(waiting.attempts, 0);
    }
    assert_eq!(store.unreadable(), BTreeMap::from([("entry", 2)]));
    assert!(
        store.next_due(EventKind::Birth, store.uptime()).await.unwrap().unwrap() > store.uptime() + 60_000
    );
    assert_eq!(store.park_aged(Duration::ZERO).await.unwrap(), 1, "only what opens is parked: {behind}");
    store.retry(behind.clone()).await.unwrap();
    drop(store);
    home.sql("UPDATE entry SET (payload, aid)=(SELECT payload, aid FROM kept WHERE kept.id=entry.id) WHERE id IN ('c1', 'c2')");
    let store = home.open();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1", "c2", "c3"]);
    assert_eq!(store.unreadable(), BTreeMap::new());
}

#[tokio::test]
async fn a_damaged_message_for_the_mediator_holds_no_other_up() {
    let home = Home::new();
    let store = home.open();
    for composition in ["c1", "c2"] {
        accept(&store, birth(composition)).await;
        store.settle(composition.into(), Verdict::Done).await.unwrap();
    }
    home.sql("UPDATE delivery SET body=zeroblob(100) WHERE seq=1");
    assert_eq!(store.undelivered(0, 10, true).await.unwrap().len(), 1);
    let listed = store.undelivered(0, 10, false).await.unwrap().remove(0);
    let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(
        (&listed["type"], &listed["lastFault"]["fault"]),
        (&json!("event.accepted"), &json!("storage"))
    );
    let second = store.undelivered(0, 10, true).await.unwrap().remove(0);
    store.delivered(second.id).await.unwrap();
    assert!(store.next_delivery().await.unwrap().is_some_and(|wait| wait > Duration::from_secs(60)));
}

#[tokio::test]
async fn an_event_under_a_lost_key_goes_on_by_itself_once_a_rekey_finds_the_key() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    let key_file = home.settings().key_file;
    let old = std::fs::read_to_string(&key_file).unwrap();
    let new = format!("{}\n", crate::crypto::base64::encode(&[9; 32]));
    drop(store);
    // The identity key is under the new key, the event under the old one, which is not there.
    std::fs::write(&key_file, format!("{new}{old}")).unwrap();
    let store = home.open();
    store.run(|tables| tables.reseal(schema::SEALED[0], 0).map(drop)).await.unwrap();
    drop(store);
    std::fs::write(&key_file, &new).unwrap();
    let store = home.open();
    assert!(lease_ids(&store, EventKind::Birth).await.is_empty());
    assert_eq!(store.unreadable(), BTreeMap::from([("entry", 1)]));
    std::fs::write(&key_file, format!("{new}{old}")).unwrap();
    assert_eq!(store.rekey().await.unwrap().resealed, 2, "the payload and the names");
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
}
