//! The verbs of a transaction.

use super::overview::Overview;
use super::queues::Queues;
use super::rows::{
    CorrelationRow, IdentityRow, JobRow, Listed, ListedPush, Millis, OutcomeRow, PushRow, SealedColumn,
    SealedValue, Seq, State, TokenRow,
};
use crate::error::Result;

/// Bytes of sealed values after which [`Tx::sealed_values`] adds no further one.
pub(crate) const SEALED_AT_ONCE: usize = 8 << 20;

/// What a job does. Every list is in the order of insertion.
pub(crate) trait Tx: Queues + Overview {
    /// The outbox's clock, where several gateways share the database: it has one for all of them. `None`: who has it open keeps the clock.
    fn clock(&mut self) -> Result<Option<Millis>> {
        Ok(None)
    }
    /// A number of the database's own, such as its clock.
    fn number(&mut self, name: &str) -> Result<Option<i64>>;
    fn set_number(&mut self, name: &str, value: i64) -> Result<()>;
    /// A sealed value of the database's own.
    fn sealed(&mut self, name: &str) -> Result<Option<Vec<u8>>>;
    fn set_sealed(&mut self, name: &str, value: &[u8]) -> Result<()>;

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>>;
    /// Whether an entry has this id, or had it, so that an identity or a correlation names it though its row may be forgotten.
    fn is_taken(&mut self, id: &str) -> Result<bool>;
    /// The identity that came with an idempotency key.
    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>>;
    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()>;

    /// Writes the row of an entry, in place of the one it has, and adds names by which it is found.
    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()>;
    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>>;
    /// The rows that a name (an HMAC) finds, in their order; of more than `limit` the newest.
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
    /// Up to `limit` of them after `after`, each with its place, in order of acceptance.
    fn concluded(&mut self, outcome: &str, after: Seq, limit: usize) -> Result<Vec<(Seq, String)>>;

    /// Keeps the token that came with the entry of a correlation, in place of the one that is kept; `None`: none is kept any more.
    fn keep_token(&mut self, entry: &str, token: Option<&TokenRow>) -> Result<()>;
    fn token(&mut self, entry: &str) -> Result<Option<TokenRow>>;
    /// How many tokens are kept that end by this moment.
    fn tokens_ending(&mut self, by: Millis) -> Result<u64>;
    /// Erases some of the tokens that have ended by `now`, and keeps when they did; how many.
    fn erase_tokens(&mut self, now: Millis) -> Result<usize>;

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq>;
    /// A push with its body, which may be large.
    fn push(&mut self, id: &str) -> Result<Option<PushRow>>;
    /// The same without its body.
    fn listed_push(&mut self, id: &str) -> Result<Option<ListedPush>>;
    /// Up to `limit` pushes after `after` that are quarantined, or that were not looked at.
    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<ListedPush>>;
    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()>;
    /// Every quarantined push is to be looked at again; how many.
    fn release_quarantine(&mut self) -> Result<usize>;
    fn delete_push(&mut self, id: &str) -> Result<bool>;
    /// Rows and bytes of `kind`, without a look at each of them.
    fn push_size(&mut self, kind: &str) -> Result<(u64, u64)>;
    /// Marks a message as delivered `now`; when it was before, if it was.
    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<Option<Millis>>;
    /// When a message was marked, if it was.
    fn marked_verified(&mut self, hash: &[u8]) -> Result<Option<Millis>>;

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq>;
    fn job(&mut self, id: &str) -> Result<Option<JobRow>>;
    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>>;
    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()>;
    /// How many records of a job there are in each state.
    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>>;
    /// Whether a record of a job is queued or leased.
    fn is_under_way(&mut self, job: Seq) -> Result<bool>;
    /// Up to `limit` records of a job that have a result, with their places, from the place `from` on.
    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>>;
    /// The job of a record.
    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>>;

    /// Up to `limit` sealed values of a column after `after`: at least one where there is one, and no further one once they take
    /// [`SEALED_AT_ONCE`].
    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>>;
    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()>;

    /// Forgets some of what is older: settled rows and jobs from before `settled`, the rest from before `seen`. An identity whose
    /// entry is forgotten keeps how it ended; one whose entry is not settled stays, and so does a correlation that is to be answered after
    /// `seen`.
    fn forget(&mut self, settled: Millis, seen: Millis) -> Result<()>;
}
