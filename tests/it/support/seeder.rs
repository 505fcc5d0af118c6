//! What callers post who want many UINTOKENs: jobs of `/v1/uin-tokens`, and the Token Seeder's forms.

use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};

use super::gateway::json as read;
use super::ida_setup::World;

/// Leila Karim's number in place of her UIN.
pub(crate) const VID: &str = "6042817395162840";

/// The type of a form whose parts are cut by `--line`.
pub(crate) const BOUNDARY: &str = "multipart/form-data; boundary=line";

/// A record about Leila Karim under the number `id`.
pub(crate) fn leila(id: &str) -> Value {
    json!({
        "individualId": id, "consent": true,
        "demographics": {"name": [{"language": "eng", "value": "Leila Karim"}], "dob": "1990/03/14"},
    })
}

/// Posts a job that has to be taken; its id.
pub(crate) async fn submit(world: &World, records: &[Value]) -> String {
    let (status, answer) = world.post("/v1/uin-tokens", &json!(records)).await;
    assert_eq!(status, 202, "{answer}");
    answer["job"].as_str().unwrap().to_owned()
}

/// How a job of `/v1/uin-tokens` ended.
pub(crate) async fn finished(world: &World, job: &str) -> Value {
    world.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "done").await
}

/// What OpenCRVS core sends at a death.
pub(crate) fn death(vid: &str, dob: &str) -> Value {
    batch(
        json!({"lang": "eng", "authdata": {"vid": vid, "name": "Leila Karim", "gender": "Female", "dob": dob}}),
    )
}

/// The seeder's envelope around `request`.
pub(crate) fn batch(request: Value) -> Value {
    json!({"id": "", "version": "", "metadata": "", "requesttime": "2026-11-24T08:00:00.000Z", "request": request})
}

/// Posts a file to `/authtoken/csv`.
pub(crate) async fn upload(world: &World, request: &Value, csv: &str) -> (u16, Value) {
    let body = format!(
        "--line\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{request}\r\n\
         --line\r\nContent-Disposition: form-data; name=\"csv_file\"; filename=\"people.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--line--\r\n"
    );
    read(world.gateway.call("/authtoken/csv", BOUNDARY, &body).await)
}

pub(crate) fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

/// That the synchronous form says nothing of the person, under this code.
pub(crate) fn assert_nobody_decided((status, answer): (u16, Value), code: &str, why: &str) {
    assert_eq!((status, &answer["response"]), (200, &json!(null)), "{why}: {answer}");
    assert_eq!(answer["errors"][0]["errorCode"], code, "{why}");
    assert!(!answer.to_string().contains("authStatus"), "{why}: {answer}");
}
