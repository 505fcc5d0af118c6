//! The verbs of a transaction.

use super::overview::Overview;
use super::rows::{
    Advance, CorrelationRow, Fence, Filter, IdentityRow, JobRow, Lane, Millis, NewRow, OutcomeRow, Pick,
    PushRow, Queue, Refusal, Row, SealedColumn, SealedValue, Seq, State, Verdict,
};
use crate::error::Result;

/// What a job does. Every list is in the order of insertion.
pub(crate) trait Tx: Overview {
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
    /// Why rows are in `state`: each reason (JSON) with its number of rows, the commonest first.
    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>>;
    /// How many rows there are in each state.
    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>>;

    /// Leases up to `pick.limit` rows of `lane` that are due: queued, or leased until a moment that has passed; the one that has
    /// waited longest since it was inserted or last failed goes first. A row whose line has an older one at its destination that
    /// is not settled waits for it. Each lease gets a number of its own and counts an attempt.
    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>>;
    /// When the next row of `lane` falls due that is not due at `now`.
    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>>;
    /// Prolongs leases; lost ones are left out of the answer.
    fn renew(&mut self, queue: Queue, held: &[(Seq, Fence)], until: Millis) -> Result<Vec<Seq>>;
    /// Writes the progress of a leased row; false: the lease is lost.
    fn advance(&mut self, queue: Queue, seq: Seq, fence: Fence, advance: &Advance) -> Result<bool>;
    /// Ends a lease; false: it is lost, and nothing changes.
    fn settle(
        &mut self,
        queue: Queue,
        seq: Seq,
        fence: Fence,
        verdict: &Verdict,
        now: Millis,
    ) -> Result<bool>;
    /// Queues every leased row again, due at once, and makes every queued one due: the process that held them is gone.
    fn release_all(&mut self) -> Result<()>;

    /// A person's decision about a row that is queued or parked: it is queued and due, and its age starts again. A queued one keeps its
    /// position, a parked one joins the end of the queue; false for others.
    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool>;
    /// A decision about a row that is queued or parked: it is settled without payload, with what came of it where that is known; false
    /// for others.
    fn close(
        &mut self,
        queue: Queue,
        seq: Seq,
        state: State,
        reason: Option<&str>,
        result: Option<&[u8]>,
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

    /// The entry of a correlation is to be answered by this moment; `None`: nothing is expected.
    fn expect(&mut self, entry: &str, by: Option<Millis>) -> Result<()>;
    /// Up to `limit` entries that were to be answered by `now`, the longest overdue first.
    fn overdue(&mut self, now: Millis, limit: usize) -> Result<Vec<String>>;
    /// Writes what came of the entry of a correlation, in place of what stood there.
    fn conclude(&mut self, entry: &str, outcome: &OutcomeRow) -> Result<()>;
    fn outcome(&mut self, entry: &str) -> Result<Option<OutcomeRow>>;
    /// How many entries have this outcome.
    fn outcomes(&mut self, outcome: &str) -> Result<u64>;

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
    /// Marks a message as delivered `now`; when it was before, if it was.
    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<Option<Millis>>;

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq>;
    fn job(&mut self, id: &str) -> Result<Option<JobRow>>;
    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>>;
    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()>;
    /// How many records of a job there are in each state.
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
