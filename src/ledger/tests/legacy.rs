//! What goes to OpenCRVS 1.x: made once, in order, and never in the way of what goes to MOSIP.

use super::*;

fn posting(home: &Home, settles: bool) -> Ledger {
    let ledger = home.open();
    ledger.post_to_opencrvs(LegacyPosts {
        destination: "opencrvs",
        kind: "legacy",
        token_member: "MOSIP_PSUT_TOKEN_ID",
        settles,
    });
    ledger
}

/// What may go to OpenCRVS now.
async fn lease_legacy(ledger: &Ledger) -> Vec<Leased> {
    lease_all(ledger, &lane_to(Queue::Entries, "opencrvs")).await
}

/// The one post that may go to OpenCRVS now: its id and its body.
async fn the_post(ledger: &Ledger) -> (Leased, String, String) {
    let mut leased = lease_legacy(ledger).await;
    assert_eq!(leased.len(), 1, "one of a composition at a time");
    let leased = leased.remove(0);
    let (id, body) = (leased.held.id.clone(), String::from_utf8(leased.work.payload.to_vec()).unwrap());
    (leased, id, body)
}

/// OpenCRVS has it.
fn taken() -> Ending {
    Ending::Done(Done::default())
}

async fn types(ledger: &Ledger) -> Vec<String> {
    deliveries(ledger).await.into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn the_aid_goes_at_once_and_the_token_behind_it() {
    let home = Home::new();
    let ledger = posting(&home, false);
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    let birth = lease(&ledger, EventKind::Birth).await.remove(0);
    assign(&ledger, &birth, "10001").await;
    push(&ledger, "B1", "36").await;
    let (aid, id, body) = the_post(&ledger).await;
    assert_eq!(id, "c1@legacy-aid", "though the event itself is still on its way");
    assert_eq!(body, r#"{"BRN":"B1","MOSIP_AID":"10001"}"#);
    settle(&ledger, &aid, taken()).await;
    let (_, id, body) = the_post(&ledger).await;
    assert_eq!(id, "c1@legacy-token");
    assert_eq!(body, r#"{"BRN":"B1","MOSIP_PSUT_TOKEN_ID":"36"}"#);
}

#[tokio::test]
async fn a_parked_entry_of_one_destination_holds_nobody_up_at_the_other() {
    let home = Home::new();
    let ledger = posting(&home, false);
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    send(&ledger, EventKind::Birth, "10001").await;
    let (aid, id, _) = the_post(&ledger).await;
    settle(&ledger, &aid, Ending::Park(away())).await;
    let (kind, subject) = deliveries(&ledger).await.pop().unwrap();
    assert_eq!((kind.as_str(), &subject["brn"]), ("event.parked", &json!("B1")));
    accept(&ledger, registered(EventKind::BirthCorrection, "c1", "B1")).await;
    let correction = lease(&ledger, EventKind::BirthCorrection).await.remove(0);
    settle(&ledger, &correction, Ending::Park(away())).await;
    push(&ledger, "B1", "36").await;
    assert!(lease_legacy(&ledger).await.is_empty(), "the token waits behind the parked application id");
    ledger.retry(id.clone()).await.unwrap();
    assert_eq!(the_post(&ledger).await.1, id);
}

#[tokio::test]
async fn a_push_that_comes_again_makes_no_second_entry_and_another_token_does() {
    let home = Home::new();
    let ledger = posting(&home, false);
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    for (token, is_new) in [("36", true), ("36", false), ("37", true)] {
        assert_eq!(push(&ledger, "B1", token).await.1, is_new, "{token}");
    }
    let entries = ledger.entries(Filter::default()).await.unwrap().entries;
    let ids: Vec<_> =
        entries.into_iter().filter(|entry| entry.kind == "legacy").map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] == "c1@legacy-token" && ids[1].starts_with("c1@legacy-token-"), "{ids:?}");
}

#[tokio::test]
async fn a_token_of_no_known_event_goes_under_the_name_of_its_push_and_waits_for_no_other() {
    let home = Home::new();
    let ledger = posting(&home, false);
    let (first, _) = push(&ledger, "B1", "1").await;
    let (second, _) = push(&ledger, "B2", "2").await;
    let leased = lease_legacy(&ledger).await;
    let ids: Vec<_> = leased.iter().map(|leased| leased.held.id.clone()).collect();
    assert_eq!(ids, [format!("{first}@legacy-token"), format!("{second}@legacy-token")]);
    settle(&ledger, &leased[0], Ending::Park(away())).await;
    let parked = deliveries(&ledger).await.pop().unwrap();
    assert_eq!(parked, ("event.parked".to_owned(), json!({ "brn": "B1" })));
}

#[tokio::test]
async fn where_nobody_else_waits_what_opencrvs_took_is_settled_and_what_failed_stays() {
    let home = Home::new();
    let ledger = posting(&home, true);
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    send(&ledger, EventKind::Birth, "10001").await;
    assert_eq!(types(&ledger).await, ["aid.assigned"], "that MOSIP took it is nobody's news");
    let (aid, ..) = the_post(&ledger).await;
    settle(&ledger, &aid, taken()).await;
    assert_eq!(types(&ledger).await, [""; 0]);
    push(&ledger, "B1", "36").await;
    let (token, id, _) = the_post(&ledger).await;
    settle(&ledger, &token, Ending::Park(away())).await;
    assert_eq!(types(&ledger).await, ["uin-token.received", "event.parked"]);
    ledger.discard(id, "test".into()).await.unwrap();
    assert_eq!(types(&ledger).await, ["uin-token.received", "event.parked"], "OpenCRVS does not have it");
}

#[tokio::test]
async fn where_a_mediator_is_posted_to_it_gets_every_message_all_the_same() {
    let home = Home::new();
    let ledger = posting(&home, false);
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    send(&ledger, EventKind::Birth, "10001").await;
    let (aid, ..) = the_post(&ledger).await;
    settle(&ledger, &aid, taken()).await;
    assert_eq!(types(&ledger).await, ["aid.assigned", "event.accepted"]);
}

#[tokio::test]
async fn a_death_goes_under_its_own_number_and_an_event_without_one_stays_a_message() {
    let home = Home::new();
    let ledger = posting(&home, true);
    accept(&ledger, registered(EventKind::Death, "c1", "D1")).await;
    send(&ledger, EventKind::Death, "10001").await;
    let (aid, _, body) = the_post(&ledger).await;
    assert_eq!(body, r#"{"DRN":"D1","MOSIP_AID":"10001"}"#);
    settle(&ledger, &aid, taken()).await;
    accept(&ledger, birth("c2")).await;
    send(&ledger, EventKind::Birth, "10002").await;
    assert!(lease_legacy(&ledger).await.is_empty());
    assert_eq!(types(&ledger).await, ["aid.assigned"]);
}

#[tokio::test]
async fn the_body_is_sealed_and_gone_once_it_is_taken_and_without_the_setting_nothing_is_made() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c0", "B0")).await;
    send(&ledger, EventKind::Birth, "10000").await;
    assert!(lease_legacy(&ledger).await.is_empty());
    drop(ledger);
    let ledger = posting(&home, false);
    push(&ledger, "B0", "36").await;
    let payload = async || {
        let row = ledger.run(|book| book.tx().row(Queue::Entries, "c0@legacy-token")).await.unwrap();
        row.unwrap().payload
    };
    assert!(!payload().await.unwrap().windows(2).any(|window| window == b"B0"));
    let (token, ..) = the_post(&ledger).await;
    settle(&ledger, &token, taken()).await;
    assert_eq!(payload().await, None);
}
