//! The known answers, which the issuer's own classes and other libraries made.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

const VECTORS: &str = "tests/vectors";
/// Within the dates of the issuer's certificate.
const NOW: Timestamp = Timestamp::from_seconds(1_795_700_000);

fn vectors() -> Value {
    serde_json::from_slice(&std::fs::read(Path::new(VECTORS).join("vc.json")).unwrap()).unwrap()
}

fn contexts() -> Contexts {
    let read = |name: &str| std::fs::read(Path::new(VECTORS).join("contexts").join(name)).unwrap();
    let index: BTreeMap<String, String> =
        toml::from_str(&String::from_utf8(read("index.toml")).unwrap()).unwrap();
    let documents = index.into_iter().map(|(url, file)| (url, read(&file))).collect();
    let context = vec![
        json!("https://www.w3.org/2018/credentials/v1"),
        json!("https://api.example.org/.well-known/mosip-context.json"),
        json!({ "sec": "https://w3id.org/security#" }),
    ];
    Contexts::new(documents, context)
}

fn credentials(danger_accept_jcs: bool) -> Credentials {
    let der = std::fs::read(Path::new(VECTORS).join("keys/issuer.crt.der")).unwrap();
    let issuer = Issuer {
        verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
        certificate: Certificate::from_der(&der).unwrap(),
        history: false,
    };
    Credentials { contexts: contexts(), issuers: vec![issuer], danger_accept_jcs }
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
    let credentials = credentials(false);
    let mut texts = 0;
    for case in vectors()["cases"].as_array().unwrap() {
        let Some(expected) = case.get("nquads") else { continue };
        let mut document = case["credential"].clone();
        document.as_object_mut().unwrap().remove("proof");
        assert_eq!(credentials.text(&document).unwrap(), expected.as_str().unwrap(), "{}", case["name"]);
        texts += 1;
    }
    assert!(texts >= 10, "{texts}");
}

#[test]
fn the_text_of_a_proof_is_the_known_one() {
    let proof = Proof {
        kind: String::new(),
        created: "2025-01-02T03:04:05Z".to_owned(),
        proof_purpose: String::new(),
        verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
        jws: String::new(),
    };
    let hash = Sha256::digest(proof.text().as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "36754f6001842ad7c53334491c202be156a919dff33f21e7caa57f70b619d22b");
}

#[test]
fn a_former_key_counts_for_what_it_signed_in_its_time() {
    let (vectors, mut credentials) = (vectors(), credentials(false));
    let birth = &vectors["cases"][0]["credential"];
    let later = Timestamp::from_seconds(5_000_000_000);
    let error = credentials.verify(birth, later).err().unwrap();
    assert!(error.detail().contains("has expired"), "{}", error.detail());
    credentials.issuers[0].history = true;
    assert!(credentials.verify(birth, later).is_ok());
}

#[test]
fn a_context_without_a_document_is_named() {
    let contexts = Contexts::new(BTreeMap::new(), vec![json!("https://a.example/c"), json!({ "a": "b" })]);
    assert_eq!(contexts.missing(), ["https://a.example/c"]);
}
