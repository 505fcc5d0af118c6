//! One post for several destinations: an entry for each, in one transaction, each in an order of its own.

use super::*;
use crate::opencrvs::document::EventDocument;

const BOTH: [&str; 2] = ["mediator", "system"];

async fn accept_at(ledger: &Ledger, destinations: &[&'static str], event: Event) -> Accepted {
    ledger.accept(event, destinations.to_vec(), None).await.unwrap()
}

async fn lease_at(ledger: &Ledger, destination: &str) -> Vec<Leased> {
    lease_all(ledger, &lane_to(Queue::Entries, destination)).await
}

fn others(accepted: &Accepted) -> Vec<(&str, State)> {
    accepted.others.iter().map(|(id, state)| (id.as_str(), *state)).collect()
}

#[tokio::test]
async fn a_post_makes_an_entry_for_each_destination_and_a_repeat_finds_all_of_them() {
    let home = Home::new();
    let ledger = home.open();
    let first = ledger.accept(birth("c1"), BOTH.to_vec(), key("k")).await.unwrap();
    assert!(first.is_new);
    assert_eq!((first.id.as_str(), others(&first)), ("c1", vec![("c1@system", State::Queued)]));
    assert_eq!(first.unsettled(), ["c1", "c1@system"]);
    let at_system = lease_at(&ledger, "system").await.remove(0);
    settle(&ledger, &at_system, done()).await;
    for repeat in [None, key("k"), key("another")] {
        let repeat = ledger.accept(birth("c1"), BOTH.to_vec(), repeat).await.unwrap();
        assert!(!repeat.is_new);
        assert_eq!((repeat.id.as_str(), others(&repeat)), ("c1", vec![("c1@system", State::Done)]));
        assert_eq!(repeat.unsettled(), ["c1"]);
    }
    let shown = ledger.entries(Filter::default()).await.unwrap().entries;
    let shown: Vec<_> = shown.iter().map(|entry| (entry.id.as_str(), entry.destination.as_str())).collect();
    assert_eq!(shown, [("c1", "mediator"), ("c1@system", "system")]);
}

#[tokio::test]
async fn every_destination_gets_the_event_under_one_id() {
    let home = Home::new();
    let ledger = home.open();
    accept_at(&ledger, &BOTH, birth("c1")).await;
    let correction = accept_at(&ledger, &BOTH, event(EventKind::BirthCorrection, "c1", "", "w")).await;
    let id = correction.id.as_str();
    assert_eq!(others(&correction), [(format!("{id}@system").as_str(), State::Queued)]);
    for destination in BOTH {
        for expected in ["c1", id] {
            let leased = lease_at(&ledger, destination).await.remove(0);
            assert_eq!(leased.work.id, expected, "{destination}");
            settle(&ledger, &leased, done()).await;
        }
    }
}

#[tokio::test]
async fn the_entry_at_mosip_speaks_for_the_event_wherever_it_stands_in_the_list() {
    let home = Home::new();
    let ledger = home.open();
    let accepted = accept_at(&ledger, &["system", "mediator"], birth("c1")).await;
    assert_eq!((accepted.id.as_str(), others(&accepted)), ("c1@mediator", vec![("c1", State::Queued)]));
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    assign(&ledger, &leased, "10001").await;
    settle(&ledger, &leased, done()).await;
    let repeat = accept_at(&ledger, &["system", "mediator"], birth("c1")).await;
    assert_eq!((repeat.state, repeat.aid), (State::Done, Aid::parse("10001")));
    let deliveries = messages(&ledger).await;
    assert_eq!(deliveries[1]["subject"], json!({ "compositionId": "c1", "aid": "10001" }));
    assert_eq!(
        (&deliveries[1]["data"]["id"], &deliveries[1]["data"]["destination"]),
        (&json!("c1@mediator"), &json!("mediator"))
    );
    let without = accept_at(&ledger, &["system", "register"], birth("c2")).await;
    assert_eq!((without.id.as_str(), others(&without)), ("c2", vec![("c2@register", State::Queued)]));
}

#[tokio::test]
async fn what_is_parked_at_one_destination_holds_nobody_up_at_another() {
    let home = Home::new();
    let ledger = home.open();
    accept_at(&ledger, &BOTH, birth("c1")).await;
    let correction = accept_at(&ledger, &BOTH, event(EventKind::BirthCorrection, "c1", "", "w")).await;
    let at_system = lease_at(&ledger, "system").await.remove(0);
    settle(&ledger, &at_system, Ending::Park(away())).await;
    let at_mosip = lease_at(&ledger, "mediator").await.remove(0);
    settle(&ledger, &at_mosip, done()).await;
    assert_eq!(lease_at(&ledger, "mediator").await[0].held.id, correction.id);
    assert!(lease_at(&ledger, "system").await.is_empty());
    let parked = messages(&ledger).await.remove(0);
    assert_eq!((&parked["type"], &parked["data"]["destination"]), (&json!("event.parked"), &json!("system")));
    assert_eq!(parked["subject"]["compositionId"], "c1");
}

#[tokio::test]
async fn an_event_that_was_discarded_at_one_destination_goes_again_to_that_one_alone() {
    let home = Home::new();
    let ledger = home.open();
    accept_at(&ledger, &BOTH, birth("c1")).await;
    ledger.discard("c1@system".to_owned(), "by mistake".to_owned()).await.unwrap();
    let again = accept_at(&ledger, &BOTH, birth("c1")).await;
    assert!(again.is_new && again.id == "c1");
    let (id, state) = &again.others[0];
    assert!(id.starts_with("c1-") && id.ends_with("@system") && *state == State::Queued, "{id}");
    assert_eq!(lease_at(&ledger, "mediator").await.len(), 1, "MOSIP sees it once");
    assert_eq!(accept_at(&ledger, &BOTH, birth("c1")).await.others, again.others);
}

#[tokio::test]
async fn a_repeat_after_a_destination_was_added_is_a_repeat() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let repeat = accept_at(&ledger, &BOTH, birth("c1")).await;
    assert_eq!((repeat.is_new, repeat.id.as_str(), others(&repeat)), (false, "c1", vec![]));
    assert_eq!(ledger.entries(Filter::default()).await.unwrap().entries.len(), 1);
}

/// The action `action` of the event `e1`.
fn document(kind: EventKind, action: &str, note: &str) -> EventDocument {
    let body = json!({ "id": "e1", "type": "birth", "note": note, "actions": [{ "id": action }] });
    EventDocument::parse(kind, Bytes::from(body.to_string())).unwrap()
}

#[tokio::test]
async fn an_event_document_is_known_by_its_kind_its_event_and_its_action_whatever_else_differs() {
    let home = Home::new();
    let ledger = home.open();
    let accept = async |kind, action, note, to: &[&'static str]| {
        ledger.accept_document(document(kind, action, note), to.to_vec(), None).await.unwrap()
    };
    let first = accept(EventKind::Birth, "a1", "", &["one", "two"]).await;
    assert_eq!((first.id.as_str(), others(&first)), ("e1-a1", vec![("e1-a1@two", State::Queued)]));
    let again = accept(EventKind::Birth, "a1", "other", &["one", "two"]).await;
    assert!(!again.is_new && again.id == "e1-a1");
    let next = accept(EventKind::BirthCorrection, "a2", "", &["one"]).await;
    assert!(next.is_new && next.id == "e1-a2");
    let leased = lease_at(&ledger, "one").await;
    assert_eq!(leased.len(), 1, "the second waits behind the first");
    assert_eq!(leased[0].work.id, "e1-a1");

    let revocation = accept(EventKind::BirthRevocation, "a1", "", &["two"]).await;
    assert!(revocation.is_new && revocation.id.starts_with("e1-a1-"), "it is not swallowed as a repeat");
    let again = accept(EventKind::BirthRevocation, "a1", "", &["two"]).await;
    assert!(!again.is_new && again.id == revocation.id);

    let elsewhere = accept(EventKind::Death, "a1", "", &["three"]).await;
    assert!(elsewhere.is_new && elsewhere.id.starts_with("e1-a1-"), "{}", elsewhere.id);
    ledger.discard("e1-a2".to_owned(), "test".to_owned()).await.unwrap();
    let anew = accept(EventKind::BirthCorrection, "a2", "", &["one"]).await;
    assert!(anew.is_new && anew.id.starts_with("e1-a2-"), "{}", anew.id);
}
