//! `/verify`, which a form of OpenCRVS calls: a verdict of IDA about the person, or none.

use mosip_gateway::simulator::IdaReply;

use super::*;
use crate::support::ida_setup::UIN;

/// Leila Karim, as a form asks about her.
fn leila() -> Value {
    json!({
        "nid": UIN, "dob": "1990-03-14", "gender": "female", "transactionId": "c9a1",
        "name": { "firstname": "Leila", "surname": "Karim" },
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = leila();
    body[member] = value;
    body
}

async fn verdict(site: &Site, body: &Value) -> (u16, String) {
    site.post("/verify", body).await
}

fn word(word: &str) -> (u16, String) {
    (200, word.to_owned())
}

#[tokio::test]
async fn a_person_is_verified_or_failed_by_what_ida_signed() {
    let site = Site::start(&[]).await;
    for path in ["/verify", "/verify/?a=b"] {
        let reply =
            post(&site.gateway.api, &site.gateway, path, Some(&caller_token()), &leila().to_string()).await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"verified"[..]));
        assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    }
    assert_eq!(verdict(&site, &with("nid", json!("6042817395162840"))).await, word("verified"), "a VID");
    assert_eq!(verdict(&site, &with("gender", json!(""))).await, word("verified"), "not known");
    for wrong in
        [with("dob", json!("1990-03-15")), with("gender", json!("male")), with("nid", json!("4152630979"))]
    {
        assert_eq!(verdict(&site, &wrong).await, word("failed"), "{wrong}");
    }
    site.behave(Behaviour { ida_errors_in_200: Some("IDA-MLC-018".to_owned()), ..Behaviour::default() });
    assert_eq!(verdict(&site, &leila()).await, word("failed"), "MOSIP has no such number");
}

#[tokio::test]
async fn what_is_no_verdict_about_the_person_is_neither_verified_nor_failed() {
    let site = Site::start(&[]).await;
    let failures = ["IDA-MPA-009", "IDA-MLC-001", "IDA-MLC-007", "IDA-MPA-003", "IDA-NEW-999"];
    let failing =
        failures.map(|code| Behaviour { ida_errors_in_200: Some(code.to_owned()), ..Behaviour::default() });
    let lies = [
        IdaReply::Unsigned,
        IdaReply::Stranger,
        IdaReply::Forged,
        IdaReply::Altered,
        IdaReply::Replayed,
        IdaReply::Stale,
    ];
    let lying = lies.map(|reply| Behaviour { ida_reply: Some(reply), ..Behaviour::default() });
    let away = Behaviour { down: true, ..Behaviour::default() };
    assert_eq!(verdict(&site, &leila()).await, word("verified"), "this reply is played back below");
    for behaviour in failing.into_iter().chain(lying).chain([away]) {
        site.behave(behaviour.clone());
        let (status, refusal) = verdict(&site, &leila()).await;
        assert_eq!(status, 503, "{behaviour:?}: {refusal}");
        assert!(refusal.starts_with(r#"{"error":""#) && !refusal.contains(UIN), "{refusal}");
    }
    // A refusal without a signature may be anybody's.
    let wrong = with("dob", json!("1990-03-15"));
    for reply in [IdaReply::Unsigned, IdaReply::Stranger] {
        site.behave(Behaviour { ida_reply: Some(reply), ..Behaviour::default() });
        let (status, refusal) = verdict(&site, &wrong).await;
        assert_eq!(status, 503, "{reply:?}: {refusal}");
    }
    site.behave(Behaviour::default());
    let (status, _) = verdict(&site, &wrong).await;
    assert_eq!(status, 200, "the same signed");
}

#[tokio::test]
async fn a_setting_that_lets_unsigned_replies_through_lets_both_verdicts_through() {
    let site = Site::start(&[("UPSTREAM__IDA__DANGER_ACCEPT_UNSIGNED_REPLIES", "true")]).await;
    site.behave(Behaviour { ida_reply: Some(IdaReply::Unsigned), ..Behaviour::default() });
    assert_eq!(verdict(&site, &leila()).await, word("verified"));
    assert_eq!(verdict(&site, &with("dob", json!("1990-03-15"))).await, word("failed"));
}

#[tokio::test]
async fn a_body_that_ida_would_refuse_or_ignore_is_refused_at_its_place_and_nobody_is_asked() {
    let site = Site::start(&[]).await;
    for (body, place) in [
        (with("dob", json!("01.02.2002")), "/dob: "),
        (with("dob", json!(null)), "/dob: "),
        (with("nid", json!("4711 0815")), "/nid: "),
        (with("name", json!("Leila Karim")), "/name: "),
        (with("name", json!({ "firstname": "Leila" })), "/name/surname: this is missing"),
        (with("gender", json!(1)), "/gender: "),
        (json!({}), "/nid: this is missing"),
    ] {
        let (status, refusal) = verdict(&site, &body).await;
        assert_eq!(status, 422, "{body}: {refusal}");
        assert!(refusal.starts_with(&format!(r#"{{"error":"{place}"#)), "{body}: {refusal}");
        assert!(!refusal.contains("0815"), "{refusal}");
    }
    assert!(site.simulator.history.record().ida.is_empty());
}

#[tokio::test]
async fn the_parts_of_a_name_that_count_and_the_operators_word_for_consent_are_settings() {
    let middle = with("name", json!({ "firstname": "Leila", "middlename": "Noor", "surname": "Karim" }));
    for (names, wanted) in [("all", "failed"), ("first-last", "verified")] {
        let site = Site::start(&[("FACES__VERIFY_NAMES", names)]).await;
        assert_eq!(verdict(&site, &middle).await, word(wanted), "{names}");
    }
    let site = Site::start(&[("FACES__CONSENT", "false")]).await;
    assert_eq!(verdict(&site, &leila()).await.0, 404);
    site.taken(REGISTRATION, &birth("B1")).await;
}

#[tokio::test]
async fn the_page_of_opencrvs_may_ask_and_read_the_answer_and_no_other_page() {
    let site = Site::start(&[("FACES__CORS_ORIGIN", "https://register.example.org")]).await;
    let url = format!("http://{}/verify", site.gateway.api);
    for (origin, is_ours) in [("https://register.example.org", true), ("https://evil.example", false)] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, format!("Bearer {}", caller_token()).parse().unwrap());
        let asked =
            site.gateway.request(Method::POST, url.clone(), headers.clone(), &leila().to_string()).await;
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        let preflight = site.gateway.request(Method::OPTIONS, url.clone(), headers, "").await;
        assert_eq!((asked.status.as_u16(), preflight.status.as_u16()), (200, 204));
        for reply in [asked, preflight] {
            let allowed = reply.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(allowed.map(|allowed| allowed == origin), is_ours.then_some(true), "{origin}");
        }
    }
}
