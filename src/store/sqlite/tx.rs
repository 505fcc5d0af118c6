//! The verbs of a transaction on an open connection.

use std::cell::RefCell;

use rusqlite::{OptionalExtension, Row as SqlRow, params};

use super::forget;
use super::session::Session;
use super::work::{self, count};
use crate::error::Result;
use crate::store::{
    CorrelationRow, IdentityRow, JobRow, Lane, Listed, ListedPush, Millis, OutcomeRow, PushRow,
    SEALED_AT_ONCE, SealedColumn, SealedValue, Seq, State, TokenRow, Tx,
};

/// What a job sees of the file, and what it has freed.
pub(super) struct Transaction<'s>(pub(super) &'s Session, pub(super) RefCell<Vec<Lane>>);

impl<'s> Transaction<'s> {
    pub(super) fn new(session: &'s Session) -> Self {
        Self(session, RefCell::default())
    }
}

impl Transaction<'_> {
    pub(super) fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        Ok(self.0.prepare_cached(sql)?.execute(values)?)
    }

    pub(super) fn find<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.0.prepare_cached(sql)?.query_row(values, read).optional()?)
    }

    pub(super) fn list<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut find = self.0.prepare_cached(sql)?;
        let rows = find.query_map(values, read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }
}

impl Tx for Transaction<'_> {
    fn number(&mut self, name: &str) -> Result<Option<i64>> {
        let found = self.find("SELECT value FROM meta WHERE name=?1", [name], |row| row.get(0))?;
        Ok(found.flatten())
    }

    fn set_number(&mut self, name: &str, value: i64) -> Result<()> {
        let set = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value=?2";
        self.run(set, params![name, value]).map(drop)
    }

    fn sealed(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let found = self.find("SELECT sealed FROM meta WHERE name=?1", [name], |row| row.get(0))?;
        Ok(found.flatten())
    }

    fn set_sealed(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let set =
            "INSERT INTO meta (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sealed=?2";
        self.run(set, params![name, value]).map(drop)
    }

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>> {
        self.find_identity(hash)
    }

    fn is_taken(&mut self, id: &str) -> Result<bool> {
        let find = "SELECT 1 FROM entry WHERE id=?1
            UNION ALL SELECT 1 FROM identity WHERE entry=?1 AND last_state IS NOT NULL LIMIT 1";
        Ok(self.find(find, [id], |_| Ok(()))?.is_some() || self.correlation_of(id)?.is_some())
    }

    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>> {
        self.find("SELECT identity FROM idempotency WHERE hash=?1", [hash], |row| row.get(0))
    }

    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()> {
        let insert = "INSERT INTO idempotency (hash, identity, seen_at) VALUES (?1, ?2, ?3)
            ON CONFLICT (hash) DO UPDATE SET identity=?2, seen_at=?3";
        self.run(insert, params![hash, identity, now]).map(drop)
    }

    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        self.write_correlation(row, names)
    }

    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>> {
        let find = "SELECT entry, subject, made_at FROM correlation WHERE seq=?1";
        self.find(find, [self.correlation_of(entry)?], read_correlation)
    }

    fn named(&mut self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        self.find_named(name, limit)
    }

    fn expect(&mut self, entry: &str, by: Option<Millis>) -> Result<()> {
        self.run(
            "UPDATE correlation SET expected_by=?2 WHERE seq=?1",
            params![self.correlation_of(entry)?, by],
        )
        .map(drop)
    }

    fn overdue(&mut self, now: Millis, limit: usize) -> Result<Vec<String>> {
        let find = "SELECT entry FROM correlation WHERE expected_by<=?1 ORDER BY expected_by, seq LIMIT ?2";
        self.list(find, params![now, count(limit)], |row| row.get(0))
    }

    fn conclude(&mut self, entry: &str, outcome: &OutcomeRow) -> Result<()> {
        let conclude = "UPDATE correlation SET outcome=?2, answer=?3 WHERE seq=?1";
        self.run(conclude, params![self.correlation_of(entry)?, outcome.outcome, outcome.answer]).map(drop)
    }

    fn outcome(&mut self, entry: &str) -> Result<Option<OutcomeRow>> {
        let find = "SELECT outcome, answer FROM correlation WHERE seq=?1 AND outcome IS NOT NULL AND answer IS NOT NULL";
        self.find(find, [self.correlation_of(entry)?], |row| {
            Ok(OutcomeRow { outcome: row.get(0)?, answer: row.get(1)? })
        })
    }

    fn outcomes(&mut self, outcome: &str) -> Result<u64> {
        let find = "SELECT count(*) FROM correlation WHERE outcome=?1";
        Ok(self.find(find, [outcome], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    fn concluded(&mut self, outcome: &str, after: Seq, limit: usize) -> Result<Vec<(Seq, String)>> {
        let find = "SELECT seq, entry FROM correlation WHERE outcome=?1 AND seq>?2 ORDER BY seq LIMIT ?3";
        self.list(find, params![outcome, after, count(limit)], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn keep_token(&mut self, entry: &str, token: Option<&TokenRow>) -> Result<()> {
        let (sealed, until) = (token.and_then(|token| token.token.as_ref()), token.map(|token| token.until));
        let keep = "UPDATE correlation SET token=?2, token_until=?3 WHERE seq=?1";
        self.run(keep, params![self.correlation_of(entry)?, sealed, until]).map(drop)
    }

    fn token(&mut self, entry: &str) -> Result<Option<TokenRow>> {
        let find = "SELECT token, token_until FROM correlation WHERE seq=?1 AND token_until IS NOT NULL";
        let seq = self.correlation_of(entry)?;
        self.find(find, [seq], |row| Ok(TokenRow { token: row.get(0)?, until: row.get(1)? }))
    }

    fn tokens_ending(&mut self, by: Millis) -> Result<u64> {
        let find = "SELECT count(*) FROM correlation WHERE token IS NOT NULL AND token_until<=?1";
        Ok(self.find(find, [by], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    fn erase_tokens(&mut self, now: Millis) -> Result<usize> {
        forget::erase_tokens(self, now)
    }

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq> {
        let insert = "INSERT INTO push (id, kind, state, received_at, bytes, refusal, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let bytes = i64::try_from(push.bytes).unwrap_or(i64::MAX);
        let state = push_state(push.is_quarantined);
        self.run(
            insert,
            params![push.id, push.kind, state, push.received_at, bytes, push.refusal, push.body],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    fn push(&mut self, id: &str) -> Result<Option<PushRow>> {
        let find = format!("SELECT {PUSH}, body FROM push WHERE id=?1");
        self.find(&find, [id], |row| Ok(PushRow { listed: read_push(row)?, body: row.get("body")? }))
    }

    fn listed_push(&mut self, id: &str) -> Result<Option<ListedPush>> {
        self.find(&format!("SELECT {PUSH} FROM push WHERE id=?1"), [id], read_push)
    }

    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        let find = format!("SELECT {PUSH} FROM push WHERE state=?1 AND seq>?2 ORDER BY seq LIMIT ?3");
        self.list(&find, params![push_state(is_quarantined), after, count(limit)], read_push)
    }

    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()> {
        self.run("UPDATE push SET state='quarantined', refusal=?2 WHERE id=?1", [id, refusal]).map(drop)
    }

    fn release_quarantine(&mut self) -> Result<usize> {
        self.run("UPDATE push SET state='received' WHERE state='quarantined'", ())
    }

    fn delete_push(&mut self, id: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM push WHERE id=?1", [id])? == 1)
    }

    fn push_size(&mut self, kind: &str) -> Result<(u64, u64)> {
        let size = self.find("SELECT rows, bytes FROM push_size WHERE kind=?1", [kind], |row| {
            let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((rows.unsigned_abs(), bytes.unsigned_abs()))
        })?;
        Ok(size.unwrap_or_default())
    }

    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<Option<Millis>> {
        let before = self.marked_verified(hash)?;
        self.run("INSERT OR REPLACE INTO verified (hash, seen_at) VALUES (?1, ?2)", params![hash, now])?;
        Ok(before)
    }

    fn marked_verified(&mut self, hash: &[u8]) -> Result<Option<Millis>> {
        self.find("SELECT seen_at FROM verified WHERE hash=?1", [hash], |row| row.get(0))
    }

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq> {
        self.run("INSERT INTO job (id, form, made_at) VALUES (?1, ?2, ?3)", params![id, form, now])?;
        Ok(self.0.last_insert_rowid())
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>> {
        self.find(&format!("{JOB} WHERE id=?1"), [id], read_job)
    }

    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>> {
        self.list(
            &format!("{JOB} WHERE seq>?1 ORDER BY seq LIMIT ?2"),
            params![after, count(limit)],
            read_job,
        )
    }

    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()> {
        self.run("UPDATE job SET settled_at=?2 WHERE seq=?1", [job, now]).map(drop)
    }

    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>> {
        let counts = "SELECT state, count(*) FROM job_record WHERE job=?1 GROUP BY state";
        let counts = self.list(counts, [job], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        counts.into_iter().map(|(word, rows)| Ok((work::state(&word)?, rows.unsigned_abs()))).collect()
    }

    fn is_under_way(&mut self, job: Seq) -> Result<bool> {
        let find = "SELECT 1 FROM job_record WHERE job=?1 AND state IN ('queued', 'leased') LIMIT 1";
        Ok(self.find(find, [job], |_| Ok(()))?.is_some())
    }

    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>> {
        self.records_of(job, from, limit)
    }

    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>> {
        self.find("SELECT job FROM job_record WHERE seq=?1", [record], |row| row.get(0))
    }

    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>> {
        let SealedColumn { table, name, column } = column;
        let find = format!(
            "SELECT rowid, {name}, {column} FROM {table} WHERE rowid>?1 AND {column} IS NOT NULL ORDER BY rowid LIMIT ?2"
        );
        let mut find = self.0.prepare_cached(&find)?;
        let mut rows = find.query(params![after, count(limit)])?;
        let (mut values, mut bytes): (Vec<SealedValue>, usize) = (Vec::new(), 0);
        while bytes < SEALED_AT_ONCE
            && let Some(row) = rows.next()?
        {
            let value = SealedValue { at: row.get(0)?, name: row.get(1)?, value: row.get(2)? };
            bytes = bytes.saturating_add(value.value.len());
            values.push(value);
        }
        Ok(values)
    }

    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()> {
        let SealedColumn { table, column, .. } = column;
        self.run(&format!("UPDATE {table} SET {column}=?2 WHERE rowid=?1"), params![at, value]).map(drop)
    }

    fn forget(&mut self, settled: Millis, seen: Millis) -> Result<()> {
        forget::forget(self, settled, seen)
    }
}

/// What [`ListedPush`] is read from.
pub(super) const PUSH: &str = "seq, id, kind, state, received_at, bytes, refusal";
pub(super) const JOB: &str = "SELECT seq, id, form, made_at, settled_at FROM job";

const fn push_state(is_quarantined: bool) -> &'static str {
    if is_quarantined { "quarantined" } else { "received" }
}

pub(super) fn read_push(row: &SqlRow<'_>) -> rusqlite::Result<ListedPush> {
    Ok(ListedPush {
        seq: row.get(0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        is_quarantined: row.get::<_, String>(3)? == push_state(true),
        received_at: row.get(4)?,
        bytes: row.get::<_, i64>(5)?.unsigned_abs(),
        refusal: row.get(6)?,
    })
}

pub(super) fn read_job(row: &SqlRow<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        form: row.get(2)?,
        made_at: row.get(3)?,
        settled_at: row.get(4)?,
    })
}

pub(super) fn read_correlation(row: &SqlRow<'_>) -> rusqlite::Result<CorrelationRow> {
    Ok(CorrelationRow { entry: row.get(0)?, subject: row.get(1)?, seen_at: row.get(2)? })
}
