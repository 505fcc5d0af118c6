//! Group commit: one thread, one connection, one transaction for all jobs that wait.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::desk::Desk;
use crate::error::{Code, Error, Result};

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

/// The file is closed when this returns, so that whoever holds the lock may give it up.
impl Drop for Group {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic has ended the process.
            let _ = thread.join();
        }
    }
}

enum Order {
    Job(Box<dyn Job>),
    /// Runs outside any transaction.
    Command(Box<dyn FnOnce(&mut Desk) + Send>),
}

pub(super) trait Job: Send {
    /// Does the work inside a savepoint; `Err` undoes it alone.
    fn run(&mut self, connection: &Connection) -> Result<(), ()>;
    /// Whether somebody outside is told that what they sent is safe.
    fn acknowledges(&self) -> bool;
    /// Answers, with the outcome of the commit that all of the group shared.
    fn finish(self: Box<Self>, commit: Result<()>);
}

struct Work<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    acknowledges: bool,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), ()> {
        let outcome = self.work.take().map(|work| work(connection));
        let kept = matches!(outcome, Some(Ok(_)));
        self.outcome = outcome;
        if kept { Ok(()) } else { Err(()) }
    }

    fn acknowledges(&self) -> bool {
        self.acknowledges
    }

    fn finish(self: Box<Self>, commit: Result<()>) {
        let never_ran = || Err(Error::new(Code::Bug, "a job of the outbox did not run"));
        let outcome = match (commit, self.outcome) {
            (Err(refused), None | Some(Ok(_))) => Err(refused),
            (_, outcome) => outcome.unwrap_or_else(never_ran),
        };
        // Nobody waits any more: the caller hung up.
        let _ = self.answer.send(outcome);
    }
}

impl Group {
    /// Starts the thread at `desk`.
    pub(super) fn start(desk: Desk) -> std::io::Result<Self> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("outbox".to_owned()).spawn(move || serve(desk, queue))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Runs `work` in a group and answers after its commit. What `acknowledges` is refused where the files are gone.
    pub(super) async fn run<T, F>(&self, acknowledges: bool, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let work = Work { work: Some(work), outcome: None, acknowledges, answer };
        self.order(Order::Job(Box::new(work))).await?;
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
            // Nobody waits any more: the caller hung up.
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

/// Ends the process when the thread panics: without it nothing is stored, and a new start is what helps.
struct EndsWithThread;

impl Drop for EndsWithThread {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(
                exit_code = PANICKED,
                "the thread of the outbox panicked; the gateway ends, to be started again"
            );
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
