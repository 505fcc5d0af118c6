//! Group commit: one thread, one connection, one transaction for all jobs that wait.

use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::desk::Desk;
use crate::error::{Code, Error, Result};
use crate::store;

/// Jobs that may wait; beyond that callers wait before they hand theirs over.
const QUEUE: usize = 1024;
/// Jobs that share one commit.
const LARGEST_GROUP: usize = 256;
/// The exit code of a process whose store panicked.
pub(super) const PANICKED: i32 = 70;

/// The handle on the thread.
pub(super) struct Group {
    /// `None` only while being dropped.
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// The file is closed when this returns, so the holder of the lock may release it. Where a job held the last handle, this is the
/// thread itself, which ends by itself.
impl Drop for Group {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic has ended the process.
            let _ = thread.join();
        }
    }
}

enum Order {
    Job(Waiting),
    /// Runs outside any transaction.
    Command(Box<dyn FnOnce(&mut Desk) + Send>),
}

/// A job, and the channel for its answer.
pub(super) struct Waiting {
    pub(super) job: store::Job,
    /// Whether it acknowledges to a caller what they sent.
    pub(super) acknowledges: bool,
    /// `None`: it has not run.
    pub(super) outcome: Option<Result<()>>,
    answer: oneshot::Sender<Result<()>>,
}

impl Waiting {
    /// Answers, with the outcome of the commit that all of the group shared.
    pub(super) fn finish(self, commit: Result<()>) {
        let outcome = match self.outcome {
            Some(Err(error)) => Err(error),
            _ => commit,
        };
        // The caller hung up and no longer waits.
        let _ = self.answer.send(outcome);
    }
}

impl Group {
    /// Starts the thread at `desk`.
    pub(super) fn start(desk: Desk) -> std::io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || serve(desk, queue))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Runs a job in a group and answers after its commit. What acknowledges is refused where the files are gone.
    pub(super) async fn run(&self, order: store::Order) -> Result<()> {
        let (answer, outcome) = oneshot::channel();
        let store::Order { job, acknowledges, locks: _ } = order;
        self.order(Order::Job(Waiting { job, acknowledges, outcome: None, answer })).await?;
        outcome.await.map_err(|_| closed())?
    }

    /// Runs `command` between two groups.
    pub(super) async fn command<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let command = move |desk: &mut Desk| {
            // The caller hung up and no longer waits.
            let _ = answer.send(command(desk));
        };
        self.order(Order::Command(Box::new(command))).await?;
        outcome.await.map_err(|_| closed())?
    }

    async fn order(&self, order: Order) -> Result<()> {
        let orders = self.orders.as_ref().ok_or_else(closed)?;
        orders.send(order).await.map_err(|_| closed())
    }
}

fn closed() -> Error {
    Error::new(Code::Storage, "the outbox is closed")
}

/// Ends the process when the thread panics: without it nothing is stored, and only a new start helps.
struct EndsWithThread;

impl Drop for EndsWithThread {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(
                exit_code = PANICKED,
                "the thread of the outbox panicked; the gateway ends, to be started again"
            );
            #[allow(clippy::disallowed_methods, reason = "nobody is left to return to")]
            std::process::exit(PANICKED);
        }
    }
}

fn serve(mut desk: Desk, mut queue: mpsc::Receiver<Order>) {
    let _ends_with_thread = EndsWithThread;
    while let Some(first) = queue.blocking_recv() {
        let (mut group, mut command) = (Vec::new(), None);
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Job(job) => group.push(job),
                Order::Command(ordered) => command = Some(ordered),
            }
            let goes_on = command.is_none() && group.len() < LARGEST_GROUP;
            next = if goes_on { queue.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            desk.commit(group);
        }
        if let Some(command) = command {
            command(&mut desk);
        }
    }
}
