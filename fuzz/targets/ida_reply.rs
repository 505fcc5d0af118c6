//! `mosip::ida::read`, which verifies IDA's replies: arbitrary and edited ones, and well-signed ones that say anything.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, StatusCode};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::clock::Timestamp;
use mosip_gateway::crypto::jws::{self, Protected};
use mosip_gateway::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use mosip_gateway::error::{self, Code};
use mosip_gateway::mosip::ida::{self, Answer, Expected, RawReply, Response, Service, TransactionId};
use mosip_gateway::mosip::{Evidence, Transport};
use mosip_gateway_fuzz::offset::{Offset, WINDOW};
use mosip_gateway_fuzz::{edit, ida_side, keys, refusal};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const TRANSACTION: &str = "1234567890";
const OTHER_TRANSACTION: &str = "1234567891";
const SERVICES: [Service; 3] = [Service::Auth, Service::Kyc, Service::Otp];
const HEADER: &str = "response-signature";

/// A reply that MOSIP signed.
struct Known {
    service: Service,
    body: Vec<u8>,
    signature: String,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let sealed = &VECTOR["body"]["response"];
    let responses = [
        json!({ "authStatus": true, "authToken": "283806899838923842323988" }),
        sealed.clone(),
        json!({ "maskedMobile": "XXXXXX3210", "maskedEmail": null }),
    ];
    SERVICES
        .into_iter()
        .zip(responses)
        .map(|(service, response)| {
            let body = json!({
                "id": id(service), "version": "1.0", "transactionID": TRANSACTION, "responseTime": keys::NOW.to_iso(),
                "errors": [], "response": response,
            });
            let body = body.to_string().into_bytes();
            Known { service, signature: signed(&body), body }
        })
        .collect()
});

/// A kyc reply with its identity sealed to us.
static VECTOR: LazyLock<Value> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/ida.json")).unwrap();
    vectors["kyc_response"].clone()
});

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 6 {
        0 => arbitrary_text(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        2 => well_signed(SERVICES[usize::from(mode / 6) % 3], rest),
        3 => drop(any_members(&mut Unstructured::new(rest))),
        4 => drop(edited_identity(&mut Unstructured::new(rest))),
        _ => any_identity(rest),
    }
});

/// What came, and what it has to be.
struct Call<'a> {
    service: Service,
    transaction: &'a str,
    signatures: &'a [&'a str],
    status: StatusCode,
    body: &'a [u8],
    danger: bool,
    now: Timestamp,
}

impl<'a> Call<'a> {
    fn new(service: Service, signatures: &'a [&'a str], body: &'a [u8]) -> Self {
        let (transaction, status) = (TRANSACTION, StatusCode::OK);
        Self { service, transaction, signatures, status, body, danger: false, now: keys::NOW }
    }

    /// Whatever is given bears exactly one signature, or none where that is accepted, and says so.
    fn read(&self) -> error::Result<Answer<Response>> {
        let mut headers = HeaderMap::new();
        for signature in self.signatures {
            headers.append(HEADER, HeaderValue::from_str(signature).unwrap());
        }
        let transaction = TransactionId::parse(self.transaction.to_owned())?;
        let reply = RawReply { status: self.status, headers: &headers, body: self.body };
        let expected = Expected {
            service: self.service,
            transaction: &transaction,
            signers: &[keys::peer("mosip")],
            danger_accept_unsigned: self.danger,
            transport: Transport::Protected,
            now: self.now,
        };
        let answer = ida::read(reply, expected);
        match &answer {
            Ok(Answer::Given(given)) => {
                assert!(self.status.is_success());
                match given.evidence() {
                    Evidence::Envelope => assert_eq!(headers.len(), 1),
                    Evidence::DangerUnsigned => assert!(self.danger && headers.is_empty()),
                    Evidence::Plaintext | Evidence::DangerPlainKeys | Evidence::DangerHubAlone => {
                        panic!("nothing of IDA is signed so")
                    }
                }
                assert!(self.is_ours());
            }
            Ok(Answer::Refused(reasons)) => {
                assert!(self.status.is_success() && !reasons.get().is_empty());
                assert!(reasons.get().iter().all(|reason| reason.meaning.is_verdict));
                assert!(!self.is_ours());
            }
            Err(error) => check(error),
        }
        answer
    }

    /// Whether the body is a success in answer to this call, as another reader finds it.
    fn is_ours(&self) -> bool {
        // Members that nobody reads may be no text.
        let body = String::from_utf8_lossy(self.body);
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&body).unwrap();
        let text = |name| members.get(name).and_then(|text| serde_json::from_str::<String>(text.get()).ok());
        let time = text("responseTime").and_then(|time| Timestamp::from_iso(&time));
        let errors: Option<Vec<&RawValue>> =
            members.get("errors").and_then(|errors| serde_json::from_str(errors.get()).unwrap());
        errors.is_none_or(|errors| errors.is_empty())
            && text("id").is_some_and(|text| text == id(self.service))
            && text("transactionID").is_some_and(|text| text == self.transaction)
            && time.is_some_and(|time| (time.millis() - self.now.millis()).abs() <= WINDOW)
            && members.get("response").is_some_and(|response| response.get() != "null")
    }
}

/// A signature, a line feed, and a body: nobody but MOSIP can make the one for the other.
fn arbitrary_text(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let signature = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let body = lines.next().unwrap_or_default();
    if !arrives(signature) {
        return;
    }
    for service in SERVICES {
        let given = matches!(Call::new(service, &[signature], body).read(), Ok(Answer::Given(_)));
        let is_known = |known: &Known| (known.signature.as_str(), &*known.body) == (signature, body);
        assert_eq!(given, KNOWN.iter().any(|known| known.service == service && is_known(known)));
    }
}

/// A known reply is given if nobody touched it, in answer to its own call, within five minutes. What was touched is never given under
/// its signature.
fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let known = input.choose(&KNOWN)?;
    let (signature, body) = match input.int_in_range(0..=2)? {
        0 => (known.signature.clone(), known.body.clone()),
        1 => (edit::edited_text(&known.signature, input)?.unwrap_or_default(), known.body.clone()),
        _ => (known.signature.clone(), edit::edited(&known.body, input)?),
    };
    if !arrives(&signature) {
        return Ok(());
    }
    let signatures: &[&str] = match input.int_in_range(0..=7)? {
        0 => &[],
        1 => &[&signature, &signature],
        _ => &[&signature],
    };
    let call = Call {
        service: *input.choose(&[known.service, known.service, Service::Auth, Service::Otp])?,
        transaction: input.choose(&[TRANSACTION, TRANSACTION, TRANSACTION, OTHER_TRANSACTION])?,
        status: *input.choose(&[StatusCode::OK, StatusCode::CREATED, StatusCode::BAD_GATEWAY])?,
        danger: input.arbitrary()?,
        now: Timestamp::from_millis(keys::NOW.millis() + input.arbitrary::<Offset>()?.millis()),
        ..Call::new(known.service, signatures, &body)
    };
    let given = matches!(call.read(), Ok(Answer::Given(_)));
    let untouched = signatures == [known.signature.as_str()] && body == known.body;
    if untouched {
        assert_eq!(given, call.status.is_success() && call.is_ours());
    } else {
        assert!(!given || (call.danger && signatures.is_empty()));
    }
    Ok(())
}

/// A good signature is worth what the body is worth. What it gives is read without surprise.
fn well_signed(service: Service, body: &[u8]) {
    let Ok(answer) = Call::new(service, &[&signed(body)], body).read() else { return };
    let is_there = |token: &Option<String>| token.as_ref().is_some_and(|token| !token.is_empty());
    match service {
        Service::Auth => {
            if let Ok(Answer::Given(given)) = narrowed(answer.try_map(ida::read_authenticated)) {
                let given = given.get();
                assert!(given.token.is_none() || (given.auth_status && is_there(&given.token)));
            }
        }
        Service::Kyc => {
            if let Ok(Answer::Given(known)) =
                narrowed(answer.try_map(|given| ida::read_known(given, keys::ring())))
            {
                let known = known.get();
                let authenticated = &known.authenticated;
                assert!(
                    authenticated.auth_status || (authenticated.token.is_none() && known.identity.is_none())
                );
            }
        }
        Service::Otp => drop(narrowed(answer.try_map(ida::read_otp_sent))),
    }
}

/// Members by which a reply is read.
#[derive(Arbitrary)]
struct Members {
    /// By its place in [`SERVICES`].
    id: Option<u8>,
    ours: Option<bool>,
    time: Option<Offset>,
    errors: Option<Vec<u8>>,
    response: bool,
    failed: bool,
    signature: Signature,
    danger: bool,
}

#[derive(Arbitrary, PartialEq, Eq)]
enum Signature {
    Good,
    Absent,
    Stranger,
    OfAnother,
    Twice,
}

/// Codes, and whether they are a verdict about the person.
const CODES: [(&str, bool); 6] = [
    ("IDA-DEA-001", true),
    ("IDA-OTA-004", true),
    ("IDA-MLC-018", true),
    ("IDA-MPA-009", false),
    ("IDA-MLC-001", false),
    (refusal::SECRET, false),
];

/// The verdict is the one that a model gives.
fn any_members(input: &mut Unstructured<'_>) -> Result<()> {
    let Members { id: service, ours, time, errors, response, failed, signature, danger } =
        input.arbitrary()?;
    let service = service.map(|place| SERVICES[usize::from(place) % 3]);
    let offset = time.map(|time| time.millis());
    let codes: Option<Vec<_>> =
        errors.map(|errors| errors.iter().take(4).map(|code| CODES[usize::from(*code) % 6]).collect());
    let body = json!({
        "id": service.map(id),
        "transactionID": ours.map(|ours| if ours { TRANSACTION } else { OTHER_TRANSACTION }),
        "responseTime": offset.map(|offset| Timestamp::from_millis(keys::NOW.millis() + offset).to_iso()),
        "response": response.then(|| json!({ "authStatus": true, "authToken": "283806" })),
        "errors": codes.as_ref().map(|codes| -> Vec<_> {
            codes.iter().map(|(code, _)| json!({ "errorCode": code, "errorMessage": refusal::SECRET })).collect()
        }),
    });
    let body = body.to_string().into_bytes();
    let signatures = match signature {
        Signature::Good => vec![signed(&body)],
        Signature::Absent => vec![],
        Signature::Stranger => vec![signed_by("issuer", keys::issuer_key(), &body)],
        Signature::OfAnother => vec![KNOWN[0].signature.clone()],
        Signature::Twice => vec![signed(&body); 2],
    };
    let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
    let status = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let call = Call { status, danger, ..Call::new(Service::Auth, &signatures, &body) };

    let is_signed = signature == Signature::Good;
    let credible = !failed && (is_signed || signature == Signature::Absent);
    let codes = codes.unwrap_or_default();
    let given = credible
        && (is_signed || danger)
        && codes.is_empty()
        && (service, ours, response) == (Some(Service::Auth), Some(true), true)
        && offset.is_some_and(|offset| offset.abs() <= WINDOW);
    let refused = credible
        && !codes.is_empty()
        && codes.iter().all(|(_, is_verdict)| *is_verdict)
        && ours != Some(false);
    let text = String::from_utf8_lossy(&body);
    match call.read() {
        Ok(Answer::Given(_)) => assert!(given, "{text}"),
        Ok(Answer::Refused(_)) => assert!(refused, "{text}"),
        Err(error) => assert!(!given && !refused, "{text} {error}"),
    }
    Ok(())
}

/// An edited identity opens to what was sealed, or not at all; signed or not.
fn edited_identity(input: &mut Unstructured<'_>) -> Result<()> {
    let original = &VECTOR["body"]["response"];
    let mut response = original.clone();
    for name in ["thumbprint", "sessionKey", "identity"] {
        if input.arbitrary()? {
            response[name] =
                edit::edited_text(original[name].as_str().unwrap(), input)?.unwrap_or_default().into();
        }
    }
    let opened = identity(&response).ok().flatten();
    assert!(opened.is_some() || response != *original);
    assert!(opened.as_ref().is_none_or(|opened| *opened == VECTOR["expect_identity"]));
    Ok(())
}

/// Whatever is sealed to us under a good signature comes out if it is a JSON object.
fn any_identity(inner: &[u8]) {
    let (session_key, identity) = ida_side::seal(inner, keys::our_certificate());
    let response = json!({
        "kycStatus": true, "thumbprint": keys::our_certificate().thumbprint().to_hex_upper(),
        "sessionKey": session_key, "identity": identity,
    });
    let object = serde_json::from_slice::<&RawValue>(inner).ok().filter(|inner| inner.get().starts_with('{'));
    match known_person(&response) {
        Ok(identity) => assert_eq!(identity.as_deref().map(RawValue::get), object.map(RawValue::get)),
        Err(error) => assert!(object.is_none() && error.code() == Code::Tampered),
    }
}

fn identity(response: &Value) -> error::Result<Option<Value>> {
    let identity = known_person(response)?;
    Ok(identity.map(|identity| serde_json::from_str(identity.get()).unwrap()))
}

/// The identity in a well-signed kyc reply.
fn known_person(response: &Value) -> error::Result<Option<Box<RawValue>>> {
    let body = json!({
        "id": id(Service::Kyc), "transactionID": TRANSACTION, "responseTime": keys::NOW.to_iso(), "response": response,
    });
    let body = body.to_string().into_bytes();
    let answer = Call::new(Service::Kyc, &[&signed(&body)], &body).read().unwrap();
    match narrowed(answer.try_map(|given| ida::read_known(given, keys::ring())))? {
        Answer::Given(known) => Ok(known.into_inner().identity),
        Answer::Refused(_) => panic!("no error was there"),
    }
}

/// Whether a header can hold `signature`; else no reply bears it.
fn arrives(signature: &str) -> bool {
    HeaderValue::from_str(signature).is_ok()
}

fn id(service: Service) -> String {
    format!("mosip.identity.{}", service.segment())
}

/// A `response-signature` by the signer that is expected.
fn signed(body: &[u8]) -> String {
    signed_by("mosip", keys::mosip_key(), body)
}

fn signed_by(peer: &str, key: &PrivateKey, body: &[u8]) -> String {
    let x5c: Vec<&[u8]> = keys::peer(peer).certificate.iter().map(|certificate| certificate.der()).collect();
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
    jws::sign_detached(key, protected, body).unwrap()
}

fn narrowed<T>(read: error::Result<T>) -> error::Result<T> {
    read.inspect_err(check)
}

fn check(error: &error::Error) {
    refusal::check(error, &[Code::Tampered, Code::Upstream, Code::Partner, Code::Keys, Code::Field]);
}
