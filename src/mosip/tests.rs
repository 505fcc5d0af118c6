//! Private keys that are unavailable: nothing reads as a message that does not open, and no other key is tried.

use std::sync::Arc;

use serde_json::Value;

use super::envelope::{self, Format, Policy, Sealed, SignOver};
use super::ida::{self, Expected, RawReply, SealedIdentity, Service, TransactionId};
use super::primitives::{Seal, Sign};
use super::{mediator, roles, signature};
use crate::clock::Timestamp;
use crate::crypto::rsa::Keeper;
use crate::error::{Code, Error, Fault, Result};
use crate::keys::Ring;
use crate::keys::ring::fake::ring;
use crate::keys::settings::UnknownThumbprint::{self, Reject, Try};
use crate::mosip::{Transport, Verified};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The member `member` of the case `name` of a file of vectors.
fn vector(file: &str, name: &str, member: &str) -> String {
    let cases: Vec<Value> = serde_json::from_str(file).unwrap();
    let case = cases.into_iter().find(|case| case["name"] == name).unwrap();
    case[member].as_str().unwrap().to_owned()
}

fn envelope(name: &str) -> String {
    vector(include_str!("../../tests/vectors/envelope.json"), name, "envelope")
}

fn jwe(name: &str) -> String {
    vector(include_str!("../../tests/vectors/jwe.json"), name, "token")
}

fn open(ring: &Ring, data: &str) -> Result<Vec<u8>> {
    let message = Sealed { data, signature: None, aad: &[], over: None };
    let policy = Policy { danger_accept_unsigned: true };
    envelope::open(ring, ring.peer("mosip").unwrap(), message, policy).map(|opened| opened.get().to_vec())
}

/// Fault `keys`, retryable, naming the keeper; not the refusal of the bytes.
fn assert_unavailable<T>(result: Result<T>, what: &str) -> Error {
    let error = result.err().unwrap_or_else(|| panic!("{what} needs no key"));
    assert_eq!(error.code(), Code::KeyUnavailable, "{what}: {error}");
    assert_eq!((error.fault(), error.retryable(), error.code().status()), (Fault::Keys, true, 503), "{what}");
    assert!(error.detail().contains("token `mosip`"), "{what}: {}", error.detail());
    assert_ne!(error.advice(), Code::Keys.advice(), "{what}: no file is to be replaced");
    error
}

/// The partner's key is away, the key before it is not.
struct Rings {
    away: Arc<Keeper>,
    other: Arc<Keeper>,
}

impl Rings {
    fn new() -> Self {
        Self { away: Keeper::away("token `mosip`"), other: Keeper::there("files") }
    }

    fn partner_only(&self, policy: UnknownThumbprint) -> Ring {
        ring(&[("partner", &self.away)], policy)
    }
}

#[test]
fn a_message_that_names_an_unavailable_key_is_not_refused_as_one_that_does_not_open() {
    let rings = Rings::new();
    for policy in [Reject, Try] {
        let ring = rings.partner_only(policy);
        for name in ["plain-json", "legacy-with-thumbprint", "legacy-without-thumbprint"] {
            assert_unavailable(open(&ring, &envelope(name)), name);
        }
        for name in ["plain", "deflate", "nested-jws"] {
            assert_unavailable(open(&ring, &jwe(name)), name);
        }
    }
    rings.away.come_back();
    assert!(open(&rings.partner_only(Reject), &envelope("plain-json")).is_ok());
}

#[test]
fn the_search_for_a_key_that_opens_stops_at_one_that_is_unavailable() {
    let rings = Rings::new();
    // The second key would open them.
    let trying = ring(&[("partner-old", &rings.away), ("partner", &rings.other)], Try);
    for message in [envelope("random-thumbprint"), jwe("for-somebody-else")] {
        assert_unavailable(open(&trying, &message), "try");
    }
    assert_eq!((rings.away.calls(), rings.other.calls()), (2, 0), "the next key is never asked");

    rings.away.come_back();
    assert!(open(&trying, &envelope("random-thumbprint")).is_ok());
    assert_eq!(open(&trying, &jwe("for-somebody-else")).unwrap_err().code(), Code::Decrypt);
}

#[test]
fn a_key_that_does_not_open_it_before_an_unavailable_one_does_not_hide_it() {
    let rings = Rings::new();
    let trying = ring(&[("partner-old", &rings.other), ("partner", &rings.away)], Try);
    assert_unavailable(open(&trying, &envelope("random-thumbprint")), "the last of two");
    assert_eq!((rings.other.calls(), rings.away.calls()), (1, 1));
}

/// The known reply to `/kyc`.
fn kyc() -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/ida.json")).unwrap();
    vectors["kyc_response"]["body"].clone()
}

fn read_kyc(kyc: &Value, ring: &Ring) -> Result<ida::Known> {
    let (headers, body) = (http::HeaderMap::new(), kyc.to_string());
    let transaction = TransactionId::parse("1234567890".to_owned()).unwrap();
    let reply = RawReply { status: http::StatusCode::OK, headers: &headers, body: body.as_bytes() };
    let expected = Expected {
        service: Service::Kyc,
        transaction: &transaction,
        signers: &[],
        danger_accept_unsigned: true,
        transport: Transport::Protected,
        now: Timestamp::from_iso("2026-11-24T08:00:02.000Z").unwrap(),
    };
    let answer = ida::read(reply, expected).unwrap().try_map(|response| ida::read_known(response, ring))?;
    answer.given().map(Verified::into_inner)
}

#[test]
fn a_kyc_identity_under_an_unavailable_key_is_not_tampered() {
    let rings = Rings::new();
    let ring = rings.partner_only(Reject);
    let sealed: SealedIdentity = serde_json::from_value(kyc()["response"].clone()).unwrap();
    assert_unavailable(ida::open_identity(&ring, &sealed), "open_identity");
    assert_unavailable(read_kyc(&kyc(), &ring), "read_known");
    rings.away.come_back();
    assert!(read_kyc(&kyc(), &ring).unwrap().identity.is_some());
}

#[test]
fn a_kyc_identity_under_a_key_that_is_not_loaded_is_for_the_operator() {
    let other = ring(&[("partner-old", &Keeper::there("files"))], Reject);
    let refused = read_kyc(&kyc(), &other).err().unwrap();
    assert_eq!((refused.code(), refused.fault()), (Code::Keys, Fault::Keys), "{refused}");
    assert!(refused.advice().contains("keys.own"), "{}", refused.advice());
}

#[test]
fn a_kyc_reply_that_does_not_confirm_the_person_holds_no_identity_however_it_is_sealed() {
    let ring = ring(&[("partner", &Keeper::there("files"))], Reject);
    for absent in [None, Some("thumbprint"), Some("sessionKey")] {
        let mut no = kyc();
        no["response"]["kycStatus"] = Value::Bool(false);
        absent.map(|member| no["response"].as_object_mut().unwrap().remove(member));
        let known = read_kyc(&no, &ring).unwrap();
        assert!(known.identity.is_none() && !known.authenticated.auth_status, "{absent:?}");
        assert!(known.authenticated.token.is_none(), "{absent:?}");
    }
}

#[test]
fn a_kyc_reply_without_thumbprint_or_session_key_says_so() {
    let ring = ring(&[("partner", &Keeper::there("files"))], Reject);
    for (member, word) in [("thumbprint", "without the thumbprint"), ("sessionKey", "without its sessionKey")]
    {
        for absent in [None, Some(Value::Null)] {
            let mut kyc = kyc();
            match absent {
                None => drop(kyc["response"].as_object_mut().unwrap().remove(member)),
                Some(null) => kyc["response"][member] = null,
            }
            let refused = read_kyc(&kyc, &ring).err().unwrap();
            assert_eq!(refused.code(), Code::Upstream, "{refused}");
            assert!(refused.detail().contains(word), "{refused}");
        }
    }
}

#[test]
fn nothing_is_signed_with_an_unavailable_key() {
    let rings = Rings::new();
    let ring = ring(&[("partner", &rings.away), ("partner-old", &rings.other)], Reject);
    let own = roles::signer(&ring, None, NOW).unwrap();
    let to = roles::recipient(&ring, roles::MOSIP, NOW).unwrap();

    assert_unavailable(mediator::event_request("id", b"{}", to, &own.private, NOW), "an event");
    assert_unavailable(ida::sign_body(own, b"{}"), "a request to IDA");
    for form in [signature::Form::Jws, signature::Form::JwsDetached, signature::Form::RawSha512] {
        assert_unavailable(Sign { form, key: None }.sign(&ring, NOW, b"payload"), "/v1/sign");
    }
    let seal = |sign| Seal {
        to: "mosip".to_owned(),
        format: Format::VerR2,
        sign,
        base64: envelope::Flavour::Standard,
        key: None,
    };
    for over in [SignOver::Envelope, SignOver::Plaintext] {
        assert_unavailable(seal(over).seal(&ring, NOW, b"{}"), "/v1/seal");
    }
    assert!(seal(SignOver::None).seal(&ring, NOW, b"{}").is_ok(), "sealing alone needs no private key");
    assert_eq!(rings.other.calls(), 0, "no other key signs in its place");
}
