use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)).unwrap()
}

fn case(file_name: &str, name: &str) -> Value {
    let cases: Vec<Value> = serde_json::from_slice(&file(file_name)).unwrap();
    cases.into_iter().find(|case| case["name"] == name).unwrap()
}

fn report(bytes: &[u8]) -> Value {
    serde_json::to_value(inspect(bytes, None).unwrap()).unwrap()
}

fn token(file_name: &str, name: &str) -> Value {
    report(case(file_name, name)["token"].as_str().unwrap().as_bytes())
}

#[test]
fn each_layout_is_told_with_its_offsets() {
    let layouts = [
        ("plain-json", "ver_r2", 6 + 32 + 256, 256),
        ("rsa-4096", "ver_r2", 6 + 32 + 512, 512),
        ("legacy-with-thumbprint", "legacy", 32 + 256, 256),
        ("legacy-without-thumbprint", "legacy-without-thumbprint", 256, 256),
    ];
    for (name, layout, splitter_at, wrapped) in layouts {
        let case = case("envelope.json", name);
        let found = report(case["envelope"].as_str().unwrap().as_bytes());
        let plaintext = base64::decode(case["expect_b64"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(
            (&found["kind"], &found["layout"], &found["splitter_at"], &found["wrapped_key_bytes"]),
            (&json!("envelope"), &json!(layout), &json!(splitter_at), &json!(wrapped)),
            "{name}"
        );
        assert_eq!(found["ciphertext_bytes"], plaintext.len(), "{name}");
        assert_eq!(found["thumbprint"].is_null(), layout == "legacy-without-thumbprint", "{name}");
    }
}

#[test]
fn an_envelope_is_found_however_it_is_carried() {
    let text = case("envelope.json", "plain-json")["envelope"].as_str().unwrap().to_owned();
    let raw = base64::decode(text.as_bytes()).unwrap();
    let signature = base64::encode_url(&[7; 256]);
    let push = json!({"id": "", "requestTime": "", "data": base64::encode_url(&raw), "signature": signature});
    let wrapped: Vec<String> =
        text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into()).collect();

    let expected = report(text.as_bytes());
    for (carried_as, bytes, signature_bytes) in [
        ("raw", raw.clone(), json!(null)),
        ("base64", base64::encode_url(&raw).into_bytes(), json!(null)),
        ("base64", wrapped.join("\n").into_bytes(), json!(null)),
        ("json", push.to_string().into_bytes(), json!(256)),
    ] {
        let mut wanted = expected.clone();
        wanted["carried_as"] = json!(carried_as);
        wanted["signature_bytes"] = signature_bytes;
        assert_eq!(report(&bytes), wanted);
    }
}

#[test]
fn a_signed_token_is_told_by_header_and_sizes_and_its_payload_is_not_shown() {
    let found = token("jws.json", "RS256");
    let payload = case("jws.json", "RS256")["expect"].as_str().unwrap().to_owned();
    assert_eq!((&found["kind"], &found["header"]["alg"]), (&json!("jws"), &json!("RS256")));
    assert_eq!((&found["payload_bytes"], &found["signature_bytes"]), (&json!(payload.len()), &json!(256)));
    assert_eq!((&found["detached"], &found["refused"]), (&json!(false), &json!(null)));
    let shown = found.to_string();
    for secret in [payload.as_str(), &base64::encode_url(payload.as_bytes())] {
        assert!(!shown.contains(secret));
    }
    assert_eq!(token("jws.json", "detached")["detached"], json!(true));
}

#[test]
fn a_token_is_found_in_what_sign_answers_and_verify_takes() {
    let text = case("jws.json", "detached")["token"].as_str().unwrap().to_owned();
    for body in [json!({"signature": text}), json!({"token": text, "payload": "{}", "from": "ida"})] {
        assert_eq!(report(body.to_string().as_bytes()), report(text.as_bytes()));
    }
}

#[test]
fn the_certificate_in_x5c_is_told_by_its_thumbprint() {
    let found = token("jws.json", "x5c-of-a-stranger");
    let stranger = crate::keys::Thumbprint::of(&file("keys/stranger.crt.der"));
    assert_eq!(found["header"]["x5c"], json!([stranger.to_string()]));
}

#[test]
fn a_token_that_would_be_refused_is_told_all_the_same() {
    assert_eq!(token("jws.json", "alg-none")["header"]["alg"], "none");
    for name in ["alg-none", "alg-confusion-hs256-with-public-key", "unknown-crit"] {
        assert!(token("jws.json", name)["refused"].is_string(), "{name}");
    }
    assert!(
        token("jws.json", "unknown-crit")["header"]["crit"].as_array().is_some_and(|crit| !crit.is_empty())
    );
}

#[test]
fn an_encrypted_token_is_told_by_header_and_sizes() {
    let found = token("jwe.json", "deflate");
    let header = &found["header"];
    assert_eq!(
        (&found["kind"], &header["alg"], &header["enc"], &header["zip"], &found["wrapped_key_bytes"]),
        (&json!("jwe"), &json!("RSA-OAEP-256"), &json!("A256GCM"), &json!("DEF"), &json!(256))
    );
}

#[test]
fn certificates_keys_and_bundles_are_described_and_no_private_number_is() {
    let own = crate::keys::Thumbprint::of(&file("keys/partner.crt.der")).to_string();
    let in_base64 = base64::encode(&file("keys/partner.crt.der"));
    assert_eq!(report(&file("keys/partner.crt.pem"))["certificates"][0]["thumbprint"], json!(own));
    assert_eq!(report(in_base64.as_bytes())["certificates"][0]["thumbprint"], json!(own));

    let bundle = inspect(&file("keys/partner-pbes2.p12"), Some(b"mosip123")).unwrap();
    let bundle = serde_json::to_value(bundle).unwrap();
    let (key, certificate) = (&bundle["private_keys"][0], &bundle["certificates"][0]);
    assert_eq!(
        (&key["bits"], &key["certificates"], &key["development"]),
        (&json!(2048), &json!([own]), &json!(true))
    );
    assert_eq!(key["public_key"], certificate["public_key"]);
    assert!(certificate["not_after"].as_str().unwrap().ends_with('Z'));
    // A key and its certificate in two files are reported to fit; those of strangers are not.
    let alone = report(&file("keys/partner.key.pem"));
    assert_eq!(alone["private_keys"][0]["public_key"], certificate["public_key"]);
    assert_ne!(
        report(&file("keys/stranger.crt.pem"))["certificates"][0]["public_key"],
        certificate["public_key"]
    );

    for name in ["partner.key.pem", "partner.pkcs1.pem", "partner.pkcs8.der", "esignet-jwk.txt"] {
        let found = report(&file(&format!("keys/{name}")));
        assert_eq!(found["private_keys"][0]["bits"], 2048, "{name}");
        assert!(found.to_string().len() < 400, "{name} is described by size alone: {found}");
    }
}

fn refused(bytes: &[u8], password: Option<&[u8]>) -> Error {
    inspect(bytes, password).unwrap_err()
}

#[test]
fn a_bundle_without_a_password_asks_for_one_and_a_wrong_one_is_refused() {
    let bundle = file("keys/partner-pbes2.p12");
    assert!(refused(&bundle, None).advice().contains("--password-file"));
    let error = refused(&bundle, Some(b"wrong-password"));
    assert!(
        error.detail().contains("the password is wrong") && !error.to_string().contains("wrong-password")
    );
}

#[test]
fn what_is_nothing_known_is_malformed() {
    for bytes in
        [&b""[..], b" \n", b"hello", b"a.b.c", b"{}", b"{\"data\": 7}", b"{\"data\":\"AAAA\"}", &[0xff; 40]]
    {
        assert_eq!(refused(bytes, None).code(), Code::Malformed, "{bytes:?}");
    }
}

#[test]
fn a_token_is_told_by_its_dates_and_by_nothing_else_of_its_payload() {
    // The example of RFC 7519, section 3.1.
    let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let found = report(text.as_bytes());
    let dates = json!({"issued_at": null, "not_before": null, "expires_at": "2011-03-22T18:43:00.000Z"});
    assert_eq!(found["dates"], dates);
    assert!(!found.to_string().contains("joe"));
}
