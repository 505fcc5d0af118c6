//! MOSIP never answers for two entries, with the settings that a gateway has by default. Time is virtual.

use super::*;
use tracing::level_filters::LevelFilter;

use crate::queue::worker::Worker;
use crate::telemetry::Capture;

const DEADLINE: Duration = Duration::from_secs(90);
const OTHERS: usize = 272;

/// Takes every post at once, but those of `hangs1` and `hangs2` never.
#[derive(Default)]
struct Mosip {
    taken: Mutex<Vec<(String, Instant)>>,
    began: AtomicUsize,
    hung: AtomicUsize,
}

impl Outside for Mosip {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async move {
            let id = String::from_utf8(request.body.to_vec()).unwrap();
            if id.starts_with("hangs") {
                self.began.fetch_add(1, Ordering::SeqCst);
                sleep(DEADLINE).await;
                self.hung.fetch_add(1, Ordering::SeqCst);
                return Ok(Err(SendError::Timeout { host: "upstream".to_owned(), after: DEADLINE }));
            }
            self.taken.lock().unwrap().push((id, Instant::now()));
            Ok(Ok(taken()))
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let step = steps.next(&work);
        std::future::ready(step.map(|step| (work, step))).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// A worker over its own rows, in the folder.
fn worker(dir: &std::path::Path) -> (Ledger, Arc<Mosip>, Worker) {
    let memory = Memory::default();
    let store = Store::new(memory.clone());
    let ledger = Ledger::over(&dir.join("outbox.key"), &memory, store, Random::seeded(1), true);
    let mosip = Arc::new(Mosip::default());
    let worker = Worker {
        lane: lane(),
        steps: Arc::new(Post),
        ledger: ledger.clone(),
        outside: Arc::clone(&mosip) as Arc<_>,
        health: Health::new(Duration::from_secs(30), DEADLINE, |_| false, Random::seeded(1)),
        resumed: Arc::default(),
        meters: Meters::default(),
        tracer: Tracer::default(),
        concurrency: 1,
        lease: LEASE,
        is_local: false,
    };
    (ledger, mosip, worker)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_end_of_the_process_cuts_off_is_told_and_one_that_ends_is_not() {
    let logs = Capture::default();
    let _logs = logs.listen(LevelFilter::INFO);
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mosip, worker) = worker(dir.path());
    let (_stop, stopping) = watch::channel(false);
    let mut running = JoinSet::new();
    running.spawn(Arc::new(worker).run(stopping));
    ledger.insert(entry("taken")).await.unwrap();
    while mosip.taken.lock().unwrap().is_empty() {
        sleep(Duration::from_secs(1)).await;
    }
    ledger.insert(entry("hangs1")).await.unwrap();
    while mosip.began.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_secs(1)).await;
    }
    // What the stop does to those that have not ended in time.
    running.shutdown().await;
    while !logs.text().contains("is cut off") {
        tokio::task::yield_now().await;
    }
    let text = logs.text();
    let cut: Vec<_> = text.lines().filter(|line| line.contains("is cut off")).collect();
    assert!(cut.len() == 1 && cut[0].contains("hangs1"), "{cut:?}");
}

#[tokio::test(start_paused = true)]
async fn two_entries_on_which_mosip_hangs_do_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mosip, worker) = worker(dir.path());
    for id in ["hangs1", "hangs2"] {
        ledger.insert(entry(id)).await.unwrap();
    }
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(Arc::new(worker).run(stopping));
    // One is registered each second.
    let start = Instant::now();
    for index in 0..OTHERS {
        ledger.insert(entry(&format!("c{index}"))).await.unwrap();
        sleep_until(start + Duration::from_secs(index as u64 + 1)).await;
    }
    while mosip.taken.lock().unwrap().len() < OTHERS {
        sleep(Duration::from_secs(1)).await;
    }
    let mut longest = Duration::ZERO;
    for (index, (id, at)) in mosip.taken.lock().unwrap().iter().enumerate() {
        assert_eq!(*id, format!("c{index}"), "they go in order of acceptance");
        longest = longest.max(*at - (start + Duration::from_secs(index as u64)));
    }
    assert!(mosip.hung.load(Ordering::SeqCst) >= 2);
    // No longer than both of them hang once.
    assert!(longest <= 2 * DEADLINE + Duration::from_secs(1), "{longest:?}");
}
