use serde_json::json;

use super::*;
use crate::error::Fault;

const NOW: Timestamp = Timestamp::from_seconds(1_795_507_200);

/// Requests and answers in the form that they have between `mosip-api` 1.9 and MOSIP.
fn sample(name: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/packets.json")).unwrap();
    file[name].clone()
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

#[test]
fn the_request_for_a_packet_is_the_one_that_mosip_api_sends() {
    let sent = sample("create-request");
    let request = &sent["request"];
    let text = |name: &str| request[name].as_str().unwrap();
    let (meta_info, audit) = (raw(&request["metaInfo"]), raw(&request["audits"][0]));
    let schema = raw(&request["schemaJson"]);
    let packet = Packet {
        id: text("id"),
        ref_id: text("refId"),
        process: text("process"),
        source: text("source"),
        schema_version: text("schemaVersion"),
        schema_json: Some(&schema),
        fields: raw(&request["fields"]),
        meta_info: &meta_info,
        audit: &audit,
        len: 0,
    };
    let mut ours: Value = serde_json::from_slice(&create_request(&packet, NOW).unwrap()).unwrap();
    assert_eq!(ours["requesttime"], "2026-11-24T08:00:00.000Z");
    ours["requesttime"] = sent["requesttime"].clone();
    assert_eq!(ours, sent);
    let without = Packet { schema_json: None, fields: raw(&request["fields"]), ..packet };
    let without: Value = serde_json::from_slice(&create_request(&without, NOW).unwrap()).unwrap();
    assert!(without["request"].get("schemaJson").is_none(), "it is left out");
}

#[test]
fn a_repeat_has_equal_bytes_but_for_its_time() {
    let packet = Packet {
        id: "1",
        ref_id: "c_m",
        process: "p",
        source: "s",
        schema_version: "0.100",
        schema_json: None,
        fields: raw(&json!({ "a": "1" })),
        meta_info: RawValue::NULL,
        audit: RawValue::NULL,
        len: 0,
    };
    let text = |now: Timestamp| {
        let body = String::from_utf8(create_request(&packet, now).unwrap().to_vec()).unwrap();
        body.replace(&now.to_iso(), "")
    };
    assert_eq!(text(NOW), text(Timestamp::from_seconds(1_800_000_000)));
}

#[test]
fn the_request_for_a_workflow_is_the_one_that_mosip_api_sends() {
    let sent = sample("process-request");
    let request = &sent["request"];
    let text = |name: &str| request[name].as_str().unwrap();
    let told = |name: &str| request["notificationInfo"][name].as_str().unwrap();
    let notification = NotificationInfo { name: told("name"), phone: told("phone"), email: told("email") };
    let ours =
        process_request(text("registrationId"), text("process"), text("source"), &notification, NOW).unwrap();
    let mut ours: Value = serde_json::from_slice(&ours).unwrap();
    ours["requesttime"] = sent["requesttime"].clone();
    assert_eq!(ours, sent);
}

fn created(status: u16, body: &str) -> Result<Attested<Created>> {
    read_created(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Transport::Protected)
}

fn taken(status: u16, body: &str) -> Result<Attested<Taken>> {
    read_taken(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Transport::Protected)
}

#[test]
fn answers_of_mosips_form_are_read() {
    assert!(created(200, &sample("create-answer").to_string()).is_ok());
    assert!(taken(200, &sample("process-answer").to_string()).is_ok());
    for body in [r#"{"response":[{"id":"1"}]}"#, r#"{"errors":null,"response":[{}]}"#, "{}"] {
        assert!(created(200, body).is_ok(), "{body}");
    }
    for body in ["{}", r#"{"errors":[]}"#, r#"{"response":null,"errors":null}"#] {
        assert!(taken(202, body).is_ok(), "{body}");
    }
}

#[test]
fn a_success_without_a_packet_is_no_success() {
    for body in [r#"{"response":null,"errors":null}"#, r#"{"response":null}"#, r#"{"response":[]}"#] {
        let error = created(200, body).unwrap_err();
        assert_eq!((error.fault(), error.retryable()), (Fault::Upstream, true), "{body}");
        assert!(error.upstream().is_some(), "it says nothing about the others: {body}");
    }
}

#[test]
fn errors_inside_http_200_are_errors_with_a_fault_and_advice() {
    for (code, fault, advice) in [
        ("KER-PUT-025", Fault::Partner, "upstream.packets"),
        ("KER-PUT-006", Fault::Partner, "upstream.packets"),
        ("KER-PUT-020", Fault::Caller, "identity schema"),
        ("KER-PUT-018", Fault::Upstream, "keymanager"),
        ("KER-PUT-015", Fault::Upstream, "object store"),
        ("KER-PUT-028", Fault::Upstream, "log"),
        ("KER-KPM-002", Fault::Upstream, "schema_file"),
        ("KER-ATH-401", Fault::Partner, "token"),
        ("RPR-WIN-001", Fault::Partner, "workflow-manager"),
        ("RPR-WIS-000", Fault::Upstream, "log"),
        ("RPR-WIS-001", Fault::Caller, "id_prefix"),
        ("NEW-001", Fault::Upstream, "does not know"),
    ] {
        let body =
            format!(r#"{{"response":null,"errors":[{{"errorCode":"{code}","message":"about Jane Doe"}}]}}"#);
        for error in [created(200, &body).unwrap_err(), taken(200, &body).unwrap_err()] {
            assert_eq!(error.fault(), fault, "{code}");
            assert_eq!(error.upstream().unwrap().code, code);
            assert!(error.advice().contains(advice), "{code}: {}", error.advice());
            assert!(!format!("{} {}", error.detail(), error.advice()).contains("Jane"), "{code}");
        }
    }
}

#[test]
fn what_is_no_answer_of_the_packet_manager_names_the_url() {
    for (status, body) in
        [(200, "<html>"), (200, "[]"), (404, "{}"), (302, "{}"), (200, r#""ok""#), (200, "")]
    {
        let error = created(status, body).unwrap_err();
        assert!(error.advice().contains("upstream.packets.create"), "{status} {body}: {}", error.advice());
        let error = taken(status, body).unwrap_err();
        assert!(error.advice().contains("upstream.packets.process"), "{status} {body}: {}", error.advice());
    }
}

#[test]
fn a_refused_token_is_the_partners_fault_and_names_its_section() {
    for (status, body) in [(401, ""), (403, "<html>"), (403, "{}")] {
        let error = taken(status, body).unwrap_err();
        assert_eq!(error.fault(), Fault::Partner, "{status}");
        assert!(error.advice().contains("upstream.packets.token"), "{status}");
    }
}

#[test]
fn a_code_of_mosips_about_the_token_brings_the_advice_about_the_token() {
    for (code, is_of_token) in [("KER-ATH-401", true), ("KER-PUT-020", false)] {
        let body = json!({ "errors": [{ "errorCode": code, "message": "m" }] }).to_string();
        let error = read(StatusCode::OK, body.as_bytes(), "upstream.packets.url").unwrap_err();
        assert_eq!(error.advice() == TOKEN, is_of_token, "{code}");
    }
}
