use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::error::Fault;
use crate::keys::Certificate;

const NOW: Timestamp = Timestamp::from_millis(1_795_507_200_000);
const MINUTE: i64 = 60_000;

struct Signer {
    key: PrivateKey,
    certificate: Certificate,
}

impl Signer {
    fn new(key: &[u8], certificate: &[u8]) -> Self {
        let der = |pem: &[u8]| x509_parser::pem::parse_x509_pem(pem).unwrap().1.contents;
        Self {
            key: PrivateKey::from_pkcs8_der(&der(key)).unwrap(),
            certificate: Certificate::from_der(&der(certificate)).unwrap(),
        }
    }

    fn ida() -> Self {
        Self::new(
            include_bytes!("../../../../tests/vectors/keys/ida.key.pem"),
            include_bytes!("../../../../tests/vectors/keys/ida.crt.pem"),
        )
    }

    fn stranger() -> Self {
        Self::new(
            include_bytes!("../../../../tests/vectors/keys/stranger.key.pem"),
            include_bytes!("../../../../tests/vectors/keys/stranger.crt.pem"),
        )
    }

    fn sign(&self, x5c: &Certificate, body: &str) -> String {
        let x5c = [x5c.der()];
        let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &x5c, kid: None, b64: true };
        jws::sign_detached(&self.key, protected, body.as_bytes()).unwrap()
    }

    fn peer(&self) -> Peer {
        Peer {
            name: "ida-sign".to_owned(),
            file: "ida.crt.pem".into(),
            certificate: Some(self.certificate.clone()),
            chain: Vec::new(),
            key: self.certificate.public_key().clone(),
            unknown_thumbprint: crate::keys::settings::UnknownThumbprint::Reject,
            algs: SignatureAlgorithm::ALL.to_vec(),
        }
    }
}

fn success() -> Value {
    json!({
        "id": "mosip.identity.auth", "version": "v1", "transactionID": "1234567890", "responseTime": NOW.to_iso(),
        "response": {"authStatus": true, "authToken": "283806"}, "errors": null,
    })
}

fn errors(codes: &[&str]) -> Value {
    let errors: Vec<_> = codes.iter().map(|code| json!({"errorCode": code, "errorMessage": "m"})).collect();
    json!({"transactionID": "1234567890", "response": {"authStatus": true, "authToken": "283806"}, "errors": errors})
}

fn read(status: u16, signatures: &[String], body: &str, danger: bool) -> Result<Answer<Authenticated>> {
    let mut headers = HeaderMap::new();
    for signature in signatures {
        headers.append(SIGNATURE, HeaderValue::from_str(signature).unwrap());
    }
    let (transaction, peer) = (TransactionId::parse("1234567890".to_owned()).unwrap(), Signer::ida().peer());
    let reply =
        RawReply { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: body.as_bytes() };
    let expected = Expected {
        service: Service::Auth,
        transaction: &transaction,
        signers: &[&peer],
        danger_accept_unsigned: danger,
        transport: Transport::Protected,
        now: NOW,
    };
    super::read(reply, expected)?.try_map(read_authenticated)
}

fn signed(body: &Value) -> Result<Answer<Authenticated>> {
    let (ida, body) = (Signer::ida(), body.to_string());
    read(200, &[ida.sign(&ida.certificate, &body)], &body, false)
}

fn with(name: &str, value: Value) -> Value {
    let mut body = success();
    body[name] = value;
    body
}

#[track_caller]
fn assert_tampered(result: Result<Answer<Authenticated>>, why: &str) {
    let error = result.err().unwrap_or_else(|| panic!("accepted, though {why}"));
    assert_eq!((error.code(), error.fault()), (Code::Tampered, Fault::Tampered), "{why}: {error}");
    assert!(error.detail().contains(why), "{error}");
}

#[test]
fn a_signed_success_is_verified() {
    let Answer::Given(given) = signed(&success()).unwrap() else { panic!("refused") };
    assert_eq!(given.evidence(), Evidence::Envelope);
    assert!(given.get().auth_status);
    assert_eq!(given.get().token.as_deref(), Some("283806"));
    let zone = with("responseTime", json!("2026-11-24T13:30:00.000+05:30"));
    assert!(signed(&zone).is_ok());
}

#[test]
fn a_signed_no_holds_no_token_whatever_it_says() {
    let no = with("response", json!({"authStatus": false, "authToken": "283806"}));
    let Answer::Given(given) = signed(&no).unwrap() else { panic!("refused") };
    assert!(!given.get().auth_status && given.get().token.is_none());
}

#[test]
fn a_success_that_does_not_verify_is_tampered() {
    let (ida, stranger, body) = (Signer::ida(), Signer::stranger(), success().to_string());
    let good = ida.sign(&ida.certificate, &body);
    assert_tampered(read(200, &[], &body, false), "no signature");
    assert_tampered(
        read(200, &[stranger.sign(&stranger.certificate, &body)], &body, false),
        "none of the configured",
    );
    assert_tampered(read(200, &[stranger.sign(&ida.certificate, &body)], &body, false), "not accepted");
    assert_tampered(read(200, &[good.clone(), good.clone()], &body, false), "several signatures");
    assert_tampered(read(200, &["a.b.c".to_owned()], &body, false), "does not verify");
    assert_tampered(read(200, &[good], &body.replace("\"v1\"", "\"v2\""), false), "not accepted");
}

#[test]
fn a_reply_under_another_signature_says_where_its_signer_is_set() {
    let (stranger, body) = (Signer::stranger(), success().to_string());
    let refused = read(200, &[stranger.sign(&stranger.certificate, &body)], &body, false).err().unwrap();
    assert_eq!(refused.advice(), SIGNER);
}

#[test]
fn a_signed_success_of_another_call_is_tampered() {
    assert_tampered(signed(&with("transactionID", json!("1234567891"))), "another transaction");
    assert_tampered(signed(&with("transactionID", json!(null))), "another transaction");
    assert_tampered(signed(&with("id", json!("mosip.identity.kyc"))), "another service");
    assert_tampered(signed(&with("id", json!(null))), "another service");
    assert_tampered(signed(&with("response", json!(null))), "no response");
    for time in [json!(null), json!("now")] {
        assert_tampered(signed(&with("responseTime", time)), "responseTime");
    }
}

#[test]
fn a_reply_counts_for_five_minutes_to_either_side_of_our_clock() {
    let at =
        |millis: i64| with("responseTime", json!(Timestamp::from_millis(NOW.millis() + millis).to_iso()));
    for millis in [-5 * MINUTE, 5 * MINUTE] {
        assert!(signed(&at(millis)).is_ok(), "{millis}");
        assert_tampered(signed(&at(millis + millis.signum())), "responseTime");
    }
}

#[test]
fn the_danger_setting_excuses_an_absent_signature_and_nothing_else() {
    let (stranger, body) = (Signer::stranger(), success().to_string());
    let Answer::Given(given) = read(200, &[], &body, true).unwrap() else { panic!("refused") };
    assert_eq!(given.evidence(), Evidence::DangerUnsigned);
    assert_tampered(
        read(200, &[stranger.sign(&stranger.certificate, &body)], &body, true),
        "none of the configured",
    );
    let other = with("transactionID", json!("1234567891")).to_string();
    assert_tampered(read(200, &[], &other, true), "another transaction");
}

#[test]
fn unsigned_errors_are_a_verdict_and_never_a_token() {
    let body = errors(&["IDA-DEA-001", "IDA-OTA-004"]).to_string();
    let Answer::Refused(reasons) = read(200, &[], &body, false).unwrap() else { panic!("given") };
    let codes: Vec<_> = reasons.get().iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["IDA-DEA-001", "IDA-OTA-004"]);
}

#[test]
fn errors_under_a_wrong_signature_or_of_another_transaction_are_tampered() {
    let (stranger, body) = (Signer::stranger(), errors(&["IDA-DEA-001"]).to_string());
    assert_tampered(
        read(200, &[stranger.sign(&stranger.certificate, &body)], &body, false),
        "none of the configured",
    );
    assert_tampered(read(200, &[], &body.replace("1234567890", "1234567891"), false), "another transaction");
}

#[test]
fn a_refusal_counts_as_signed_where_the_signature_covers_this_call() {
    let word = |answer: Result<Answer<Authenticated>>| match answer.unwrap() {
        Answer::Refused(reasons) => reasons.word(),
        Answer::Given(_) => panic!("given"),
    };
    let refusal = errors(&["IDA-DEA-001"]);
    assert_eq!(word(signed(&refusal)), "signature");
    assert_eq!(word(read(200, &[], &refusal.to_string(), false)), "tls");
    for (name, value) in [("transactionID", json!(null)), ("id", json!("mosip.identity.otp"))] {
        let mut other = refusal.clone();
        other[name] = value;
        assert_eq!(word(signed(&other)), "tls", "a signature over {name} of another call or of none");
    }
    let plain = Attested::new(Vec::<Reason>::new(), Transport::Plain);
    assert_eq!(Stated::Unsigned(plain).word(), "none");
}

#[test]
fn errors_that_are_no_verdict_are_problems() {
    for (codes, code) in [
        (&["IDA-MPA-009"][..], Code::Partner),
        (&["IDA-DEA-001", "IDA-MLC-007"], Code::Upstream),
        (&["IDA-MPA-004"], Code::Keys),
        (&["<b>"], Code::Upstream),
    ] {
        assert_eq!(
            read(200, &[], &errors(codes).to_string(), false).err().unwrap().code(),
            code,
            "{codes:?}"
        );
    }
}

#[test]
fn what_is_no_reply_of_ida_is_upstreams_fault() {
    let verdict = errors(&["IDA-DEA-001"]).to_string();
    let cases = [
        (200, "<html>login</html>"),
        (200, "[]"),
        (200, r#"{"errors":"x"}"#),
        (503, "{}"),
        (502, ""),
        (500, &verdict),
        (302, "{}"),
    ];
    for (status, body) in cases {
        let error = read(status, &[], body, false).err().unwrap();
        assert_eq!((error.code(), error.retryable()), (Code::Upstream, true), "{status} {body}");
    }
    let registered = errors(&["IDA-MPA-009"]).to_string();
    assert_eq!(read(401, &[], &registered, false).err().unwrap().code(), Code::Partner);
}

#[test]
fn a_signed_list_is_not_taken_for_the_reply_member_by_member() {
    let members =
        ["id", "transactionID", "responseTime", "response", "errors"].map(|name| success()[name].clone());
    assert_eq!(signed(&json!(members)).err().unwrap().code(), Code::Upstream);
    let response = with("response", json!([true, "283806"]));
    assert_eq!(signed(&response).err().unwrap().code(), Code::Upstream);
}

#[test]
fn where_a_bare_key_of_the_peer_is_known_the_certificate_in_a_token_has_to_be_of_that_key() {
    let (ida, stranger) = (Signer::ida(), Signer::stranger());
    let peer = Peer { certificate: None, ..ida.peer() };
    for (certificate, is_taken) in [(&ida.certificate, true), (&stranger.certificate, false)] {
        let token = ida.sign(certificate, "body");
        let token = jws::Jws::parse(&token).unwrap();
        let verified = crate::mosip::signature::verify_parsed(&peer, &token, Some(b"body"), NOW);
        assert_eq!(verified.is_ok(), is_taken);
    }
}
