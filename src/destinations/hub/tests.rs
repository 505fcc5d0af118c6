//! What is published, and what the hub's answer means.

use super::*;
use crate::clock::Clock;
use crate::config::{self, token::TokenKind};
use crate::crypto::secret::SecretBytes;
use crate::destinations::drive::drive;
use crate::destinations::fake::{self, Book, Script, is_away, says, work};
use crate::error::Fault;
use crate::keys::{Keyring, Ring};

async fn publish(script: &Script) -> Result<()> {
    let hub_url = Some("https://api.example.org/hub/".parse().unwrap());
    let tools = fake::tools(Keyring::fixed(Ring::default()), Clock::system());
    let token = Some(config::token::Token {
        url: "https://iam.example.org/token".parse().unwrap(),
        kind: TokenKind::KeycloakClientCredentials,
        client_id: "client".to_owned(),
        client_secret: SecretBytes::new(b"secret".to_vec()),
    });
    let settings = Settings { hub_url, token, publish_status: true, ..Settings::default() };
    let steps: Arc<dyn Steps> = Arc::new(Publisher::new(settings, &tools));
    drive(script, &steps, work("c1@hub", STATUS, "{}"), &Book::default()).await.map(drop)
}

#[tokio::test]
async fn the_topic_stands_in_the_query_and_the_token_of_the_hub_goes_with_it() {
    let script = Script::new([says(200, "hub.mode=accepted")]);
    publish(&script).await.unwrap();
    let sent = script.sent.lock().unwrap();
    let (token, request) = &sent[0];
    assert_eq!(*token, Some("websub.token"));
    assert_eq!(
        request.uri.to_string(),
        "https://api.example.org/hub/?hub.mode=publish&hub.topic=CREDENTIAL_STATUS_UPDATE"
    );
    assert_eq!(
        (&request.method, &request.headers["content-type"]),
        (&Method::POST, &"application/json".parse().unwrap())
    );
    assert_eq!(request.body, "{}");
}

#[tokio::test]
async fn a_denial_waits_for_a_person_and_a_hub_that_is_away_for_itself() {
    for (answer, fault) in [
        (says(200, "hub.mode=denied&hub.reason=not+authorized"), Fault::Partner),
        (says(200, "hub.mode=denied&hub.reason=Publisher+has+already+registered"), Fault::Partner),
        (says(401, ""), Fault::Partner),
        (says(200, "<html>login</html>"), Fault::Upstream),
        (says(503, ""), Fault::Upstream),
        (is_away(), Fault::Upstream),
    ] {
        let error = publish(&Script::new([answer])).await.unwrap_err();
        assert_eq!(error.fault(), fault, "{}", error.detail());
    }
}
