use std::sync::Arc;

use super::super::drive::drive;
use super::super::fake::{Answer, Book, NOW, Script, says, tools, work};
use super::*;
use crate::clock::Clock;
use crate::error::Fault;
use crate::keys::{Keyring, Ring};

fn opencrvs(legacy_url: Option<Uri>) -> Opencrvs {
    let (keys, clock) = (Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    Opencrvs::new(Settings { legacy_url, ..Settings::default() }, &tools(keys, clock))
}

async fn post(answer: Answer) -> (Result<()>, Script) {
    let outside = Script::new([answer]);
    let url = "https://countryconfig.example.org/mosip".parse().unwrap();
    let steps: Arc<dyn Steps> = Arc::new(opencrvs(Some(url)));
    let entry = work("c1@legacy-aid", LEGACY, r#"{"BRN":"2022B1","MOSIP_AID":"10001"}"#);
    let outcome = drive(&outside, &steps, entry, &Book::default()).await;
    (outcome.map(drop), outside)
}

#[tokio::test]
async fn the_body_goes_as_it_was_stored_under_a_token_of_opencrvs() {
    let (outcome, outside) = post(says(200, "anything")).await;
    outcome.unwrap();
    let sent = outside.sent.lock().unwrap();
    let (token, request) = sent.first().unwrap();
    assert_eq!(*token, Some("opencrvs"));
    assert_eq!(&request.body[..], br#"{"BRN":"2022B1","MOSIP_AID":"10001"}"#);
    assert_eq!(request.headers.get(header::CONTENT_TYPE).unwrap(), "application/json");
}

#[tokio::test]
async fn what_is_not_taken_has_a_fault() {
    for (status, fault) in
        [(400, Fault::Caller), (401, Fault::Partner), (429, Fault::Upstream), (500, Fault::Upstream)]
    {
        assert_eq!(post(says(status, "")).await.0.unwrap_err().fault(), fault, "{status}");
    }
}

#[test]
fn entries_of_an_earlier_configuration_say_what_is_missing() {
    let opencrvs = opencrvs(None);
    assert!(opencrvs.routes().is_empty());
    let error = opencrvs.next(&work("c1@legacy-aid", LEGACY, "{}")).err().unwrap();
    assert_eq!(error.fault(), Fault::Keys);
}
