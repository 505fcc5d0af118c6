//! The verbs over the three tables of work.

use super::rows::{
    Advance, Closing, Filter, Lease, Listed, Millis, NewRow, Queue, Refusal, Row, Seq, State, Verdict,
};
use crate::error::Result;

/// What one worker takes rows from: a queue, a destination, and of it these kinds, or all where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) queue: Queue,
    pub(crate) destination: String,
    pub(crate) kinds: Vec<String>,
}

impl Lane {
    /// Whether what is in `queue` for `destination` and of this `kind` goes through it.
    pub(crate) fn takes(&self, queue: Queue, destination: &str, kind: &str) -> bool {
        self.queue == queue
            && self.destination == destination
            && (self.kinds.is_empty() || self.kinds.iter().any(|taken| taken == kind))
    }

    /// Whether there is a row that goes through both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let takes = |kind: &String| self.takes(other.queue, &other.destination, kind);
        match other.kinds.as_slice() {
            [] => self.queue == other.queue && self.destination == other.destination,
            kinds => kinds.iter().any(takes),
        }
    }
}

/// How rows are leased.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick {
    pub(crate) now: Millis,
    /// Until when the lease holds.
    pub(crate) until: Millis,
    pub(crate) limit: usize,
}

/// Verbs of a transaction for rows that a worker leases. Every list is in the order of insertion.
pub(crate) trait Queues {
    /// Inserts rows behind all of their queue.
    fn insert(&mut self, rows: &[NewRow]) -> Result<()>;
    /// A row with its payload, which may be large.
    fn row(&mut self, queue: Queue, id: &str) -> Result<Option<Row>>;
    /// The same without its payload.
    fn listed(&mut self, queue: Queue, id: &str) -> Result<Option<Listed>>;
    /// Up to `limit` rows after `after`.
    fn rows(&mut self, queue: Queue, filter: &Filter, after: Seq, limit: usize) -> Result<Vec<Listed>>;
    /// Why rows are in `state`: each reason (JSON) with its number of rows, the commonest first.
    fn refusals(&mut self, queue: Queue, state: State) -> Result<Vec<(Option<String>, u64)>>;
    /// How many rows there are in each state.
    fn counts(&mut self, queue: Queue) -> Result<Vec<(String, String, State, u64)>>;

    /// Leases up to `pick.limit` rows of `lane` that are due: queued, or leased until a moment that has passed; the one that has
    /// waited longest since it was inserted or last failed goes first. A row whose line has an older one at its destination that
    /// is not settled waits for it. Each lease gets a number of its own and counts an attempt.
    fn lease(&mut self, lane: &Lane, pick: Pick) -> Result<Vec<Row>>;
    /// How many rows of `lane` are leased at `now`, by whomever.
    fn leased(&mut self, lane: &Lane, now: Millis) -> Result<usize> {
        let filter = Filter {
            destination: Some(lane.destination.clone()),
            states: vec![State::Leased],
            kinds: lane.kinds.clone(),
            ..Filter::default()
        };
        let leased = self.rows(lane.queue, &filter, 0, usize::MAX)?;
        Ok(leased.iter().filter(|row| row.leased_until >= Some(now)).count())
    }
    /// When the next row of `lane` falls due that is not due at `now`.
    fn next_due(&mut self, lane: &Lane, now: Millis) -> Result<Option<Millis>>;
    /// Prolongs leases; lost ones are left out of the answer.
    fn renew(&mut self, leases: &[Lease], until: Millis) -> Result<Vec<Seq>>;
    /// Writes the progress of a leased row; false: the lease is lost.
    fn advance(&mut self, lease: Lease, advance: &Advance) -> Result<bool>;
    /// Ends a lease; false: it is lost, and nothing changes.
    fn settle(&mut self, lease: Lease, verdict: &Verdict, now: Millis) -> Result<bool>;
    /// Queues every leased row again, due at once, and makes every queued one due: the process that held them is gone.
    fn release_all(&mut self) -> Result<()>;

    /// A person's decision about a row that is queued or parked: it is queued and due, and its age starts again. A queued one keeps its
    /// position, a parked one joins the end of the queue; false for others.
    fn requeue(&mut self, queue: Queue, seq: Seq, now: Millis) -> Result<bool>;
    /// A decision about a row that is queued or parked: it is settled without payload; false for others.
    fn close(&mut self, queue: Queue, seq: Seq, closing: Closing<'_>, now: Millis) -> Result<bool>;
    /// Parks a row that is queued; false for others.
    fn park(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<bool>;
    /// A queued row waits until this moment, in its place.
    fn postpone(&mut self, queue: Queue, seq: Seq, until: Millis, refusal: Option<&Refusal>) -> Result<()>;
    /// Removes the deliveries whose purpose is met by the entry of this name.
    fn delete_met_by(&mut self, entry: &str) -> Result<()>;
    /// Removes a row.
    fn delete(&mut self, queue: Queue, seq: Seq) -> Result<bool>;
    /// Where rows may go since this was asked last, of this transaction: they waited for an older one of their line, which is settled or gone.
    fn freed(&mut self) -> Vec<Lane>;
}
