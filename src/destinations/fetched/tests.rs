use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::*;
use crate::destinations::fake::{Script, is_away, says};
use crate::destinations::{Step, Steps, TokenSource, Work};
use crate::upstream::SendError;

fn read(reply: &Reply) -> Result<String> {
    match reply.status.is_success() {
        true => Ok(String::from_utf8(reply.body.to_vec()).unwrap()),
        false => Err(Error::new(Code::Upstream, "no document")),
    }
}

fn at(outside: Arc<dyn Outside>) -> Fetched<String> {
    Fetched::new("https://e.example.org/keys".parse().unwrap(), outside, read)
}

fn fetched(script: &Arc<Script>) -> Fetched<String> {
    at(Arc::<Script>::clone(script))
}

fn asked(script: &Script) -> usize {
    script.paths().len()
}

/// Lets every task go on as far as it can.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// A server that takes its time: it answers as the script says, each time that the test lets it.
struct Slow {
    script: Script,
    gate: Semaphore,
    asked: AtomicUsize,
}

impl Slow {
    fn new(script: Script) -> Arc<Self> {
        Arc::new(Self { script, gate: Semaphore::new(0), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn answers(&self) {
        self.gate.add_permits(1);
        settle().await;
    }
}

impl Outside for Slow {
    fn send(
        &self,
        token: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        async move {
            self.gate.acquire().await.unwrap().forget();
            self.script.send(token, request).await
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        self.script.next(steps, work)
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        self.script.refresh_keys()
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_is_fetched_again_at_once_and_then_once_a_minute() {
    let script = Arc::new(Script::new(["one", "two", "three"].map(|body| says(200, body))));
    let document = fetched(&script);
    let one = document.get().await.unwrap();
    assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", 1));
    let two = document.newer_than(&one).await.unwrap();
    assert_eq!((two.as_str(), asked(&script)), ("two", 2));
    // Somebody who still had the first one asks for nothing.
    assert_eq!((document.newer_than(&one).await.unwrap().as_str(), asked(&script)), ("two", 2));
    for _ in 0..3 {
        let undecided = document.newer_than(&two).await.err().unwrap();
        assert_eq!((undecided.code(), undecided.retry_after()), (Code::Upstream, Some(BETWEEN)));
    }
    assert_eq!(asked(&script), 2);
    tokio::time::advance(BETWEEN).await;
    assert_eq!((document.newer_than(&two).await.unwrap().as_str(), asked(&script)), ("three", 3));
}

#[tokio::test(start_paused = true)]
async fn an_old_document_is_fetched_again_behind_and_counts_while_it_cannot_be() {
    let script = Arc::new(Script::new([says(200, "one"), is_away(), says(500, ""), says(200, "two")]));
    let document = fetched(&script);
    document.get().await.unwrap();
    for asked_by_now in [2, 3] {
        tokio::time::advance(OLDEST).await;
        assert_eq!(document.get().await.unwrap().as_str(), "one");
        settle().await;
        assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", asked_by_now));
    }
    tokio::time::advance(BETWEEN).await;
    assert_eq!(document.get().await.unwrap().as_str(), "one", "nobody waits");
    settle().await;
    assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("two", 4));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_never_came_is_asked_for_every_few_seconds() {
    let script = Arc::new(Script::new([is_away(), says(404, ""), says(200, "one")]));
    let document = fetched(&script);
    for _ in 0..3 {
        let refusal = document.get().await.err().unwrap();
        assert_eq!((refusal.code(), refusal.retry_after()), (Code::Upstream, Some(BETWEEN_FAILURES)));
        assert_eq!(asked(&script), 1);
    }
    tokio::time::advance(BETWEEN_FAILURES).await;
    assert!(document.get().await.is_err());
    tokio::time::advance(BETWEEN_FAILURES).await;
    assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", 3));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_fetch_and_its_failure_counts_from_its_end() {
    let slow = Slow::new(Script::new([is_away()]));
    let document = at(Arc::<Slow>::clone(&slow));
    let slowly = async {
        settle().await;
        // Longer than a failure counts.
        tokio::time::advance(DEADLINE).await;
        slow.answers().await;
    };
    let (waited, ()) = tokio::join!(join_all((0..50).map(|_| document.get())), slowly);
    assert!(waited.iter().all(Result::is_err));
    assert!(document.get().await.is_err());
    assert_eq!(slow.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_ends_no_fetch_and_uses_up_no_turn() {
    let slow = Slow::new(Script::new([says(200, "one"), says(200, "two")]));
    let document = at(Arc::<Slow>::clone(&slow));
    assert!(document.get().now_or_never().is_none());
    slow.answers().await;
    let one = document.get().now_or_never().unwrap().unwrap();
    for _ in 0..10 {
        assert!(document.newer_than(&one).now_or_never().is_none());
    }
    slow.answers().await;
    let two = document.newer_than(&one).now_or_never().unwrap().unwrap();
    assert_eq!((two.as_str(), slow.asked()), ("two", 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_given_at_once_while_others_wait_for_another() {
    let slow = Slow::new(Script::new([says(200, "one")]));
    let document = at(Arc::<Slow>::clone(&slow));
    assert!(document.get().now_or_never().is_none());
    slow.answers().await;
    let one = document.get().now_or_never().unwrap().unwrap();
    let mut stranger = Box::pin(document.newer_than(&one));
    assert!((&mut stranger).now_or_never().is_none());
    assert_eq!(document.get().now_or_never().unwrap().unwrap().as_str(), "one");
    tokio::time::advance(OLDEST).await;
    assert_eq!(document.get().now_or_never().unwrap().unwrap().as_str(), "one", "once it is old, too");
    assert_eq!(slow.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_keep_an_old_document_from_being_renewed_nor_the_hour_a_key_from_being_found() {
    let script = Arc::new(Script::new(["one", "two", "three"].map(|body| says(200, body))));
    let document = fetched(&script);
    document.get().await.unwrap();
    tokio::time::advance(OLDEST).await;
    document.kept().unwrap();
    settle().await;
    let two = document.kept().unwrap();
    assert_eq!(two.as_str(), "two");
    assert_eq!(
        document.newer_than(&two).await.unwrap().as_str(),
        "three",
        "the hour takes no turn of theirs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_look_for_a_key_is_undecided_until_the_next_one() {
    let script = Arc::new(Script::new([says(200, "one"), is_away(), says(200, "two")]));
    let document = fetched(&script);
    let one = document.get().await.unwrap();
    for _ in 0..2 {
        let undecided = document.newer_than(&one).await.err().unwrap();
        assert!(undecided.detail().contains("refused"), "{undecided}");
        assert_eq!(undecided.retry_after(), Some(BETWEEN));
        tokio::time::advance(Duration::ZERO).await;
    }
    assert_eq!(asked(&script), 2);
    tokio::time::advance(BETWEEN).await;
    assert_eq!(document.newer_than(&one).await.unwrap().as_str(), "two");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_minute_is_waited_for_where_it_comes_in_time() {
    let script = Arc::new(Script::new(["one", "two", "three"].map(|body| says(200, body))));
    let document = fetched(&script);
    let two = document.newer_than(&document.get().await.unwrap()).await.unwrap();
    let patience = Duration::from_secs(20);
    let (began, soon) = (Instant::now(), || Instant::now() + patience);
    assert!(document.newer_than_by(&two, soon()).now_or_never().unwrap().is_err(), "it comes too late");
    // The fetch has to come before the deadline.
    tokio::time::advance(BETWEEN.saturating_sub(patience) + Duration::from_millis(1)).await;
    assert_eq!(document.newer_than_by(&two, soon()).await.unwrap().as_str(), "three");
    assert_eq!((began.elapsed(), asked(&script)), (BETWEEN, 3));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_keeps_nobody_beyond_their_deadline() {
    let slow = Slow::new(Script::new(["one", "two"].map(|body| says(200, body))));
    slow.answers().await;
    let document = at(Arc::<Slow>::clone(&slow));
    let (one, began, patience) = (document.get().await.unwrap(), Instant::now(), Duration::from_secs(3));
    let asks = async {
        let late = document.newer_than_by(&one, began + patience).await.err().unwrap();
        assert_eq!((late.code(), began.elapsed()), (Code::UpstreamTimeout, patience));
    };
    let answers = async {
        sleep(DEADLINE).await;
        slow.answers().await;
    };
    tokio::join!(asks, answers);
    assert_eq!((document.newer_than(&one).await.unwrap().as_str(), slow.asked()), ("two", 2), "it goes on");
}

#[tokio::test(start_paused = true)]
async fn what_never_came_says_why_until_it_has_come_once() {
    let script = Arc::new(Script::new([is_away(), says(200, "one"), is_away()]));
    let document = fetched(&script);
    assert!(document.never_came().is_none(), "nothing has failed yet");
    assert!(document.get().await.is_err());
    assert!(document.never_came().unwrap().detail().contains("refused"));
    tokio::time::advance(BETWEEN_FAILURES).await;
    let one = document.get().await.unwrap();
    assert!(document.never_came().is_none());
    assert!(document.newer_than(&one).await.is_err());
    assert!(document.never_came().is_none(), "the former one goes on counting");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_breaks_its_reader_is_asked_for_again() {
    let script = Arc::new(Script::new([says(200, "one"), says(200, "one")]));
    let broken = |_: &Reply| -> Result<String> { panic!("on purpose") };
    let document =
        Fetched::new("https://e.example.org/keys".parse().unwrap(), Arc::<Script>::clone(&script), broken);
    assert_eq!(document.get().await.err().unwrap().code(), Code::Bug);
    tokio::time::advance(BETWEEN_FAILURES).await;
    assert!(document.get().await.is_err());
    assert_eq!(asked(&script), 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_not_there_yet_is_waited_for_and_not_for_ever() {
    let script = Arc::new(Script::new([is_away(), says(404, ""), says(200, "one"), says(500, "")]));
    let document = fetched(&script);
    let deadline = Instant::now() + 4 * BETWEEN_FAILURES;
    assert_eq!(document.get_by(deadline).await.unwrap().as_str(), "one");
    let (away, began) = (Arc::new(Script::new((0..4).map(|_| is_away()))), Instant::now());
    assert!(fetched(&away).get_by(began + 3 * BETWEEN_FAILURES).await.is_err());
    assert_eq!((began.elapsed(), asked(&away)), (2 * BETWEEN_FAILURES, 3), "no wait that brings nothing");
    tokio::time::advance(OLDEST).await;
    assert_eq!(document.get_by(Instant::now()).await.unwrap().as_str(), "one", "the last good one counts");
}

#[tokio::test(start_paused = true)]
async fn a_document_is_fetched_beforehand_until_it_is_there_or_nobody_needs_it() {
    let script = Arc::new(Script::new([is_away(), says(404, ""), says(200, "one")]));
    let document = fetched(&script);
    document.fetch_beforehand("a document");
    tokio::time::sleep(10 * BETWEEN_FAILURES).await;
    assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", 3));
    let away = Arc::new(Script::new([is_away()]));
    fetched(&away).fetch_beforehand("a document");
    tokio::time::sleep(10 * BETWEEN_FAILURES).await;
    assert_eq!(asked(&away), 0);
}
