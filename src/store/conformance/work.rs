//! Rows that are leased and settled.

use super::{again, discarded, done, ids, insert, lane, lease_at, new, of_line, refusal, row, run, settle};
use crate::error::{Code, Error, Result};
use crate::store::{Advance, Filter, Lane, NewRow, Pick, Queue, State, Store, Verdict};

pub(crate) async fn a_job_that_fails_leaves_nothing_and_the_next_one_runs(store: &Store) {
    let failed: Result<()> = store
        .run(|tx| {
            tx.insert(&[NewRow { identity: Some(b"hash".to_vec()), ..new("a") }])?;
            tx.set_number("n", 1)?;
            tx.set_sealed("s", b"1")?;
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
    let parked = run(store, |tx| tx.refusals(Queue::Entries, State::Parked)).await;
    assert_eq!(parked.len(), 1);
    let (refusal, rows) = parked.into_iter().next().unwrap();
    assert_eq!(rows, 1);
    let filter = Filter { states: vec![State::Parked], refusal: refusal.clone(), ..Filter::default() };
    assert_eq!(run(store, move |tx| tx.rows(Queue::Entries, &filter, 0, 9)).await.len(), 1);
    let filter = Filter { refusal: Some("{}".to_owned()), ..Filter::default() };
    assert!(
        refusal.is_some() && run(store, move |tx| tx.rows(Queue::Entries, &filter, 0, 9)).await.is_empty()
    );
    assert!(counts.contains(&count(State::Queued, 2)) && counts.contains(&count(State::Parked, 1)));
}

pub(crate) async fn a_list_holds_each_row_as_it_is_but_for_its_payload(store: &Store) {
    for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
        let lane = Lane { queue, ..lane() };
        let (job, trace) = (Some((1, 0)), Some("core-7".to_owned()));
        let row = NewRow { queue, job, trace, result: Some(b"result".to_vec()), ..new("a") };
        insert(store, vec![row]).await;
        let leased =
            run(store, move |tx| tx.lease(&lane, Pick { now: 10, until: 20, limit: 1 })).await.remove(0);
        let progress = Advance { progress: Some(b"progress".to_vec()), sent: true, ..Advance::default() };
        assert!(run(store, move |tx| tx.advance(leased.lease(), &progress)).await);
        let whole = run(store, move |tx| tx.row(queue, "a")).await.unwrap();
        assert_eq!(whole.payload.as_deref(), Some(&b"payload of a"[..]), "{queue:?}");
        assert_eq!(whole.progress.as_deref(), Some(&b"progress"[..]), "{queue:?}");
        let (one, list) =
            run(store, move |tx| Ok((tx.listed(queue, "a")?, tx.rows(queue, &Filter::default(), 0, 9)?)))
                .await;
        assert_eq!((one.as_ref(), list.as_slice()), (Some(&whole.listed), &[whole.listed.clone()][..]));
        assert_eq!(list[0].result.as_deref(), Some(&b"result"[..]), "{queue:?}");
        assert_eq!(list[0].trace.as_deref(), Some("core-7"), "{queue:?}");
        assert!(run(store, move |tx| tx.listed(queue, "b")).await.is_none());
        if queue == Queue::Records {
            assert_eq!(run(store, |tx| tx.records(1, 0, 9)).await, [(0, whole.listed)]);
        }
    }
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
    assert!(run(store, move |tx| tx.close(Queue::Entries, seq, discarded(Some("why")), 5)).await);
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
            order.push(next.listed.id);
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
        assert!(run(store, move |tx| tx.close(Queue::Entries, seq, discarded(None), 10)).await);
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
    assert_eq!((again.id.as_str(), again.fault.as_deref()), ("a", None));
}

pub(crate) async fn what_falls_due_goes_by_its_place_and_not_by_its_moment_or_kind(store: &Store) {
    let death = |id: &str| NewRow { kind: "death".to_owned(), ..new(id) };
    insert(store, vec![new("a"), death("b"), new("c"), death("d"), new("e")]).await;
    for (id, until) in [("a", 60), ("b", 40), ("e", 30)] {
        let seq = row(store, id).await.seq;
        run(store, move |tx| tx.postpone(Queue::Entries, seq, until, None)).await;
    }
    assert_eq!(ids(&lease_at(store, 20, 1).await), ["c"]);
    for next in ["a", "b", "d", "e"] {
        assert_eq!(ids(&lease_at(store, 60, 1).await), [next]);
    }
}

pub(crate) async fn what_is_leased_is_counted_by_lane(store: &Store) {
    let correction = NewRow { kind: "birth-correction".to_owned(), ..new("d") };
    insert(store, vec![new("a"), new("b"), new("c"), correction]).await;
    let leased = lease_at(store, 10, 2).await;
    let corrections = Lane { kinds: vec!["birth-correction".to_owned()], ..lane() };
    let whole = Lane { kinds: Vec::new(), ..lane() };
    let count = async |lane: &Lane, now| {
        let lane = lane.clone();
        run(store, move |tx| tx.leased(&lane, now)).await
    };
    assert_eq!((count(&lane(), 110).await, count(&corrections, 110).await), (2, 0));
    assert_eq!((count(&whole, 110).await, count(&lane(), 111).await), (2, 0), "leases end");
    settle(store, &leased[0], done()).await;
    assert_eq!(count(&lane(), 110).await, 1);
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
    let lease = first.lease();
    let advance = Advance { sent: true, ..Advance::default() };
    assert!(!run(store, move |tx| tx.advance(lease, &advance)).await);
    let held = row(store, "a").await;
    assert_eq!((held.state, held.leased_until, held.sent), (State::Leased, second.leased_until, false));
    assert!(settle(store, &second, done()).await);
    assert!(!settle(store, &second, again(0)).await, "a lease ends once");
    assert_eq!(row(store, "a").await.state, State::Done);
}

pub(crate) async fn a_lease_that_ended_is_taken_over_and_a_renewed_one_is_not(store: &Store) {
    insert(store, vec![new("a"), new("b")]).await;
    let leased = lease_at(store, 10, 2).await;
    let held: Vec<_> = leased.iter().map(|row| row.lease()).collect();
    let renewed = run(store, move |tx| tx.renew(&held[..1], 1_000)).await;
    assert_eq!(renewed, [leased[0].seq]);
    assert_eq!(ids(&lease_at(store, 500, 9).await), ["b"]);
    let lost = leased[1].lease();
    assert!(run(store, move |tx| tx.renew(&[lost], 1_000)).await.is_empty());
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
    let lease = first.lease();
    let steps = [
        Advance { progress: Some(b"half".to_vec()), ..Advance::default() },
        Advance { result: Some(b"number".to_vec()), sent: true, ..Advance::default() },
        Advance::default(),
    ];
    for step in steps {
        assert!(run(store, move |tx| tx.advance(lease, &step)).await);
    }
    settle(store, &first, again(20)).await;
    let second = lease_at(store, 20, 1).await.remove(0);
    assert_eq!(second.progress.as_deref(), Some(&b"half"[..]));
    assert_eq!((second.result.as_deref(), second.sent), (Some(&b"number"[..]), true));
    assert_eq!((second.fault.as_deref(), &second.refusal), (Some("upstream"), &Some(refusal().text)));
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
        assert_eq!((settled.state, &settled.payload, &settled.progress), (state, &None, &None));
        assert_eq!((settled.result.as_deref(), settled.settled_at), (Some(result.as_bytes()), Some(50)));
        assert_eq!((settled.leased_until, &settled.fault, &settled.refusal), (None, &None, &None));
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
        assert!(!run(store, move |tx| tx.close(Queue::Entries, seq, discarded(None), 99)).await, "{id}");
        assert!(!run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await, "{id}");
    }
    let seq = row(store, "b").await.seq;
    assert!(!run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await, "it is parked already");
    assert!(run(store, move |tx| tx.requeue(Queue::Entries, seq, 99)).await);
    let queued = row(store, "b").await;
    assert_eq!((queued.state, queued.next_at, queued.waiting_since), (State::Queued, 0, 99));
    assert_eq!(queued.refusal, Some(refusal().text), "what went wrong stays shown until the next attempt");
    assert!(run(store, move |tx| tx.park(Queue::Entries, seq, &refusal())).await);
    assert!(run(store, move |tx| tx.close(Queue::Entries, seq, discarded(Some("twice")), 99)).await);
    let closed = row(store, "b").await;
    assert_eq!((closed.state, closed.reason.as_deref()), (State::Discarded, Some("twice")));
    assert_eq!((&closed.payload, closed.settled_at), (&None, Some(99)));
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
        let close = run(store, move |tx| tx.close(queue, seq, discarded(Some("twice")), 40));
        assert!(close.await, "{queue:?}");
        let settled = Verdict::Settled { state: State::Done, result: Some(b"result".to_vec()) };
        for (id, verdict) in [("b", settled), ("c", Verdict::Gone), ("d", done())] {
            let leased = next(50).await;
            assert_eq!(leased.id, id, "{queue:?}");
            assert!(settle(store, &leased, verdict).await, "{queue:?}");
        }
        let left = run(store, move |tx| tx.rows(queue, &Filter::default(), 0, 9)).await;
        assert_eq!(ids(&left), ["a", "b", "d"], "{queue:?}");
        for id in ["a", "b", "d"] {
            let row = run(store, move |tx| tx.row(queue, id)).await.unwrap();
            assert!(row.payload.is_none() && row.state.is_settled(), "{queue:?}");
        }
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
