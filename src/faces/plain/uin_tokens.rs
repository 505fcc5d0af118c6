//! `/v1/uin-tokens`: UINTOKENs for many persons, as a job.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{COMMON, JSON, schema};
use crate::error::{Code, Result};
use crate::faces::App;
use crate::faces::jobs::{self, Csv, PAGE, Pace, attachment, each_result};
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, Query, Reason as WhyCancelled, idempotency_key, read_json};
use crate::http::body::HeldBody;
use crate::ledger::job::{Job, NewRecord, Progress, Records, Settled};
use crate::mosip::authtoken::Form;
use crate::mosip::ida::{ListedRecord, Outcome, Reason, RecordList};

/// Largest body, bytes: some 20,000 records.
const BODY_LIMIT: usize = 5 << 20;
/// Jobs on a page of the list.
const LIST_PAGE: usize = 100;

/// `/v1/uin-tokens`
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(refusing(routes!(submit), &JSON, &[Code::IdempotencyConflict, Code::Keys, Code::Storage]))
        .routes(refusing(routes!(list), &COMMON, &[Code::Storage]))
        .routes(refusing(routes!(look), &COMMON, &[Code::NotFound, Code::Storage]))
        .routes(refusing(routes!(cancel), &COMMON, &[Code::NotFound, Code::StateConflict, Code::Storage]))
}

/// Takes a list of persons whose UINTOKENs are wanted: 202 once the job is on the disk. A wrong record is refused by itself; a list of
/// nothing but wrong ones as a whole.
#[utoipa::path(post, path = "/v1/uin-tokens",
    params(("Idempotency-Key" = Option<String>, Header, nullable = false, description = "1 to 255 visible ASCII characters: the same key finds the same job.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = Vec<schema::Record>, responses((status = 202, description = "The job is on the disk.", body = schema::AcceptedJob)))]
async fn submit(State(app): State<App>, request: Request) -> Result<(StatusCode, Json<Value>)> {
    let key = idempotency_key(request.headers())?;
    let lengths = app.ida().id_lengths();
    let limits = app.limits().with_body_limit(BODY_LIMIT);
    let list = read_json(request, &limits, move |body| RecordList::read(body, lengths)).await?;
    let job = jobs::submit(&app, Form::Json, list, key).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "job": job }))))
}

impl Records for RecordList<HeldBody> {
    fn records(&self) -> impl Iterator<Item = NewRecord> {
        self.lines().map(|ListedRecord { id, record }| match record {
            Ok(record) => NewRecord::Ask(record.into_kept()),
            Err(error) => NewRecord::Invalid(Outcome::without_token(id, vec![Reason::from(&error)])),
        })
    }

    fn size(&self) -> usize {
        Self::size(self)
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next` of the page before.
    cursor: Option<i64>,
}

/// A job in a list, or after a decision about it.
#[derive(Serialize)]
struct Summary {
    job: String,
    #[serde(flatten)]
    pace: Pace,
    progress: Progress,
}

impl Summary {
    fn of(app: &App, job: Job) -> Self {
        Self { pace: Pace::of(app, &job), progress: job.progress, job: job.id }
    }
}

/// Lists jobs in the order in which they were taken, 100 on a page.
#[utoipa::path(get, path = "/v1/uin-tokens", params(ListQuery), responses((status = 200, description = "A page.", body = schema::JobPage)))]
async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Json<Value>> {
    let (found, next) = app.ledger().jobs(query.cursor.unwrap_or(0), LIST_PAGE).await?;
    let jobs: Vec<Summary> = found.into_iter().map(|job| Summary::of(&app, job)).collect();
    Ok(Json(json!({ "jobs": jobs, "next": next })))
}

/// Cancels a job: IDA is not asked about the records that wait. A record that has a result keeps it, and one that IDA is being asked about
/// gets its own.
#[utoipa::path(delete, path = "/v1/uin-tokens/{job}", params(("job" = String, Path, description = "The id of the job."), WhyCancelled), responses((status = 200, description = "The job.", body = schema::Job)))]
async fn cancel(
    State(app): State<App>,
    Name(job): Name,
    Query(WhyCancelled { reason }): Query<WhyCancelled>,
) -> Result<Json<Summary>> {
    let job = app.ledger().cancel_job(job, reason.clone()).await?;
    tracing::warn!(job = job.id, reason, "a job is cancelled on request");
    Ok(Json(Summary::of(&app, job)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of the answer.
    #[param(inline)]
    format: Option<Form>,
    /// The first record that is listed.
    #[serde(default)]
    #[param(format = "uint64")]
    from: u64,
}

#[derive(Serialize)]
struct Report {
    job: String,
    #[serde(flatten)]
    pace: Pace,
    progress: Progress,
    results: Vec<Settled>,
    /// `from` of the next page, if this one is full.
    next: Option<u64>,
}

/// Says how far a job has come, with what is settled: 1,000 records on a page, or all as comma-separated values. `Accept: text/csv` stands
/// for `format=csv`.
#[utoipa::path(get, path = "/v1/uin-tokens/{job}",
    params(("job" = String, Path, description = "The id of the job."), Asked),
    responses((status = 200, description = "The report.", content((schema::JobReport = "application/json"), (String = "text/csv")))))]
async fn look(
    State(app): State<App>,
    Name(job): Name,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response> {
    if asked.format.unwrap_or_else(|| accepted(&headers)) == Form::Csv {
        let head = ["record", "individualId", "state", "token", "verified", "errorCode", "errorMessage"];
        let mut csv = Csv::under(head)?;
        each_result(&app, &job, |settled| csv.push(texts(settled))).await?;
        return Ok(attachment("text/csv; charset=utf-8", &format!("{job}.csv"), csv.finish()?));
    }
    let (found, results) = app.ledger().job_page(job.clone(), asked.from, PAGE).await?;
    let next = results.last().filter(|_| results.len() == PAGE).map(|last| last.record + 1);
    Ok(Json(Report { job, pace: Pace::of(&app, &found), progress: found.progress, results, next })
        .into_response())
}

fn accepted(headers: &HeaderMap) -> Form {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/csv") { Form::Csv } else { Form::Json }
}

fn texts(Settled { record, state, outcome }: Settled) -> [String; 7] {
    let joined = |part: fn(&Reason) -> &str| outcome.errors.iter().map(part).collect::<Vec<_>>().join("; ");
    let (codes, messages) = (joined(|reason| &reason.code), joined(|reason| &reason.message));
    [
        record.to_string(),
        outcome.individual_id,
        state.as_str().to_owned(),
        outcome.token.unwrap_or_default(),
        outcome.verified.unwrap_or_default(),
        codes,
        messages,
    ]
}
