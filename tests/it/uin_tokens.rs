//! UINTOKENs for many, `/v1/uin-tokens`, and for the deceased of an event, through a whole gateway against the simulator's strict IDA.

use crate::support::gateway::{Running, json as read};
use crate::support::ida_setup::{UIN, World};
use crate::support::logs::Logs;
use crate::support::seeder::{
    BOUNDARY, VID, assert_nobody_decided, batch, death, finished, leila, submit, text, upload,
};
use data_encoding::HEXLOWER;
use http::{HeaderMap, Method, header};
use mosip_gateway::opencrvs::event::{Event, EventKind};
use mosip_gateway::registration::Aid;
use mosip_gateway::simulator::{Behaviour, IdaReply};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn a_wrong_record_is_refused_by_itself_and_the_rest_gets_its_tokens() {
    let world = World::start(&[]).await;
    let mut wrong_date = leila(UIN);
    wrong_date["demographics"]["dob"] = json!("14/03/1990");
    let mut stranger = leila(UIN);
    stranger["demographics"]["dob"] = json!("1991/03/14");
    let mut without_consent = leila(UIN);
    without_consent["consent"] = json!(false);
    let job = submit(
        &world,
        &[leila(UIN), wrong_date, leila(VID), stranger, leila("123"), without_consent, json!("x")],
    )
    .await;
    let report = finished(&world, &job).await;
    assert_eq!(
        report["progress"],
        json!({"records": 7, "queued": 0, "leased": 0, "done": 2, "refused": 1, "invalid": 4})
    );
    let results = report["results"].as_array().unwrap();
    let states: Vec<_> = results.iter().map(|result| result["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "invalid", "done", "refused", "invalid", "invalid", "invalid"]);
    let token = results[0]["token"].as_str().unwrap();
    assert_eq!((token.len(), &results[2]["token"]), (36, &results[0]["token"]), "one person, two numbers");
    assert_eq!(results[0]["verified"], "signature");
    assert_eq!(
        (&results[3]["errors"][0]["code"], &results[3]["token"]),
        (&json!("IDA-DEA-001"), &json!(null))
    );
    assert_eq!(results[3]["verified"], "signature", "a refusal is signed, too");
    let pointers: Vec<_> =
        [1, 4, 5, 6].map(|place| results[place]["errors"][0]["pointer"].as_str().unwrap().to_owned()).into();
    assert_eq!(pointers, ["/1/demographics/dob", "/4/individualId", "/5/consent", "/6"]);
    assert_eq!(world.codes().len(), 3, "nobody is asked about a wrong record");

    let by_format = world.gateway.ask(Method::GET, &format!("/v1/uin-tokens/{job}?format=csv")).await;
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, "text/csv".parse().unwrap());
    let url = format!("http://{}/v1/uin-tokens/{job}", world.gateway.api);
    let by_header = world.gateway.request(Method::GET, url, accept, "").await;
    assert_eq!(by_format.body, by_header.body);
    let mut lines = text(&by_format).lines();
    assert_eq!(lines.next(), Some("record,individualId,state,token,verified,errorCode,errorMessage"));
    assert_eq!(lines.next(), Some(format!("0,{UIN},done,{token},signature,,").as_str()));
    assert_eq!(lines.count(), 6);
}

#[tokio::test]
async fn a_list_of_nothing_but_wrong_records_is_refused_at_its_pointer() {
    let world = World::start(&[]).await;
    let mut without_consent = leila(UIN);
    without_consent.as_object_mut().unwrap().remove("consent");
    for (body, pointer) in [
        (json!([without_consent]), "/0/consent"),
        (json!([leila("41526309")]), "/0/individualId"),
        (json!([]), ""),
        (json!({}), ""),
    ] {
        let (status, problem) = world.post("/v1/uin-tokens", &body).await;
        assert_eq!((status, problem["pointer"].as_str()), (422, Some(pointer)), "{problem}");
    }
    let reply = world.gateway.call("/v1/uin-tokens", "text/plain", "[]").await;
    assert_eq!(reply.status.as_u16(), 415);
    let (status, _) = world.gateway.get("/v1/uin-tokens/none").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_too_large_is_413() {
    let world = World::start(&[]).await;
    let large = "x".repeat((5 << 20) + 1);
    for (route, content_type) in [
        ("/v1/uin-tokens", "application/json"),
        ("/authtoken/json", "application/json"),
        ("/authtoken/csv", BOUNDARY),
    ] {
        let reply = world.gateway.call(route, content_type, &large).await;
        assert_eq!(reply.status.as_u16(), 413, "{route}");
    }
}

#[tokio::test]
async fn a_refused_partner_pauses_the_job_with_the_reason_and_no_record_fails() {
    let world = World::start(&[("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    let fails_with =
        |code: &str| Behaviour { ida_errors_in_200: Some(code.to_owned()), ..Behaviour::default() };
    for (behaviour, code) in [
        (fails_with("IDA-MPA-009"), "partner"),
        (Behaviour { ida_reply: Some(IdaReply::Stranger), ..Behaviour::default() }, "tampered"),
        // An expired partner, a wrong clock, a proxy that drops headers, a wrong env: IDA says none of it plainly.
        (fails_with("IDA-MLC-007"), "keys"),
        (fails_with("IDA-MLC-001"), "keys"),
        (fails_with("IDA-MLC-006"), "keys"),
        (fails_with("IDA-MLC-009"), "keys"),
    ] {
        world.behave(behaviour);
        let job = submit(&world, &vec![leila(UIN); 6]).await;
        let report =
            world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "paused").await;
        assert_eq!((&report["paused"]["code"], &report["paused"]["fault"]), (&code.into(), &code.into()));
        assert!(report["paused"]["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
        assert!((0..=30).contains(&report["nextTryIn"].as_i64().unwrap()), "{report}");
        assert_eq!(report["results"], json!([]));
        world.behave(Behaviour::default());
        assert_eq!(finished(&world, &job).await["progress"]["done"], 6);
    }
}

#[tokio::test]
async fn while_ida_is_away_records_wait_and_none_fails() {
    let world = World::start(&[]).await;
    world.behave(Behaviour { fault_rate: 1.0, ..Behaviour::default() });
    let job = submit(&world, &vec![leila(UIN); 12]).await;
    let report =
        world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "waiting").await;
    assert_eq!((&report["progress"]["refused"], &report["results"]), (&json!(0), &json!([])));
    world.behave(Behaviour::default());
    assert_eq!(finished(&world, &job).await["progress"]["done"], 12);
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_job_loses_no_record_and_asks_again_about_none_that_is_settled() {
    const RECORDS: usize = 40;
    const AT_ONCE: usize = 4;
    let mut world = World::start(&[]).await;
    world.behave(Behaviour { delay_ms: 20, ..Behaviour::default() });
    let job = submit(&world, &vec![leila(UIN); RECORDS]).await;
    let route = format!("/v1/uin-tokens/{job}");
    let before =
        world.gateway.until(&route, |report| report["progress"]["done"].as_u64().unwrap() >= 8).await;
    assert_eq!(before["state"], "running", "the crash has to come in the middle");
    world.gateway.restart(&[]).await;
    let report = finished(&world, &job).await;
    assert_eq!(report["progress"]["done"], RECORDS);
    let calls = world.codes().len();
    assert!((RECORDS..=RECORDS + AT_ONCE).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn nothing_of_a_person_is_in_the_database_or_in_the_log() {
    let logs = Logs::from_here();
    let world = World::start(&[("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    let mut stranger = leila(UIN);
    stranger["demographics"]["dob"] = json!("1991/03/14");
    let mut wrong = leila(VID);
    wrong["demographics"]["dob"] = json!("14 March Zoraida");
    world.behave(Behaviour { ida_reply: Some(IdaReply::Forged), ..Behaviour::default() });
    let job = submit(&world, &[leila(UIN), stranger, wrong]).await;
    world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "paused").await;
    let database = || {
        // The log first: what leaves it in between is in the database then.
        let files = ["-wal", ""].map(|suffix| format!("{}{suffix}", world.gateway.outbox().display()));
        files.iter().filter_map(|file| std::fs::read(file).ok()).flatten().collect::<Vec<u8>>()
    };
    let waiting = database();
    world.behave(Behaviour::default());
    let report = finished(&world, &job).await;
    let token = report["results"][0]["token"].as_str().unwrap().to_owned();
    world.post("/authtoken/json", &death(UIN, "1990/03/14")).await;
    world.post("/authtoken/json", &death(UIN, "Zoraida")).await;
    upload(&world, &batch(json!({})), &format!("vid,name,gender,dob\n{UIN},Leila Karim,Female,Zoraida"))
        .await;
    let settled = database();
    world.gateway.stop().await;
    let logs = logs.text();
    assert!(
        logs.contains(r#""destination":"ida""#)
            && logs.contains("an attempt failed")
            && logs.contains("/authtoken/json"),
        "{logs}"
    );
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    assert!(holds(&waiting, &job) && holds(&settled, &job), "the right files were looked at");
    for secret in [UIN, VID, "Leila", "Karim", "Zoraida", "1990/03", "did not match", &token] {
        assert!(!holds(&waiting, secret) && !holds(&settled, secret), "the database holds {secret}");
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn without_a_licence_key_no_job_is_taken_and_the_variable_is_named() {
    let gateway = Running::start(&[("UPSTREAM__IDA__MISP_LICENSE_KEY_ENV", "NO_SUCH_LICENCE")]).await;
    let reply = gateway.call("/v1/uin-tokens", "application/json", &json!([leila(UIN)]).to_string()).await;
    let (status, problem) = read(reply);
    assert_eq!((status, &problem["fault"]), (503, &json!("keys")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("NO_SUCH_LICENCE"), "{problem}");
    let asked = death(UIN, "1990/03/14").to_string();
    let answer = read(gateway.call("/authtoken/json", "application/json", &asked).await);
    assert_nobody_decided(answer, "ATS-REQ-100", "no key");
}

/// A death of Leila as OpenCRVS posts it, and the text that MOSIP has to receive of it.
fn death_event(composition: &str) -> String {
    json!({
        "id": "w", "timestamp": "2026-11-24T08:00:00Z",
        "event": {"hub": {"topic": "DEATH_REGISTERED"}, "context": [{"entry": [
            {"resource": {"resourceType": "Task", "focus": {"reference": format!("Composition/{composition}")}}},
            {"resource": {
                "resourceType": "Patient", "gender": "female", "birthDate": "1990-03-14",
                "name": [{"use": "en", "given": ["Leila"], "family": ["Karim"]}],
                "identifier": [{"type": "NATIONAL_ID", "value": UIN}],
            }},
        ]}]},
    })
    .to_string()
}

fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

#[tokio::test]
async fn a_death_goes_with_the_token_of_the_deceased_and_without_it_while_ida_is_away() {
    let world = World::start(&[("EVENTS__DEATH__LINK", "true")]).await;
    let (_, answer) = world.post("/authtoken/json", &death(UIN, "1990/03/14")).await;
    let token = answer["response"]["authToken"].as_str().unwrap();
    for (composition, ida_error, calls) in [("linked", None, 2), ("away", Some("IDA-MLC-007".to_owned()), 2)]
    {
        world.behave(Behaviour { ida_errors_in_200: ida_error.clone(), ..Behaviour::default() });
        let body = death_event(composition);
        assert_eq!(world.gateway.post_event("death", &[], &body).await.0, 202);
        world.gateway.event_in(composition, "done").await;
        let accepted = world.simulator.history.record().accepted;
        let accepted = accepted.iter().find(|accepted| accepted.composition == composition).unwrap();
        let mut event = Event::parse(EventKind::Death, body.clone().into()).unwrap();
        if ida_error.is_none() {
            event = event.with_uin_token(token).unwrap();
        }
        let aid = Aid::parse(accepted.aid.as_deref().unwrap()).unwrap();
        assert_eq!(accepted.digest, digest(&event.with_aid(&aid)), "{composition}");
        assert_eq!(world.codes().len(), calls, "asked once, at most");
        let (status, again) = world.gateway.post_event("death", &[], &body).await;
        assert_eq!(
            (status, again["id"].as_str()),
            (200, Some(composition)),
            "a repeat is still the same event"
        );
    }
}

#[tokio::test]
async fn a_job_is_listed_found_again_under_its_key_and_cancelled() {
    let world = World::start(&[]).await;
    let refuses = Some("IDA-MPA-009".to_owned());
    world.behave(Behaviour { ida_errors_in_200: refuses, ..Behaviour::default() });
    let post = async |key: &str, records: usize| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert("idempotency-key", key.parse().unwrap());
        let url = format!("http://{}/v1/uin-tokens", world.gateway.api);
        let reply = world
            .gateway
            .request(Method::POST, url, headers, &json!(vec![leila(UIN); records]).to_string())
            .await;
        read(reply)
    };
    let (status, first) = post("night-1", 2).await;
    assert_eq!(status, 202, "{first}");
    assert_eq!(post("night-1", 2).await, (202, first.clone()));
    let (status, problem) = post("night-1", 3).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("idempotency-conflict")), "{problem}");
    let other = post("night-2", 1).await.1;

    let (_, list) = world.gateway.get("/v1/uin-tokens").await;
    let listed: Vec<_> = list["jobs"].as_array().unwrap().iter().map(|job| &job["job"]).collect();
    assert_eq!(listed, [&first["job"], &other["job"]]);
    assert_eq!((&list["jobs"][0]["progress"]["records"], &list["next"]), (&json!(2), &json!(null)));

    let job = format!("/v1/uin-tokens/{}", first["job"].as_str().unwrap());
    let without_reason = world.gateway.ask(Method::DELETE, &job).await;
    assert!(without_reason.status.is_client_error());
    // Paused for half a minute: nothing is under way, and everything waits.
    let rests = |report: &Value| report["state"] == "paused" && report["progress"]["leased"] == 0;
    world.gateway.until(&job, rests).await;
    let cancelled = world.gateway.ask(Method::DELETE, &format!("{job}?reason=the+wrong+list")).await;
    assert_eq!(cancelled.status.as_u16(), 200, "{}", text(&cancelled));
    world.behave(Behaviour::default());
    let report = world.gateway.until(&job, |report| report["state"] == "done").await;
    assert_eq!(report["progress"]["records"], 2);
    let code = &report["results"].as_array().unwrap().last().unwrap()["errors"][0]["code"];
    assert_eq!(code, "cancelled", "{report}");
    let again = world.gateway.ask(Method::DELETE, &format!("{job}?reason=again")).await;
    assert_eq!(again.status.as_u16(), 409);
}
