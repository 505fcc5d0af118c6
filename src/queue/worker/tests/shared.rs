//! Two gateways over one database: what one finds out about a URL counts for both. Time is virtual.

use std::collections::VecDeque;

use super::*;
use crate::ledger::{Due, Wanted};
use crate::queue::channel::Flow;
use crate::store::memory::Shared;

pub(super) const PROBE: Duration = Duration::from_secs(30);

/// What the upstream says to every call, and the moments of the calls.
pub(super) struct Mosip {
    refuses: Mutex<Option<Error>>,
    /// A call takes so long.
    pub(super) takes: Duration,
    calls: Mutex<Vec<Instant>>,
    /// Under way now, and at most.
    under_way: Mutex<(usize, usize)>,
}

/// Why one gateway sends nothing, though the upstream would take it.
pub(super) type Lack = Arc<Mutex<Option<Error>>>;

/// The upstream as one gateway reaches it.
struct Way {
    mosip: Arc<Mosip>,
    lacks: Lack,
}

impl Outside for Way {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        _: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async {
            self.mosip.calls.lock().unwrap().push(Instant::now());
            {
                let (now, most) = &mut *self.mosip.under_way.lock().unwrap();
                *now += 1;
                *most = (*most).max(*now);
            }
            sleep(self.mosip.takes).await;
            self.mosip.under_way.lock().unwrap().0 -= 1;
            match self.mosip.refuses.lock().unwrap().clone() {
                Some(refusal) => Err(refusal),
                None => Ok(Ok(taken())),
            }
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let lack = self.lacks.lock().unwrap().clone();
        let step = lack.map_or_else(|| steps.next(&work), Err);
        std::future::ready(step.map(|step| (work, step))).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// Gateways over the same rows, and the one upstream.
pub(super) struct Pair {
    pub(super) rows: Shared,
    dir: tempfile::TempDir,
    pub(super) mosip: Arc<Mosip>,
}

/// One of them.
pub(super) struct One {
    pub(super) ledger: Ledger,
    pub(super) worker: Arc<Worker>,
    pub(super) lacks: Lack,
    pub(super) running: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Pair {
    pub(super) fn new(refuses: Option<Error>) -> Self {
        let (refuses, takes) = (Mutex::new(refuses), Duration::from_millis(10));
        let mosip = Mosip { refuses, takes, calls: Mutex::default(), under_way: Mutex::default() };
        Self { rows: Shared::default(), dir: tempfile::tempdir().unwrap(), mosip: Arc::new(mosip) }
    }

    pub(super) fn start(&self, seed: u64) -> One {
        self.begin(self.worker(lane(), 4, seed, self.rows.clone()))
    }

    pub(super) fn worker(
        &self,
        lane: Lane,
        concurrency: usize,
        seed: u64,
        store: impl Backend + 'static,
    ) -> (Worker, Lack) {
        let (key_file, lacks) = (self.dir.path().join("outbox.key"), Lack::default());
        let ledger = Ledger::over(&key_file, &self.rows.0, Store::new(store), Random::seeded(1), false);
        let worker = Worker {
            lane,
            steps: Arc::new(Post),
            ledger,
            outside: Arc::new(Way { mosip: Arc::clone(&self.mosip), lacks: Arc::clone(&lacks) }),
            health: Health::new(PROBE, Duration::from_secs(90), |_| false, Random::seeded(seed)),
            resumed: Arc::default(),
            meters: Meters::default(),
            tracer: Tracer::default(),
            concurrency,
            lease: LEASE,
            is_local: false,
        };
        (worker, lacks)
    }

    pub(super) fn begin(&self, (worker, lacks): (Worker, Lack)) -> One {
        let (worker, (stop, stopping)) = (Arc::new(worker), watch::channel(false));
        let running = tokio::spawn(Arc::clone(&worker).run(stopping));
        One { ledger: worker.ledger.clone(), worker, lacks, running, _stop: stop }
    }

    pub(super) async fn state(&self, queue: Queue, id: &'static str) -> Option<State> {
        let row = Store::new(self.rows.0.clone()).run(move |tx| tx.row(queue, id)).await.unwrap();
        row.map(|row| row.state)
    }

    pub(super) fn calls(&self) -> usize {
        self.mosip.calls.lock().unwrap().len()
    }
}

impl One {
    pub(super) fn flow(&self) -> Flow {
        self.worker.health.status().0
    }

    pub(super) async fn flows_as(&self, word: &str) {
        while self.flow().as_str() != word {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Rows whose transactions take as long as is said of each, in the order in which they are asked for, and then no time.
struct Slow {
    rows: Shared,
    take: Arc<Mutex<VecDeque<Duration>>>,
}

impl Backend for Slow {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        let takes = self.take.lock().unwrap().pop_front();
        async move {
            sleep(takes.unwrap_or_default()).await;
            self.rows.run(order).await
        }
        .boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

fn expired() -> Error {
    Error::new(Code::Partner, "the licence has expired").advise("Renew it.").with_upstream("IDA-1", "")
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_one_gateway_pauses_is_paused_at_both_by_the_same_reason_and_probed_once() {
    let pair = Pair::new(Some(expired()));
    let (one, other) = (pair.start(1), pair.start(2));
    for id in ["a", "b", "c"] {
        one.ledger.insert(entry(id)).await.unwrap();
    }
    one.flows_as("paused").await;
    other.flows_as("paused").await;
    let (Flow::Paused { reason, .. }, Flow::Paused { reason: told, .. }) = (one.flow(), other.flow()) else {
        panic!("both are paused")
    };
    assert_eq!(
        (told.code(), told.detail(), told.advice(), told.fault(), told.upstream()),
        (reason.code(), reason.detail(), reason.advice(), reason.fault(), reason.upstream())
    );
    assert_eq!(one.worker.health.status().1, other.worker.health.status().1, "since the same moment");
    let before = pair.calls();
    sleep(PROBE * 10 + PROBE / 2).await;
    let probes = pair.calls() - before;
    assert!((8..=11).contains(&probes), "{probes} probes within ten intervals, and not one of each gateway");
    *pair.mosip.refuses.lock().unwrap() = None;
    one.flows_as("open").await;
    other.flows_as("open").await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_one_gateway_finds_away_is_left_alone_by_both() {
    let pair = Pair::new(Some(Error::new(Code::Upstream, "no connection")));
    let (one, other) = (pair.start(1), pair.start(2));
    for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        one.ledger.insert(entry(id)).await.unwrap();
    }
    one.flows_as("broken").await;
    other.flows_as("broken").await;
    let before = pair.calls();
    sleep(Duration::from_secs(100)).await;
    let probes = pair.calls() - before;
    assert!((15..=21).contains(&probes), "{probes} probes in 100 s, one every 5 s");
    *pair.mosip.refuses.lock().unwrap() = None;
    one.flows_as("open").await;
    other.flows_as("open").await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_dies_while_it_probes_holds_up_the_other_no_longer_than_its_lease() {
    let pair = Pair::new(Some(expired()));
    let (one, other) = (pair.start(1), pair.start(2));
    one.ledger.insert(entry("a")).await.unwrap();
    one.flows_as("paused").await;
    other.flows_as("paused").await;
    let leased = async || {
        let lane = lane();
        let now = one.ledger.uptime();
        Store::new(pair.rows.0.clone()).run(move |tx| tx.leased(&lane, now)).await.unwrap()
    };
    while leased().await == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // Both die with the call: whichever probes.
    other.running.abort();
    one.running.abort();
    let died = Instant::now();
    *pair.mosip.refuses.lock().unwrap() = None;
    let (stop, stopping) = watch::channel(false);
    let third = tokio::spawn(Arc::clone(&other.worker).run(stopping));
    other.flows_as("open").await;
    drop(stop);
    third.await.unwrap();
    assert!(died.elapsed() <= LEASE + PROBE, "{:?}", died.elapsed());
    assert_eq!(pair.state(Queue::Entries, "a").await, Some(State::Done));
}

#[tokio::test(start_paused = true)]
async fn keys_that_one_gateway_reads_end_the_pause_of_both_at_once() {
    let pair = Pair::new(Some(expired()));
    let (one, other) = (pair.start(1), pair.start(2));
    one.ledger.insert(entry("a")).await.unwrap();
    one.flows_as("paused").await;
    other.flows_as("paused").await;
    *pair.mosip.refuses.lock().unwrap() = None;
    let began = Instant::now();
    other.worker.health.probe_now();
    other.ledger.wake();
    other.flows_as("open").await;
    one.flows_as("open").await;
    assert!(began.elapsed() < PROBE / 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_breaker_of_calls_beside_the_entries_counts_for_both() {
    let pair = Pair::new(None);
    let (one, other) = (pair.start(1), pair.start(2));
    let breaker = crate::queue::Breaker { health: one.worker.health.clone(), ledger: one.ledger.clone() };
    breaker.failed(&expired());
    other.flows_as("paused").await;
}

#[tokio::test(start_paused = true)]
async fn what_one_gateway_finds_out_last_is_what_the_others_are_told_last() {
    let pair = Pair::new(None);
    let take = Arc::default();
    let (worker, _) = pair.worker(lane(), 4, 1, Slow { rows: pair.rows.clone(), take: Arc::clone(&take) });
    let second = Error::new(Code::Partner, "the partner is not active");
    worker.health.failed("a", 1, &expired(), 0);
    take.lock().unwrap().extend([Duration::from_secs(2), Duration::from_secs(1)]);
    let later = async {
        worker.health.failed("b", 1, &second, 0);
        worker.tell().await
    };
    let (told, told_later) = tokio::join!(worker.tell(), later);
    told.and(told_later).unwrap();
    assert_eq!(worker.health.untold(), None, "nothing is told again");
    let wanted = Wanted { lease: LEASE, limit: 0, slots: 0, known: Some(0) };
    let Due::Noted(2, note) = worker.ledger.lease(&lane(), wanted).await.unwrap() else {
        panic!("two changes")
    };
    assert_eq!(note.reason.unwrap().detail, second.detail());
}

#[tokio::test(start_paused = true)]
async fn two_gateways_together_make_as_many_calls_at_once_as_one_may() {
    const EVENTS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let pair = Pair::new(None);
    let begin = |seed| pair.begin(pair.worker(lane(), 3, seed, pair.rows.clone()));
    let (one, other) = (begin(1), begin(2));
    for (number, id) in EVENTS.into_iter().enumerate() {
        let gateway = if number % 2 == 0 { &one } else { &other };
        gateway.ledger.insert(entry(id)).await.unwrap();
    }
    for id in EVENTS {
        while pair.state(Queue::Entries, id).await != Some(State::Done) {
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(*pair.mosip.under_way.lock().unwrap(), (0, 3));
}
