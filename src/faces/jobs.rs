//! Jobs for UINTOKENs, as two faces take and show them.

use serde::Serialize;

use super::App;
use crate::error::{Code, Error, Result};
use crate::ledger::entry::Refusal;
use crate::ledger::job::{Job, NewRecord, Settled};
use crate::mosip::authtoken::Form;
use crate::queue::channel::Flow;
use crate::store::Queue;

/// Settled records in one answer in JSON.
pub(super) const PAGE: usize = 1_000;

/// Whether a job moves.
#[derive(Serialize)]
#[serde(tag = "state", content = "paused", rename_all = "lowercase")]
pub(super) enum Pace {
    /// Every record is settled.
    Done,
    /// Records go.
    Running,
    /// IDA is away: the records wait.
    Waiting,
    /// A person has to put something right.
    Paused(Refusal),
}

impl Pace {
    /// Of `job`, which moves as fast as IDA's channel lets all records.
    pub(super) fn of(app: &App, job: &Job) -> Self {
        if job.progress.is_finished() {
            return Self::Done;
        }
        let channels = app.engine().status().into_iter();
        match channels.filter(|channel| channel.queue == Queue::Records).map(|channel| channel.flow).next() {
            None | Some(Flow::Open) => Self::Running,
            Some(Flow::Broken { .. }) => Self::Waiting,
            Some(Flow::Paused { reason, .. }) => Self::Paused((&reason).into()),
        }
    }
}

/// Stores a job, and names it. [`Code::Keys`] where IDA cannot be called before a new start.
pub(super) async fn submit(app: &App, form: Form, records: Vec<NewRecord>) -> Result<String> {
    app.ida().check_configured()?;
    app.ledger().create_job(form, records).await
}

/// Everything of a job that is settled, in order.
pub(super) async fn all_results(app: &App, job: &str) -> Result<Vec<Settled>> {
    let mut all: Vec<Settled> = Vec::new();
    loop {
        let from = all.last().map_or(0, |last| last.record + 1);
        let (_, page) = app.ledger().job_page(job.to_owned(), from, PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// Comma-separated values under `head`.
pub(super) fn write_csv<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |_| Error::new(Code::Bug, "a row cannot be written");
    writer.write_record(head).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|_| Error::new(Code::Bug, "a row cannot be written"))
}
