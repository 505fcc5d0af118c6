//! Group commit: a thread takes all jobs that wait, and commits them in one transaction on its own connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use crate::error::{Code, Error, Result};
use crate::store::{self, Beside, Terms};

/// Jobs that may wait; beyond that callers wait before they hand theirs over.
const QUEUE: usize = 1024;
/// Jobs that share one commit.
const LARGEST_GROUP: usize = 256;
/// The exit code of a process whose store panicked.
pub(super) const PANICKED: i32 = 70;

/// What a thread works with: a connection.
pub(super) trait Desk: Send + 'static {
    /// One transaction for `group`, and its answers.
    fn commit(&mut self, group: Vec<Waiting>);
}

/// The handle on the threads.
pub(super) struct Group<D> {
    /// `None` only while being dropped.
    orders: Option<mpsc::Sender<Order<D>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Every connection is closed when this returns, so the holder of the lock of a file may release it. Where a job held the last handle,
/// this is one of the threads itself, which ends by itself.
impl<D> Drop for Group<D> {
    fn drop(&mut self) {
        self.orders = None;
        for thread in self.threads.drain(..) {
            if thread.thread().id() != thread::current().id() {
                // A panic has ended the process.
                let _ = thread.join();
            }
        }
    }
}

enum Order<D> {
    Job(Waiting),
    /// Runs outside any transaction.
    Command(Command<D>),
}

type Command<D> = Box<dyn FnOnce(&mut D) + Send>;

/// A job, and the channel for its answer.
pub(super) struct Waiting {
    pub(super) job: store::Job,
    pub(super) beside: Beside,
    /// Whether it acknowledges to a caller what they sent.
    pub(super) acknowledges: bool,
    /// `None`: it has not run.
    pub(super) outcome: Option<Result<()>>,
    answer: oneshot::Sender<Result<()>>,
}

impl Waiting {
    /// False: whoever sent what it acknowledges has hung up or was refused. Told of nothing, they send it again.
    fn is_wanted(&self) -> bool {
        !(self.acknowledges && self.answer.is_closed())
    }

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

impl<D: Desk> Group<D> {
    /// Starts a thread at each of `desks`.
    pub(super) fn start(desks: impl IntoIterator<Item = D>) -> std::io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let start = |desk| {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("store".to_owned()).spawn(move || serve(desk, &queue))
        };
        let threads = desks.into_iter().map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { orders: Some(orders), threads })
    }

    /// Runs a job in a group and answers after its commit.
    pub(super) async fn run(&self, order: store::Order) -> Result<()> {
        let (answer, outcome) = oneshot::channel();
        let store::Order { job, terms: Terms { beside, acknowledges } } = order;
        let waiting = Waiting { job, beside, acknowledges, outcome: None, answer };
        self.order(Order::Job(waiting)).await?;
        outcome.await.map_err(|_| closed())?
    }

    /// Runs `command` between two groups.
    pub(super) async fn command<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let command = move |desk: &mut D| {
            // The caller hung up and no longer waits.
            let _ = answer.send(command(desk));
        };
        self.order(Order::Command(Box::new(command))).await?;
        outcome.await.map_err(|_| closed())?
    }

    async fn order(&self, order: Order<D>) -> Result<()> {
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

fn serve<D: Desk>(mut desk: D, queue: &Mutex<mpsc::Receiver<Order<D>>>) {
    let _ends_with_thread = EndsWithThread;
    while let Some((group, command)) = next(queue) {
        if !group.is_empty() {
            desk.commit(group);
        }
        if let Some(command) = command {
            command(&mut desk);
        }
    }
}

/// All jobs that wait and are wanted, up to the first command among them. `None`: there will be no more.
fn next<D>(queue: &Mutex<mpsc::Receiver<Order<D>>>) -> Option<(Vec<Waiting>, Option<Command<D>>)> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut group, mut command) = (Vec::new(), None);
    let mut next = Some(queue.blocking_recv()?);
    while let Some(order) = next {
        match order {
            Order::Job(job) => group.extend(Some(job).filter(Waiting::is_wanted)),
            Order::Command(ordered) => command = Some(ordered),
        }
        let goes_on = command.is_none() && group.len() < LARGEST_GROUP;
        next = if goes_on { queue.try_recv().ok() } else { None };
    }
    Some((group, command))
}
