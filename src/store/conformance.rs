//! What a backend has to keep to, as one suite. A backend calls [`suite!`] with a function that makes an empty database.

use super::{
    Advance, CorrelationRow, Filter, Lane, Millis, NewRow, Pick, PushRow, Queue, Refusal, Row, SEALED, State,
    Store, Tx, Verdict,
};
use crate::error::{Code, Error, Result};

/// Makes a test of every rule, over databases that `$open` makes.
macro_rules! suite {
    ($open:expr) => {
        $crate::store::conformance::suite!($open;
            a_job_that_fails_leaves_nothing_and_the_next_one_runs,
            rows_are_listed_in_the_order_of_their_insertion,
            a_name_is_taken_once_in_its_queue,
            a_lease_takes_what_is_due_in_order_and_counts_an_attempt,
            a_row_waits_for_the_older_ones_of_its_line_at_its_destination,
            a_row_waits_for_all_that_are_older_and_not_only_for_the_next,
            what_failed_goes_behind_all_that_wait,
            what_a_person_puts_back_goes_behind_all_that_wait,
            what_was_broken_off_keeps_its_place,
            a_lane_sees_its_own_kinds_alone,
            a_late_verdict_changes_nothing,
            a_lease_that_ended_is_taken_over_and_a_renewed_one_is_not,
            the_next_moment_is_the_earliest_that_has_not_come,
            progress_result_and_the_mark_of_a_sent_row_stay_through_a_failure,
            what_is_settled_loses_its_payload_and_keeps_its_result,
            a_decision_is_about_what_is_queued_or_parked_alone,
            every_queue_takes_every_verdict_and_decision,
            at_a_start_nobody_holds_anything,
            an_identity_outlives_its_entry_and_remembers_how_it_ended,
            a_correlation_is_found_by_each_of_its_names,
            a_delivery_goes_with_the_entry_that_meets_its_purpose,
            a_push_is_received_quarantined_released_and_deleted,
            a_message_is_marked_once,
            a_job_is_forgotten_with_its_records,
            every_sealed_column_is_walked_and_replaced,
        );
    };
    ($open:expr; $($rule:ident,)*) => {
        $(#[tokio::test]
        async fn $rule() {
            let (store, _kept) = $open;
            $crate::store::conformance::$rule(&store).await;
        })*
    };
}
pub(crate) use suite;

pub(crate) fn new(id: &str) -> NewRow {
    NewRow {
        queue: Queue::Entries,
        id: id.to_owned(),
        destination: "mediator".to_owned(),
        kind: "birth".to_owned(),
        line: Some(id.to_owned()),
        accepted_at: 1_000,
        waiting_since: 10,
        payload: Some(format!("payload of {id}").into_bytes()),
        result: None,
        met_by: None,
        job: None,
        is_invalid: false,
    }
}

pub(crate) fn of_line(id: &str, line: &str) -> NewRow {
    NewRow { line: Some(line.to_owned()), ..new(id) }
}

pub(crate) fn lane() -> Lane {
    Lane {
        queue: Queue::Entries,
        destination: "mediator".to_owned(),
        kinds: vec!["birth".to_owned(), "death".to_owned()],
    }
}

pub(crate) fn refusal() -> Refusal {
    Refusal { fault: "upstream".to_owned(), text: r#"{"code":"upstream"}"#.to_owned() }
}

pub(crate) fn again(next_at: Millis) -> Verdict {
    Verdict::Again { next_at, refusal: Some(refusal()) }
}

pub(crate) fn done() -> Verdict {
    Verdict::Settled { state: State::Done, result: None }
}

async fn insert(store: &Store, rows: Vec<NewRow>) {
    store.run(move |tx| tx.insert(&rows)).await.unwrap();
}

pub(crate) async fn lease_at(store: &Store, now: Millis, limit: usize) -> Vec<Row> {
    let pick = Pick { now, until: now + 100, limit };
    store.run(move |tx| tx.lease(&lane(), pick)).await.unwrap()
}

pub(crate) async fn settle(store: &Store, row: &Row, verdict: Verdict) -> bool {
    let (queue, seq, fence) = (row.queue, row.seq, row.fence());
    store.run(move |tx| tx.settle(queue, seq, fence, &verdict, 50)).await.unwrap()
}

pub(crate) async fn row(store: &Store, id: &'static str) -> Row {
    store.run(move |tx| tx.row(Queue::Entries, id)).await.unwrap().unwrap()
}

async fn run<T: Send + 'static>(store: &Store, job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static) -> T {
    store.run(job).await.unwrap()
}

pub(crate) fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

pub(crate) async fn a_job_that_fails_leaves_nothing_and_the_next_one_runs(store: &Store) {
    let failed: Result<()> = store
        .run(|tx| {
            tx.insert(&[new("a")])?;
            tx.set_number("n", 1)?;
            tx.set_sealed("s", b"1")?;
            tx.insert_identity(b"hash", "a", 0)?;
            Err(Error::new(Code::IdempotencyConflict, "on purpose"))
        })
        .await;
    assert_eq!(failed.unwrap_err().code(), Code::IdempotencyConflict);
    let left = run(store, |tx| {
        let row = tx.row(Queue::Entries, "a")?;
        Ok((row, tx.number("n")?, tx.sealed("s")?, tx.identity(b"hash")?))
    });
    assert_eq!(left.await, (None, None, None, None));
    run(store, |tx| tx.set_number("n", 2)).await;
    run(store, |tx| tx.set_number("n", 3)).await;
    assert_eq!(run(store, |tx| tx.number("n")).await, Some(3));
    run(store, |tx| tx.set_sealed("s", b"2")).await;
    assert_eq!(run(store, |tx| tx.sealed("s")).await, Some(b"2".to_vec()));
}

pub(crate) async fn rows_are_listed_in_the_order_of_their_insertion(store: &Store) {
    insert(store, vec![new("b"), new("a")]).await;
    insert(store, vec![new("c")]).await;
    let all = run(store, |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 2)).await;
    assert_eq!(ids(&all), ["b", "a"]);
    let after = all[1].seq;
    assert_eq!(
        ids(&run(store, move |tx| tx.rows(Queue::Entries, &Filter::default(), after, 2)).await),
        ["c"]
    );
    let elsewhere = Filter { destination: Some("elsewhere".to_owned()), ..Filter::default() };
    assert!(run(store, move |tx| tx.rows(Queue::Entries, &elsewhere, 0, 9)).await.is_empty());
    let leased = lease_at(store, 10, 1).await.remove(0);
    settle(store, &leased, Verdict::Park(refusal())).await;
    let filters = [
        Filter { states: vec![State::Parked, State::Done], ..Filter::default() },
        Filter { destination: Some("mediator".to_owned()), states: vec![State::Parked], ..Filter::default() },
        Filter { fault: Some("upstream".to_owned()), ..Filter::default() },
        Filter { line: Some("b".to_owned()), ..Filter::default() },
    ];
    for filter in filters {
        assert_eq!(ids(&run(store, move |tx| tx.rows(Queue::Entries, &filter, 0, 9)).await), ["b"]);
    }
    let waiting = Filter { waiting_since: Some(9), ..Filter::default() };
    assert!(run(store, move |tx| tx.rows(Queue::Entries, &waiting, 0, 9)).await.is_empty());
    let counts = run(store, |tx| tx.counts(Queue::Entries)).await;
    let count = |state, count| ("mediator".to_owned(), "birth".to_owned(), state, count);
    assert_eq!(counts.len(), 2);
    assert!(counts.contains(&count(State::Queued, 2)) && counts.contains(&count(State::Parked, 1)));
}

pub(crate) async fn a_name_is_taken_once_in_its_queue(store: &Store) {
    insert(store, vec![new("a"), NewRow { queue: Queue::Records, job: Some((1, 0)), ..new("a") }]).await;
    assert!(store.run(|tx| tx.insert(&[new("a")])).await.is_err());
    assert_eq!(ids(&run(store, |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 9)).await), ["a"]);
}

pub(crate) async fn a_lease_takes_what_is_due_in_order_and_counts_an_attempt(store: &Store) {
    let death = NewRow { kind: "death".to_owned(), ..new("b") };
    insert(store, vec![new("a"), death, new("c")]).await;
    let first = lease_at(store, 10, 2).await;
    assert_eq!(ids(&first), ["a", "b"]);
    assert_eq!((first[0].state, first[0].attempts, first[0].leased_until.unwrap()), (State::Leased, 1, 110));
    assert_eq!(first[0].payload.as_deref(), Some(&b"payload of a"[..]));
    assert_eq!(ids(&lease_at(store, 10, 9).await), ["c"]);
    assert!(lease_at(store, 10, 9).await.is_empty());
    assert!(settle(store, &first[0], again(500)).await);
    assert!(lease_at(store, 50, 9).await.is_empty());
    let second = lease_at(store, 500, 9).await;
    assert!(second.iter().any(|row| row.id == "a" && row.attempts == 2));
}

pub(crate) async fn a_row_waits_for_the_older_ones_of_its_line_at_its_destination(store: &Store) {
    let elsewhere = NewRow { destination: "opencrvs".to_owned(), ..of_line("x", "one") };
    insert(store, vec![elsewhere, of_line("a", "one"), of_line("b", "one"), of_line("c", "two")]).await;
    insert(store, vec![NewRow { line: None, ..new("d") }, NewRow { line: None, ..new("e") }]).await;
    let leased = lease_at(store, 10, 9).await;
    assert_eq!(ids(&leased), ["a", "c", "d", "e"]);
    for other in &leased[1..] {
        settle(store, other, done()).await;
    }
    settle(store, &leased[0], again(500)).await;
    assert!(lease_at(store, 20, 9).await.is_empty(), "one that waits to be tried again holds its line");
    let leased = lease_at(store, 500, 1).await;
    settle(store, &leased[0], Verdict::Park(refusal())).await;
    assert!(lease_at(store, 500, 9).await.iter().all(|row| row.id != "b"), "a parked one holds its line");
    let seq = row(store, "a").await.seq;
    assert!(run(store, move |tx| tx.close(Queue::Entries, seq, State::Discarded, Some("why"), 5)).await);
    assert!(lease_at(store, 500, 9).await.iter().any(|row| row.id == "b"));
}

pub(crate) async fn what_failed_goes_behind_all_that_wait(store: &Store) {
    for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
        let job = (queue == Queue::Records).then_some((1, 0));
        let new = |id: &str| NewRow { queue, job, ..new(id) };
        let lane = Lane { queue, ..lane() };
        let lease = async || {
            let (lane, pick) = (lane.clone(), Pick { now: 10, until: 110, limit: 1 });
            run(store, move |tx| tx.lease(&lane, pick)).await.remove(0)
        };
        insert(store, vec![new("a"), new("b"), new("c")]).await;
        settle(store, &lease().await, again(10)).await;
        insert(store, vec![new("d")]).await;
        let mut order = Vec::new();
        for _ in 0..5 {
            let next = lease().await;
            settle(store, &next, again(10)).await;
            order.push(next.id);
        }
        assert_eq!(order, ["b", "c", "a", "d", "b"], "{queue:?}");
    }
}

pub(crate) async fn what_a_person_puts_back_goes_behind_all_that_wait(store: &Store) {
    insert(store, vec![new("a"), new("b"), new("c"), new("d")]).await;
    let leased = lease_at(store, 10, 3).await;
    settle(store, &leased[0], Verdict::Park(refusal())).await;
    settle(store, &leased[1], again(900)).await;
    settle(store, &leased[2], again(10)).await;
    for row in &leased[..2] {
        let seq = row.seq;
        assert!(run(store, move |tx| tx.requeue(Queue::Entries, seq, 10)).await);
    }
    // What was queued is due at once in the place that it had.
    assert_eq!(ids(&lease_at(store, 10, 9).await), ["d", "b", "c", "a"]);
}

pub(crate) async fn a_row_waits_for_all_that_are_older_and_not_only_for_the_next(store: &Store) {
    insert(store, vec![of_line("a", "one"), of_line("b", "one"), of_line("c", "one"), of_line("d", "one")])
        .await;
    let first = lease_at(store, 10, 9).await.remove(0);
    settle(store, &first, Verdict::Park(refusal())).await;
    for id in ["b", "c"] {
        let seq = row(store, id).await.seq;
        assert!(run(store, move |tx| tx.close(Queue::Entries, seq, State::Discarded, None, 10)).await);
        assert!(lease_at(store, 10, 9).await.is_empty(), "{id}");
    }
    let seq = first.seq;
    assert!(run(store, move |tx| tx.requeue(Queue::Entries, seq, 10)).await);
    let first = lease_at(store, 10, 9).await.remove(0);
    assert_eq!(first.id, "a");
    settle(store, &first, done()).await;
    assert_eq!(ids(&lease_at(store, 10, 9).await), ["d"]);
}

pub(crate) async fn what_was_broken_off_keeps_its_place(store: &Store) {
    insert(store, vec![new("a"), new("b")]).await;
    let first = lease_at(store, 10, 1).await.remove(0);
    settle(store, &first, Verdict::Again { next_at: 10, refusal: None }).await;
    let again = lease_at(store, 10, 1).await.remove(0);
    assert_eq!((again.id.as_str(), again.fault), ("a", None));
}

pub(crate) async fn a_lane_sees_its_own_kinds_alone(store: &Store) {
    let correction = NewRow { kind: "birth-correction".to_owned(), ..new("a") };
    let record = NewRow { queue: Queue::Records, job: Some((1, 0)), ..new("b") };
    let elsewhere = NewRow { destination: "opencrvs".to_owned(), ..new("c") };
    insert(store, vec![correction, record, elsewhere]).await;
    assert!(lease_at(store, 10, 9).await.is_empty());
    assert_eq!(run(store, |tx| tx.next_due(&lane(), -1)).await, None);
}

pub(crate) async fn a_late_verdict_changes_nothing(store: &Store) {
    insert(store, vec![new("a")]).await;
    let first = lease_at(store, 10, 1).await.remove(0);
    assert_eq!(lease_at(store, 110, 1).await.len(), 0, "it holds until then");
    let second = lease_at(store, 111, 1).await.remove(0);
    assert_eq!(second.attempts, 2);
    for verdict in [done(), again(0), Verdict::Park(refusal()), Verdict::Gone] {
        assert!(!settle(store, &first, verdict).await);
    }
    let (seq, fence) = (first.seq, first.fence());
    let advance = Advance { sent: true, ..Advance::default() };
    assert!(!run(store, move |tx| tx.advance(Queue::Entries, seq, fence, &advance)).await);
    let held = row(store, "a").await;
    assert_eq!((held.state, held.leased_until, held.sent), (State::Leased, second.leased_until, false));
    assert!(settle(store, &second, done()).await);
    assert!(!settle(store, &second, again(0)).await, "a lease ends once");
    assert_eq!(row(store, "a").await.state, State::Done);
}

pub(crate) async fn a_lease_that_ended_is_taken_over_and_a_renewed_one_is_not(store: &Store) {
    insert(store, vec![new("a"), new("b")]).await;
    let leased = lease_at(store, 10, 2).await;
    let held: Vec<_> = leased.iter().map(|row| (row.seq, row.fence())).collect();
    let renewed = run(store, move |tx| tx.renew(Queue::Entries, &held[..1], 1_000)).await;
    assert_eq!(renewed, [leased[0].seq]);
    assert_eq!(ids(&lease_at(store, 500, 9).await), ["b"]);
    let lost = (leased[1].seq, leased[1].fence());
    assert!(run(store, move |tx| tx.renew(Queue::Entries, &[lost], 1_000)).await.is_empty());
}

pub(crate) async fn the_next_moment_is_the_earliest_that_has_not_come(store: &Store) {
    insert(store, vec![new("a"), new("b"), new("c")]).await;
    assert_eq!(
        run(store, |tx| tx.next_due(&lane(), 10)).await,
        None,
        "what is due already is no moment to wait for"
    );
    for (row, at) in lease_at(store, 10, 2).await.iter().zip([700, 300]) {
        settle(store, row, again(at)).await;
    }
    assert_eq!(run(store, |tx| tx.next_due(&lane(), 10)).await, Some(300));
    assert_eq!(run(store, |tx| tx.next_due(&lane(), 300)).await, Some(700));
}

pub(crate) async fn progress_result_and_the_mark_of_a_sent_row_stay_through_a_failure(store: &Store) {
    insert(store, vec![new("a")]).await;
    let first = lease_at(store, 10, 1).await.remove(0);
    let (seq, fence) = (first.seq, first.fence());
    let steps = [
        Advance { progress: Some(b"half".to_vec()), ..Advance::default() },
        Advance { result: Some(b"number".to_vec()), sent: true, ..Advance::default() },
        Advance::default(),
    ];
    for step in steps {
        assert!(run(store, move |tx| tx.advance(Queue::Entries, seq, fence, &step)).await);
    }
    settle(store, &first, again(20)).await;
    let second = lease_at(store, 20, 1).await.remove(0);
    assert_eq!(second.progress.as_deref(), Some(&b"half"[..]));
    assert_eq!((second.result.as_deref(), second.sent), (Some(&b"number"[..]), true));
    assert_eq!((second.fault.as_deref(), second.refusal), (Some("upstream"), Some(refusal().text)));
}

pub(crate) async fn what_is_settled_loses_its_payload_and_keeps_its_result(store: &Store) {
    insert(store, vec![NewRow { result: Some(b"given".to_vec()), ..new("a") }, new("b"), new("c")]).await;
    let leased = lease_at(store, 10, 3).await;
    settle(store, &leased[0], done()).await;
    let result = Some(b"token".to_vec());
    settle(store, &leased[1], Verdict::Settled { state: State::Done, result }).await;
    settle(store, &leased[2], Verdict::Gone).await;
    for (id, state, result) in [("a", State::Done, "given"), ("b", State::Done, "token")] {
        let settled = row(store, id).await;
        assert_eq!((settled.state, settled.payload, settled.progress), (state, None, None));
        assert_eq!((settled.result.as_deref(), settled.settled_at), (Some(result.as_bytes()), Some(50)));
        assert_eq!((settled.leased_until, settled.fault, settled.refusal), (None, None, None));
    }
    assert!(run(store, |tx| tx.row(Queue::Entries, "c")).await.is_none());
    let old = Filter { settled_by: Some(50), ..Filter::default() };
    assert_eq!(ids(&run(store, move |tx| tx.rows(Queue::Entries, &old, 0, 9)).await), ["a", "b"]);
}

pub(crate) async fn a_decision_is_about_what_is_queued_or_parked_alone(store: &Store) {
    insert(store, vec![new("a"), new("b"), new("c")]).await;
    let leased = lease_at(store, 10, 3).await;
    settle(store, &leased[0], done()).await;
    settle(store, &leased[1], Verdict::Park(refusal())).await;
    for id in ["a", "c"] {
        let seq = row(store, id).await.seq;
        assert!(!run(store, move |tx| tx.requeue(Queue::Entries, seq, 99)).await, "{id}");
        assert!(
            !run(store, move |tx| tx.close(Queue::Entries, seq, State::Discarded, None, 99)).await,
            "{id}"
        );
        assert!(!run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await, "{id}");
    }
    let seq = row(store, "b").await.seq;
    assert!(!run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await, "it is parked already");
    assert!(run(store, move |tx| tx.requeue(Queue::Entries, seq, 99)).await);
    let queued = row(store, "b").await;
    assert_eq!((queued.state, queued.next_at, queued.waiting_since), (State::Queued, 0, 99));
    assert_eq!(queued.refusal, Some(refusal().text), "what went wrong stays shown until the next attempt");
    assert!(run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await);
    assert!(run(store, move |tx| tx.close(Queue::Entries, seq, State::Discarded, Some("twice"), 99)).await);
    let closed = row(store, "b").await;
    assert_eq!((closed.state, closed.reason.as_deref()), (State::Discarded, Some("twice")));
    assert_eq!((closed.payload, closed.settled_at), (None, Some(99)));
    assert!(run(store, move |tx| tx.delete(Queue::Entries, seq)).await);
    assert!(!run(store, move |tx| tx.delete(Queue::Entries, seq)).await);
}

pub(crate) async fn every_queue_takes_every_verdict_and_decision(store: &Store) {
    for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
        let job = (queue == Queue::Records).then_some((1, 0));
        let rows: Vec<NewRow> =
            ["a", "b", "c", "d"].map(|id| NewRow { queue, job, ..of_line(id, "line") }).to_vec();
        insert(store, rows).await;
        // No kind is named: all are meant, in the order in which they wait.
        let lane = Lane { queue, kinds: Vec::new(), ..lane() };
        let next = async |now| {
            let (lane, pick) = (lane.clone(), Pick { now, until: now + 100, limit: 9 });
            let mut leased = run(store, move |tx| tx.lease(&lane, pick)).await;
            assert_eq!(leased.len(), 1, "{queue:?}: one of a line at a time");
            leased.remove(0)
        };
        let first = next(10).await;
        assert!(settle(store, &first, Verdict::Park(refusal())).await, "{queue:?}");
        let seq = first.seq;
        assert!(run(store, move |tx| tx.requeue(queue, seq, 20)).await, "{queue:?}");
        let first = next(20).await;
        assert_eq!(first.id, "a", "{queue:?}: what is parked holds its line");
        assert!(settle(store, &first, again(30)).await, "{queue:?}");
        let due = run(store, {
            let lane = lane.clone();
            move |tx| tx.next_due(&lane, 20)
        });
        assert_eq!(due.await, Some(30), "{queue:?}");
        run(store, move |tx| tx.postpone(queue, seq, 40, None)).await;
        assert!(run(store, move |tx| tx.park(queue, seq, &refusal())).await, "{queue:?}");
        let close = run(store, move |tx| tx.close(queue, seq, State::Discarded, Some("twice"), 40));
        assert!(close.await, "{queue:?}");
        let settled = Verdict::Settled { state: State::Done, result: Some(b"result".to_vec()) };
        for (id, verdict) in [("b", settled), ("c", Verdict::Gone), ("d", done())] {
            let leased = next(50).await;
            assert_eq!(leased.id, id, "{queue:?}");
            assert!(settle(store, &leased, verdict).await, "{queue:?}");
        }
        let left = run(store, move |tx| tx.rows(queue, &Filter::default(), 0, 9)).await;
        assert_eq!(ids(&left), ["a", "b", "d"], "{queue:?}");
        assert!(left.iter().all(|row| row.payload.is_none() && row.state.is_settled()), "{queue:?}");
    }
}

pub(crate) async fn at_a_start_nobody_holds_anything(store: &Store) {
    insert(store, vec![new("a"), new("b"), new("c")]).await;
    let leased = lease_at(store, 10, 3).await;
    settle(store, &leased[0], again(900_000)).await;
    settle(store, &leased[1], Verdict::Park(refusal())).await;
    run(store, |tx| tx.release_all()).await;
    assert_eq!(ids(&lease_at(store, 20, 9).await), ["a", "c"], "what was under way goes behind the others");
    assert!(!settle(store, &leased[2], done()).await);
}

pub(crate) async fn an_identity_outlives_its_entry_and_remembers_how_it_ended(store: &Store) {
    insert(store, vec![new("a"), new("b")]).await;
    run(store, |tx| {
        tx.insert_identity(b"hash of a", "a", 10)?;
        tx.insert_identity(b"hash of b", "b", 10)?;
        tx.insert_key(b"key", b"hash of a", 10)
    })
    .await;
    assert!(run(store, |tx| tx.is_named("a")).await && !run(store, |tx| tx.is_named("c")).await);
    let leased = lease_at(store, 10, 1).await.remove(0);
    settle(store, &leased, done()).await;
    run(store, |tx| tx.forget(49, 9)).await;
    assert!(run(store, |tx| tx.row(Queue::Entries, "a")).await.is_some(), "not so old yet");
    run(store, |tx| tx.forget(50, 9)).await;
    assert!(run(store, |tx| tx.row(Queue::Entries, "a")).await.is_none());
    let known = run(store, |tx| tx.identity(b"hash of a")).await.unwrap();
    assert_eq!((known.entry.as_str(), known.last_state), ("a", Some(State::Done)));
    assert_eq!(run(store, |tx| tx.key(b"key")).await.as_deref(), Some(&b"hash of a"[..]));
    run(store, |tx| tx.forget(50, 10)).await;
    assert_eq!(run(store, |tx| tx.identity(b"hash of a")).await, None);
    assert_eq!(run(store, |tx| tx.key(b"key")).await, None);
    let unsettled = run(store, |tx| tx.identity(b"hash of b")).await.unwrap();
    assert_eq!((unsettled.entry.as_str(), unsettled.last_state), ("b", None), "its event has not gone yet");
}

pub(crate) async fn a_correlation_is_found_by_each_of_its_names(store: &Store) {
    let row = |entry: &str| CorrelationRow {
        entry: entry.to_owned(),
        subject: format!("subject of {entry}").into_bytes(),
        seen_at: 10,
    };
    insert(store, vec![new("b")]).await;
    run(store, move |tx| {
        tx.correlate(&row("a"), &[b"brn".to_vec(), b"tracking".to_vec()])?;
        tx.correlate(&row("b"), &[b"brn".to_vec()])
    })
    .await;
    let found = async |name: &'static [u8]| {
        let rows = run(store, move |tx| tx.named(name, 9)).await;
        rows.into_iter().map(|row| row.entry).collect::<Vec<_>>()
    };
    assert_eq!(found(b"tracking").await, ["a"]);
    assert_eq!(found(b"brn").await, ["a", "b"]);
    assert_eq!(run(store, |tx| tx.named(b"brn", 1)).await.len(), 1);
    assert!(found(b"other").await.is_empty());
    let more = CorrelationRow { subject: b"more".to_vec(), ..row("a") };
    run(store, move |tx| tx.correlate(&more, &[b"aid".to_vec(), b"brn".to_vec()])).await;
    assert_eq!((found(b"aid").await, found(b"tracking").await), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(run(store, |tx| tx.correlation("a")).await.unwrap().subject, b"more");
    assert_eq!(run(store, |tx| tx.correlation("c")).await, None);
    run(store, |tx| tx.forget(0, 10)).await;
    assert!(found(b"aid").await.is_empty());
    assert_eq!(found(b"brn").await, ["b"], "its entry has not been settled");
}

pub(crate) async fn a_delivery_goes_with_the_entry_that_meets_its_purpose(store: &Store) {
    let delivery = |id: &str, met_by: Option<&str>| NewRow {
        queue: Queue::Deliveries,
        met_by: met_by.map(str::to_owned),
        ..new(id)
    };
    let behind = NewRow { line: Some("x".to_owned()), ..delivery("behind", None) };
    insert(store, vec![delivery("x", Some("a")), delivery("y", Some("b")), delivery("z", None), behind])
        .await;
    run(store, |tx| tx.delete_met_by("a")).await;
    let left = run(store, |tx| tx.rows(Queue::Deliveries, &Filter::default(), 0, 9)).await;
    assert_eq!(ids(&left), ["y", "z", "behind"]);
    let lane = Lane { queue: Queue::Deliveries, ..lane() };
    let leased = run(store, move |tx| tx.lease(&lane, Pick { now: 10, until: 20, limit: 9 })).await;
    assert_eq!(ids(&leased), ["y", "z", "behind"], "what stood behind it waits for nobody");
}

fn push(id: &str, kind: &str) -> PushRow {
    PushRow {
        seq: 0,
        id: id.to_owned(),
        kind: kind.to_owned(),
        is_quarantined: false,
        received_at: 1_000,
        bytes: 7,
        refusal: None,
        body: b"message".to_vec(),
    }
}

pub(crate) async fn a_push_is_received_quarantined_released_and_deleted(store: &Store) {
    run(store, |tx| {
        tx.insert_push(&push("a", "credential"))?;
        tx.insert_push(&push("b", "birth-nid")).map(drop)
    })
    .await;
    let listed = async |is_quarantined| {
        run(store, move |tx| tx.pushes(is_quarantined, 0, 9))
            .await
            .into_iter()
            .map(|push| push.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(false).await, ["a", "b"]);
    run(store, |tx| tx.quarantine("a", "{}")).await;
    assert_eq!((listed(false).await, listed(true).await), (vec!["b".to_owned()], vec!["a".to_owned()]));
    let kept = run(store, |tx| tx.push("a")).await.unwrap();
    assert_eq!((kept.refusal.as_deref(), kept.body.as_slice()), (Some("{}"), &b"message"[..]));
    assert_eq!(run(store, |tx| tx.push_sizes(true)).await, [("credential".to_owned(), 1, 7)]);
    assert_eq!(run(store, |tx| tx.push_sizes(false)).await.len(), 2);
    assert_eq!(run(store, |tx| tx.release_quarantine()).await, 1);
    assert_eq!(listed(false).await, ["a", "b"]);
    assert!(run(store, |tx| tx.delete_push("a")).await && !run(store, |tx| tx.delete_push("a")).await);
    assert!(run(store, |tx| tx.push("a")).await.is_none());
}

pub(crate) async fn a_message_is_marked_once(store: &Store) {
    assert!(run(store, |tx| tx.mark_verified(b"hash", 10)).await);
    assert!(!run(store, |tx| tx.mark_verified(b"hash", 11)).await);
    run(store, |tx| tx.forget(0, 20)).await;
    assert!(run(store, |tx| tx.mark_verified(b"hash", 30)).await);
}

pub(crate) async fn a_job_is_forgotten_with_its_records(store: &Store) {
    let record = |id: &str, job, place| NewRow {
        queue: Queue::Records,
        line: None,
        job: Some((job, place)),
        is_invalid: place == 1,
        result: Some(b"result".to_vec()).filter(|_| place == 1),
        ..new(id)
    };
    let (one, two) = run(store, move |tx| {
        let (one, two) = (tx.insert_job("one", "json", 10)?, tx.insert_job("two", "csv", 11)?);
        tx.insert(&[record("one/0", one, 0), record("one/1", one, 1), record("two/0", two, 0)])?;
        Ok((one, two))
    })
    .await;
    let places = async |from| {
        let records = run(store, move |tx| tx.records(one, from, 9)).await;
        records.into_iter().map(|(place, row)| (place, row.id)).collect::<Vec<_>>()
    };
    assert_eq!(places(0).await, [(1, "one/1".to_owned())], "the other has no result yet");
    assert!(places(2).await.is_empty());
    assert_eq!(run(store, move |tx| tx.progress(one)).await.len(), 2);
    assert_eq!(run(store, move |tx| tx.progress(two)).await, [(State::Queued, 1)]);
    let seq = run(store, |tx| tx.row(Queue::Records, "two/0")).await.unwrap().seq;
    assert_eq!(run(store, move |tx| tx.job_of(seq)).await, Some(two));
    run(store, move |tx| tx.settle_job(one, 20)).await;
    let job = run(store, |tx| tx.job("one")).await.unwrap();
    assert_eq!((job.form.as_str(), job.made_at, job.settled_at), ("json", 10, Some(20)));
    assert_eq!(run(store, |tx| tx.jobs(0, 9)).await.len(), 2);
    run(store, |tx| tx.forget(20, 0)).await;
    assert!(run(store, |tx| tx.job("one")).await.is_none());
    assert_eq!(ids(&run(store, |tx| tx.rows(Queue::Records, &Filter::default(), 0, 9)).await), ["two/0"]);
}

pub(crate) async fn every_sealed_column_is_walked_and_replaced(store: &Store) {
    let correlation = CorrelationRow { entry: "a".to_owned(), subject: b"subject".to_vec(), seen_at: 0 };
    run(store, move |tx| {
        tx.set_sealed("identity", b"identity")?;
        tx.insert(&[NewRow { result: Some(b"result".to_vec()), ..new("a") }, new("b")])?;
        tx.insert(&[NewRow {
            queue: Queue::Records,
            job: Some((1, 0)),
            result: Some(b"result".to_vec()),
            ..new("r")
        }])?;
        tx.insert(&[NewRow { queue: Queue::Deliveries, ..new("d") }])?;
        tx.insert_push(&push("p", "credential"))?;
        tx.correlate(&correlation, &[])?;
        for queue in [Queue::Entries, Queue::Records] {
            let lane = Lane { queue, kinds: Vec::new(), ..lane() };
            let leased = tx.lease(&lane, Pick { now: 10, until: 20, limit: 1 })?.remove(0);
            let advance = Advance { progress: Some(b"progress".to_vec()), ..Advance::default() };
            tx.advance(queue, leased.seq, leased.fence(), &advance)?;
        }
        Ok(())
    })
    .await;
    for column in SEALED {
        let values = run(store, move |tx| tx.sealed_values(column, Millis::MIN, 1)).await;
        assert_eq!(values.len(), 1, "{column:?}");
        let at = values[0].at;
        run(store, move |tx| tx.replace_sealed(column, at, b"again")).await;
        let replaced = run(store, move |tx| tx.sealed_values(column, at - 1, 1)).await;
        assert_eq!(
            (replaced[0].name.as_str(), &replaced[0].value[..]),
            (values[0].name.as_str(), &b"again"[..])
        );
        let rest = run(store, move |tx| tx.sealed_values(column, at, 9)).await;
        assert!(rest.iter().all(|value| value.value != b"again"), "{column:?}");
    }
    assert_eq!(row(store, "b").await.payload.as_deref(), Some(&b"payload of b"[..]));
}
