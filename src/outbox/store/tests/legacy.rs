//! What goes to OpenCRVS 1.x: made once, in order, and never in the way of what goes to MOSIP.

use super::correlation::{messages, push, registered, send};
use super::*;
use crate::outbox::entry::EntryKind;

fn posting(home: &Home, settles: bool) -> Store {
    let store = home.open();
    store.post_to_opencrvs(LegacyPosts { token_member: "MOSIP_PSUT_TOKEN_ID", settles });
    store
}

/// What may go to OpenCRVS now: ids and bodies.
async fn lease_legacy(store: &Store) -> Vec<(String, String)> {
    let leases = store.lease(&[EntryKind::Legacy], 100).await.unwrap();
    let text = |payload: &[u8]| String::from_utf8(payload.to_vec()).unwrap();
    leases.into_iter().map(|lease| (lease.entry.id, text(&lease.payload))).collect()
}

fn post(id: &str, body: &str) -> (String, String) {
    (id.to_owned(), body.to_owned())
}

async fn types(store: &Store) -> Vec<String> {
    messages(store).await.into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn the_aid_goes_at_once_and_the_token_behind_it() {
    let home = Home::new();
    let store = posting(&home, false);
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    lease_ids(&store, EventKind::Birth).await;
    store.begin_send("c1".into(), Aid::parse("10001")).await.unwrap();
    push(&store, "B1", b"1").await;
    let aid = post("c1@legacy-aid", r#"{"BRN":"B1","MOSIP_AID":"10001"}"#);
    assert_eq!(lease_legacy(&store).await, [aid], "though the event itself is still on its way");
    store.settle("c1@legacy-aid".into(), Verdict::Done).await.unwrap();
    let token = post("c1@legacy-token", r#"{"BRN":"B1","MOSIP_PSUT_TOKEN_ID":"36"}"#);
    assert_eq!(lease_legacy(&store).await, [token]);
}

#[tokio::test]
async fn a_parked_entry_of_one_destination_holds_nobody_up_at_the_other() {
    let home = Home::new();
    let store = posting(&home, false);
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    send(&store, "c1", EventKind::Birth, "10001").await;
    lease_legacy(&store).await;
    store.settle("c1@legacy-aid".into(), Verdict::Park(refusal())).await.unwrap();
    let parked = messages(&store).await.pop().unwrap();
    assert_eq!(parked.0, "event.parked");
    assert_eq!(parked.1["brn"], "B1");
    let correction = accept(&store, registered(EventKind::BirthCorrection, "c1", "B1")).await;
    assert_eq!(lease_ids(&store, EventKind::BirthCorrection).await, std::slice::from_ref(&correction.id));
    store.settle(correction.id, Verdict::Park(refusal())).await.unwrap();
    push(&store, "B1", b"1").await;
    assert!(lease_legacy(&store).await.is_empty(), "the token waits behind the parked application id");
    store.retry("c1@legacy-aid".into()).await.unwrap();
    assert_eq!(lease_legacy(&store).await.len(), 1, "one of a composition at a time");
}

#[tokio::test]
async fn a_push_that_comes_again_makes_no_second_entry_and_another_token_does() {
    let home = Home::new();
    let store = posting(&home, false);
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    push(&store, "B1", b"1").await;
    let again = store.receive(PushKind::BirthNid, b"sealed".to_vec()).await.unwrap();
    assert!(!store.verified(again, PushKind::BirthNid, b"1", super::correlation::told("B1")).await.unwrap());
    push(&store, "B1", b"2").await;
    let ids: Vec<String> = store
        .entries(Filter::default())
        .await
        .unwrap()
        .entries
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Legacy)
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] == "c1@legacy-token" && ids[1].starts_with("c1@legacy-token-"), "{ids:?}");
}

#[tokio::test]
async fn a_token_of_no_known_event_goes_under_the_name_of_its_push_and_waits_for_no_other() {
    let home = Home::new();
    let store = posting(&home, false);
    let first = push(&store, "B1", b"1").await;
    let second = push(&store, "B2", b"2").await;
    let ids: Vec<_> = lease_legacy(&store).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [format!("{first}@legacy-token"), format!("{second}@legacy-token")]);
    store.settle(ids[0].clone(), Verdict::Park(refusal())).await.unwrap();
    let parked = messages(&store).await.pop().unwrap();
    assert_eq!(parked, ("event.parked".to_owned(), json!({ "brn": "B1" })));
}

#[tokio::test]
async fn where_nobody_else_waits_what_opencrvs_took_is_settled_and_what_failed_stays() {
    let home = Home::new();
    let store = posting(&home, true);
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    send(&store, "c1", EventKind::Birth, "10001").await;
    assert_eq!(types(&store).await, ["aid.assigned"], "that MOSIP took it is nobody's news");
    lease_legacy(&store).await;
    store.settle("c1@legacy-aid".into(), Verdict::Done).await.unwrap();
    assert_eq!(types(&store).await, [""; 0]);
    push(&store, "B1", b"1").await;
    lease_legacy(&store).await;
    store.settle("c1@legacy-token".into(), Verdict::Park(refusal())).await.unwrap();
    assert_eq!(types(&store).await, ["uin-token.received", "event.parked"]);
    store.discard("c1@legacy-token".into(), "test".into()).await.unwrap();
    assert_eq!(types(&store).await, ["uin-token.received", "event.parked"], "OpenCRVS does not have it");
}

#[tokio::test]
async fn where_a_mediator_is_posted_to_it_gets_every_message_all_the_same() {
    let home = Home::new();
    let store = posting(&home, false);
    accept(&store, registered(EventKind::Birth, "c1", "B1")).await;
    send(&store, "c1", EventKind::Birth, "10001").await;
    lease_legacy(&store).await;
    store.settle("c1@legacy-aid".into(), Verdict::Done).await.unwrap();
    assert_eq!(types(&store).await, ["aid.assigned", "event.accepted"]);
}

#[tokio::test]
async fn a_death_goes_under_its_own_number_and_an_event_without_one_stays_a_message() {
    let home = Home::new();
    let store = posting(&home, true);
    accept(&store, registered(EventKind::Death, "c1", "D1")).await;
    send(&store, "c1", EventKind::Death, "10001").await;
    assert_eq!(lease_legacy(&store).await, [post("c1@legacy-aid", r#"{"DRN":"D1","MOSIP_AID":"10001"}"#)]);
    store.settle("c1@legacy-aid".into(), Verdict::Done).await.unwrap();
    accept(&store, birth("c2")).await;
    send(&store, "c2", EventKind::Birth, "10002").await;
    assert!(lease_legacy(&store).await.is_empty());
    assert_eq!(types(&store).await, ["aid.assigned"]);
}

#[tokio::test]
async fn the_body_is_sealed_and_gone_once_it_is_taken_and_without_the_setting_nothing_is_made() {
    let home = Home::new();
    let store = home.open();
    accept(&store, registered(EventKind::Birth, "c0", "B0")).await;
    send(&store, "c0", EventKind::Birth, "10000").await;
    assert!(lease_legacy(&store).await.is_empty());
    drop(store);
    let store = posting(&home, false);
    push(&store, "B0", b"1").await;
    let payload = || -> Option<Vec<u8>> {
        let connection = Connection::open(home.settings().path).unwrap();
        connection.query_row("SELECT payload FROM entry WHERE kind='legacy'", (), |row| row.get(0)).unwrap()
    };
    let sealed = payload().unwrap();
    assert!(!sealed.windows(2).any(|window| window == b"B0"));
    lease_legacy(&store).await;
    store.settle("c0@legacy-token".into(), Verdict::Done).await.unwrap();
    assert_eq!(payload(), None);
}
