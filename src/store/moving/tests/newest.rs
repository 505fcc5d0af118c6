//! What a gateway over a file has of the newest entries in memory alone, and derives from rows once it is opened, is there after a copy.

use super::*;
use crate::store::conformance::{discarded, done};

/// More than there are in memory.
const MANY: usize = 5_000;

fn id(number: usize) -> String {
    format!("e{number:06}")
}

/// An entry of a line and an identity of its own, to where no other test leases.
fn numbered(number: usize) -> NewRow {
    NewRow {
        destination: "elsewhere".to_owned(),
        identity: Some(name(&id(number))),
        ..of_line(&id(number), &format!("line {number}"))
    }
}

/// One of the entries that share a line and an identity.
fn shared(id: &str) -> NewRow {
    NewRow { identity: Some(name("shared")), ..of_line(id, "shared") }
}

/// How each of the identities stands: its entry, and how that ended.
fn known(store: &Store, identities: Vec<String>) -> Vec<Option<(String, Option<State>)>> {
    run(store, move |tx| {
        let find = |identity: &String| {
            Ok(tx.identity(&name(identity))?.map(|found| (found.entry, found.last_state)))
        };
        identities.iter().map(find).collect()
    })
}

/// The positions in the queue of entries, in order, and that behind which the database gives the next one.
fn positions(location: &Location) -> (Vec<i64>, i64) {
    let table = TABLES.iter().find(|table| table.name == "entry").unwrap();
    let at = table.columns.iter().position(|column| column.name == "position").unwrap();
    let mut side = location.hold().map_err(|error| error.to_string()).unwrap();
    let mut given = Vec::new();
    walk(&mut *side, table, |rows| {
        given.extend(rows.iter().map(|row| match row[at] {
            Value::Number(position) => position,
            ref other => panic!("{other:?}"),
        }));
        Ok(())
    })
    .map_err(|error| error.to_string())
    .unwrap();
    given.sort_unstable();
    (given, side.counters().map_err(|error| error.to_string()).unwrap().position)
}

#[test]
fn each_repeat_is_found_and_lines_keep_their_order_and_no_place_is_given_twice() {
    let mut places = Places::new();
    let from = places.in_file("from.db");
    for to in [Some(places.in_file("to.db")), places.on_server()].into_iter().flatten() {
        let _ = std::fs::remove_file(places.file("from.db"));
        let store = open(&from);
        run(&store, |tx| {
            tx.insert(&[shared("a"), shared("b")])?;
            tx.insert(&(0..MANY).map(numbered).collect::<Vec<_>>())?;
            tx.insert(&[shared("c"), shared("d")])
        });
        drop(store);

        let hops = [(&from, &to, "a"), (&to, &from, "b"), (&from, &to, "c"), (&to, &from, "d")];
        for (hop, (here, there, next)) in hops.into_iter().enumerate() {
            // After each copy one of the oldest and one of the newest are closed and forgotten.
            let ended = move |number: usize| number < hop || (MANY - hop..MANY).contains(&number);
            let all = MANY + hop;
            copy(here, there).unwrap();
            let store = open(there);
            let identities = (0..all).map(id).chain(["shared".to_owned()]).collect();
            let mut found = known(&store, identities);
            let shared = found.pop().flatten();
            assert_eq!(shared, Some(("d".to_owned(), None)), "the entry that came last");
            for (number, found) in found.into_iter().enumerate() {
                let last_state = ended(number).then_some(State::Discarded);
                assert_eq!(found, Some((id(number), last_state)), "{hop}");
            }

            let leased = run(&store, move |tx| {
                let leased = tx.lease(&lane(), pick(10, 110))?;
                leased.iter().try_for_each(|row| tx.settle(row.lease(), &done(), 50).map(drop))?;
                Ok(leased)
            });
            let leased: Vec<&str> = leased.iter().map(|row| row.id.as_str()).collect();
            assert_eq!(leased, [next], "one of a line at a time");
            let closed = run(&store, move |tx| {
                tx.insert(&[numbered(all)])?;
                let mut closed = Vec::new();
                for number in [hop, MANY - 1 - hop] {
                    let seq = tx.row(Queue::Entries, &id(number))?.map_or(0, |row| row.seq);
                    closed.push(tx.close(Queue::Entries, seq, discarded(None), 30)?);
                }
                tx.forget(30, 9)?;
                Ok(closed)
            });
            assert_eq!(closed, [true, true]);
            drop(store);
            let (given, last) = positions(there);
            assert!(given.is_sorted_by(|one, next| one < next), "{hop}: a place was given twice");
            assert!(given.last().is_some_and(|newest| *newest <= last), "{hop}");
        }
    }
}
