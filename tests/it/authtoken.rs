//! The face of MOSIP's Token Seeder, which OpenCRVS and existing tools call, through a whole gateway against the simulator's strict IDA.

use crate::support::gateway::{Running, json as read};
use crate::support::ida_setup::{UIN, World};
use crate::support::port::Port;
use crate::support::seeder::{VID, assert_nobody_decided, batch, death, leila, text, upload};
use http::{HeaderMap, Method, header};
use mosip_gateway::simulator::{Behaviour, IdaReply};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};

/// The file of a job of the face, once there is one.
async fn file(world: &World, job: &str) -> Reply {
    let route = format!("/authtoken/status/{job}");
    world
        .gateway
        .until(&route, |answer| {
            answer["response"]["status"].as_str().is_some_and(|word| word.starts_with("processed"))
        })
        .await;
    world.gateway.ask(Method::GET, &format!("/authtoken/file/{job}")).await
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

#[tokio::test]
async fn ida_being_away_or_unverifiable_never_reads_as_an_invalid_person() {
    let world = World::start(&[]).await;
    let asked = death(UIN, "1990/03/14");
    let reply = |ida_reply| Behaviour { ida_reply: Some(ida_reply), ..Behaviour::default() };
    world.post("/authtoken/json", &asked).await;
    for (behaviour, why) in [
        (Behaviour { down: true, ..Behaviour::default() }, "down"),
        (Behaviour { fault_rate: 1.0, ..Behaviour::default() }, "503"),
        (Behaviour { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Behaviour::default() }, "partner"),
        (reply(IdaReply::Unsigned), "unsigned"),
        (reply(IdaReply::Stranger), "stranger"),
        (reply(IdaReply::Forged), "forged"),
        (reply(IdaReply::Altered), "altered"),
        (reply(IdaReply::Replayed), "replayed"),
        (reply(IdaReply::Stale), "stale"),
    ] {
        world.behave(behaviour);
        assert_nobody_decided(world.post("/authtoken/json", &asked).await, "ATS-REQ-100", why);
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
        assert_nobody_decided(world.post("/authtoken/json", &person(member, value)).await, code, member);
    }
    for body in [
        json!([]),
        json!({}),
        batch(json!({})),
        batch(json!({"authdata": "x"})),
        batch(json!({"authdata": []})),
    ] {
        let (status, answer) = world.post("/authtoken/json", &body).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (400, &json!("ATS-REQ-102")), "{body}");
    }
    assert_eq!(world.codes().len(), 0);
}

#[tokio::test]
async fn a_country_says_how_long_its_numbers_are() {
    let world =
        World::start(&[("UPSTREAM__IDA__UIN_LENGTH", "12"), ("UPSTREAM__IDA__VID_LENGTH", "10")]).await;
    // Of ten digits it is a VID here, and IDA, where a VID has sixteen, is asked about one.
    let (status, answer) = world.post("/authtoken/json", &death(UIN, "1990/03/14")).await;
    assert_eq!((status, &answer["errors"][0]["errorCode"]), (200, &json!("IDA-MLC-004")), "{answer}");
    let (status, problem) = world.post("/v1/uin-tokens", &json!([leila(VID)])).await;
    assert_eq!((status, &problem["pointer"]), (422, &json!("/0/individualId")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("a UIN of 12 digits nor a VID of 10"), "{problem}");
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
    let file: Value = serde_json::from_slice(&file(&world, job).await.body).unwrap();
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
    let file: Value = serde_json::from_slice(&file(&world, job).await.body).unwrap();
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
    let (status, answer) = upload(&world, &asked, &csv).await;
    assert_eq!((status, &answer["errors"]), (200, &json!(null)), "{answer}");
    let file = file(&world, answer["response"]["request_identifier"].as_str().unwrap()).await;
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

    for (request, csv) in [(batch(json!({"csvDelimiter": "ab"})), csv.as_str()), (json!("x"), &csv)] {
        let (status, answer) = upload(&world, &request, csv).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (400, &json!("ATS-REQ-102")), "{request}");
    }
    let (status, _) = read(world.gateway.call("/authtoken/csv", "application/json", "{}").await);
    assert_eq!(status, 400);
}

#[tokio::test]
async fn the_face_says_that_it_is_there_and_what_a_record_may_hold() {
    let world = World::start(&[]).await;
    let (status, pong) = world.gateway.get("/ping").await;
    assert_eq!((status, &pong), (200, &json!("[0 - 0] pong")));
    let (status, answer) = world.gateway.get("/authtoken/authfields").await;
    assert_eq!((status, &answer["errors"]), (200, &json!(null)));
    assert_eq!(
        answer["response"]["authfields"],
        json!(["vid", "name", "gender", "dob", "phoneNumber", "emailId", "fullAddress"])
    );
}

#[tokio::test]
async fn a_csv_of_a_header_alone_is_a_job_of_nothing_but_errors() {
    let world = World::start(&[]).await;
    for csv in ["vid,name,gender,dob\r\n", ""] {
        let (status, answer) = upload(&world, &batch(json!({"output": "csv"})), csv).await;
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (200, &json!("ATS-REQ-101")), "{csv:?}");
        let job = answer["response"]["request_identifier"].as_str().unwrap();
        let file = file(&world, job).await;
        assert_eq!(text(&file), "vid,token,status,errorCode,errorMessage\n");
        let (_, answer) = world.gateway.get(&format!("/authtoken/status/{job}")).await;
        assert_eq!(answer["response"]["status"], "processed_with_errors");
    }
}

#[tokio::test]
async fn files_are_plain_text_to_save_and_no_cell_of_them_is_a_formula() {
    let world = World::start(&[]).await;
    for output in ["csv", "json"] {
        let csv = "vid,name,gender,dob\n=1+1,Leila Karim,Female,1990/03/14\n";
        let (_, answer) = upload(&world, &batch(json!({"output": output})), csv).await;
        let job = answer["response"]["request_identifier"].as_str().unwrap();
        let file = file(&world, job).await;
        assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(file.headers["content-disposition"], format!("attachment; filename=\"{job}.{output}\""));
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
        let cell = if output == "csv" { "\n'=1+1,,invalid," } else { "\"vid\":\"=1+1\"" };
        assert!(text(&file).contains(cell), "{}", text(&file));
    }
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
    assert_eq!(upload(&world, &batch(json!({})), "vid\n1").await.0, 404);
    assert_eq!(world.codes().len(), 0);
}

#[tokio::test]
async fn a_file_that_is_not_ready_or_not_known_is_refused_under_its_code() {
    let world = World::start(&[]).await;
    world.behave(Behaviour { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Behaviour::default() });
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
async fn a_batch_that_is_posted_again_under_its_key_is_the_same_job() {
    let world = World::start(&[]).await;
    let submit = async |request: Value, key: &str| {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, "application/json".parse().unwrap()),
            ("idempotency-key".parse().unwrap(), key.parse().unwrap()),
        ]);
        let url = format!("http://{}/authtoken/json", world.gateway.api);
        read(world.gateway.request(Method::POST, url, headers, &request.to_string()).await)
    };
    let people = |vids: &[&str]| {
        let people: Vec<_> = vids
            .iter()
            .map(|vid| json!({"vid": vid, "name": "Leila Karim", "gender": "Female", "dob": "1990/03/14"}))
            .collect();
        batch(json!({"lang": "eng", "deliverytype": "download", "authdata": people}))
    };
    let (_, first) = submit(people(&[UIN, VID]), "night-1").await;
    let (_, again) = submit(people(&[UIN, VID]), "night-1").await;
    assert!(first["response"]["request_identifier"].is_string(), "{first}");
    assert_eq!(first["response"], again["response"]);
    let (_, other) = submit(people(&[UIN, VID]), "night-2").await;
    assert_ne!(first["response"], other["response"]);
    let (status, problem) = submit(people(&[UIN]), "night-1").await;
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency-conflict")), "{problem}");
}

/// Nothing of it would happen, and nothing of it comes back.
#[tokio::test]
async fn a_query_is_refused_in_the_form_of_the_seeder() {
    let world = World::start(&[]).await;
    for route in ["/ping", "/authtoken/authfields", "/authtoken/status/x", "/authtoken/file/x"] {
        let reply = world.gateway.ask(Method::GET, &format!("{route}?vid=4711081547")).await;
        assert!(!text(&reply).contains("4711081547"), "{route}");
        let (status, answer) = read(reply);
        assert_eq!((status, &answer["errors"][0]["errorCode"]), (400, &json!("ATS-REQ-102")), "{answer}");
    }
}
