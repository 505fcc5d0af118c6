//! The routes of `mosip-api`, called as the client of OpenCRVS calls them: registrations that become packets, forms that ask whether a person
//! is who they say they are, and MOSIP's hub.

mod forms;
mod hub;
mod recorded;
mod types;

use http::{HeaderMap, HeaderValue, Method, header};
use mosip_gateway::simulator::packets::Packet;
use mosip_gateway::simulator::{self, Behaviour};
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};

use crate::support::gateway::{EXAMPLE, Running};
use crate::support::ida_setup::simulator;
use crate::support::mosip::caller_token;
use crate::support::world::{packets, urls};

const REGISTRATION: &str = "/events/registration";
const UPDATE: &str = "/events/update-biographics";

/// The settings of the face.
const FACE: [(&str, &str); 2] =
    [("FACES__MOSIP_API", "true"), ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem")];

struct Site {
    simulator: simulator::Running,
    gateway: Running,
}

impl Site {
    /// Beside a simulator, with `set` over all else.
    async fn start(set: &[(&str, &str)]) -> Self {
        let simulator = simulator(None).await;
        let base = &simulator.base_url;
        let ida = format!("{base}/idauthentication/v1");
        let (mosip, packets) = (urls(base), packets(base));
        let mut all: Vec<(&str, &str)> = vec![("UPSTREAM__IDA__URL", &ida)];
        all.extend(mosip.iter().chain(&packets).map(|(name, value)| (*name, value.as_str())));
        all.extend(FACE);
        all.extend(set);
        let gateway = Running::start_under(EXAMPLE, &all).await;
        Self { simulator, gateway }
    }

    fn behave(&self, behaviour: Behaviour) {
        self.simulator.controls.set(behaviour);
    }

    /// The answer to a post with the token of OpenCRVS.
    async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        answer(&self.gateway, path, Some(&caller_token()), &body.to_string()).await
    }

    /// Posts a registration that has to be taken.
    async fn taken(&self, path: &str, body: &Value) {
        assert_eq!(self.post(path, body).await, (202, "{}".to_owned()), "{body}");
    }

    /// All events once they are done, as packets at MOSIP, in the order in which they were taken.
    async fn packets(&self, count: usize) -> Vec<Packet> {
        let ids = self.gateway.ids("").await;
        assert_eq!(ids.len(), count, "{ids:?}");
        for id in &ids {
            self.gateway.event_in(id, "done").await;
        }
        let record = self.simulator.history.record();
        let packet = |id: &String| record.packets.iter().find(|packet| packet.id == *id).unwrap().clone();
        ids.iter().map(packet).collect()
    }
}

/// The status and the body that `gateway` answers a post to `path` of its plain API's listener with.
async fn answer(gateway: &Running, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let reply = post(&gateway.api, gateway, path, token, body).await;
    (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
}

async fn post(address: &str, gateway: &Running, path: &str, token: Option<&str>, body: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    gateway.request(Method::POST, format!("http://{address}{path}"), headers, body).await
}

/// A birth as the country configuration makes it: members, their order and their forms are those that its client was seen to post.
fn birth(number: &str) -> Value {
    let in_english = |value: &str| json!([{ "language": "eng", "value": value }]).to_string();
    json!({
        "trackingId": format!("T{number}"),
        "notification": {
            "recipientFullName": "Amina Okoro", "recipientEmail": "amina@example.org", "recipientPhone": "0711111111",
        },
        "requestFields": {
            "birthCertificateNumber": number,
            "fullName": in_english("Ada Okoro"),
            "dateOfBirth": "2026/10/30",
            "gender": in_english("Female"),
            "addressLine1": in_english("4 Harbour Street"),
            "IDSchemaVersion": 3.101,
            "postalCode": "14022",
            "preferredLang": "English",
        },
        "metaInfo": {
            "metaData": [{ "label": "registrationType", "value": "NEW" }, { "label": "machineId", "value": "10234" }],
            "registrationId": "10123102340000120261030091244",
            "operationsData": [{ "label": "officerId", "value": "110024" }],
            "capturedRegisteredDevices": [],
            "creationDate": "2026-11-03T09:12:44.871Z",
        },
        "audit": {
            "uuid": "75367f14-18ac-4ca6-9a1e-2d8ed2f1f4bd",
            "createdAt": "2026-11-03T09:12:44.871Z",
            "eventId": "REG-EVT-066",
            "eventName": "PACKET_CREATION_SUCCESS",
            "eventType": "USER",
            "applicationId": "REG",
            "idType": "REGISTRATION_ID",
            "actionTimeStamp": "2026-11-03T09:12:44.871Z",
        },
    })
}

#[tokio::test]
async fn a_registration_becomes_the_packet_that_mosip_api_makes_of_it() {
    let site = Site::start(&[]).await;
    let mut body = birth("B1");
    site.taken(REGISTRATION, &body).await;
    let [packet] = &site.packets(1).await[..] else { panic!("one packet") };
    assert_eq!((packet.created, packet.processed), (1, 1));
    for (member, wanted) in [
        ("refId", json!("10123_10234")),
        ("offlineMode", json!(false)),
        ("process", json!("CRVS_NEW")),
        ("source", json!("OPENCRVS")),
        ("schemaVersion", json!("0.100")),
        ("fields", body["requestFields"].clone()),
        ("metaInfo", body["metaInfo"].clone()),
        ("audits", json!([body["audit"]])),
    ] {
        assert_eq!(packet.content[member], wanted, "{member}");
    }
    let workflow = packet.workflow.clone().unwrap();
    assert_eq!(
        workflow["notificationInfo"],
        json!({ "name": "Amina Okoro", "phone": "0711111111", "email": "amina@example.org" })
    );
    // A repeat, in the other spelling and with what a later version adds, is the same registration.
    body["somethingNew"] = json!(["x"]);
    body["notification"]["language"] = json!("eng");
    site.taken("/events/registration/?a=b", &body).await;
    site.packets(1).await;
}

#[tokio::test]
async fn a_body_with_both_numbers_is_a_birth_and_a_death_and_all_of_it_is_taken_or_nothing() {
    let site = Site::start(&[]).await;
    let mut both = birth("B1");
    both["requestFields"]["deathCertificateNumber"] = json!("D1");
    site.taken(REGISTRATION, &both).await;
    let packets = site.packets(2).await;
    let processes: Vec<_> =
        packets.iter().map(|packet| packet.content["process"].as_str().unwrap()).collect();
    assert_eq!(processes, ["CRVS_NEW", "CRVS_DEATH"]);
    let numbers = |packet: &Packet| {
        ["birthCertificateNumber", "deathCertificateNumber"]
            .map(|name| packet.content["fields"][name].clone())
    };
    for packet in &packets {
        assert_eq!(numbers(packet), [json!("B1"), json!(null)], "that of a death is no field of MOSIP");
    }

    site.behave(Behaviour { down: true, ..Behaviour::default() });
    site.taken(REGISTRATION, &birth("B2")).await;
    let mut other = birth("B2");
    other["requestFields"]["postalCode"] = json!("1");
    other["requestFields"]["deathCertificateNumber"] = json!("D2");
    let (status, refusal) = site.post(REGISTRATION, &other).await;
    assert_eq!(status, 422, "{refusal}");
    assert!(refusal.contains("/requestFields/birthCertificateNumber: another registration"), "{refusal}");
    assert_eq!(site.gateway.ids("").await.len(), 3, "and no death of D2");
}

#[tokio::test]
async fn a_change_of_a_person_goes_as_an_update() {
    let site = Site::start(&[]).await;
    let fields = json!({ "VID": "8031687218", "fullName": "[]", "introducerInfoToken": "a.b.c" });
    let body = json!({ "trackingId": "T1", "requestFields": fields, "schemaJson": "{}", "metaInfo": {}, "audit": {} });
    for path in [UPDATE, "/events/update-biographics/"] {
        site.taken(path, &body).await;
    }
    let packets = site.packets(1).await;
    assert_eq!(
        (&packets[0].content["process"], &packets[0].content["fields"], &packets[0].content["schemaJson"]),
        (&json!("CRVS_UPDATE"), &fields, &json!("{}"))
    );
}

#[tokio::test]
async fn a_mosip_that_is_away_stops_no_registration() {
    let site = Site::start(&[]).await;
    site.behave(Behaviour { down: true, ..Behaviour::default() });
    for number in ["B1", "B2"] {
        site.taken(REGISTRATION, &birth(number)).await;
    }
    let ids = site.gateway.ids("").await;
    site.gateway.failed_event(&ids[0]).await;
    assert_eq!(site.gateway.readiness().await.0, 200);
    site.behave(Behaviour::default());
    let packets = site.packets(2).await;
    assert!(packets.iter().all(|packet| (packet.created, packet.processed) == (1, 1)), "{packets:?}");
}

#[tokio::test]
async fn a_body_that_cannot_become_a_packet_is_refused_at_its_place_and_nothing_of_it_is_repeated() {
    const LONG: usize = 256;
    let site = Site::start(&[]).await;
    let number = "/requestFields/birthCertificateNumber";
    for (pointer, value) in [
        ("/requestFields", json!(null)),
        ("/requestFields", json!("47110815")),
        ("/requestFields", json!({ "fullName": "47110815" })),
        (number, json!(47_110_815)),
        (number, json!("")),
        (number, json!("47110815".repeat(LONG / 8 + 1))),
        (number, json!("47110815\n")),
        ("/trackingId", json!(47_110_815)),
        ("/trackingId", json!("47110815".repeat(LONG / 8 + 1))),
        ("/eventId", json!({ "47110815": 1 })),
        ("/actionId", json!(["47110815"])),
        ("/notification", json!("47110815")),
        ("/notification/recipientPhone", json!(47_110_815)),
        ("/metaInfo", json!(["47110815"])),
        ("/audit", json!("47110815")),
        ("/schemaJson", json!({ "47110815": "" })),
    ] {
        let mut body = birth("B1");
        match body.pointer_mut(pointer) {
            Some(there) => *there = value,
            None => body[pointer.trim_start_matches('/')] = value,
        }
        let (status, refusal) = site.post(REGISTRATION, &body).await;
        let refusal: Value = serde_json::from_str(&refusal).unwrap();
        assert_eq!((status, refusal.as_object().unwrap().len()), (422, 1), "{pointer}: {refusal}");
        let sentence = refusal["error"].as_str().unwrap();
        assert!(sentence.starts_with(&format!("{pointer}: ")), "{pointer}: {sentence}");
        assert!(!sentence.contains("47110815"), "{sentence}");
    }
    for body in [
        "",
        "{",
        "[]",
        "<html>",
        r#"{"requestFields":{"birthCertificateNumber":"1","birthCertificateNumber":"2"}}"#,
    ] {
        let (status, refusal) = answer(&site.gateway, REGISTRATION, Some(&caller_token()), body).await;
        assert!(status == 422 && refusal.starts_with(r#"{"error":""#), "{body}: {status} {refusal}");
    }
    let (status, refusal) = site.post(UPDATE, &birth("B1")).await;
    assert_eq!(status, 422);
    assert!(refusal.contains("/requestFields/VID: this is missing"), "{refusal}");
    assert!(site.gateway.ids("").await.is_empty());
}

#[tokio::test]
async fn who_brings_no_token_of_opencrvs_learns_nothing_and_leaves_nothing() {
    let site = Site::start(&[]).await;
    for path in [REGISTRATION, UPDATE, "/verify", "/verify/"] {
        for token in [None, Some("a.b.c")] {
            let refused = answer(&site.gateway, path, token, &birth("B1").to_string()).await;
            assert_eq!(refused, (401, r#"{"error":"Unauthorized"}"#.to_owned()), "{path}");
        }
    }
    assert!(site.gateway.ids("").await.is_empty());
}

/// What a country configuration cannot put right is no fault of the registration.
#[tokio::test]
async fn where_no_packet_can_go_a_registration_is_not_called_wrong() {
    let gateway = Running::start(&FACE).await;
    let refused = answer(&gateway, REGISTRATION, Some(&caller_token()), &birth("B1").to_string()).await;
    assert_eq!(refused, (503, r#"{"error":"No upstream URL is set for this kind"}"#.to_owned()));
}

/// Once it is answered, it is on the disk.
#[tokio::test]
async fn a_process_that_dies_after_the_answer_loses_no_registration() {
    let mut site = Site::start(&[]).await;
    site.behave(Behaviour { down: true, ..Behaviour::default() });
    site.taken(REGISTRATION, &birth("B1")).await;
    site.gateway.restart(&[]).await;
    site.behave(Behaviour::default());
    let packets = site.packets(1).await;
    assert_eq!((packets[0].created, packets[0].processed), (1, 1));
}
