//! The engine under a deterministic scheduler: rows in memory, a faked upstream, a clock that stands until everybody waits, and chance
//! from a seed. The process dies before or after commits and calls, and is started again. A seed repeats a run:
//!
//! ```text
//! SIMULATION_SEED=17 cargo test --lib queue::simulation      one schedule
//! SIMULATION_SCHEDULES=1000000 cargo test --lib queue::simulation
//! ```
//!
//! What counts as a failure: an acknowledged event that is not settled in the end; one event under two ids, or two under one; an event
//! that arrives with two application ids; events of one composition that first arrive in another order than they were accepted, or two
//! of them under way at once; an entry that counts as settled before that is durable; a message for the mediator too few or too many.

mod crash;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::crash::{Disk, Fuse};
use self::world::{Seen, Upstream, World};
use super::{Engine, Settings};
use crate::destinations::{Destination, Read};
use crate::error::Result;
use crate::keys::{Keyring, Ring};
use crate::ledger::{Accepted, Ledger};
use crate::mosip::event::{Event, EventKind};
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Filter, Queue, Row, State, Store};
use crate::upstream::Reply;

type ReadStatus = Box<dyn FnOnce(&Reply) -> Result<Read> + Send>;

/// A defect that the simulation has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plant {
    /// The store forgets leases.
    DroppedLease,
    /// The store says that a commit is durable before it is.
    VerdictBeforeCommit,
    /// A destination sends an application id that it has not stored.
    UnstoredAid,
    /// A destination makes up an id of its own for some attempts.
    AnotherId,
}

const COMPOSITIONS: u32 = 3;
const EVENTS: u32 = 8;
/// The process dies this often at most.
const MOST_CRASHES: u32 = 4;
const LEASE: Duration = Duration::from_secs(60);
/// By then everything is settled, on the clock of the simulation.
const END: Duration = Duration::from_hours(24 * 30);

/// What is posted, in order, and what came of it.
#[derive(Default)]
struct Posts {
    waiting: Vec<(EventKind, Bytes)>,
    /// By content: the id that was acknowledged.
    acknowledged: BTreeMap<Bytes, String>,
}

impl Posts {
    fn new(random: &Random) -> Self {
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let mut waiting = Vec::new();
        for number in 0..EVENTS {
            let composition = random.u32() % COMPOSITIONS;
            let nth = last.entry(composition).and_modify(|nth| *nth += 1).or_insert(0);
            let (kind, topic) = match *nth {
                0 => (EventKind::Birth, "BIRTH_REGISTERED"),
                1 => (EventKind::BirthCorrection, "CORRECTED"),
                2 => (EventKind::Death, "DEATH_REGISTERED"),
                _ => (EventKind::DeathCorrection, "CORRECTED"),
            };
            let body = format!(
                r#"{{"event":{{"hub":{{"topic":"{topic}"}},"context":[{{"entry":[{{"resource":{{"resourceType":"Task","focus":{{"reference":"Composition/c{composition}"}}}}}},{{"resource":{{"resourceType":"Patient"}}}}],"number":{number}}}]}}}}"#
            );
            waiting.push((kind, Bytes::from(body)));
        }
        waiting.reverse();
        Self { waiting, acknowledged: BTreeMap::new() }
    }
}

/// All that outlives a process.
struct Outer {
    random: Random,
    plant: Option<Plant>,
    memory: Memory,
    /// The key file of the rows.
    key_file: PathBuf,
    seen: Arc<Mutex<Seen>>,
    posts: Arc<Mutex<Posts>>,
}

/// Runs the schedule of `seed` to its end. What must not have happened, if anything did.
fn simulate(seed: u64, plant: Option<Plant>, dir: &TempDir) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let random = Random::seeded(seed);
        let posts = Arc::new(Mutex::new(Posts::new(&random)));
        let (memory, key_file) = (Memory::default(), dir.path().join("outbox.key"));
        let mut outer = Outer { random, plant, memory, key_file, seen: Arc::default(), posts };
        let lives = async {
            let mut crashes = 0;
            while outer.live(crashes < MOST_CRASHES).await.is_continue() {
                crashes += 1;
            }
        };
        if timeout(END, lives).await.is_err() {
            outer.seen.lock().unwrap().faults.push("not everything was settled in the end".to_owned());
        }
        outer.check().await;
        std::mem::take(&mut outer.seen.lock().unwrap().faults)
    })
}

impl Outer {
    /// One life of the process, until everything is settled or it dies.
    async fn live(&mut self, may_crash: bool) -> ControlFlow<()> {
        let steps = if may_crash { self.random.u32() % 150 } else { u32::MAX };
        let fuse = Fuse::new(steps);
        let disk = Disk::new(self.memory.clone(), fuse.clone(), self.random.clone(), self.plant);
        let durable = disk.durable();
        let store = Store::new(disk);
        // One gateway that owns its database voids the leases of a dead one; several wait until they end.
        let voids_leases = self.random.u32().is_multiple_of(2);
        let ledger =
            Ledger::over(&self.key_file, &self.memory, store.clone(), self.random.clone(), voids_leases);
        let outside = Arc::new(World::new(Arc::clone(&self.seen), fuse.clone(), self.random.clone()));
        let upstream = Upstream { plant: self.plant, random: self.random.clone() };
        let destinations: [Arc<dyn Destination>; 1] = [Arc::new(upstream)];
        let settings =
            Settings { probe_interval: Duration::from_secs(30), lease: LEASE, random: self.random.clone() };
        let engine = Engine::new(ledger.clone(), outside, &destinations, settings);
        let (stop, stopping) = watch::channel(false);
        let life = async {
            let work = async {
                tokio::join!(self.post(&ledger), self.decide(&ledger, &store));
                let _ = stop.send(true);
            };
            let listen = self.listen(&ledger, &durable);
            tokio::select! {
                biased;
                ((), ()) = async { tokio::join!(engine.run(stopping, Keyring::fixed(Ring::default())), work) } => {}
                () = listen => {}
            }
        };
        let ended = tokio::select! {
            biased;
            () = fuse.blown() => ControlFlow::Continue(()),
            () = life => ControlFlow::Break(()),
        };
        if ended.is_continue() {
            self.memory = durable.lock().unwrap().clone();
        }
        ended
    }

    /// The registry posts, and posts again what was not acknowledged before the process died.
    async fn post(&self, ledger: &Ledger) {
        loop {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 30_000))).await;
            let Some((kind, body)) = self.posts.lock().unwrap().waiting.last().cloned() else { return };
            let Ok(Accepted { id, .. }) =
                ledger.accept(Event::parse(kind, body.clone()).unwrap(), vec!["mediator"], None).await
            else {
                continue;
            };
            let mut posts = self.posts.lock().unwrap();
            posts.waiting.pop();
            posts.acknowledged.insert(body, id);
        }
    }

    /// A person looks every ten minutes, and decides about what is parked, until everything is settled.
    async fn decide(&self, ledger: &Ledger, store: &Store) {
        loop {
            sleep(Duration::from_mins(10)).await;
            let _ = ledger.housekeep().await;
            let rows = self.rows(&self.memory).await;
            if self.posts.lock().unwrap().waiting.is_empty() && rows.iter().all(|row| row.state.is_settled())
            {
                return;
            }
            for row in rows.into_iter().filter(|row| row.state == State::Parked) {
                let now = ledger.uptime();
                let _ = store.run(move |tx| tx.requeue(Queue::Entries, row.seq, now)).await;
            }
            ledger.wake();
        }
    }

    /// Whoever is told that an entry is settled finds it so on the disk.
    async fn listen(&self, ledger: &Ledger, durable: &Mutex<Memory>) {
        let mut settled = ledger.settled();
        while let Ok(id) = settled.recv().await {
            let memory = durable.lock().unwrap().clone();
            let rows = self.rows(&memory).await;
            let row = rows.iter().find(|row| row.id == id);
            if !row.is_some_and(|row| row.state.is_settled() || row.state == State::Parked) {
                self.seen.lock().unwrap().faults.push(format!("{id} counts as settled and is not"));
            }
        }
        std::future::pending::<()>().await;
    }

    async fn rows(&self, memory: &Memory) -> Vec<Row> {
        rows_of(memory, Queue::Entries).await
    }

    async fn check(&self) {
        let rows = self.rows(&self.memory).await;
        let told = rows_of(&self.memory, Queue::Deliveries).await;
        let mut seen = self.seen.lock().unwrap();
        let posts = self.posts.lock().unwrap();
        let mut faults = Vec::new();
        for (content, id) in &posts.acknowledged {
            match rows.iter().find(|row| row.id == *id) {
                None => faults.push(format!("{id} was acknowledged and is lost")),
                Some(row) if row.state != State::Done => faults.push(format!("{id} is {:?}", row.state)),
                Some(_) => {}
            }
            let arrived = seen.posts.iter().filter(|post| post.content.as_bytes() == content);
            let first = arrived.clone().next();
            if first.is_none() {
                faults.push(format!("{id} never arrived"));
            }
            for post in arrived {
                if post.id != *id {
                    faults.push(format!("{id} arrived as {}", post.id));
                }
                if first.is_some_and(|first| first.aid != post.aid) {
                    faults.push(format!("{id} arrived with two application ids"));
                }
            }
        }
        // Nobody takes messages here, so that each is still there.
        let messages = |kind: &str| told.iter().filter(|row| row.kind == kind).count();
        let with_aid = rows.iter().filter(|row| row.result.is_some()).count();
        for (kind, told, due) in [
            ("event.accepted", messages("event.accepted"), posts.acknowledged.len()),
            ("aid.assigned", messages("aid.assigned"), with_aid),
        ] {
            if told != due {
                faults.push(format!("{told} messages {kind}, {due} are due"));
            }
        }
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        let mut arrived: Vec<&str> = Vec::new();
        for post in &seen.posts {
            if arrived.contains(&post.content.as_str()) {
                continue;
            }
            arrived.push(&post.content);
            let Some(seq) = rows.iter().find(|row| row.id == post.id).map(|row| row.seq) else { continue };
            if last.insert(&post.line, seq).is_some_and(|before| before > seq) {
                faults.push(format!("{} arrived behind its successor", post.id));
            }
        }
        seen.faults.extend(faults);
    }
}

async fn rows_of(memory: &Memory, queue: Queue) -> Vec<Row> {
    let store = Store::new(memory.clone());
    store.run(move |tx| tx.rows(queue, &Filter::default(), 0, usize::MAX)).await.unwrap()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_wherever_the_process_dies() {
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SCHEDULES").unwrap_or(500),
    };
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let dir = tempfile::tempdir().unwrap();
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds.end
                {
                    let faults = simulate(seed, None, &dir);
                    assert!(faults.is_empty(), "SIMULATION_SEED={seed}: {faults:#?}");
                }
            });
        }
    });
}

/// A simulation that finds nothing proves nothing.
#[test]
fn planted_defects_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for plant in [Plant::DroppedLease, Plant::VerdictBeforeCommit, Plant::UnstoredAid, Plant::AnotherId] {
        let found = (0..50).find(|seed| !simulate(*seed, Some(plant), &dir).is_empty());
        assert!(found.is_some(), "{plant:?}");
    }
}

#[test]
fn a_seed_repeats_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let plants = [None, Some(Plant::DroppedLease), Some(Plant::AnotherId)];
    for (plant, seed) in plants.into_iter().zip([3, 5, 7]) {
        assert_eq!(simulate(seed, plant, &dir), simulate(seed, plant, &dir));
    }
}
