//! Work beside the reactor: the pool for private-key operations, with as many threads as there are cores and a bounded queue, and
//! threads for what a large body takes to read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use crate::error::{Code, Error, Result};

/// How many operations may wait; beyond that the caller hears `busy` at once instead of waiting without end.
pub(crate) const QUEUE_DEPTH: usize = 1024;

/// What reading this many bytes takes, some 0.2 ms, other requests may wait for.
const SMALL: usize = 64 << 10;

/// Runs private-key operations. Cheap to clone; the threads end with the last clone.
///
/// Its threads take their next work from the queue themselves. Tokio's blocking threads would be handed each piece by the reactor,
/// which costs two wake-ups more.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Sender<Work>);

type Work = Box<dyn FnOnce() + Send>;

impl Pool {
    /// A thread for every core, and [`QUEUE_DEPTH`].
    pub(crate) fn for_this_machine() -> Result<Self> {
        Self::new(thread::available_parallelism().map_or(1, usize::from), QUEUE_DEPTH)
    }

    /// Half a thread for every core, for work that is to take nothing from what [`Self::for_this_machine`] does, and [`QUEUE_DEPTH`].
    pub(crate) fn beside_others() -> Result<Self> {
        Self::new(
            thread::available_parallelism().map_or(1, |cores| usize::from(cores).div_ceil(2)),
            QUEUE_DEPTH,
        )
    }

    /// A pool of `threads` operations at once and `queue` waiting. [`Code::Busy`] where the system gives no thread.
    pub(crate) fn new(threads: usize, queue: usize) -> Result<Self> {
        let (sender, receiver) = bounded(queue);
        for _ in 0..threads {
            let receiver = receiver.clone();
            thread::Builder::new().name("private-keys".to_owned()).spawn(move || serve(&receiver)).map_err(
                |error| {
                    let what = format!("there is no thread for private-key operations: {error}");
                    Error::new(Code::Busy, what).advise("Raise the limit of threads of this process.")
                },
            )?;
        }
        Ok(Self(sender))
    }

    /// Runs `work` in order of arrival; [`Code::Busy`] when the queue is full.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let work = Box::new(move || {
            // The caller hung up and no longer waits.
            let _ = answer.send(work());
        });
        self.0
            .try_send(work)
            .map_err(|_| Error::new(Code::Busy, "the queue for private-key operations is full"))?;
        outcome
            .await
            .unwrap_or_else(|_| Err(Error::new(Code::Bug, "a private-key operation stopped unexpectedly")))
    }
}

/// Runs `work`, which reads `len` bytes: at once where they are few, else on a thread of its own.
pub(crate) async fn offload<T, F>(len: usize, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    if len <= SMALL { work() } else { beside(work).await }
}

/// Runs `work`, which needs no private key and takes its time, on a thread of its own.
pub(crate) async fn beside<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::Bug, "work beside the reactor stopped unexpectedly")))
}

fn serve(queue: &Receiver<Work>) {
    for work in queue {
        // It takes its answer with it, by which the caller knows; the next one shall not suffer.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_finds_the_queue_full_is_busy_and_what_waits_is_done_in_order() {
        let pool = Pool::new(1, 2).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let (done, order) = mpsc::channel();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    gate.recv().unwrap();
                    Ok(())
                };
                pool.run(work).await
            }
        });
        tokio::task::yield_now().await;
        has_begun.recv().unwrap();
        let mut waiting = Vec::new();
        for number in [1, 2] {
            let (pool, done) = (pool.clone(), done.clone());
            waiting.push(tokio::spawn(async move {
                pool.run(move || {
                    done.send(number).unwrap();
                    Ok(())
                })
                .await
            }));
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| Ok(())).await.unwrap_err().code(), Code::Busy);
        open.send(()).unwrap();
        first.await.unwrap().unwrap();
        for work in waiting {
            work.await.unwrap().unwrap();
        }
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn an_operation_that_panics_is_a_bug_and_the_next_one_runs() {
        let pool = Pool::new(1, 2).unwrap();
        let panicked = pool.run(|| -> Result<()> { panic!("on purpose") }).await;
        assert_eq!(panicked.unwrap_err().code(), Code::Bug);
        assert_eq!(pool.run(|| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_operation_whose_caller_hung_up_does_not_stop_the_pool() {
        let pool = Pool::new(1, 2).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        let work = pool.run(move || {
            let _ = gate.recv();
            Ok(())
        });
        assert!(tokio::time::timeout(std::time::Duration::ZERO, work).await.is_err());
        open.send(()).unwrap();
        assert_eq!(pool.run(|| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_large_body_is_read_while_other_requests_go_on() {
        let (open, gate) = mpsc::channel();
        let reading = offload(SMALL + 1, move || gate.recv().map_err(|_| Error::new(Code::Bug, "nobody")));
        let (read, sent) = tokio::join!(reading, async move { open.send(7) });
        assert_eq!((read.unwrap(), sent), (7, Ok(())));

        let here = thread::current().id();
        assert_eq!(offload(SMALL, || Ok(thread::current().id())).await.unwrap(), here, "a small one at once");
        let panicked = offload(SMALL + 1, || -> Result<()> { panic!("on purpose") }).await;
        assert_eq!(panicked.unwrap_err().code(), Code::Bug);
    }
}
