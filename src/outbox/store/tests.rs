mod correlation;
mod disk;
mod files;
mod gone;
mod legacy;
mod opening;
mod pushes;
mod queue;
mod unreadable;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::mosip::event::{Aid, Event, EventKind};
use crate::outbox::entry::{Refusal, State, Verdict};

const DAY: Duration = Duration::from_hours(24);
const FAMILY_NAME: &str = "Mbekiowitz";

struct Home {
    dir: TempDir,
    clock: Clock,
}

impl Home {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(Timestamp::from_seconds(1_800_000_000)),
        }
    }

    fn settings(&self) -> config::Outbox {
        config::Outbox {
            path: self.dir.path().join("outbox.db"),
            key_file: self.dir.path().join("outbox.key"),
            retention: 30 * DAY,
            remember: 400 * DAY,
            give_up_after: 30 * DAY,
            reserve: 0,
        }
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Store, OpenError> {
        let quarantine = config::Quarantine { max_bytes: 1 << 20, max_rows: 3 };
        Store::open(self.settings(), quarantine, self.clock.clone())
    }

    fn refused(&self) -> OpenError {
        self.try_open().err().unwrap()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.settings().path).unwrap().execute_batch(sql).unwrap();
    }
}

/// A birth or death of `composition`; `note` is content, `webhook` is not.
fn event(kind: EventKind, composition: &str, note: &str, webhook: &str) -> Event {
    let topic = if kind == EventKind::Death { "DEATH_REGISTERED" } else { "BIRTH_REGISTERED" };
    let body = json!({
        "id": webhook,
        "timestamp": webhook,
        "event": {
            "hub": { "topic": topic },
            "context": [{ "entry": [
                { "resource": { "resourceType": "Task", "focus": { "reference": format!("Composition/{composition}") } } },
                { "resource": { "resourceType": "Patient", "name": [{ "family": [FAMILY_NAME], "text": note }] } },
            ]}],
        },
    });
    Event::parse(kind, Bytes::from(body.to_string())).unwrap()
}

fn birth(composition: &str) -> Event {
    event(EventKind::Birth, composition, "", "w")
}

async fn accept(store: &Store, event: Event) -> Accepted {
    store.accept(event, None).await.unwrap()
}

async fn lease_ids(store: &Store, kind: EventKind) -> Vec<String> {
    store.lease(&[kind], 100).await.unwrap().into_iter().map(|lease| lease.entry.id).collect()
}

fn refusal() -> Refusal {
    Refusal::from(&Error::new(Code::Upstream, "MOSIP answered 503"))
}

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::parse(text.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_repeat_finds_its_entry_before_and_after_settling_whatever_the_webhook_calls_itself() {
    let home = Home::new();
    let store = home.open();
    let first = accept(&store, birth("c1")).await;
    assert!(first.is_new && first.id == "c1" && first.state == State::Queued);
    let again = accept(&store, event(EventKind::Birth, "c1", "", "another webhook")).await;
    assert_eq!((again.is_new, again.id.as_str(), again.state), (false, "c1", State::Queued));
    store.lease(&[EventKind::Birth], 1).await.unwrap();
    store.begin_send("c1".into(), Aid::parse("12345678901234567890123456789")).await.unwrap();
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    let settled = accept(&store, birth("c1")).await;
    assert_eq!((settled.is_new, settled.state), (false, State::Done));
    assert_eq!(settled.aid.unwrap().as_str(), "12345678901234567890123456789");
}

#[tokio::test]
async fn the_order_of_members_does_not_make_another_event() {
    let home = Home::new();
    let store = home.open();
    let text = |context: &str| {
        format!(r#"{{"event":{{"hub":{{"topic":"BIRTH_REGISTERED"}},"context":[{context}]}}}}"#)
    };
    let one =
        r#"{"entry":[{"resource":{"resourceType":"Task","n":1.0,"focus":{"reference":"Composition/c"}}}]}"#;
    let two =
        r#"{"entry": [{"resource":{"focus":{"reference":"Composition/c"},"n":1,"resourceType":"Task"}}]}"#;
    for (context, is_new) in [(one, true), (two, false)] {
        let event = Event::parse(EventKind::Birth, Bytes::from(text(context))).unwrap();
        assert_eq!(accept(&store, event).await.is_new, is_new);
    }
}

#[tokio::test]
async fn a_key_names_one_content() {
    let home = Home::new();
    let store = home.open();
    let accepted = store.accept(birth("c1"), key("k")).await.unwrap();
    let other = event(EventKind::Birth, "c1", "other content", "w");
    let conflict = store.accept(other.clone(), key("k")).await.unwrap_err();
    assert_eq!((conflict.code(), conflict.code().status()), (Code::IdempotencyConflict, 409));
    for repeat in [key("k"), key("another"), None] {
        let repeat = store.accept(birth("c1"), repeat).await.unwrap();
        assert_eq!((repeat.is_new, &repeat.id), (false, &accepted.id));
    }
    let correction = store.accept(other, key("another")).await.unwrap_err();
    assert_eq!(correction.code(), Code::IdempotencyConflict, "a key that came with a repeat is taken too");
    let death = event(EventKind::Death, "c9", "", "w");
    assert!(store.accept(death, key("k")).await.unwrap().is_new, "keys are by kind");
    for text in [&b""[..], &[b'a'; 256], b"a b", "ä".as_bytes(), b"\x7f"] {
        assert!(IdempotencyKey::parse(text).is_err());
    }
}

#[tokio::test]
async fn a_birth_registered_again_with_other_content_goes_behind_the_first_under_an_id_of_its_own() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    let second = accept(&store, event(EventKind::Birth, "c1", "corrected", "w")).await;
    let suffix = second.id.strip_prefix("c1-").unwrap();
    assert!(suffix.len() == 8 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
    assert!(lease_ids(&store, EventKind::Birth).await.is_empty(), "one of a composition at a time");
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, [second.id]);
}

#[tokio::test]
async fn a_correction_waits_for_its_birth_queued_or_parked_and_holds_nobody_else() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    let correction = accept(&store, event(EventKind::BirthCorrection, "c1", "", "w")).await;
    accept(&store, event(EventKind::BirthCorrection, "c2", "", "w")).await;
    assert!(correction.id.starts_with("c1-"), "a correction never takes the composition id");
    assert_eq!(lease_ids(&store, EventKind::BirthCorrection).await.len(), 1);
    lease_ids(&store, EventKind::Birth).await;
    store.settle("c1".into(), Verdict::Park(refusal())).await.unwrap();
    assert!(lease_ids(&store, EventKind::BirthCorrection).await.is_empty());
    store.discard("c1".into(), "registered by mistake".into()).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::BirthCorrection).await, [correction.id]);
}

#[tokio::test]
async fn a_parked_entry_does_not_hold_the_others() {
    let home = Home::new();
    let store = home.open();
    for composition in ["c1", "c2", "c3"] {
        accept(&store, birth(composition)).await;
    }
    store.lease(&[EventKind::Birth], 1).await.unwrap();
    store.settle("c1".into(), Verdict::Park(refusal())).await.unwrap();
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c2", "c3"]);
}

#[tokio::test]
async fn an_entry_that_is_backed_off_waits_until_it_is_due() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    lease_ids(&store, EventKind::Birth).await;
    let next_at = store.uptime() + 3_600_000;
    store.settle("c1".into(), Verdict::Again { next_at, refusal: refusal() }).await.unwrap();
    assert!(lease_ids(&store, EventKind::Birth).await.is_empty());
    assert_eq!(store.next_due(EventKind::Birth, 0).await.unwrap(), Some(next_at));
    let entry = store.retry("c1".into()).await.unwrap();
    assert_eq!((entry.attempts, entry.refusal), (1, Some(refusal())));
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn a_killed_process_leaves_every_entry_with_its_id_and_application_id() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    accept(&store, event(EventKind::Birth, "c1", "again", "w")).await;
    lease_ids(&store, EventKind::Birth).await;
    store.begin_send("c1".into(), Aid::parse("12345678901234567890123456789")).await.unwrap();
    let before = store.entries(Filter::default()).await.unwrap().entries;
    drop(store);
    let store = home.open();
    let after = store.entries(Filter::default()).await.unwrap().entries;
    let name = |entries: &[crate::outbox::entry::Entry]| {
        entries.iter().map(|entry| (entry.id.clone(), entry.aid.clone())).collect::<Vec<_>>()
    };
    assert_eq!(name(&before), name(&after));
    assert_eq!(after[0].state, State::Queued, "the lease is void");
    let lease = store.lease(&[EventKind::Birth], 1).await.unwrap().remove(0);
    assert!(lease.sent, "no application id is fetched for what may have reached MOSIP");
}

#[tokio::test]
async fn neither_a_step_forward_nor_back_of_the_machines_clock_moves_an_entry() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    for seconds in [4_000_000_000, 0] {
        home.clock.set(Timestamp::from_seconds(seconds));
        store.keep_house().await.unwrap();
        assert_eq!(store.park_aged(30 * DAY).await.unwrap(), 0);
        assert!(!accept(&store, birth("c1")).await.is_new);
    }
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["c1"]);
}

#[tokio::test]
async fn kinds_that_share_a_channel_are_leased_by_age_not_by_kind() {
    let home = Home::new();
    let store = home.open();
    let kinds = [EventKind::Birth, EventKind::Death];
    for (kind, composition) in [kinds[1], kinds[0], kinds[1], kinds[0]].into_iter().zip(["a", "b", "c", "d"])
    {
        accept(&store, event(kind, composition, "", "w")).await;
    }
    let mut ids = Vec::new();
    for limit in [1, 3] {
        let leases = store.lease(&kinds, limit).await.unwrap();
        ids.extend(leases.into_iter().map(|lease| lease.entry.id));
    }
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn an_application_id_that_came_with_the_event_is_told_to_a_repeat_too() {
    let home = Home::new();
    let store = home.open();
    let given = || {
        let identifier = r#""identifier":[{"type":"MOSIP_AID","value":"10001"}],"name""#;
        let body = String::from_utf8(birth("c1").body().to_vec()).unwrap().replace(r#""name""#, identifier);
        Event::parse(EventKind::Birth, Bytes::from(body)).unwrap()
    };
    let aid = Aid::parse("10001");
    for is_new in [true, false] {
        let accepted = accept(&store, given()).await;
        assert_eq!((accepted.is_new, &accepted.aid), (is_new, &aid));
    }
    assert_eq!(store.entry("c1".into()).await.unwrap().aid, aid);
}

#[tokio::test]
async fn an_entry_that_waited_a_month_is_parked_and_the_mediator_learns_of_it() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    drop(store);
    home.sql("UPDATE meta SET value=2678400000 WHERE name='uptime'");
    let store = home.open();
    assert_eq!(store.park_aged(30 * DAY).await.unwrap(), 1);
    assert_eq!(store.entry("c1".into()).await.unwrap().state, State::Parked);
    let told = store.undelivered(0, 10, true).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!((&body["type"], &body["subject"]["compositionId"]), (&json!("event.parked"), &json!("c1")));
    assert!(body["data"]["advice"].is_string());
    store.retry("c1".into()).await.unwrap();
    assert_eq!(store.park_aged(30 * DAY).await.unwrap(), 0, "a retry counts the age anew");
}

#[tokio::test]
async fn settled_rows_go_after_retention_and_their_identity_stays() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    accept(&store, birth("c2")).await;
    lease_ids(&store, EventKind::Birth).await;
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    drop(store);
    home.sql("UPDATE meta SET value=2678400000 WHERE name='uptime'");
    let store = home.open();
    store.keep_house().await.unwrap();
    assert_eq!(store.entry("c1".into()).await.unwrap_err().code(), Code::NotFound);
    let again = accept(&store, birth("c1")).await;
    assert_eq!((again.is_new, again.id.as_str(), again.state), (false, "c1", State::Done));
    assert!(accept(&store, event(EventKind::Birth, "c1", "other", "w")).await.id.starts_with("c1-"));
    drop(store);
    home.sql("UPDATE meta SET value=34646400000 WHERE name='uptime'");
    let store = home.open();
    store.keep_house().await.unwrap();
    assert!(!accept(&store, birth("c2")).await.is_new, "what is not settled is never forgotten");
    assert!(accept(&store, birth("c1")).await.is_new);
}

#[tokio::test]
async fn only_what_waits_can_be_retried_or_discarded() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("c1")).await;
    lease_ids(&store, EventKind::Birth).await;
    let code = |result: Result<_>| result.map(|_: crate::outbox::entry::Entry| ()).unwrap_err().code();
    assert_eq!(code(store.retry("c1".into()).await), Code::StateConflict);
    assert_eq!(code(store.discard("c1".into(), "why".into()).await), Code::StateConflict);
    store.settle("c1".into(), Verdict::Done).await.unwrap();
    assert_eq!(code(store.discard("c1".into(), "why".into()).await), Code::StateConflict);
    assert_eq!(code(store.retry("none".into()).await), Code::NotFound);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let home = Home::new();
    let store = home.open();
    for index in 0..150 {
        accept(&store, birth(&format!("c{index}"))).await;
    }
    store.lease(&[EventKind::Birth], 1).await.unwrap();
    store.settle("c0".into(), Verdict::Park(refusal())).await.unwrap();
    let first = store.entries(Filter::default()).await.unwrap();
    assert_eq!(first.entries.len(), Page::SIZE);
    let second = store.entries(Filter { after: first.next.unwrap(), ..Filter::default() }).await.unwrap();
    assert_eq!((second.entries.len(), second.next), (50, None));
    for filter in [
        Filter { state: Some(State::Parked), ..Filter::default() },
        Filter { fault: Some(crate::error::Fault::Upstream), ..Filter::default() },
    ] {
        let found = store.entries(filter).await.unwrap().entries;
        assert_eq!(found.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["c0"]);
    }
    assert_eq!(store.counts().await.unwrap()[&("birth".to_owned(), State::Queued)], 149);
    assert_eq!(store.retry_all(crate::error::Fault::Upstream).await.unwrap(), 1);
}
