//! A share that is there, is not there yet, and is something else. No network: what answers is a script.

use serde_json::{Value, json};

use super::super::tests::Home;
use super::*;
use crate::config::TokenKind;
use crate::crypto::secret::SecretBytes;
use crate::destinations::fake::{Script, is_away, is_silent, says};
use crate::ledger::Sender;
use crate::store::memory::Shared;

const PLACE: &str = "https://api.example.org/v1/datashare/";

/// The known message as it is where the policy shares: the sealed credential is elsewhere.
fn shared(address: &str) -> (Bytes, String) {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../../tests/vectors/event.json")).unwrap();
    let mut message = cases.into_iter().find(|case| case["name"] == "good").unwrap()["event"].take();
    let data = message["event"]["data"].as_object_mut().unwrap();
    let sealed = data.remove("credential").unwrap().as_str().unwrap().to_owned();
    message["event"]["dataShareUri"] = json!(address);
    (message.to_string().into(), sealed)
}

fn place() -> Option<Settings> {
    let url: http::Uri = PLACE.parse().unwrap();
    let token = Token {
        url: "https://iam.example.org/token".parse().unwrap(),
        kind: TokenKind::KeycloakClientCredentials,
        client_id: "client".to_owned(),
        client_secret: SecretBytes::new(b"secret".to_vec()),
    };
    Some(Settings { place: DataShare::below(&url).unwrap(), url, token: Some(token) })
}

async fn received(home: &Home, body: Bytes) -> String {
    home.pushes.receive(CREDENTIAL, body, Sender::Known).await.unwrap()
}

/// The code and the words with which the only message is kept.
async fn kept(home: &Home) -> (String, String) {
    let mut kept = home.ledger.quarantined(0).await.unwrap();
    assert_eq!(kept.len(), 1);
    let refusal = kept.remove(0).refusal.unwrap();
    (refusal.code, refusal.detail)
}

#[tokio::test]
async fn a_credential_is_fetched_with_its_token_from_the_one_place_and_delivered() {
    let (body, sealed) = shared(&format!("{PLACE}get/policy/partner/key"));
    let outside = Arc::new(Script::new([says(200, &sealed)]));
    let home = Home::sharing(place(), Arc::clone(&outside));
    let id = received(&home, body).await;
    home.pushes.verify(id).await.unwrap();
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    let delivered = home.ledger.undelivered(0, 10).await.unwrap().0;
    assert_eq!(delivered.len(), 1);
    let sent = outside.sent.lock().unwrap();
    let (token, request) = &sent[0];
    assert_eq!((sent.len(), *token), (1, Some("credentials.data_share.token")));
    assert_eq!(
        (&request.method, request.uri.to_string()),
        (&Method::GET, format!("{PLACE}get/policy/partner/key"))
    );
    assert_eq!(request.max_response, 6 << 20, "MOSIP shares up to 5 MB");
}

#[tokio::test]
async fn what_was_fetched_is_kept_though_it_does_not_verify_and_is_not_fetched_again() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let outside = Arc::new(Script::new([says(200, &sealed.replace(&sealed[..8], "AAAAAAAA"))]));
    let home = Home::sharing(place(), Arc::clone(&outside));
    let id = received(&home, body).await;
    // A second request would panic: the script is at its end.
    for _ in 0..2 {
        assert!(home.pushes.verify(id.clone()).await.is_err());
        let (code, detail) = kept(&home).await;
        assert!(code != "upstream", "{detail}");
    }
    let kept = home.ledger.quarantined(0).await.unwrap().remove(0);
    assert!(kept.bytes > u64::try_from(sealed.len()).unwrap(), "it counts with what it holds now");
}

#[tokio::test]
async fn a_message_that_the_hub_repeats_after_its_share_was_fetched_asks_for_nothing() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let outside = Arc::new(Script::new([says(200, &sealed)]));
    let home = Home::sharing(place(), Arc::clone(&outside));
    let id = received(&home, body.clone()).await;
    home.pushes.verify(id).await.unwrap();
    for _ in 0..2 {
        let id = received(&home, body.clone()).await;
        let push = home.ledger.push(id).await.unwrap();
        home.pushes.0.examine_new(push).await.unwrap();
        assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    }
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 1);
    assert!(home.pushes.0.shares.queue.waiting().is_empty());
}

/// Another message of the hub that names the share of `body`, with `change` made to its event.
fn naming_the_same(body: &[u8], change: impl FnOnce(&mut Value)) -> Bytes {
    let mut message: Value = serde_json::from_slice(body).unwrap();
    change(&mut message["event"]);
    message.to_string().into()
}

#[tokio::test]
async fn a_message_that_repeats_a_delivered_one_in_other_bytes_asks_for_nothing() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    // A further request would panic: MOSIP gives a share once alone.
    let home = Home::sharing(place(), Arc::new(Script::new([is_away(), says(200, &sealed)])));
    let again = |number: u8| naming_the_same(&body, |event| event["repeat"] = json!(number));
    let waiting = received(&home, again(1)).await;
    home.pushes.verify(waiting.clone()).await.unwrap_err();
    let id = received(&home, body.clone()).await;
    home.pushes.verify(id).await.unwrap();
    // What waited for the share, what comes from now on, and what a person has looked at.
    let attempt = home.pushes.0.shares.begin(&waiting).unwrap();
    home.pushes.0.make(attempt).await.unwrap();
    let new = received(&home, again(2)).await;
    let new = home.ledger.push(new).await.unwrap();
    home.pushes.0.examine_new(new).await.unwrap();
    let asked = received(&home, again(3)).await;
    home.pushes.verify(asked).await.unwrap();
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    assert!(home.pushes.0.shares.queue.waiting().is_empty());
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn a_share_that_a_forged_message_used_up_is_there_for_the_genuine_one() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    // A second request would panic: the script is at its end, as MOSIP gives a share once alone.
    let home = Home::sharing(place(), Arc::new(Script::new([says(200, &sealed)])));
    let forged = naming_the_same(&body, |event| event["data"]["proof"]["signature"] = json!("AAAA"));
    let forged = received(&home, forged).await;
    home.pushes.verify(forged.clone()).await.unwrap_err();
    let genuine = received(&home, body).await;
    home.pushes.verify(genuine).await.unwrap();
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 1);
    let kept = home.ledger.quarantined(0).await.unwrap();
    assert_eq!((kept.len(), &kept[0].id), (1, &forged), "the forged one stays for a person");
    assert!(home.pushes.0.shares.queue.waiting().is_empty());
}

#[tokio::test]
async fn a_message_that_waits_for_its_share_outlives_one_that_brings_a_credential_beside_the_address() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let home = Home::sharing(place(), Arc::new(Script::new([is_away(), is_away()])));
    let beside = naming_the_same(&body, |event| event["data"]["credential"] = json!(sealed));
    let waiting = received(&home, body).await;
    home.pushes.verify(waiting.clone()).await.unwrap_err();
    let id = received(&home, beside).await;
    home.pushes.verify(id).await.unwrap();
    let attempt = home.pushes.0.shares.begin(&waiting).unwrap();
    home.pushes.0.make(attempt).await.unwrap_err();
    assert_eq!(kept(&home).await.0, "upstream", "nobody has seen what is in the share");
}

#[tokio::test]
async fn another_message_about_a_share_that_was_delivered_asks_for_it_and_is_kept_with_what_it_repeats() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let outside = Arc::new(Script::new([says(200, &sealed), says(404, ""), says(200, &sealed)]));
    let home = Home::sharing(place(), outside);
    let other = naming_the_same(&body, |event| event["transactionId"] = json!("another-request"));
    let id = received(&home, body).await;
    home.pushes.verify(id).await.unwrap();
    let id = received(&home, other).await;
    assert_eq!(home.pushes.verify(id.clone()).await.unwrap_err().code(), Code::Upstream);
    let refusal = home.ledger.quarantined(0).await.unwrap().remove(0).refusal.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.advice.as_str()), ("upstream", GIVEN_BEFORE));
    // MOSIP may give a share more than once.
    home.pushes.verify(id).await.unwrap();
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 2, "it says something else");
}

#[tokio::test]
async fn the_address_alone_decides_whether_anything_is_called() {
    for address in
        ["https://evil.example/v1/datashare/key", "https://api.example.org/v1/datashare/../key", "key"]
    {
        let home = Home::sharing(place(), Arc::new(Script::new([])));
        let id = received(&home, shared(address).0).await;
        assert_eq!(home.pushes.verify(id.clone()).await.unwrap_err().code(), Code::Field);
        assert_eq!(kept(&home).await.0, "field");
        let push = home.ledger.push(id).await.unwrap();
        home.pushes.0.examine_new(push).await.unwrap();
        assert!(home.pushes.0.shares.next().err().unwrap() > Instant::now(), "nothing waits");
    }
    let home = Home::sharing(None, Arc::new(Script::new([])));
    let id = received(&home, shared(&format!("{PLACE}key")).0).await;
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::Keys);
    assert!(kept(&home).await.1.contains("none is fetched"));
}

#[tokio::test]
async fn what_may_come_later_waits_and_what_is_something_else_is_refused() {
    for (answer, code, waits) in [
        (says(404, ""), "upstream", true),
        (says(200, r#"{"errors":[{"errorCode":"DAT-SER-006"}]}"#), "upstream", true),
        (says(200, "<html>login</html>"), "upstream", true),
        (says(302, ""), "upstream", true),
        (says(503, ""), "upstream", true),
        (says(403, ""), "partner", true),
        (is_away(), "upstream", true),
        (is_silent(), "upstream", true),
        (says(200, "{\"credentialSubject\":{}}"), "malformed", false),
        (
            Box::new(|request: &Request| {
                Ok(Err(SendError::TooLarge { host: "mosip".to_owned(), limit: request.max_response }))
            }),
            "malformed",
            false,
        ),
    ] {
        let home = Home::sharing(place(), Arc::new(Script::new([answer])));
        let id = received(&home, shared(&format!("{PLACE}key")).0).await;
        home.pushes.verify(id.clone()).await.unwrap_err();
        let (found, detail) = kept(&home).await;
        assert_eq!(found, code, "{detail}");
        let advice = home.ledger.quarantined(0).await.unwrap().remove(0).refusal.unwrap().advice;
        let is_named = advice.contains("MOSIP") || advice.contains("URL in the configuration");
        assert!(is_named && !advice.contains("record"), "{detail}: {advice}");
        let is_waiting = home.pushes.0.shares.queue.waiting().contains_key(&id);
        assert_eq!(is_waiting, waits, "{detail}");
    }
}

#[tokio::test]
async fn each_further_attempt_waits_longer_up_to_an_hour() {
    let shares = Shares::new(place(), Arc::new(Script::new([])), Random::seeded(7));
    let error = Error::new(Code::Upstream, "away");
    for attempt in 0..40_u32 {
        let before = Instant::now();
        shares.failed("a", &error);
        let wait = shares.next().err().unwrap() - before;
        let most = FIRST_WAIT.saturating_mul(1 << attempt.min(16)).min(LONGEST_WAIT);
        assert!(wait >= most / 2 && wait <= most + Duration::from_secs(1), "{attempt}: {wait:?}");
    }
    let asked = error.with_retry_after(Some(Duration::from_secs(u64::MAX)));
    let before = Instant::now();
    shares.failed("b", &asked);
    assert!(
        shares.queue.waiting()["b"].due.unwrap() - before <= LONGEST_WAIT + Duration::from_secs(1),
        "clamped"
    );
}

#[tokio::test]
async fn after_a_start_a_share_that_was_not_there_is_fetched_while_other_messages_go_on() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let home = Home::sharing(place(), Arc::new(Script::new([is_away()])));
    let id = received(&home, body).await;
    home.pushes.verify(id).await.unwrap_err();
    // The process ends: what it knew of attempts is gone.
    let outside = Arc::new(Script::new([says(200, &sealed)]));
    let home = home.started_again(place(), outside);
    let keys = home.keys.clone();
    let pushes = home.pushes.clone();
    let running = tokio::spawn(async move { pushes.run(keys).await });
    while home.ledger.undelivered_count().await.unwrap().0 == 0 {
        tokio::task::yield_now().await;
    }
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_share_that_a_gateway_was_to_fetch_which_is_gone_is_fetched_by_another_one() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    let (rows, folder) = (Shared::default(), tempfile::tempdir().unwrap());
    let outside = Arc::new(Script::new([is_away(), says(200, &sealed)]));
    let other = Home::among(&rows, folder.path(), place(), Arc::clone(&outside)).await;
    // As it is kept by the one, which does not live to try again.
    let id = other.ledger.receive(CREDENTIAL, body, Sender::Known).await.unwrap();
    let reason = Error::new(Code::Upstream, "no connection");
    other.ledger.quarantine(id, (&reason).into()).await.unwrap();
    other.is_delivered().await;
    assert!(other.ledger.quarantined(0).await.unwrap().is_empty());
    assert_eq!(outside.sent.lock().unwrap().len(), 2, "it is away at first");
}

#[tokio::test]
async fn a_message_is_fetched_by_one_at_a_time_and_an_attempt_that_is_given_up_is_made_again() {
    let (body, sealed) = shared(&format!("{PLACE}key"));
    // A call more than these would panic.
    let outside = Arc::new(Script::new([is_away(), says(200, &sealed)]));
    let home = Home::sharing(place(), Arc::clone(&outside));
    let id = received(&home, body).await;
    let shares = &home.pushes.0.shares;
    let under_way = shares.begin(&id).unwrap();
    let refused = home.pushes.verify(id.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::StateConflict);
    assert!(refused.advice().contains("/v1/quarantine"), "{}", refused.advice());
    assert!(shares.next().is_err(), "nor by what runs in the background");
    drop(under_way);
    let again = shares.next().ok().unwrap();
    assert_eq!(again.id, id);
    assert_eq!(home.pushes.0.make(again).await.unwrap_err().code(), Code::Upstream);
    home.pushes.verify(id.clone()).await.unwrap();
    assert_eq!(outside.sent.lock().unwrap().len(), 2);
    assert!(shares.queue.waiting().is_empty());
}
