//! `verify --credential` and `inspect` of a credential: one verdict with its reason.

use super::*;

/// A configuration that knows the issuer of the vectors.
fn configured(folder: &TempDir, rest: &str) -> String {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let vectors = vectors.display();
    let config = folder.path().join("gateway.toml");
    std::fs::write(
        &config,
        format!(
            r#"
[credentials]
contexts_dir = "{vectors}/contexts"
context = ["https://www.w3.org/2018/credentials/v1", "https://api.example.org/.well-known/mosip-context.json", {{ sec = "https://w3id.org/security#" }}]
issuers = [{{ verification_method = "https://api.example.org/.well-known/public-key.json", file = "{vectors}/keys/issuer.crt.pem" }}]
{rest}
"#
        ),
    )
    .unwrap();
    config.display().to_string()
}

fn credential(name: &str) -> Value {
    let vectors: Value = serde_json::from_slice(&std::fs::read("tests/vectors/vc.json").unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    cases.iter().find(|case| case["name"] == name).unwrap()["credential"].clone()
}

#[test]
fn verify_says_what_the_proof_of_a_credential_covers() {
    let folder = TempDir::new().unwrap();
    // A secret of another side is not needed.
    let share = r#"data_share = { url = "https://api.example.org/v1/datashare/", token = { url = "https://a.example/token", client_id = "c", client_secret_env = "NO_SUCH_VARIABLE" } }"#;
    let config = configured(&folder, share);
    let verify = ["verify", "--credential", "--config", &config];
    let birth = credential("birth");
    for body in [birth.clone(), json!({ "credential": birth })] {
        let verdict = call(&verify, body.to_string().as_bytes()).ok().json();
        assert_eq!(verdict["valid"], true);
        assert_eq!(verdict["not_covered"], json!(["/credentialSubject/birthCertificateNumber", "/type/1"]));
    }
    call(&verify, credential("vid-altered").to_string().as_bytes())
        .refused(REFUSED, "signature-invalid: the credential does not verify: its proof does not fit");
    call(&verify, b"[]").refused(REFUSED, "malformed: ");
    call(&["verify", "--credential", "--config", &config, "--from", "ida"], b"{}").refused(USAGE, "--from");
    let unset = folder.path().join("empty.toml");
    std::fs::write(&unset, "").unwrap();
    call(&["verify", "--credential", "--config", unset.to_str().unwrap()], birth.to_string().as_bytes())
        .refused(REFUSED, "credentials.issuers is not set");
    let misspelt = configured(&folder, "requires = []");
    call(&["verify", "--credential", "--config", &misspelt], birth.to_string().as_bytes())
        .refused(REFUSED, "credentials.requires");
}

/// The verdict of each case is tested in the library; a few of them show that both commands give that one.
#[test]
fn known_credentials_have_one_verdict_in_both_commands() {
    let folder = TempDir::new().unwrap();
    let config = configured(&folder, "");
    let vectors: Value = serde_json::from_slice(&std::fs::read("tests/vectors/vc.json").unwrap()).unwrap();
    let events: Value = serde_json::from_slice(&std::fs::read("tests/vectors/event.json").unwrap()).unwrap();
    let events = events.as_array().unwrap().iter().filter(|case| case["valid"] == true);
    let carried = events.map(|case| (case["name"].clone(), case["expect"].to_string(), true, None));
    let known = vectors["cases"].as_array().unwrap().iter().map(|case| {
        let text =
            case["credential_text"].as_str().map_or_else(|| case["credential"].to_string(), str::to_owned);
        let valid = case["valid"] == true && case["form"] != "jcs";
        (case["name"].clone(), text, valid, case.get("not_covered").filter(|_| valid).cloned())
    });
    let whole =
        known.chain(carried).filter(|(_, text, ..)| text.contains("proof") && text.contains("@context"));
    let whole: Vec<_> = whole.collect();
    assert!(whole.len() >= 35, "{}", whole.len());
    let duplicate = whole.iter().filter(|(name, ..)| name == "duplicate-json-key");
    for (name, text, valid, not_covered) in whole.iter().step_by(5).chain(duplicate) {
        let output = call(&["verify", "--credential", "--config", &config], text.as_bytes());
        let found = call(&["inspect", "--json", "--config", &config], text.as_bytes());
        match valid {
            true => {
                let (verdict, found) = (output.ok().json(), found.ok().json());
                assert_eq!((&verdict["valid"], &found["verifies"]), (&json!(true), &json!(true)), "{name}");
                if let Some(not_covered) = not_covered {
                    assert_eq!(
                        (&verdict["not_covered"], &found["not_covered"]),
                        (not_covered, not_covered),
                        "{name}"
                    );
                }
            }
            false => {
                let code = match name == "duplicate-json-key" {
                    true => "malformed: ",
                    false => "signature-invalid: the credential does not verify: ",
                };
                output.refused(REFUSED, code);
                let found = found.ended(REFUSED).json();
                assert_eq!(
                    (&found["kind"], &found["verifies"]),
                    (&json!("credential"), &json!(false)),
                    "{name}"
                );
                assert!(found["refusal"].as_str().unwrap().starts_with(code), "{name}");
            }
        }
    }
}

#[test]
fn inspect_tells_a_credential_and_its_verdict_but_not_the_person() {
    let birth = credential("birth").to_string();
    let without = call(&["inspect", "--json"], birth.as_bytes()).ok().json();
    assert_eq!((&without["kind"], &without["verifies"]), (&json!("credential"), &Value::Null));
    assert_eq!(without["proof"]["created"], "2026-11-24T08:00:00Z");
    let folder = TempDir::new().unwrap();
    let config = configured(&folder, "");
    let inspect = ["inspect", "--json", "--config", &config];
    let found = call(&inspect, birth.as_bytes()).ok().json();
    assert_eq!(found["verifies"], true);
    assert_eq!(found["not_covered"], json!(["/credentialSubject/birthCertificateNumber", "/type/1"]));
    assert!(!found.to_string().contains("8031687218"), "{found}");
    let forged = call(&inspect, credential("vid-altered").to_string().as_bytes()).ended(REFUSED).json();
    assert_eq!(forged["verifies"], false);
    assert!(forged["refusal"].as_str().unwrap().starts_with("signature-invalid: "));
    // Without a configuration, too: no reader can say which of the two counts.
    let twice = birth.replacen("\"VID\":", "\"VID\":\"1\",\"VID\":", 1);
    for text in [twice.clone(), format!("{{\"credential\":{twice}}}")] {
        let found = call(&["inspect", "--json"], text.as_bytes()).ended(REFUSED).json();
        assert_eq!((&found["kind"], &found["values"]), (&json!("credential"), &Value::Null));
        assert!(found["refusal"].as_str().unwrap().starts_with("malformed: "), "{found}");
    }
}
