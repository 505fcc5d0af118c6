//! The gateway's own client at OpenCRVS 1.x: the webhooks that it subscribes, `/v1/opencrvs/webhooks`, and what OpenCRVS has registered and no
//! webhook brought, `/v1/opencrvs/missing`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::COMMON;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::Query;
use crate::tasks::reconcile::Compared;
use crate::tasks::subscriptions::{Standing, Status, Topic};

/// What asking OpenCRVS may be refused for.
const ASKED: [Code; 7] = [
    Code::StateConflict,
    Code::Field,
    Code::Keys,
    Code::Partner,
    Code::Upstream,
    Code::UpstreamTimeout,
    Code::Storage,
];

/// `/v1/opencrvs`
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(refusing(routes!(show, subscribe, unsubscribe), &COMMON, &ASKED))
        .routes(refusing(routes!(missing), &COMMON, &ASKED))
}

/// How the subscriptions at OpenCRVS stand.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSubscriptions)]
pub(crate) struct SubscriptionsView {
    /// Of the webhooks service.
    host: String,
    /// A person has ended them; nothing is subscribed until one asks for it.
    ended: bool,
    /// When OpenCRVS listed them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    looked_at: Option<String>,
    topics: Vec<TopicView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSubscription)]
struct TopicView {
    topic: &'static str,
    /// `pending`, `active`, `failing`, `ended`
    state: &'static str,
    /// How many of them OpenCRVS lists. With more than one each webhook comes as often, and counts once.
    subscriptions: usize,
    /// Since when webhooks may be missing, until `POST /v1/opencrvs/webhooks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing_since: Option<String>,
    /// Why it is not subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refusal: Option<RefusalView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookRefusal)]
struct RefusalView {
    #[schema(value_type = String)]
    fault: Fault,
    code: &'static str,
    detail: String,
    advice: String,
}

impl SubscriptionsView {
    pub(crate) fn of(status: &Status) -> Self {
        let refusal = |error: &Error| RefusalView {
            fault: error.fault(),
            code: error.code().as_str(),
            detail: error.detail().to_owned(),
            advice: error.advice().to_owned(),
        };
        let topics =
            status.topics.iter().map(|Topic { name, standing, subscriptions, lost, refusal: why }| {
                TopicView {
                    topic: name,
                    state: standing.as_str(),
                    subscriptions: *subscriptions,
                    missing_since: lost.map(Timestamp::to_iso),
                    refusal: why.as_ref().map(refusal),
                }
            });
        Self {
            host: status.host.clone(),
            ended: status.is_ended,
            looked_at: status.looked.map(Timestamp::to_iso),
            topics: topics.collect(),
        }
    }
}

/// Whether `status` is as a person wants it: each topic is subscribed once, or a person has ended it, and nothing may be missing.
pub(crate) fn is_in_order(status: &Status) -> bool {
    status.topics.iter().all(|topic| {
        let is_settled = matches!(topic.standing, Standing::Active | Standing::Ended);
        is_settled && topic.subscriptions <= 1 && topic.lost.is_none()
    })
}

/// Has OpenCRVS list the gateway's subscriptions to its webhooks.
#[utoipa::path(get, path = "/v1/opencrvs/webhooks", responses((status = 200, description = "As OpenCRVS lists them.", body = SubscriptionsView)))]
async fn show(State(app): State<App>) -> Result<Json<SubscriptionsView>> {
    Ok(Json(SubscriptionsView::of(&app.subscriptions().look().await?)))
}

/// Subscribes what OpenCRVS does not list. Webhooks that may be missing until now are looked after with this.
#[utoipa::path(post, path = "/v1/opencrvs/webhooks", responses((status = 200, description = "As OpenCRVS lists them now. A topic that it refuses is `failing`.", body = SubscriptionsView)))]
async fn subscribe(State(app): State<App>) -> Result<Json<SubscriptionsView>> {
    let status = app.subscriptions().want().await?;
    tracing::warn!("the webhooks of OpenCRVS are subscribed on request");
    Ok(Json(SubscriptionsView::of(&status)))
}

/// Ends the gateway's subscriptions, and makes none until `POST`. Others' subscriptions are left alone.
#[utoipa::path(delete, path = "/v1/opencrvs/webhooks", responses((status = 200, description = "As OpenCRVS lists them now.", body = SubscriptionsView)))]
async fn unsubscribe(State(app): State<App>) -> Result<Json<SubscriptionsView>> {
    Ok(Json(SubscriptionsView::of(&app.subscriptions().end().await?)))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Span {
    /// A day (`2026-11-01`) or a moment (RFC 3339): records that were declared from then on. The outbox remembers nothing older than
    /// `outbox.remember`.
    since: String,
    /// The same: until then. Absent: until now.
    until: Option<String>,
}

/// What OpenCRVS has registered, beside what is here.
#[derive(Serialize, ToSchema)]
#[schema(as = MissingRecords)]
pub(crate) struct MissingView {
    since: String,
    until: String,
    /// Records that OpenCRVS named.
    records: usize,
    /// Those without an event here.
    missing: Vec<MissingRecord>,
    /// False where OpenCRVS has more records than it names: ask for a shorter time.
    whole: bool,
}

#[derive(Serialize, ToSchema)]
struct MissingRecord {
    /// `birth`, `death`
    kind: &'static str,
    #[serde(rename = "compositionId")]
    composition_id: String,
}

impl MissingView {
    pub(crate) fn of(compared: &Compared) -> Self {
        let missing = compared.missing.iter().map(|missing| MissingRecord {
            kind: missing.kind.as_str(),
            composition_id: missing.composition_id.clone(),
        });
        Self {
            since: compared.since.to_iso(),
            until: compared.until.to_iso(),
            records: compared.records,
            missing: missing.collect(),
            whole: compared.is_whole,
        }
    }
}

/// A day, from its begin in UTC, or a moment.
///
/// # Errors
///
/// [`Code::Field`] at `pointer`.
pub(crate) fn moment(text: &str, pointer: &str) -> Result<Timestamp> {
    let is_day = text.len() == 10 && !text.contains('T');
    let whole = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::from_iso(&whole).ok_or_else(|| {
        Error::field(pointer, "this is neither a day nor a moment")
            .advise("Write a day, such as 2026-11-01, or a moment, such as 2026-11-01T06:00:00Z.")
    })
}

/// Lists the births and deaths that OpenCRVS has registered and that no event here is about: their webhooks were lost, or stand in quarantine.
/// OpenCRVS counts what it names as downloaded by its client.
#[utoipa::path(get, path = "/v1/opencrvs/missing", params(Span), responses((status = 200, description = "What is missing.", body = MissingView)))]
async fn missing(
    State(app): State<App>,
    Query(Span { since, until }): Query<Span>,
) -> Result<Json<MissingView>> {
    let since = moment(&since, "/since")?;
    let until = until.map(|until| moment(&until, "/until")).transpose()?;
    Ok(Json(MissingView::of(&app.reconciler().compare(since, until).await?)))
}
