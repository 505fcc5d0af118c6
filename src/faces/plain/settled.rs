//! What a person settles with MOSIP: registrations without an answer, `/v1/unanswered`, and messages of the hub that may be missing,
//! `/v1/hub`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{COMMON, schema};
use crate::error::{Code, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, Query, Reason};
use crate::ledger::{Answer, Page, Unanswered};

/// `/v1/unanswered` and `/v1/hub`
pub(super) fn routes() -> OpenApiRouter<App> {
    let decided = [Code::NotFound, Code::StateConflict, Code::Field, Code::Storage];
    OpenApiRouter::new()
        .routes(refusing(routes!(unanswered), &COMMON, &[Code::Field, Code::Storage]))
        .routes(refusing(routes!(settle), &COMMON, &decided))
        .routes(refusing(routes!(settle_gap), &COMMON, &decided))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Cursor {
    /// `next` of the page before.
    cursor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UnansweredPage)]
struct Registrations {
    registrations: Vec<View>,
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Unanswered)]
struct View {
    /// The id of its event.
    id: String,
    #[schema(value_type = schema::Answer)]
    answer: Answer,
}

/// Lists the registrations that MOSIP has not answered within `websub.expect_within`, nor since, and that nobody has settled: 100 on a page.
#[utoipa::path(get, path = "/v1/unanswered", params(Cursor), responses((status = 200, description = "A page.", body = Registrations)))]
async fn unanswered(State(app): State<App>, Query(query): Query<Cursor>) -> Result<Json<Registrations>> {
    let found = app.ledger().unanswered_after(query.cursor.unwrap_or(0)).await?;
    let next = found.last().map(|last| last.seq).filter(|_| found.len() == Page::SIZE);
    let view = |Unanswered { id, answer, .. }| View { id, answer };
    Ok(Json(Registrations { registrations: found.into_iter().map(view).collect(), next }))
}

/// A person has settled with MOSIP what becomes of a registration without an answer. What MOSIP still says of it is delivered.
#[utoipa::path(post, path = "/v1/unanswered/{id}/settle", params(("id" = String, Path, description = "The id of its event."), Reason), responses((status = 200, description = "What came of it.", body = schema::Answer)))]
async fn settle(
    State(app): State<App>,
    Name(id): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<Json<Answer>> {
    let answer = app.ledger().settle_unanswered(id.clone(), reason.clone()).await?;
    tracing::warn!(event = id, reason, "a registration without an answer is settled on request");
    Ok(Json(answer))
}

/// A person looks after the messages of a topic of MOSIP's hub that may be missing until now. What is missing from now on is told again.
#[utoipa::path(post, path = "/v1/hub/{topic}/settle", params(("topic" = String, Path, description = "The setting under `websub.topics`; `unknown` for messages that were refused and named no topic of ours."), Reason), responses((status = 204, description = "It is noted.")))]
async fn settle_gap(
    State(app): State<App>,
    Name(topic): Name,
    Query(Reason { reason }): Query<Reason>,
) -> Result<StatusCode> {
    app.hub().settle(&topic).await?;
    tracing::warn!(topic, reason, "a gap of MOSIP's hub is settled on request");
    Ok(StatusCode::NO_CONTENT)
}
