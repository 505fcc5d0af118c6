//! The verbs of a transaction on a connection.

use tokio_postgres::Row as SqlRow;

use super::forget;
use super::session::{Session, Values};
use super::work::{count, state};
use crate::error::Result;
use crate::store::{
    CorrelationRow, IdentityRow, JobRow, Lane, Listed, ListedPush, Millis, OutcomeRow, PushRow,
    SEALED_AT_ONCE, SealedColumn, SealedValue, Seq, State, TokenRow, Tx,
};

/// What a job sees of the database, and what it has freed.
pub(super) struct Transaction<'s>(pub(super) &'s mut Session, pub(super) Vec<Lane>);

impl<'s> Transaction<'s> {
    pub(super) fn new(session: &'s mut Session) -> Self {
        Self(session, Vec::new())
    }
}

impl Transaction<'_> {
    pub(super) fn run(&mut self, sql: &str, values: Values<'_>) -> Result<usize> {
        self.0.run(sql, values)
    }

    /// As [`Self::run`], where nobody needs to know how many rows it changes: it goes with the next statement.
    pub(super) fn later(&mut self, sql: &str, values: Values<'_>) -> Result<()> {
        self.0.later(sql, values)
    }

    pub(super) fn find<T>(
        &mut self,
        sql: &str,
        values: Values<'_>,
        read: impl Fn(&SqlRow) -> Result<T>,
    ) -> Result<Option<T>> {
        self.0.rows(sql, values)?.first().map(read).transpose()
    }

    pub(super) fn list<T>(
        &mut self,
        sql: &str,
        values: Values<'_>,
        read: impl Fn(&SqlRow) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.0.rows(sql, values)?.iter().map(read).collect()
    }

    /// As [`Self::list`], of a statement that changes the rows which it answers with.
    pub(super) fn change<T>(
        &mut self,
        sql: &str,
        values: Values<'_>,
        read: impl Fn(&SqlRow) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.0.change(sql, values)?.iter().map(read).collect()
    }

    fn total(&mut self, sql: &str, values: Values<'_>) -> Result<u64> {
        let total = self.find(sql, values, |row| Ok(row.try_get::<_, i64>(0)?))?;
        Ok(total.unwrap_or(0).unsigned_abs())
    }
}

impl Tx for Transaction<'_> {
    fn clock(&mut self) -> Result<Option<Millis>> {
        self.0.clock().map(Some)
    }

    fn number(&mut self, name: &str) -> Result<Option<i64>> {
        let found = self.find("SELECT value FROM meta WHERE name=$1", &[&name], |row| Ok(row.try_get(0)?))?;
        Ok(found.flatten())
    }

    fn set_number(&mut self, name: &str, value: i64) -> Result<()> {
        let set = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value=$2";
        self.later(set, &[&name, &value])
    }

    fn sealed(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let found =
            self.find("SELECT sealed FROM meta WHERE name=$1", &[&name], |row| Ok(row.try_get(0)?))?;
        Ok(found.flatten())
    }

    fn set_sealed(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let set =
            "INSERT INTO meta (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET sealed=$2";
        self.later(set, &[&name, &value])
    }

    fn identity(&mut self, hash: &[u8]) -> Result<Option<IdentityRow>> {
        self.find("SELECT entry, last_state FROM identity WHERE hash=$1", &[&hash], |row| {
            let last_state: Option<&str> = row.try_get(1)?;
            Ok(IdentityRow { entry: row.try_get(0)?, last_state: last_state.map(state).transpose()? })
        })
    }

    fn is_taken(&mut self, id: &str) -> Result<bool> {
        let find = "SELECT 1 FROM identity WHERE entry=$1 UNION ALL SELECT 1 FROM entry WHERE id=$1
            UNION ALL SELECT 1 FROM correlation WHERE entry=$1 LIMIT 1";
        Ok(self.find(find, &[&id], |_| Ok(()))?.is_some())
    }

    fn key(&mut self, hash: &[u8]) -> Result<Option<Vec<u8>>> {
        self.find("SELECT identity FROM idempotency WHERE hash=$1", &[&hash], |row| Ok(row.try_get(0)?))
    }

    fn insert_key(&mut self, hash: &[u8], identity: &[u8], now: Millis) -> Result<()> {
        let insert = "INSERT INTO idempotency (hash, identity, seen_at) VALUES ($1, $2, $3)
            ON CONFLICT (hash) DO UPDATE SET identity=$2, seen_at=$3";
        self.later(insert, &[&hash, &identity, &now])
    }

    fn correlate(&mut self, row: &CorrelationRow, names: &[Vec<u8>]) -> Result<()> {
        let CorrelationRow { entry, subject, seen_at } = row;
        let write = "WITH written AS (INSERT INTO correlation (entry, made_at, subject) VALUES ($1, $2, $3)
              ON CONFLICT (entry) DO UPDATE SET made_at=$2, subject=$3 RETURNING seq),
            named AS (INSERT INTO correlation_name (hash, correlation) SELECT hash, seq FROM written,
              unnest($4::bytea[]) AS names (hash) ON CONFLICT DO NOTHING)
            SELECT seq FROM written";
        self.later(write, &[entry, seen_at, subject, &names])
    }

    fn correlation(&mut self, entry: &str) -> Result<Option<CorrelationRow>> {
        self.find(
            "SELECT entry, subject, made_at FROM correlation WHERE entry=$1",
            &[&entry],
            read_correlation,
        )
    }

    fn named(&mut self, name: &[u8], limit: usize) -> Result<Vec<CorrelationRow>> {
        let find = "SELECT entry, subject, made_at FROM (SELECT seq, entry, subject, made_at FROM correlation_name
            JOIN correlation ON seq=correlation WHERE hash=$1 ORDER BY correlation DESC LIMIT $2) AS newest ORDER BY seq";
        self.list(find, &[&name, &count(limit)], read_correlation)
    }

    fn expect(&mut self, entry: &str, by: Option<Millis>) -> Result<()> {
        self.later("UPDATE correlation SET expected_by=$2 WHERE entry=$1", &[&entry, &by])
    }

    fn overdue(&mut self, now: Millis, limit: usize) -> Result<Vec<String>> {
        let find = "SELECT entry FROM correlation WHERE expected_by<=$1 ORDER BY expected_by, seq LIMIT $2";
        self.list(find, &[&now, &count(limit)], |row| Ok(row.try_get(0)?))
    }

    fn conclude(&mut self, entry: &str, outcome: &OutcomeRow) -> Result<()> {
        let conclude = "UPDATE correlation SET outcome=$2, answer=$3 WHERE entry=$1";
        self.later(conclude, &[&entry, &outcome.outcome, &outcome.answer])
    }

    fn outcome(&mut self, entry: &str) -> Result<Option<OutcomeRow>> {
        let find = "SELECT outcome, answer FROM correlation WHERE entry=$1 AND outcome IS NOT NULL AND answer IS NOT NULL";
        self.find(find, &[&entry], |row| Ok(OutcomeRow { outcome: row.try_get(0)?, answer: row.try_get(1)? }))
    }

    fn outcomes(&mut self, outcome: &str) -> Result<u64> {
        self.total("SELECT count(*) FROM correlation WHERE outcome=$1", &[&outcome])
    }

    fn concluded(&mut self, outcome: &str, after: Seq, limit: usize) -> Result<Vec<(Seq, String)>> {
        let find = "SELECT seq, entry FROM correlation WHERE outcome=$1 AND seq>$2 ORDER BY seq LIMIT $3";
        let values: Values<'_> = &[&outcome, &after, &count(limit)];
        self.list(find, values, |row| Ok((row.try_get(0)?, row.try_get(1)?)))
    }

    fn keep_token(&mut self, entry: &str, token: Option<&TokenRow>) -> Result<()> {
        let (sealed, until) = (token.and_then(|token| token.token.as_ref()), token.map(|token| token.until));
        let keep = "UPDATE correlation SET token=$2, token_until=$3 WHERE entry=$1";
        self.later(keep, &[&entry, &sealed, &until])
    }

    fn token(&mut self, entry: &str) -> Result<Option<TokenRow>> {
        let find = "SELECT token, token_until FROM correlation WHERE entry=$1 AND token_until IS NOT NULL";
        self.find(find, &[&entry], |row| Ok(TokenRow { token: row.try_get(0)?, until: row.try_get(1)? }))
    }

    fn tokens_ending(&mut self, by: Millis) -> Result<u64> {
        self.total("SELECT count(*) FROM correlation WHERE token IS NOT NULL AND token_until<=$1", &[&by])
    }

    fn erase_tokens(&mut self, now: Millis) -> Result<usize> {
        forget::erase_tokens(self, now)
    }

    fn insert_push(&mut self, push: &PushRow) -> Result<Seq> {
        let insert = "WITH kept AS (INSERT INTO push (id, kind, state, received_at, bytes, refusal, body)
              VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING seq, kind, bytes),
            size AS (INSERT INTO push_size (kind, pushes, bytes) SELECT kind, 1, bytes FROM kept
              ON CONFLICT (kind) DO UPDATE SET pushes=push_size.pushes+1, bytes=push_size.bytes+excluded.bytes)
            SELECT seq FROM kept";
        let bytes = i64::try_from(push.bytes).unwrap_or(i64::MAX);
        let state = push_state(push.is_quarantined);
        let values: Values<'_> =
            &[&push.id, &push.kind, &state, &push.received_at, &bytes, &push.refusal, &push.body];
        let kept: Vec<Seq> = self.change(insert, values, |row| Ok(row.try_get(0)?))?;
        Ok(kept.first().copied().unwrap_or_default())
    }

    fn push(&mut self, id: &str) -> Result<Option<PushRow>> {
        let find = format!("SELECT {PUSH}, body FROM push WHERE id=$1");
        self.find(&find, &[&id], |row| Ok(PushRow { listed: read_push(row)?, body: row.try_get("body")? }))
    }

    fn listed_push(&mut self, id: &str) -> Result<Option<ListedPush>> {
        self.find(&format!("SELECT {PUSH} FROM push WHERE id=$1"), &[&id], read_push)
    }

    fn pushes(&mut self, is_quarantined: bool, after: Seq, limit: usize) -> Result<Vec<ListedPush>> {
        let find = format!("SELECT {PUSH} FROM push WHERE state=$1 AND seq>$2 ORDER BY seq LIMIT $3");
        self.list(&find, &[&push_state(is_quarantined), &after, &count(limit)], read_push)
    }

    fn quarantine(&mut self, id: &str, refusal: &str) -> Result<()> {
        self.later("UPDATE push SET state='quarantined', refusal=$2 WHERE id=$1", &[&id, &refusal])
    }

    fn release_quarantine(&mut self) -> Result<usize> {
        self.run("UPDATE push SET state='received' WHERE state='quarantined'", &[])
    }

    fn delete_push(&mut self, id: &str) -> Result<bool> {
        let delete = "WITH gone AS (DELETE FROM push WHERE id=$1 RETURNING kind, bytes)
            UPDATE push_size SET pushes=pushes-1, bytes=push_size.bytes-gone.bytes FROM gone WHERE push_size.kind=gone.kind";
        Ok(self.run(delete, &[&id])? == 1)
    }

    fn push_size(&mut self, kind: &str) -> Result<(u64, u64)> {
        let size = self.find("SELECT pushes, bytes FROM push_size WHERE kind=$1", &[&kind], |row| {
            let (rows, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok((rows.unsigned_abs(), bytes.unsigned_abs()))
        })?;
        Ok(size.unwrap_or_default())
    }

    fn mark_verified(&mut self, hash: &[u8], now: Millis) -> Result<Option<Millis>> {
        let before = self.marked_verified(hash)?;
        let mark = "INSERT INTO verified (hash, seen_at) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET seen_at=$2";
        self.later(mark, &[&hash, &now])?;
        Ok(before)
    }

    fn marked_verified(&mut self, hash: &[u8]) -> Result<Option<Millis>> {
        self.find("SELECT seen_at FROM verified WHERE hash=$1", &[&hash], |row| Ok(row.try_get(0)?))
    }

    fn insert_job(&mut self, id: &str, form: &str, now: Millis) -> Result<Seq> {
        let insert = "INSERT INTO job (id, form, made_at) VALUES ($1, $2, $3) RETURNING seq";
        let made: Vec<Seq> = self.change(insert, &[&id, &form, &now], |row| Ok(row.try_get(0)?))?;
        Ok(made.first().copied().unwrap_or_default())
    }

    fn job(&mut self, id: &str) -> Result<Option<JobRow>> {
        self.find(&format!("{JOB} WHERE id=$1"), &[&id], read_job)
    }

    fn jobs(&mut self, after: Seq, limit: usize) -> Result<Vec<JobRow>> {
        self.list(&format!("{JOB} WHERE seq>$1 ORDER BY seq LIMIT $2"), &[&after, &count(limit)], read_job)
    }

    fn settle_job(&mut self, job: Seq, now: Millis) -> Result<()> {
        self.later("UPDATE job SET settled_at=$2 WHERE seq=$1", &[&job, &now])
    }

    fn progress(&mut self, job: Seq) -> Result<Vec<(State, u64)>> {
        let counts = "SELECT state, count(*) FROM job_record WHERE job=$1 GROUP BY state";
        self.list(counts, &[&job], |row| {
            Ok((state(row.try_get(0)?)?, row.try_get::<_, i64>(1)?.unsigned_abs()))
        })
    }

    fn is_under_way(&mut self, job: Seq) -> Result<bool> {
        let find = "SELECT 1 FROM job_record WHERE job=$1 AND state IN ('queued', 'leased') LIMIT 1";
        Ok(self.find(find, &[&job], |_| Ok(()))?.is_some())
    }

    fn records(&mut self, job: Seq, from: u32, limit: usize) -> Result<Vec<(u32, Listed)>> {
        self.records_of(job, from, limit)
    }

    fn job_of(&mut self, record: Seq) -> Result<Option<Seq>> {
        self.find("SELECT job FROM job_record WHERE seq=$1", &[&record], |row| Ok(row.try_get(0)?))
    }

    fn sealed_values(&mut self, column: SealedColumn, after: Seq, limit: usize) -> Result<Vec<SealedValue>> {
        let SealedColumn { table, name, column } = column;
        let find = format!(
            "SELECT seq, name, value FROM (SELECT seq, name, value, sum(octet_length(value)) OVER (ORDER BY seq) AS upto \
             FROM (SELECT seq, {name} AS name, {column} AS value FROM {table} WHERE seq>$1 AND {column} IS NOT NULL \
             ORDER BY seq LIMIT $2) AS few) AS summed WHERE upto-octet_length(value)<{SEALED_AT_ONCE} ORDER BY seq"
        );
        self.list(&find, &[&after, &count(limit)], |row| {
            Ok(SealedValue { at: row.try_get(0)?, name: row.try_get(1)?, value: row.try_get(2)? })
        })
    }

    fn replace_sealed(&mut self, column: SealedColumn, at: Seq, value: &[u8]) -> Result<()> {
        let SealedColumn { table, column, .. } = column;
        self.later(&format!("UPDATE {table} SET {column}=$2 WHERE seq=$1"), &[&at, &value])
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

pub(super) fn read_push(row: &SqlRow) -> Result<ListedPush> {
    Ok(ListedPush {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        kind: row.try_get(2)?,
        is_quarantined: row.try_get::<_, &str>(3)? == push_state(true),
        received_at: row.try_get(4)?,
        bytes: row.try_get::<_, i64>(5)?.unsigned_abs(),
        refusal: row.try_get(6)?,
    })
}

pub(super) fn read_job(row: &SqlRow) -> Result<JobRow> {
    Ok(JobRow {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        form: row.try_get(2)?,
        made_at: row.try_get(3)?,
        settled_at: row.try_get(4)?,
    })
}

fn read_correlation(row: &SqlRow) -> Result<CorrelationRow> {
    Ok(CorrelationRow { entry: row.try_get(0)?, subject: row.try_get(1)?, seen_at: row.try_get(2)? })
}
