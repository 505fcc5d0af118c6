//! The country configuration of OpenCRVS hands registrations over, and changes of a person. They go to MOSIP as packets, by themselves.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouter;
use utoipa_axum::routes;

use super::refusal::PeerError;
use super::{MosipApi, Shared};
use crate::error::{Code, Error, Result};
use crate::faces::jwt::bearer;
use crate::faces::request::read_json;
use crate::http::caller::Caller;
use crate::mosip::caller::Purpose;
use crate::opencrvs::interop;
use crate::opencrvs::record_token::RecordToken;
use crate::opencrvs::registration::Registration;

/// How long the outbox may take for it. A registrar waits.
const STORED_WITHIN: Duration = Duration::from_secs(6);

/// `/events/registration`
pub(super) fn registration() -> UtoipaMethodRouter<MosipApi> {
    routes!(register)
}

/// `/events/update-biographics`
pub(super) fn update() -> UtoipaMethodRouter<MosipApi> {
    routes!(update_biographics)
}

/// `{}`
#[derive(Serialize, ToSchema)]
#[schema(as = TakenRegistration)]
struct Taken {}

/// Takes a birth, a death, or both: 202 once all of it is on the disk. Its packets go to MOSIP by themselves, whatever MOSIP's health.
///
/// `requestFields` holds `birthCertificateNumber`, `deathCertificateNumber`, or both. A member that `mosip-api` does not know is left out.
#[utoipa::path(post, path = "/events/registration", security(("opencrvs-jwt" = [])),
    request_body(content = serde_json::Value, description = "`trackingId`, `eventId`, `actionId`, `notification`, `requestFields`, `metaInfo`, `audit` and `schemaJson`, of which only `requestFields` has to be there."),
    responses((status = 202, description = "It is on the disk.", body = Taken)))]
async fn register(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Taken>), PeerError> {
    face.store(&caller, request, interop::registrations).await
}

/// Takes a change of a person, whom `VID` in `requestFields` names, as the route of registrations takes a birth.
#[utoipa::path(post, path = "/events/update-biographics", security(("opencrvs-jwt" = [])),
    request_body(content = serde_json::Value, description = "As for `/events/registration`, with `VID` in `requestFields`."),
    responses((status = 202, description = "It is on the disk.", body = Taken)))]
async fn update_biographics(
    State(MosipApi(face)): State<MosipApi>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<Taken>), PeerError> {
    face.store(&caller, request, interop::update).await
}

impl Shared {
    /// Stores all that `read` finds in the body, or none of it.
    async fn store(
        &self,
        caller: &Caller,
        request: Request,
        read: fn(Bytes) -> Result<Vec<Registration>>,
    ) -> Result<(StatusCode, Json<Taken>), PeerError> {
        let Purpose { event_id, action_id, ends } = self.let_in(caller, request.headers()).await?;
        let (event_id, action_id) = (event_id.as_deref(), action_id.as_deref());
        let token = RecordToken::new(bearer(request.headers())?, event_id, action_id, ends);
        let registrations =
            read_json(request, &self.registrations, move |body| read(body.into_bytes())).await?;
        let of_record = |one: Registration| one.of_record(event_id, action_id);
        let registrations = registrations.into_iter().map(of_record).collect();
        let stored = self.app.accept_registrations(registrations, token);
        let late = || Err(Error::new(Code::Storage, "the outbox did not take it in time"));
        timeout(STORED_WITHIN, stored).await.unwrap_or_else(|_| late())?;
        Ok((StatusCode::ACCEPTED, Json(Taken {})))
    }
}
