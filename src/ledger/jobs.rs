//! Jobs for many UINTOKENs: one commit for all records, then lease, settle, and results; the payload of a settled record is gone.

use zeroize::Zeroizing;

use super::job::{Job, NewRecord, Outcome, Progress, Reason, Settled};
use super::work::{Ending, Held, again};
use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::mosip::authtoken::Form;
use crate::mosip::ida;
use crate::store::{JobRow, NewRow, Queue, Seq, State, Verdict};

pub(super) const TABLE: &str = "job_record";
/// What is counted of results that do not open.
const RESULTS: &str = "job_result";
/// Jobs that are looked at when the unfinished ones are counted.
const COUNTED: usize = 10_000;
/// The destination of records in the rows, and their kind.
pub(crate) const DESTINATION: &str = "ida";
const KIND: &str = "uin-token";

impl Ledger {
    /// Stores a job with all its records; they are on the disk once this returns. [`Code::Storage`] where the disk has less than
    /// `outbox.reserve` left: that belongs to event posts.
    pub(crate) async fn create_job(&self, form: Form, records: Vec<NewRecord>) -> Result<String> {
        if !self.leaves_reserve() {
            return Err(Error::new(Code::Storage, "the disk, but for outbox.reserve, is full"));
        }
        let id = self
            .take(Vec::new(), move |book| {
                let id = book.rules.random.name();
                let job = book.tx().insert_job(&id, form_word(form), book.now)?;
                let rows: Vec<NewRow> = (0..)
                    .zip(&records)
                    .map(|(place, record)| book.new_record(job, &id, place, record))
                    .collect::<Result<_>>()?;
                book.tx().insert(&rows)?;
                if rows.iter().all(|row| row.is_invalid) {
                    book.tx().settle_job(job, book.now)?;
                }
                Ok(id)
            })
            .await?;
        self.wake();
        Ok(id)
    }

    /// How far the job `id` has come; [`Code::NotFound`].
    pub(crate) async fn job(&self, id: String) -> Result<Job> {
        self.run(move |book| {
            let job = book.find_job(&id)?;
            book.read_job(&job)
        })
        .await
    }

    /// Jobs that are not finished, and how far all of them together have come. At most [`COUNTED`] jobs are looked at.
    pub(crate) async fn unfinished_jobs(&self) -> Result<(u64, Progress)> {
        self.run(|book| {
            let (mut jobs, mut sum) = (0, Progress::default());
            let all = book.tx().jobs(0, COUNTED)?;
            for job in all.into_iter().filter(|job| job.settled_at.is_none()) {
                jobs += 1;
                sum = sum.and(book.read_job(&job)?.progress);
            }
            Ok((jobs, sum))
        })
        .await
    }

    /// How far the job `id` has come, and of that moment up to `limit` settled records from the record `from` on, in order;
    /// [`Code::NotFound`].
    pub(crate) async fn job_page(&self, id: String, from: u64, limit: usize) -> Result<(Job, Vec<Settled>)> {
        self.run(move |book| {
            let job = book.find_job(&id)?;
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            let rows = book.tx().records(job.seq, from, limit)?;
            let settled = rows.into_iter().map(|(place, row)| {
                let sealed = row.result.as_deref().unwrap_or_default();
                let outcome = match book.unseal(TABLE, &row.id, "result", sealed) {
                    Ok(text) => serde_json::from_slice(&text)
                        .map_err(|_| Error::new(Code::Bug, "an outcome cannot be read"))?,
                    // It stays as it is, and holds no other back.
                    Err(error) => {
                        book.rules.unreadable.note(RESULTS, &row.id, &error);
                        Outcome::without_token(String::new(), vec![Reason::from(&error)])
                    }
                };
                Ok(Settled { record: place.into(), state: row.state, outcome })
            });
            let settled = settled.collect::<Result<_>>()?;
            Ok((book.read_job(&job)?, settled))
        })
        .await
    }
}

impl Book<'_> {
    fn new_record(&self, job: Seq, job_id: &str, place: u32, record: &NewRecord) -> Result<NewRow> {
        let id = format!("{job_id}/{place}");
        let (payload, result) = match record {
            NewRecord::Ask(kept) => (Some(self.seal(TABLE, &id, "payload", kept)?), None),
            NewRecord::Invalid(outcome) => (None, Some(self.seal_outcome(&id, outcome)?)),
        };
        Ok(NewRow {
            queue: Queue::Records,
            destination: DESTINATION.to_owned(),
            kind: KIND.to_owned(),
            line: None,
            accepted_at: self.wall.millis(),
            waiting_since: self.now,
            is_invalid: payload.is_none(),
            payload,
            result,
            met_by: None,
            job: Some((job, place)),
            id,
        })
    }

    /// A record that ends with a token is done, one that ends without is refused.
    pub(super) fn settle_record(&self, held: &Held, ending: &Ending) -> Result<bool> {
        let outcome = match ending {
            Ending::Again { next_at, error } => {
                let again = again(*next_at, error.as_ref())?;
                return self.tx().settle(Queue::Records, held.seq, held.fence, &again, self.now);
            }
            Ending::Done(done) => {
                let text = done.result.as_ref().map(|text| text.as_slice()).unwrap_or_default();
                serde_json::from_slice(text)
                    .map_err(|_| Error::new(Code::Bug, "an outcome cannot be read"))?
            }
            Ending::Park(error) => {
                Outcome::without_token(self.individual_of(&held.id)?, vec![Reason::from(error)])
            }
        };
        let state = if outcome.token.is_some() { State::Done } else { State::Refused };
        let result = Some(self.seal_outcome(&held.id, &outcome)?);
        let verdict = Verdict::Settled { state, result };
        if !self.tx().settle(Queue::Records, held.seq, held.fence, &verdict, self.now)? {
            return Ok(false);
        }
        let job = self.tx().job_of(held.seq)?;
        if let Some(job) = job {
            let left = self.tx().progress(job)?;
            if !left.iter().any(|(state, _)| matches!(state, State::Queued | State::Leased)) {
                self.tx().settle_job(job, self.now)?;
            }
        }
        Ok(true)
    }

    /// The number of the person whom a record is about.
    fn individual_of(&self, record: &str) -> Result<String> {
        let row = self.tx().row(Queue::Records, record)?;
        let Some(sealed) = row.and_then(|row| row.payload) else { return Ok(String::new()) };
        let kept = self.unseal(TABLE, record, "payload", &sealed)?;
        Ok(ida::read_kept(&kept).map(|intent| intent.individual().id().to_owned()).unwrap_or_default())
    }

    fn seal_outcome(&self, id: &str, outcome: &Outcome) -> Result<Vec<u8>> {
        let text = serde_json::to_vec(outcome)
            .map(Zeroizing::new)
            .map_err(|_| Error::new(Code::Bug, "an outcome does not serialise"))?;
        self.seal(TABLE, id, "result", &text)
    }

    fn find_job(&self, id: &str) -> Result<JobRow> {
        let job = self.tx().job(id)?;
        job.ok_or_else(|| Error::new(Code::NotFound, "there is no such job"))
    }

    fn read_job(&self, job: &JobRow) -> Result<Job> {
        let mut progress = Progress::default();
        for (state, records) in self.tx().progress(job.seq)? {
            progress.records += records;
            match state {
                State::Queued => progress.queued = records,
                State::Leased => progress.leased = records,
                State::Done => progress.done = records,
                State::Refused => progress.refused = records,
                State::Invalid => progress.invalid = records,
                State::Parked | State::Discarded => {}
            }
        }
        progress.unreadable = self.rules.unreadable.count_under(TABLE, &format!("{}/", job.id));
        let form = if job.form == form_word(Form::Csv) { Form::Csv } else { Form::Json };
        Ok(Job { id: job.id.clone(), form, progress })
    }
}

const fn form_word(form: Form) -> &'static str {
    match form {
        Form::Json => "json",
        Form::Csv => "csv",
    }
}
