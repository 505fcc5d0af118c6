use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::partner::{BRN, COMPOSITION, Partner, START, birth, certificate, event, private_key, vector};
use crate::crypto::base64;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm::{Rs256, Rs512};
use crate::keys::Thumbprint;
use crate::simulator::history::{Push, Record};
use crate::simulator::{Behaviour, envelope};

/// What OpenCRVS's side receives.
struct Receiver {
    url: String,
    posts: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/birthReceiveNid", listener.local_addr().unwrap());
        let (sender, posts) = mpsc::unbounded_channel();
        let receive = post(async move |headers: HeaderMap, body: String| {
            sender.send((headers, serde_json::from_str(&body).unwrap())).unwrap();
        });
        let routes = Router::new().route("/birthReceiveNid", receive);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, posts }
    }
}

async fn wait_for_push(partner: &Partner) -> Push {
    let record = partner.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
    record.pushes[0].clone()
}

/// Opens a push with OpenCRVS's key whatever its thumbprint, and says whether it was random.
fn open(body: &Value) -> (Result<Value, &'static str>, bool) {
    let envelope = base64::decode_url_strict(body["data"].as_str().unwrap().as_bytes()).unwrap();
    let thumbprint = Thumbprint::from_bytes(envelope[6..38].try_into().unwrap());
    let opened = envelope::open(&envelope, &private_key(vector!("partner.key.pem")), Some(&thumbprint));
    let random = thumbprint != certificate(vector!("partner.crt.pem")).thumbprint();
    (
        opened.map(|plaintext| serde_json::from_slice(&plaintext).unwrap()).map_err(|refusal| refusal.code),
        random,
    )
}

fn is_signed_by_mosip(body: &Value, text: &str) -> bool {
    let signature = base64::decode_url_strict(body["signature"].as_str().unwrap().as_bytes()).unwrap();
    let mosip = certificate(vector!("mosip.crt.pem"));
    mosip.public_key().verify(Rs512, &[text.as_bytes()], &signature).is_ok()
}

#[tokio::test]
async fn a_birth_is_answered_with_a_uin_token() {
    let mut receiver = Receiver::start().await;
    let partner = Partner::with_callback(&receiver.url).await;
    partner.send_birth().await;

    let (headers, body) = receiver.posts.recv().await.unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["data", "id", "requestTime", "signature"]);
    assert_eq!((&body["id"], &body["requestTime"]), (&"".into(), &"".into()));
    assert_eq!(headers["content-type"], "application/json");

    let (plaintext, random_thumbprint) = open(&body);
    let plaintext = plaintext.unwrap();
    let uin_token = plaintext["uinToken"].as_str().unwrap();
    assert!(random_thumbprint);
    assert_eq!(plaintext["opencrvsBRN"], BRN);
    assert!(uin_token.len() == 36 && uin_token.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(is_signed_by_mosip(&body, &plaintext.to_string()), "{plaintext}");

    let push = wait_for_push(&partner).await;
    assert_eq!((push.id.as_str(), push.brn.as_str()), (COMPOSITION, BRN));
    assert_eq!((push.uin_token.as_str(), push.status), (uin_token, Some(200)));
}

#[tokio::test]
async fn a_push_bears_an_opencrvs_token() {
    let mut receiver = Receiver::start().await;
    let partner = Partner::with_callback(&receiver.url).await;
    partner.send_birth().await;

    let (headers, _) = receiver.posts.recv().await.unwrap();
    let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let opencrvs = private_key(vector!("issuer.key.pem"));
    let payload = Jws::parse(token).unwrap().verify(opencrvs.public_key(), &[Rs256], None).unwrap();
    let claims: Value = serde_json::from_slice(&payload.bytes).unwrap();
    assert_eq!(claims["iss"], "opencrvs:auth-service");
    assert!(claims["aud"].as_array().unwrap().contains(&"opencrvs:mosip-user".into()));
    assert_eq!(claims["iat"], START.seconds());
    assert!(claims["exp"].as_i64().unwrap() > START.seconds());
    assert!(claims["sub"].is_string());
}

#[tokio::test]
async fn a_repeated_birth_is_pushed_once() {
    let receiver = Receiver::start().await;
    let partner = Partner::with_callback(&receiver.url).await;
    let body = partner.send_birth().await;
    partner.send("birth", &body).await;

    let record = send_and_wait_for_another(&partner).await;
    assert_eq!(record.pushes.iter().filter(|push| push.id == COMPOSITION).count(), 1);
}

#[tokio::test]
async fn a_birth_without_registration_number_is_accepted_and_pushes_nothing() {
    let receiver = Receiver::start().await;
    let partner = Partner::with_callback(&receiver.url).await;
    let mut birth = birth(&[&partner.aid().await]);
    *birth.pointer_mut("/event/context/0/entry/0/resource/identifier").unwrap() = Value::Null;
    assert_eq!(partner.send("birth", &partner.sealed(COMPOSITION, &birth)).await.status, 200);

    let record = send_and_wait_for_another(&partner).await;
    assert!(record.pushes.iter().all(|push| push.id != COMPOSITION));
}

#[tokio::test]
async fn a_push_that_nobody_takes_is_recorded_and_not_repeated() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/birthReceiveNid", closed.local_addr().unwrap());
    drop(closed);
    let partner = Partner::with_callback(&url).await;
    partner.send_birth().await;
    let push = wait_for_push(&partner).await;
    assert_eq!(push.status, None);
    assert!(push.failure.is_some());
}

#[tokio::test]
async fn a_wrong_push_signature_is_over_another_text() {
    let (body, plaintext) =
        hostile_push(Behaviour { wrong_push_signature: true, ..Behaviour::default() }).await;
    assert!(!is_signed_by_mosip(&body, &plaintext.unwrap().to_string()));
}

#[tokio::test]
async fn an_unsigned_push_has_no_signature_member() {
    let (body, plaintext) = hostile_push(Behaviour { unsigned_push: true, ..Behaviour::default() }).await;
    assert!(plaintext.is_ok());
    assert_eq!(body.get("signature"), None);
}

#[tokio::test]
async fn a_push_sealed_to_a_stranger_does_not_open() {
    let (_, plaintext) =
        hostile_push(Behaviour { push_sealed_to_stranger: true, ..Behaviour::default() }).await;
    assert_eq!(plaintext, Err("OPN-CRVS-022"));
}

/// Sends the birth of another composition and waits for its push, which begins after those of the births before it.
async fn send_and_wait_for_another(partner: &Partner) -> Record {
    let other = "66854a75-94c8-47fb-9d00-e8c64cc0e4b3";
    let event = event("BIRTH_REGISTERED", other, &[&partner.aid().await]);
    partner.send("birth", &partner.sealed(other, &event)).await;
    partner.simulator.history.wait_until(|record| record.pushes.iter().any(|push| push.id == other)).await
}

async fn hostile_push(behaviour: Behaviour) -> (Value, Result<Value, &'static str>) {
    let mut receiver = Receiver::start().await;
    let partner = Partner::with_callback(&receiver.url).await;
    partner.simulator.controls.set(behaviour);
    partner.send_birth().await;
    let (_, body) = receiver.posts.recv().await.unwrap();
    let (plaintext, _) = open(&body);
    (body, plaintext)
}
