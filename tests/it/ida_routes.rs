//! `/v1/ida` through a whole gateway against the simulator's strict IDA: verdicts, problems, hostile replies, and what is never
//! logged.

use crate::support::gateway::{API_KEY, LICENSE_KEY, Running};
use crate::support::ida_setup::{UIN, World, assert_problem, call, person};
use crate::support::logs::Logs;
use mosip_gateway::simulator::{Behaviour, IdaReply};
use serde_json::{Value, json};

/// IDA replies like this to every call.
fn reply_with(world: &World, reply: IdaReply) {
    world.behave(Behaviour { ida_reply: Some(reply), ..Behaviour::default() });
}

/// IDA answers every call with this code.
fn fail_with(world: &World, code: &str) {
    world.behave(Behaviour { ida_errors_in_200: Some(code.to_owned()), ..Behaviour::default() });
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn a_person_is_confirmed_with_the_token_that_ida_signed() {
    let world = World::start(&[]).await;
    let (status, verdict) = world.call("auth", &with(person(), "transactionId", json!("aB34567890"))).await;
    assert_eq!(status, 200, "{verdict}");
    let token = verdict["token"].as_str().unwrap().to_owned();
    let expected = json!({"authStatus": true, "token": token, "transactionId": "aB34567890", "errors": [], "verified": "signature"});
    assert_eq!((token.len(), verdict), (36, expected));
    let calls = world.simulator.history.record().ida;
    assert_eq!((calls.len(), calls[0].transaction_id.as_deref()), (1, Some("aB34567890")));

    let (_, by_biometrics) = world.call("auth", &json!({
        "individualId": "leila.karim@handle", "individualIdType": "HANDLE", "consent": true,
        "biometrics": [{"specVersion": "0.9.5", "data": "aGVhZA.cGF5bG9hZA.c2ln", "hash": "00FF", "sessionKey": "a2V5", "thumbprint": "ABCD"}],
    })).await;
    assert_eq!(
        by_biometrics["token"],
        token.as_str(),
        "the same person by another name and factor: {by_biometrics}"
    );
}

#[tokio::test]
async fn a_person_who_is_not_confirmed_is_no_problem_and_every_reason_is_explained() {
    let world = World::start(&[]).await;
    let wrong = with(person(), "demographics", json!({"dob": "1990/03/15"}));
    for service in ["auth", "kyc"] {
        let (status, verdict) = world.call(service, &wrong).await;
        assert_eq!((status, &verdict["authStatus"], &verdict["token"]), (200, &json!(false), &json!(null)));
        assert_eq!(verdict["verified"], "signature", "IDA signs refusals, too");
        let error = &verdict["errors"][0];
        assert_eq!(
            (&error["code"], &error["fault"], &error["retryable"]),
            (&json!("IDA-DEA-001"), &json!("caller"), &json!(false))
        );
        assert_eq!(error["message"], "Demographic data dob did not match");
        assert!(error["registrar"].as_str().is_some_and(|text| text.contains("correct it")), "{error}");
        assert!(error["operator"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
    let (_, verdict) = world.call("kyc", &wrong).await;
    assert_eq!(verdict["identity"], json!(null));
    for code in [
        "IDA-MLC-002",
        "IDA-MLC-004",
        "IDA-MLC-018",
        "IDA-MLC-019",
        "IDA-MLC-023",
        "IDA-OTA-004",
        "IDA-BIA-001",
    ] {
        fail_with(&world, code);
        let (status, verdict) = world.call("auth", &person()).await;
        assert_eq!(
            (status, &verdict["authStatus"], &verdict["errors"][0]["code"]),
            (200, &json!(false), &json!(code))
        );
    }
}

#[tokio::test]
async fn an_identity_is_opened() {
    let world = World::start(&[]).await;
    let (status, known) = world.call("kyc", &person()).await;
    assert_eq!(
        (status, &known["authStatus"], &known["verified"]),
        (200, &json!(true), &json!("signature")),
        "{known}"
    );
    assert_eq!(known["identity"]["name_ara"], "ليلى كريم");
    assert_eq!(known["token"], world.call("auth", &person()).await.1["token"]);
}

#[tokio::test]
async fn a_one_time_password_is_sent_and_used_under_one_transaction() {
    let world = World::start(&[]).await;
    let order = json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otpChannel": ["email", "phone"]});
    let (status, sent) = world.call("otp", &order).await;
    assert_eq!((status, &sent["maskedMobile"]), (200, &json!("XXXXXX3210")), "{sent}");
    let by_otp = json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otp": "111111"});
    let (_, stray) = world.call("auth", &by_otp).await;
    assert_eq!(stray["errors"][0]["code"], "IDA-OTA-005");
    let (_, verdict) =
        world.call("auth", &with(by_otp, "transactionId", sent["transactionId"].clone())).await;
    assert_eq!(verdict["authStatus"], json!(true), "{verdict}");

    let blocked = with(order, "individualId", json!("8520417639"));
    let problem =
        assert_problem(world.call("otp", &blocked).await, (422, "field", "caller"), "nothing was sent");
    assert_eq!(
        (&problem["pointer"], &problem["upstream"]["code"]),
        (&json!("/individualId"), &json!("IDA-MLC-022"))
    );
}

#[tokio::test]
async fn a_reply_that_does_not_verify_is_tampered_and_never_a_verdict() {
    let world = World::start(&[]).await;
    assert_eq!(world.call("auth", &person()).await.0, 200);
    assert_eq!(world.call("kyc", &person()).await.0, 200);
    let hostile = [
        IdaReply::Unsigned,
        IdaReply::Stranger,
        IdaReply::Forged,
        IdaReply::Altered,
        IdaReply::Replayed,
        IdaReply::Stale,
    ];
    for reply in hostile {
        reply_with(&world, reply);
        for service in ["auth", "kyc"] {
            let answer = world.call(service, &person()).await;
            assert_problem(answer, (502, "tampered", "tampered"), &format!("{reply:?} {service}"));
        }
    }
    reply_with(&world, IdaReply::TruncatedIdentity);
    assert_problem(world.call("kyc", &person()).await, (502, "tampered", "tampered"), "truncated");
    let wrong = with(person(), "demographics", json!({"dob": "1990/03/15"}));
    reply_with(&world, IdaReply::Unsigned);
    let (status, verdict) = world.call("auth", &wrong).await;
    assert_eq!(
        (status, &verdict["verified"]),
        (200, &json!("tls")),
        "a proxy has lost the header: {verdict}"
    );
    for reply in [IdaReply::Stranger, IdaReply::Forged, IdaReply::Altered] {
        reply_with(&world, reply);
        assert_problem(
            world.call("auth", &wrong).await,
            (502, "tampered", "tampered"),
            "a refusal that is signed wrongly",
        );
    }
}

#[tokio::test]
async fn the_danger_setting_excuses_an_absent_signature_and_says_so() {
    let world = World::start(&[("UPSTREAM__IDA__DANGER_ACCEPT_UNSIGNED_REPLIES", "true")]).await;
    reply_with(&world, IdaReply::Unsigned);
    let (status, verdict) = world.call("auth", &person()).await;
    assert_eq!((status, &verdict["verified"]), (200, &json!("none")), "{verdict}");
    reply_with(&world, IdaReply::Forged);
    assert_problem(world.call("auth", &person()).await, (502, "tampered", "tampered"), "forged");
}

#[tokio::test]
async fn failures_of_the_call_say_whose_move_it_is_and_carry_mosips_code() {
    let world = World::start(&[]).await;
    let codes = [
        ("IDA-MPA-007", 502, "partner", "partner"),
        ("IDA-MPA-009", 502, "partner", "partner"),
        ("IDA-MPA-001", 503, "keys", "keys"),
        ("IDA-MPA-021", 503, "keys", "keys"),
        ("IDA-MPA-004", 503, "keys", "keys"),
        ("IDA-MLC-001", 502, "upstream", "upstream"),
        ("IDA-MLC-006", 502, "upstream", "bug"),
        ("IDA-MLC-007", 502, "upstream", "upstream"),
        ("IDA-NEW-001", 502, "upstream", "upstream"),
    ];
    for (code, status, problem_code, fault) in codes {
        fail_with(&world, code);
        for body in [
            ("auth", person()),
            (
                "otp",
                json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otpChannel": ["email"]}),
            ),
        ] {
            let problem =
                assert_problem(world.call(body.0, &body.1).await, (status, problem_code, fault), code);
            assert_eq!(problem["upstream"]["code"], code);
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(code)), "{problem}");
        }
    }
    for (behaviour, why) in [
        (Behaviour { fault_rate: 1.0, ..Behaviour::default() }, "503"),
        (Behaviour { down: true, ..Behaviour::default() }, "away"),
    ] {
        world.behave(behaviour);
        assert_problem(world.call("auth", &person()).await, (502, "upstream", "upstream"), why);
    }
}

#[tokio::test]
async fn each_of_the_three_names_in_the_path_is_told_apart_from_the_person() {
    let wrong = tempfile::tempdir().unwrap();
    let file = wrong.path().join("secret");
    std::fs::write(&file, "wrong/../secret").unwrap();
    let file = file.display().to_string();
    for (setting, value, code) in [
        ("UPSTREAM__IDA__MISP_LICENSE_KEY_FILE", file.as_str(), "IDA-MPA-009"),
        ("UPSTREAM__IDA__API_KEY_FILE", &file, "IDA-MPA-009"),
        ("UPSTREAM__IDA__PARTNER_ID", "somebody else", "IDA-MPA-009"),
    ] {
        let world = World::start(&[(setting, value)]).await;
        let problem =
            assert_problem(world.call("auth", &person()).await, (502, "partner", "partner"), setting);
        assert_eq!(problem["upstream"]["code"], code, "{setting}");
    }
}

#[tokio::test]
async fn without_licence_key_api_key_partner_or_signers_the_routes_say_what_to_set_and_events_go_on() {
    let cases = [
        ("UPSTREAM__IDA__MISP_LICENSE_KEY_ENV", "NO_SUCH_LICENCE", "NO_SUCH_LICENCE"),
        ("UPSTREAM__IDA__API_KEY_ENV", "NO_SUCH_API_KEY", "NO_SUCH_API_KEY"),
    ];
    for (setting, value, named) in cases {
        let world = World::start(&[(setting, value)]).await;
        let problem = assert_problem(world.call("auth", &person()).await, (503, "keys", "keys"), setting);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{problem}");
        let (status, event) = world.gateway.post_birth(crate::support::event::BIRTH).await;
        assert!((200..300).contains(&status), "{event}");
    }
    let without = |line: &str| -> String {
        crate::support::gateway::EXAMPLE
            .lines()
            .filter(|found| !found.starts_with(line))
            .map(|found| format!("{found}\n"))
            .collect()
    };
    let without_section = crate::support::gateway::EXAMPLE.split("[upstream.ida]").next().unwrap().to_owned();
    for (text, named) in [
        (without("partner_id"), "upstream.ida.partner_id"),
        (without("reply_signers"), "upstream.ida.reply_signers"),
        (without_section, "upstream.ida.url"),
    ] {
        let gateway = Running::start_under(&text, &[]).await;
        let problem = assert_problem(call(&gateway, "auth", &person()).await, (503, "keys", "keys"), named);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{problem}");
    }
}

#[tokio::test]
async fn bad_input_is_named_and_nothing_is_sent() {
    let world = World::start(&[]).await;
    let cases = [
        ("auth", with(person(), "consent", json!(null)), "/consent"),
        ("auth", with(person(), "individualIdType", json!("NIN")), "/individualIdType"),
        ("kyc", with(person(), "demographics", json!({"dob": "yesterday"})), "/demographics/dob"),
        (
            "kyc",
            with(person(), "demographics", json!({"name": [{"language": "klingon", "value": "x"}]})),
            "/demographics/name/0/language",
        ),
        ("auth", with(person(), "demographics", json!({})), "/demographics"),
        (
            "auth",
            with(
                person(),
                "biometrics",
                json!([{"data": "%.%.%", "hash": "00", "sessionKey": "a2V5", "specVersion": "1", "thumbprint": "00"}]),
            ),
            "/biometrics/0/data",
        ),
        ("otp", json!({"individualId": UIN, "individualIdType": "UIN", "consent": true}), "/otpChannel"),
        ("auth", with(person(), "transactionId", json!("123456789")), "/transactionId"),
        ("auth", with(person(), "requestTime", json!("2026-11-24T08:00:00.000Z")), ""),
    ];
    for (service, body, pointer) in cases {
        let problem = assert_problem(world.call(service, &body).await, (422, "field", "caller"), pointer);
        assert_eq!(problem["pointer"], pointer);
    }
    let huge = with(person(), "otp", json!("1".repeat(5 << 20)));
    assert_problem(world.call("auth", &huge).await, (413, "too-large", "caller"), "more than 5 MiB");
    let form = world.gateway.call("/v1/ida/auth", "text/plain", "{}").await;
    assert_eq!(form.status, 415);
    assert!(world.codes().is_empty());
}

#[tokio::test]
async fn nothing_of_a_person_and_no_key_is_logged_or_answered() {
    let logs = Logs::from_here();
    let world = World::start(&[]).await;
    let mut answers = String::new();
    let order = json!({"individualId": UIN, "individualIdType": "UIN", "consent": true, "otpChannel": ["email", "phone"]});
    let by_otp = with(person(), "otp", json!("271828"));
    let wrong = with(
        person(),
        "demographics",
        json!({"dob": "1990/03/15", "name": [{"language": "eng", "value": "Zoraida"}]}),
    );
    let mut tokens = Vec::new();
    for behaviour in [
        Behaviour::default(),
        Behaviour { ida_reply: Some(IdaReply::Forged), ..Behaviour::default() },
        Behaviour { ida_reply: Some(IdaReply::TruncatedIdentity), ..Behaviour::default() },
        Behaviour { ida_errors_in_200: Some("IDA-MPA-009".to_owned()), ..Behaviour::default() },
        Behaviour { ida_errors_in_200: Some("Leila Karim".to_owned()), ..Behaviour::default() },
        Behaviour { fault_rate: 1.0, ..Behaviour::default() },
        Behaviour { down: true, ..Behaviour::default() },
    ] {
        world.behave(behaviour);
        for (service, body) in
            [("auth", &person()), ("kyc", &person()), ("otp", &order), ("auth", &by_otp), ("kyc", &wrong)]
        {
            let (_, answer) = world.call(service, body).await;
            tokens.extend(answer["token"].as_str().map(str::to_owned));
            answers.push_str(&answer.to_string());
        }
    }
    world.call("auth", &with(person(), "individualIdType", json!("Zoraida"))).await;
    world.gateway.stop().await;
    let logs = logs.text();
    assert!(logs.contains("request refused") && logs.contains("/v1/ida/auth"), "{logs}");
    assert!(!tokens.is_empty());
    let personal =
        [UIN, "Leila", "Karim", "Zoraida", "1990/03", "271828", "XXXXXX3210", "eyJ", "did not match"];
    for secret in personal.into_iter().chain([LICENSE_KEY, API_KEY]).chain(tokens.iter().map(String::as_str))
    {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
    for secret in [LICENSE_KEY, API_KEY, "271828", UIN] {
        assert!(!answers.contains(secret), "an answer holds {secret}");
    }
}
