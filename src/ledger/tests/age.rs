//! What time does: on the outbox's clock, which only a running gateway moves.

use super::*;

#[tokio::test]
async fn neither_a_step_forward_nor_back_of_the_machines_clock_moves_an_entry() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    for seconds in [4_000_000_000, 0] {
        home.clock.set(Timestamp::from_seconds(seconds));
        ledger.housekeep().await.unwrap();
        assert!(!accept(&ledger, birth("c1")).await.is_new);
    }
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_goes_on_where_the_last_run_ended_and_stands_still_between_two() {
    let home = Home::new();
    let ledger = home.open();
    run_for(DAY).await;
    ledger.housekeep().await.unwrap();
    let then = ledger.uptime();
    drop(ledger);
    run_for(DAY).await;
    assert_eq!((then, home.open().uptime()), (86_400_000, then));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_waited_a_month_is_parked_and_the_mediator_learns_of_it() {
    let home = Home::new();
    let ledger = home.open();
    let mut settled = ledger.settled();
    accept(&ledger, birth("c1")).await;
    run_for(29 * DAY).await;
    accept(&ledger, birth("c2")).await;
    run_for(2 * DAY).await;
    ledger.housekeep().await.unwrap();
    assert_eq!(ledger.entry("c1".into()).await.unwrap().state, State::Parked);
    assert_eq!(ledger.entry("c2".into()).await.unwrap().state, State::Queued);
    assert_eq!(settled.try_recv().unwrap(), "c1", "whoever waits for it hears of it");
    let deliveries = messages(&ledger).await;
    assert_eq!(
        (&deliveries[0]["type"], &deliveries[0]["subject"]["compositionId"]),
        (&json!("event.parked"), &json!("c1"))
    );
    assert!(deliveries[0]["data"]["advice"].is_string());
    ledger.retry("c1".into()).await.unwrap();
    ledger.housekeep().await.unwrap();
    assert_eq!(ledger.entry("c1".into()).await.unwrap().state, State::Queued, "a retry counts the age anew");
}

#[tokio::test(start_paused = true)]
async fn settled_rows_go_after_retention_and_their_identity_stays() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    settle(&ledger, &leased, done()).await;
    run_for(31 * DAY).await;
    ledger.housekeep().await.unwrap();
    assert_eq!(ledger.entry("c1".into()).await.unwrap_err().code(), Code::NotFound);
    let again = accept(&ledger, birth("c1")).await;
    assert_eq!((again.is_new, again.id.as_str(), again.state), (false, "c1", State::Done));
    let other = accept(&ledger, event(EventKind::Birth, "c1", "other", "w")).await;
    assert!(other.id.starts_with("c1-"), "MOSIP would drop a repeated id");
    run_for(401 * DAY).await;
    ledger.housekeep().await.unwrap();
    let waits = accept(&ledger, event(EventKind::Birth, "c1", "other", "w")).await;
    assert!(!waits.is_new, "what is not settled is never forgotten");
    assert!(accept(&ledger, birth("c1")).await.is_new);
}

#[tokio::test(start_paused = true)]
async fn news_of_our_own_goes_after_retention_and_what_mosip_sent_or_is_parked_stays() {
    let home = Home::new();
    let ledger = home.open();
    for composition in ["c1", "c2"] {
        accept(&ledger, birth(composition)).await;
    }
    let leased = lease(&ledger, EventKind::Birth).await;
    assign(&ledger, &leased[0], "10001").await;
    settle(&ledger, &leased[0], done()).await;
    settle(&ledger, &leased[1], Ending::Park(away())).await;
    push(&ledger, "B1", "1").await;
    run_for(31 * DAY).await;
    ledger.housekeep().await.unwrap();
    let left: Vec<_> = deliveries(&ledger).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(left, ["event.parked", "uin-token.received"]);
    assert_eq!(ledger.undelivered_count().await.unwrap(), (2, Some(0)), "and since when the oldest waits");
}
