//! The MOSIP-side mediator: `POST /opencrvs/v1/{kind}` and `GET /opencrvs/v1/generateAid`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::World;
use super::answer::{self, Refusal};
use super::behaviour::AfterAccept;
use super::envelope;
use super::event::{Event, Kind};
use super::history::{Arrival, Receipt, Refused};
use super::hostility;
use super::push::Uin;
use crate::crypto::base64;
use crate::crypto::rsa::SignatureAlgorithm::Rs512;

/// The gateway's own limit for a body is 50 MiB of plaintext; base64 makes a third more of it.
const BODY_LIMIT: usize = 72 << 20;

pub(super) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .route("/opencrvs/v1/generateAid", get(generate_aid))
        .route("/opencrvs/v1/{kind}", post(receive))
        .layer(from_fn_with_state(Arc::clone(world), hostility::before_the_mediator))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn generate_aid(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    match check_token(&world, &headers) {
        Ok(()) => {
            let aid = world.history.hand_out_aid(world.clock.now());
            answer::json_response(StatusCode::OK, &Value::String(aid))
        }
        Err(refusal) => refuse(&world, "generateAid", None, refusal),
    }
}

async fn receive(
    State(world): State<Arc<World>>,
    Path(segment): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(kind) = Kind::from_segment(&segment) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = match check_token(&world, &headers).and_then(|()| EnvelopeBody::parse(&headers, &body)) {
        Ok(body) => body,
        Err(refusal) => return refuse(&world, &segment, None, refusal),
    };
    let receipt = match accept(&world, kind, &body) {
        Ok(receipt) => receipt,
        Err(refusal) => return refuse(&world, &segment, Some(body.id), refusal),
    };
    match (world.controls.get().fault_after_accept, receipt) {
        (Some(AfterAccept::HangUp), _) => answer::hang_up(),
        (Some(AfterAccept::Answer500), _) => Refusal::FAULT.into_response(),
        (None, Receipt::Dropped) => answer::success(world.clock.now(), "Packet Already Uploaded"),
        (None, Receipt::First | Receipt::Again) => answer::success(world.clock.now(), "Received"),
    }
}

fn refuse(world: &World, route: &str, id: Option<String>, refusal: Refusal) -> Response {
    let Refusal { code, message, .. } = refusal;
    tracing::info!(route, code, "refused");
    world.history.refuse(Refused { route: route.to_owned(), id, code, message });
    refusal.into_response()
}

/// `Cookie: Authorization=<jwt>`, a trailing semicolon allowed.
pub(super) fn check_token(world: &World, headers: &HeaderMap) -> Result<(), Refusal> {
    let token = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix("Authorization="))
        .filter(|token| !token.is_empty())
        .ok_or(Refusal::MISSING_TOKEN)?;
    if world.controls.take_reject_token() {
        return Err(Refusal::INVALID_TOKEN);
    }
    world.tokens.check(token, world.clock.now())
}

/// `{"id","requestTime","data","signature"}`, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EnvelopeBody {
    id: String,
    request_time: String,
    data: String,
    signature: String,
}

impl EnvelopeBody {
    fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Refusal> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if media_type.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refusal {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ..Refusal::strict("SIM-MEDIA-TYPE", "the content type is not application/json")
            });
        }
        serde_json::from_slice(bytes).map_err(|_| {
            Refusal::strict("SIM-BODY", "the body is not an object of id, requestTime, data and signature")
        })
    }
}

/// Checks everything there is to check, in the order of the real MOSIP-side mediator, and records the event.
fn accept(world: &Arc<World>, kind: Kind, body: &EnvelopeBody) -> Result<Receipt, Refusal> {
    check_request_time(&body.request_time)?;
    let envelope = decode_standard(&body.data)?;
    let signature = decode_standard(&body.signature)?;
    let known =
        |key: &crate::keys::Certificate| key.public_key().verify(Rs512, &[&envelope], &signature).is_ok();
    if !world.partners.iter().any(known) {
        return Err(Refusal::SIGNATURE);
    }
    let thumbprint = world.mosip_certificate.thumbprint();
    let demanded = (!world.controls.get().any_thumbprint).then_some(&thumbprint);
    let plaintext = envelope::open(&envelope, &world.mosip_key, demanded)?;
    let event = Event::parse(kind, &plaintext)?;
    check_id(&body.id, &event.composition)?;

    let receipt = world.history.accept(Arrival {
        id: body.id.clone(),
        composition: event.composition,
        kind,
        aid: event.aid,
        thumbprint: thumbprint.to_string(),
        envelope_bytes: envelope.len(),
        digest: HEXLOWER.encode(&Sha256::digest(&plaintext)),
    })?;
    if let (Kind::Birth, Receipt::First, Some(brn)) = (kind, receipt, event.birth_registration_number) {
        Uin { id: body.id.clone(), brn }.push(world);
    }
    Ok(receipt)
}

/// UTC with milliseconds, `2026-11-24T08:00:00.000Z`; how old it is does not matter here.
fn check_request_time(text: &str) -> Result<(), Refusal> {
    let well_formed = OffsetDateTime::parse(text, &Rfc3339).is_ok()
        && text.len() == "2026-11-24T08:00:00.000Z".len()
        && text.ends_with('Z');
    well_formed
        .then_some(())
        .ok_or(Refusal::strict("SIM-REQUEST-TIME", "requestTime is not UTC with milliseconds"))
}

/// Standard alphabet, padded, no stray bits: exactly what encoding gives back.
fn decode_standard(text: &str) -> Result<Vec<u8>, Refusal> {
    base64::decode(text.as_bytes())
        .ok()
        .filter(|bytes| base64::encode(bytes) == text)
        .ok_or(Refusal::strict("SIM-BASE64", "data or signature is not padded standard base64"))
}

/// The composition, or the composition with `-` and eight lower-case hex digits.
fn check_id(id: &str, composition: &str) -> Result<(), Refusal> {
    let is_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let fits = match id.strip_prefix(composition) {
        Some("") => true,
        Some(rest) => {
            rest.strip_prefix('-').is_some_and(|digits| digits.len() == 8 && digits.bytes().all(is_hex))
        }
        None => false,
    };
    fits.then_some(()).ok_or(Refusal::strict("SIM-ID", "the id does not belong to the composition inside"))
}
