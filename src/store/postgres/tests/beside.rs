//! What runs beside what: jobs of several gateways, and of several schemas of one database.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::gateways::{TERM, ledger, make_key};
use super::*;
use crate::destinations::{Done, News};
use crate::ledger::{Due, Ending, Filter as Those, Ledger, Wanted};
use crate::mosip::Transport;
use crate::opencrvs::event::{Event, EventKind};

const PATIENCE: Duration = Duration::from_mins(1);
const LINES: usize = 4;
/// Events of each line.
const EACH: usize = 10;
const SLOTS: usize = 2;

fn event(line: usize, number: usize) -> Event {
    let text = format!(
        r#"{{"event":{{"hub":{{"topic":"BIRTH_REGISTERED"}},"context":[{{"entry":[{{"resource":{{"resourceType":"Task","focus":{{"reference":"Composition/c{line}"}}}}}},{{"resource":{{"resourceType":"Patient","id":"{number:02}"}}}}]}}]}}}}"#
    );
    Event::parse(EventKind::Birth, Bytes::from(text)).unwrap()
}

/// Another connection to the schema of `home`, whose transaction holds what a job holds that runs beside nothing.
async fn alone(home: &Home) -> Client {
    let client = home.target(None).connect().await.unwrap();
    client.batch_execute(&format!("BEGIN; {}", locks::alone())).await.unwrap();
    client
}

/// What was sent: the line of each event, and its payload.
#[derive(Default)]
struct Sent {
    events: Mutex<Vec<(String, Bytes)>>,
    under_way: AtomicUsize,
}

/// Sends what is due until all was sent.
async fn send(ledger: &Ledger, sent: &Sent) {
    let wanted = Wanted { lease: TERM, limit: SLOTS, slots: SLOTS, known: Some(0) };
    while sent.events.lock().unwrap().len() < LINES * EACH {
        let Due::Now(leased) = ledger.lease(&conformance::lane(), wanted).await.unwrap() else {
            tokio::task::yield_now().await;
            continue;
        };
        let under_way = sent.under_way.fetch_add(leased.len(), Ordering::SeqCst) + leased.len();
        assert!(under_way <= SLOTS, "{under_way} calls at once");
        for leased in leased {
            let line = leased.held.line.clone().unwrap();
            sent.events.lock().unwrap().push((line, leased.work.payload.clone()));
            sent.under_way.fetch_sub(1, Ordering::SeqCst);
            let news = Some(News::Accepted(Transport::Protected));
            let done = Ending::Done(Done { news, ..Done::default() });
            assert!(ledger.settle(&leased.held, &done).await.unwrap());
        }
    }
}

#[tokio::test]
async fn events_that_are_posted_while_those_before_them_are_settled_go_in_their_order_and_none_stays() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let ledgers = [ledger(&home, dir.path()), ledger(&home, dir.path())];
    let posts = (0..LINES).map(|line| {
        let ledgers = &ledgers;
        async move {
            for number in 0..EACH {
                let by = &ledgers[number % 2];
                by.accept(event(line, number), vec!["mediator"], None).await.unwrap();
            }
        }
    });
    let sent = Sent::default();
    let sends = (0..4).map(|number| send(&ledgers[number % 2], &sent));
    let both = async { tokio::join!(join_all(posts), join_all(sends)) };
    timeout(PATIENCE, both).await.expect("an event waits for one that has ended");
    let sent = sent.events.into_inner().unwrap();
    for line in 0..LINES {
        let line = format!("c{line}");
        let of_line: Vec<_> = sent.iter().filter(|(of, _)| *of == line).map(|(_, sent)| sent).collect();
        assert!(of_line.len() == EACH && of_line.is_sorted(), "{of_line:?}");
    }
    let (told, _) = ledgers[0].undelivered(0, 2 * LINES * EACH).await.unwrap();
    assert_eq!(told.len(), LINES * EACH, "each is told of once");
}

#[tokio::test]
async fn what_only_reads_waits_for_no_job_and_sees_nothing_of_it() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path());
    let ledger = ledger(&home, dir.path());
    ledger.read_keys_again().await.unwrap();
    let id = ledger.accept(event(0, 0), vec!["mediator"], None).await.unwrap().id;
    let other = alone(&home).await;
    other.batch_execute("UPDATE entry SET state='parked'").await.unwrap();
    let reads = async {
        assert_eq!(ledger.entry(id).await.unwrap().state, State::Queued);
        assert_eq!(ledger.entries(Those::default()).await.unwrap().entries.len(), 1);
        assert_eq!(ledger.tally().await.unwrap().counts.len(), 1);
        ledger.failing().await.unwrap();
        ledger.unfinished_jobs().await.unwrap();
        ledger.quarantine_counts().await.unwrap();
        ledger.undelivered_count().await.unwrap();
    };
    timeout(PATIENCE, reads).await.expect("it waits for the other transaction");
    other.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn gateways_of_two_schemas_in_one_database_do_not_wait_for_each_other() {
    let (Some(home), Some(other)) = (Home::new(), Home::new()) else { return };
    let store = home.store();
    let held = alone(&other).await;
    timeout(PATIENCE, store.run(count)).await.expect("it waits for another schema").unwrap();
    held.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_statement_that_the_server_refuses_late_fails_its_own_job_alone() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.run(|tx| tx.insert(&[new("taken")])).await.unwrap();
    let jobs = (0..40).map(|number| {
        let id = if number % 2 == 0 { format!("{number:02}") } else { "taken".to_owned() };
        // Nobody waits for the answer to the insertion.
        store.take(vec![format!("{number}")], move |tx| tx.insert(&[new(&id)]))
    });
    let outcomes = join_all(jobs).await;
    assert!(outcomes.iter().step_by(2).all(Result::is_ok), "{outcomes:?}");
    assert!(outcomes.iter().skip(1).step_by(2).all(Result::is_err), "{outcomes:?}");
    let rows = store.run(|tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99)).await.unwrap();
    assert_eq!(rows.len(), 21);
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn no_statement_is_compiled_though_the_server_knows_nothing_of_new_tables() {
    let Some(home) = Home::new() else { return };
    drop(home.store());
    let client = home.target(None).connect().await.unwrap();
    session::set_up(&client).await.map_err(|failure| failure.error).unwrap();
    let plan =
        client.query(&format!("EXPLAIN ANALYZE {}", crate::store::postgres::clock::READ), &[]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().all(|line| !line.contains("JIT")), "{plan:#?}");
}
