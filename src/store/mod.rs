//! Rows and transactions, nothing else: no rules, no view for the API, no name of a message.
//!
//! Whoever uses it hands over a job, a function over [`Tx`]. All that a job does becomes durable together, or none of it. A job may
//! run more than once (a lost connection, a deadlock), so that it has no effect but through [`Tx`]. It names beforehand what it
//! locks: two jobs that name the same lock never run side by side, and rows that a lock orders are inserted in the order of their
//! commits.
//!
//! Sealed values are bytes to a store: it has no key. A backend is one folder, and holds once the suite in `conformance` passes.

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod sqlite;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;

pub(crate) use self::trouble::{Gone, Piece, REMOVED, Trouble};
use crate::error::{Code, Error, Result};

/// A moment or a length of time on the outbox's clock, milliseconds.
pub(crate) type Millis = i64;

/// Order of insertion within a queue; also the cursor of lists.
pub(crate) type Seq = i64;

/// Names one lease of a row: the number of its attempt. Whoever holds an older one has lost the row.
pub(crate) type Fence = i64;

/// A database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store(Arc<dyn Backend>);

/// What a database has to be able to do.
pub(crate) trait Backend: Send + Sync {
    /// Runs a job in a transaction and answers once its commit is durable; an error of the job undoes it alone.
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>>;

    /// Why nothing is taken; `None`: what comes is.
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Looks whether everything is where it was, and tries again what did not take writes; [`Code::Storage`] while nothing is taken.
    fn look_after(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// A person says that what was gone is there again; [`Code::Storage`] with what is still wrong.
    fn resume(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Leaves nothing of former versions of rows in what the database keeps.
    fn overwrite(&self) -> BoxFuture<'_, Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    /// How much room there is.
    fn room(&self) -> Room {
        Room::default()
    }
}

/// A job as a backend gets it.
pub(crate) struct Order {
    /// Two jobs that name the same lock never run side by side.
    #[allow(dead_code, reason = "SQLite runs its jobs one after another anyhow")]
    pub(crate) locks: Vec<String>,
    /// Somebody outside is told that what they sent is safe: refused where the database is not what was opened.
    pub(crate) acknowledges: bool,
    pub(crate) job: Job,
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

/// Who seals the rows: what a database asks them.
pub(crate) trait Owner: Send + Sync {
    /// A database is about to be made: what seals its rows is made first, unless it is there.
    fn prepare(&self) -> Result<(), OwnerError>;

    /// The rows can be read: at a start, and again once a full disk has room. It is part of the transaction that opens them; without
    /// `may_write` nothing can be written. A database that is being made is opened under its temporary name first: the last call counts.
    fn opened(&self, tx: &mut dyn Tx, may_write: bool) -> Result<(), OwnerError>;

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

impl Store {
    pub(crate) fn new(backend: impl Backend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// Runs `job` in a transaction; what it returns is durable.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.order(Vec::new(), false, job).await
    }

    /// As [`Self::run`], for what somebody outside is told is safe: [`Code::Storage`] while nothing is taken. It holds `locks`.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        locks: Vec<String>,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Some(trouble) = self.trouble() {
            return Err((&trouble).into());
        }
        self.order(locks, true, job).await
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.0.trouble()
    }

    pub(crate) async fn look_after(&self) -> Result<()> {
        self.0.look_after().await
    }

    pub(crate) async fn resume(&self) -> Result<()> {
        self.0.resume().await
    }

    pub(crate) async fn overwrite(&self) -> Result<()> {
        self.0.overwrite().await
    }

    pub(crate) fn room(&self) -> Room {
        self.0.room()
    }

    async fn order<T: Send + 'static>(
        &self,
        locks: Vec<String>,
        acknowledges: bool,
        job: impl Fn(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let outcome = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&outcome);
        let job: Job = Box::new(move |tx| {
            let value = job(tx)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        self.0.run(Order { locks, acknowledges, job }).await?;
        let value = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::new(Code::Bug, "a job of the store did not run"))
    }
}

/// The three tables of work that a worker leases from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Queue {
    /// Events and what follows from them, each for one destination.
    Entries,
    /// Records of jobs.
    Records,
    /// Messages for the mediator.
    Deliveries,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It waits for its turn.
    Queued,
    /// A worker has it.
    Leased,
    /// Its destination took it.
    Done,
    /// A person decides.
    Parked,
    /// A person decided that it does not go.
    Discarded,
    /// A record that was asked about, and for which there is no token.
    Refused,
    /// A record that is wrong by itself.
    Invalid,
}

impl State {
    pub(crate) const ALL: [Self; 7] =
        [Self::Queued, Self::Leased, Self::Done, Self::Parked, Self::Discarded, Self::Refused, Self::Invalid];

    /// The word in the database and in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }

    /// Whether nothing more happens to the row, neither by itself nor by a person.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Discarded | Self::Refused | Self::Invalid)
    }
}

/// A row of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) queue: Queue,
    pub(crate) seq: Seq,
    /// The name by which it is known outside, the same in every attempt.
    pub(crate) id: String,
    /// Where it goes.
    pub(crate) destination: String,
    pub(crate) kind: String,
    /// Rows of one line at one destination go one at a time, in the order of their insertion. `None`: it waits for nobody.
    pub(crate) line: Option<String>,
    pub(crate) state: State,
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// By the machine's clock, milliseconds since the Unix epoch.
    pub(crate) accepted_at: i64,
    /// Since when it has been waiting without a person's decision.
    pub(crate) waiting_since: Millis,
    /// When the next attempt is due.
    pub(crate) next_at: Millis,
    /// Until when it is leased, if it is.
    pub(crate) leased_until: Option<Millis>,
    pub(crate) settled_at: Option<Millis>,
    /// Whose move it is after the last attempt.
    pub(crate) fault: Option<String>,
    /// Why the last attempt failed, as JSON.
    pub(crate) refusal: Option<String>,
    /// Why a person discarded it.
    pub(crate) reason: Option<String>,
    /// What goes; sealed.
    pub(crate) payload: Option<Vec<u8>>,
    /// How far it has come; sealed.
    pub(crate) progress: Option<Vec<u8>>,
    /// Whether an attempt may have reached its destination.
    pub(crate) sent: bool,
    /// What came of it; sealed.
    pub(crate) result: Option<Vec<u8>>,
}

impl Row {
    /// The lease that it was returned with.
    pub(crate) fn fence(&self) -> Fence {
        Fence::from(self.attempts)
    }
}

/// A row to be inserted; it is queued and due at once.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    pub(crate) queue: Queue,
    pub(crate) id: String,
    pub(crate) destination: String,
    pub(crate) kind: String,
    pub(crate) line: Option<String>,
    pub(crate) accepted_at: i64,
    pub(crate) waiting_since: Millis,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) result: Option<Vec<u8>>,
    /// A delivery whose purpose is met once the entry of this name is settled.
    pub(crate) met_by: Option<String>,
    /// The job that a record belongs to, and its place there.
    pub(crate) job: Option<(Seq, u32)>,
    /// It is inserted as [`State::Invalid`], and nobody leases it.
    pub(crate) is_invalid: bool,
}

/// How far a leased row has come. What is absent stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) progress: Option<Vec<u8>>,
    pub(crate) result: Option<Vec<u8>>,
    /// From now on an attempt may have reached the destination.
    pub(crate) sent: bool,
}

/// What one worker takes rows from: a queue, a destination, and of it these kinds, or all where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) queue: Queue,
    pub(crate) destination: String,
    pub(crate) kinds: Vec<String>,
}

/// How rows are leased.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    pub(crate) now: Millis,
    /// Until when the lease holds.
    pub(crate) until: Millis,
    pub(crate) limit: usize,
}

/// What becomes of a leased row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Back into the queue, behind all that wait, and not before this moment.
    Again {
        next_at: Millis,
        /// Absent: nobody failed, the attempt was broken off.
        refusal: Option<Refusal>,
    },
    /// A person decides.
    Park(Refusal),
    /// The row stays as settled, without payload and progress; without a `result` it keeps the one that it has.
    Settled { state: State, result: Option<Vec<u8>> },
    /// The row goes.
    Gone,
}

/// Why an attempt failed, as the rows keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: String,
    /// JSON.
    pub(crate) text: String,
}

/// Which rows a list holds, or a decision is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) destination: Option<String>,
    pub(crate) states: Vec<State>,
    pub(crate) kinds: Vec<String>,
    pub(crate) fault: Option<String>,
    pub(crate) line: Option<String>,
    /// Only what was settled at or before this moment.
    pub(crate) settled_by: Option<Millis>,
    /// Only what has been waiting since this moment or longer.
    pub(crate) waiting_since: Option<Millis>,
}

/// A job: many records that are asked about one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub(crate) seq: Seq,
    pub(crate) id: String,
    /// The form of its file.
    pub(crate) form: String,
    pub(crate) made_at: Millis,
    /// Once no record is queued or leased.
    pub(crate) settled_at: Option<Millis>,
}

/// What came from outside and is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushRow {
    pub(crate) seq: Seq,
    pub(crate) id: String,
    pub(crate) kind: String,
    /// Whether it was looked at and did not verify.
    pub(crate) is_quarantined: bool,
    /// By the machine's clock, milliseconds since the Unix epoch.
    pub(crate) received_at: i64,
    /// Size of the message, bytes.
    pub(crate) bytes: u64,
    /// Why it did not verify, as JSON.
    pub(crate) refusal: Option<String>,
    /// Sealed.
    pub(crate) body: Vec<u8>,
}

/// Of the quarantine: kind, reason, rows, bytes.
pub(crate) type PushReason = (String, Option<String>, u64, u64);

/// What is known of a registration for as long as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorrelationRow {
    /// The entry that made it, which names the row.
    pub(crate) entry: String,
    /// Names and numbers; sealed.
    pub(crate) subject: Vec<u8>,
    pub(crate) seen_at: Millis,
}

/// A content that was accepted: found by its HMAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityRow {
    /// The entry it became; the first of them where it became several.
    pub(crate) entry: String,
    /// How the entry ended, once its row is forgotten.
    pub(crate) last_state: Option<State>,
}

/// The columns that hold sealed values: table, column that names the row, sealed column. The names are bound into the sealed value
/// and so part of the format.
pub(crate) const SEALED: [SealedColumn; 10] = [
    SealedColumn { table: "meta", name: "name", column: "sealed" },
    SealedColumn { table: "entry", name: "id", column: "payload" },
    SealedColumn { table: "entry", name: "id", column: "progress" },
    // An application id was the first result that an entry could have.
    SealedColumn { table: "entry", name: "id", column: "aid" },
    SealedColumn { table: "delivery", name: "id", column: "body" },
    SealedColumn { table: "push", name: "id", column: "body" },
    SealedColumn { table: "job_record", name: "id", column: "payload" },
    SealedColumn { table: "job_record", name: "id", column: "progress" },
    SealedColumn { table: "job_record", name: "id", column: "result" },
    SealedColumn { table: "correlation", name: "entry", column: "subject" },
];

/// Where sealed values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
}

/// A sealed value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedValue {
    /// Order within its column.
    pub(crate) at: Seq,
    /// Names the row.
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// What a job does. Every list is in the order of insertion.
pub(crate) trait Tx {
    /// A number of the database's own, such as its clock.
    fn number(&mut self, name: &str) -> Result<Option<i64>>;
    fn set_number(&mut self, name: &str, value: i64) -> Result<()>;
    /// A sealed value of the database's own.
    fn sealed(&mut self, name: &str) -> Result<Option<Vec<u8>>>;
    fn set_sealed(&mut self, name: &str, value: &[u8]) -> Result<()>;

    /// Inserts rows behind all of their queue.
    fn insert(&mut self, rows: &[NewRow]) -> Result<()>;
    fn row(&mut self, queue: Queue, id: &str) -> Result<Option<Row>>;
    /// Up to `limit` rows after `after`.
    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Row>>;
    /// How many rows stand where.
    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>>;

    /// Leases up to `pick.limit` rows of `lane` that are due: queued, or leased until a moment that has passed; the one that has
    /// waited longest since it was inserted or last failed goes first. A row whose line has an older one at its destination that
    /// is not settled waits for it. Each lease gets a number of its own and counts an attempt.
    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>>;
    /// When the next row of `lane` falls due that is not due at `now`.
    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>>;
    /// Prolongs leases; those that hold no more are left out of the answer.
    fn renew(&mut self, queue: Queue, held: &[(Seq, Fence)], until: Millis) -> Result<Vec<Seq>>;
    /// Writes how far a leased row has come; false: the lease holds no more.
    fn advance(&mut self, queue: Queue, seq: Seq, fence: Fence, advance: &Advance) -> Result<bool>;
    /// Ends a lease; false: it holds no more, and nothing changes.
    fn settle(
        &mut self,
        queue: Queue,
        seq: Seq,
        fence: Fence,
        verdict: &Verdict,
        now: Millis,
    ) -> Result<bool>;
    /// Queues every leased row again, due at once, and makes every queued one due: whoever held them is gone.
    fn release_all(&mut self) -> Result<()>;

    /// A person's decision about a row that is queued or parked: it is queued and due, and its age counts anew. A queued one keeps its
    /// place, a parked one goes behind all that wait; false for others.
    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool>;
    /// A decision about a row that is queued or parked: it is settled without payload; false for others.
    fn close(
        &mut self,
        queue: Queue,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<bool>;
    /// Parks a row that is queued; false for others.
    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool>;
    /// A queued row waits until this moment, in its place.
    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()>;
    /// Removes the deliveries whose purpose is met by the entry of this name.
    fn delete_met_by(&mut self, entry: &str) -> Result<()>;
    /// Removes a row.
    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool>;

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>>;
    fn insert_identity(&mut self, hash: &[u8], entry: &str, now: Millis) -> Result<()>;
    /// Whether an identity names this entry, though its row may be forgotten.
    fn is_named(&mut self, entry: &str) -> Result<bool>;
    /// The identity that came with an idempotency key.
    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>>;
    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()>;

    /// Writes the row of an entry, in place of the one it has, and adds names by which it is found.
    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()>;
    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>>;
    /// Up to `limit` rows that a name (an HMAC) finds.
    fn named(&mut self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>>;

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq>;
    fn push(&mut self, id: &str) -> Result<Option<PushRow>>;
    /// Up to `limit` pushes after `after` that are quarantined, or that were not looked at.
    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<PushRow>>;
    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()>;
    /// Every quarantined push is to be looked at again; how many.
    fn release_quarantine(&mut self) -> Result<usize>;
    fn delete_push(&mut self, id: &str) -> Result<bool>;
    /// Rows and bytes of each kind, the quarantined ones or all.
    fn push_sizes(&mut self, quarantined_only: bool) -> Result<Vec<(String, u64, u64)>>;
    /// Rows and bytes of the quarantine, by kind and by the reason.
    fn push_reasons(&mut self) -> Result<Vec<PushReason>>;
    /// Marks a message as delivered; false: it was.
    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<bool>;

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq>;
    fn job(&mut self, id: &str) -> Result<Option<JobRow>>;
    #[allow(dead_code, reason = "the list of jobs asks for it")]
    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>>;
    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()>;
    /// How many records of a job stand where.
    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>>;
    /// Up to `limit` records of a job that have a result, with their places, from the place `from` on.
    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Row)>>;
    /// The job of a record.
    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>>;

    /// Up to `limit` sealed values of a column after `after`.
    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>>;
    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()>;

    /// Forgets some of what is older: settled rows and jobs from before `settled`, the rest from before `seen`. An identity whose
    /// entry is forgotten keeps how it ended; one whose entry is not settled stays.
    fn forget(&mut self, settled: Millis, seen: Millis) -> Result<()>;
}
