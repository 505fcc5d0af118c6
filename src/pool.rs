//! The pool for private-key operations: as many at once as there are cores, a bounded queue, never on the reactor.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::{Code, Error, Result};

/// How many operations may wait; beyond that the caller hears `busy` at once instead of waiting without end.
pub const QUEUE_DEPTH: usize = 1024;

/// Runs CPU-bound work beside the reactor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Default for Pool {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores, QUEUE_DEPTH)
    }
}

impl Pool {
    /// A pool of `threads` operations at once and `queue` waiting.
    pub fn new(threads: usize, queue: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(threads)),
            admitted: Arc::new(Semaphore::new(threads.saturating_add(queue))),
        }
    }

    /// Runs `work` in order of arrival; [`Code::Busy`] when the queue is full.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let busy = || Error::new(Code::Busy, "the queue for private-key operations is full");
        let _admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let _running = running;
            work()
        })
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::Bug, "a private-key operation stopped unexpectedly")))
    }
}
