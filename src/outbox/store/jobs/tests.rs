use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config;

const DAY: Duration = Duration::from_hours(24);
const NUMBER: &str = "4152630978";

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("outbox.db")
    }

    fn open(&self) -> Store {
        self.open_with(30 * DAY)
    }

    fn open_with(&self, retention: Duration) -> Store {
        let settings = config::Outbox {
            path: self.database(),
            key_file: self.0.path().join("outbox.key"),
            retention,
            remember: 400 * DAY,
            give_up_after: 30 * DAY,
            reserve: 0,
        };
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        Store::open(settings, config::Quarantine { max_bytes: 1 << 20, max_rows: 3 }, clock).unwrap()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }
}

fn ask(number: usize) -> NewRecord {
    NewRecord::Ask(Zeroizing::new(format!("{NUMBER} {number}").into_bytes()))
}

fn outcome() -> Outcome {
    Outcome {
        individual_id: NUMBER.to_owned(),
        token: Some("token".to_owned()),
        verified: None,
        errors: Vec::new(),
    }
}

async fn job(store: &Store, records: usize) -> String {
    store.create_job(Form::Json, (0..records).map(ask).collect()).await.unwrap()
}

async fn lease(store: &Store, limit: usize) -> Vec<String> {
    store.lease_records(limit).await.unwrap().into_iter().map(|lease| lease.id).collect()
}

#[tokio::test]
async fn a_killed_process_leaves_what_is_settled_and_asks_again_about_the_rest() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 3).await;
    let leased = lease(&store, 2).await;
    store.settle_record(leased[0].clone(), RecordState::Done, outcome()).await.unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(lease(&store, 9).await, [format!("{id}/2"), format!("{id}/1")], "what was cut off goes last");
    let (job, settled) = store.job_page(id, 0, 9).await.unwrap();
    assert_eq!((job.progress.done, job.progress.leased), (1, 2));
    assert_eq!(
        (settled.len(), settled[0].record, settled[0].outcome.token.as_deref()),
        (1, 0, Some("token"))
    );
}

#[tokio::test]
async fn a_verdict_that_comes_twice_counts_once() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 1).await;
    let leased = lease(&store, 1).await.remove(0);
    store.settle_record(leased.clone(), RecordState::Done, outcome()).await.unwrap();
    store
        .settle_record(
            leased.clone(),
            RecordState::Refused,
            Outcome::without_token(String::new(), Vec::new()),
        )
        .await
        .unwrap();
    store.ask_again(leased, 0).await.unwrap();
    let progress = store.job(id).await.unwrap().progress;
    assert_eq!((progress.records, progress.done), (1, 1));
}

#[tokio::test]
async fn a_record_that_waits_is_not_leased_before_it_is_due() {
    let home = Home::new();
    let store = home.open();
    job(&store, 1).await;
    let leased = lease(&store, 1).await.remove(0);
    store.ask_again(leased, store.uptime() + 3_600_000).await.unwrap();
    assert!(lease(&store, 1).await.is_empty());
    assert!(store.next_record().await.unwrap().is_some_and(|wait| wait > Duration::from_mins(50)));
}

#[tokio::test]
async fn a_job_is_forgotten_after_retention_and_never_while_a_record_is_open() {
    let home = Home::new();
    let store = home.open_with(Duration::ZERO);
    let [open, settled] = [job(&store, 1).await, job(&store, 1).await];
    let leased = lease(&store, 2).await;
    store.settle_record(leased[1].clone(), RecordState::Done, outcome()).await.unwrap();
    store.keep_house().await.unwrap();
    assert!(store.job(open).await.is_ok());
    assert_eq!(store.job(settled).await.err().unwrap().code(), Code::NotFound);
    let rows: i64 = Connection::open(home.database())
        .unwrap()
        .query_row("SELECT count(*) FROM job_record", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_record_that_does_not_open_waits_is_counted_and_holds_no_other_up() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 2).await;
    home.sql("UPDATE job_record SET payload=zeroblob(100) WHERE number=0");
    assert_eq!(lease(&store, 9).await, [format!("{id}/1")]);
    let progress = store.job(id.clone()).await.unwrap().progress;
    assert_eq!((progress.queued, progress.unreadable, progress.refused), (1, 1, 0));
    assert!(store.next_record().await.unwrap().unwrap() > Duration::from_secs(60));
    let payload: Vec<u8> = Connection::open(home.database())
        .unwrap()
        .query_row("SELECT payload FROM job_record WHERE number=0", [], |row| row.get(0))
        .unwrap();
    assert_eq!(payload, [0; 100], "it is not emptied");
}

#[tokio::test]
async fn a_result_that_does_not_open_is_shown_with_its_fault_beside_the_others() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 2).await;
    for record in lease(&store, 2).await {
        store.settle_record(record, RecordState::Done, outcome()).await.unwrap();
    }
    home.sql("UPDATE job_record SET result=zeroblob(100) WHERE number=0");
    let settled = store.job_page(id, 0, 9).await.unwrap().1;
    assert_eq!(settled[0].outcome.errors[0].code, "storage");
    assert_eq!(settled[1].outcome.token.as_deref(), Some("token"));
    assert_eq!(store.unreadable(), BTreeMap::from([("job_result", 1)]));
}

#[tokio::test]
async fn a_record_that_could_not_be_asked_about_waits_until_every_other_that_is_due_has_been() {
    let home = Home::new();
    let store = home.open();
    let first = job(&store, 2).await;
    let mut asked = Vec::new();
    for round in 0..6 {
        let record = lease(&store, 1).await.remove(0);
        store.ask_again(record.clone(), 0).await.unwrap();
        asked.push(record);
        if round == 0 {
            job(&store, 1).await;
        }
    }
    let number =
        |record: &String| record.strip_prefix(&first).map_or("another", |number| &number[1..]).to_owned();
    let asked: Vec<_> = asked.iter().map(number).collect();
    assert_eq!(asked, ["0", "1", "0", "another", "1", "0"]);
}

#[tokio::test]
async fn rekeying_reaches_records_and_results() {
    let home = Home::new();
    let store = home.open();
    let id = job(&store, 2).await;
    let leased = lease(&store, 1).await.remove(0);
    store.settle_record(leased, RecordState::Done, outcome()).await.unwrap();
    let key = home.0.path().join("outbox.key");
    let old = std::fs::read(&key).unwrap();
    let fresh = home.0.path().join("fresh.key");
    crate::outbox::vault::Vault::create(&fresh).unwrap();
    let new = std::fs::read(&fresh).unwrap();
    std::fs::write(&key, [new.clone(), old].concat()).unwrap();
    assert_eq!(store.rekey().await.unwrap().resealed, 3, "the identity key, a record, a result");
    drop(store);
    std::fs::write(&key, new).unwrap();
    let store = home.open();
    assert_eq!(lease(&store, 9).await.len(), 1);
    assert_eq!(store.job_page(id, 0, 9).await.unwrap().1[0].outcome.token.as_deref(), Some("token"));
}
