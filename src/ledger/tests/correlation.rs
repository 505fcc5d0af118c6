//! The names of an event outlive its payload, and pushes find the event by them.

use super::*;
use crate::registration::Subject;
use crate::store::NewRow;

#[tokio::test(start_paused = true)]
async fn every_message_names_all_that_the_event_held_and_a_push_finds_it_when_its_payload_is_gone() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    send(&ledger, EventKind::Birth, "10001").await;
    let names = json!({ "compositionId": "c1", "trackingId": "TB1", "brn": "B1", "aid": "10001" });
    let expected = ["aid.assigned", "event.accepted"].map(|kind| (kind.to_owned(), names.clone()));
    assert_eq!(deliveries(&ledger).await, expected);
    // The entry is forgotten after 30 days, its names are not.
    run_for(31 * DAY).await;
    ledger.housekeep().await.unwrap();
    assert_eq!(ledger.entry("c1".into()).await.unwrap_err().code(), Code::NotFound);
    push(&ledger, "B1", "1").await;
    assert_eq!(deliveries(&ledger).await, [("uin-token.received".to_owned(), names)]);
}

#[tokio::test]
async fn a_death_is_told_by_its_own_number_and_a_parked_event_by_all_names() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Death, "c1", "D1")).await;
    let leased = lease(&ledger, EventKind::Death).await.remove(0);
    settle(&ledger, &leased, Ending::Park(away())).await;
    let names = json!({ "compositionId": "c1", "trackingId": "TD1", "drn": "D1" });
    assert_eq!(deliveries(&ledger).await, [("event.parked".to_owned(), names)]);
}

#[tokio::test]
async fn a_push_without_an_event_is_told_with_what_it_holds() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    push(&ledger, "B2", "1").await;
    assert_eq!(deliveries(&ledger).await, [("uin-token.received".to_owned(), json!({ "brn": "B2" }))]);
}

#[tokio::test]
async fn a_push_about_a_number_of_several_events_is_told_with_what_they_agree_on() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    accept(&ledger, registered(EventKind::Birth, "c2", "B1")).await;
    push(&ledger, "B1", "1").await;
    assert_eq!(deliveries(&ledger).await[0].1, json!({ "trackingId": "TB1", "brn": "B1" }));
}

/// A person discarded the first, and it was registered anew.
#[tokio::test]
async fn an_event_that_was_discarded_takes_no_name_from_the_one_that_stands_for_it() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    let discard =
        async |id: &str| ledger.discard(id.to_owned(), "registered twice".to_owned()).await.unwrap();
    discard("c1").await;
    accept(&ledger, registered(EventKind::Birth, "c2", "B1")).await;
    push(&ledger, "B1", "1").await;
    let subject =
        |composition: &str| json!({ "compositionId": composition, "trackingId": "TB1", "brn": "B1" });
    assert_eq!(deliveries(&ledger).await.pop().unwrap().1, subject("c2"));
    // Where none stands for it, it is still the event that the push is about.
    accept(&ledger, registered(EventKind::Birth, "c3", "B3")).await;
    discard("c3").await;
    push(&ledger, "B3", "2").await;
    assert_eq!(deliveries(&ledger).await.pop().unwrap().1["compositionId"], "c3");
}

#[tokio::test(start_paused = true)]
async fn names_are_forgotten_after_remember_and_not_before_the_event_is_settled() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    send(&ledger, EventKind::Birth, "10001").await;
    accept(&ledger, registered(EventKind::Birth, "c2", "B2")).await;
    run_for(401 * DAY).await;
    ledger.housekeep().await.unwrap();
    push(&ledger, "B1", "1").await;
    push(&ledger, "B2", "2").await;
    let deliveries = deliveries(&ledger).await;
    let subjects: Vec<_> = deliveries.iter().filter(|(kind, _)| kind == "uin-token.received").collect();
    assert_eq!(subjects[0].1, json!({ "brn": "B1" }));
    assert_eq!(subjects[1].1["compositionId"], "c2");
}

#[tokio::test]
async fn names_that_were_damaged_on_the_disk_are_left_and_cost_no_event() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, registered(EventKind::Birth, "c1", "B1")).await;
    damage(&ledger, "correlation", "subject", "c1").await;
    send(&ledger, EventKind::Birth, "10001").await;
    push(&ledger, "B1", "1").await;
    let subjects: Vec<_> = deliveries(&ledger).await.into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(
        subjects,
        [json!({ "compositionId": "c1" }), json!({ "compositionId": "c1" }), json!({ "brn": "B1" })]
    );
    assert_eq!(ledger.unreadable(), BTreeMap::from([("correlation", 1)]));
    let kept = damage(&ledger, "correlation", "subject", "c1").await;
    assert_eq!(kept, [0; 100], "a backup can be compared with it");
}

/// An entry as a version left it that kept no names.
async fn insert_older(ledger: &Ledger, event: &Event) {
    let row = NewRow {
        queue: Queue::Entries,
        id: event.composition_id().to_owned(),
        destination: "mediator".to_owned(),
        kind: event.kind().as_str().to_owned(),
        line: Some(event.composition_id().to_owned()),
        accepted_at: 0,
        waiting_since: 0,
        payload: Some(event.body().to_vec()),
        result: None,
        identity: None,
        met_by: None,
        job: None,
        trace: None,
        is_invalid: false,
    };
    ledger.insert(row).await.unwrap();
}

/// As the migration leaves it.
async fn is_uncorrelated(ledger: &Ledger) -> bool {
    ledger.run(|book| book.tx().number("uncorrelated")).await.unwrap().unwrap_or_default() != 0
}

async fn set_uncorrelated(ledger: &Ledger) {
    ledger.run(|book| book.tx().set_number("uncorrelated", 1)).await.unwrap();
}

#[tokio::test]
async fn entries_of_an_older_database_get_their_names_at_the_first_start_though_one_of_them_is_damaged() {
    let home = Home::new();
    let ledger = home.open();
    for (composition, number) in [("waits", "B1"), ("damaged", "B2")] {
        insert_older(&ledger, &registered(EventKind::Birth, composition, number)).await;
    }
    set_uncorrelated(&ledger).await;
    let sealed = damage(&ledger, "entry", "payload", "damaged").await;
    ledger.correlate_older().await.unwrap();
    push(&ledger, "B1", "1").await;
    let names = json!({ "compositionId": "waits", "trackingId": "TB1", "brn": "B1" });
    assert_eq!(deliveries(&ledger).await, [("uin-token.received".to_owned(), names)]);
    assert_eq!(ledger.entry("damaged".into()).await.unwrap().state, State::Queued);
    assert!(is_uncorrelated(&ledger).await, "the next start looks at the damaged one again");
    swap_sealed(&ledger, "entry", "payload", "damaged", sealed).await;
    ledger.correlate_older().await.unwrap();
    assert!(!is_uncorrelated(&ledger).await);
    push(&ledger, "B2", "2").await;
    assert_eq!(deliveries(&ledger).await[1].1["compositionId"], "damaged");
}

#[tokio::test]
async fn more_old_entries_than_one_step_takes_all_get_their_names_beside_those_that_have_them() {
    let home = Home::new();
    let ledger = home.open();
    for index in 0..250 {
        let event = registered(EventKind::Birth, &format!("c{index}"), &format!("B{index}"));
        // As if the first start of this version had ended in the middle.
        if (20..30).contains(&index) {
            accept(&ledger, event).await;
        } else {
            insert_older(&ledger, &event).await;
        }
    }
    set_uncorrelated(&ledger).await;
    ledger.correlate_older().await.unwrap();
    for number in ["B0", "B25", "B120", "B249"] {
        push(&ledger, number, number).await;
    }
    let compositions: Vec<_> =
        deliveries(&ledger).await.into_iter().map(|(_, subject)| subject["compositionId"].clone()).collect();
    assert_eq!(compositions, ["c0", "c25", "c120", "c249"]);
}

/// An event that is known by all the names that there are.
fn known(of: &str) -> Subject {
    let some = |name: &str| Some(format!("{name}{of}"));
    Subject {
        composition_id: some("c"),
        event_id: some("e"),
        action_id: some("a"),
        tracking_id: some("t"),
        brn: some("b"),
        drn: some("d"),
        registration_number: some("m"),
        registration_id: some("r"),
        aid: some("n"),
        transaction_id: some("x"),
    }
}

async fn remember(ledger: &Ledger, entry: &'static str, subject: Subject) {
    ledger.run(move |book| book.correlate(entry, &subject)).await.unwrap();
}

/// The subject of the delivery of a push that held the names `held`.
async fn joined(ledger: &Ledger, held: Subject) -> Subject {
    let found = ledger.run(move |book| book.named(&held)).await.unwrap();
    found.map(|named| named.subject).unwrap_or_default()
}

#[tokio::test]
async fn a_push_finds_its_event_by_any_name() {
    let home = Home::new();
    let ledger = home.open();
    remember(&ledger, "e1", known("1")).await;
    remember(&ledger, "e2", known("2")).await;
    for name in Subject::NAMES {
        let (_, value) =
            known("2").names().find(|(of, _)| *of == name).map(|(of, value)| (of, value.to_owned())).unwrap();
        let held: Subject = serde_json::from_value(json!({ name: value })).unwrap();
        assert!(joined(&ledger, held).await == known("2"), "{name}");
    }
}

#[tokio::test]
async fn of_two_events_with_one_number_a_push_finds_the_one_whose_own_id_it_bears() {
    let home = Home::new();
    let ledger = home.open();
    let brn = || Some("B1".to_owned());
    remember(&ledger, "e1", Subject { brn: brn(), ..known("1") }).await;
    remember(&ledger, "e2", Subject { brn: brn(), ..known("2") }).await;
    let held = Subject { brn: brn(), registration_id: Some("r2".to_owned()), ..Subject::default() };
    assert!(joined(&ledger, held).await == Subject { brn: brn(), ..known("2") });
    let held = Subject { brn: brn(), registration_id: Some("unknown".to_owned()), ..Subject::default() };
    assert!(joined(&ledger, held).await == Subject::default(), "both events have other ids");
}

#[tokio::test]
async fn a_push_whose_names_contradict_each_other_is_joined_to_no_event() {
    let home = Home::new();
    let ledger = home.open();
    remember(&ledger, "e1", known("1")).await;
    let held =
        Subject { brn: Some("b2".to_owned()), registration_id: Some("r1".to_owned()), ..Subject::default() };
    assert!(joined(&ledger, held).await == Subject::default());
}
