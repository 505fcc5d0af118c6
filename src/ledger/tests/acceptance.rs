use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::store::{Backend, Beside, Order};

#[tokio::test]
async fn a_repeat_finds_its_entry_before_and_after_settling_whatever_the_webhook_calls_itself() {
    let home = Home::new();
    let ledger = home.open();
    let first = accept(&ledger, birth("c1")).await;
    assert!(first.is_new && first.id == "c1" && first.state == State::Queued);
    let again = accept(&ledger, event(EventKind::Birth, "c1", "", "another webhook")).await;
    assert_eq!((again.is_new, again.id.as_str(), again.state), (false, "c1", State::Queued));
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    assign(&ledger, &leased, "12345678901234567890123456789").await;
    settle(&ledger, &leased, done()).await;
    let settled = accept(&ledger, birth("c1")).await;
    assert_eq!((settled.is_new, settled.state), (false, State::Done));
    assert_eq!(settled.aid.unwrap().as_str(), "12345678901234567890123456789");
}

#[tokio::test]
async fn the_order_of_members_does_not_make_another_event() {
    let home = Home::new();
    let ledger = home.open();
    let text = |context: &str| {
        format!(r#"{{"event":{{"hub":{{"topic":"BIRTH_REGISTERED"}},"context":[{context}]}}}}"#)
    };
    let one =
        r#"{"entry":[{"resource":{"resourceType":"Task","n":1.0,"focus":{"reference":"Composition/c"}}}]}"#;
    let two =
        r#"{"entry": [{"resource":{"focus":{"reference":"Composition/c"},"n":1.0,"resourceType":"Task"}}]}"#;
    for (context, is_new) in [(one, true), (two, false)] {
        let event = Event::parse(EventKind::Birth, Bytes::from(text(context))).unwrap();
        assert_eq!(accept(&ledger, event).await.is_new, is_new);
    }
}

#[tokio::test]
async fn a_key_names_one_content() {
    let home = Home::new();
    let ledger = home.open();
    let accepted = ledger.accept(birth("c1"), MEDIATOR.to_vec(), key("k")).await.unwrap();
    let other = event(EventKind::Birth, "c1", "other content", "w");
    let conflict = ledger.accept(other.clone(), MEDIATOR.to_vec(), key("k")).await.unwrap_err();
    assert_eq!((conflict.code(), conflict.code().status()), (Code::IdempotencyConflict, 409));
    for repeat in [key("k"), key("another"), None] {
        let repeat = ledger.accept(birth("c1"), MEDIATOR.to_vec(), repeat).await.unwrap();
        assert_eq!((repeat.is_new, &repeat.id), (false, &accepted.id));
    }
    let correction = ledger.accept(other, MEDIATOR.to_vec(), key("another")).await.unwrap_err();
    assert_eq!(correction.code(), Code::IdempotencyConflict, "a key that came with a repeat is taken too");
    let death = event(EventKind::Death, "c9", "", "w");
    assert!(ledger.accept(death, MEDIATOR.to_vec(), key("k")).await.unwrap().is_new, "keys are by kind");
    for text in [&b""[..], &[b'a'; 256], b"a b", "ä".as_bytes(), b"\x7f"] {
        assert!(IdempotencyKey::parse(text).is_err());
    }
}

/// Rows, and the locks of every job on them.
struct Locks(Memory, Arc<Mutex<Vec<Vec<String>>>>);

impl Backend for Locks {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        let locks = match &order.terms.beside {
            Beside::Locks(locks) => locks.clone(),
            Beside::Nothing | Beside::Everything => Vec::new(),
        };
        self.1.lock().unwrap().push(locks);
        self.0.run(order)
    }
}

/// A ledger over `home`, and the locks of each of its jobs.
fn watched(home: &Home) -> (Ledger, Arc<Mutex<Vec<Vec<String>>>>) {
    let seen = Arc::<Mutex<Vec<Vec<String>>>>::default();
    let open = |_: &Outbox, owner: Arc<dyn Owner>| {
        let opened = home.memory.open(&*owner);
        opened.map(|_| Store::new(Locks(home.memory.clone(), Arc::clone(&seen))))
    };
    let ledger = Ledger::open_with(home.settings(), Home::QUARANTINE, Surroundings::default(), open).unwrap();
    (ledger, seen)
}

#[tokio::test]
async fn the_end_of_an_event_holds_the_line_that_a_post_behind_it_holds_and_what_is_told_keeps_one_order() {
    let home = Home::new();
    let (ledger, seen) = watched(&home);
    for composition in ["c1", "c2"] {
        accept(&ledger, birth(composition)).await;
    }
    let leased = lease(&ledger, EventKind::Birth).await;
    for leased in &leased {
        settle(&ledger, leased, done()).await;
    }
    accept(&ledger, birth("c3")).await;
    assign(&ledger, &lease(&ledger, EventKind::Birth).await[0], "12345678901234567890123456789").await;
    let [one, other, lease, one_ends, other_ends, third, _, assigned] = &seen.lock().unwrap()[..] else {
        panic!("eight jobs")
    };
    let shared =
        |first: &[String], second: &[String]| first.iter().filter(|lock| second.contains(lock)).count();
    assert_eq!((shared(one, one_ends), shared(other, other_ends)), (1, 1), "a line");
    assert_eq!((shared(one, other_ends), shared(other, one_ends), shared(one, other)), (0, 0, 0));
    assert_eq!(shared(one_ends, other_ends), 1, "the order of messages");
    assert_eq!((shared(assigned, third), shared(assigned, one_ends)), (1, 1));
    assert!(!lease.is_empty() && shared(lease, one_ends) == 0, "nobody waits for a verdict who leases");
}

#[tokio::test]
async fn two_posts_under_one_key_hold_one_lock_though_their_compositions_differ() {
    let home = Home::new();
    let (ledger, seen) = watched(&home);
    ledger.accept(birth("c1"), MEDIATOR.to_vec(), key("k")).await.unwrap();
    ledger.accept(birth("c2"), MEDIATOR.to_vec(), key("k")).await.unwrap_err();
    let [one, other] = &seen.lock().unwrap()[..] else { panic!("two jobs") };
    assert_eq!(one.iter().filter(|lock| other.contains(lock)).count(), 1, "{one:?} {other:?}");
}

#[tokio::test]
async fn a_birth_registered_again_with_other_content_goes_behind_the_first_under_an_id_of_its_own() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let second = accept(&ledger, event(EventKind::Birth, "c1", "corrected", "w")).await;
    let suffix = second.id.strip_prefix("c1-").unwrap();
    assert!(suffix.len() == 8 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let first = lease(&ledger, EventKind::Birth).await;
    assert_eq!(first.iter().map(|leased| leased.held.id.as_str()).collect::<Vec<_>>(), ["c1"]);
    assert!(lease_ids(&ledger, EventKind::Birth).await.is_empty(), "one of a composition at a time");
    settle(&ledger, &first[0], done()).await;
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, [second.id]);
}

#[tokio::test]
async fn a_correction_waits_for_its_birth_queued_or_parked_and_holds_nobody_else() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let correction = accept(&ledger, event(EventKind::BirthCorrection, "c1", "", "w")).await;
    accept(&ledger, event(EventKind::BirthCorrection, "c2", "", "w")).await;
    assert!(correction.id.starts_with("c1-"), "a correction never takes the composition id");
    assert_eq!(lease_ids(&ledger, EventKind::BirthCorrection).await.len(), 1);
    let birth = lease(&ledger, EventKind::Birth).await.remove(0);
    settle(&ledger, &birth, Ending::Park(away())).await;
    assert!(lease_ids(&ledger, EventKind::BirthCorrection).await.is_empty());
    ledger.discard("c1".into(), "registered by mistake".into()).await.unwrap();
    assert_eq!(lease_ids(&ledger, EventKind::BirthCorrection).await, [correction.id]);
}

#[tokio::test]
async fn an_entry_that_is_backed_off_waits_until_it_is_due() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    let next_at = ledger.uptime() + 3_600_000;
    settle(&ledger, &leased, Ending::Again { next_at, error: Some(away()) }).await;
    assert!(lease_ids(&ledger, EventKind::Birth).await.is_empty());
    assert_eq!(ledger.next_due(&lane(&[EventKind::Birth])).await.unwrap(), Some(next_at));
    let entry = ledger.retry("c1".into()).await.unwrap();
    assert_eq!((entry.attempts, entry.refusal.unwrap().code.as_str()), (1, "upstream"));
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn a_killed_process_leaves_every_entry_with_its_id_and_application_id() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    accept(&ledger, event(EventKind::Birth, "c1", "again", "w")).await;
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    assign(&ledger, &leased, "12345678901234567890123456789").await;
    let before = ledger.entries(Filter::default()).await.unwrap().entries;
    drop(ledger);
    let ledger = home.open();
    let after = ledger.entries(Filter::default()).await.unwrap().entries;
    let name = |entries: &[entry::Entry]| {
        entries.iter().map(|entry| (entry.id.clone(), entry.aid.clone())).collect::<Vec<_>>()
    };
    assert_eq!(name(&before), name(&after));
    assert_eq!(after[0].state, State::Queued, "the lease is void");
    assert!(!ledger.settle(&leased.held, &done()).await.unwrap(), "whoever held it before is late");
    let again = lease(&ledger, EventKind::Birth).await.remove(0);
    assert!(again.work.progress.sent, "no application id is fetched for what may have reached MOSIP");
}

#[tokio::test]
async fn what_mosip_took_and_what_is_parked_is_told_with_every_name_of_the_event() {
    let home = Home::new();
    let ledger = home.open();
    for composition in ["c1", "c2"] {
        accept(&ledger, birth(composition)).await;
    }
    let leased = lease(&ledger, EventKind::Birth).await;
    assign(&ledger, &leased[0], "10001").await;
    settle(&ledger, &leased[0], done()).await;
    settle(&ledger, &leased[1], Ending::Park(away())).await;
    let deliveries = messages(&ledger).await;
    let types: Vec<_> = deliveries.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["aid.assigned", "event.accepted", "event.parked"]);
    assert_eq!(deliveries[1]["subject"], json!({ "compositionId": "c1", "aid": "10001" }));
    assert_eq!(deliveries[2]["data"]["destination"], json!("mediator"));
    assert!(deliveries[2]["data"]["advice"].is_string());
}

#[tokio::test]
async fn only_what_waits_can_be_retried_or_discarded() {
    let home = Home::new();
    let ledger = home.open();
    accept(&ledger, birth("c1")).await;
    let leased = lease(&ledger, EventKind::Birth).await.remove(0);
    let code = |result: Result<_>| result.map(|_: entry::Entry| ()).unwrap_err().code();
    assert_eq!(code(ledger.retry("c1".into()).await), Code::StateConflict);
    assert_eq!(code(ledger.discard("c1".into(), "why".into()).await), Code::StateConflict);
    settle(&ledger, &leased, done()).await;
    assert_eq!(code(ledger.discard("c1".into(), "why".into()).await), Code::StateConflict);
    assert_eq!(code(ledger.retry("none".into()).await), Code::NotFound);
}

#[tokio::test]
async fn an_application_id_that_came_with_the_event_is_told_to_a_repeat_too() {
    let home = Home::new();
    let ledger = home.open();
    for is_new in [true, false] {
        let accepted = accept(&ledger, with_aid("c1", "10001")).await;
        assert_eq!((accepted.is_new, accepted.aid), (is_new, Aid::parse("10001")));
    }
    assert_eq!(ledger.entry("c1".into()).await.unwrap().aid, Aid::parse("10001"));
}

#[tokio::test]
async fn an_event_that_was_discarded_is_taken_again_under_an_id_of_its_own() {
    let home = Home::new();
    let ledger = home.open();
    let first = ledger.accept(birth("c1"), MEDIATOR.to_vec(), key("k")).await.unwrap();
    ledger.discard(first.id.clone(), "posted by mistake".to_owned()).await.unwrap();
    let again = ledger.accept(birth("c1"), MEDIATOR.to_vec(), key("k")).await.unwrap();
    assert!(again.is_new && again.id.starts_with("c1-"), "{again:?}");
    let repeat = ledger.accept(birth("c1"), MEDIATOR.to_vec(), None).await.unwrap();
    assert_eq!((repeat.is_new, &repeat.id), (false, &again.id));
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, [again.id]);
}

#[tokio::test]
async fn two_events_that_got_one_application_id_both_go_and_are_named() {
    let home = Home::new();
    let ledger = home.open();
    let go = async |composition| {
        accept(&ledger, birth(composition)).await;
        let leased = lease(&ledger, EventKind::Birth).await.remove(0);
        assign(&ledger, &leased, "10001100770000120260101000000").await;
        settle(&ledger, &leased, done()).await;
    };
    go("c1").await;
    go("c2").await;
    assert_eq!(home.open().aids_given_twice().await.unwrap(), [["c1".to_owned(), "c2".to_owned()]]);
    ledger.housekeep().await.unwrap();
    assert_eq!(ledger.aids_given_twice().await.unwrap().len(), 1, "until both are forgotten");

    go("c3").await;
    let pairs = [["c1", "c2"], ["c2", "c3"]].map(|pair| pair.map(str::to_owned));
    assert_eq!(ledger.aids_given_twice().await.unwrap(), pairs, "each event but the first makes one pair");
}

#[tokio::test]
async fn numbers_are_compared_by_their_digits() {
    let home = Home::new();
    let ledger = home.open();
    let body = String::from_utf8(birth("c1").body().to_vec()).unwrap();
    let with = |number: &str| {
        let body = body.replacen(
            "\"resourceType\":\"Patient\"",
            &format!("\"n\":{number},\"resourceType\":\"Patient\""),
            1,
        );
        assert!(body.contains(number));
        Event::parse(EventKind::Birth, Bytes::from(body)).unwrap()
    };
    let mut ids = Vec::new();
    // As floating-point numbers the first two are one, and so are the last two.
    for number in ["9007199254740993", "9007199254740992", "1.0", "1"] {
        let accepted = accept(&ledger, with(number)).await;
        assert!(accepted.is_new && !ids.contains(&accepted.id), "{number}");
        ids.push(accepted.id);
    }
    assert!(!accept(&ledger, with("1.0")).await.is_new);
}

#[tokio::test]
async fn a_composition_whose_discarded_event_is_all_but_forgotten_never_gets_its_id_again() {
    let home = Home::new();
    let ledger = home.open();
    let first = accept(&ledger, birth("c1")).await;
    ledger.discard(first.id.clone(), "posted by mistake".to_owned()).await.unwrap();
    accept(&ledger, birth("c1")).await;
    // As after `outbox.remember`: the row of the discarded one is left alone.
    ledger.run(|book| book.tx().forget(i64::MIN, i64::MAX)).await.unwrap();
    let other = accept(&ledger, event(EventKind::Birth, "c1", "other", "w")).await;
    assert!(other.is_new && other.id.starts_with("c1-"), "{other:?}");
}
