//! Group commit: one thread, one connection, one transaction for all jobs that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Code, Error, Result};

/// Jobs that may wait; beyond that callers wait before they hand theirs over.
const QUEUE: usize = 1024;
/// Jobs that share one commit.
const LARGEST_GROUP: usize = 256;

/// The handle on the thread.
pub(super) struct Group {
    /// `None` only while being dropped.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    writable: Arc<AtomicBool>,
}

/// The file is closed when this returns, so that whoever holds the lock may give it up.
impl Drop for Group {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked for a reason that would concern anybody now.
            let _ = thread.join();
        }
    }
}

trait Job: Send {
    /// Does the work inside a savepoint; `Err` undoes it alone.
    fn run(&mut self, connection: &Connection) -> Result<(), ()>;
    /// Answers, with the outcome of the commit that all of the group shared.
    fn finish(self: Box<Self>, commit: Result<()>);
}

struct Work<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
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
    /// Starts the thread on `connection`.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writable = Arc::new(AtomicBool::new(true));
        let told = Arc::clone(&writable);
        let thread = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || serve(&connection, queue, &told))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), writable })
    }

    /// Whether the last group reached the disk, and another can.
    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
            && self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Runs `work` in a group and answers after its commit.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let gone = || Error::new(Code::Storage, "the outbox is closed");
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(Box::new(Work { work: Some(work), outcome: None, answer }))
            .await
            .map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

fn serve(connection: &Connection, mut queue: mpsc::Receiver<Box<dyn Job>>, writable: &AtomicBool) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while let Some(next) = (group.len() < LARGEST_GROUP).then(|| queue.try_recv().ok()).flatten() {
            group.push(next);
        }
        let before = connection.total_changes();
        let commit = run(connection, &mut group);
        match &commit {
            Ok(()) if connection.total_changes() == before => {}
            Ok(()) => writable.store(true, Ordering::Release),
            Err(error) => {
                if writable.swap(false, Ordering::AcqRel) {
                    tracing::error!(
                        code = error.code().as_str(),
                        step = error.operator_detail(),
                        "the outbox cannot be written"
                    );
                }
            }
        }
        for job in group {
            job.finish(commit.clone());
        }
    }
}

/// One transaction. A job that fails is undone alone; a disk that fails undoes the group.
fn run(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<()> {
    let outcome = run_and_commit(connection, group);
    // What could not be ended, for want of space or whatever else, must not stand in the way of the next group.
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK");
    }
    outcome
}

fn run_and_commit(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<()> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in group {
        execute(connection, "SAVEPOINT job")?;
        let kept = job.run(connection).is_ok();
        // SQLite undoes the whole transaction by itself when the disk is full or fails.
        if connection.is_autocommit() {
            return Err(Error::new(Code::Storage, "the outbox cannot be written")
                .for_operator("the disk is full or fails"));
        }
        if !kept {
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
    }
    execute(connection, "COMMIT")
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute(())?;
    Ok(())
}
