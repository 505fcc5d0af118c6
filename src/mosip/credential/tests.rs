//! The known answers, which the issuer's own classes and other libraries made.

mod coverage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::contexts::{ContextError, PinError, by_library};
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

/// Pins one document as the only context.
fn pin(document: Value) -> Result<Contexts, PinError> {
    let documents = BTreeMap::from([("https://a.example/c".to_owned(), document.to_string().into_bytes())]);
    Contexts::pin(documents, vec![json!("https://a.example/c")])
}

#[test]
fn a_context_without_a_document_is_named() {
    let missing = Contexts::pin(BTreeMap::new(), vec![json!("https://a.example/c")]).err().unwrap();
    assert_eq!(missing, PinError::Missing("https://a.example/c".to_owned()));
    let missing = pin(json!({ "@context": "https://a.example/other" })).err().unwrap();
    assert_eq!(missing, PinError::Missing("https://a.example/other".to_owned()));
}

#[test]
fn contexts_that_bomb_are_refused_before_anything_unfolds_them() {
    let url = "https://a.example/c";
    let ids = json!({ "id": "@id", "type": "@type" });
    let itself = pin(json!({ "@context": [ids, url] })).err().unwrap();
    assert_eq!(itself, PinError::Recursive(url.to_owned()));
    let inside = json!({ "@context": { "a": { "@id": "urn:a", "@context": url } } });
    assert_eq!(pin(inside).err().unwrap(), PinError::Recursive(url.to_owned()));

    let many: serde_json::Map<String, Value> =
        (0..10_000).map(|number| (format!("t{number}"), json!(format!("urn:t:{number}")))).collect();
    assert_eq!(pin(json!({ "@context": many })).err().unwrap(), PinError::Many);

    let document = |names: &str| format!(r#"{{"@context":[{names}]}}"#).into_bytes();
    let name = |number: u32| format!("https://a.example/{number}");
    let chain = (0..12).map(|number| (name(number), document(&format!("\"{}\"", name(number + 1)))));
    let deep = Contexts::pin(chain.collect(), vec![json!(name(0))]).err().unwrap();
    assert!(matches!(deep, PinError::Deep(_)), "{deep}");
    // Eight documents, each of which names the next one ten times.
    let wide = (0..8).map(|number| {
        let next = format!("\"{}\"", name(number + 1));
        (name(number), document(&if number < 7 { vec![next; 10].join(",") } else { "{}".to_owned() }))
    });
    let wide = Contexts::pin(wide.collect(), vec![json!(name(0))]).err().unwrap();
    assert_eq!(wide, PinError::Many);

    let nested = format!("{}{}{}", r#"{"@context":"#, "[".repeat(200), "]".repeat(200)) + "}";
    let documents = BTreeMap::from([(url.to_owned(), nested.into_bytes())]);
    let unreadable = Contexts::pin(documents, vec![json!(url)]).err().unwrap();
    assert_eq!(unreadable, PinError::Unreadable(url.to_owned()));
}

#[test]
fn contexts_that_contradict_themselves_or_use_more_than_is_built_are_refused() {
    let pin = |terms: Value| {
        let mut context = json!({ "id": "@id", "type": "@type" });
        let (all, terms) = (context.as_object_mut().unwrap(), terms.as_object().unwrap());
        all.extend(terms.clone());
        pin(json!({ "@context": context })).err()
    };
    assert_eq!(pin(json!({ "a": "urn:a" })), None);
    assert_eq!(pin(json!({ "@vocab": "https://v.example/", "a": {} })), None);
    for cyclic in
        [json!({ "a": "b:x", "b": "a:x" }), json!({ "a": 5 }), json!({ "a": {} }), json!({ "": "urn:a" })]
    {
        assert!(matches!(pin(cyclic.clone()), Some(PinError::Term(_))), "{cyclic}");
    }
    for keyword in ["@base", "@language", "@import", "@propagate", "@direction"] {
        assert_eq!(pin(json!({ keyword: "x" })), Some(PinError::NotBuilt(keyword.to_owned())));
    }
    let null = Contexts::pin(BTreeMap::new(), vec![Value::Null]).err().unwrap();
    assert!(matches!(null, PinError::NotBuilt(_)));
    // A type that protects a name, and one that takes it away again: the library says no.
    let protected = json!({ "a": { "@id": "urn:a", "@protected": true }, "T": { "@id": "urn:T", "@context": { "a": "urn:b" } } });
    assert!(matches!(pin(protected), Some(PinError::Disagrees(_))));
}

#[test]
fn a_member_that_is_read_has_one_name_only() {
    let ids = json!({ "id": "@id", "type": "@type" });
    for more in [
        json!({ "VID": "urn:v:VID", "number": "urn:v:VID" }),
        json!({ "@vocab": "urn:v:", "VID": "urn:v:x" }),
        json!({ "@vocab": "urn:v:", "number": "urn:v:UIN" }),
    ] {
        let shared = pin(json!({ "@context": [ids, more] })).err();
        assert!(matches!(shared, Some(PinError::Shared(_))), "{more}");
    }
    assert!(pin(json!({ "@context": [ids, { "@vocab": "urn:v:", "VID": "urn:v:VID" }] })).is_ok());
    let renamed = pin(json!({ "@context": { "uid": "@id", "type": "@type" } })).err().unwrap();
    assert!(matches!(renamed, PinError::NotBuilt(_)), "{renamed}");
}

#[test]
fn what_is_not_built_is_refused_where_a_credential_uses_it() {
    let context = json!({
        "id": "@id", "type": "@type", "kind": "@type", "value": "@value", "p": "urn:p:p", "list": { "@id": "urn:p:list", "@container": "@list" },
        "graph": { "@id": "urn:p:graph", "@container": "@graph" }, "json": { "@id": "urn:p:json", "@type": "@json" },
        "back": { "@reverse": "urn:p:back" }, "ref": { "@id": "urn:p:ref", "@type": "@id" },
        "A": { "@id": "urn:p:A", "@context": { "q": "urn:p:q" } }, "B": { "@id": "urn:p:B", "@context": { "r": "urn:p:r" } }
    });
    let contexts = pin(json!({ "@context": context })).unwrap();
    let read = |members: Value| {
        let mut credential = json!({ "@context": ["https://a.example/c"], "id": "urn:c" });
        credential.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        contexts.expand(&credential).map(|expansion| expansion.quads.len())
    };
    assert_eq!(read(json!({ "p": "x", "type": "A", "q": 1, "r": 2 })), Ok(3));
    for (members, at) in [
        (json!({ "list": ["a"] }), "/list"),
        (json!({ "graph": {} }), "/graph"),
        (json!({ "json": {} }), "/json"),
        (json!({ "back": "urn:x" }), "/back"),
        (json!({ "p": { "value": "x" } }), "/p/value"),
        (json!({ "type": ["A", "B"] }), "/type/1"),
        (json!({ "type": "A", "kind": "B" }), "/kind"),
        (json!({ "type": 7 }), "/type"),
        (json!({ "type": "_:b0" }), "/type"),
        (json!({ "p": { "id": "_:b0", "p": 1 } }), "/p/id"),
        (json!({ "p": { "id": "relative", "p": 1 } }), "/p/id"),
        (json!({ "p": { "id": 7, "p": 1 } }), "/p/id"),
        (json!({ "ref": "_:b0" }), "/ref"),
        (json!({ "ref": "urn:with a blank" }), "/ref"),
        (json!({ "ref": "@later" }), "/ref"),
        (json!({ "type": "@later" }), "/type"),
        (json!({ "type": ["A", "@later"] }), "/type/1"),
    ] {
        assert_eq!(read(members.clone()), Err(ContextError::NotBuilt(at.to_owned())), "{members}");
    }
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
