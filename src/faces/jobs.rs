//! Jobs for UINTOKENs, as two faces take and show them.

use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;

use super::App;
use crate::error::{Code, Error, Result};
use crate::ledger::IdempotencyKey;
use crate::ledger::entry::Refusal;
use crate::ledger::job::{Job, Records, Settled};
use crate::mosip::authtoken::Form;
use crate::queue::channel::Flow;
use crate::store::Queue;

/// Settled records in one answer in JSON.
pub(super) const PAGE: usize = 1_000;

/// How a job moves.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pace {
    #[serde(flatten)]
    state: State,
    /// Seconds until one of its records is tried; only where it waits or is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_in: Option<i64>,
}

/// Whether a job moves.
#[derive(Serialize)]
#[serde(tag = "state", content = "paused", rename_all = "lowercase")]
enum State {
    /// Every record is settled.
    Done,
    /// Records go.
    Running,
    /// IDA does not answer: the records wait.
    Waiting,
    /// A person has to put something right.
    Paused(Refusal),
}

impl Pace {
    /// Of `job`, which moves as fast as IDA's channel lets all records.
    pub(super) fn of(app: &App, job: &Job) -> Self {
        if job.progress.is_finished() {
            return Self { state: State::Done, next_try_in: None };
        }
        let Some(channel) = app.engine().status().into_iter().find(|channel| channel.queue == Queue::Records)
        else {
            return Self { state: State::Running, next_try_in: None };
        };
        let next_probe = channel.flow.next_probe();
        let next_try_in = next_probe.map(|at| at.saturating_sub(app.ledger().uptime()).max(0) / 1000);
        let state = match &channel.flow {
            Flow::Open if !channel.is_failing() => State::Running,
            Flow::Open | Flow::Broken { .. } => State::Waiting,
            Flow::Paused { reason, .. } => State::Paused(reason.into()),
        };
        Self { state, next_try_in }
    }
}

/// Stores a job, or finds the one that came under `key` before, and names it. [`Code::Keys`] where IDA cannot be called before a new start.
pub(super) async fn submit(
    app: &App,
    form: Form,
    records: impl Records,
    key: Option<IdempotencyKey>,
) -> Result<String> {
    app.ida().check_configured()?;
    app.ledger().create_job(form, records, key).await
}

/// Hands everything of a job that is settled to `take`, in order, and never holds more than a page of it.
pub(super) async fn each_result(
    app: &App,
    job: &str,
    mut take: impl FnMut(Settled) -> Result<()> + Send,
) -> Result<()> {
    let mut from = Some(0);
    while let Some(place) = from {
        let (_, page) = app.ledger().job_page(job.to_owned(), place, PAGE).await?;
        from = page.last().filter(|_| page.len() == PAGE).map(|last| last.record + 1);
        page.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

/// A file of results, which a browser saves and shows as nothing else than it is. `name` is made of what we made.
pub(super) fn attachment(content_type: &'static str, name: &str, body: Vec<u8>) -> Response {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, body).into_response()
}

/// Spreadsheets take a cell that begins so for a formula; behind an apostrophe it is text.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

/// Comma-separated values, written row by row.
pub(super) struct Csv<const N: usize>(csv::Writer<Vec<u8>>);

impl<const N: usize> Csv<N> {
    /// With nothing under `head` yet.
    pub(super) fn under(head: [&str; N]) -> Result<Self> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(head).map_err(|_| not_written())?;
        Ok(Self(writer))
    }

    pub(super) fn push(&mut self, row: [String; N]) -> Result<()> {
        self.0.write_record(row.map(harmless)).map_err(|_| not_written())
    }

    /// The text.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(|_| not_written())
    }
}

fn not_written() -> Error {
    Error::new(Code::Bug, "a row cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_a_file_is_a_formula() {
        let cells = ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "1=", "", "'=1"].map(str::to_owned);
        let mut csv = Csv::under(["a", "b", "c", "d", "e", "f", "g", "h", "i"]).unwrap();
        csv.push(cells).unwrap();
        assert_eq!(
            String::from_utf8(csv.finish().unwrap()).unwrap(),
            "a,b,c,d,e,f,g,h,i\n'=1+1,'+1,'-1,'@A1,'\t=1,\"'\r=1\",1=,,'=1\n"
        );
    }

    #[test]
    fn a_file_is_saved_and_not_shown() {
        let file = attachment("text/plain", "a\"; b/../c.csv", b"x".to_vec());
        assert_eq!(file.headers()["content-disposition"], "attachment; filename=\"ab..c.csv\"");
        assert_eq!(file.headers()["x-content-type-options"], "nosniff");
    }
}
