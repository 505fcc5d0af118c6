//! What is kept beside the work: identities, names, pushes, jobs, sealed values.

use super::{done, ids, insert, lane, lease_at, name, new, row, run, settle};
use crate::store::{
    Advance, CorrelationRow, Filter, Lane, ListedPush, Millis, NewRow, OutcomeRow, Pick, PushRow, Queue,
    SEALED, SEALED_AT_ONCE, State, Store, TokenRow,
};

pub(crate) async fn an_identity_outlives_its_entry_and_remembers_how_it_ended(store: &Store) {
    let of_identity = |id: &str, identity: &[u8]| NewRow { identity: Some(identity.to_vec()), ..new(id) };
    insert(store, vec![of_identity("a", b"hash of a"), of_identity("b", b"hash of b")]).await;
    run(store, |tx| tx.insert_key(b"key", b"hash of a", 10)).await;
    assert!(run(store, |tx| tx.is_taken("a")).await && !run(store, |tx| tx.is_taken("c")).await);
    let leased = lease_at(store, 10, 1).await.remove(0);
    settle(store, &leased, done()).await;
    run(store, |tx| tx.forget(49, 9)).await;
    assert!(run(store, |tx| tx.row(Queue::Entries, "a")).await.is_some(), "not so old yet");
    run(store, |tx| tx.forget(50, 9)).await;
    assert!(run(store, |tx| tx.row(Queue::Entries, "a")).await.is_none());
    assert!(run(store, |tx| tx.is_taken("a")).await, "it was there once");
    let known = run(store, |tx| tx.identity(b"hash of a")).await.unwrap();
    assert_eq!((known.entry.as_str(), known.last_state), ("a", Some(State::Done)));
    assert_eq!(run(store, |tx| tx.key(b"key")).await.as_deref(), Some(&b"hash of a"[..]));
    run(store, |tx| tx.forget(50, 10)).await;
    assert_eq!(run(store, |tx| tx.identity(b"hash of a")).await, None);
    assert_eq!(run(store, |tx| tx.key(b"key")).await, None);
    let unsettled = run(store, |tx| tx.identity(b"hash of b")).await.unwrap();
    assert_eq!((unsettled.entry.as_str(), unsettled.last_state), ("b", None), "its event has not gone yet");
}

pub(crate) async fn an_identity_that_passed_to_another_entry_does_not_end_with_the_former(store: &Store) {
    let of_identity = |id: &str| NewRow { identity: Some(b"hash".to_vec()), ..new(id) };
    insert(store, vec![of_identity("a")]).await;
    let leased = lease_at(store, 10, 1).await.remove(0);
    settle(store, &leased, done()).await;
    insert(store, vec![of_identity("b")]).await;
    run(store, |tx| tx.forget(50, 100)).await;
    assert!(run(store, |tx| tx.row(Queue::Entries, "a")).await.is_none());
    let known = run(store, |tx| tx.identity(b"hash")).await.unwrap();
    assert_eq!((known.entry.as_str(), known.last_state), ("b", None));
}

pub(crate) async fn a_correlation_is_found_by_each_of_its_names(store: &Store) {
    let row = |entry: &str| CorrelationRow {
        entry: entry.to_owned(),
        subject: format!("subject of {entry}").into_bytes(),
        seen_at: 10,
    };
    insert(store, vec![new("b")]).await;
    run(store, move |tx| {
        tx.correlate(&row("a"), &[name("brn"), name("tracking")])?;
        tx.correlate(&row("b"), &[name("brn")])
    })
    .await;
    let found = async |text: &'static str| {
        let rows = run(store, move |tx| tx.named(&name(text), 9)).await;
        rows.into_iter().map(|row| row.entry).collect::<Vec<_>>()
    };
    assert_eq!(found("tracking").await, ["a"]);
    assert_eq!(found("brn").await, ["a", "b"]);
    let newest = run(store, |tx| tx.named(&name("brn"), 1)).await;
    assert_eq!(newest.into_iter().map(|row| row.entry).collect::<Vec<_>>(), ["b"], "the newest count");
    assert!(found("other").await.is_empty());
    let more = CorrelationRow { subject: b"more".to_vec(), ..row("a") };
    run(store, move |tx| tx.correlate(&more, &[name("aid"), name("brn")])).await;
    assert_eq!((found("aid").await, found("tracking").await), (vec!["a".to_owned()], vec!["a".to_owned()]));
    assert_eq!(run(store, |tx| tx.correlation("a")).await.unwrap().subject, b"more");
    assert_eq!(run(store, |tx| tx.correlation("c")).await, None);
    run(store, |tx| tx.forget(0, 10)).await;
    assert!(found("aid").await.is_empty());
    assert_eq!(found("brn").await, ["b"], "its entry has not been settled");
}

pub(crate) async fn a_name_is_found_from_its_own_transaction_on_behind_any_number_of_others(store: &Store) {
    const ROWS: usize = 5_000;
    let found = async |text: &str| {
        let text = text.to_owned();
        let rows = run(store, move |tx| tx.named(&name(&text), 9)).await;
        rows.into_iter().map(|row| row.entry).collect::<Vec<_>>()
    };
    run(store, |tx| {
        for number in 0..ROWS {
            let entry = format!("e{number}");
            let row =
                CorrelationRow { entry: entry.clone(), subject: b"s".to_vec(), seen_at: number as Millis };
            let own = name(&entry);
            assert!(tx.named(&own, 9)?.is_empty());
            tx.correlate(&row, &[own.clone(), name(&format!("pair {}", number % (ROWS / 2)))])?;
            assert_eq!(tx.named(&own, 9)?, [row]);
        }
        Ok(())
    })
    .await;
    for number in (0..ROWS).step_by(499) {
        assert_eq!(found(&format!("e{number}")).await, [format!("e{number}")]);
    }
    assert_eq!(found("pair 7").await, ["e7", "e2507"], "as accepted");
    for entry in ["e0", "e4999"] {
        let row = CorrelationRow { entry: entry.to_owned(), subject: b"s".to_vec(), seen_at: ROWS as Millis };
        run(store, move |tx| tx.correlate(&row, &[name("joins later")])).await;
    }
    assert_eq!(found("joins later").await, ["e0", "e4999"]);
    for _ in 0..=ROWS / 1_000 {
        run(store, |tx| tx.forget(0, ROWS as Millis - 1)).await;
    }
    assert_eq!((found("e7").await, found("e4998").await, found("pair 7").await), Default::default());
    assert_eq!(
        (found("e0").await, found("joins later").await.len()),
        (vec!["e0".to_owned()], 2),
        "seen since"
    );
}

pub(crate) async fn what_is_expected_is_overdue_until_it_is_answered_or_given_up(store: &Store) {
    let row = |entry: &str| CorrelationRow { entry: entry.to_owned(), subject: b"s".to_vec(), seen_at: 10 };
    let said =
        |outcome: &str| OutcomeRow { outcome: outcome.to_owned(), answer: outcome.as_bytes().to_vec() };
    let overdue = async |now, limit| run(store, move |tx| tx.overdue(now, limit)).await;
    run(store, move |tx| {
        for (entry, by) in [("a", Some(30)), ("b", Some(20)), ("c", None)] {
            tx.correlate(&row(entry), &[])?;
            tx.expect(entry, by)?;
        }
        tx.expect("unknown", Some(1))?;
        tx.conclude("unknown", &said("silent"))
    })
    .await;
    assert!(overdue(19, 9).await.is_empty());
    assert_eq!(
        (overdue(30, 9).await, overdue(30, 1).await),
        (vec!["b".to_owned(), "a".into()], vec!["b".into()])
    );
    assert_eq!(run(store, |tx| tx.outcome("a")).await, None);
    run(store, move |tx| {
        tx.expect("b", None)?;
        tx.conclude("b", &said("silent"))?;
        tx.conclude("a", &said("silent"))?;
        // Written anew, as when a number joins its names, it keeps what came of it.
        tx.correlate(&row("b"), &[])
    })
    .await;
    assert_eq!(overdue(30, 9).await, ["a"]);
    assert_eq!(run(store, |tx| tx.outcomes("silent")).await, 2);
    let silent = async |after, limit| run(store, move |tx| tx.concluded("silent", after, limit)).await;
    let both = silent(0, 9).await;
    assert_eq!(both.iter().map(|(_, entry)| entry.as_str()).collect::<Vec<_>>(), ["a", "b"], "as accepted");
    assert_eq!((silent(0, 1).await, silent(both[0].0, 9).await), (both[..1].to_vec(), both[1..].to_vec()));
    run(store, move |tx| tx.conclude("a", &said("rejected"))).await;
    assert_eq!(run(store, |tx| tx.outcome("a")).await, Some(said("rejected")));
    assert_eq!(
        (run(store, |tx| tx.outcomes("silent")).await, run(store, |tx| tx.outcomes("other")).await),
        (1, 0)
    );
    run(store, |tx| tx.forget(0, 29)).await;
    assert_eq!(overdue(30, 9).await, ["a"], "its answer is still expected");
    assert_eq!(run(store, |tx| tx.outcome("b")).await, None);
    run(store, |tx| tx.forget(0, 30)).await;
    assert!(overdue(30, 9).await.is_empty() && run(store, |tx| tx.outcome("a")).await.is_none());
}

pub(crate) async fn a_token_is_kept_with_its_correlation_until_it_is_replaced_dropped_or_ended(
    store: &Store,
) {
    let row = |entry: &str| CorrelationRow { entry: entry.to_owned(), subject: b"s".to_vec(), seen_at: 10 };
    let of = |token: &str, until| TokenRow { token: Some(token.as_bytes().to_vec()), until };
    let kept = async |entry: &'static str| {
        let row = run(store, move |tx| tx.token(entry)).await;
        row.map(|row| (row.token.map(|token| String::from_utf8(token).unwrap()), row.until))
    };
    let ending = async |by| run(store, move |tx| tx.tokens_ending(by)).await;
    run(store, move |tx| {
        for (entry, token) in [("a", of("first", 30)), ("b", of("b", 40)), ("c", of("c", 50))] {
            tx.correlate(&row(entry), &[])?;
            tx.keep_token(entry, Some(&token))?;
        }
        tx.correlate(&row("none"), &[])?;
        tx.keep_token("unknown", Some(&of("unknown", 1)))?;
        tx.keep_token("a", Some(&of("second", 45)))?;
        // Written anew, as when a number joins its names, it keeps its token.
        tx.correlate(&row("a"), &[])
    })
    .await;
    assert_eq!(kept("a").await, Some((Some("second".to_owned()), 45)));
    assert_eq!((kept("none").await, kept("unknown").await), (None, None));
    assert_eq!((ending(39).await, ending(40).await, ending(50).await), (0, 1, 3));
    run(store, |tx| tx.keep_token("c", None)).await;
    assert_eq!((kept("c").await, ending(50).await), (None, 2));
    assert_eq!(run(store, |tx| tx.erase_tokens(44)).await, 1);
    assert_eq!(run(store, |tx| tx.erase_tokens(44)).await, 0, "once");
    assert_eq!((kept("b").await, ending(50).await), (Some((None, 40)), 1), "when it ended stays");
    run(store, |tx| tx.forget(0, 10)).await;
    assert_eq!((kept("a").await, ending(50).await), (None, 0), "it goes with its correlation");
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

pub(super) fn push(id: &str, kind: &str) -> PushRow {
    let listed = ListedPush {
        seq: 0,
        id: id.to_owned(),
        kind: kind.to_owned(),
        is_quarantined: false,
        received_at: 1_000,
        bytes: 7,
        refusal: None,
    };
    PushRow { listed, body: b"message".to_vec() }
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
    assert_eq!(run(store, |tx| tx.listed_push("a")).await, Some(kept.listed.clone()));
    assert_eq!(run(store, |tx| tx.pushes(true, 0, 9)).await, [kept.listed]);
    for kind in ["credential", "birth-nid"] {
        assert_eq!(run(store, move |tx| tx.push_size(kind)).await, (1, 7));
    }
    run(store, |tx| tx.insert_push(&push("c", "credential"))).await;
    assert_eq!(run(store, |tx| tx.push_size("credential")).await, (2, 14));
    assert!(run(store, |tx| tx.delete_push("c")).await);
    assert_eq!(run(store, |tx| tx.push_size("credential")).await, (1, 7));
    assert_eq!(run(store, |tx| tx.push_size("euin")).await, (0, 0));
    assert_eq!(run(store, |tx| tx.release_quarantine()).await, 1);
    assert_eq!(listed(false).await, ["a", "b"]);
    assert!(run(store, |tx| tx.delete_push("a")).await && !run(store, |tx| tx.delete_push("a")).await);
    assert!(run(store, |tx| Ok(tx.push("a")?.is_none() && tx.listed_push("a")?.is_none())).await);
}

pub(crate) async fn the_quarantine_is_counted_by_kind_and_reason(store: &Store) {
    run(store, |tx| {
        for id in ["a", "b", "c", "received"] {
            tx.insert_push(&push(id, "credential"))?;
        }
        tx.insert_push(&push("d", "birth-nid"))?;
        for (id, reason) in [("a", "{1}"), ("b", "{2}"), ("c", "{1}"), ("d", "{1}")] {
            tx.quarantine(id, reason)?;
        }
        Ok(())
    })
    .await;
    let counted =
        |kind: &str, reason: &str, rows, bytes| (kind.to_owned(), Some(reason.to_owned()), rows, bytes);
    assert_eq!(
        run(store, |tx| tx.push_reasons()).await,
        [
            counted("birth-nid", "{1}", 1, 7),
            counted("credential", "{1}", 2, 14),
            counted("credential", "{2}", 1, 7)
        ]
    );
    run(store, |tx| tx.release_quarantine()).await;
    assert!(run(store, |tx| tx.push_reasons()).await.is_empty());
}

pub(crate) async fn a_message_is_marked_with_when_it_came_last(store: &Store) {
    assert_eq!(run(store, |tx| tx.marked_verified(b"hash")).await, None);
    assert_eq!(run(store, |tx| tx.mark_verified(b"hash", 10)).await, None);
    assert_eq!(run(store, |tx| tx.marked_verified(b"hash")).await, Some(10));
    assert_eq!(run(store, |tx| tx.mark_verified(b"hash", 25)).await, Some(10));
    run(store, |tx| tx.forget(0, 20)).await;
    assert_eq!(run(store, |tx| tx.mark_verified(b"hash", 26)).await, Some(25), "it came again since");
    run(store, |tx| tx.forget(0, 30)).await;
    assert_eq!(run(store, |tx| tx.mark_verified(b"hash", 40)).await, None);
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
        tx.conclude("a", &OutcomeRow { outcome: "silent".to_owned(), answer: b"answer".to_vec() })?;
        tx.keep_token("a", Some(&TokenRow { token: Some(b"token".to_vec()), until: 9 }))?;
        for queue in [Queue::Entries, Queue::Records] {
            let lane = Lane { queue, kinds: Vec::new(), ..lane() };
            let leased = tx.lease(&lane, Pick { now: 10, until: 20, limit: 1 })?.remove(0);
            let advance = Advance { progress: Some(b"progress".to_vec()), ..Advance::default() };
            tx.advance(leased.lease(), &advance)?;
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

pub(crate) async fn large_sealed_values_are_walked_a_few_at_a_time(store: &Store) {
    const LARGE: usize = SEALED_AT_ONCE / 2 + 1;
    let large = |id: &str| NewRow { payload: Some(vec![7; LARGE]), ..new(id) };
    insert(store, vec![large("a"), large("b"), large("c")]).await;
    let payload = SEALED.into_iter().find(|at| (at.table, at.column) == ("entry", "payload")).unwrap();
    let (mut after, mut walked) = (Millis::MIN, Vec::new());
    loop {
        let values = run(store, move |tx| tx.sealed_values(payload, after, 9)).await;
        let Some(last) = values.last() else { break };
        after = last.at;
        walked.push(values.into_iter().map(|value| value.name).collect::<Vec<_>>());
    }
    assert_eq!(walked, [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]]);
}
