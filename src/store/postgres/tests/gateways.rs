//! Ledgers of several gateways over one database.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::destinations::Done;
use crate::destinations::fake::Script;
use crate::ledger::{Due, Ending, HubRequest, Ledger, Surroundings, Task, Wanted};
use crate::opencrvs::event::{Event, EventKind};
use crate::queue::{Engine, Settings};
use crate::random::Random;
use crate::store::memory::Memory;
use crate::telemetry::Tracer;

pub(super) const TERM: Duration = Duration::from_hours(1);
const WANTED: Wanted = Wanted { lease: TERM, limit: 1, slots: 1, known: Some(0) };

/// The database of `home`, for a gateway with the key of `folder`.
pub(super) fn ledger(home: &Home, folder: &std::path::Path) -> Ledger {
    Ledger::on(&folder.join("outbox.key"), Surroundings::default(), |owner| {
        let postgres = Postgres::open(home.target(None), owner);
        postgres.map(Store::new).map_err(|error| match error {
            OpenError::Refused(what) => what,
            OpenError::Failed(failure) => failure.error.to_string(),
        })
    })
    .unwrap()
}

/// A key file, as `outbox keygen` makes it.
pub(super) fn make_key(folder: &std::path::Path) {
    crate::ledger::vault::Vault::create(&folder.join("outbox.key")).unwrap();
}

#[tokio::test]
async fn a_task_has_one_holder_and_another_one_takes_over_once_its_term_is_over() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let (one, other) = (ledger(&home, dir.path()), ledger(&home, dir.path()));
    let hold = async |ledger: &Ledger| ledger.hold(Task::Hub, TERM).await.unwrap();
    let first = hold(&one).await.expect("nobody has it");
    assert_eq!(hold(&one).await, Some(first), "it goes on");
    assert_eq!(hold(&other).await, None);
    assert!(other.hold(Task::Reconcile, TERM).await.unwrap().is_some(), "another task is another one's");
    home.sql("UPDATE clock SET value=value + 3700000");
    one.under(first).keep_hub_topics(Vec::new(), true).await.expect("nobody took it over");
    assert!(hold(&other).await.is_some());
    assert_eq!(hold(&one).await, None, "it was away for too long");
    let late = one.under(first).keep_hub_topics(Vec::new(), true).await.unwrap_err();
    assert_eq!(late.code(), Code::StateConflict);
    other.let_go(Task::Hub).await.unwrap();
    let again = hold(&one).await.expect("the other one ended");
    assert_ne!(again, first, "it may not go on as before");
}

#[tokio::test]
async fn without_a_key_the_start_says_how_to_make_one_and_leaves_no_table() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let refused = Ledger::on(&dir.path().join("outbox.key"), Surroundings::default(), |owner| {
        match Postgres::open(home.target(None), owner).err() {
            Some(OpenError::Refused(what)) => Err(what),
            _ => Ok(Store::new(Memory::default())),
        }
    });
    let what = refused.err().unwrap();
    assert!(what.contains("is missing") && what.contains("outbox keygen"), "{what}");
    assert_eq!(home.number("SELECT count(*) FROM pg_tables WHERE schemaname=current_schema()"), 0);
}

#[tokio::test]
async fn who_waits_for_an_event_hears_that_another_gateway_has_sent_it() {
    const BIRTH: &str = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[{"entry":[{"resource":{"resourceType":"Task","focus":{"reference":"Composition/c1"}}},{"resource":{"resourceType":"Patient"}}]}]}}"#;
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let (one, other) = (ledger(&home, dir.path()), ledger(&home, dir.path()));
    let birth = Event::parse(EventKind::Birth, Bytes::from(BIRTH)).unwrap();
    one.accept(birth, vec!["mediator"], None).await.unwrap();
    let (random, tracer) = (Random::seeded(1), Tracer::default());
    let settings = Settings { probe_interval: TERM, lease: TERM, random, tracer };
    let engine = Engine::new(one, Arc::new(Script::default()), &[], settings);
    let sends = async {
        let Due::Now(leased) = other.lease(&conformance::lane(), WANTED).await.unwrap() else {
            panic!("it is due")
        };
        assert!(other.settle(&leased[0].held, &Ending::Done(Done::default())).await.unwrap());
    };
    let both = async { tokio::join!(engine.settled("c1"), sends).0 };
    let settled = tokio::time::timeout(Duration::from_mins(1), both).await.expect("nobody tells it");
    assert_eq!(settled.unwrap().state, State::Done);
}

#[tokio::test]
async fn each_gateway_sees_those_that_live_and_forgets_the_others() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let (one, other) = (ledger(&home, dir.path()), ledger(&home, dir.path()));
    for ledger in [&one, &other, &one] {
        ledger.beat().await.unwrap();
    }
    let seen = other.neighbours().await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.is_this).collect::<Vec<_>>(), [false, true]);
    assert!(seen.iter().all(|seen| seen.holds.is_empty()));
    one.hold(Task::Hub, TERM).await.unwrap().unwrap();
    other.hold(Task::Webhooks, TERM).await.unwrap().unwrap();
    let held: Vec<_> = other.neighbours().await.unwrap().into_iter().flat_map(|seen| seen.holds).collect();
    assert_eq!(held, ["MOSIP's hub", "OpenCRVS's webhooks"]);
    assert!(seen.iter().all(|seen| seen.keys.len() == 8 && !seen.version.is_empty()), "{seen:?}");
    home.sql("UPDATE clock SET value=value + 90000000");
    other.beat().await.unwrap();
    assert_eq!(other.neighbours().await.unwrap().len(), 1, "the one has said nothing for a day");
}

#[tokio::test]
async fn what_anybody_may_ask_waits_for_no_event_that_is_being_stored() {
    const PATIENCE: Duration = Duration::from_secs(30);
    let Some(home) = Apart::new("ENCODING 'UTF8'") else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let ledger = ledger(&home, dir.path());
    let asked = HubRequest { is_end: false, lasts: TERM };
    ledger.share_hub_requests(vec![("topic", Some(asked))]).await.unwrap();
    ledger.ask_for_webhooks("topic", TERM).await.unwrap();

    // As a post has it that another gateway stores.
    let (client, connection) = tokio_postgres::connect(&home.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({}, {})", schema::class(), schema::ALL);
    client.batch_execute(&begin).await.unwrap();

    let verified = ledger.verify_shared("topic", false, ("word".to_owned(), Vec::push));
    assert!(tokio::time::timeout(PATIENCE, verified).await.expect("the hub's question waits").unwrap());
    let last = tokio::time::timeout(PATIENCE, ledger.shared_hub_request(vec!["topic"])).await;
    assert_eq!(last.expect("a challenge waits").unwrap().unwrap().0, "topic");
    let webhooks = tokio::time::timeout(PATIENCE, ledger.any_asked_for_webhooks("topic")).await;
    assert!(webhooks.expect("OpenCRVS's question waits").unwrap());
}
