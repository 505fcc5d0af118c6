//! The packet manager and the workflow are as strict as MOSIP's.

use http::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use super::partner::{Answer, Partner};

const CREATE: (&str, &str) = ("PUT", "/commons/v1/packetmanager/createPacket");
const PROCESS: (&str, &str) = ("POST", "/registrationprocessor/v1/workflowmanager/workflowinstance");

async fn call(partner: &Partner, (method, path): (&str, &str), body: &Value) -> Answer {
    let cookie = format!("Authorization={};", partner.token().await);
    let headers = [(COOKIE, cookie.as_str()), (CONTENT_TYPE, "application/json")];
    partner.call(method, path, &headers, body.to_string()).await.unwrap()
}

fn sample(name: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/packets.json")).unwrap();
    file[name].clone()
}

fn with(name: &str, pointer: &str, value: Value) -> Value {
    let mut body = sample(name);
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[member] = value;
    body
}

#[tokio::test]
async fn a_packet_in_the_form_of_mosip_api_is_created_and_processed_once() {
    let partner = Partner::start().await;
    for _ in 0..2 {
        let answer = call(&partner, CREATE, &sample("create-request")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["errors"]), (200, &json!([])));
        assert_eq!(answer.json()["response"][0]["packetName"], "100014829103756_id");
    }
    let answer = call(&partner, PROCESS, &sample("process-request")).await;
    assert!(answer.json()["response"]["workflowInstanceId"].is_string());
    assert_eq!(call(&partner, PROCESS, &sample("process-request")).await.refusal().1, "RPR-WIS-001");
    let packets = partner.simulator.history.record().packets;
    assert_eq!(packets.len(), 1);
    let packet = &packets[0];
    assert_eq!((packet.created, packet.processed, packet.repeats), (2, 1, 1));
    assert_eq!(packet.content, sample("create-request")["request"]);
}

#[tokio::test]
async fn each_defect_of_a_packet_has_its_code() {
    let partner = Partner::start().await;
    for (pointer, value, code) in [
        ("/request/source", json!("CRVS1"), "KER-PUT-025"),
        ("/request/process", json!("OPENCRVS_NEW"), "KER-PUT-025"),
        ("/request/fields", json!({ "fullName": "[]" }), "KER-PUT-020"),
        ("/request/fields/fullName", json!([]), "SIM-FIELDS"),
        ("/request/fields/deathCertificateNumber", json!("D1"), "SIM-FIELDS"),
        ("/request/audits", json!([]), "KER-KPM-008"),
        ("/request/schemaJson", json!("no schema"), "KER-KPM-002"),
        ("/request/refId", json!("10001"), "SIM-REF-ID"),
        ("/request/id", json!("../1"), "SIM-PACKET-ID"),
        ("/request/offlineMode", json!(true), "SIM-PACKET-REQUEST"),
        ("/request/metaInfo", json!(null), "SIM-PACKET-REQUEST"),
        ("/request/more", json!(1), "SIM-PACKET-REQUEST"),
        ("/more", json!(1), "SIM-PACKET-BODY"),
    ] {
        let answer = call(&partner, CREATE, &with("create-request", pointer, value)).await;
        assert_eq!(answer.refusal(), (200, code.to_owned()), "{pointer}");
        assert!(answer.json()["response"].is_null());
    }
    assert!(partner.simulator.history.record().packets.is_empty());
    call(&partner, CREATE, &sample("create-request")).await;
    let other = with("create-request", "/request/fields/gender", json!("x"));
    assert_eq!(call(&partner, CREATE, &other).await.refusal().1, "SIM-PACKET-ALTERED");
}

#[tokio::test]
async fn each_defect_of_a_workflow_has_its_code() {
    let partner = Partner::start().await;
    assert_eq!(call(&partner, PROCESS, &sample("process-request")).await.refusal().1, "SIM-NO-PACKET");
    call(&partner, CREATE, &sample("create-request")).await;
    for (pointer, value, code) in [
        ("/id", json!("string"), "RPR-WIN-001"),
        ("/version", json!("v2"), "RPR-WIN-001"),
        ("/request/process", json!("CRVS_DEATH"), "SIM-WORKFLOW-PROCESS"),
        ("/request/additionalInfoReqId", json!("1"), "SIM-WORKFLOW-PROCESS"),
        ("/request/notificationInfo", json!({}), "SIM-WORKFLOW-REQUEST"),
        ("/request", json!({}), "SIM-WORKFLOW-REQUEST"),
    ] {
        let answer = call(&partner, PROCESS, &with("process-request", pointer, value)).await;
        assert_eq!(answer.refusal(), (200, code.to_owned()), "{pointer}");
    }
    let headers = [(CONTENT_TYPE, "application/json")];
    let answer = partner.call(PROCESS.0, PROCESS.1, &headers, sample("process-request").to_string()).await;
    assert_eq!(answer.unwrap().refusal(), (401, "KER-ATH-401".to_owned()), "without a token");
}
