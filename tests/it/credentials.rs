//! `POST /v1/credentials/verify` with every known credential, and with what unfolds to much.

use serde_json::{Value, json};

use crate::support::gateway::{EXAMPLE, Running, json};
use crate::support::vectors::cases;

/// A gateway that knows the issuer of the vectors.
async fn gateway() -> Running {
    let root = env!("CARGO_MANIFEST_DIR");
    let credentials = format!(
        r#"
[credentials]
contexts_dir = "{root}/tests/vectors/contexts"
context = ["https://www.w3.org/2018/credentials/v1", "https://api.example.org/.well-known/mosip-context.json", {{ sec = "https://w3id.org/security#" }}]
issuers = [{{ verification_method = "https://api.example.org/.well-known/public-key.json", file = "{root}/tests/vectors/keys/issuer.crt.pem" }}]
"#
    );
    Running::start_under(&format!("{EXAMPLE}{credentials}"), &[]).await
}

async fn verify(gateway: &Running, credential: &str) -> (u16, Value) {
    let body = format!(r#"{{"credential":{credential}}}"#);
    json(gateway.call("/v1/credentials/verify", "application/json", &body).await)
}

#[tokio::test]
async fn every_known_credential_has_its_verdict_with_the_fields_that_are_not_covered() {
    let gateway = gateway().await;
    let known: Value = serde_json::from_slice(&std::fs::read("tests/vectors/vc.json").unwrap()).unwrap();
    let known = known["cases"].as_array().unwrap();
    for case in known {
        let text =
            case["credential_text"].as_str().map_or_else(|| case["credential"].to_string(), str::to_owned);
        let (status, answer) = verify(&gateway, &text).await;
        let name = &case["name"];
        if case["valid"] == true && case["form"] != "jcs" {
            assert_eq!((status, &answer["valid"]), (200, &json!(true)), "{name}: {answer}");
            if let Some(not_covered) = case.get("not_covered") {
                assert_eq!(&answer["not_covered"], not_covered, "{name}");
            }
        } else {
            let code =
                if name == "duplicate-json-key" { (400, "malformed") } else { (422, "signature-invalid") };
            assert_eq!((status, answer["code"].as_str().unwrap()), code, "{name}: {answer}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.len() > 20, "{name}: {answer}");
            let reason =
                answer["reason"].as_str().map(|why| format!("the credential does not verify: {why}"));
            assert_eq!(reason.as_deref(), (status == 422).then_some(detail), "{name}: {answer}");
        }
    }
    let carried = cases("event.json");
    let mut carried =
        carried.iter().filter(|case| case["valid"] == true && case["expect"]["proof"].is_object());
    let birth = carried.next().unwrap()["expect"].to_string();
    assert_eq!(verify(&gateway, &birth).await.0, 200);
}

#[tokio::test]
async fn a_credential_that_unfolds_to_much_is_refused_by_its_text() {
    let gateway = gateway().await;
    let values = vec!["1"; 1_000_000].join(",");
    let (status, answer) =
        verify(&gateway, &format!(r#"{{"credentialSubject":{{"VID":[{values}]}}}}"#)).await;
    assert_eq!((status, answer["code"].as_str()), (400, Some("malformed")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("more than 4,000 values"), "{answer}");
}
