//! The known answers, which the issuer's own classes and other libraries made.

mod contexts;
mod coverage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::contexts::by_library;
use super::*;
use crate::keys::make::{CertificateRequest, KeyMaker};

const VECTORS: &str = "tests/vectors";
/// Within the dates of the issuer's certificate.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_700_000);

pub(super) fn vectors() -> Value {
    serde_json::from_slice(&std::fs::read(Path::new(VECTORS).join("vc.json")).unwrap()).unwrap()
}

pub(super) fn documents() -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| std::fs::read(Path::new(VECTORS).join("contexts").join(name)).unwrap();
    let index: BTreeMap<String, String> =
        toml::from_str(&String::from_utf8(read("index.toml")).unwrap()).unwrap();
    index.into_iter().map(|(url, file)| (url, read(&file))).collect()
}

pub(super) fn context() -> Vec<Value> {
    vec![
        json!("https://www.w3.org/2018/credentials/v1"),
        json!("https://api.example.org/.well-known/mosip-context.json"),
        json!({ "sec": "https://w3id.org/security#" }),
    ]
}

pub(crate) fn credentials(danger_accept_jcs: bool) -> Credentials {
    let der = std::fs::read(Path::new(VECTORS).join("keys/issuer.crt.der")).unwrap();
    let issuer = Issuer {
        verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
        certificate: Certificate::from_der(&der).unwrap(),
        history: false,
    };
    Credentials {
        contexts: Some(Contexts::pin(documents(), context()).unwrap()),
        issuers: vec![issuer],
        require: vec![ProofKind::Event, ProofKind::Embedded],
        danger_accept_jcs,
        danger_accept_hub_alone: false,
    }
}

fn text_of(case: &Value) -> String {
    match case.get("credential_text") {
        Some(text) => text.as_str().unwrap().to_owned(),
        None => case["credential"].to_string(),
    }
}

fn verdict(credentials: &Credentials, case: &Value) -> Result<Covered> {
    let credential = crate::json::read(text_of(case).as_bytes())?;
    credentials.verify(&credential, NOW).map(Verified::into_inner)
}

fn written(contexts: &Contexts, credential: &Value) -> Option<String> {
    contexts.read(credential).ok().map(|reading| reading.text)
}

#[test]
fn every_known_credential_is_told_from_every_forged_one() {
    let (vectors, pinned, jcs) = (vectors(), credentials(false), credentials(true));
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 35);
    for case in cases {
        let (name, is_jcs) = (&case["name"], case["form"] == "jcs");
        let valid = case["valid"].as_bool().unwrap();
        assert_eq!(verdict(&pinned, case).is_ok(), valid && !is_jcs, "{name}");
        assert_eq!(verdict(&jcs, case).is_ok(), valid, "{name} where the JCS form counts");
        if let (Ok(covered), Some(expected)) = (verdict(&pinned, case), case.get("not_covered")) {
            assert_eq!(&json!(covered.not_covered), expected, "{name}");
            assert!(!covered.covered.is_empty());
        }
    }
}

#[test]
fn the_signed_text_is_the_issuers_byte_for_byte() {
    let contexts = Contexts::pin(documents(), context()).unwrap();
    let mut texts = 0;
    for case in vectors()["cases"].as_array().unwrap() {
        let Some(expected) = case.get("nquads") else { continue };
        let text = written(&contexts, &case["credential"]).unwrap();
        assert_eq!(text, expected.as_str().unwrap(), "{}", case["name"]);
        texts += 1;
    }
    assert!(texts >= 10, "{texts}");
}

#[test]
fn a_value_is_covered_where_another_one_makes_another_text() {
    let contexts = Contexts::pin(documents(), context()).unwrap();
    let mut looked_at = 0;
    let strange = json!({
        "@context": context(), "id": "urn:c", "type": ["VerifiableCredential", "None"],
        "issuer": "relative", "undefined": { "a": [1, null], "b": {} },
        "credentialSubject": { "id": "urn:s", "phone": {}, "email": [true, 1.5] }
    });
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap().iter();
    for credential in cases.filter_map(|case| case.get("credential")).chain([&strange]) {
        let Ok(Reading { text, covered }) = contexts.read(credential) else { continue };
        for pointer in values(credential) {
            let mut other = credential.clone();
            let place = other.pointer_mut(&pointer).unwrap();
            *place = match &*place {
                Value::String(text) => json!(format!("{text}0")),
                Value::Bool(yes) => json!(!*yes),
                Value::Number(number) => json!(format!("other than {number}")),
                _ => json!("other"),
            };
            let is_covered = written(&contexts, &other).as_ref() != Some(&text);
            assert_eq!(covered.contains(&pointer), is_covered, "{pointer} of {credential}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

#[test]
fn the_table_reads_what_the_library_reads() {
    let (contexts, documents) = (Contexts::pin(documents(), context()).unwrap(), Arc::new(documents()));
    let subject = json!({
        "id": "http://a.example/1", "vcVer": "V", "VID": [1, 1.0, -0.0, 1e21, 1e19, 123456.789e3, 0.000001, true],
        "UIN": [-7, 9_007_199_254_740_993_u64, 2.5e-323, 1.797_693_134_862_315e308, 100, 0.1],
        "fullName": [{ "language": "eng", "value": "A" }, { "language": "ara", "value": "ب" }, {}],
        "bestTwoFingers": { "subType": "x", "rank": 1, "id": "urn:finger" }, "profile": ["https://p.example/", "schema:x"],
        "conflict": ["perm", "odrl:invalid", "urn:x:y"], "rightOperandReference": ["a", 1, false], "unknown": { "a": "b" },
        "email": ["one", "two", "one"], "type": ["Asset", "mosip:Other", "Undefined"]
    });
    for (name, value) in
        [("credentialSubject", subject.clone()), ("evidence", subject), ("holder", json!("urn:h"))]
    {
        let mut credential = json!({
            "@context": context(), "id": "urn:uuid:c", "type": "VerifiableCredential", "issuanceDate": 5,
            "expirationDate": "x", "issuer": ["https://i.example/", "urn:i"]
        });
        credential[name] = value;
        let theirs = by_library(&documents, &credential).unwrap();
        let ours = contexts.expand(&credential).unwrap().quads;
        assert_eq!(canonical::write(&ours), canonical::write(&theirs), "{name}");
    }
}

#[test]
fn the_text_of_a_proof_is_the_known_one() {
    let proof = Proof {
        kind: "",
        created: "2025-01-02T03:04:05Z",
        proof_purpose: "",
        verification_method: "https://api.example.org/.well-known/public-key.json",
        jws: "",
    };
    let hash = HEXLOWER.encode(&Sha256::digest(proof.text().as_bytes()));
    assert_eq!(hash, "36754f6001842ad7c53334491c202be156a919dff33f21e7caa57f70b619d22b");
}

#[test]
fn a_former_key_counts_for_what_it_signed_in_its_time() {
    let (vectors, mut credentials) = (vectors(), credentials(false));
    let birth = &vectors["cases"][0]["credential"];
    let later = Timestamp::from_seconds(5_000_000_000);
    let error = credentials.verify(birth, later).err().unwrap();
    assert_eq!(error.code(), Code::SignerExpired);
    assert!(error.detail().contains("has expired"), "{}", error.detail());
    credentials.issuers[0].history = true;
    assert!(credentials.verify(birth, later).is_ok());
}

/// Certificates of the issuer's key, with other dates than its own.
fn certificate_of_the_issuer(not_before: i64, not_after: i64) -> Certificate {
    let key = std::fs::read(Path::new(VECTORS).join("keys/issuer.key.pem")).unwrap();
    let request = CertificateRequest {
        country: "XX",
        organization: "Ministry",
        common_name: "issuer",
        not_before: Timestamp::from_seconds(not_before),
        not_after: Timestamp::from_seconds(not_after),
        ca: false,
        names: &[],
    };
    KeyMaker::from_file(&key, None).unwrap().certify(&request, None).unwrap()
}

#[test]
fn of_several_certificates_of_one_key_any_may_have_the_dates() {
    let (vectors, mut credentials) = (vectors(), credentials(false));
    let birth = &vectors["cases"][0]["credential"];
    let former = Issuer {
        verification_method: credentials.issuers[0].verification_method.clone(),
        certificate: certificate_of_the_issuer(1_000_000_000, 1_100_000_000),
        history: false,
    };
    credentials.issuers.insert(0, former);
    assert!(credentials.verify(birth, NOW).is_ok());
    credentials.issuers.reverse();
    assert!(credentials.verify(birth, NOW).is_ok());
    credentials.issuers.remove(0);
    assert_eq!(credentials.verify(birth, NOW).err().unwrap().code(), Code::SignerExpired);
}

/// The key of another issuer, under the name of the known one.
fn of_another_key(credentials: &Credentials) -> Issuer {
    let der = std::fs::read(Path::new(VECTORS).join("keys/stranger.crt.der")).unwrap();
    Issuer {
        verification_method: credentials.issuers[0].verification_method.clone(),
        certificate: Certificate::from_der(&der).unwrap(),
        history: false,
    }
}

#[test]
fn of_several_keys_of_one_name_the_refusal_is_about_the_one_that_signed() {
    let birth = &vectors()["cases"][0]["credential"];
    let later = Timestamp::from_seconds(5_000_000_000);
    let mut credentials = credentials(false);
    credentials.issuers.push(of_another_key(&credentials));
    assert!(credentials.verify(birth, NOW).is_ok());
    for order in ["the key that signed first", "the other key first"] {
        let error = credentials.verify(birth, later).err().unwrap();
        assert_eq!(error.code(), Code::SignerExpired, "{order}: {error}");
        credentials.issuers.reverse();
    }
    credentials.issuers.remove(0);
    let error = credentials.verify(birth, NOW).err().unwrap();
    assert!(error.detail().contains("does not fit the credential and the key"), "{error}");
}

#[test]
fn a_credential_is_read_alone_or_as_the_body_of_a_request() {
    let read = |body: Value| read(body.to_string().as_bytes());
    let credential = json!({ "id": "urn:c" });
    assert_eq!(read(credential.clone()), Ok(credential.clone()));
    assert_eq!(read(json!({ "credential": credential })), Ok(credential));
    // A member of that name is part of a credential that has others.
    for whole in [json!({ "credential": "c", "id": "urn:c" }), json!({})] {
        assert_eq!(read(whole.clone()), Ok(whole));
    }
    for no_object in [json!([]), json!("c"), Value::Null] {
        let error = read(no_object).unwrap_err();
        assert_eq!(error.code(), Code::Malformed);
        assert!(error.detail().contains("no JSON object"), "{error}");
    }
}

#[test]
fn a_date_that_a_proof_over_the_json_does_not_sign_says_nothing() {
    let (vectors, mut credentials) = (vectors(), credentials(true));
    let is_jcs = |case: &&Value| case["form"] == "jcs" && case["valid"] == true;
    let mut credential =
        vectors["cases"].as_array().unwrap().iter().find(is_jcs).unwrap()["credential"].clone();
    credential["proof"]["created"] = json!("2031-01-01T00:00:00Z");
    // The certificate begins after the day of issue, and before the date that anybody can write into the proof.
    credentials.issuers[0].certificate = certificate_of_the_issuer(1_900_000_000, 2_000_000_000);
    let error = credentials.verify(&credential, Timestamp::from_seconds(1_950_000_000)).err().unwrap();
    assert!(error.detail().contains("it was issued before"), "{}", error.detail());
}

#[test]
fn what_was_signed_after_the_key_ended_counts_for_no_former_key_either() {
    let issuer = |history| {
        let der = std::fs::read(Path::new(VECTORS).join("keys/issuer.crt.der")).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        Issuer { verification_method: String::new(), certificate, history }
    };
    let end = issuer(false).certificate.not_after().seconds();
    let (last, after) = (Timestamp::from_seconds(end), Timestamp::from_seconds(end + 1));
    for history in [false, true] {
        assert!(issuer(history).check_dates("x", last, last).is_ok());
        let error = issuer(history).check_dates("x", after, after).unwrap_err();
        assert_eq!(error.code(), Code::SignerExpired);
        let before = Timestamp::from_seconds(issuer(false).certificate.not_before().seconds() - 1);
        assert_eq!(
            issuer(history).check_dates("x", before, last).unwrap_err().code(),
            Code::SignatureInvalid
        );
        assert!(issuer(history).check_dates("x", last, before).is_ok(), "the machine's clock is behind");
    }
    assert_eq!(issuer(false).check_dates("x", last, after).unwrap_err().code(), Code::SignerExpired);
    assert!(issuer(true).check_dates("x", last, after).is_ok());
}

#[test]
fn without_contexts_an_embedded_proof_waits_for_them() {
    let credentials = Credentials { contexts: None, ..credentials(false) };
    let error = credentials.verify(&vectors()["cases"][0]["credential"], NOW).err().unwrap();
    assert_eq!(error.code(), Code::Keys);
    assert!(error.detail().contains("credentials.contexts_dir"), "{}", error.detail());
}

#[test]
fn a_proof_of_another_type_or_for_another_purpose_is_refused_as_such() {
    let (vectors, pinned) = (vectors(), credentials(false));
    let mut cases = vectors["cases"].as_array().unwrap().iter();
    let known = cases.find(|case| verdict(&pinned, case).is_ok()).unwrap();
    for (member, value) in [("type", "Ed25519Signature2018"), ("proofPurpose", "authentication")] {
        let mut credential = crate::json::read::<Value>(text_of(known).as_bytes()).unwrap();
        credential["proof"][member] = json!(value);
        let refused = pinned.verify(&credential, NOW).err().unwrap();
        assert!(refused.detail().contains("of another type, or for another purpose"), "{refused}");
    }
}
