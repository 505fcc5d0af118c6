//! The hub calls back where `mosip-api` stood.

use super::*;
use crate::support::gateway::HUB_SECRET;
use crate::support::port::Port;
use crate::support::world::{Hub, Setup, World};
use crate::websub::{hub_until, is_subscribed, sign};

/// A gateway that is called back at its face, and where that stands.
async fn world(behaviour: Behaviour) -> (World, String, Port) {
    let port = Port::hold();
    let faces = port.address();
    let callback = format!("http://{faces}{}", Hub::CALLBACK);
    let mut set: Vec<(&str, &str)> =
        vec![("FACES__LISTEN", faces.as_str()), ("WEBSUB__CALLBACK_URL", &callback)];
    set.extend(FACE);
    let behaviour = Behaviour { hub_retry_ms: 1, ..behaviour };
    let world = World::start(Setup { hub: true, packets: true, behaviour, set, ..Setup::default() }).await;
    (world, faces, port)
}

async fn call(world: &World, url: &str, signature: Option<&str>, body: &str) -> (u16, String) {
    let mut headers = HeaderMap::new();
    if let Some(signature) = signature {
        headers.insert("x-hub-signature", signature.parse().unwrap());
    }
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    let reply = world.gateway.request(method, url.to_owned(), headers, body).await;
    (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_registration_is_answered_through_the_face() {
    let (mut world, faces, _port) = world(Behaviour::default()).await;
    hub_until(&world, is_subscribed).await;
    let body = birth("B1").to_string();
    let reply = super::post(&faces, &world.gateway, REGISTRATION, Some(&caller_token()), &body).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (202, &b"{}"[..]));
    let [id] = &world.gateway.ids("").await[..] else { panic!("one event") };
    world.gateway.event_in(id, "done").await;
    world.simulator.hub.publish_result(id, "REJECTED");
    let (_, delivery) = world.mediator.next_of("registration.rejected").await;
    assert_eq!(
        delivery["subject"],
        json!({ "trackingId": "TB1", "brn": "B1", "registrationId": id.as_str() })
    );
    let record = world.simulator.history.record();
    assert!(record.hub_deliveries.iter().all(|delivery| delivery.status == Some(200)), "{record:?}");
}

#[tokio::test]
async fn what_the_hub_signed_is_taken_with_the_receipt_of_mosip_api_and_all_else_is_refused_in_its_form() {
    let (world, faces, _port) = world(Behaviour::default()).await;
    let body = json!({
        "publisher": "CREDENTIAL_SERVICE", "topic": Hub::CREDENTIALS, "publishedOn": "2026-11-28T10:00:00.000Z",
        "event": {
            "id": "1f6c6b4e-3a53-4a0f-8f4c-2f9d1d9f0c11", "transactionId": "5a0c4e0e-0f2b-4f7e-9f0a-0a5c3b2d1e00",
            "type": { "namespace": "mosip", "name": "mosip" }, "timestamp": "2026-11-28T10:00:00.000Z",
            "data": { "registrationId": "10001", "credential": "AAAA", "credentialType": "vercred", "protectionKey": "" },
        },
    })
    .to_string();
    let url = format!("http://{faces}{}", Hub::CALLBACK);
    let wrong = sign("another", &body);
    for signature in [None, Some("sha256=00"), Some(&*wrong)] {
        let refused = call(&world, &url, signature, &body).await;
        assert_eq!(refused, (401, r#"{"error":"Invalid X-Hub-Signature"}"#.to_owned()));
    }
    let good = sign(HUB_SECRET, &body);
    let (status, receipt) = call(&world, &url, Some(&good), &body).await;
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(
        (status, &receipt["event"]),
        (
            200,
            &json!({
                "id": "1f6c6b4e-3a53-4a0f-8f4c-2f9d1d9f0c11", "requestId": "5a0c4e0e-0f2b-4f7e-9f0a-0a5c3b2d1e00",
                "timestamp": "2026-11-28T10:00:00.000Z", "status": "RECEIVED", "url": "",
            })
        )
    );
    let elsewhere = format!("http://{faces}/websub/callback");
    let (status, refusal) = call(&world, &elsewhere, Some(&good), &body).await;
    assert_eq!(status, 404, "the hub has an address of its own: {refusal}");
    let kept = world.gateway.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    assert_eq!(
        kept["messages"].as_array().unwrap().len(),
        1,
        "what does not verify is kept, and once: {kept}"
    );
}

/// As OpenCRVS's mock of MOSIP asks: the challenge alone.
#[tokio::test]
async fn a_challenge_without_a_topic_is_answered_for_requests_of_ours_and_for_no_others() {
    let (world, faces, _port) = world(Behaviour { hub_never_verifies: true, ..Behaviour::default() }).await;
    world.simulator.history.wait_until(|record| record.hub_calls.len() >= 3).await;
    let url = format!("http://{faces}{}?hub.challenge=c-1", Hub::CALLBACK);
    for _ in 0..3 {
        assert_eq!(call(&world, &url, None, "").await, (200, "c-1".to_owned()));
    }
    hub_until(&world, is_subscribed).await;
    let (status, refusal) = call(&world, &url, None, "").await;
    assert_eq!(status, 404, "{refusal}");
    assert!(refusal.starts_with(r#"{"error":""#), "{refusal}");
    let without = format!("http://{faces}{}?hub.mode=subscribe", Hub::CALLBACK);
    assert_eq!(call(&world, &without, None, "").await.0, 404);
}

#[tokio::test]
async fn without_a_secret_of_the_hub_its_callback_is_not_there() {
    let site = Site::start(&[]).await;
    assert_eq!(answer(&site.gateway, "/websub/callback", None, "{}").await.0, 404);
}
