mod acceptance;
mod acknowledged;
mod age;
mod answers;
mod at_rest;
mod confirmations;
mod corrections;
mod correlation;
mod deliveries;
mod destinations;
mod import;
mod jobs;
mod legacy;
mod moving;
mod operator;
mod pushes;
mod ready;
mod reconcile;
mod record_tokens;
mod registrations;
mod rekey;
mod unreadable;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::entry::State;
use super::*;
use crate::crypto::base64;
use crate::crypto::rsa::Keeper;
use crate::destinations::{Done, News, Progress};
use crate::keys::ring::fake::ring;
use crate::keys::settings::UnknownThumbprint;
use crate::mosip::envelope::Policy;
use crate::mosip::fake;
use crate::mosip::mediator::BIRTH_NID;
use crate::mosip::push::{Identity, Notice, Outcome, PushKind, Receipt, Trust};
use crate::mosip::websub::credential::CREDENTIAL;
use crate::mosip::{Stated, Transport};
use crate::opencrvs::event::{Event, EventKind};
use crate::registration::Aid;
use crate::store::memory::Memory;
use crate::store::{Lane, Queue, SEALED, SealedColumn, Seq};

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

    fn settings(&self) -> Outbox {
        Outbox {
            retention: 30 * DAY,
            remember: 400 * DAY,
            give_up_after: 30 * DAY,
            ..Outbox::in_folder(self.dir.path())
        }
    }

    const QUARANTINE: Quarantine = Quarantine { max_bytes: 1 << 20, max_rows: 3 };

    /// As after a start over the same database.
    fn open(&self) -> Ledger {
        let surroundings = Surroundings { clock: self.clock.clone(), ..Surroundings::default() };
        let open = |_: &Outbox, owner: Arc<dyn Owner>| self.memory.open(&*owner);
        Ledger::open_with(self.settings(), Self::QUARANTINE, surroundings, open).unwrap()
    }

    /// Over a file, for what only a file shows.
    fn in_file(&self) -> Ledger {
        Ledger::open(self.settings(), Self::QUARANTINE, self.clock.clone()).unwrap()
    }

    /// The keys of the key file from now on, one a line.
    fn write_keys(&self, keys: &[&str]) {
        std::fs::write(self.settings().key_file, keys.join("\n")).unwrap();
    }

    fn key(&self) -> String {
        std::fs::read_to_string(self.settings().key_file).unwrap().trim().to_owned()
    }
}

/// A gateway runs for as long as this; tests that call it have their clock paused.
async fn run_for(time: Duration) {
    tokio::time::advance(time).await;
}

/// A key that no ledger makes.
fn other_key() -> String {
    base64::encode(&[9; 32])
}

/// The value in `column` of the row `name`, and `by` in its place.
async fn swap_sealed(ledger: &Ledger, table: &str, column: &str, name: &'static str, by: Vec<u8>) -> Vec<u8> {
    let column = sealed_column(table, column);
    let swap = move |book: &Book<'_>| {
        let values = book.tx().sealed_values(column, Seq::MIN, 1_000)?;
        let found = values.into_iter().find(|value| value.name == name).unwrap();
        book.tx().replace_sealed(column, found.at, &by)?;
        Ok(found.value)
    };
    ledger.run(swap).await.unwrap()
}

/// As a disk does.
async fn damage(ledger: &Ledger, table: &str, column: &str, name: &'static str) -> Vec<u8> {
    swap_sealed(ledger, table, column, name, vec![0; 100]).await
}

fn sealed_column(table: &str, column: &str) -> SealedColumn {
    SEALED.into_iter().find(|at| (at.table, at.column) == (table, column)).unwrap()
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

/// A birth that came with an application id.
fn with_aid(composition: &str, aid: &str) -> Event {
    let identifier = format!(r#""identifier":[{{"type":"MOSIP_AID","value":"{aid}"}}],"name""#);
    let body = String::from_utf8(birth(composition).body().to_vec()).unwrap();
    Event::parse(EventKind::Birth, Bytes::from(body.replace(r#""name""#, &identifier))).unwrap()
}

/// Where events go today.
const MEDIATOR: [&str; 1] = ["mediator"];

async fn accept(ledger: &Ledger, event: Event) -> Accepted {
    ledger.accept(event, MEDIATOR.to_vec(), None).await.unwrap()
}

fn lane(kinds: &[EventKind]) -> Lane {
    let kinds = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    Lane { queue: Queue::Entries, destination: "mediator".to_owned(), kinds }
}

/// All that goes through this queue to this destination.
fn lane_to(queue: Queue, destination: &str) -> Lane {
    Lane { queue, destination: destination.to_owned(), kinds: Vec::new() }
}

async fn lease_all(ledger: &Ledger, lane: &Lane) -> Vec<Leased> {
    ledger.leased(lane, LEASE, 100).await.unwrap()
}

async fn lease(ledger: &Ledger, kind: EventKind) -> Vec<Leased> {
    ledger.leased(&lane(&[kind]), LEASE, 100).await.unwrap()
}

async fn lease_ids(ledger: &Ledger, kind: EventKind) -> Vec<String> {
    lease(ledger, kind).await.into_iter().map(|leased| leased.held.id).collect()
}

async fn settle(ledger: &Ledger, leased: &Leased, ending: Ending) {
    assert!(ledger.settle(&leased.held, &ending).await.unwrap(), "the lease holds no more");
}

fn done() -> Ending {
    Ending::Done(Done { news: Some(News::Accepted(Transport::Protected)), ..Done::default() })
}

fn away() -> Error {
    Error::new(Code::Upstream, "MOSIP answered 503")
}

/// The row is on its way with `aid`.
async fn assign(ledger: &Ledger, leased: &Leased, aid: &str) {
    let aid = Aid::parse(aid).unwrap();
    let result = Some(zeroize::Zeroizing::new(aid.as_str().as_bytes().to_vec()));
    let progress = Progress { result, sent: true, ..Progress::default() };
    assert!(
        ledger
            .advance(&leased.held, &progress, Some(News::AidAssigned(aid, Transport::Protected)))
            .await
            .unwrap()
    );
}

/// Every message that waits for the mediator.
async fn messages(ledger: &Ledger) -> Vec<Value> {
    let messages = ledger.undelivered(0, 100).await.unwrap().0;
    messages.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect()
}

/// Type and subject of every message that waits for the mediator.
async fn deliveries(ledger: &Ledger) -> Vec<(String, Value)> {
    let read = |mut message: Value| (message["type"].as_str().unwrap().to_owned(), message["subject"].take());
    messages(ledger).await.into_iter().map(read).collect()
}

/// A birth or death with the numbers that OpenCRVS gives it.
fn registered(kind: EventKind, composition: &str, number: &str) -> Event {
    let (topic, name) =
        if kind == EventKind::Death { ("DEATH_REGISTERED", "death") } else { ("BIRTH_REGISTERED", "birth") };
    let identifier = |kind: &str, value: String| json!({ "system": format!("http://opencrvs.org/specs/id/{name}-{kind}"), "value": value });
    let body = json!({ "event": { "hub": { "topic": topic }, "context": [{ "entry": [
        { "resource": {
            "resourceType": "Task",
            "focus": { "reference": format!("Composition/{composition}") },
            "identifier": [
                identifier("tracking-id", format!("T{number}")),
                identifier("registration-number", number.to_owned()),
            ],
        } },
        { "resource": { "resourceType": "Patient", "name": [{ "family": [FAMILY_NAME], "text": kind.as_str() }] } },
    ]}]}});
    Event::parse(kind, Bytes::from(body.to_string())).unwrap()
}

/// What `message` of MOSIP tells, verified.
fn notice(message: &[u8]) -> Stated<Notice> {
    verified(BIRTH_NID, message)
}

/// What `message`, a push of `kind`, tells.
fn verified(kind: PushKind, message: &[u8]) -> Stated<Notice> {
    let ring = ring(&[("partner", &Keeper::there("file"))], UnknownThumbprint::Try);
    let policy = Policy { danger_accept_unsigned: false };
    let now = Timestamp::from_seconds(1_800_000_000);
    let credentials = Err(Error::new(Code::Keys, "no credentials here"));
    kind.verify(message, Trust { ring: &ring, now, policy, credentials: &credentials }).unwrap()
}

/// MOSIP pushes `token` for `brn`, and it verifies: the id of the push, and whether it becomes a delivery.
async fn push(ledger: &Ledger, brn: &str, token: &str) -> (String, bool) {
    let message = fake::uin_token(token, brn);
    let verified = notice(&message);
    let id = ledger.receive(BIRTH_NID, message, Sender::Stranger).await.unwrap();
    let is_new = ledger.verified(id.clone(), BIRTH_NID.name, verified).await.unwrap() == Novelty::New;
    (id, is_new)
}

/// Sends the one event of `kind` that is due, with a fresh application id, and MOSIP takes it.
async fn send(ledger: &Ledger, kind: EventKind, aid: &str) {
    let leased = lease(ledger, kind).await;
    assert_eq!(leased.len(), 1);
    assign(ledger, &leased[0], aid).await;
    settle(ledger, &leased[0], done()).await;
}

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::parse(text.as_bytes()).unwrap())
}
