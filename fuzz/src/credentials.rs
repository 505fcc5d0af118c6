//! The known credentials, their pinned contexts, and the check whether a credential equals one of them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use mosip_gateway::mosip::credential::{Contexts, Credentials, Issuer, ProofKind};
use serde_json::{Value, json};

use crate::keys;

const W3C: &str = "https://www.w3.org/2018/credentials/v1";
const ODRL: &str = "https://www.w3.org/ns/odrl.jsonld";
const MOSIP: &str = "https://api.example.org/.well-known/mosip-context.json";

/// The documents of `tests/vectors/contexts` by their URLs.
pub fn documents() -> &'static Arc<BTreeMap<String, Vec<u8>>> {
    static DOCUMENTS: LazyLock<Arc<BTreeMap<String, Vec<u8>>>> = LazyLock::new(|| {
        let files: [(&str, &[u8]); 3] = [
            (W3C, include_bytes!("../../tests/vectors/contexts/credentials-v1.jsonld")),
            (ODRL, include_bytes!("../../tests/vectors/contexts/odrl.jsonld")),
            (MOSIP, include_bytes!("../../tests/vectors/contexts/mosip-context.json")),
        ];
        Arc::new(files.into_iter().map(|(url, file)| (url.to_owned(), file.to_vec())).collect())
    });
    &DOCUMENTS
}

/// `@context` of every known credential.
pub fn context() -> Vec<Value> {
    vec![json!(W3C), json!(MOSIP), json!({ "sec": "https://w3id.org/security#" })]
}

/// The issuer of the known credentials alone, either proof.
pub fn credentials() -> &'static Credentials {
    static CREDENTIALS: LazyLock<Credentials> = LazyLock::new(|| Credentials {
        contexts: Some(
            Contexts::pin(documents().as_ref().clone(), context()).expect("the contexts of the vectors"),
        ),
        issuers: vec![Issuer {
            verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
            certificate: keys::peer("issuer").certificate.clone().expect("a certificate"),
            history: false,
        }],
        require: vec![ProofKind::Event, ProofKind::Embedded],
        danger_accept_jcs: false,
        danger_accept_hub_alone: false,
    });
    &CREDENTIALS
}

/// Credentials whose embedded proof is good.
pub fn known() -> &'static [Value] {
    static KNOWN: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let file: Value = serde_json::from_str(include_str!("../../tests/vectors/vc.json")).expect("JSON");
        let cases = file["cases"].as_array().expect("a list of cases");
        let good = cases.iter().filter(|case| case["valid"] == true && case["form"] == "urdna2015");
        let known: Vec<Value> = good.map(|case| case["credential"].clone()).collect();
        assert!(known.len() > 10);
        known
    });
    &KNOWN
}

/// Whether the values of `credential` at `covered`, all of them, are those of a known one: nobody else can sign others.
pub fn is_known(credential: &Value, covered: &[String]) -> bool {
    known().iter().any(|known| covered.iter().all(|pointer| says_the_same(known, credential, pointer)))
}

/// What stands in an array has no order, and an object may stand without its array.
fn says_the_same(known: &Value, credential: &Value, pointer: &str) -> bool {
    let Some(value) = credential.pointer(pointer) else { return false };
    let name = |pointer: &str| -> String {
        let is_name = |part: &&str| part.parse::<u32>().is_err();
        pointer.split('/').filter(is_name).collect::<Vec<_>>().join("/")
    };
    let mut leaves = Vec::new();
    collect(known, String::new(), &mut leaves);
    leaves.iter().any(|(at, other)| name(at) == name(pointer) && is_equal(other, value))
}

/// `3.0` and `3` are one number here, as in the statements.
fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

fn collect<'v>(value: &'v Value, at: String, leaves: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(value, format!("{at}/{name}"), leaves));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, format!("{at}/{index}"), leaves));
        }
        _ => leaves.push((at, value)),
    }
}
