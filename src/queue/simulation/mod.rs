//! The engine under a deterministic scheduler: rows in memory, a faked upstream, a clock that stands until everybody waits, and chance
//! from a seed. The process dies before or after commits and calls, and is started again. A seed repeats a run:
//!
//! ```text
//! SIMULATION_SEED=17 cargo test --lib queue::simulation      one schedule
//! SIMULATION_SCHEDULES=1000000 cargo test --lib queue::simulation
//! ```
//!
//! Events go to two destinations, a job asks for tokens, MOSIP pushes before and after the events that its pushes are about, and the
//! mediator takes messages.
//!
//! What counts as a failure: an acknowledged event, record or push that is not settled in the end; one event under two ids at one
//! destination; an event that arrives with two application ids; events of one composition that first arrive at a destination in another
//! order than they were accepted, or two of them under way there at once; a record with the answer of another; what counts as settled
//! before that is durable; a message for the mediator that is missing, told as two, or out of order for its subject; a push that is joined
//! to another event than its own, or to none though its event was there.

mod check;
mod crash;
mod fakes;
mod posts;
mod world;

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::crash::{Disk, Fuse};
use self::fakes::{Deliveries, Ida, Mediator, System};
use self::posts::Posts;
use self::world::{Seen, World};
use super::{Engine, Settings};
use crate::destinations::Destination;
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Filter, Queue, Row, State, Store};

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
    /// A delivery counts as taken before the mediator has answered.
    UnansweredDelivery,
    /// A crash costs a record of a job that waits.
    DroppedRecord,
}

impl Plant {
    const ALL: [Self; 6] = [
        Self::DroppedLease,
        Self::VerdictBeforeCommit,
        Self::UnstoredAid,
        Self::AnotherId,
        Self::UnansweredDelivery,
        Self::DroppedRecord,
    ];
}

/// The process dies this often at most.
const MOST_CRASHES: u32 = 4;
const LEASE: Duration = Duration::from_secs(60);
/// By then everything is settled, on the clock of the simulation.
const END: Duration = Duration::from_hours(24 * 30);

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
        let steps = if may_crash { self.random.u32() % 300 } else { u32::MAX };
        let fuse = Fuse::new(steps);
        let disk = Disk::new(self.memory.clone(), fuse.clone(), self.random.clone(), self.plant);
        let durable = disk.durable();
        let store = Store::new(disk);
        // One gateway that owns its database voids the leases of a dead one; several wait until they end.
        let voids_leases = self.random.u32().is_multiple_of(2);
        let ledger =
            Ledger::over(&self.key_file, &self.memory, store.clone(), self.random.clone(), voids_leases);
        let (seen, memory) = (Arc::clone(&self.seen), self.memory.clone());
        let outside = Arc::new(World::new(seen, fuse.clone(), self.random.clone(), memory));
        let (plant, random) = (self.plant, self.random.clone());
        let destinations: [Arc<dyn Destination>; 4] = [
            Arc::new(Mediator { plant, random: random.clone() }),
            Arc::new(System),
            Arc::new(Ida),
            Arc::new(Deliveries { plant, random }),
        ];
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
                () = self.examine(&ledger) => {}
            }
        };
        let ended = tokio::select! {
            biased;
            () = fuse.blown() => ControlFlow::Continue(()),
            () = life => ControlFlow::Break(()),
        };
        if ended.is_continue() {
            self.memory = durable.lock().unwrap().clone();
            if self.plant == Some(Plant::DroppedRecord) {
                self.drop_record().await;
            }
        }
        ended
    }

    /// What is posted, and posted again where it was not acknowledged before the process died.
    async fn post(&self, ledger: &Ledger) {
        loop {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 30_000))).await;
            let Some(call) = self.posts.lock().unwrap().next() else { return };
            if let Ok(id) = call.make(ledger).await {
                self.posts.lock().unwrap().acknowledged(id);
            }
        }
    }

    /// Pushes are verified in the order in which they came, some long after.
    async fn examine(&self, ledger: &Ledger) {
        loop {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 60_000))).await;
            while let Ok(Some((_, push))) = ledger.next_received(0).await {
                let _ = ledger.verified(push.id, &push.kind, posts::notice(&push.body)).await;
            }
        }
    }

    /// A person looks every ten minutes, and decides about what is parked, until everything is settled.
    async fn decide(&self, ledger: &Ledger, store: &Store) {
        loop {
            sleep(Duration::from_mins(10)).await;
            let _ = ledger.housekeep().await;
            if self.posts.lock().unwrap().is_empty() && self.is_settled().await {
                return;
            }
            for row in self.rows(Queue::Entries).await.into_iter().filter(|row| row.state == State::Parked) {
                let now = ledger.uptime();
                let _ = store.run(move |tx| tx.requeue(Queue::Entries, row.seq, now)).await;
            }
            ledger.wake();
        }
    }

    async fn is_settled(&self) -> bool {
        let store = Store::new(self.memory.clone());
        let pushes = store.run(|tx| tx.pushes(false, 0, 1)).await.unwrap();
        let mut rows = self.rows(Queue::Entries).await;
        rows.extend(self.rows(Queue::Records).await);
        rows.extend(self.rows(Queue::Deliveries).await);
        pushes.is_empty() && rows.iter().all(|row| row.state.is_settled())
    }

    /// Whoever is told that something is settled finds it so on the disk: an entry or a record stands so, a message is gone.
    async fn listen(&self, ledger: &Ledger, durable: &Mutex<Memory>) {
        let mut settled = ledger.settled();
        while let Ok(id) = settled.recv().await {
            let memory = durable.lock().unwrap().clone();
            let mut found = Vec::new();
            for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
                let id = id.clone();
                let row = Store::new(memory.clone()).run(move |tx| tx.row(queue, &id)).await.unwrap();
                found.extend(row);
            }
            let is_so = match found.as_slice() {
                [] => id.starts_with("msg_"),
                found => found.iter().all(|row| row.state.is_settled() || row.state == State::Parked),
            };
            if !is_so {
                self.seen.lock().unwrap().faults.push(format!("{id} counts as settled and is not"));
            }
        }
        std::future::pending::<()>().await;
    }

    async fn rows(&self, queue: Queue) -> Vec<Row> {
        let store = Store::new(self.memory.clone());
        store.run(move |tx| tx.rows(queue, &Filter::default(), 0, usize::MAX)).await.unwrap()
    }

    async fn drop_record(&self) {
        let waiting = self.rows(Queue::Records).await.into_iter().find(|row| !row.state.is_settled());
        if let Some(row) = waiting {
            let store = Store::new(self.memory.clone());
            store.run(move |tx| tx.delete(Queue::Records, row.seq)).await.unwrap();
        }
    }

    async fn check(&self) {
        let rows = self.rows(Queue::Entries).await;
        let store = Store::new(self.memory.clone());
        let ledger = Ledger::over(&self.key_file, &self.memory, store, self.random.clone(), false);
        let job = self.posts.lock().unwrap().job.clone();
        let mut faults = check::records(job, &ledger).await;
        let mut seen = self.seen.lock().unwrap();
        let posts = self.posts.lock().unwrap();
        faults.extend(check::events(&posts, &seen, &rows));
        faults.extend(check::messages(&posts, &seen, &rows));
        seen.faults.extend(faults);
    }
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
    for plant in Plant::ALL {
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
