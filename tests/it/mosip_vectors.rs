//! Every known answer about MOSIP's messages, through the library: positive ones byte for byte, negative ones by kind of refusal.

use crate::support::{cases, ring, text, vector_file};
use mosip_gateway::clock::Timestamp;
use mosip_gateway::crypto::base64;
use mosip_gateway::error::{Code, Error};
use mosip_gateway::keys::Ring;
use mosip_gateway::keys::settings::UnknownThumbprint::{Reject, Try};
use mosip_gateway::mosip::envelope::{self, Format, Policy, SealOptions, Sealed, SignOver};
use mosip_gateway::mosip::ida::{self, Answer, Expected, RawReply, Service};
use mosip_gateway::mosip::{Evidence, Transport, signature};
use serde_json::{Value, json};

const ALL_OWN: [&str; 4] = ["partner", "partner-old", "partner-3072", "partner-4096"];
const UNSIGNED: Policy = Policy { danger_accept_unsigned: true };
const SIGNED: Policy = Policy { danger_accept_unsigned: false };

fn open(
    ring: &Ring,
    data: &str,
    signature: Option<&str>,
    aad: &[u8],
    policy: Policy,
) -> Result<(Vec<u8>, Evidence), Error> {
    let from = &ring.peers()[0];
    let opened = envelope::open(ring, from, Sealed { data, signature, aad, over: None }, policy)?;
    Ok((opened.get().to_vec(), opened.evidence()))
}

fn bytes(case: &Value, member: &str) -> Vec<u8> {
    base64::decode(text(case, member).as_bytes()).expect("base64 in a vector")
}

#[test]
fn every_envelope_opens_or_is_refused_as_it_says() {
    let (trying, rejecting) = (ring(&ALL_OWN, &["mosip"], Try), ring(&ALL_OWN, &["mosip"], Reject));
    let mut envelopes = cases("envelope.json");
    envelopes.extend(vector_file("mediator.json")["envelopes"].as_array().unwrap().clone());
    let mut opened = 0;
    for case in &envelopes {
        let name = text(case, "name");
        let aad = case.get("aad_b64").map(|_| bytes(case, "aad_b64")).unwrap_or_default();
        let under = |ring| open(ring, text(case, "envelope"), None, &aad, UNSIGNED);
        match case.get("error").and_then(Value::as_str) {
            None => {
                assert_eq!(under(&trying).unwrap().0, bytes(case, "expect_b64"), "{name}");
                let only_by_trying = name.contains("-thumbprint") && !name.starts_with("legacy")
                    || name == "thumbprint-holds-the-splitter";
                match under(&rejecting) {
                    Err(error) => {
                        assert!(only_by_trying && error.code() == Code::UnknownKey, "{name}: {error}")
                    }
                    Ok(_) => assert!(!only_by_trying, "{name} names no own key"),
                }
                opened += 1;
            }
            Some("unknown-key") => {
                assert_eq!(under(&rejecting).unwrap_err().code(), Code::UnknownKey, "{name}");
                assert_eq!(under(&trying).unwrap_err().code(), Code::Decrypt, "{name}");
            }
            Some(kind) => {
                for ring in [&trying, &rejecting] {
                    assert_eq!(under(ring).unwrap_err().code().as_str(), kind, "{name}");
                }
            }
        }
    }
    assert_eq!(opened, 17 + 2);
}

#[test]
fn every_decrypt_refusal_is_the_same_answer() {
    let ring = ring(&ALL_OWN, &["mosip"], Try);
    let mut answers = std::collections::BTreeSet::new();
    let refused: Vec<_> =
        cases("envelope.json").into_iter().filter(|case| case["error"] == "decrypt").collect();
    assert_eq!(refused.len(), 6);
    for case in &refused {
        let error = open(&ring, text(case, "envelope"), None, &[], UNSIGNED).unwrap_err();
        answers.insert((error.code().as_str(), error.detail().to_owned(), error.advice().to_owned()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[test]
fn a_caller_aad_that_is_wrong_or_absent_is_refused() {
    let ring = ring(&ALL_OWN, &["mosip"], Reject);
    let case =
        cases("envelope.json").into_iter().find(|case| case["name"] == "legacy-with-caller-aad").unwrap();
    for aad in [&b""[..], b"caller-aae"] {
        assert_eq!(
            open(&ring, text(&case, "envelope"), None, aad, UNSIGNED).unwrap_err().code(),
            Code::Decrypt
        );
    }
}

#[test]
fn the_raw_signature_counts_over_envelope_or_plaintext_and_under_its_signer_alone() {
    for case in cases("signature.json") {
        let signer = text(&case, "signer");
        let recipient = if signer == "partner" { "mosip" } else { "partner" };
        let ring = ring(&[recipient], &[signer], Try);
        let result = open(&ring, text(&case, "data"), Some(text(&case, "signature")), &[], SIGNED);
        match result {
            Ok((_, evidence)) => {
                assert_eq!(case["valid"], json!(true), "{}", case["name"]);
                assert_eq!(evidence.as_str(), text(&case, "over"));
            }
            Err(error) => {
                assert_eq!(case["valid"], json!(false), "{}: {error}", case["name"]);
                assert_eq!(error.code(), Code::SignatureInvalid);
            }
        }
    }
}

#[test]
fn an_absent_signature_is_refused_and_the_danger_setting_never_excuses_a_wrong_one() {
    let ring = ring(&["partner"], &["mosip"], Reject);
    let case = &cases("envelope.json")[0];
    let data = text(case, "envelope");
    assert_eq!(open(&ring, data, None, &[], SIGNED).unwrap_err().code(), Code::SignatureMissing);
    assert_eq!(open(&ring, data, None, &[], UNSIGNED).unwrap().1, Evidence::DangerUnsigned);
    for (wrong, code) in
        [("AAAA", Code::SignatureInvalid), ("", Code::SignatureInvalid), ("%", Code::SignatureInvalid)]
    {
        assert_eq!(open(&ring, data, Some(wrong), &[], UNSIGNED).unwrap_err().code(), code, "{wrong:?}");
    }
}

#[test]
fn the_typescript_mediators_request_opens_and_verifies() {
    let request = &vector_file("mediator.json")["request"];
    let ring = ring(&["mosip"], &["partner"], Try);
    let body = &request["body"];
    let (plaintext, evidence) =
        open(&ring, text(body, "data"), Some(text(body, "signature")), &[], SIGNED).unwrap();
    assert_eq!((plaintext, evidence), (bytes(request, "expect_b64"), Evidence::Envelope));
}

#[test]
fn what_we_seal_opens_in_every_layout_size_and_flavour() {
    for (name, bits) in [("partner", 2048), ("partner-3072", 3072), ("partner-4096", 4096)] {
        let ours = ring(&[name], &[name], Reject);
        let to = ours.peers()[0].certificate.as_ref().unwrap();
        assert_eq!(to.public_key().modulus_len() * 8, bits);
        let signer = &ours.own()[0].private;
        for format in [Format::VerR2, Format::Legacy] {
            for sign in [SignOver::Envelope, SignOver::Plaintext] {
                for plaintext in [&b""[..], b"{}", &[0x5a; 5000]] {
                    let options = SealOptions { format, sign, ..SealOptions::default() };
                    let sealed = envelope::seal_message(to, Some(signer), plaintext, options).unwrap();
                    let (back, evidence) =
                        open(&ours, &sealed.data, sealed.signature.as_deref(), &[], SIGNED).unwrap();
                    assert_eq!(back, plaintext);
                    // Over an empty plaintext and over the envelope are different signatures all the same.
                    let wanted =
                        if sign == SignOver::Envelope { Evidence::Envelope } else { Evidence::Plaintext };
                    assert_eq!(evidence, wanted);
                }
            }
        }
    }
}

#[test]
fn the_overhead_of_ver_r2_is_356_bytes() {
    let ring = ring(&["partner"], &["mosip"], Reject);
    let to = ring.peers()[0].certificate.as_ref().unwrap();
    assert_eq!(envelope::seal(to, &[7; 100], Format::VerR2).unwrap().len(), 456);
}

#[test]
fn every_jws_verifies_or_is_refused_under_its_named_peer() {
    let ring = ring(&[], &["issuer"], Reject);
    for case in cases("jws.json") {
        let detached = case.get("payload").and_then(Value::as_str).map(str::as_bytes);
        let result =
            signature::verify(&ring.peers()[0], text(&case, "token"), detached, crate::support::now());
        match result {
            Ok(payload) => {
                assert_eq!(case["valid"], json!(true), "{}", case["name"]);
                assert_eq!(payload.bytes, text(&case, "expect").as_bytes());
            }
            Err(error) => {
                assert_eq!(case["valid"], json!(false), "{}: {error}", case["name"]);
                assert_eq!(error.code(), Code::SignatureInvalid, "{}", case["name"]);
            }
        }
    }
}

#[test]
fn every_jwe_opens_or_is_refused_and_a_nested_jws_counts_as_signed() {
    let ring = ring(&["partner"], &["issuer"], Reject);
    for case in cases("jwe.json") {
        let name = text(&case, "name");
        let result = open(&ring, text(&case, "token"), None, &[], UNSIGNED);
        match case.get("error") {
            Some(_) => assert_eq!(result.unwrap_err().code(), Code::Decrypt, "{name}"),
            None => {
                let (plaintext, evidence) = result.unwrap();
                assert_eq!(plaintext, text(&case, "expect").as_bytes(), "{name}");
                let nested = case.get("signer").is_some();
                assert_eq!(evidence, if nested { Evidence::Plaintext } else { Evidence::DangerUnsigned });
                let strict = open(&ring, text(&case, "token"), None, &[], SIGNED);
                assert_eq!(
                    strict.is_ok(),
                    nested,
                    "{name}: an unsigned JWE leaves only by the danger setting"
                );
            }
        }
    }
}

#[test]
fn the_signature_over_the_published_sdks_ida_request_verifies() {
    let request = &vector_file("ida.json")["request"];
    let ida = ring(&["ida"], &["partner"], Reject);
    let (body, signer) = (text(request, "body"), &*ida.peers()[0]);
    ida::verify_body(&[signer], body.as_bytes(), text(request, "signature"), crate::support::now()).unwrap();
    let altered = body.replacen("1.0", "1.1", 1);
    ida::verify_body(&[signer], altered.as_bytes(), text(request, "signature"), crate::support::now())
        .unwrap_err();
}

#[test]
fn the_kyc_reply_becomes_an_identity_only_where_an_absent_signature_is_accepted() {
    let kyc = &vector_file("ida.json")["kyc_response"];
    let ring = ring(&ALL_OWN, &["ida"], Reject);
    let transaction =
        ida::TransactionId::parse("1234567890".to_owned()).unwrap_or_else(|error| panic!("{error}"));
    let read = |body: &Value, danger_accept_unsigned| {
        let body = body.to_string();
        let headers = http::HeaderMap::new();
        let reply = RawReply { status: http::StatusCode::OK, headers: &headers, body: body.as_bytes() };
        let expected = Expected {
            service: Service::Kyc,
            transaction: &transaction,
            signers: &[&ring.peers()[0]],
            danger_accept_unsigned,
            transport: Transport::Protected,
            now: Timestamp::from_iso("2026-11-24T08:00:02.000Z").unwrap(),
        };
        ida::read(reply, expected)?.try_map(|response| ida::read_known(response, &ring))
    };
    assert_eq!(read(&kyc["body"], false).err().unwrap().code(), Code::Tampered);
    let Answer::Given(known) = read(&kyc["body"], true).unwrap() else { panic!("refused") };
    assert_eq!(known.evidence(), Evidence::DangerUnsigned);
    let identity = known.get().identity.as_ref().unwrap().get();
    assert_eq!(serde_json::from_str::<Value>(identity).unwrap(), kyc["expect_identity"]);

    // Sealed to a certificate whose key is not loaded.
    let mut other = kyc["body"].clone();
    other["response"]["thumbprint"] = "00".repeat(32).into();
    assert_eq!(read(&other, true).err().unwrap().code(), Code::Keys);
}

#[test]
fn every_error_reply_of_ida_has_its_fault_and_code_or_is_a_verdict_with_its_proof() {
    let vector = vector_file("ida-errors.json");
    let ring = ring(&[], &[text(&vector, "signer")], Reject);
    let cases = vector["cases"].as_array().unwrap();
    for case in cases {
        let (name, wanted) = (text(case, "name"), &case["expect"]);
        let transaction = ida::TransactionId::parse(text(case, "transactionId").to_owned())
            .unwrap_or_else(|error| panic!("{error}"));
        let service = match text(case, "call") {
            "auth" => Service::Auth,
            "kyc" => Service::Kyc,
            _ => Service::Otp,
        };
        let headers: http::HeaderMap = case["response_signature"]
            .as_str()
            .map(|signature| {
                (http::HeaderName::from_static("response-signature"), signature.parse().unwrap())
            })
            .into_iter()
            .collect();
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let reply = RawReply {
            status: http::StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body: text(case, "body").as_bytes(),
        };
        let expected = Expected {
            service,
            transaction: &transaction,
            signers: &[&ring.peers()[0]],
            danger_accept_unsigned: false,
            transport: Transport::Protected,
            now: Timestamp::from_iso("2026-11-26T09:15:08.000Z").unwrap(),
        };
        // As /v1/ida/otp: there a refusal is a problem.
        let answer = ida::read(reply, expected).and_then(|answer| match service {
            Service::Otp => answer.given().map(Answer::Given),
            Service::Auth | Service::Kyc => Ok(answer),
        });
        match answer {
            Ok(Answer::Given(_)) => panic!("{name}: an error reply gives nothing"),
            Ok(Answer::Refused(reasons)) => {
                assert_eq!(wanted["verdict"], json!(true), "{name}");
                assert_eq!(json!(reasons.word()), wanted["verified"], "{name}");
                let reasons = reasons.into_inner();
                let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
                assert_eq!(json!(codes), wanted["codes"], "{name}");
                assert_eq!(json!(reasons[0].meaning.retryable), wanted["retryable"], "{name}");
            }
            Err(error) => {
                assert_eq!(json!(error.fault().as_str()), wanted["fault"], "{name}: {error}");
                let code = error.upstream().map(|said| said.code.as_str());
                assert_eq!(code, wanted["upstream_code"].as_str(), "{name}: {error}");
                if let Some(retryable) = wanted["retryable"].as_bool() {
                    assert_eq!(error.retryable(), retryable, "{name}");
                }
            }
        }
    }
    assert_eq!(cases.len(), 25);
}
