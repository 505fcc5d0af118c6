//! Jobs for many UINTOKENs: lease, settle, and results; the payload of a settled record is gone.

use std::time::Duration;

use super::entry::{Refusal, never_tried};
use super::job::{self, Job, Progress, Settled, Unfinished};
use super::work::{Ending, Held, again};
use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::{Code, Error, Result};
use crate::mosip::authtoken::Form;
use crate::mosip::ida::{self, Outcome, Reason};
use crate::store::{Closing, Filter, JobRow, Listed, Queue, Seq, State, Verdict};

pub(super) const TABLE: &str = "job_record";
/// The code of results that do not open.
const RESULTS: &str = "job_result";
/// The destination of records in the rows, and their kind.
pub(crate) const DESTINATION: &str = "ida";
pub(super) const KIND: &str = "uin-token";
/// Records that one transaction decides about, so that the events between are not kept waiting.
const AT_ONCE: usize = 500;

impl Ledger {
    /// Up to `limit` jobs after the cursor `after`, in order of acceptance, and the cursor of the next page if there is one.
    pub(crate) async fn jobs(&self, after: Seq, limit: usize) -> Result<(Vec<Job>, Option<Seq>)> {
        self.read(move |book| {
            let mut rows = book.tx().jobs(after, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().map(|row| row.seq).filter(|_| more);
            Ok((rows.iter().map(|row| book.read_job(row)).collect::<Result<_>>()?, next))
        })
        .await
    }

    /// Takes every record of the job `id` out that still waits, with the reason of the person who did it. A record that has a result
    /// keeps it; one that IDA is being asked about gets its own. [`Code::NotFound`]; [`Code::StateConflict`] where none waits.
    pub(crate) async fn cancel_job(&self, id: String, reason: String) -> Result<Job> {
        let (mut from, mut cancelled) = (0, 0);
        let records = self.job(id.clone()).await?.progress.records;
        while from < records {
            let (id, reason) = (id.clone(), reason.clone());
            let to = records.min(from + AT_ONCE as u64);
            cancelled += self
                .run(move |book| {
                    let job = book.find_job(&id)?;
                    let why = job::cancelled(&reason);
                    let mut cancelled = 0;
                    for place in from..to {
                        let Some(row) = book.tx().listed(Queue::Records, &record_id(&id, place))? else {
                            continue;
                        };
                        cancelled += usize::from(book.refuse_record(&row, &why, Some(&reason))?);
                    }
                    book.end_job(job.seq)?;
                    Ok(cancelled)
                })
                .await?;
            from = to;
        }
        if cancelled == 0 {
            return Err(Error::new(Code::StateConflict, "no record of the job waits")
                .advise("Nothing is left to cancel; GET the job for its results."));
        }
        self.job(id).await
    }

    /// Refuses records that have waited longer than `give_up_after`, with the reason of their last attempt; how many.
    pub(crate) async fn refuse_aged_records(&self, give_up_after: Duration) -> Result<usize> {
        let (mut after, mut refused) = (Some(0), 0);
        while let Some(from) = after {
            let (last, count) = self
                .run(move |book| {
                    let filter = Filter {
                        states: vec![State::Queued],
                        waiting_since: Some(book.now - to_millis(give_up_after)),
                        ..Filter::default()
                    };
                    let rows = book.tx().rows(Queue::Records, &filter, from, AT_ONCE)?;
                    let mut count = 0;
                    for row in &rows {
                        let job = book.tx().job_of(row.seq)?;
                        let last = Refusal::read(row.refusal.as_deref());
                        let why = last.as_ref().map_or_else(job::never_asked, job::given_up);
                        if book.refuse_record(row, &why, None)? {
                            count += 1;
                            let last = last.unwrap_or_else(|| Refusal::from(&never_tried()));
                            book.tx().explain(Queue::Records, row.seq, &last.kept()?)?;
                        }
                        if let Some(job) = job {
                            book.end_job(job)?;
                        }
                    }
                    Ok((rows.last().map(|row| row.seq).filter(|_| rows.len() == AT_ONCE), count))
                })
                .await?;
            refused += count;
            after = last;
        }
        Ok(refused)
    }

    /// How far the job `id` has come; [`Code::NotFound`].
    pub(crate) async fn job(&self, id: String) -> Result<Job> {
        self.read(move |book| {
            let job = book.find_job(&id)?;
            book.read_job(&job)
        })
        .await
    }

    /// Jobs that are not finished.
    pub(crate) async fn unfinished_jobs(&self) -> Result<Unfinished> {
        self.read(|book| {
            let mut sum = Unfinished::default();
            let unfinished = book.tx().unfinished_jobs()?;
            for job in unfinished {
                sum.jobs += 1;
                sum.progress = sum.progress.and(book.read_job(&job)?.progress);
                sum.since = sum.since.or(Some(job.made_at));
            }
            Ok(sum)
        })
        .await
    }

    /// How far the job `id` has come, and of that moment up to `limit` settled records from the record `from` on, in order;
    /// [`Code::NotFound`].
    pub(crate) async fn job_page(&self, id: String, from: u64, limit: usize) -> Result<(Job, Vec<Settled>)> {
        self.read(move |book| {
            let job = book.find_job(&id)?;
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            let rows = book.tx().records(job.seq, from, limit)?;
            let settled = rows.into_iter().map(|(place, row)| {
                let sealed = row.result.as_deref().unwrap_or_default();
                let outcome = match book.unseal(TABLE, &row.id, "result", sealed) {
                    Ok(text) => serde_json::from_slice(&text)
                        .map_err(|_| Error::new(Code::Bug, "an outcome cannot be read"))?,
                    // It stays as it is, and delays no other.
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
    /// Settles a record that waits without a token; false: it does not wait. One that does not open stays.
    fn refuse_record(&self, row: &Listed, why: &Reason, reason: Option<&str>) -> Result<bool> {
        if row.state != State::Queued {
            return Ok(false);
        }
        let individual = match self.individual_of(&row.id) {
            Ok(individual) => individual,
            Err(error) => {
                self.rules.unreadable.note(TABLE, &row.id, &error);
                return Ok(false);
            }
        };
        let outcome = Outcome::without_token(individual, vec![why.clone()]);
        let result = self.seal_outcome(&row.id, &outcome)?;
        let closing = Closing { state: State::Refused, reason, result: Some(&result) };
        self.tx().close(Queue::Records, row.seq, closing, self.now)
    }

    /// Settles the job `job` once none of its records is under way.
    fn end_job(&self, job: Seq) -> Result<()> {
        let is_under_way = self.tx().is_under_way(job)?;
        if is_under_way { Ok(()) } else { self.tx().settle_job(job, self.now) }
    }

    /// A record that ends with a token is done, one that ends without is refused.
    pub(super) fn settle_record(&self, held: &Held, ending: &Ending) -> Result<bool> {
        let outcome = match ending {
            Ending::Again { next_at, error } => {
                let again = again(*next_at, error.as_ref())?;
                return self.tx().settle(held.lease(), &again, self.now);
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
        let refusal = match ending {
            Ending::Park(error) => Some(Refusal::from(error)),
            _ => job::refusal(&outcome),
        };
        let result = Some(self.seal_outcome(&held.id, &outcome)?);
        let verdict = Verdict::Settled { state, result };
        if !self.tx().settle(held.lease(), &verdict, self.now)? {
            return Ok(false);
        }
        if let Some(refusal) = refusal {
            self.tx().explain(Queue::Records, held.seq, &refusal.kept()?)?;
        }
        let job = self.tx().job_of(held.seq)?;
        if let Some(job) = job {
            self.end_job(job)?;
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
        self.seal(TABLE, id, "result", &outcome.to_json()?)
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

pub(super) fn record_id(job: &str, place: u64) -> String {
    format!("{job}/{place}")
}

pub(super) const fn form_word(form: Form) -> &'static str {
    match form {
        Form::Json => "json",
        Form::Csv => "csv",
    }
}
