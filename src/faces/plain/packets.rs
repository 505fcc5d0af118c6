//! `/v1/packets`: take a registration that goes to MOSIP as a packet. It is listed, retried and discarded as an event is.

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::events::{answer, wait_asked};
use super::{JSON, schema};
use crate::error::{Code, Error, Result};
use crate::faces::App;
use crate::faces::openapi::refusing;
use crate::faces::request::{Name, idempotency_key, read_json};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::registration::Registration;

/// `/v1/packets`
pub(super) fn routes() -> OpenApiRouter<App> {
    let taken = [Code::NotFound, Code::KindNotConfigured, Code::IdempotencyConflict, Code::Storage];
    OpenApiRouter::new().routes(refusing(routes!(accept), &JSON, &taken))
}

/// The kinds, as the documents list them.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[allow(dead_code, reason = "it stands for a parameter in the documents alone")]
enum PacketKind {
    Birth,
    Death,
    BirthCorrection,
    /// `birth-correction`
    Update,
    BirthRevocation,
    DeathRevocation,
}

/// A registration, with the fields that MOSIP's identity schema names.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = Registration)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct RegistrationBody {
    /// Those with one tracking id go in order, or with one `eventId` where they have none.
    tracking_id: Option<String>,
    /// The event of OpenCRVS 1.8 and later.
    event_id: Option<String>,
    /// The action of that event.
    action_id: Option<String>,
    /// Whom MOSIP tells how it ended.
    notification: Option<NotificationBody>,
    /// The fields of the packet. A birth holds `birthCertificateNumber`, a death `deathCertificateNumber`, a correction `VID`, the revocation
    /// of a birth `National_ID`, `VID` or `UIN`, and that of a death `VID` or `UIN`.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    request_fields: Value,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    meta_info: Option<Value>,
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>)]
    audit: Option<Value>,
    /// The identity schema, a JSON text, in place of `upstream.packets.schema_file`.
    schema_json: Option<String>,
}

/// Whom MOSIP tells how it ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = RegistrationNotification)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
struct NotificationBody {
    recipient_full_name: Option<String>,
    recipient_phone: Option<String>,
    recipient_email: Option<String>,
}

/// Takes a registration: 202 once it is on the disk. Its packet goes to MOSIP, and the registration to every ID system that takes its kind, by
/// itself, whatever their health.
///
/// The id in the answer is the registration id at MOSIP.
#[utoipa::path(post, path = "/v1/packets/{kind}",
    params(
        ("kind" = inline(PacketKind), Path, description = "The kind of the registration."),
        ("Idempotency-Key" = Option<String>, Header, nullable = false, description = "1 to 255 visible ASCII characters: the same key finds the same registration.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
        ("Prefer" = Option<String>, Header, nullable = false, description = "`wait=N`: waits up to N seconds, 60 at most, for the registration to settle at every destination."),
    ),
    request_body(content = RegistrationBody, description = "What the country configuration of OpenCRVS 1.9 and later makes for MOSIP."),
    responses(
        (status = 200, description = "It is on the disk and settled at every destination.", body = schema::Accepted),
        (status = 202, description = "It is on the disk.", body = schema::Accepted),
    ))]
async fn accept(State(app): State<App>, Name(kind): Name, request: Request) -> Result<Response> {
    let kind = kind_of(&kind)?;
    let key = idempotency_key(request.headers())?;
    let wait = wait_asked(request.headers());
    let registration =
        read_json(request, app.limits(), move |body| Registration::parse(kind, body.into_bytes())).await?;
    let accepted = app.accept_registration(registration, key).await?;
    Ok(answer(&app, accepted, wait).await)
}

fn kind_of(word: &str) -> Result<EventKind> {
    let word = if word == "update" { EventKind::BirthCorrection.as_str() } else { word };
    let known = Registration::KINDS.into_iter().find(|kind| kind.as_str() == word);
    known.ok_or_else(|| Error::new(Code::NotFound, "no such kind of packet"))
}
