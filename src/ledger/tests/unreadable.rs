//! Rows that do not open.

use super::super::work::LEASED_AT_ONCE;
use super::*;
use crate::error::Fault;

#[tokio::test]
async fn a_row_that_does_not_open_waits_shows_why_and_holds_its_own_successors_alone() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    accept(&ledger, with_aid("c2", "10001")).await;
    accept(&ledger, birth("c3")).await;
    let behind = accept(&ledger, event(EventKind::Birth, "c1", "again", "w")).await.id;
    let payload = damage(&ledger, "entry", "payload", "c1").await;
    let aid = damage(&ledger, "entry", "aid", "c2").await;
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c3"]);
    for id in ["c1", "c2"] {
        let waiting = ledger.entry(id.into()).await.unwrap();
        assert_eq!((waiting.state, waiting.refusal.unwrap().fault), (State::Queued, Fault::Storage));
        assert!(waiting.next_at > ledger.uptime() + 60_000, "it is left alone for a while");
    }
    assert_eq!(ledger.unreadable(), BTreeMap::from([("entry", 2)]));
    assert_eq!(ledger.park_aged(Duration::ZERO).await.unwrap(), 1, "only what opens is parked: {behind}");
    ledger.retry(behind).await.unwrap();
    swap_sealed(&ledger, "entry", "payload", "c1", payload).await;
    swap_sealed(&ledger, "entry", "aid", "c2", aid).await;
    drop(ledger);
    let ledger = home.open();
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1", "c2", "c3"]);
    assert_eq!(ledger.unreadable(), BTreeMap::new());
}

#[tokio::test]
async fn more_rows_than_one_transaction_looks_at_do_not_hide_the_one_behind_them() {
    let home = Home::new();
    let ledger = home.open();
    for index in 0..=LEASED_AT_ONCE {
        let composition = format!("c{index}");
        accept(&ledger, birth(&composition)).await;
        damage(&ledger, "entry", "payload", composition.leak()).await;
    }
    accept(&ledger, birth("behind")).await;
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["behind"]);
}

#[tokio::test]
async fn a_person_takes_out_what_does_not_open() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let behind = accept(&ledger, event(EventKind::Birth, "c1", "again", "w")).await.id;
    damage(&ledger, "entry", "payload", "c1").await;
    assert!(lease_ids(&ledger, EventKind::Birth).await.is_empty());
    ledger.discard("c1".into(), "lost".into()).await.unwrap();
    assert_eq!(ledger.unreadable(), BTreeMap::new());
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, [behind]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_message_for_the_mediator_holds_no_other_up_and_is_not_forgotten() {
    let home = Home::new();
    let ledger = home.open();
    for composition in ["c1", "c2"] {
        accept(&ledger, birth(composition)).await;
    }
    for leased in lease(&ledger, EventKind::Birth).await {
        settle(&ledger, &leased, done()).await;
    }
    let first = messages(&ledger).await[0]["id"].as_str().unwrap().to_owned();
    damage(&ledger, "delivery", "body", first.clone().leak()).await;
    let to_mediator = lane_to(Queue::Deliveries, super::super::deliveries::DESTINATION);
    let leased = lease_all(&ledger, &to_mediator).await;
    assert_eq!(leased.len(), 1);
    settle(&ledger, &leased[0], Ending::Done(Done::default())).await;
    let listed = messages(&ledger).await;
    assert_eq!(
        (listed.len(), &listed[0]["id"], &listed[0]["type"]),
        (1, &json!(first), &json!("event.accepted"))
    );
    assert_eq!(listed[0]["lastFault"]["fault"], "storage");
    assert!(ledger.next_due(&to_mediator).await.unwrap().unwrap() > ledger.uptime() + 60_000);
    run_for(31 * DAY).await;
    ledger.housekeep().await.unwrap();
    assert_eq!(messages(&ledger).await.len(), 1, "nobody could take it");
    ledger.delivered(first).await.unwrap();
    assert_eq!(ledger.unreadable(), BTreeMap::new());
}
