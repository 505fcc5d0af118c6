//! IDA's replies, honest and false.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::World;
use super::super::behaviour::IdaReply;
use super::population::Person;
use super::request::{GENERIC, Refusal, Stage};
use super::{Service, lock};
use crate::clock::Timestamp;
use crate::crypto::aead::{self, Nonce};
use crate::crypto::base64;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::secret::{SessionKey, random};
use crate::keys::Certificate;

const SIGNATURE: &str = "response-signature";

/// How far back [`IdaReply::Stale`] lies, milliseconds.
const STALE: i64 = 10 * 60 * 1000;

/// A body and the signature over it.
#[derive(Clone)]
pub(super) struct Signed {
    body: String,
    signature: String,
}

/// The signed reply, or what `ida_reply` makes of it.
pub(super) fn succeed(world: &World, service: Service, transaction: &str, response: Value) -> Response {
    let defect = world.controls.get().ida_reply;
    let now = world.clock.now();
    let time =
        if defect == Some(IdaReply::Stale) { Timestamp::from_millis(now.millis() - STALE) } else { now };
    let Some(signed) =
        Signed::new(world, defect, body(service, Some(transaction), time, response, Value::Null))
    else {
        return internal();
    };
    let mut genuine = lock(&world.ida_memory.replies);
    let signed = match defect {
        None => {
            genuine.insert(service, signed.clone());
            signed
        }
        Some(IdaReply::Replayed) => genuine.entry(service).or_insert(signed).clone(),
        Some(_) => signed,
    };
    drop(genuine);
    signed.into_response(defect)
}

impl Signed {
    /// Under IDA's key, or under what `defect` makes of it.
    fn new(world: &World, defect: Option<IdaReply>, body: String) -> Option<Self> {
        let (key, certificate) = match defect {
            Some(IdaReply::Stranger) => (&*world.mosip_key, &world.mosip_certificate),
            Some(IdaReply::Forged) => (&*world.mosip_key, &world.ida.sign_certificate),
            _ => (&world.ida.sign_key, &world.ida.sign_certificate),
        };
        let signature = sign(key, certificate, &body)?;
        Some(Self { body, signature })
    }

    fn into_response(self, defect: Option<IdaReply>) -> Response {
        let Self { body, signature } = self;
        match defect {
            Some(IdaReply::Unsigned) => json_response(body),
            Some(IdaReply::Altered) => {
                let altered = body.replacen('{', "{\"metadata\":{},", 1);
                ([(SIGNATURE, signature)], json_response(altered)).into_response()
            }
            _ => ([(SIGNATURE, signature)], json_response(body)).into_response(),
        }
    }
}

/// A refusal has HTTP 200 and is signed like a success. A refusal of the filter has two codes and names neither service nor version.
pub(super) fn refuse(
    world: &World,
    service: Service,
    transaction: Option<&str>,
    refusal: &Refusal,
) -> Response {
    let response = match service {
        Service::Auth => json!({ "authStatus": false, "authToken": null }),
        Service::Kyc => json!({
            "kycStatus": false, "authToken": null, "thumbprint": null, "identity": null, "sessionKey": null,
        }),
        Service::Otp => Value::Null,
    };
    let error = json!({ "errorCode": refusal.code, "errorMessage": refusal.message });
    let generic =
        json!({ "errorCode": GENERIC, "errorMessage": "Request could not be processed. Please try again" });
    let now = world.clock.now();
    let body = match refusal.stage {
        Stage::Controller => body(service, transaction, now, response, json!([error])),
        Stage::Filter => json!({
            "id": null,
            "version": null,
            "transactionID": transaction.filter(|_| service != Service::Kyc),
            "responseTime": now.to_iso(),
            "response": response,
            "errors": if refusal.code == GENERIC { json!([error]) } else { json!([generic, error]) },
        })
        .to_string(),
    };
    let defect = world.controls.get().ida_reply;
    Signed::new(world, defect, body).map_or_else(internal, |signed| signed.into_response(defect))
}

/// `response` of `/kyc`, the identity sealed to the partner's certificate.
pub(super) fn identity(world: &World, person: &Person, token: String) -> Result<Value, Refusal> {
    let failed = |_| Refusal::new("IDA-EKA-001", "Unable to encrypt eKYC response");
    let mut members: Map<String, Value> = Map::new();
    for (name, texts) in
        [("name", person.name), ("gender", person.gender), ("fullAddress", person.full_address)]
    {
        members.extend(texts.iter().map(|(language, text)| (format!("{name}_{language}"), json!(text))));
    }
    for (name, text) in [
        ("dob", person.dob),
        ("phoneNumber", person.phone),
        ("emailId", person.email),
        ("postalCode", person.postal_code),
    ] {
        members.insert(name.to_owned(), json!(text));
    }
    let to = &world.ida.partner_certificate;
    let (key, iv) = (SessionKey::generate(), random::<16>());
    let mut sealed = Value::Object(members).to_string().into_bytes();
    aead::seal_tail(&key, Nonce::Sixteen(&iv), &[], &mut sealed, 0).map_err(failed)?;
    sealed.extend_from_slice(&iv);
    let mut identity = base64::encode_url(&sealed);
    if world.controls.get().ida_reply == Some(IdaReply::TruncatedIdentity) {
        identity.truncate(identity.len() / 2);
    }
    Ok(json!({
        "kycStatus": true,
        "authToken": token,
        "thumbprint": to.thumbprint().to_hex_upper(),
        "sessionKey": base64::encode_url(&to.public_key().wrap(&key).map_err(failed)?),
        "identity": identity,
    }))
}

fn body(
    service: Service,
    transaction: Option<&str>,
    time: Timestamp,
    response: Value,
    errors: Value,
) -> String {
    json!({
        "id": service.id(),
        "version": "v1",
        "transactionID": transaction,
        "responseTime": time.to_iso(),
        "response": response,
        "errors": errors,
    })
    .to_string()
}

fn sign(key: &PrivateKey, certificate: &Certificate, body: &str) -> Option<String> {
    let x5c = [certificate.der()];
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
    jws::sign_detached(key, protected, body.as_bytes()).ok()
}

fn json_response(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn internal() -> Response {
    axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
