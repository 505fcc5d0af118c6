//! How jobs run: apart where they name the same lock, and as if they had not run where they fail, so that they can run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::{again, discarded, done, ids, insert, lane, lease_at, name, new, of_line, push, refusal, run};
use crate::error::{Code, Error, Result};
use crate::store::{
    Advance, Beside, CorrelationRow, Filter, Lane, Millis, NewRow, OutcomeRow, Pick, Queue, Row, SEALED,
    Store, Terms, TokenRow, Tx,
};

/// Jobs that are handed over at the same time.
const JOBS: i64 = 20;

pub(crate) async fn jobs_that_name_the_same_lock_run_one_after_another_and_rows_stand_in_that_order(
    store: &Store,
) {
    let count = |tx: &mut dyn Tx| {
        let number = tx.number("n")?.unwrap_or(0);
        tx.insert(&[new(&format!("{number:02}"))])?;
        tx.set_number("n", number + 1)
    };
    let counted = join_all((0..JOBS).map(|_| store.take(vec!["lock".to_owned()], count))).await;
    assert!(counted.iter().all(Result::is_ok), "{counted:?}");
    assert_eq!(
        run(store, |tx| tx.number("n")).await,
        Some(JOBS),
        "none reads what another is about to change"
    );
    let rows = run(store, |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99)).await;
    assert!(rows.len() == 20 && rows.is_sorted_by_key(|row| row.id.clone()), "{rows:?}");
}

pub(crate) async fn jobs_that_name_no_lock_run_one_after_another(store: &Store) {
    let count = |tx: &mut dyn Tx| {
        let number = tx.number("n")?.unwrap_or(0);
        tx.set_number("n", number + 1)
    };
    let locks = |number: i64| if number % 2 == 0 { Vec::new() } else { vec!["lock".to_owned()] };
    let counted = join_all((0..JOBS).map(|number| store.take(locks(number), count))).await;
    assert!(counted.iter().all(Result::is_ok), "{counted:?}");
    assert_eq!(run(store, |tx| tx.number("n")).await, Some(JOBS));
}

pub(crate) async fn a_transaction_says_what_it_freed(store: &Store) {
    let correction = NewRow { kind: "birth-correction".to_owned(), ..of_line("b", "one") };
    let message = |id: &str| NewRow { queue: Queue::Deliveries, ..of_line(id, "one") };
    let alone = NewRow { line: None, ..new("d") };
    insert(store, vec![of_line("a", "one"), correction, of_line("c", "two"), alone]).await;
    insert(store, vec![message("m"), message("n")]).await;
    let lane_of = |queue, kind: &str| Lane { queue, kinds: vec![kind.to_owned()], ..lane() };
    let settle = |tx: &mut dyn Tx, row: &Row| {
        tx.settle(row.lease(), &done(), 50)?;
        Ok(tx.freed())
    };
    let leased = lease_at(store, 10, 9).await;
    assert_eq!(ids(&leased), ["a", "c", "d"]);
    let freed = run(store, move |tx| leased.iter().map(|row| settle(tx, row)).collect::<Result<Vec<_>>>());
    let correction = lane_of(Queue::Entries, "birth-correction");
    assert_eq!(freed.await, [vec![correction], Vec::new(), Vec::new()], "the one that waited, and once");
    let first = run(store, |tx| tx.listed(Queue::Deliveries, "m")).await.unwrap().seq;
    let freed = run(store, move |tx| tx.delete(Queue::Deliveries, first).map(|_| tx.freed()));
    assert_eq!(freed.await, [lane_of(Queue::Deliveries, "birth")]);
    assert!(run(store, |tx| Ok(tx.freed())).await.is_empty(), "the next one has freed nothing");
}

pub(crate) async fn a_job_that_only_reads_changes_nothing(store: &Store) {
    let reading = || Terms { beside: Beside::Everything, ..Terms::default() };
    insert(store, vec![new("a")]).await;
    let before = store.order(reading(), everything).await.unwrap();
    let wrote = store
        .order(reading(), |tx| {
            tx.set_number("n", 1)?;
            tx.insert(&[new("b")])
        })
        .await;
    assert_eq!(wrote.unwrap_err().code(), Code::Bug);
    assert_eq!(store.order(reading(), everything).await.unwrap(), before);
    assert_eq!(store.trouble(), None, "it is no fault of the database");
}

type Verb = fn(&mut dyn Tx) -> Result<()>;

/// Every verb that changes something, in an order in which each finds what it changes.
const VERBS: [(&str, Verb); 32] = [
    ("set_number", |tx| tx.set_number("n", 2)),
    ("set_sealed", |tx| tx.set_sealed("s", b"2")),
    ("insert", |tx| tx.insert(&[new("e")])),
    ("lease", lease),
    ("renew", |tx| {
        let row = entry(tx, "a")?;
        tx.renew(&[row.lease()], 900).map(drop)
    }),
    ("advance", |tx| {
        let row = entry(tx, "a")?;
        let advance = Advance { result: Some(b"result".to_vec()), sent: true, ..Advance::default() };
        tx.advance(row.lease(), &advance).map(drop)
    }),
    ("settle", |tx| {
        let row = entry(tx, "a")?;
        tx.settle(row.lease(), &again(500), 50).map(drop)
    }),
    ("park", |tx| {
        let row = entry(tx, "a")?;
        tx.park(Queue::Entries, row.seq, &refusal()).map(drop)
    }),
    ("requeue", |tx| {
        let row = entry(tx, "a")?;
        tx.requeue(Queue::Entries, row.seq, 60).map(drop)
    }),
    ("postpone", |tx| {
        let row = entry(tx, "b")?;
        tx.postpone(Queue::Entries, row.seq, 700, None)
    }),
    ("close", |tx| {
        let row = entry(tx, "c")?;
        tx.close(Queue::Entries, row.seq, discarded(Some("why")), 70).map(drop)
    }),
    ("lease another", lease),
    ("release_all", |tx| tx.release_all()),
    ("delete_met_by", |tx| tx.delete_met_by("a")),
    ("delete", |tx| {
        let row = entry(tx, "d")?;
        tx.delete(Queue::Entries, row.seq).map(drop)
    }),
    ("insert an identity", |tx| {
        tx.insert(&[NewRow { identity: Some(b"hash".to_vec()), ..new("of an identity") }])
    }),
    ("insert_key", |tx| tx.insert_key(b"key", b"hash", 10)),
    ("correlate", |tx| {
        let row = CorrelationRow { entry: "a".to_owned(), subject: b"subject".to_vec(), seen_at: 10 };
        tx.correlate(&row, &[name("brn")])
    }),
    ("expect", |tx| tx.expect("a", Some(20))),
    ("keep_token", |tx| tx.keep_token("a", Some(&TokenRow { token: Some(b"token".to_vec()), until: 10 }))),
    ("erase_tokens", |tx| tx.erase_tokens(10).map(drop)),
    ("conclude", |tx| {
        tx.conclude("a", &OutcomeRow { outcome: "silent".to_owned(), answer: b"answer".to_vec() })
    }),
    ("insert_push", |tx| tx.insert_push(&push("p", "credential")).map(drop)),
    ("quarantine", |tx| tx.quarantine("p", "{}")),
    ("release_quarantine", |tx| tx.release_quarantine().map(drop)),
    ("delete_push", |tx| tx.delete_push("p").map(drop)),
    ("mark_verified", |tx| match tx.mark_verified(b"message", 10)? {
        None => tx.set_number("marked", 1),
        Some(_) => Err(Error::new(Code::Bug, "it is marked already")),
    }),
    ("insert_job", |tx| tx.insert_job("job", "json", 10).map(drop)),
    ("insert a record", |tx| {
        let job = tx.job("job")?.map(|job| (job.seq, 0));
        tx.insert(&[NewRow { queue: Queue::Records, job, ..new("r") }])
    }),
    ("settle_job", |tx| {
        let job = tx.job("job")?.map_or(0, |job| job.seq);
        tx.settle_job(job, 10)
    }),
    ("replace_sealed", |tx| {
        let [meta, ..] = SEALED;
        let at = tx.sealed_values(meta, Millis::MIN, 1)?.first().map_or(0, |value| value.at);
        tx.replace_sealed(meta, at, b"again")
    }),
    ("forget", |tx| tx.forget(100, 100)),
];

fn lease(tx: &mut dyn Tx) -> Result<()> {
    tx.lease(&lane(), Pick { now: 10, until: 110, limit: 1 }).map(drop)
}

fn entry(tx: &mut dyn Tx, id: &str) -> Result<Row> {
    tx.row(Queue::Entries, id)?.ok_or_else(|| Error::new(Code::NotFound, "no such row"))
}

/// All that can be read.
fn everything(tx: &mut dyn Tx) -> Result<String> {
    let mut all = String::new();
    for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
        all += &format!("{:?}\n", tx.rows(queue, &Filter::default(), 0, 99)?);
    }
    for column in SEALED {
        all += &format!("{:?}\n", tx.sealed_values(column, Millis::MIN, 99)?);
    }
    let meta = (tx.number("n")?, tx.number("marked")?, tx.sealed("s")?);
    let identities = (tx.identity(b"hash")?, tx.key(b"key")?, tx.is_taken("a")?);
    let correlations = (
        tx.correlation("a")?,
        tx.named(&name("brn"), 9)?,
        tx.overdue(99, 9)?,
        tx.outcome("a")?,
        tx.token("a")?,
    );
    let pushes = (tx.pushes(false, 0, 9)?, tx.pushes(true, 0, 9)?);
    Ok(all + &format!("{meta:?} {identities:?} {correlations:?} {pushes:?} {:?}", tx.jobs(0, 9)?))
}

pub(crate) async fn whatever_a_job_did_is_undone_where_it_fails_and_it_runs_again_as_if_for_the_first_time(
    store: &Store,
) {
    let met = NewRow { queue: Queue::Deliveries, met_by: Some("a".to_owned()), ..new("x") };
    insert(store, vec![new("a"), new("b"), new("c"), new("d"), met]).await;
    for (name, verb) in VERBS {
        let before = run(store, everything).await;
        let is_first = AtomicBool::new(true);
        // A job is handed over again: a lost connection, a deadlock.
        let job = Arc::new(move |tx: &mut dyn Tx| {
            verb(tx)?;
            match is_first.swap(false, Ordering::SeqCst) {
                true => Err(Error::new(Code::IdempotencyConflict, "the connection is lost")),
                false => Ok(()),
            }
        });
        let again = Arc::clone(&job);
        assert_eq!(
            store.run(move |tx| job(tx)).await.unwrap_err().code(),
            Code::IdempotencyConflict,
            "{name}"
        );
        assert_eq!(run(store, everything).await, before, "{name} is undone");
        store.run(move |tx| again(tx)).await.unwrap();
        assert_ne!(run(store, everything).await, before, "{name} changes something");
    }
}
