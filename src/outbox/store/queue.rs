//! The order in which entries and records of jobs go.
//!
//! Each has a `position`: the next number when it is accepted, and the next number again after an attempt that failed. So whatever
//! else is due goes once before it is tried again, and an entry on which MOSIP hangs stops no other.
//!
//! An entry is `held` while an older one of its composition is not settled at its destination. One that waits for a moment has it in `next_at`, and 0
//! there once that moment is past. So the head of the queue is one look into an index, however many wait, are held or back off.

use rusqlite::{Connection, OptionalExtension, params};

use super::Tables;
use crate::error::Result;
use crate::outbox::entry::{Destination, EntryKind};

/// The number behind all others; nothing else ever gets it.
pub(super) const NEXT_POSITION: &str = "UPDATE meta SET value=value+1 WHERE name='position' RETURNING value";
/// What waited for a moment that is past is due.
pub(super) const CALL_ENTRIES: &str =
    "UPDATE entry SET next_at=0 WHERE state='queued' AND next_at>0 AND next_at<=?2 AND kind=?1";
/// The head of a kind.
pub(super) const FIRST_ENTRY: &str = "SELECT position, seq FROM entry
     WHERE state='queued' AND held=0 AND next_at=0 AND kind=?1 ORDER BY position LIMIT 1";
/// When the next of a kind is due.
pub(super) const NEXT_ENTRY: &str =
    "SELECT min(next_at) FROM entry WHERE state='queued' AND next_at>0 AND next_at>?2 AND kind=?1";
/// As [`CALL_ENTRIES`], of records.
pub(super) const CALL_RECORDS: &str =
    "UPDATE job_record SET next_at=0 WHERE state='queued' AND next_at>0 AND next_at<=?1";
/// The first records over all jobs.
pub(super) const FIRST_RECORDS: &str = "SELECT id, attempts+1, payload FROM job_record
     WHERE state='queued' AND next_at=0 ORDER BY position LIMIT ?1";
/// When the next record is due; 0: now.
pub(super) const NEXT_RECORD: &str = "SELECT CASE
     WHEN EXISTS (SELECT 1 FROM job_record WHERE state='queued' AND next_at=0) THEN 0
     ELSE (SELECT min(next_at) FROM job_record WHERE state='queued' AND next_at>0) END";
/// Of the composition and destination of the entry with this id, the oldest entry goes next.
const RELEASE: &str = "UPDATE entry SET held=0 WHERE held=1 AND seq=(
       SELECT min(seq) FROM entry WHERE state IN ('queued', 'leased', 'parked')
       AND (destination, composition)=(SELECT destination, composition FROM entry WHERE id=?1))";

impl Tables<'_> {
    /// A position behind all others.
    pub(super) fn next_position(&self) -> Result<i64> {
        Ok(next_position(self.connection)?)
    }

    /// Whether an entry of `composition` is on its way to `destination`, so that a new one has to wait for it.
    pub(super) fn is_held(&self, destination: Destination, composition: &str) -> Result<bool> {
        let older = "SELECT EXISTS (SELECT 1 FROM entry WHERE composition=?1 AND destination=?2
             AND state IN ('queued', 'leased', 'parked'))";
        let mut older = self.connection.prepare_cached(older)?;
        Ok(older.query_row([composition, destination.as_str()], |row| row.get(0))?)
    }

    /// The entry `id` has been settled: the next of its composition may go.
    pub(super) fn release_next(&self, id: &str) -> Result<()> {
        self.connection.prepare_cached(RELEASE)?.execute([id])?;
        Ok(())
    }

    /// Takes what is due by now into the queue.
    pub(super) fn call_entries(&self, kinds: &[EntryKind]) -> Result<()> {
        let mut call = self.connection.prepare_cached(CALL_ENTRIES)?;
        for kind in kinds {
            call.execute(params![kind.as_str(), self.now])?;
        }
        Ok(())
    }

    /// The first entry of `kinds`: its `seq`.
    pub(super) fn first_due(&self, kinds: &[EntryKind]) -> Result<Option<i64>> {
        // For each kind by itself: so the index has them in order.
        let mut find = self.connection.prepare_cached(FIRST_ENTRY)?;
        let mut first: Option<(i64, i64)> = None;
        for kind in kinds {
            let found = find.query_row([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            first = first.into_iter().chain(found).min();
        }
        Ok(first.map(|(_, seq)| seq))
    }
}

fn next_position(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(NEXT_POSITION)?.query_row([], |row| row.get(0))
}

/// Queues again what is leased in `table` and is of `kind`, or of any: an attempt that ended without a verdict counts as a failed one.
pub(super) fn void_leases(
    connection: &Connection,
    table: &'static str,
    kind: Option<EntryKind>,
) -> rusqlite::Result<()> {
    let of_kind = if kind.is_some() { "AND kind=?1" } else { "AND ?1 IS NULL" };
    let leased = format!("SELECT seq FROM {table} WHERE state='leased' {of_kind} ORDER BY position");
    let leased: Vec<i64> = connection
        .prepare(&leased)?
        .query_map([kind.map(EntryKind::as_str)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let requeue = format!("UPDATE {table} SET state='queued', next_at=0, position=?2 WHERE seq=?1");
    for seq in leased {
        connection.execute(&requeue, params![seq, next_position(connection)?])?;
    }
    Ok(())
}
