//! Copies between files, and between a file and a server, cut off after each step; what was in the one is in the other.

mod newest;
mod running;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::error;
use crate::store::conformance::{lane, name, new, of_line, pick, refusal};
use crate::store::postgres::tests::Home as Server;
use crate::store::{
    Advance, AttemptRow, Closing, CorrelationRow, Filter, GatewayRow, Lane, NewRow, OutcomeRow, Owner,
    OwnerError, PushRow, Queue, SEALED, State, Store, TokenRow, Tx, Verdict,
};

/// The columns of [`TABLES`], each behind its table.
pub(in crate::store) fn columns() -> BTreeSet<String> {
    let of =
        |table: &'static Table| table.columns.iter().map(|column| format!("{}.{}", table.name, column.name));
    TABLES.iter().flat_map(of).collect()
}

/// Where databases of one test are.
struct Places {
    folder: TempDir,
    servers: Vec<Server>,
}

impl Places {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn in_file(&self, name: &str) -> Location {
        Location::in_file(self.file(name))
    }

    /// `None`, with a word, where there is no server.
    fn on_server(&mut self) -> Option<Location> {
        let server = Server::new()?;
        let location = server.location();
        self.servers.push(server);
        Some(location)
    }

    /// From a file to a file, and, where there is a server, to it, from it, and from one to another.
    fn pairs(&mut self) -> Vec<(Location, Location)> {
        let mut pairs = vec![(self.in_file("a.db"), self.in_file("b.db"))];
        for (number, to_server, from_server) in [(1, true, false), (2, false, true), (3, true, true)] {
            let mut place = |on_server: bool, side: &str| match on_server {
                true => self.on_server(),
                false => Some(self.in_file(&format!("{side}{number}.db"))),
            };
            if let (Some(from), Some(to)) = (place(from_server, "from"), place(to_server, "to")) {
                pairs.push((from, to));
            }
        }
        pairs
    }
}

struct Unsealed;

impl Owner for Unsealed {
    fn prepare(&self) -> Result<(), OwnerError> {
        Ok(())
    }

    fn opened(&self, tx: &mut dyn Tx, voids_leases: bool) -> Result<(), OwnerError> {
        if tx.sealed("owner")?.is_none() {
            tx.set_sealed("owner", b"nobody")?;
        }
        if voids_leases {
            tx.release_all()?;
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        None
    }
}

fn open(location: &Location) -> Store {
    location.open(Arc::new(Unsealed)).map_err(|error| error.to_string()).unwrap()
}

fn refusal_of(location: &Location) -> String {
    location.open(Arc::new(Unsealed)).err().unwrap().to_string()
}

fn run<T: Send + 'static>(
    store: &Store,
    job: impl Fn(&mut dyn Tx) -> error::Result<T> + Send + 'static,
) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.run(job)).unwrap()
}

fn condition(location: &Location) -> Condition {
    location.hold().map_err(|error| error.to_string()).unwrap().condition().unwrap()
}

fn copy(from: &Location, to: &Location) -> Result<Vec<(&'static str, u64)>, String> {
    Copying::hold(from, to).and_then(Copying::run).map_err(|error| error.to_string())
}

/// A copy that ends after `step`.
fn cut_off(from: &Location, to: &Location, step: Step) {
    let copying = Copying::hold(from, to).map_err(|error| error.to_string()).unwrap();
    let cut = copying.run_with(&mut |done| match done == step {
        true => Err(OpenError::Refused("cut off".to_owned())),
        false => Ok(()),
    });
    assert_eq!(cut.unwrap_err().to_string(), "cut off");
}

fn in_queue(queue: Queue, id: &str) -> NewRow {
    NewRow {
        queue,
        destination: "elsewhere".to_owned(),
        line: None,
        result: Some(b"result".to_vec()),
        met_by: (queue == Queue::Deliveries).then(|| "parked".to_owned()),
        job: (queue == Queue::Records).then_some((1, 7)),
        trace: Some("trace".to_owned()),
        ..new(id)
    }
}

/// Something in every table and in every column.
fn fill(tx: &mut dyn Tx) -> error::Result<()> {
    tx.set_number("formula", 3)?;
    tx.set_number("holder housekeeping", 5)?;
    tx.insert_job("job", "csv", 20)?;
    tx.settle_job(1, 30)?;
    tx.insert(&[NewRow { identity: Some(name("identity")), ..new("done") }])?;
    tx.insert(&["parked", "later", "leased"].map(new))?;
    tx.insert(&[of_line("behind", "parked"), of_line("unlike", "other")])?;
    tx.insert(&[in_queue(Queue::Records, "record"), in_queue(Queue::Deliveries, "delivery")])?;
    let leased = tx.lease(&lane(), pick(10, 110))?;
    let named = |id: &str| leased.iter().find(|row| row.id == id).unwrap().lease();
    let advance = Advance { progress: Some(b"half".to_vec()), result: Some(b"aid".to_vec()), sent: true };
    for (number, id) in [(1, "done"), (2, "parked")] {
        tx.advance(named(id), &advance)?;
        let attempt = AttemptRow {
            number,
            ended_at: 40,
            outcome: "refused".to_owned(),
            upstream: Some("E1".to_owned()),
        };
        tx.note_attempt(named(id).seq, &attempt)?;
    }
    tx.settle(named("done"), &Verdict::Settled { state: State::Done, result: None }, 50)?;
    tx.settle(named("parked"), &Verdict::Park(refusal()), 50)?;
    tx.settle(named("later"), &Verdict::Again { next_at: 9_000, refusal: Some(refusal()) }, 50)?;
    tx.advance(named("leased"), &advance)?;
    let unlike = tx.row(Queue::Entries, "unlike")?.map_or(0, |row| row.seq);
    tx.settle(named("unlike"), &Verdict::Again { next_at: 0, refusal: None }, 50)?;
    let closing = Closing { state: State::Discarded, reason: Some("a person"), result: None };
    tx.close(Queue::Entries, unlike, closing, 60)?;
    let elsewhere = |queue| Lane { queue, destination: "elsewhere".to_owned(), kinds: Vec::new() };
    for queue in [Queue::Records, Queue::Deliveries] {
        for row in tx.lease(&elsewhere(queue), pick(10, 110))? {
            tx.advance(row.lease(), &advance)?;
            tx.settle(row.lease(), &Verdict::Park(refusal()), 50)?;
        }
    }
    tx.insert_key(&name("key"), &name("identity"), 70)?;
    tx.mark_verified(&name("message"), 70)?;
    for number in 0..3 {
        let (entry, subject) = (format!("subject {number}"), vec![number]);
        let names = ["all", &entry].map(name);
        tx.correlate(&CorrelationRow { entry: entry.clone(), subject, seen_at: 80 }, &names)?;
        tx.expect(&entry, Some(90))?;
        tx.conclude(&entry, &OutcomeRow { outcome: "issued".to_owned(), answer: b"answer".to_vec() })?;
        tx.keep_token(&entry, Some(&TokenRow { token: Some(b"token".to_vec()), until: 95 }))?;
    }
    for id in ["p1", "p2"] {
        let listed = crate::store::ListedPush {
            seq: 0,
            id: id.to_owned(),
            kind: "credential".to_owned(),
            is_quarantined: id == "p2",
            received_at: 5,
            bytes: 6,
            refusal: (id == "p2").then(|| "why".to_owned()),
        };
        tx.insert_push(&PushRow { listed, body: vec![9; 9] })?;
    }
    tx.beat(
        &GatewayRow {
            id: 1,
            host: "h".to_owned(),
            version: "v".to_owned(),
            seen_at: 1,
            keys: "k".to_owned(),
        },
        0,
    )
}

/// What the verbs tell of everything that [`fill`] wrote.
fn picture(tx: &mut dyn Tx) -> error::Result<Vec<String>> {
    let mut told = Vec::new();
    for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
        for row in tx.rows(queue, &Filter::default(), 0, 99)? {
            if row.id != "leased" {
                told.push(format!("{:?} {:?}", tx.row(queue, &row.id)?, tx.attempts(row.seq)?));
            }
        }
    }
    told.push(format!("{:?} {:?}", tx.number("formula")?, tx.sealed("owner")?));
    told.push(format!("{:?} {:?}", tx.job("job")?, tx.records(1, 0, 9)?));
    told.push(format!("{:?} {:?}", tx.identity(&name("identity"))?, tx.key(&name("key"))?));
    told.push(format!("{:?}", tx.marked_verified(&name("message"))?));
    told.push(format!("{:?} {:?}", tx.named(&name("all"), 9)?, tx.named(&name("subject 1"), 9)?));
    told.push(format!("{:?} {:?}", tx.overdue(90, 9)?, tx.overdue(89, 9)?));
    told.push(format!("{:?} {:?}", tx.outcome("subject 2")?, tx.token("subject 2")?));
    told.push(format!("{:?} {:?}", tx.push("p1")?, tx.push("p2")?));
    told.push(format!("{:?}", tx.push_size("credential")?));
    // The rows of the database's own are numbered anew.
    for column in SEALED.into_iter().filter(|column| column.table != "meta") {
        told.push(format!("{:?}", tx.sealed_values(column, Seq::MIN, 99)?));
    }
    Ok(told)
}

/// The source with something in it, and what its verbs tell.
fn filled(location: &Location) -> Vec<String> {
    let store = open(location);
    run(&store, fill);
    run(&store, picture)
}

#[test]
fn everything_moves_there_and_back_and_new_rows_come_behind() {
    let mut places = Places::new();
    for (from, to) in places.pairs() {
        let before = filled(&from);
        let copied = copy(&from, &to).unwrap();
        assert!(copied.iter().all(|(_, rows)| *rows > 0), "no table is left out of the test: {copied:?}");
        let there = open(&to);
        let settled = run(&there, |tx| tx.row(Queue::Entries, "leased")).unwrap();
        assert_eq!((settled.state, settled.leased_until, settled.next_at), (State::Queued, None, 0));
        assert_eq!((settled.attempts, settled.sent), (1, true), "what it knows of its arrival is kept");
        assert_eq!(run(&there, |tx| tx.number("holder housekeeping")), None, "who held a task is gone");
        let later =
            |told: Vec<String>| told.into_iter().filter(|row| !row.contains("\"later\"")).collect::<Vec<_>>();
        // A start over a file has everything go at once.
        assert_eq!(later(run(&there, picture)), later(before.clone()), "{from} to {to}");

        run(&there, |tx| tx.insert(&[new("new")]));
        let order = run(&there, |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99));
        assert_eq!(order.last().unwrap().id, "new");
        assert_eq!(run(&there, |tx| tx.lease(&lane(), pick(20_000, 20_100))).last().unwrap().id, "new");
        drop(there);

        assert!(refusal_of(&from).contains("were moved to"), "{}", refusal_of(&from));
        copy(&to, &from).unwrap();
        assert!(refusal_of(&to).contains("were moved to"));
        let back = open(&from);
        let rows = run(&back, |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99));
        assert_eq!(rows.len(), order.len());
        drop(back);
        copy(&from, &to).unwrap();
        assert!(matches!(condition(&to), Condition::Usable { .. }), "any number of times");
    }
}

#[test]
fn cut_off_anywhere_one_at_most_is_usable_and_the_same_command_goes_on() {
    for step in [Step::Written, Step::Kept, Step::Retired] {
        let mut places = Places::new();
        for (from, to) in places.pairs() {
            filled(&from);
            cut_off(&from, &to, step);
            let is_usable = |location| matches!(condition(location), Condition::Usable { .. });
            assert_eq!((is_usable(&from), is_usable(&to)), (step != Step::Retired, false), "{step:?}");
            if step != Step::Written {
                assert!(refusal_of(&to).contains("is not finished"), "{}", refusal_of(&to));
            }
            let mut rows = 6;
            if step != Step::Retired {
                // The gateway went on meanwhile.
                run(&open(&from), |tx| tx.insert(&[new("meanwhile")]));
                rows += 1;
            } else {
                assert!(refusal_of(&from).contains("were moved to"));
            }
            copy(&from, &to).unwrap();
            assert_eq!((is_usable(&from), is_usable(&to)), (false, true), "{step:?}");
            let there = run(&open(&to), |tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99));
            assert_eq!(there.len(), rows, "{step:?}");
            assert!(copy(&from, &to).unwrap().is_empty(), "once more does nothing");
            assert!(is_usable(&to));
        }
    }
}

#[test]
fn what_a_former_copy_left_never_comes_into_use_beside_a_later_one() {
    let mut places = Places::new();
    let third = places.in_file("third.db");
    for (from, to) in places.pairs() {
        let _ = std::fs::remove_file(places.file("third.db"));
        filled(&from);
        cut_off(&from, &to, Step::Kept);
        copy(&from, &third).unwrap();
        let refused = copy(&from, &to).unwrap_err();
        assert!(refused.contains("were moved to") && refused.contains("third.db"), "{refused}");
        assert!(matches!(condition(&to), Condition::Out(_)));
        let refused = copy(&third, &to).unwrap_err();
        assert!(refused.contains("is not finished"), "nothing else is written over: {refused}");
    }
}

#[test]
fn what_was_cut_off_is_not_written_over_by_another_outbox_in_the_place_of_the_former_one() {
    let mut places = Places::new();
    for (_, to) in places.pairs() {
        let file = places.file("replaced.db");
        let from = places.in_file("replaced.db");
        let before = filled(&from);
        cut_off(&from, &to, Step::Retired);
        std::fs::rename(&file, places.file("aside.db")).unwrap();
        filled(&from);
        let refused = copy(&from, &to).unwrap_err();
        assert!(refused.contains("is not finished"), "{refused}");
        std::fs::rename(places.file("aside.db"), &file).unwrap();
        assert!(copy(&from, &to).unwrap().is_empty(), "the end of it was missing alone");
        assert_eq!(run(&open(&to), picture).len(), before.len());
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn large_rows_are_read_a_few_at_a_time() {
    let mut places = Places::new();
    for (from, to) in places.pairs() {
        let store = open(&from);
        run(&store, |tx| {
            let large =
                |number: usize| NewRow { payload: Some(vec![7; BYTES / 2]), ..new(&format!("{number}")) };
            (0..5).try_for_each(|number| tx.insert(&[large(number)]))
        });
        drop(store);
        let entries = TABLES.iter().find(|table| table.name == "entry").unwrap();
        let mut side = from.hold().map_err(|error| error.to_string()).unwrap();
        assert!(side.rows(entries, None).unwrap().len() <= 3);
        drop(side);
        let copied = copy(&from, &to).unwrap();
        assert!(copied.contains(&("entry", 5)), "{copied:?}");
    }
}
