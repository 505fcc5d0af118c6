//! Jobs for many UINTOKENs: one commit for all records, then lease, settle, and results; the payload of a settled record is gone.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{Store, Tables, queue, unreadable};
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::mosip::authtoken::Form;
use crate::outbox::job::{Job, NewRecord, Outcome, Progress, Reason, RecordLease, RecordState, Settled};
use crate::outbox::uptime::{Millis, millis};

const TABLE: &str = "job_record";
/// What is counted of results that do not open.
const RESULTS: &str = "job_result";

impl Store {
    /// Stores a job with all its records; they are on the disk once this returns. [`Code::Storage`] where the disk has less than
    /// `outbox.reserve` left: that belongs to event posts.
    pub async fn create_job(&self, form: Form, records: Vec<NewRecord>) -> Result<String> {
        if self.disk_left().is_some_and(|left| left < self.0.site.settings.reserve) {
            return Err(Error::new(Code::Storage, "the disk, but for outbox.reserve, is full"));
        }
        self.take(move |tables| {
            let id = format!("{:032x}", u128::from_be_bytes(secret::random()));
            let all_settled = records.iter().all(|record| matches!(record, NewRecord::Invalid(_)));
            tables
                .connection
                .prepare_cached("INSERT INTO job (id, form, made_at, settled_at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, form_word(form), tables.now, all_settled.then_some(tables.now)])?;
            let job = tables.connection.last_insert_rowid();
            for (number, record) in records.into_iter().enumerate() {
                tables.insert_record(job, &id, number, &record)?;
            }
            Ok(id)
        })
        .await
    }

    /// Up to `limit` records that are due, oldest first over all jobs, and those about which IDA could not be asked behind what was
    /// there before that. One that does not open waits where it is.
    pub async fn lease_records(&self, limit: usize) -> Result<Vec<RecordLease>> {
        self.run(move |tables| {
            tables.connection.prepare_cached(queue::CALL_RECORDS)?.execute([tables.now])?;
            let mut find = tables.connection.prepare_cached(queue::FIRST_RECORDS)?;
            let found = find
                .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<rusqlite::Result<Vec<(String, u32, Vec<u8>)>>>()?;
            let mut leases = Vec::new();
            for (id, attempts, sealed) in found {
                match tables.unseal(TABLE, &id, "payload", &sealed) {
                    Ok(kept) => {
                        let update = "UPDATE job_record SET state='leased', attempts=attempts+1 WHERE id=?1";
                        tables.connection.prepare_cached(update)?.execute([&id])?;
                        tables.site.unreadable.forget(TABLE, &id);
                        leases.push(RecordLease { id, attempts, kept });
                    }
                    Err(error) => {
                        tables.site.unreadable.note(TABLE, &id, &error);
                        let put_off = "UPDATE job_record SET next_at=?2 WHERE id=?1";
                        let until = tables.now + unreadable::REST;
                        tables.connection.prepare_cached(put_off)?.execute(params![id, until])?;
                    }
                }
            }
            Ok(leases)
        })
        .await
    }

    /// How long until the next queued record is due; none: none is queued.
    pub async fn next_record(&self) -> Result<Option<Duration>> {
        let soonest: Option<Millis> = self
            .run(|tables| {
                let mut find = tables.connection.prepare_cached(queue::NEXT_RECORD)?;
                Ok(find.query_row([], |row| row.get(0))?)
            })
            .await?;
        let wait = soonest.map(|at| at.saturating_sub(self.uptime()).max(0).unsigned_abs());
        Ok(wait.map(Duration::from_millis))
    }

    /// IDA could not be asked: the record is due again at `next_at`, behind the others.
    pub async fn ask_again(&self, id: String, next_at: Millis) -> Result<()> {
        self.run(move |tables| {
            let update = "UPDATE job_record SET state='queued', next_at=?2, position=?3 WHERE id=?1 AND state='leased'";
            let position = tables.next_position()?;
            tables.connection.prepare_cached(update)?.execute(params![id, next_at, position])?;
            Ok(())
        })
        .await
    }

    /// The record is settled; what was asked is gone.
    pub async fn settle_record(&self, id: String, state: RecordState, outcome: Outcome) -> Result<()> {
        self.run(move |tables| tables.settle_record(&id, state, &outcome)).await
    }

    /// Puts back what was leased by an attempt that ended without a word.
    pub async fn void_record_leases(&self) -> Result<()> {
        self.run(|tables| Ok(queue::void_leases(tables.connection, TABLE, None)?)).await
    }

    /// How far the job `id` has come; [`Code::NotFound`].
    pub async fn job(&self, id: String) -> Result<Job> {
        self.run(move |tables| tables.find_job(&id)?.read(tables, id)).await
    }

    /// How far the job `id` has come, and of that moment up to `limit` settled records from the record `from` on, in order;
    /// [`Code::NotFound`].
    pub async fn job_page(&self, id: String, from: u64, limit: usize) -> Result<(Job, Vec<Settled>)> {
        self.run(move |tables| {
            let found = tables.find_job(&id)?;
            let settled = tables.settled_records(found.seq, from, limit)?;
            Ok((found.read(tables, id)?, settled))
        })
        .await
    }
}

struct Found {
    seq: i64,
    form: Form,
}

impl Found {
    fn read(self, tables: &Tables<'_>, id: String) -> Result<Job> {
        let mut progress = tables.progress(self.seq)?;
        progress.unreadable = tables.site.unreadable.count_under(TABLE, &format!("{id}/"));
        Ok(Job { id, form: self.form, progress })
    }
}

impl Tables<'_> {
    fn insert_record(&self, job: i64, job_id: &str, number: usize, record: &NewRecord) -> Result<()> {
        let id = format!("{job_id}/{number}");
        let (state, payload, result) = match record {
            NewRecord::Ask(kept) => {
                (RecordState::Queued, Some(self.seal(TABLE, &id, "payload", kept)?), None)
            }
            NewRecord::Invalid(outcome) => {
                (RecordState::Invalid, None, Some(self.seal_outcome(&id, outcome)?))
            }
        };
        self.connection
            .prepare_cached(
                "INSERT INTO job_record (id, job, number, state, payload, result, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id,
                job,
                i64::try_from(number).unwrap_or(i64::MAX),
                state.as_str(),
                payload,
                result,
                self.next_position()?
            ])?;
        Ok(())
    }

    fn settle_record(&self, id: &str, state: RecordState, outcome: &Outcome) -> Result<()> {
        let result = self.seal_outcome(id, outcome)?;
        self.connection
            .prepare_cached(
                "UPDATE job_record SET state=?2, payload=NULL, result=?3 WHERE id=?1 AND state='leased'",
            )?
            .execute(params![id, state.as_str(), result])?;
        self.connection
            .prepare_cached(
                "UPDATE job SET settled_at=?2 WHERE seq=(SELECT job FROM job_record WHERE id=?1) AND NOT EXISTS
                   (SELECT 1 FROM job_record WHERE job=job.seq AND state IN ('queued', 'leased'))",
            )?
            .execute(params![id, self.now])?;
        Ok(())
    }

    fn seal_outcome(&self, id: &str, outcome: &Outcome) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(outcome)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| Error::new(Code::Bug, "an outcome does not serialise"))?;
        self.seal(TABLE, id, "result", &text)
    }

    fn find_job(&self, id: &str) -> Result<Found> {
        let found: Option<(i64, String)> = self
            .connection
            .prepare_cached("SELECT seq, form FROM job WHERE id=?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (seq, form) = found.ok_or_else(|| Error::new(Code::NotFound, "there is no such job"))?;
        Ok(Found { seq, form: if form == form_word(Form::Csv) { Form::Csv } else { Form::Json } })
    }

    fn progress(&self, job: i64) -> Result<Progress> {
        let mut count = self
            .connection
            .prepare_cached("SELECT state, count(*) FROM job_record WHERE job=?1 GROUP BY state")?;
        let mut rows = count.query([job])?;
        let mut progress = Progress::default();
        while let Some(row) = rows.next()? {
            let count = row.get::<_, i64>(1)?.cast_unsigned();
            progress.records += count;
            *match state_of(&row.get::<_, String>(0)?)? {
                RecordState::Queued => &mut progress.queued,
                RecordState::Leased => &mut progress.leased,
                RecordState::Done => &mut progress.done,
                RecordState::Refused => &mut progress.refused,
                RecordState::Invalid => &mut progress.invalid,
            } = count;
        }
        Ok(progress)
    }

    fn settled_records(&self, job: i64, from: u64, limit: usize) -> Result<Vec<Settled>> {
        let mut find = self.connection.prepare_cached(
            "SELECT number, id, state, result FROM job_record
             WHERE job=?1 AND number>=?2 AND result IS NOT NULL ORDER BY number LIMIT ?3",
        )?;
        let (from, limit) = (from.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX));
        let mut rows = find.query(params![job, from, limit])?;
        let mut settled = Vec::new();
        while let Some(row) = rows.next()? {
            let (record, sealed): (String, Vec<u8>) = (row.get(1)?, row.get(3)?);
            let outcome = match self.unseal(TABLE, &record, "result", &sealed) {
                Ok(text) => serde_json::from_slice(&text)
                    .map_err(|_| Error::new(Code::Bug, "an outcome cannot be read"))?,
                // It stays as it is, and holds no other back.
                Err(error) => {
                    self.site.unreadable.note(RESULTS, &record, &error);
                    Outcome::without_token(String::new(), vec![Reason::from(&error)])
                }
            };
            let state = state_of(&row.get::<_, String>(2)?)?;
            settled.push(Settled { record: row.get::<_, i64>(0)?.cast_unsigned(), state, outcome });
        }
        Ok(settled)
    }

    /// Forgets jobs that have been settled for `retention`, with their results.
    pub(super) fn forget_jobs(&self, retention: Duration) -> Result<()> {
        let before = self.now - millis(retention);
        self.connection
            .prepare_cached("DELETE FROM job_record WHERE job IN (SELECT seq FROM job WHERE settled_at<=?1)")?
            .execute([before])?;
        self.connection.prepare_cached("DELETE FROM job WHERE settled_at<=?1")?.execute([before])?;
        Ok(())
    }
}

const fn form_word(form: Form) -> &'static str {
    match form {
        Form::Json => "json",
        Form::Csv => "csv",
    }
}

fn state_of(word: &str) -> Result<RecordState> {
    let known = RecordState::ALL.into_iter().find(|state| state.as_str() == word);
    known.ok_or_else(|| Error::new(Code::Bug, "a record is in no known state"))
}

#[cfg(test)]
mod tests;
