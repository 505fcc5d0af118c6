//! What a row holds, and what is said of rows: which ones, how far they have come, what becomes of them.

use std::ops::Deref;

use serde::Serialize;

use crate::words::words;

/// A moment or a length of time on the outbox's clock, milliseconds.
pub(crate) type Millis = i64;

/// Order of insertion within a queue; also the cursor of lists.
pub(crate) type Seq = i64;

/// Names one lease of a row: the number of its attempt. The holder of an older one has lost the row.
pub(crate) type Fence = i64;

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

words! {
    /// The state of a row.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum State {
        /// It waits for its turn.
        Queued = "queued",
        /// A worker has it.
        Leased = "leased",
        /// Its destination took it.
        Done = "done",
        /// A person decides.
        Parked = "parked",
        /// A person decided that it does not go.
        Discarded = "discarded",
        /// A record that was asked about, and for which there is no token.
        Refused = "refused",
        /// A record that is wrong by itself.
        Invalid = "invalid",
    }
}

impl State {
    /// Where a row has not arrived, and goes on by itself.
    pub(crate) const WAITING: [Self; 2] = [Self::Queued, Self::Leased];

    /// Whether nothing more happens to the row, neither by itself nor by a person.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Discarded | Self::Refused | Self::Invalid)
    }
}

/// A row of work as lists hold it: without its payload, since a hundred of them may not fit into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) queue: Queue,
    pub(crate) seq: Seq,
    /// The name by which it is known outside, the same in every attempt.
    pub(crate) id: String,
    /// Where it goes.
    pub(crate) destination: String,
    pub(crate) kind: String,
    /// Rows of one line at one destination go one at a time, in the order of their insertion. `None`: it waits for no other row.
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
    /// Who has to act after the last attempt.
    pub(crate) fault: Option<String>,
    /// Why the last attempt failed, as JSON.
    pub(crate) refusal: Option<String>,
    /// Why a person discarded it.
    pub(crate) reason: Option<String>,
    /// Whether an attempt may have reached its destination.
    pub(crate) sent: bool,
    /// What came of it, which is small; sealed.
    pub(crate) result: Option<Vec<u8>>,
    /// The request that caused it, and its trace.
    pub(crate) trace: Option<String>,
}

/// A row of work with all that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) listed: Listed,
    /// What goes; sealed.
    pub(crate) payload: Option<Vec<u8>>,
    /// How far it has come; sealed.
    pub(crate) progress: Option<Vec<u8>>,
}

impl Deref for Row {
    type Target = Listed;

    fn deref(&self) -> &Self::Target {
        &self.listed
    }
}

impl Listed {
    /// The number of the lease that it was returned with.
    pub(crate) fn fence(&self) -> Fence {
        Fence::from(self.attempts)
    }

    /// The lease that it was returned with.
    pub(crate) fn lease(&self) -> Lease {
        Lease { queue: self.queue, seq: self.seq, fence: self.fence() }
    }
}

/// One lease of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) queue: Queue,
    pub(crate) seq: Seq,
    pub(crate) fence: Fence,
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
    /// By which an entry is found when it comes again (an HMAC), in place of the entry that was found so before.
    pub(crate) identity: Option<Vec<u8>>,
    /// A delivery whose purpose is met once the entry of this name is settled.
    pub(crate) met_by: Option<String>,
    /// The job that a record belongs to, and its place there.
    pub(crate) job: Option<(Seq, u32)>,
    pub(crate) trace: Option<String>,
    /// It is inserted as [`State::Invalid`], and is never leased.
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

/// What becomes of a leased row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Back into the queue, behind all that wait, and not before this moment.
    Again {
        next_at: Millis,
        /// Absent: nothing failed, the attempt was broken off.
        refusal: Option<Refusal>,
    },
    /// A person decides.
    Park(Refusal),
    /// The row stays as settled, without payload and progress; without a `result` it keeps the one that it has.
    Settled { state: State, result: Option<Vec<u8>> },
    /// The row goes.
    Gone,
}

/// How a decision settles a row that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing<'a> {
    pub(crate) state: State,
    /// Why a person decided so.
    pub(crate) reason: Option<&'a str>,
    /// What came of the row, where that is known; sealed.
    pub(crate) result: Option<&'a [u8]>,
}

/// Why an attempt failed, as the rows keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: String,
    /// JSON.
    pub(crate) text: String,
}

/// Rows that are refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) destination: String,
    pub(crate) kind: String,
    pub(crate) state: State,
    /// The reason, as JSON.
    pub(crate) refusal: String,
    /// How many.
    pub(crate) rows: u64,
    /// When the last of them was settled, if they are.
    pub(crate) last_settled: Option<Millis>,
}

/// How an attempt of an entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptRow {
    /// The first is 1.
    pub(crate) number: Fence,
    /// By the machine's clock, milliseconds since the Unix epoch.
    pub(crate) ended_at: i64,
    /// A word of the ledger's.
    pub(crate) outcome: String,
    /// The other side's own code.
    pub(crate) upstream: Option<String>,
}

/// Which rows a list holds, or a decision is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) destination: Option<String>,
    pub(crate) states: Vec<State>,
    pub(crate) kinds: Vec<String>,
    pub(crate) fault: Option<String>,
    /// Only what was refused for this very reason, as JSON.
    pub(crate) refusal: Option<String>,
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

/// What came from outside and is not verified yet, as lists hold it: without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedPush {
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
}

/// What came from outside and is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushRow {
    pub(crate) listed: ListedPush,
    /// Sealed.
    pub(crate) body: Vec<u8>,
}

impl Deref for PushRow {
    type Target = ListedPush;

    fn deref(&self) -> &Self::Target {
        &self.listed
    }
}

/// Quarantined pushes of one kind that did not verify for one reason (JSON).
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushGroup<'a> {
    pub(crate) kind: &'a str,
    pub(crate) reason: Option<&'a str>,
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

/// The token that came with a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRow {
    /// Sealed; `None`: it has ended, and was erased.
    pub(crate) token: Option<Vec<u8>>,
    /// When it ends.
    pub(crate) until: Millis,
}

/// What came of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutcomeRow {
    /// A word of the ledger's.
    pub(crate) outcome: String,
    /// What was said; sealed.
    pub(crate) answer: Vec<u8>,
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
pub(crate) const SEALED: [SealedColumn; 12] = [
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
    SealedColumn { table: "correlation", name: "entry", column: "answer" },
    SealedColumn { table: "correlation", name: "entry", column: "token" },
];

/// The places of sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
}

/// A sealed value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedValue {
    /// Order within its column.
    pub(crate) at: Seq,
    /// Names the row.
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}
