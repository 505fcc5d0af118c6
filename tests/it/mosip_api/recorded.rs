//! What the clients of country configurations put on the wire, replayed byte for byte, and what they take of each answer.
//! `tests/peers/opencrvs/README.md` says where the bytes come from.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::support::mosip::{caller_token_saying, caller_token_signed_by};

const CONVERSATION: &str = "tests/peers/opencrvs/conversation";
const PREFLIGHT: &str = "browser-preflight";
/// The page that the preflight comes from.
const PAGE: &str = "https://register.example.org";

/// Each request with the status of its answer, and its body or, where it ends with `…`, how that begins. The client takes each status of
/// 200 to 299 as done, and parses the body as JSON or compares it with the two words; of all others it shows the body.
const ANSWERS: [(&str, u16, &str); 14] = [
    ("1.9-birth", 202, "{}"),
    ("1.9-death", 202, "{}"),
    ("2.0-birth-with-event", 202, "{}"),
    ("2.1-birth", 202, "{}"),
    ("2.1-birth-with-schema", 202, "{}"),
    ("2.1-death", 202, "{}"),
    ("2.1-birth-of-its-tests", 202, "{}"),
    ("2.1-change", 202, "{}"),
    ("1.9-verify", 200, "verified"),
    ("2.1-verify", 200, "verified"),
    ("1.9-verify-another", 200, "failed"),
    ("1.9-verify-odd-date", 422, r#"{"error":"/dob: …"#),
    // mosip-api does nothing with it and says 202.
    ("1.9-nothing-registered", 422, r#"{"error":"/requestFields: …"#),
    (PREFLIGHT, 204, ""),
];

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// The recorded request `name`, to the plain API of `site` under `token`.
fn recorded(site: &Site, name: &str, token: &str) -> String {
    let text = std::fs::read_to_string(format!("{CONVERSATION}/{name}.http")).unwrap();
    text.replace("{host}", &site.gateway.api).replace("{token}", token)
}

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(&site.gateway.api).await.unwrap()
}

/// Sends `request` as it is, and reads one answer, so that the connection can be used again.
async fn exchange(stream: &mut TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, headers) = head.split_once("\r\n").unwrap();
            let headers: BTreeMap<_, _> = headers
                .lines()
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let status = line.split(' ').nth(1).unwrap().parse().unwrap();
                return Answer { status, headers, body: body.to_owned() };
            }
        }
        assert_ne!(
            stream.read_buf(&mut seen).await.unwrap(),
            0,
            "it hung up: {}",
            String::from_utf8_lossy(&seen)
        );
    }
}

#[tokio::test]
async fn each_request_is_answered_as_the_client_takes_it_and_its_connection_stays() {
    let site = Site::start(&[("FACES__CORS_ORIGIN", PAGE)]).await;
    let mut stream = connect(&site).await;
    for (name, status, body) in ANSWERS {
        let answer = exchange(&mut stream, &recorded(&site, name, &caller_token())).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        match body.strip_suffix('…') {
            Some(begins) => assert!(answer.body.starts_with(begins), "{name}: {answer:?}"),
            None => assert_eq!(answer.body, body, "{name}"),
        }
        let media = answer.headers.get("content-type").map(String::as_str);
        let wanted = match status {
            204 => None,
            200 => Some("text/plain; charset=utf-8"),
            _ => Some("application/json"),
        };
        assert_eq!(media, wanted, "{name}");
    }
    let names: BTreeSet<_> = ANSWERS.iter().map(|(name, ..)| format!("{name}.http")).collect();
    let files = std::fs::read_dir(CONVERSATION).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, names, "each is replayed");

    let taken = ANSWERS.iter().filter(|(_, status, _)| *status == 202);
    let packets = site.packets(taken.clone().count()).await;
    for (packet, (name, ..)) in packets.iter().zip(taken) {
        let request = recorded(&site, name, "");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let mut fields = body["requestFields"].clone();
        fields.as_object_mut().unwrap().remove("deathCertificateNumber");
        assert_eq!((&packet.content["fields"], packet.processed), (&fields, 1), "{name}");
        assert_eq!(packet.content.get("schemaJson"), body.get("schemaJson"), "{name}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_is_the_same_path() {
    let site = Site::start(&[]).await;
    let mut stream = connect(&site).await;
    for (name, path) in [("1.9-birth", REGISTRATION), ("2.1-change", UPDATE), ("1.9-verify", "/verify")] {
        let request = recorded(&site, name, &caller_token());
        let begins = format!("POST {path} ");
        assert!(request.starts_with(&begins), "{name}");
        let slashed = request.replacen(&begins, &format!("POST {path}/ "), 1);
        let answers = [exchange(&mut stream, &request).await, exchange(&mut stream, &slashed).await];
        assert_eq!((answers[0].status, &answers[0].body), (answers[1].status, &answers[1].body), "{name}");
        assert!(answers[0].status < 300, "{name}");
    }
    site.packets(2).await;
}

#[tokio::test]
async fn the_preflight_of_the_browser_is_answered_for_our_page_alone() {
    let site = Site::start(&[("FACES__CORS_ORIGIN", PAGE)]).await;
    let mut stream = connect(&site).await;
    let request = recorded(&site, PREFLIGHT, "");
    let answer = exchange(&mut stream, &request).await;
    let header = |answer: &Answer, name: &str| answer.headers.get(name).cloned().unwrap_or_default();
    assert_eq!(header(&answer, "access-control-allow-origin"), PAGE);
    assert_eq!(header(&answer, "access-control-allow-methods"), "POST");
    let allowed = header(&answer, "access-control-allow-headers");
    for name in ["authorization", "content-type"] {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{allowed}");
    }
    let other = request.replace(&format!("Origin: {PAGE}"), "Origin: https://evil.example");
    let answer = exchange(&mut stream, &other).await;
    assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")), "{answer:?}");
}

#[tokio::test]
async fn a_token_that_has_expired_or_that_somebody_else_issued_registers_nothing() {
    let site = Site::start(&[]).await;
    let later = crate::support::now().seconds() + 600;
    let good = caller_token();
    let (head, _) = good.rsplit_once('.').unwrap();
    for (defect, token) in [
        ("expired", caller_token_saying(&[("exp", json!(1_700_000_000))])),
        ("without an end", caller_token_saying(&[("exp", json!(null))])),
        ("not yet good", caller_token_saying(&[("nbf", json!(later))])),
        (
            "of another issuer",
            caller_token_saying(&[("iss", json!("https://iam.example.org/auth/realms/mosip"))]),
        ),
        ("without an issuer", caller_token_saying(&[("iss", json!(null))])),
        ("signed by another key", caller_token_signed_by("keys.example/simulator/mosip-priv.key")),
        ("without its signature", format!("{head}.")),
        ("cut", good[..good.len() - 8].to_owned()),
        ("empty", String::new()),
        ("of another scheme", format!("{good} {good}")),
    ] {
        for name in ["1.9-birth", "2.1-change", "1.9-verify"] {
            // Who is refused may be hung up on.
            let mut stream = connect(&site).await;
            let answer = exchange(&mut stream, &recorded(&site, name, &token)).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (401, r#"{"error":"Unauthorized"}"#),
                "{defect}: {name}"
            );
        }
    }
    assert!(site.gateway.ids("").await.is_empty() && site.simulator.history.record().ida.is_empty());
}

/// What may be missing is taken without it; MOSIP says what it wants in a packet.
#[tokio::test]
async fn each_field_that_is_missing_is_done_without_and_its_number_is_asked_for() {
    let site = Site::start(&[]).await;
    site.behave(Behaviour { down: true, ..Behaviour::default() });
    let pointers = pointers("", &birth("B"));
    assert!(pointers.len() > 25, "{pointers:?}");
    let mut taken = 0;
    for (count, pointer) in pointers.iter().enumerate() {
        let mut body = birth(&format!("B{count}"));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        let (status, answer) = site.post(REGISTRATION, &body).await;
        if ["/requestFields", "/requestFields/birthCertificateNumber"].contains(&pointer.as_str()) {
            assert!(
                status == 422 && answer.starts_with(r#"{"error":"/requestFields: "#),
                "{pointer}: {status} {answer}"
            );
        } else {
            assert_eq!((status, &*answer), (202, "{}"), "{pointer}");
            taken += 1;
        }
    }
    assert_eq!(site.gateway.ids("").await.len(), taken);
}

/// Only names have a limit of their own: MOSIP may hold photos in any field.
#[tokio::test]
async fn each_field_that_is_long_is_taken_but_for_names_and_a_body_that_is_too_long_is_refused() {
    const LONG: usize = 4_096;
    let site = Site::start(&[]).await;
    site.behave(Behaviour { down: true, ..Behaviour::default() });
    let mut body = birth("B");
    (body["eventId"], body["actionId"], body["schemaJson"]) = (json!("e"), json!("a"), json!("{}"));
    let texts: Vec<_> =
        pointers("", &body).into_iter().filter(|at| body.pointer(at).unwrap().is_string()).collect();
    for (count, pointer) in texts.iter().enumerate() {
        let mut body = body.clone();
        body["requestFields"]["birthCertificateNumber"] = json!(format!("B{count}"));
        *body.pointer_mut(pointer).unwrap() = json!("7".repeat(LONG));
        let (status, answer) = site.post(REGISTRATION, &body).await;
        let is_name = ["/trackingId", "/eventId", "/actionId", "/requestFields/birthCertificateNumber"]
            .contains(&pointer.as_str());
        assert_eq!(status, if is_name { 422 } else { 202 }, "{pointer}: {answer}");
        assert!(!answer.contains("7777"), "{pointer}: {answer}");
    }
    let kept = site.gateway.ids("").await.len();
    assert_eq!(kept, texts.len() - 4);
    let mut body = birth("B-long");
    body["requestFields"]["individualBiometrics"] = json!("7".repeat(8 << 20));
    let (status, answer) = site.post(REGISTRATION, &body).await;
    assert!(status == 422 && answer.starts_with(r#"{"error":""#), "{status} {answer}");
    assert_eq!(site.gateway.ids("").await.len(), kept);
}

/// Every member of every object in `value`, at any depth; lists are not entered.
pub(super) fn pointers(at: &str, value: &Value) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    members
        .flat_map(|(name, value)| {
            let pointer = format!("{at}/{name}");
            let below = pointers(&pointer, value);
            std::iter::once(pointer).chain(below)
        })
        .collect()
}
