//! UINTOKENs through a whole gateway against the simulator's strict IDA: jobs of `/v1/uin-tokens`, and the face of the Token Seeder
//! that OpenCRVS calls.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so by panicking"
)]

mod support;

use std::path::Path;

use http::{HeaderMap, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, IdaReply, Knobs, Settings, Simulator};
use mosip_gateway::telemetry::{self, Capture};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};
use support::gateway::{Running, json as read};
use support::port::Port;
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

const UIN: &str = "4152630978";
const VID: &str = "6042817395162840";
const BOUNDARY: &str = "multipart/form-data; boundary=line";

struct World {
    simulator: simulator::Running,
    gateway: Running,
    _secrets: TempDir,
}

impl World {
    async fn start(set: &[(&str, &str)]) -> Self {
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        let secrets = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = secrets.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let url = format!("{}/idauthentication/v1", simulator.base_url);
        let (license_key, api_key) = (file("licence", "example-licence-key"), file("api", "example-api-key"));
        let mut all = vec![
            ("UPSTREAM__IDA__URL", url.as_str()),
            ("UPSTREAM__IDA__MISP_LICENSE_KEY_FILE", &license_key),
            ("UPSTREAM__IDA__API_KEY_FILE", &api_key),
        ];
        all.extend(set);
        let gateway = Running::start(&all).await;
        Self { simulator, gateway, _secrets: secrets }
    }

    async fn post(&self, route: &str, body: &Value) -> (u16, Value) {
        read(self.gateway.call(route, "application/json", &body.to_string()).await)
    }

    async fn submit(&self, records: &[Value]) -> String {
        let (status, answer) = self.post("/v1/uin-tokens", &json!(records)).await;
        assert_eq!(status, 202, "{answer}");
        answer["job"].as_str().unwrap().to_owned()
    }

    async fn finished(&self, job: &str) -> Value {
        self.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "done").await
    }

    async fn upload(&self, request: &Value, csv: &str) -> (u16, Value) {
        let body = format!(
            "--line\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{request}\r\n\
             --line\r\nContent-Disposition: form-data; name=\"csv_file\"; filename=\"people.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--line--\r\n"
        );
        read(self.gateway.call("/authtoken/csv", BOUNDARY, &body).await)
    }

    /// The file of a job of the face, once there is one.
    async fn file(&self, job: &str) -> Reply {
        let route = format!("/authtoken/status/{job}");
        self.gateway
            .until(&route, |answer| {
                answer["response"]["status"].as_str().is_some_and(|word| word.starts_with("processed"))
            })
            .await;
        self.gateway.ask(Method::GET, &format!("/authtoken/file/{job}")).await
    }

    fn calls(&self) -> usize {
        self.simulator.history.record().ida.len()
    }

    fn turn(&self, knobs: Knobs) {
        self.simulator.dials.set(knobs);
    }
}

fn leila(id: &str) -> Value {
    json!({
        "individualId": id, "consent": true,
        "demographics": {"name": [{"language": "eng", "value": "Leila Karim"}], "dob": "1990/03/14"},
    })
}

/// What OpenCRVS core sends at a death.
fn death(vid: &str, dob: &str) -> Value {
    json!({
        "id": "", "version": "", "metadata": "", "requesttime": "2026-11-24T08:00:00.000Z",
        "request": {"lang": "eng", "authdata": {"vid": vid, "name": "Leila Karim", "gender": "Female", "dob": dob}},
    })
}

fn batch(request: Value) -> Value {
    json!({"id": "", "version": "", "metadata": "", "requesttime": "2026-11-24T08:00:00.000Z", "request": request})
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

#[tokio::test]
async fn a_wrong_record_is_refused_by_itself_and_the_rest_gets_its_tokens() {
    let world = World::start(&[]).await;
    let mut wrong_date = leila(UIN);
    wrong_date["demographics"]["dob"] = json!("14/03/1990");
    let mut stranger = leila(UIN);
    stranger["demographics"]["dob"] = json!("1991/03/14");
    let mut without_consent = leila(UIN);
    without_consent["consent"] = json!(false);
    let job = world
        .submit(&[leila(UIN), wrong_date, leila(VID), stranger, leila("123"), without_consent, json!("x")])
        .await;
    let report = world.finished(&job).await;
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
    let pointers: Vec<_> =
        [1, 4, 5, 6].map(|place| results[place]["errors"][0]["pointer"].as_str().unwrap().to_owned()).into();
    assert_eq!(pointers, ["/1/demographics/dob", "/4/individualId", "/5/consent", "/6"]);
    assert_eq!(world.calls(), 3, "nobody is asked about a wrong record");

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
async fn opencrvs_is_answered_at_once_in_the_shape_of_ida() {
    let world = World::start(&[]).await;
    for id in [UIN, VID] {
        let (status, answer) = world.post("/authtoken/json", &death(id, "1990/03/14")).await;
        assert_eq!((status, &answer["errors"]), (200, &json!([])), "{answer}");
        assert_eq!(answer["response"]["authStatus"], true);
        assert_eq!(answer["response"]["authToken"].as_str().unwrap().len(), 36);
        assert_eq!(answer["transactionID"].as_str().unwrap().len(), 10);
    }
    let mut listed = death(UIN, "1990/03/14");
    listed["request"]["deliverytype"] = json!("sync");
    listed["request"]["authdata"] = json!([listed["request"]["authdata"]]);
    let (_, answer) = world.post("/authtoken/json", &listed).await;
    assert_eq!(answer["response"]["authStatus"], true, "{answer}");

    let (status, answer) = world.post("/authtoken/json", &death(UIN, "1990/03/15")).await;
    assert_eq!((status, &answer["response"]["authStatus"]), (200, &json!(false)));
    assert_eq!(answer["errors"][0]["errorCode"], "IDA-DEA-001");
}

fn assert_nobody_judged((status, answer): (u16, Value), code: &str, why: &str) {
    assert_eq!((status, &answer["response"]), (200, &json!(null)), "{why}: {answer}");
    assert_eq!(answer["errors"][0]["errorCode"], code, "{why}");
    assert!(!answer.to_string().contains("authStatus"), "{why}: {answer}");
}

#[tokio::test]
async fn ida_being_away_or_unverifiable_never_reads_as_an_invalid_person() {
    let world = World::start(&[]).await;
    let asked = death(UIN, "1990/03/14");
    let reply = |ida_reply| Knobs { ida_reply: Some(ida_reply), ..Knobs::default() };
    world.post("/authtoken/json", &asked).await;
    for (knobs, why) in [
        (Knobs { down: true, ..Knobs::default() }, "down"),
        (Knobs { fault_rate: 1.0, ..Knobs::default() }, "503"),
        (Knobs { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Knobs::default() }, "partner"),
        (reply(IdaReply::Unsigned), "unsigned"),
        (reply(IdaReply::Stranger), "stranger"),
        (reply(IdaReply::Forged), "forged"),
        (reply(IdaReply::Altered), "altered"),
        (reply(IdaReply::Replayed), "replayed"),
        (reply(IdaReply::Stale), "stale"),
    ] {
        world.turn(knobs);
        assert_nobody_judged(world.post("/authtoken/json", &asked).await, "ATS-REQ-100", why);
    }
}

#[tokio::test]
async fn a_record_that_ida_is_not_asked_about_is_answered_under_the_seeders_code() {
    let world = World::start(&[]).await;
    let person = |member: &str, value: Value| {
        let mut asked = death(UIN, "1990/03/14");
        match value {
            Value::Null => drop(asked["request"]["authdata"].as_object_mut().unwrap().remove(member)),
            value => asked["request"]["authdata"][member] = value,
        }
        asked
    };
    for (member, value, code) in [
        ("vid", json!("123"), "ATS-REQ-002"),
        ("vid", Value::Null, "ATS-REQ-009"),
        ("name", json!(" "), "ATS-REQ-003"),
        ("name", Value::Null, "ATS-REQ-010"),
        ("gender", json!(""), "ATS-REQ-004"),
        ("gender", Value::Null, "ATS-REQ-011"),
        ("dob", json!(""), "ATS-REQ-006"),
        ("dob", json!("14.03.1990"), "ATS-REQ-007"),
        ("dob", Value::Null, "ATS-REQ-012"),
    ] {
        assert_nobody_judged(world.post("/authtoken/json", &person(member, value)).await, code, member);
    }
    for body in [
        json!([]),
        json!({}),
        batch(json!({})),
        batch(json!({"authdata": "x"})),
        batch(json!({"authdata": []})),
    ] {
        let (status, answer) = world.post("/authtoken/json", &body).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (422, &json!("ATS-REQ-102")), "{body}");
    }
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_batch_is_mapped_and_its_file_holds_a_token_or_a_code_for_everybody() {
    let world = World::start(&[]).await;
    let asked = batch(json!({
        "output": "json", "deliverytype": "download", "lang": "eng",
        "mapping": {"vid": "card.number", "name": ["first", "last"], "gender": "sex", "dob": "born"},
        "authdata": [
            {"card": {"number": UIN}, "first": "Leila", "last": "Karim", "sex": "Female", "born": "1990/03/14"},
            {"card": {"number": UIN}, "first": "Leila", "last": "Karim", "sex": "Female", "born": "1990/03/15"},
            {"card": {"number": VID}, "first": "Leila", "sex": "Female", "born": "1990/03/14"},
        ],
    }));
    let (status, answer) = world.post("/authtoken/json", &asked).await;
    assert_eq!((status, &answer["errors"], &answer["id"]), (200, &json!(null), &json!("mosip.token.seeder")));
    let job = answer["response"]["request_identifier"].as_str().unwrap();
    let file: Value = serde_json::from_slice(&world.file(job).await.body).unwrap();
    assert_eq!(file[0]["token"].as_str().unwrap().len(), 36);
    let row = |place: usize| {
        ["vid", "status", "errorCode"].map(|name| file[place][name].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(row(0), [UIN, "processed", ""]);
    assert_eq!(row(1), [UIN, "error", "IDA-DEA-001"]);
    assert_eq!(row(2), [VID, "invalid", "ATS-REQ-010"]);
    let (_, answer) = world.gateway.get(&format!("/authtoken/status/{job}")).await;
    assert_eq!(answer["response"]["status"], "processed_with_errors");
}

#[tokio::test]
async fn a_batch_of_nothing_but_wrong_records_says_so_and_has_a_file_all_the_same() {
    let world = World::start(&[]).await;
    let (status, answer) =
        world.post("/authtoken/json", &batch(json!({"authdata": [{"vid": "1"}, 7]}))).await;
    assert_eq!((status, &answer["errors"][0]["errorCode"]), (200, &json!("ATS-REQ-101")));
    let job = answer["response"]["request_identifier"].as_str().unwrap();
    let file: Value = serde_json::from_slice(&world.file(job).await.body).unwrap();
    assert_eq!((&file[0]["status"], &file[1]["errorCode"]), (&json!("invalid"), &json!("ATS-REQ-102")));
}

#[tokio::test]
async fn a_broken_row_of_a_csv_says_why_and_the_rest_goes_on() {
    let world = World::start(&[]).await;
    let csv = format!(
        "\u{feff}vid;name;gender;dob;fullAddress\r\n\
         {UIN};Leila Karim;Female;1990/03/14;\"4 Harbour Street, Port Sel\"\r\n\
         {UIN};Leila Karim;Female\r\n\
         {UIN};\"Leila Karim;Female;1990/03/14;x\r\n\
         \r\n\
         {VID};Leila Karim;Female;1990/03/14;\"4 Harbour Street, Port Sel\"\r\n\
         {VID};Leila Karim;;1990/03/14;\"4 Harbour Street, Port Sel\"\r\n"
    );
    let asked = batch(json!({
        "output": "csv", "csvDelimiter": ";", "mapping": {"fullAddress": ["fullAddress"]},
    }));
    let (status, answer) = world.upload(&asked, &csv).await;
    assert_eq!((status, &answer["errors"]), (200, &json!(null)), "{answer}");
    let file = world.file(answer["response"]["request_identifier"].as_str().unwrap()).await;
    let rows: Vec<Vec<&str>> = text(&file).lines().map(|line| line.split(',').collect()).collect();
    let states: Vec<_> = rows.iter().map(|row| (row[0], row[2], row[3])).collect();
    assert_eq!(
        states,
        [
            ("vid", "status", "errorCode"),
            (UIN, "processed", ""),
            ("", "invalid", "ATS-REQ-102"),
            ("", "invalid", "ATS-REQ-102"),
            (VID, "processed", ""),
            (VID, "invalid", "ATS-REQ-004"),
        ]
    );
    assert!(rows[2][4].contains("columns") && rows[3][4].contains("quotation mark"), "{rows:?}");

    for (request, csv) in
        [(batch(json!({})), ""), (batch(json!({"csvDelimiter": "ab"})), csv.as_str()), (json!("x"), &csv)]
    {
        let (status, answer) = world.upload(&request, csv).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (422, &json!("ATS-REQ-102")), "{request}");
    }
    let (status, _) = read(world.gateway.call("/authtoken/csv", "application/json", "{}").await);
    assert_eq!(status, 422);
}

#[tokio::test]
async fn without_the_operators_consent_the_face_is_not_there() {
    let world = World::start(&[("SEEDER__CONSENT", "false")]).await;
    let (status, _) = world.post("/authtoken/json", &death(UIN, "1990/03/14")).await;
    assert_eq!(status, 404);
    for route in ["/authtoken/status/x", "/authtoken/file/x"] {
        let (status, problem) = world.gateway.get(route).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not-found")));
    }
    assert_eq!(world.upload(&batch(json!({})), "vid\n1").await.0, 404);
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_file_that_is_not_ready_or_not_known_is_refused_under_its_code() {
    let world = World::start(&[]).await;
    world.turn(Knobs { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Knobs::default() });
    let (_, answer) = world
        .post(
            "/authtoken/json",
            &batch(json!({"authdata": [death(UIN, "1990/03/14")["request"]["authdata"]]})),
        )
        .await;
    let job = answer["response"]["request_identifier"].as_str().unwrap();
    let (status, answer) = world.gateway.get(&format!("/authtoken/file/{job}")).await;
    assert_eq!((status, &answer["errors"][0]["errorCode"]), (202, &json!("ATS-REQ-017")));
    for route in ["/authtoken/file/none", "/authtoken/status/none"] {
        let (status, answer) = world.gateway.get(route).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (404, &json!("ATS-REQ-016")));
    }
}

#[tokio::test]
async fn a_refused_partner_pauses_the_job_with_the_reason_and_no_record_fails() {
    let world = World::start(&[("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    for (knobs, code) in [
        (Knobs { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Knobs::default() }, "partner"),
        (Knobs { ida_reply: Some(IdaReply::Stranger), ..Knobs::default() }, "tampered"),
    ] {
        world.turn(knobs);
        let job = world.submit(&[leila(UIN), leila(VID)]).await;
        let report =
            world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "paused").await;
        assert_eq!(report["paused"]["code"], code, "{report}");
        assert!(report["paused"]["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
        assert_eq!(report["results"], json!([]));
        world.turn(Knobs::default());
        assert_eq!(world.finished(&job).await["progress"]["done"], 2);
    }
}

#[tokio::test]
async fn while_ida_is_away_records_wait_and_none_fails() {
    let world = World::start(&[]).await;
    world.turn(Knobs { fault_rate: 1.0, ..Knobs::default() });
    let job = world.submit(&vec![leila(UIN); 12]).await;
    let report =
        world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "waiting").await;
    assert_eq!((&report["progress"]["refused"], &report["results"]), (&json!(0), &json!([])));
    world.turn(Knobs::default());
    assert_eq!(world.finished(&job).await["progress"]["done"], 12);
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_job_loses_no_record_and_asks_again_about_none_that_is_settled() {
    const RECORDS: usize = 40;
    const AT_ONCE: usize = 4;
    let mut world = World::start(&[]).await;
    world.turn(Knobs { delay_ms: 20, ..Knobs::default() });
    let job = world.submit(&vec![leila(UIN); RECORDS]).await;
    let route = format!("/v1/uin-tokens/{job}");
    let before =
        world.gateway.until(&route, |report| report["progress"]["done"].as_u64().unwrap() >= 8).await;
    assert_eq!(before["state"], "running", "the crash has to come in the middle");
    world.gateway.restart(&[]).await;
    let report = world.finished(&job).await;
    assert_eq!(report["progress"]["done"], RECORDS);
    let calls = world.calls();
    assert!((RECORDS..=RECORDS + AT_ONCE).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn off_the_loopback_only_who_is_known_reaches_the_face() {
    let secrets = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (token, webhooks) = (file("token", "letmein"), file("webhooks", "secret"));
    let body = death(UIN, "1990/03/14").to_string();
    let port = Port::hold();
    let local = port.address();
    let everywhere = local.replace("127.0.0.1", "0.0.0.0");
    let call = async |gateway: &Running, headers: &[(&'static str, &str)]| {
        let mut all = HeaderMap::new();
        all.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        for (name, value) in headers {
            all.insert(*name, value.parse().unwrap());
        }
        gateway
            .request(Method::POST, format!("http://{local}/authtoken/json"), all, &body)
            .await
            .status
            .as_u16()
    };
    let on_face = [
        ("FACES__LISTEN", everywhere.as_str()),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__WEBHOOK_SECRET_FILE", &webhooks),
    ];
    for (further, headers, wanted) in [
        (None, &[][..], 404),
        (Some(("FACES__DANGER_OPEN", "true")), &[][..], 200),
        (Some(("FACES__DANGER_OPEN", "true")), &[("origin", "https://elsewhere.example")][..], 403),
        (Some(("FACES__TOKEN_FILE", token.as_str())), &[][..], 401),
        (Some(("FACES__TOKEN_FILE", token.as_str())), &[("authorization", "Bearer wrong")][..], 401),
        (Some(("FACES__TOKEN_FILE", token.as_str())), &[("authorization", "Bearer letmein")][..], 200),
    ] {
        let set: Vec<_> = on_face.iter().copied().chain(further).collect();
        let world = World::start(&set).await;
        assert_eq!(call(&world.gateway, headers).await, wanted, "{further:?} {headers:?}");
        assert_eq!(
            world.post("/authtoken/json", &death(UIN, "1990/03/14")).await.0,
            200,
            "the internal listener"
        );
        world.gateway.stop().await;
    }
}

#[tokio::test]
async fn nothing_of_a_person_is_in_the_database_or_in_the_log() {
    let logs = Capture::default();
    tracing::subscriber::set_global_default(telemetry::subscriber(logs.clone(), LevelFilter::TRACE)).unwrap();
    let world = World::start(&[("UPSTREAM__PROBE_INTERVAL", "1s")]).await;
    let mut stranger = leila(UIN);
    stranger["demographics"]["dob"] = json!("1991/03/14");
    let mut wrong = leila(VID);
    wrong["demographics"]["dob"] = json!("14 March Zoraida");
    world.turn(Knobs { ida_reply: Some(IdaReply::Forged), ..Knobs::default() });
    let job = world.submit(&[leila(UIN), stranger, wrong]).await;
    world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "paused").await;
    let database = || {
        let files = ["", "-wal"].map(|suffix| format!("{}{suffix}", world.gateway.outbox().display()));
        files.iter().filter_map(|file| std::fs::read(file).ok()).flatten().collect::<Vec<u8>>()
    };
    let waiting = database();
    world.turn(Knobs::default());
    let report = world.finished(&job).await;
    let token = report["results"][0]["token"].as_str().unwrap().to_owned();
    world.post("/authtoken/json", &death(UIN, "1990/03/14")).await;
    world.post("/authtoken/json", &death(UIN, "Zoraida")).await;
    world.upload(&batch(json!({})), &format!("vid,name,gender,dob\n{UIN},Leila Karim,Female,Zoraida")).await;
    let settled = database();
    world.gateway.stop().await;
    let logs = logs.text();
    assert!(logs.contains("IDA could not be asked") && logs.contains("/authtoken/json"), "{logs}");
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    assert!(holds(&waiting, &job) && holds(&settled, &job), "the right files were looked at");
    for secret in [UIN, VID, "Leila", "Karim", "Zoraida", "1990/03", "did not match", &token] {
        assert!(!holds(&waiting, secret) && !holds(&settled, secret), "the database holds {secret}");
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn without_a_licence_key_no_job_is_taken_and_the_variable_is_named() {
    let gateway = Running::start(&[]).await;
    let reply = gateway.call("/v1/uin-tokens", "application/json", &json!([leila(UIN)]).to_string()).await;
    let (status, problem) = read(reply);
    assert_eq!((status, &problem["fault"]), (503, &json!("keys")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("PARTNER_MISP_LK"), "{problem}");
    let asked = death(UIN, "1990/03/14").to_string();
    let answer = read(gateway.call("/authtoken/json", "application/json", &asked).await);
    assert_nobody_judged(answer, "ATS-REQ-100", "no key");
}
