//! What people are shown of the rows.

use rusqlite::params;

use super::sql::table;
use super::tx::{JOB, PUSH, Transaction, read_job, read_push};
use super::work;
use crate::error::Result;
use crate::store::{
    ATTEMPTS_KEPT, AttemptRow, Failed, JobRow, ListedPush, Overview, PushGroup, PushReason, Queue, Refusal,
    Seq,
};

impl Overview for Transaction<'_> {
    fn failed(&mut self, queue: Queue) -> Result<Vec<Failed>> {
        let find = format!(
            "SELECT destination, kind, state, refusal, count(*), max(settled_at) FROM {} WHERE refusal IS NOT NULL \
             GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4",
            table(queue).name
        );
        let rows = self.list(&find, (), |row| {
            let state: String = row.get(2)?;
            let rows: i64 = row.get(4)?;
            Ok((row.get(0)?, row.get(1)?, state, row.get(3)?, rows.unsigned_abs(), row.get(5)?))
        })?;
        let read = |(destination, kind, state, refusal, rows, last_settled): (_, _, String, _, _, _)| {
            let state = work::state(&state)?;
            Ok(Failed { destination, kind, state, refusal, rows, last_settled })
        };
        rows.into_iter().map(read).collect()
    }

    fn explain(&mut self, queue: Queue, seq: Seq, refusal: &Refusal) -> Result<()> {
        let explain = format!(
            "UPDATE {} SET fault=?2, refusal=?3 WHERE seq=?1 AND settled_at IS NOT NULL",
            table(queue).name
        );
        self.run(&explain, params![seq, refusal.fault, refusal.text]).map(drop)
    }

    fn note_attempt(&mut self, seq: Seq, attempt: &AttemptRow) -> Result<()> {
        let AttemptRow { number, ended_at, outcome, upstream } = attempt;
        let insert = "INSERT OR REPLACE INTO attempt (entry, number, ended_at, outcome, upstream) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.run(insert, params![seq, number, ended_at, outcome, upstream])?;
        let forget = "DELETE FROM attempt WHERE entry=?1 AND number<=?2";
        self.run(forget, [seq, number - ATTEMPTS_KEPT]).map(drop)
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<AttemptRow>> {
        let find = "SELECT number, ended_at, outcome, upstream FROM attempt WHERE entry=?1 ORDER BY number";
        self.list(find, [seq], |row| {
            Ok(AttemptRow {
                number: row.get(0)?,
                ended_at: row.get(1)?,
                outcome: row.get(2)?,
                upstream: row.get(3)?,
            })
        })
    }

    fn unfinished_jobs(&mut self) -> Result<Vec<JobRow>> {
        self.list(&format!("{JOB} WHERE settled_at IS NULL ORDER BY seq"), (), read_job)
    }

    fn quarantined_for(&mut self, group: PushGroup<'_>, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        let find = format!(
            "SELECT {PUSH} FROM push WHERE state='quarantined' AND kind=?1 AND refusal IS ?2 AND seq>?3 ORDER BY seq LIMIT ?4"
        );
        self.list(&find, params![group.kind, group.reason, after, work::count(limit)], read_push)
    }

    fn release_quarantined_for(&mut self, group: PushGroup<'_>) -> Result<usize> {
        let release =
            "UPDATE push SET state='received' WHERE state='quarantined' AND kind=?1 AND refusal IS ?2";
        self.run(release, params![group.kind, group.reason])
    }

    fn push_reasons(&mut self) -> Result<Vec<PushReason>> {
        let reasons =
            "SELECT kind, refusal, count(*), coalesce(sum(bytes), 0) FROM push WHERE state='quarantined'
            GROUP BY kind, refusal ORDER BY kind, refusal";
        self.list(reasons, (), |row| {
            let (rows, bytes): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, row.get(1)?, rows.unsigned_abs(), bytes.unsigned_abs()))
        })
    }
}
