//! Rows and transactions. There are no rules here, no views for the API, and no kinds of messages.
//!
//! A caller hands over a job, a function over [`Tx`]. All that a job does becomes durable together, or none of it. A job may
//! run more than once (a lost connection, a deadlock), so that it has no effect but through [`Tx`]. It says beforehand beside what it
//! runs: see [`Beside`].
//!
//! Sealed values are bytes to a store: it has no key. A backend is one folder, and has to pass the suite in `conformance`.

#[cfg(test)]
pub(crate) mod conformance;
mod database;
mod group;
mod health;
mod location;
#[cfg(test)]
pub(crate) mod memory;
mod moving;
mod overview;
mod postgres;
mod queues;
mod rows;
mod sqlite;
mod trouble;
mod tx;

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

pub(crate) use self::database::{CopyError, Database, Head, LookError, OpenError, Remains};
pub(crate) use self::location::Location;
pub(crate) use self::moving::Copying;
pub(crate) use self::overview::{ATTEMPTS_KEPT, GatewayRow, Overview};
pub(crate) use self::queues::{Lane, Pick, Queues};
pub(crate) use self::rows::{
    Advance, AttemptRow, Closing, CorrelationRow, Failed, Fence, Filter, IdentityRow, JobRow, Lease, Listed,
    ListedPush, Millis, NewRow, OutcomeRow, PushGroup, PushReason, PushRow, Queue, Refusal, Row, SEALED,
    SealedColumn, SealedValue, Seq, State, TokenRow, Verdict,
};
pub(crate) use self::sqlite::foreign::{Foreign, ForeignError, ForeignRow, Table};
pub(crate) use self::trouble::{DENIED, Gone, Piece, REMOVED, Trouble};
pub(crate) use self::tx::{SEALED_AT_ONCE, Tx};
use crate::error::{Code, Error, Result};

/// A database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store(Arc<dyn Backend>);

/// What a database has to be able to do.
pub(crate) trait Backend: Send + Sync {
    /// Runs a job in a transaction and answers once its commit is durable; an error of the job undoes it alone.
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>>;

    /// Why nothing is taken; `None`: everything is taken.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Looks whether everything is where it was, and tries again what did not take writes; [`Code::Storage`] while nothing is taken.
    fn look_after(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// A person says that the files that were gone are there again; [`Code::Storage`] with what is still wrong.
    fn resume(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// A person accepts that the database lacks commits that were acknowledged.
    fn accept_loss(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Leaves nothing of former versions of rows in what the database keeps.
    fn overwrite(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Leaves nothing of settled rows in what is kept beside the rows, unless a reader uses it now.
    fn empty_log(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Whether other gateways may work on the same rows.
    fn is_shared(&self) -> bool {
        false
    }

    /// How much room there is.
    fn room(&self) -> Room {
        Room::default()
    }
}

/// A job as a backend gets it.
pub(crate) struct Order {
    pub(crate) terms: Terms,
    pub(crate) job: Job,
}

/// How a job runs.
#[derive(Default)]
pub(crate) struct Terms {
    pub(crate) beside: Beside,
    /// The job acknowledges something to a caller: it is refused where the database is not the one that was opened.
    pub(crate) acknowledges: bool,
}

/// Beside what a job runs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Beside none that changes anything.
    #[default]
    Nothing,
    /// Beside those that do not name one of these locks, of which there is at least one: rows that a lock orders are inserted in the order of
    /// their commits. To name some is a promise: whatever else the job reads and changes, none that holds other locks is in its way.
    Locks(Vec<String>),
    /// Beside all: it changes nothing, and sees the rows as they are at one moment.
    Everything,
}

impl Beside {
    /// Those that hold none of `locks`; where none is named, beside nothing.
    pub(crate) fn locks(locks: Vec<String>) -> Self {
        if locks.is_empty() { Self::Nothing } else { Self::Locks(locks) }
    }
}

/// A job that runs beside everything has changed something.
fn has_changed() -> Error {
    Error::new(Code::Bug, "a job that only reads has changed something")
}

/// What runs in a transaction; perhaps more than once.
pub(crate) type Job = Box<dyn Fn(&mut dyn Tx) -> Result<()> + Send>;

/// How much room a database has and takes, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// What its disk still takes.
    pub(crate) left: Option<u64>,
    /// What it takes.
    pub(crate) used: u64,
}

/// What a database asks of the owner of its rows, who seals them.
pub(crate) trait Owner: Send + Sync {
    /// A database is about to be made: what seals its rows is made first, unless it is there.
    fn prepare(&self) -> Result<(), OwnerError>;

    /// The rows can be read: at a start, and again once a full disk has room. It is part of the transaction that opens them. With
    /// `voids_leases` nobody else works on them, so that a lease of before has ended; without it they may be there to be read alone. A
    /// database that is being made is opened under its temporary name first: the last call counts.
    fn opened(&self, tx: &mut dyn Tx, voids_leases: bool) -> Result<(), OwnerError>;

    /// What happened to what seals the rows, if it is not where it was: a short predicate, such as "was removed". Asked after every
    /// commit that acknowledges.
    fn missing(&self) -> Option<&'static str>;
}

/// Why the owner of the rows cannot use a database.
#[derive(Debug)]
pub(crate) enum OwnerError {
    /// There is no room for this file.
    NoRoom(std::path::PathBuf),
    /// A sentence that says what is wrong, and what to do.
    Refused(String),
    /// The database refuses.
    Store(Error),
}

impl From<Error> for OwnerError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What needs no job is asked of the database itself.
impl Deref for Store {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Store {
    pub(crate) fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// Runs `job` in a transaction; what it returns is durable.
    #[cfg(test)]
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.order(Terms::default(), job).await
    }

    /// As [`Self::run`], for what is acknowledged to a caller: [`Code::Storage`] while nothing is taken. It holds `locks`.
    #[cfg(test)]
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        locks: Vec<String>,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.order(Terms { beside: Beside::locks(locks), acknowledges: true }, job).await
    }

    /// Runs `job` in a transaction on these `terms`; what it returns is durable. What is acknowledged is refused with [`Code::Storage`] while
    /// nothing is taken.
    pub(crate) async fn order<T: Send + 'static>(
        &self,
        terms: Terms,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Some(trouble) = self.trouble().filter(|_| terms.acknowledges) {
            return Err((&trouble).into());
        }
        let outcome = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&outcome);
        let job: Job = Box::new(move |tx| {
            let value = job(tx)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        self.0.run(Order { terms, job }).await?;
        let value = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::new(Code::Bug, "a job of the store did not run"))
    }
}
