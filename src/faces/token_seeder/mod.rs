//! `/authtoken` of MOSIP's Token Seeder, so that OpenCRVS and existing tools need no change.

mod answer;
mod settings;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::Settings;
use crate::error::{Code, Error, Result};
use crate::faces::jobs::{Csv, attachment, each_result, submit as submit_job};
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, idempotency_key, method_not_allowed, read_json, refuse_query};
use crate::faces::{App, Callers, Face};
use crate::http::body::{self, Limits, Share};
use crate::http::guard;
use crate::ledger::IdempotencyKey;
use crate::ledger::job::{Job, NewRecord, Progress, Records, Settled};
use crate::mosip::authtoken::{self, Asked, Batch, Form, Refused, SEVERAL_ERRORS};
use crate::mosip::ida::{ListedRecord, Outcome, Reason};
use crate::pool;
use crate::store::State as RecordState;

/// Largest body, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The routes.
fn routes() -> OpenApiRouter<App> {
    let common = [Code::Unauthorized, Code::Forbidden, Code::Busy, Code::Storage, Code::Bug];
    // What is malformed has the seeder's own form.
    let body = [
        Code::Timeout,
        Code::TooLarge,
        Code::MediaType,
        Code::Malformed,
        Code::Field,
        Code::IdempotencyConflict,
        Code::Keys,
    ];
    OpenApiRouter::new()
        .routes(refusing(routes!(ping), &common, &[]))
        .routes(refusing(routes!(fields), &common, &[]))
        .routes(refusing(routes!(take_json), &common, &body))
        .routes(refusing(routes!(take_csv), &common, &body))
        .routes(refusing(routes!(status), &common, &[]))
        .routes(refusing(routes!(file), &common, &[]))
}

/// `/authtoken`.
pub(crate) struct TokenSeeder;

impl Face for TokenSeeder {
    const NAME: &'static str = "authtoken";
    const SWITCH: &'static str = "seeder.consent";

    /// The Token Seeder has no authentication of its own.
    const CALLERS: Callers = Callers::ByListener;

    type Settings = Settings;

    fn openapi() -> OpenApi {
        routes().into_openapi()
    }

    fn router(app: &App, _: Settings, _: &[&'static str], _: &watch::Receiver<bool>) -> Option<Router> {
        tracing::info!(
            "seeder.consent is on: each person that /authtoken asks about counts as having consented"
        );
        let (routes, _) = routes().split_for_parts();
        let limits = app.limits().apart(BODY_LIMIT);
        let queries = middleware::from_fn_with_state(app.clone(), take_no_query);
        let routes =
            routes.layer(queries).method_not_allowed_fallback(method_not_allowed).layer(Extension(limits));
        Some(routes.with_state(app.clone()))
    }
}

/// No route takes a query: whoever wrote one means something that would not happen.
async fn take_no_query(State(app): State<App>, request: Request, next: Next) -> Response {
    match refuse_query(&request) {
        Ok(()) => next.run(request).await,
        Err(_) => {
            let refused = Refused { message: "no query is taken here", ..Refused::INVALID };
            refuse(&app, StatusCode::BAD_REQUEST, refused)
        }
    }
}

/// The form of the Token Seeder's answers.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct SeederReply {
    id: String,
    version: String,
    metadata: serde_json::Value,
    /// RFC 3339, UTC.
    responsetime: String,
    /// `errorCode` and `errorMessage` of what is wrong; null otherwise.
    errors: Option<Vec<serde_json::Value>>,
    response: Option<serde_json::Value>,
}

/// The answer of IDA in its own form.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct IdaReply {
    id: String,
    version: String,
    /// RFC 3339, UTC.
    response_time: String,
    /// That of the request to IDA; null where IDA was not asked.
    #[serde(rename = "transactionID")]
    transaction_id: Option<String>,
    /// `authStatus` and `authToken`; null where IDA has not decided about the person.
    response: Option<serde_json::Value>,
    /// `errorCode`, `errorMessage` and `actionMessage` of each reason.
    errors: Vec<serde_json::Value>,
}

/// One person is asked about at once, and many as a job.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
enum OneOrMany {
    One(IdaReply),
    Many(SeederReply),
}

/// A file with what is asked about it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct CsvForm {
    /// JSON: `request`, as for `/authtoken/json`, without `authdata`.
    request: String,
    /// Its first line names the columns.
    #[schema(value_type = String, format = Binary)]
    csv_file: Vec<u8>,
}

/// Says that the face is there, as the Token Seeder does.
#[utoipa::path(get, path = "/ping", responses((status = 200, description = "It is there.", content_type = "application/json", body = String), (status = 400, description = "A query is there, and none is taken.", body = SeederReply)))]
async fn ping() -> Json<&'static str> {
    // The numbers of the seeder's pod and worker stand in front.
    Json("[0 - 0] pong")
}

/// Lists what a record may hold, by the names that a mapping leads to.
#[utoipa::path(get, path = "/authtoken/authfields", responses((status = 200, description = "`authfields` in `response`.", body = SeederReply), (status = 400, description = "A query is there, and none is taken.", body = SeederReply)))]
async fn fields(State(app): State<App>) -> Response {
    reply(&app, StatusCode::OK, None, json!({ "authfields": authtoken::FIELDS }))
}

/// Asks for the UINTOKEN of one person at once, or of many as a job. Refusals have the Token Seeder's own form.
#[utoipa::path(post, path = "/authtoken/json", params(("Idempotency-Key" = Option<String>, Header, nullable = false, description = "1 to 255 visible ASCII characters: the same key finds the same job. The Token Seeder knows none.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), request_body(content = serde_json::Value, description = "`request` with `authdata`, as the Token Seeder takes it."),
    responses((status = 200, description = "The answer of IDA in its own form, or the id of the job.", body = OneOrMany), (status = 400, description = "The request is wrong.", body = SeederReply)))]
async fn take_json(
    State(app): State<App>,
    Extension(limits): Extension<Limits>,
    request: Request,
) -> Result<Response> {
    let key = idempotency_key(request.headers())?;
    let lengths = app.ida().id_lengths();
    let (asked, share) = read_json(request, &limits, move |body| {
        let asked = authtoken::read_json(&body, lengths);
        let (_, share) = body.into_parts();
        Ok((asked, share))
    })
    .await?;
    match asked {
        Ok(Asked::One(line)) => Ok(Json(answer::at_once(&app, line).await).into_response()),
        Ok(Asked::Many(batch)) => submit(&app, Posted { batch: *batch, _share: share }, key).await,
        Err(refused) => Ok(refuse(&app, StatusCode::BAD_REQUEST, refused)),
    }
}

/// Asks for the UINTOKENs of many persons in a file, as a job.
#[utoipa::path(post, path = "/authtoken/csv", params(("Idempotency-Key" = Option<String>, Header, nullable = false, description = "1 to 255 visible ASCII characters: the same key finds the same job. The Token Seeder knows none.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), request_body(content = CsvForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The id of the job.", body = SeederReply), (status = 400, description = "The request is wrong.", body = SeederReply)))]
async fn take_csv(
    State(app): State<App>,
    Extension(limits): Extension<Limits>,
    request: Request,
) -> Result<Response> {
    guard::refuse_compressed(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let headers = request.headers().clone();
    let (body, share) = body::read(request, &limits).await?.into_parts();
    let mut whole = Request::new(Body::from(body));
    *whole.headers_mut() = headers;
    let batch = match read_form(whole).await {
        Some((request, file)) => {
            let lengths = app.ida().id_lengths();
            pool::offload(file.len(), move || Ok(authtoken::read_csv(&request, file, lengths))).await?
        }
        None => Err(Refused::INVALID),
    };
    match batch {
        Ok(batch) => submit(&app, Posted { batch, _share: share }, key).await,
        Err(refused) => Ok(refuse(&app, StatusCode::BAD_REQUEST, refused)),
    }
}

/// The fields `request` and `csv_file` of a form, if it is one and has both.
async fn read_form(request: Request) -> Option<(Bytes, Bytes)> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let (mut asked, mut file) = (None, None);
    while let Some(mut field) = form.next_field().await.ok()? {
        let place = match field.name() {
            Some("request") => &mut asked,
            Some("csv_file") => &mut file,
            _ => continue,
        };
        // The body is whole, so that a field mostly comes in one piece, which is not copied.
        let mut content = field.chunk().await.ok()?.unwrap_or_default();
        while let Some(more) = field.chunk().await.ok()? {
            content = [content, more].concat().into();
        }
        // Nothing says which of the two counts.
        if place.replace(content).is_some() {
            return None;
        }
    }
    asked.zip(file)
}

/// A batch, and what its body has of the budget for as long as it is read.
struct Posted {
    batch: Batch,
    _share: Share,
}

impl Records for Posted {
    fn records(&self) -> impl Iterator<Item = NewRecord> {
        self.batch.lines().map(|ListedRecord { id, record }| match record {
            Ok(record) => NewRecord::Ask(record.into_kept()),
            Err(Refused { code, message }) => {
                let reason = Reason { code: code.to_owned(), message: message.to_owned(), pointer: None };
                NewRecord::Invalid(Outcome::without_token(id, vec![reason]))
            }
        })
    }

    fn size(&self) -> usize {
        self.batch.size()
    }
}

/// Also a batch of nothing but wrong records becomes a job, as in the seeder.
async fn submit(app: &App, posted: Posted, key: Option<IdempotencyKey>) -> Result<Response> {
    let Batch { form, is_hopeless, .. } = posted.batch;
    let job = submit_job(app, form, posted, key).await?;
    let refused = is_hopeless.then_some(Refused::NO_RECORD);
    Ok(reply(app, StatusCode::OK, refused, json!({ "request_identifier": job })))
}

/// Says how far a job has come.
#[utoipa::path(get, path = "/authtoken/status/{job}", params(("job" = String, Path, description = "The id of the job.")),
    responses((status = 200, description = "`submitted`, `processing`, `processed` or `processed_with_errors`.", body = SeederReply), (status = 400, description = "A query is there, and none is taken.", body = SeederReply), (status = 404, description = "There is no such job.", body = SeederReply)))]
async fn status(State(app): State<App>, Name(id): Name) -> Result<Response> {
    Ok(match find(&app, id).await? {
        Some(job) => reply(&app, StatusCode::OK, None, json!({ "status": state_word(&job.progress) })),
        None => refuse(&app, StatusCode::NOT_FOUND, Refused::UNKNOWN),
    })
}

/// Gives the file of a job.
#[utoipa::path(get, path = "/authtoken/file/{job}", params(("job" = String, Path, description = "The id of the job.")),
    responses((status = 200, description = "The file.", content_type = "text/plain", body = String), (status = 202, description = "The job is under way.", body = SeederReply), (status = 400, description = "A query is there, and none is taken.", body = SeederReply), (status = 404, description = "There is no such job.", body = SeederReply)))]
async fn file(State(app): State<App>, Name(id): Name) -> Result<Response> {
    let Some(job) = find(&app, id).await? else {
        return Ok(refuse(&app, StatusCode::NOT_FOUND, Refused::UNKNOWN));
    };
    if !job.progress.is_finished() {
        return Ok(refuse(&app, StatusCode::ACCEPTED, Refused::NOT_PROCESSED));
    }
    let (ending, text) = match job.form {
        Form::Json => {
            let mut rows: Vec<Row> = Vec::new();
            each_result(&app, &job.id, |settled| {
                rows.push(settled.into());
                Ok(())
            })
            .await?;
            let text = serde_json::to_vec(&rows);
            ("json", text.map_err(|_| Error::new(Code::Bug, "a row cannot be written"))?)
        }
        Form::Csv => {
            let mut csv = Csv::under(["vid", "token", "status", "errorCode", "errorMessage"])?;
            each_result(&app, &job.id, |settled| csv.push(Row::from(settled).into_texts())).await?;
            ("csv", csv.finish()?)
        }
    };
    Ok(attachment("text/plain; charset=utf-8", &format!("{}.{ending}", job.id), text))
}

async fn find(app: &App, id: String) -> Result<Option<Job>> {
    match app.ledger().job(id).await {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

const fn state_word(progress: &Progress) -> &'static str {
    match (progress.is_finished(), progress.refused + progress.invalid) {
        // A file without a record is one of nothing but errors.
        (true, 0) if progress.records > 0 => "processed",
        (true, _) => "processed_with_errors",
        (false, _) if progress.leased + progress.done + progress.refused > 0 => "processing",
        (false, _) => "submitted",
    }
}

/// One person of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    vid: String,
    token: Option<String>,
    status: &'static str,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl From<Settled> for Row {
    fn from(Settled { state, outcome, .. }: Settled) -> Self {
        let status = match state {
            RecordState::Queued | RecordState::Parked | RecordState::Discarded => "submitted",
            RecordState::Leased => "processing",
            RecordState::Done => "processed",
            RecordState::Refused => "error",
            RecordState::Invalid => "invalid",
        };
        let (error_code, error_message) = match outcome.errors.as_slice() {
            [] => (None, None),
            [one] => (Some(one.code.clone()), Some(one.message.clone())),
            several => {
                let joined: Vec<String> =
                    several.iter().map(|reason| format!("{}::{}", reason.code, reason.message)).collect();
                (Some(SEVERAL_ERRORS.to_owned()), Some(joined.join(",")))
            }
        };
        Self { vid: outcome.individual_id, token: outcome.token, status, error_code, error_message }
    }
}

impl Row {
    fn into_texts(self) -> [String; 5] {
        let Self { vid, token, status, error_code, error_message } = self;
        [
            vid,
            token.unwrap_or_default(),
            status.to_owned(),
            error_code.unwrap_or_default(),
            error_message.unwrap_or_default(),
        ]
    }
}

fn refuse(app: &App, status: StatusCode, refused: Refused) -> Response {
    reply(app, status, Some(refused), Value::Null)
}

/// The seeder's envelope.
fn reply(app: &App, status: StatusCode, refused: Option<Refused>, response: Value) -> Response {
    let errors =
        refused.map(|refused| json!([{ "errorCode": refused.code, "errorMessage": refused.message }]));
    let body = json!({
        "id": "mosip.token.seeder",
        "version": "1.0.1",
        "metadata": {},
        "responsetime": app.now().to_iso(),
        "errors": errors,
        "response": response,
    });
    (status, Json(body)).into_response()
}
