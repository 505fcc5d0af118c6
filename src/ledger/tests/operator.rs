//! What a person sees of the rows, and decides about them.

use super::*;
use crate::error::Fault;

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let home = Home::new();
    let ledger = home.open();
    for index in 0..150 {
        accept(&ledger, birth(&format!("c{index}"))).await;
    }
    let first = ledger.leased(&lane(&[EventKind::Birth]), LEASE, 1).await.unwrap().remove(0);
    settle(&ledger, &first, Ending::Park(away())).await;
    let first = ledger.entries(Filter::default()).await.unwrap();
    assert_eq!(first.entries.len(), Page::SIZE);
    let second = ledger.entries(Filter { after: first.next.unwrap(), ..Filter::default() }).await.unwrap();
    assert_eq!((second.entries.len(), second.next), (50, None));
    for filter in [
        Filter { state: Some(State::Parked), ..Filter::default() },
        Filter { fault: Some(Fault::Upstream), ..Filter::default() },
    ] {
        let found = ledger.entries(filter).await.unwrap().entries;
        assert_eq!(found.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["c0"]);
    }
    let counts = ledger.tally().await.unwrap().counts;
    let births = |state| ("mediator".to_owned(), "birth".to_owned(), state);
    assert_eq!(counts, BTreeMap::from([(births(State::Queued), 149), (births(State::Parked), 1)]));
    assert_eq!(ledger.retry_all(Fault::Upstream).await.unwrap(), 1);
    assert_eq!(ledger.retry_all(Fault::Upstream).await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_person_puts_back_stands_behind_what_waits_in_order_of_acceptance() {
    let home = Home::new();
    let ledger = home.open();
    for composition in ["a", "b", "c"] {
        accept(&ledger, birth(composition)).await;
    }
    let leased = lease(&ledger, EventKind::Birth).await;
    for index in [1, 0] {
        settle(&ledger, &leased[index], Ending::Park(away())).await;
    }
    settle(&ledger, &leased[2], Ending::Again { next_at: 0, error: None }).await;
    assert_eq!(ledger.retry_all(Fault::Upstream).await.unwrap(), 2);
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c", "a", "b"]);
}

#[tokio::test]
async fn what_follows_a_parked_event_waits_though_one_between_them_was_taken_out() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("a")).await;
    let second = accept(&ledger, event(EventKind::Birth, "a", "second", "w")).await.id;
    let third = accept(&ledger, event(EventKind::Birth, "a", "third", "w")).await.id;
    let first = lease(&ledger, EventKind::Birth).await.remove(0);
    settle(&ledger, &first, Ending::Park(away())).await;
    ledger.discard(second, "registered twice".into()).await.unwrap();
    assert!(lease_ids(&ledger, EventKind::Birth).await.is_empty(), "the third still stands behind the first");
    ledger.retry("a".into()).await.unwrap();
    let first = lease(&ledger, EventKind::Birth).await.remove(0);
    assert_eq!(first.held.id, "a");
    settle(&ledger, &first, done()).await;
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, [third]);
}

#[tokio::test]
async fn the_oldest_that_waits_is_known_of_every_destination_that_has_one() {
    let home = Home::new();
    let ledger = home.open();
    let first = home.clock.now();
    accept(&ledger, birth("a")).await;
    let later = Timestamp::from_millis(first.millis() + 60_000);
    home.clock.set(later);
    ledger.accept(birth("b"), vec!["mediator", "packets", "of-another-version"], None).await.unwrap();
    let oldest = async || ledger.tally().await.unwrap().oldest_waiting;
    let at = |destination: &str, moment| (destination.to_owned(), moment);
    let others = [at("packets", later), at("of-another-version", later)];
    assert_eq!(
        oldest().await,
        BTreeMap::from_iter([at("mediator", first)].into_iter().chain(others.clone()))
    );
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    assert_eq!(oldest().await["mediator"], first, "what is leased waits, too");
    settle(&ledger, &leased, done()).await;
    assert_eq!(oldest().await, BTreeMap::from_iter([at("mediator", later)].into_iter().chain(others)));
}
