//! The error replies of IDA's filter, byte for byte, through a whole gateway: `/v1/ida`, jobs, and the one resend.

use crate::support::fake::{Fake, Then};
use crate::support::gateway::Running;
use crate::support::ida_setup::{UIN, assert_problem, call, copy_of_the_example_keys, person};
use crate::support::seeder::leila;
use crate::support::{text, vector_file, vectors};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A gateway in front of a fake that answers with bytes of the vectors, whose signer it trusts.
struct Site {
    fake: Fake,
    gateway: Running,
    keys: TempDir,
}

impl Site {
    async fn start() -> Self {
        let (fake, keys) = (Fake::start().await, copy_of_the_example_keys());
        let signer = vectors().join("keys/issuer.crt.pem");
        std::fs::copy(signer, keys.path().join("ida-sign.crt")).unwrap();
        let dir = keys.path().display().to_string();
        let gateway = Running::start(&[
            ("UPSTREAM__IDA__URL", &fake.url),
            ("UPSTREAM__PROBE_INTERVAL", "1s"),
            ("KEYS__DIR", &dir),
        ])
        .await;
        Self { fake, gateway, keys }
    }

    fn answer_with(&self, case: &Value) {
        let body = text(case, "body");
        let signature = case["response_signature"].as_str();
        let signature = signature.map(|jws| format!("response-signature: {jws}\r\n")).unwrap_or_default();
        let head =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{signature}Content-Length: {}", body.len());
        self.fake.answers(format!("{head}\r\n\r\n{body}"), Then::Closes);
    }
}

fn case(name: &str) -> Value {
    let vector = vector_file("ida-errors.json");
    let cases = vector["cases"].as_array().unwrap();
    cases.iter().find(|case| case["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn every_error_reply_is_answered_as_its_code_means() {
    let site = Site::start().await;
    for case in vector_file("ida-errors.json")["cases"].as_array().unwrap() {
        let (name, service, wanted) = (text(case, "name"), text(case, "call"), &case["expect"]);
        site.answer_with(case);
        let mut body = match service {
            "otp" => {
                json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otpChannel": ["email"]})
            }
            _ => person(),
        };
        body["transactionId"] = case["transactionId"].clone();
        let (status, answer) = call(&site.gateway, service, &body).await;
        if wanted["verdict"] == json!(true) {
            assert_eq!((status, &answer["authStatus"]), (200, &json!(false)), "{name}: {answer}");
            assert_eq!(answer["verified"], wanted["verified"], "{name}");
            assert_eq!(answer["errors"][0]["code"], wanted["codes"][0], "{name}");
            assert_eq!(answer["errors"][0]["retryable"], wanted["retryable"], "{name}");
        } else {
            assert!(status >= 400 && answer["authStatus"].is_null(), "{name}: {answer}");
            assert_eq!(answer["fault"], wanted["fault"], "{name}: {answer}");
            assert_eq!(answer["upstream"]["code"], wanted["upstream_code"], "{name}: {answer}");
        }
        assert_eq!(site.fake.take_ids().len(), 1, "{name}: sent once");
    }
}

#[tokio::test]
async fn a_wrong_licence_pauses_the_jobs_at_once_and_names_the_partner() {
    let site = Site::start().await;
    // It names no transaction, and so fits any.
    site.answer_with(&case("kyc-unknown-api-key"));
    let records = json!(vec![leila(UIN); 3]).to_string();
    let reply = site.gateway.call("/v1/uin-tokens", "application/json", &records).await;
    let (_, job) = crate::support::gateway::json(reply);
    let route = format!("/v1/uin-tokens/{}", text(&job, "job"));
    let report = site.gateway.until(&route, |report| report["state"] == "paused").await;
    let paused = &report["paused"];
    assert_eq!(
        (&paused["fault"], &paused["upstream"]),
        (&json!("partner"), &json!("IDA-MPA-009")),
        "{report}"
    );
    assert!(text(paused, "advice").contains("licence key"), "{report}");
    assert_eq!((&report["progress"]["refused"], &report["results"]), (&json!(0), &json!([])), "{report}");
}

#[tokio::test]
async fn a_pair_that_says_not_decrypted_is_answered_by_one_more_request_under_the_new_certificate_alone() {
    let site = Site::start().await;
    site.answer_with(&case("kyc-not-decrypted"));
    for (replaced, requests) in [(false, 1), (true, 2), (false, 1)] {
        if replaced {
            std::fs::copy("keys.example/issuer.crt", site.keys.path().join("ida-partner.crt")).unwrap();
        }
        let answer = call(&site.gateway, "kyc", &person()).await;
        let problem = assert_problem(answer, (503, "keys", "keys"), "not decrypted");
        assert_eq!(problem["upstream"]["code"], "IDA-MPA-003");
        assert_eq!(site.fake.take_ids().len(), requests, "replaced: {replaced}");
    }
}
