//! The four cases that one loop handles: a lease that was lost, the stop, an alarm, and a store that refuses.

mod hanging;
mod own;
mod shared;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderMap, Method};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::destinations::{Call, Done, Read, Step, TokenSource, Work};
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Backend, NewRow, Order, Pick, Row, State, Store};
use crate::telemetry::Tracer;
use crate::upstream::{Reply, Request, SendError};

const LEASE: Duration = Duration::from_secs(60);

/// Rows that can be out of reach, and that take their time.
struct Disk {
    memory: Memory,
    refuses: Arc<AtomicBool>,
    /// It never answers.
    hangs: Arc<AtomicBool>,
    latency: Duration,
}

impl Backend for Disk {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        if self.hangs.load(Ordering::SeqCst) {
            return std::future::pending().boxed();
        }
        match self.refuses.load(Ordering::SeqCst) {
            true => std::future::ready(Err(Error::new(Code::Storage, "full"))).boxed(),
            false if self.latency.is_zero() => self.memory.run(order),
            false => async {
                sleep(self.latency).await;
                self.memory.run(order).await
            }
            .boxed(),
        }
    }
}

/// Where calls end once they may, and how many were begun, ended and broken off.
#[derive(Default)]
struct Upstream {
    begun: AtomicUsize,
    ended: AtomicUsize,
    may_end: Notify,
    /// So many calls panic.
    panics: AtomicUsize,
}

impl Outside for Upstream {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        _: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.may_end.notified().await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(Ok(taken()))
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        if self.panics.load(Ordering::SeqCst) > 0 {
            self.panics.fetch_sub(1, Ordering::SeqCst);
            // As a panic, without its message on the terminal.
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        let step = steps.next(&work);
        std::future::ready(step.map(|step| (work, step))).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn taken() -> Reply {
    Reply { status: http::StatusCode::OK, headers: HeaderMap::new(), body: bytes::Bytes::new() }
}

struct Post;

impl Steps for Post {
    fn next(&self, work: &Work) -> Result<Step> {
        let request = Request {
            method: Method::POST,
            uri: "http://upstream/".parse().unwrap(),
            headers: HeaderMap::new(),
            body: work.payload.clone(),
            deadline: Duration::from_secs(600),
            max_response: 1024,
        };
        let read = Box::new(|reply: Result<Reply, SendError>| {
            reply?;
            Ok(Read::Done(Done::default()))
        });
        Ok(Step::from(Call { request, token: None, before: None, seal: None, resend: false, read }))
    }
}

/// A worker over its own rows, and what the tests do to it.
struct Bench {
    memory: Store,
    ledger: Ledger,
    refuses: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    upstream: Arc<Upstream>,
    stop: watch::Sender<bool>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Bench {
    fn new(concurrency: usize) -> Self {
        Self::slow(concurrency, Duration::ZERO, 1)
    }

    /// Its store answers after `latency`; `seed` decides how long failed attempts wait.
    fn slow(concurrency: usize, latency: Duration, seed: u64) -> Self {
        Self::making(Arc::new(Post), concurrency, latency, seed)
    }

    fn making(steps: Arc<dyn Steps>, concurrency: usize, latency: Duration, seed: u64) -> Self {
        let (memory, refuses, hangs) = (Memory::default(), Arc::default(), Arc::default());
        let (refusing, hanging) = (Arc::clone(&refuses), Arc::clone(&hangs));
        let store = Store::new(Disk { memory: memory.clone(), refuses: refusing, hangs: hanging, latency });
        let dir = tempfile::tempdir().unwrap();
        let key_file = dir.path().join("outbox.key");
        let ledger = Ledger::over(&key_file, &memory, store, Random::seeded(1), true);
        let upstream = Arc::new(Upstream::default());
        let worker = Worker {
            lane: lane(),
            steps,
            ledger: ledger.clone(),
            outside: Arc::clone(&upstream) as Arc<_>,
            health: Health::new(
                Duration::from_secs(30),
                Duration::from_secs(90),
                |_| false,
                Random::seeded(seed),
            ),
            resumed: Arc::default(),
            meters: Meters::default(),
            tracer: Tracer::default(),
            concurrency,
            lease: LEASE,
            is_local: false,
        };
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(Arc::new(worker).run(stopping));
        let (memory, running) = (Store::new(memory), Mutex::new(Some(running)));
        Self { memory, ledger, refuses, hangs, upstream, stop, running }
    }

    async fn queue(&self, id: &'static str) {
        self.ledger.insert(entry(id)).await.unwrap();
    }

    async fn row(&self, id: &'static str) -> Row {
        self.memory.run(move |tx| tx.row(Queue::Entries, id)).await.unwrap().unwrap()
    }

    /// Waits, on the clock of the test, until `holds`.
    async fn until(&self, holds: impl AsyncFn() -> bool) {
        while !holds().await {
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn has_begun(&self, calls: usize) {
        self.until(async || self.upstream.begun.load(Ordering::SeqCst) == calls).await;
    }

    async fn is_done(&self, id: &'static str) {
        self.until(async || self.row(id).await.state == State::Done).await;
    }

    async fn has_stopped(&self) {
        let running = self.running.lock().unwrap().take().unwrap();
        running.await.unwrap();
    }
}

/// A row of no line, whose payload is its id.
fn entry(id: &str) -> NewRow {
    NewRow {
        queue: Queue::Entries,
        id: id.to_owned(),
        destination: "mediator".to_owned(),
        kind: "birth".to_owned(),
        line: None,
        accepted_at: 0,
        waiting_since: 0,
        payload: Some(id.as_bytes().to_vec()),
        result: None,
        identity: None,
        met_by: None,
        job: None,
        trace: None,
        is_invalid: false,
    }
}

fn lane() -> Lane {
    Lane { queue: Queue::Entries, destination: "mediator".to_owned(), kinds: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_lease_is_not_made_a_second_time() {
    let bench = Bench::new(2);
    bench.queue("a").await;
    bench.has_begun(1).await;
    sleep(LEASE * 4).await;
    bench.has_begun(1).await;
    bench.upstream.may_end.notify_one();
    bench.is_done("a").await;
    assert_eq!(bench.row("a").await.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_lease_was_lost_is_broken_off_and_writes_nothing() {
    let bench = Bench::new(1);
    bench.queue("a").await;
    bench.has_begun(1).await;
    // Another gateway takes it.
    let taken = bench.memory.run(|tx| {
        tx.release_all()?;
        tx.lease(&lane(), Pick { now: 0, until: i64::MAX, limit: 1 })
    });
    let fence = taken.await.unwrap().first().unwrap().fence();
    sleep(LEASE / 2).await;
    bench.upstream.may_end.notify_one();
    bench.queue("b").await;
    bench.has_begun(2).await;
    assert_eq!(bench.upstream.ended.load(Ordering::SeqCst), 1, "it is the call for b that ends");
    bench.is_done("b").await;
    let row = bench.row("a").await;
    assert_eq!((row.state, row.fence()), (State::Leased, fence));
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_what_is_under_way_ends_and_nothing_begins() {
    let bench = Bench::new(1);
    bench.queue("a").await;
    bench.queue("b").await;
    bench.has_begun(1).await;
    bench.stop.send(true).unwrap();
    sleep(LEASE * 2).await;
    assert_eq!(bench.row("a").await.state, State::Leased, "it is waited for, and its lease renewed");
    bench.upstream.may_end.notify_one();
    bench.has_stopped().await;
    assert_eq!((bench.row("a").await.state, bench.row("b").await.attempts), (State::Done, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_stop_is_gone_stops() {
    let Bench { stop, running, .. } = Bench::new(1);
    drop(stop);
    let running = running.into_inner().unwrap().unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_the_store_refuses_is_written_once_it_takes_it_and_the_call_is_not_repeated() {
    let bench = Bench::new(2);
    bench.queue("a").await;
    bench.has_begun(1).await;
    bench.refuses.store(true, Ordering::SeqCst);
    bench.upstream.may_end.notify_one();
    // Longer than the lease: the row may be leased by now, and its verdict still stands.
    sleep(LEASE * 3).await;
    assert_eq!(bench.row("a").await.state, State::Leased);
    bench.refuses.store(false, Ordering::SeqCst);
    bench.is_done("a").await;
    assert_eq!((bench.row("a").await.attempts, bench.upstream.begun.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_lease_cannot_be_renewed_is_broken_off_before_the_lease_ends() {
    let bench = Bench::new(1);
    bench.queue("a").await;
    bench.has_begun(1).await;
    bench.refuses.store(true, Ordering::SeqCst);
    sleep(LEASE - Duration::from_secs(1)).await;
    bench.upstream.may_end.notify_one();
    bench.refuses.store(false, Ordering::SeqCst);
    bench.has_begun(2).await;
    assert_eq!(bench.row("a").await.attempts, 2, "once its lease has ended it is made again");
    bench.is_done("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_keeps_no_call_from_being_broken_off_before_its_lease_ends() {
    let bench = Bench::new(1);
    bench.queue("a").await;
    bench.has_begun(1).await;
    bench.hangs.store(true, Ordering::SeqCst);
    sleep(LEASE - Duration::from_secs(1)).await;
    bench.upstream.may_end.notify_one();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.upstream.ended.load(Ordering::SeqCst), 0, "another gateway may make the call by now");
}

/// As [`Post`], and what precedes the call is stored. With how often it was asked.
struct Keeping(Arc<AtomicUsize>);

impl Steps for Keeping {
    fn next(&self, work: &Work) -> Result<Step> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let Step::Call(mut call) = Post.next(work)? else { panic!("it calls") };
        call.before = Some(Progress::default());
        Ok(Step::Call(call))
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stands_still_before_a_call_until_its_lease_has_ended_does_not_make_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let bench = Bench::making(Arc::new(Keeping(Arc::clone(&asked))), 1, Duration::from_millis(300), 1);
    bench.queue("a").await;
    bench.until(async || asked.load(Ordering::SeqCst) == 1).await;
    // All of its timers are due at once.
    tokio::time::advance(LEASE * 2).await;
    bench.has_begun(1).await;
    assert_eq!((asked.load(Ordering::SeqCst), bench.row("a").await.attempts), (2, 2));
    bench.upstream.may_end.notify_one();
    bench.is_done("a").await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_is_made_again_while_others_are_under_way() {
    let bench = Bench::new(4);
    bench.upstream.panics.store(2, Ordering::SeqCst);
    bench.queue("a").await;
    bench.queue("b").await;
    bench.has_begun(2).await;
    bench.upstream.may_end.notify_one();
    bench.upstream.may_end.notify_one();
    bench.until(async || bench.upstream.ended.load(Ordering::SeqCst) >= 1).await;
    bench.upstream.may_end.notify_one();
    bench.is_done("a").await;
    bench.is_done("b").await;
    let attempts = bench.row("a").await.attempts + bench.row("b").await.attempts;
    assert_eq!(attempts, 4, "each panic cost one attempt");
}

/// The row falls due at some moment within a second, and a look at the store takes a third of one.
#[tokio::test(start_paused = true)]
async fn a_row_that_falls_due_while_the_worker_looks_is_not_left() {
    for seed in 0..32 {
        let bench = Bench::slow(1, Duration::from_millis(300), seed);
        bench.upstream.panics.store(1, Ordering::SeqCst);
        bench.queue("a").await;
        let begun = tokio::time::timeout(LEASE / 2, bench.has_begun(1)).await;
        assert!(begun.is_ok(), "seed {seed}: nothing wakes the worker");
        bench.stop.send(true).unwrap();
        bench.upstream.may_end.notify_one();
        bench.has_stopped().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_leases_is_asked_again() {
    let bench = Bench::new(1);
    bench.queue("a").await;
    bench.has_begun(1).await;
    bench.upstream.may_end.notify_one();
    bench.is_done("a").await;
    bench.queue("b").await;
    bench.refuses.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    bench.refuses.store(false, Ordering::SeqCst);
    bench.upstream.may_end.notify_one();
    bench.is_done("b").await;
}
