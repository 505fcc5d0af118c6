mod acceptance;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::entry::{EntryKind, State};
use super::*;
use crate::destinations::{Done, News, Progress};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::store::memory::Memory;
use crate::store::{Lane, Queue};

const DAY: Duration = Duration::from_hours(24);
const FAMILY_NAME: &str = "Mbekiowitz";
const LEASE: Duration = Duration::from_secs(60);

/// A database in memory, and what lies beside it.
struct Home {
    dir: TempDir,
    clock: Clock,
    memory: Memory,
}

impl Home {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(Timestamp::from_seconds(1_800_000_000)),
            memory: Memory::default(),
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

    /// As after a start over the same database.
    fn open(&self) -> Ledger {
        let quarantine = config::Quarantine { max_bytes: 1 << 20, max_rows: 3 };
        let surroundings = Surroundings { clock: self.clock.clone(), ..Surroundings::default() };
        Ledger::open(self.settings(), quarantine, surroundings, |_, owner| self.memory.open(&*owner)).unwrap()
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

async fn accept(ledger: &Ledger, event: Event) -> Accepted {
    ledger.accept(event, None).await.unwrap()
}

fn lane(kinds: &[EventKind]) -> Lane {
    let kinds = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    Lane { queue: Queue::Entries, destination: "mediator".to_owned(), kinds }
}

async fn lease(ledger: &Ledger, kind: EventKind) -> Vec<Leased> {
    ledger.lease(&lane(&[kind]), LEASE, 100).await.unwrap()
}

async fn lease_ids(ledger: &Ledger, kind: EventKind) -> Vec<String> {
    lease(ledger, kind).await.into_iter().map(|leased| leased.held.id).collect()
}

async fn settle(ledger: &Ledger, leased: &Leased, ending: Ending) {
    assert!(ledger.settle(&leased.held, &ending).await.unwrap(), "the lease holds no more");
}

fn done() -> Ending {
    Ending::Done(Done { news: Some(News::Accepted), result: None })
}

fn away() -> Error {
    Error::new(Code::Upstream, "MOSIP answered 503")
}

/// The row is on its way with `aid`.
async fn assign(ledger: &Ledger, leased: &Leased, aid: &str) {
    let aid = Aid::parse(aid).unwrap();
    let result = Some(zeroize::Zeroizing::new(aid.as_str().as_bytes().to_vec()));
    let progress = Progress { result, sent: true, ..Progress::default() };
    assert!(ledger.advance(&leased.held, &progress, Some(News::AidAssigned(aid))).await.unwrap());
}

/// Every message that waits for the mediator.
async fn messages(ledger: &Ledger) -> Vec<Value> {
    let messages = ledger.undelivered(0, 100).await.unwrap();
    messages.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect()
}

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::parse(text.as_bytes()).unwrap())
}
