//! Jobs that share a commit, and what is in memory while they do.

use std::sync::mpsc;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use super::*;
use crate::store::CorrelationRow;
use crate::store::conformance::again;

/// More correlations than there are in memory.
const MANY: usize = 5_000;

fn brn(number: usize) -> Vec<u8> {
    name(&format!("brn {number}"))
}

fn correlate(tx: &mut dyn Tx, number: usize) -> Result<()> {
    let row = CorrelationRow { entry: format!("e{number:02}"), subject: vec![0x5b; 30], seen_at: 10 };
    tx.correlate(&row, &[brn(number)])
}

fn refused() -> Error {
    Error::new(Code::IdempotencyConflict, "refused")
}

/// Runs `jobs` in one group.
async fn together<J>(sqlite: &Sqlite, store: &Store, jobs: impl Iterator<Item = J>) -> Vec<Result<()>>
where
    J: Fn(&mut dyn Tx) -> Result<()> + Send + 'static,
{
    let (begin, begun) = mpsc::channel();
    let hold = sqlite.group.command(move |_| begun.recv().map_err(|_| refused()));
    let handed_over = join_all(jobs.map(|job| store.run(job)));
    // Each is polled in turn, so that all jobs wait when the thread goes on.
    let begin = async move { begin.send(()).unwrap() };
    let ((held, outcomes), ()) = join(join(hold, handed_over), begin).await;
    held.unwrap();
    outcomes
}

#[tokio::test]
async fn a_job_that_fails_after_it_has_written_is_undone_alone_in_its_group() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    let fails = |number: usize| number % 7 == 3;
    let jobs = (0..40).map(|number| {
        move |tx: &mut dyn Tx| {
            tx.insert(&[new(&format!("e{number:02}"))])?;
            correlate(tx, number)?;
            if fails(number) { Err(refused()) } else { Ok(()) }
        }
    });
    let outcomes = together(&sqlite, &store, jobs).await;
    let kept: Vec<usize> = (0..40).filter(|number| !fails(*number)).collect();
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_err(), fails(number), "{number}: {outcome:?}");
    }
    let ids: Vec<String> = kept.iter().map(|number| format!("e{number:02}")).collect();
    assert_eq!(names(&store).await, ids, "each once, in their order");
    for store in [store, home.killed().open()] {
        for number in 0..40 {
            let found = store.run(move |tx| tx.named(&brn(number), 9)).await.unwrap();
            assert_eq!(found.len(), usize::from(!fails(number)), "{number}");
        }
    }
    let in_memory = on_connection(&sqlite, |session| Ok(session.recent.borrow().len())).await;
    assert_eq!(in_memory, 2 * kept.len(), "nothing of the others: of each row its name and its entry");
}

#[tokio::test]
async fn what_is_acknowledged_to_nobody_any_more_is_not_stored() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    let (begin, begun) = mpsc::channel();
    let hold = sqlite.group.command(move |_| begun.recv().map_err(|_| refused()));
    let hung_up = store.take(Vec::new(), |tx| tx.insert(&[new("hung up")]).map(drop));
    let hang_up = async {
        assert!(hung_up.now_or_never().is_none(), "it waits for the thread");
        begin.send(()).unwrap();
    };
    join(hold, hang_up).await.0.unwrap();
    accept(&store, "stays").await;
    assert_eq!(names(&store).await, ["stays"]);
}

#[tokio::test]
async fn names_that_a_failed_job_moved_out_of_memory_are_found() {
    let home = Home::new();
    let store = home.open();
    store.run(|tx| (0..MANY).try_for_each(|number| correlate(tx, number))).await.unwrap();
    let fails = |tx: &mut dyn Tx| {
        (MANY..MANY + 200).try_for_each(|number| correlate(tx, number))?;
        Err::<(), _>(refused())
    };
    assert!(store.run(fails).await.is_err());
    let all_are_found = |tx: &mut dyn Tx| {
        for number in 0..MANY + 200 {
            assert_eq!(tx.named(&brn(number), 9)?.len(), usize::from(number < MANY), "{number}");
        }
        Ok(())
    };
    store.run(all_are_found).await.unwrap();
    home.killed().open().run(all_are_found).await.unwrap();
}

#[tokio::test]
async fn no_place_in_the_queue_is_given_again_after_a_kill() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a").await;
    accept(&store, "b").await;
    for _ in 0..3 {
        for row in lease_at(&store, 10, 2).await {
            settle(&store, &row, again(0)).await;
        }
    }
    let killed = home.killed();
    let store = killed.open();
    accept(&store, "c").await;
    assert_eq!(ids(&lease_at(&store, 10, 9).await), ["a", "b", "c"]);
}
