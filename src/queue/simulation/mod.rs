//! The engine under a deterministic scheduler: rows in memory, a faked upstream, a clock that stands until everybody waits, and chance
//! from a seed. Of each seed one run counts the commits and the calls; then the process dies before and after each of them in turn, and is
//! started again, after which it may die at random. Seed and point repeat a run:
//!
//! ```text
//! SIMULATION_SEED=17 cargo test --lib queue::simulation                       all points of one seed
//! SIMULATION_SEED=17 SIMULATION_POINT=123 cargo test --lib queue::simulation  one of them
//! SIMULATION_SCHEDULES=1000000 cargo test --lib queue::simulation
//! ```
//!
//! Events go to two destinations, one of which may be away until all of them have arrived at the other; a job asks for tokens, MOSIP pushes before
//! and after the events that its pushes are about, and the mediator takes messages. One destination answers births and deaths later: MOSIP
//! rejects them or issues a credential, or is silent. Registrations become packets in two steps, and what MOSIP says of them, or its silence, is
//! confirmed in OpenCRVS's core in two more, or in one under the record token that every second one brings. Both answer what they have taken
//! already, refuse a token, or say nothing; a record of core is in use now and then.
//!
//! What counts as a failure at any moment, which is looked for after each commit, each call and each crash: what was acknowledged and is not
//! in the store; one event under two ids at one destination; an event that arrives with two application ids; events of one composition that
//! first arrive at a destination in another order than they were accepted, or two of them under way there at once; what counts as settled
//! before that is durable; a message for the mediator that comes out of order for its subject; two packets for a registration, or one with
//! other content; an answer of MOSIP that is looked at and causes no confirmation; a record that is decided under two transactions; events that
//! wait while another destination than theirs is away.
//!
//! What counts as a failure in the end: an acknowledged event, record or push that is not settled; an event that arrived under another id
//! than was acknowledged; a record with the answer of another; a message that is missing, or delivered as two; a push that is joined to another
//! event than its own, or to none though its event was there; a silence of MOSIP that is not told, or told after its answer; a registration
//! that is not processed, or not decided in OpenCRVS as MOSIP decided.

mod check;
mod country;
mod crash;
mod fakes;
mod plant;
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

use self::check::Watch;
use self::country::OPENCRVS;
use self::crash::{Disk, Fuse};
use self::fakes::{Deliveries, Ida, Mediator, System};
use self::plant::Plant;
use self::posts::Posts;
use self::world::{Seen, World};
use super::{Engine, Settings};
use crate::destinations::Destination;
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Filter, Listed, Queue, State, Store};

/// The process dies this often at most: at the point of the schedule, and then at random.
const MOST_CRASHES: u32 = 3;
/// A process that dies at random passes fewer points than this.
const LONGEST_LIFE: u32 = 300;
const LEASE: Duration = Duration::from_secs(60);
/// MOSIP is to answer within this time, which is about as long as a run takes to send everything.
const ANSWERED_WITHIN: Duration = Duration::from_mins(20);
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

/// What happens in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    seed: u64,
    /// The point of its first life at which the process dies; `None`: it never dies.
    dies_at: Option<u32>,
}

/// What a run shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    /// Points that the first life passed.
    points: u32,
    /// What must not have happened, seen as it happened.
    at_once: Vec<String>,
    /// What must not have happened, seen when everything had come to rest.
    in_the_end: Vec<String>,
}

impl Run {
    fn is_right(&self) -> bool {
        self.at_once.is_empty() && self.in_the_end.is_empty()
    }
}

/// Runs a schedule to its end.
fn simulate(schedule: Schedule, plant: Option<Plant>, dir: &TempDir) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let random = Random::seeded(schedule.seed);
        let posts = Arc::new(Mutex::new(Posts::new(&random)));
        let (memory, key_file) = (Memory::default(), dir.path().join("outbox.key"));
        let mut outer = Outer { random, plant, memory, key_file, seen: Seen::of(schedule.seed), posts };
        let mut run = Run::default();
        let lives = async {
            let (points, ended) = outer.live(schedule.dies_at).await;
            run.points = points;
            let (mut ended, mut crashes) = (ended, 1);
            while ended.is_continue() {
                let die = outer.random.u32() % LONGEST_LIFE;
                ended = outer.live(Some(die).filter(|_| crashes < MOST_CRASHES)).await.1;
                crashes += 1;
            }
        };
        if timeout(END, lives).await.is_err() {
            run.in_the_end.push("not everything was settled".to_owned());
        }
        run.in_the_end.extend(outer.check().await);
        run.at_once = std::mem::take(&mut outer.seen.lock().unwrap().faults);
        run
    })
}

/// Runs the schedules of `seed` until one goes wrong: one in which nothing dies, and one for every `step`th point of it. How many were
/// run, and what went wrong.
fn simulate_points(
    seed: u64,
    step: usize,
    plant: Option<Plant>,
    dir: &TempDir,
) -> (u64, Option<(Schedule, Run)>) {
    let whole = Schedule { seed, dies_at: None };
    let run = simulate(whole, plant, dir);
    if !run.is_right() {
        return (1, Some((whole, run)));
    }
    let mut done = 1;
    for point in (0..run.points).step_by(step) {
        let schedule = Schedule { seed, dies_at: Some(point) };
        let run = simulate(schedule, plant, dir);
        done += 1;
        if !run.is_right() {
            return (done, Some((schedule, run)));
        }
    }
    (done, None)
}

impl Outer {
    /// One life of the process, until everything is settled or it dies at a point. How many points it passed.
    async fn live(&mut self, dies_at: Option<u32>) -> (u32, ControlFlow<()>) {
        let fuse = Fuse::new(dies_at);
        let watch = Watch { posts: Arc::clone(&self.posts), seen: Arc::clone(&self.seen) };
        let (memory, random) = (self.memory.clone(), self.random.clone());
        let disk = Disk::new(memory, fuse.clone(), random, self.plant, watch.clone());
        let durable = disk.durable();
        let store = Store::new(disk);
        // One gateway that owns its database voids the leases of a dead one; several wait until they end.
        let voids_leases = self.random.u32().is_multiple_of(2);
        let ledger =
            Ledger::over(&self.key_file, &self.memory, store.clone(), self.random.clone(), voids_leases);
        ledger.expect_answers_within(ANSWERED_WITHIN);
        ledger.confirm_in_opencrvs(country::confirmations());
        let (seen, memory) = (Arc::clone(&self.seen), self.memory.clone());
        let outside = Arc::new(World::new(seen, fuse.clone(), self.random.clone(), memory));
        let (plant, random) = (self.plant, self.random.clone());
        let [packets, opencrvs] = country::destinations(plant, &random);
        let destinations: [Arc<dyn Destination>; 6] = [
            Arc::new(Mediator { plant, random: random.clone() }),
            Arc::new(System),
            Arc::new(Ida),
            Arc::new(Deliveries { plant, random }),
            packets,
            opencrvs,
        ];
        let (probe_interval, random) = (Duration::from_secs(30), self.random.clone());
        let settings = Settings { probe_interval, lease: LEASE, random, tracer: Default::default() };
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
            watch.look(&self.memory).await;
            match self.plant {
                Some(Plant::DroppedRecord) => self.drop_waiting(Queue::Records, "").await,
                Some(Plant::ConfirmationApart) => self.drop_waiting(Queue::Entries, OPENCRVS).await,
                _ => {}
            }
        }
        (fuse.passed(), ended)
    }

    /// What is posted, and posted again where it was not acknowledged before the process died.
    async fn post(&self, ledger: &Ledger) {
        loop {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 30_000))).await;
            let Some(call) = self.posts.lock().unwrap().next() else { return };
            if let Ok(id) = call.make(ledger, &self.seen).await {
                self.posts.lock().unwrap().acknowledged(id);
            }
        }
    }

    /// Pushes are verified in the order in which they came, some long after.
    async fn examine(&self, ledger: &Ledger) {
        loop {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 300_000))).await;
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
                if row.refusal.as_ref().is_some_and(|refusal| refusal.contains("rejected-before")) {
                    let _ = ledger.discard(row.id, "MOSIP was silent for too long".to_owned()).await;
                    continue;
                }
                let now = ledger.uptime();
                let _ = store.run(move |tx| tx.requeue(Queue::Entries, row.seq, now)).await;
            }
            ledger.wake();
        }
    }

    async fn is_settled(&self) -> bool {
        let store = Store::new(self.memory.clone());
        let pushes = store.run(|tx| tx.pushes(false, 0, 1)).await.unwrap();
        let expected = store.run(|tx| tx.overdue(i64::MAX, 1)).await.unwrap();
        let mut rows = self.rows(Queue::Entries).await;
        rows.extend(self.rows(Queue::Records).await);
        rows.extend(self.rows(Queue::Deliveries).await);
        pushes.is_empty() && expected.is_empty() && rows.iter().all(|row| row.state.is_settled())
    }

    /// Whoever is told that something is settled finds it so on the disk: an entry or a record stands so, a message is gone.
    async fn listen(&self, ledger: &Ledger, durable: &Mutex<Memory>) {
        let mut settled = ledger.settled();
        while let Ok(id) = settled.recv().await {
            let memory = durable.lock().unwrap().clone();
            let mut found = Vec::new();
            for queue in [Queue::Entries, Queue::Records, Queue::Deliveries] {
                let id = id.clone();
                let row = Store::new(memory.clone()).run(move |tx| tx.listed(queue, &id)).await.unwrap();
                found.extend(row);
            }
            let is_so = match found.as_slice() {
                [] => id.starts_with("msg_"),
                found => found.iter().all(|row| row.state.is_settled() || row.state == State::Parked),
            };
            if !is_so {
                self.seen.lock().unwrap().fault(format!("{id} counts as settled and is not"));
            }
        }
        std::future::pending::<()>().await;
    }

    async fn rows(&self, queue: Queue) -> Vec<Listed> {
        let store = Store::new(self.memory.clone());
        store.run(move |tx| tx.rows(queue, &Filter::default(), 0, usize::MAX)).await.unwrap()
    }

    /// Loses a row that waits, to `destination` where one is named.
    async fn drop_waiting(&self, queue: Queue, destination: &str) {
        let is_lost = |row: &Listed| !row.state.is_settled() && row.destination.starts_with(destination);
        if let Some(row) = self.rows(queue).await.into_iter().find(is_lost) {
            let store = Store::new(self.memory.clone());
            store.run(move |tx| tx.delete(queue, row.seq)).await.unwrap();
        }
    }

    async fn check(&self) -> Vec<String> {
        let rows = self.rows(Queue::Entries).await;
        let store = Store::new(self.memory.clone());
        let ledger = Ledger::over(&self.key_file, &self.memory, store, self.random.clone(), false);
        let job = self.posts.lock().unwrap().job.clone();
        let mut faults = check::records(job, &ledger).await;
        let (posts, seen) = (self.posts.lock().unwrap(), self.seen.lock().unwrap());
        faults.extend(check::events(&posts, &seen, &rows));
        faults.extend(check::messages(&posts, &seen, &rows));
        faults.extend(check::registrations(&posts, &seen));
        faults
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A seed that was begun is run to its last point, so that there are a few schedules more than are asked for. Where none are asked for, each
/// seed is looked at here and there.
#[test]
fn nothing_is_lost_doubled_or_out_of_order_wherever_the_process_dies() {
    let (seed, point) = (number("SIMULATION_SEED"), number("SIMULATION_POINT"));
    if let (Some(seed), Some(point)) = (seed, point) {
        let dies_at = u32::try_from(point).ok();
        let run = simulate(Schedule { seed, dies_at }, None, &tempfile::tempdir().unwrap());
        assert!(run.is_right(), "{run:#?}");
        return;
    }
    let asked = number("SIMULATION_SCHEDULES").or(seed.map(|_| 1));
    let (schedules, step) = asked.map_or((200, 37), |asked| (asked, 1));
    let (next, done) = (AtomicU64::new(seed.unwrap_or(0)), AtomicU64::new(0));
    let threads =
        if seed.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, NonZero::get) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let dir = tempfile::tempdir().unwrap();
                while done.load(Ordering::Relaxed) < schedules {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (run, wrong) = simulate_points(seed, step, None, &dir);
                    if let Some((Schedule { seed, dies_at }, run)) = wrong {
                        panic!("SIMULATION_SEED={seed}, point {dies_at:?}: {run:#?}");
                    }
                    done.fetch_add(run, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} schedules of {} seeds", done.into_inner(), next.into_inner());
}

/// A simulation that finds nothing proves nothing.
#[test]
fn planted_defects_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for plant in Plant::ALL {
        let found = (0..9).find_map(|seed| simulate_points(seed, 3, Some(plant), &dir).1);
        assert!(found.is_some(), "{plant:?}");
    }
}

/// Each is found for what it is, and not for what follows from it.
#[test]
fn defects_on_the_way_are_found_as_they_happen() {
    let dir = tempfile::tempdir().unwrap();
    for (plant, fault) in Plant::ON_THE_WAY {
        let found = (0..9).find_map(|seed| simulate_points(seed, 3, Some(plant), &dir).1);
        let faults = found.map(|(_, run)| run.at_once).unwrap_or_default();
        assert!(faults.iter().any(|found| found.contains(fault)), "{plant:?}: {faults:?}");
    }
}

/// What is written late is there in the end, unless the process dies just then.
#[test]
fn a_defect_that_is_over_before_the_end_is_found_when_it_happens() {
    let dir = tempfile::tempdir().unwrap();
    let run = simulate(Schedule { seed: 0, dies_at: None }, Some(Plant::WrittenLate), &dir);
    assert_eq!(run.in_the_end, Vec::<String>::new());
    assert!(run.at_once.iter().any(|fault| fault.starts_with("token-")), "{run:?}");
}

#[test]
fn a_schedule_repeats_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let plants = [None, Some(Plant::DroppedLease), Some(Plant::AnotherId)];
    for (plant, (seed, dies_at)) in plants.into_iter().zip([(3, Some(40)), (5, None), (7, Some(90))]) {
        let schedule = Schedule { seed, dies_at };
        assert_eq!(simulate(schedule, plant, &dir), simulate(schedule, plant, &dir));
    }
}
