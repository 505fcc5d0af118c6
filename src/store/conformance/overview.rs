//! What people are shown of the rows.

use super::kept::push;
use super::*;
use crate::store::{ATTEMPTS_KEPT, AttemptRow, PushGroup};

fn group(reason: Option<&str>) -> PushGroup<'_> {
    PushGroup { kind: "credential", reason }
}

pub(crate) async fn what_fails_is_counted_by_its_reason_whatever_its_state(store: &Store) {
    insert(store, vec![new("a"), new("b"), new("c"), new("d"), new("e")]).await;
    let leased = lease_at(store, 10, 4).await;
    settle(store, &leased[0], again(0)).await;
    settle(store, &leased[1], again(0)).await;
    let other = Refusal { fault: "caller".to_owned(), text: r#"{"code":"field"}"#.to_owned() };
    settle(store, &leased[2], Verdict::Park(other.clone())).await;
    settle(store, &leased[3], again(0)).await;
    // The last one goes for the first time; then one of the others goes again.
    let again_leased = lease_at(store, 20, 2).await;
    settle(store, &again_leased[0], done()).await;
    let failed = || async {
        let failed = run(store, |tx| tx.failed(Queue::Entries)).await;
        failed.into_iter().map(|group| (group.state, group.refusal, group.rows)).collect::<Vec<_>>()
    };
    assert_eq!(
        failed().await,
        [
            (State::Queued, refusal().text, 2),
            (State::Leased, refusal().text, 1),
            (State::Parked, other.text.clone(), 1),
        ]
    );
    for row in [&again_leased[1]] {
        settle(store, row, done()).await;
    }
    assert_eq!(failed().await.len(), 2, "what was taken fails no more");

    // A settled row has no reason of its own, until it is explained.
    let (seq, why) = (again_leased[1].seq, other.clone());
    run(store, move |tx| tx.explain(Queue::Entries, seq, &why)).await;
    let explained = run(store, |tx| tx.failed(Queue::Entries)).await;
    let explained = explained.into_iter().find(|group| group.state == State::Done).unwrap();
    assert_eq!((explained.refusal, explained.rows, explained.last_settled), (other.text, 1, Some(50)));
}

pub(crate) async fn the_last_attempts_of_an_entry_are_kept_and_go_with_it(store: &Store) {
    insert(store, vec![new("a"), new("b")]).await;
    let (seq, other) = (row(store, "a").await.seq, row(store, "b").await.seq);
    let last = ATTEMPTS_KEPT + 3;
    let attempt = move |number| AttemptRow {
        number,
        ended_at: 1_000 + number,
        outcome: "upstream".to_owned(),
        upstream: (number == last).then(|| "OPN-1".to_owned()),
    };
    run(store, move |tx| {
        tx.note_attempt(other, &attempt(1))?;
        (1..=last).try_for_each(|number| tx.note_attempt(seq, &attempt(number)))
    })
    .await;
    let kept = run(store, move |tx| tx.attempts(seq)).await;
    let numbers: Vec<_> = kept.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (4..=last).collect::<Vec<_>>());
    assert_eq!(kept.last(), Some(&attempt(last)));
    assert_eq!(run(store, move |tx| tx.attempts(other)).await, [attempt(1)]);

    let leased = lease_at(store, 10, 1).await;
    settle(store, &leased[0], done()).await;
    run(store, |tx| tx.forget(50, 0)).await;
    assert_eq!(run(store, move |tx| tx.attempts(seq)).await, []);
    assert_eq!(run(store, move |tx| tx.attempts(other)).await.len(), 1);
}

pub(crate) async fn unfinished_jobs_are_found_behind_any_number_of_finished_ones(store: &Store) {
    let unfinished = run(store, |tx| {
        for number in 0..10_001 {
            let job = tx.insert_job(&format!("old-{number}"), "json", 10)?;
            tx.settle_job(job, 20)?;
        }
        tx.insert_job("new", "json", 30)?;
        tx.unfinished_jobs()
    })
    .await;
    assert_eq!(unfinished.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["new"]);
}

pub(crate) async fn a_job_is_under_way_while_a_record_of_it_is_queued_or_leased(store: &Store) {
    let record = |id: &str, job, is_invalid| NewRow {
        queue: Queue::Records,
        line: None,
        job: Some((job, 0)),
        is_invalid,
        ..new(id)
    };
    let (one, two) = run(store, move |tx| {
        let (one, two) = (tx.insert_job("one", "json", 10)?, tx.insert_job("two", "json", 10)?);
        tx.insert(&[record("one/0", one, false), record("two/0", two, true)])?;
        Ok((one, two))
    })
    .await;
    let under_way = async || run(store, move |tx| Ok([tx.is_under_way(one)?, tx.is_under_way(two)?])).await;
    assert_eq!(under_way().await, [true, false], "one is queued, the other invalid");
    let lane = Lane { queue: Queue::Records, ..lane() };
    let leased = run(store, move |tx| tx.lease(&lane, pick(10, 100))).await.remove(0);
    assert_eq!(under_way().await, [true, false], "one is leased");
    assert!(settle(store, &leased, done()).await);
    assert_eq!(under_way().await, [false, false]);
}

pub(crate) async fn the_quarantine_is_decided_about_reason_by_reason(store: &Store) {
    run(store, |tx| {
        for (id, kind, reason) in [
            ("a", "credential", "1"),
            ("b", "credential", "2"),
            ("c", "credential", "1"),
            ("d", "birth-nid", "1"),
        ] {
            tx.insert_push(&push(id, kind))?;
            tx.quarantine(id, reason)?;
        }
        tx.insert_push(&push("new", "credential")).map(drop)
    })
    .await;
    let those = async |after, limit| {
        let those = run(store, move |tx| tx.quarantined_for(group(Some("1")), after, limit)).await;
        those.into_iter().map(|push| push.id).collect::<Vec<_>>()
    };
    let first = run(store, |tx| tx.push("a")).await.unwrap().seq;
    assert_eq!(
        (those(0, 9).await, those(first, 9).await, those(0, 1).await),
        (vec!["a".to_owned(), "c".to_owned()], vec!["c".to_owned()], vec!["a".to_owned()],)
    );
    assert_eq!(run(store, |tx| tx.release_quarantined_for(group(Some("1")))).await, 2);
    assert!(those(0, 9).await.is_empty());
    let left = run(store, |tx| tx.pushes(true, 0, 9)).await;
    assert_eq!(left.into_iter().map(|push| push.id).collect::<Vec<_>>(), ["b", "d"]);
    assert_eq!(run(store, |tx| tx.quarantined_for(group(None), 0, 9)).await.len(), 0);
}
