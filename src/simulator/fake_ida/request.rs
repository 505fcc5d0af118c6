//! Reads a request, and refuses it for every defect that IDA finds before it looks at the person.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use data_encoding::{HEXLOWER, HEXUPPER};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::World;
use super::Service;
use crate::clock::Timestamp;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::base64;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::keys::Certificate;
use crate::keys::cert::Validity;

/// Milliseconds: 30 s and an adjustment of 30 s.
const OLDEST: i64 = 60_000;
const AHEAD: i64 = 30_000;

/// The code that the filter puts in front of the specific one, or sends alone where it knows no reason.
pub(super) const GENERIC: &str = "IDA-MLC-007";

/// An element of `errors`. Its sentence repeats nothing of the request but names of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
    pub(super) stage: Stage,
}

/// The part of IDA that refuses, which decides the shape of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In front of every service: form, signature, sealing, partner.
    Filter,
    /// The service itself: what is asked, and about whom.
    Controller,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: &str) -> Self {
        Self { code: code.into(), message: message.to_owned(), stage: Stage::Controller }
    }

    /// By whichever part of IDA says `code`.
    pub(super) fn of_code(code: String) -> Self {
        let is_filters = code.starts_with("IDA-MPA-") || code == "IDA-MLC-006" || code == GENERIC;
        let stage = if is_filters { Stage::Filter } else { Stage::Controller };
        Self { code: code.into(), message: "error on request".to_owned(), stage }
    }

    pub(super) fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    fn missing(name: &str) -> Self {
        Self::new("IDA-MLC-006", &format!("Missing Input Parameter - {name}"))
    }

    fn invalid(name: &str) -> Self {
        Self::new("IDA-MLC-009", &format!("Invalid Input Parameter - {name}"))
    }

    fn undecryptable() -> Self {
        Self::new("IDA-MPA-003", "Unable to decrypt Request")
    }
}

/// The members that IDA knows; any other is refused here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestMembers {
    id: Option<String>,
    version: Option<String>,
    individual_id: Option<String>,
    individual_id_type: Option<String>,
    #[serde(rename = "transactionID")]
    transaction_id: Option<String>,
    request_time: Option<String>,
    spec_version: Option<String>,
    thumbprint: Option<String>,
    domain_uri: Option<String>,
    env: Option<String>,
    consent_obtained: Option<bool>,
    request: Option<String>,
    request_session_key: Option<String>,
    #[serde(rename = "requestHMAC")]
    request_hmac: Option<String>,
    otp_channel: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    requested_auth: Option<Value>,
}

/// A request of the right form.
pub(super) struct Asked {
    pub(super) transaction_id: String,
    pub(super) individual_id: String,
    pub(super) individual_id_type: Option<String>,
    pub(super) request_time: String,
    pub(super) consent: Option<bool>,
    pub(super) otp_channel: Vec<String>,
    thumbprint: Option<String>,
    request: Option<String>,
    session_key: Option<String>,
    hmac: Option<String>,
}

impl Asked {
    pub(super) fn parse(service: Service, body: &[u8]) -> Result<Self, Refusal> {
        let by_filter = |refusal: Refusal| refusal.at(Stage::Filter);
        let members: RequestMembers =
            serde_json::from_slice(body).map_err(|_| by_filter(Refusal::invalid("request")))?;
        let need = |name, value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(name))
        };
        if need("id", members.id).map_err(by_filter)? != service.id() {
            return Err(by_filter(Refusal::invalid("id")));
        }
        let version = need("version", members.version).map_err(by_filter)?;
        let numbers: Vec<_> = version.split('.').collect();
        let is_digit = |part: &&str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
        if !(2..=3).contains(&numbers.len()) || !numbers.iter().all(is_digit) {
            return Err(by_filter(Refusal::invalid("version")));
        }
        let transaction_id = need("transactionID", members.transaction_id)?;
        if transaction_id.len() != 10 || !transaction_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Refusal::invalid("transactionID"));
        }
        if members.env.is_some_and(|env| {
            !["Staging", "Developer", "Pre-Production", "Production"].contains(&env.as_str())
        }) {
            return Err(Refusal::invalid("env"));
        }
        // These members are known but not used.
        let _ = (members.spec_version, members.domain_uri, members.metadata, members.requested_auth);
        Ok(Self {
            transaction_id,
            individual_id: need("individualId", members.individual_id)?,
            individual_id_type: members.individual_id_type,
            request_time: need("requestTime", members.request_time)?,
            consent: members.consent_obtained,
            otp_channel: members.otp_channel.unwrap_or_default(),
            thumbprint: members.thumbprint,
            request: members.request,
            session_key: members.request_session_key,
            hmac: members.request_hmac,
        })
    }
}

/// `transactionID` of any JSON object, to be echoed.
pub(super) fn transaction(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "transactionID")]
        transaction_id: Option<String>,
    }
    serde_json::from_slice::<Named>(body).ok()?.transaction_id
}

/// A detached JWS over the raw body by the certificate that IDA knows of the partner.
pub(super) fn check_signature(world: &World, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let not_good = || Refusal::new("IDA-MPA-001", "Digital signature verification failed for request");
    let header = headers.get("signature").ok_or_else(|| Refusal::missing("signature"))?;
    let token = header.to_str().ok().and_then(|text| Jws::parse(text).ok()).ok_or_else(not_good)?;
    let der = token.x5c_first().ok_or_else(|| {
        Refusal::new("IDA-MPA-022", "Partner (Auth) Certificate not found in Request signature header.")
    })?;
    let certificate = Certificate::from_der(der).map_err(|_| not_good())?;
    token
        .verify(certificate.public_key(), &[SignatureAlgorithm::Rs256], Some(body))
        .map_err(|_| not_good())?;
    let is_known = |known: &Certificate| known.der() == der;
    let is_trusted = is_known(&world.ida.partner_certificate) || world.partners.iter().any(is_known);
    if !is_trusted || certificate.validity(world.clock.now()) != Validity::Valid {
        return Err(not_good());
    }
    if !is_known(&world.ida.partner_certificate) {
        let message = "Partner (Auth) Certificate not matching with signature header certificate.";
        return Err(Refusal::new("IDA-MPA-021", message));
    }
    Ok(())
}

pub(super) fn check_authorization(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(AUTHORIZATION) {
        Some(value) if !value.is_empty() => Ok(()),
        _ => Err(Refusal::missing("Authorization")),
    }
}

/// Checks licence key, partner id and API key. IDA looks the three up together and does not say which is wrong.
pub(super) fn check_partner(world: &World, path: &[String; 3]) -> Result<(), Refusal> {
    let [license_key, partner_id, api_key] = path;
    let is_registered = world.ida.license_key.matches(license_key.as_bytes())
        && *partner_id == world.ida.partner_id
        && world.ida.api_key.matches(api_key.as_bytes());
    if is_registered { Ok(()) } else { Err(Refusal::new("IDA-MPA-009", "Partner is not registered")) }
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`, no older than 60 s, no more than 30 s ahead.
pub(super) fn check_time(text: &str, now: Timestamp) -> Result<(), Refusal> {
    let late = || Refusal::new("IDA-MLC-001", "Request to be received at MOSIP within 30 seconds");
    let has_millis = text.get(19..23).is_some_and(|part| part.starts_with('.'))
        && text.get(23..).is_some_and(|zone| zone == "Z" || zone.len() == 6);
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| has_millis).ok_or_else(late)?;
    let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| late())?;
    let age = now.millis() - millis;
    if (-AHEAD..=OLDEST).contains(&age) { Ok(()) } else { Err(late()) }
}

/// The inner request, which was sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inner {
    #[serde(default)]
    pub(super) otp: String,
    pub(super) timestamp: String,
    pub(super) demographics: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) biometrics: Vec<Value>,
}

impl Inner {
    pub(super) fn open(world: &World, asked: &Asked) -> Result<Self, Refusal> {
        let need = |name, value: &'_ Option<String>| {
            value.clone().filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(name))
        };
        let (request, session_key) =
            (need("request", &asked.request)?, need("requestSessionKey", &asked.session_key)?);
        let (hmac, thumbprint) = (need("requestHMAC", &asked.hmac)?, need("thumbprint", &asked.thumbprint)?);
        if !names(&thumbprint, &world.ida.certificate) {
            return Err(Refusal::undecryptable());
        }
        let key = decode_url(&session_key)
            .and_then(|wrapped| world.ida.key.unwrap(&wrapped).ok())
            .ok_or_else(Refusal::undecryptable)?;
        let open = |text: &str| {
            let mut bytes = decode_url(text)?;
            let iv: [u8; 16] = bytes.split_off(bytes.len().checked_sub(16)?).try_into().ok()?;
            let opened = aead::open_in_place(&key, Nonce::Sixteen(&iv), &[], &mut bytes).ok()?;
            Some(opened.to_vec())
        };
        let plaintext = open(&request).ok_or_else(Refusal::undecryptable)?;
        let digest = open(&hmac).ok_or_else(Refusal::undecryptable)?;
        let expected = HEXUPPER.encode(&Sha256::digest(&plaintext));
        if digest != expected.as_bytes() {
            return Err(Refusal::new("IDA-MPA-016", "HMAC Validation failed"));
        }
        serde_json::from_slice(&plaintext).map_err(|_| Refusal::invalid("request"))
    }
}

/// Hex first, then base64url, as IDA tries it.
fn names(thumbprint: &str, certificate: &Certificate) -> bool {
    let digest = Sha256::digest(certificate.der());
    thumbprint.eq_ignore_ascii_case(&HEXLOWER.encode(&digest))
        || decode_url(thumbprint).is_some_and(|bytes| bytes == digest.as_slice())
}

/// Decodes like Java's URL decoder: `+` and `/` are refused, and padding is optional.
fn decode_url(text: &str) -> Option<Vec<u8>> {
    base64::decode_url_strict(text.trim_end_matches('=').as_bytes()).ok()
}

/// The five members of a capture, each a text that is not empty.
pub(super) fn check_biometrics(items: &[Value]) -> Result<(), Refusal> {
    const MEMBERS: [&str; 5] = ["data", "hash", "sessionKey", "specVersion", "thumbprint"];
    let is_whole = |item: &Value| {
        MEMBERS
            .iter()
            .all(|member| item.get(member).and_then(Value::as_str).is_some_and(|text| !text.is_empty()))
    };
    if items.iter().all(is_whole) { Ok(()) } else { Err(Refusal::missing("biometrics")) }
}
