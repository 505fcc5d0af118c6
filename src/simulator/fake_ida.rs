//! IDA: `POST /idauthentication/v1/{auth|kyc|otp}/{licence key}/{partner}/{API key}`.
//!
//! It checks in the order of the real one, with its codes and with HTTP 200: form, signature over the raw bytes by the certificate
//! that it knows of the partner, `Authorization`, sealing and `requestHMAC`, the triple in the path, the window of 60 s back and
//! 30 s ahead, consent. Then it looks into `population`. Every one-time password is `111111`, lives three minutes and counts once,
//! under the transaction that it was ordered by; three wrong ones lock the person.
//!
//! Every reply is signed. What IDA's filter refuses (all of the list above but the window and consent) comes as a pair: IDA-MLC-007
//! and the code that says why, without `id` and `version`, for kyc without `transactionID`. What its controllers refuse comes alone.
//! Biometrics match where they are well-formed.

mod demographics;
pub(crate) mod population;
mod reply;
mod request;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use self::population::{Factor, Person, Status};
use self::request::{Asked, Inner, Refusal, Stage};
use super::World;
use super::history::IdaCall;
use crate::clock::Timestamp;

const BODY_LIMIT: usize = 16 << 20;

/// The one-time password of every person.
pub(crate) const OTP: &str = "111111";
/// How long it lives, milliseconds.
const OTP_LIFETIME: i64 = 180_000;
const WRONG_OTPS: u32 = 3;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/idauthentication/v1/{service}/{license_key}/{partner_id}/{api_key}", post(receive))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The state that is kept between calls.
#[derive(Default)]
pub(super) struct Memory {
    orders: Mutex<BTreeMap<String, Order>>,
    wrong_otps: Mutex<BTreeMap<&'static str, u32>>,
    /// The last signed reply of each service, for replays.
    replies: Mutex<BTreeMap<Service, reply::Signed>>,
}

/// A one-time password that was sent.
struct Order {
    uin: &'static str,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Service {
    Auth,
    Kyc,
    Otp,
}

impl Service {
    fn from_segment(segment: &str) -> Option<Self> {
        match segment {
            "auth" => Some(Self::Auth),
            "kyc" => Some(Self::Kyc),
            "otp" => Some(Self::Otp),
            _ => None,
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Auth => "mosip.identity.auth",
            Self::Kyc => "mosip.identity.kyc",
            Self::Otp => "mosip.identity.otp",
        }
    }
}

async fn receive(
    State(world): State<Arc<World>>,
    Path((service, license_key, partner_id, api_key)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(service) = Service::from_segment(&service) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let transaction = request::transaction(&body);
    if let Some(code) = world.controls.get().ida_errors_in_200 {
        let refusal = Refusal::of_code(code);
        return reply::refuse(&world, service, transaction.as_deref(), &refusal);
    }
    let path = [license_key, partner_id, api_key];
    let outcome = Asked::parse(service, &body)
        .and_then(|asked| answer(&world, service, &path, &headers, &body, &asked).map(|done| (asked, done)));
    let code = outcome.as_ref().err().map(|refusal| refusal.code.to_string());
    tracing::info!(?service, code, "IDA");
    world.history.ida(IdaCall { service: service.id(), transaction_id: transaction.clone(), code });
    match outcome {
        Ok((asked, response)) => reply::succeed(&world, service, &asked.transaction_id, response),
        Err(refusal) => reply::refuse(&world, service, transaction.as_deref(), &refusal),
    }
}

/// The member `response`, or why not.
fn answer(
    world: &World,
    service: Service,
    path: &[String; 3],
    headers: &HeaderMap,
    body: &[u8],
    asked: &Asked,
) -> Result<Value, Refusal> {
    let now = world.clock.now();
    let filter = || {
        request::check_signature(world, headers, body)?;
        request::check_authorization(headers)?;
        let inner = match service {
            Service::Otp => None,
            Service::Auth | Service::Kyc => Some(Inner::open(world, asked)?),
        };
        request::check_partner(world, path)?;
        Ok(inner)
    };
    let inner = filter().map_err(|refusal: Refusal| refusal.at(Stage::Filter))?;
    request::check_time(&asked.request_time, now)?;
    let Some(inner) = inner else { return send_otp(world, asked, now) };
    request::check_time(&inner.timestamp, now)?;
    if asked.consent != Some(true) {
        return Err(Refusal::new("IDA-MLC-012", "Individual's Consent is not available"));
    }
    let person = find(asked)?;
    authenticate(world, asked, &inner, person, now)?;
    let token = population::token(person, &world.ida.partner_id);
    match service {
        Service::Kyc => reply::identity(world, person, token),
        _ => Ok(json!({ "authStatus": true, "authToken": token })),
    }
}

fn send_otp(world: &World, asked: &Asked, now: Timestamp) -> Result<Value, Refusal> {
    if asked.otp_channel.is_empty() {
        return Err(Refusal::new("IDA-OTA-008", "OTP Notification Channel not provided"));
    }
    let person = find(asked)?;
    let goes_to = |channel: &str| asked.otp_channel.iter().any(|asked| asked.eq_ignore_ascii_case(channel));
    let order = Order { uin: person.uin, at: now };
    lock(&world.ida_memory.orders).insert(asked.transaction_id.clone(), order);
    let mobile = goes_to("phone").then(|| mask(person.phone));
    Ok(json!({ "maskedMobile": mobile, "maskedEmail": goes_to("email").then(|| mask(person.email)) }))
}

fn find(asked: &Asked) -> Result<&'static Person, Refusal> {
    let id = &asked.individual_id;
    let digits = |count: usize| id.len() == count && id.bytes().all(|b| b.is_ascii_digit());
    // Without a type, the form of the number decides.
    let told = if digits(10) {
        "UIN"
    } else if digits(16) {
        "VID"
    } else {
        "HANDLE"
    };
    let kind = asked.individual_id_type.as_deref().unwrap_or(told);
    let (person, kind) = match kind {
        "UIN" if !digits(10) => return Err(Refusal::new("IDA-MLC-002", "Invalid UIN")),
        "VID" if !digits(16) => return Err(Refusal::new("IDA-MLC-004", "Invalid VID")),
        "UIN" => (population::all().find(|person| person.uin == id), "UIN"),
        "VID" => (population::all().find(|person| person.vid == id), "VID"),
        "HANDLE" => (population::all().find(|person| person.handle == id), "HANDLE"),
        _ => return Err(Refusal::new("IDA-MLC-009", "Invalid Input Parameter - individualIdType")),
    };
    let person =
        person.ok_or_else(|| Refusal::new("IDA-MLC-018", &format!("{kind} not available in database")))?;
    match person.status {
        Status::Active => Ok(person),
        Status::Blocked => Err(Refusal::new("IDA-MLC-022", "UIN is deactivated/blocked")),
        Status::VidExpired if kind == "VID" => Err(Refusal::new("IDA-MLC-023", "VID is expired/deactivated")),
        Status::VidExpired => Ok(person),
    }
}

fn authenticate(
    world: &World,
    asked: &Asked,
    inner: &Inner,
    person: &'static Person,
    now: Timestamp,
) -> Result<(), Refusal> {
    let demographics = inner.demographics.as_ref().filter(|members| !members.is_empty());
    let factors = [
        (Factor::Demographics, demographics.is_some()),
        (Factor::Otp, !inner.otp.is_empty()),
        (Factor::Biometrics, !inner.biometrics.is_empty()),
    ];
    if factors.iter().all(|(_, is_used)| !is_used) {
        return Err(Refusal::new("IDA-MLC-008", "No authentication type selected"));
    }
    if factors.iter().any(|(factor, is_used)| *is_used && person.locked == Some(*factor)) {
        return Err(Refusal::new("IDA-MLC-019", "Auth Type is Locked for the UIN"));
    }
    if !inner.otp.is_empty() {
        use_otp(world, asked, &inner.otp, person, now)?;
    }
    request::check_biometrics(&inner.biometrics)?;
    demographics.map_or(Ok(()), |demographics| demographics::compare(demographics, person))
}

fn use_otp(
    world: &World,
    asked: &Asked,
    otp: &str,
    person: &'static Person,
    now: Timestamp,
) -> Result<(), Refusal> {
    let mut wrong = lock(&world.ida_memory.wrong_otps);
    let wrong = wrong.entry(person.uin).or_default();
    if *wrong >= WRONG_OTPS {
        return Err(Refusal::new(
            "IDA-OTA-007",
            "UIN is locked for OTP validation due to exceeding no of invalid OTP trials",
        ));
    }
    let mut orders = lock(&world.ida_memory.orders);
    let order =
        orders.get(&asked.transaction_id).filter(|order| order.uin == person.uin).ok_or_else(|| {
            Refusal::new("IDA-OTA-005", "Input transactionID does not match transactionID of OTP Request")
        })?;
    if now.millis() - order.at.millis() > OTP_LIFETIME {
        return Err(Refusal::new("IDA-OTA-003", "OTP has expired"));
    }
    if otp != OTP {
        *wrong += 1;
        return Err(Refusal::new("IDA-OTA-004", "OTP is invalid"));
    }
    *wrong = 0;
    orders.remove(&asked.transaction_id);
    Ok(())
}

/// The last four characters of the name in front of any `@` stay.
fn mask(text: &str) -> String {
    let end = text.find('@').unwrap_or(text.len());
    let shown = end.saturating_sub(4);
    text.char_indices().map(|(at, c)| if at < shown { 'X' } else { c }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
