use std::sync::Arc;

use http::{Uri, header};

use super::super::drive::drive;
use super::super::fake::{Answer, Book, NOW, Script, is_silent, says, tools, work};
use super::super::{Progress, Work};
use super::settings::Confirmation;
use super::*;
use crate::clock::Clock;
use crate::error::{Error, Fault};
use crate::keys::{Keyring, Ring};
use crate::opencrvs::record_token::{KeptToken, RecordToken};

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

const NUMBER: &str = "4961027835190246";
const WAITS: &str = r#"[{"result":{"data":{"json":{"id":"e1","actions":[{"id":"a1","type":"REGISTER","status":"Requested"}]}}}}]"#;
const EMPTY: &str = r#"[{"result":{"data":{"json":{"id":"e1","actions":[]}}}}]"#;
const CONTRADICTED: &str = r#"[{"error":{"json":{"message":"","data":{"code":"BAD_REQUEST"}}}}]"#;

fn core() -> Arc<dyn Steps> {
    Arc::new(core_with(ConfirmWith::Client, Client::default()))
}

fn core_with(with: ConfirmWith, client: Client) -> Opencrvs {
    let confirmation = Confirmation {
        url: Some("https://gateway.example.org/core/".parse().unwrap()),
        with,
        national_id_key: "UIN".to_owned(),
        ..Confirmation::default()
    };
    let (keys, clock) = (Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    Opencrvs::new(Settings { confirmation, client, ..Settings::default() }, &tools(keys, clock))
}

/// The confirmation of a birth whose credential came `ago` seconds ago and brought `numbers`.
fn confirmation(ago: i64, numbers: &str) -> Work {
    let caused_at = NOW.millis() - ago * 1000;
    let payload = format!(
        r#"{{"awaited":"registration","verdict":"accept","transactionId":"t1","eventId":"e1","actionId":null,
        "registrationNumber":"B1","numbers":{numbers},"wantsNumber":true,"causedAt":{caused_at}}}"#
    );
    work("100010000000001@opencrvs", CONFIRM, payload)
}

fn birth() -> Work {
    confirmation(0, &format!(r#"{{"UIN":"{NUMBER}"}}"#))
}

async fn refusal(work: Work, answers: Vec<Answer>) -> (Error, Book) {
    let (outside, book) = (Script::new(answers), Book::default());
    let error = drive(&outside, &core(), work, &book).await.map(drop).unwrap_err();
    (error, book)
}

#[tokio::test]
async fn a_birth_is_looked_up_and_accepted_and_a_crash_between_goes_on_with_the_second_call() {
    let (outside, book) = (Script::new([says(200, WAITS)]), Book::default());
    let unanswered = Script::new([says(200, WAITS), is_silent()]);
    let error = drive(&unanswered, &core(), birth(), &book).await.map(drop).unwrap_err();
    assert_eq!(error.fault(), Fault::Upstream);
    let again = Work { progress: book.progress(Progress::default()), ..birth() };
    drive(&outside, &core(), again, &Book::default()).await.unwrap();
    let lost = unanswered.last_body();
    assert_eq!(outside.last_body(), lost, "a repeat is the same to the byte");
    assert_eq!(
        std::str::from_utf8(&lost).unwrap(),
        format!(
            r#"{{"0":{{"json":{{"transactionId":"t1","eventId":"e1","actionId":"a1","registrationNumber":"B1","declaration":{{"child.nid":"{NUMBER}"}}}}}}}}"#
        )
    );
    assert_eq!(unanswered.paths(), ["/core/events/event.get", "/core/events/event.actions.register.accept"]);
    assert_eq!(outside.paths(), ["/core/events/event.actions.register.accept"]);
}

#[tokio::test]
async fn what_core_refuses_for_what_is_in_it_parks_and_a_retry_looks_it_up_anew() {
    let (error, book) = refusal(birth(), vec![says(200, WAITS), says(400, CONTRADICTED)]).await;
    assert_eq!((error.fault(), error.retryable()), (Fault::Caller, false));
    let retried = Work { progress: book.progress(Progress::default()), ..birth() };
    let outside = Script::new([says(200, WAITS), says(200, WAITS)]);
    drive(&outside, &core(), retried, &Book::default()).await.unwrap();
    assert_eq!(outside.paths()[0], "/core/events/event.get");
}

#[tokio::test]
async fn a_decision_that_core_answers_with_an_error_is_looked_up_anew_before_it_is_made_again() {
    const DECIDED: &str = r#"[{"result":{"data":{"json":{"id":"e1","actions":[{"id":"a1","type":"REGISTER","status":"Requested"},{"id":"a2","type":"REGISTER","status":"Rejected","originalActionId":"a1"}]}}}}]"#;
    let error =
        |code: &str| format!(r#"[{{"error":{{"json":{{"message":"","data":{{"code":"{code}"}}}}}}}}]"#);
    for answer in [
        says(500, &error("INTERNAL_SERVER_ERROR")),
        says(409, &error("CONFLICT")),
        says(200, "<html></html>"),
        says(503, ""),
    ] {
        let (first, book) = refusal(birth(), vec![says(200, WAITS), answer]).await;
        assert_eq!((first.fault(), first.retryable()), (Fault::Upstream, true));
        let again = Work { progress: book.progress(Progress::default()), ..birth() };
        let (second, _) = refusal(again, vec![says(200, DECIDED)]).await;
        assert_eq!(second.upstream().unwrap().code, "rejected-before");
    }
}

#[tokio::test]
async fn nothing_that_waits_is_waited_for_an_hour_and_parks_then() {
    for (ago, fault, retryable) in [(0, Fault::Upstream, true), (3_600, Fault::Caller, false)] {
        let (error, _) = refusal(confirmation(ago, "{}"), vec![says(200, EMPTY)]).await;
        assert_eq!((error.fault(), error.retryable()), (fault, retryable), "{ago}");
        assert_eq!(error.upstream().unwrap().code, "nothing-waits");
    }
}

#[tokio::test]
async fn a_birth_whose_credential_lacks_the_number_parks_and_names_the_setting() {
    let (error, _) = refusal(confirmation(0, r#"{"VID":"4961027835190246"}"#), vec![says(200, WAITS)]).await;
    assert_eq!(error.fault(), Fault::Caller);
    assert!(error.advice().contains("opencrvs.national_id_key") && !format!("{error:?}").contains(NUMBER));
}

#[test]
fn the_token_of_core_is_asked_for_in_a_form_and_each_url_has_a_channel_of_its_own() {
    let confirmation = Confirmation {
        url: Some("https://gateway.example.org".parse().unwrap()),
        with: ConfirmWith::Client,
        ..Confirmation::default()
    };
    let legacy_url = Some("https://countryconfig.example.org/mosip".parse().unwrap());
    let settings = Settings { confirmation, legacy_url, ..Settings::default() };
    let (keys, clock) = (Keyring::fixed(Ring::default()), Clock::fixed(NOW));
    let opencrvs = Opencrvs::new(settings, &tools(keys, clock));
    let kinds: Vec<_> = opencrvs.routes().into_iter().flat_map(|route| route.kinds).collect();
    assert_eq!((kinds, opencrvs.tokens().len()), (vec![LEGACY.to_owned(), CONFIRM.to_owned()], 2));
}

/// By record tokens, with our own client beside them or without.
fn core_by_token(has_client: bool) -> Arc<dyn Steps> {
    // Nothing of it is unset: it is all there.
    let client = if has_client { Client::default() } else { unset() };
    Arc::new(core_with(ConfirmWith::RecordToken, client))
}

fn unset() -> Client {
    Client { unset: vec!["opencrvs.client_id".to_owned()], ..Client::default() }
}

fn token() -> KeptToken {
    KeptToken::Token(RecordToken::new("a.b.c", Some("e1"), Some("a9"), Some(NOW)).unwrap())
}

fn birth_with(record_token: KeptToken) -> Work {
    Work { record_token, ..birth() }
}

const UNAUTHORIZED: &str = r#"[{"error":{"json":{"message":"","data":{"code":"UNAUTHORIZED"}}}}]"#;
const FORBIDDEN: &str = r#"[{"error":{"json":{"message":"","data":{"code":"FORBIDDEN"}}}}]"#;
const NOT_FOUND: &str = r#"[{"error":{"json":{"message":"","data":{"code":"NOT_FOUND"}}}}]"#;

#[tokio::test]
async fn with_a_record_token_the_action_that_it_names_is_accepted_and_nothing_is_read() {
    let outside = Script::new([says(200, WAITS)]);
    drive(&outside, &core_by_token(true), birth_with(token()), &Book::default()).await.unwrap();
    assert_eq!(outside.paths(), ["/core/events/event.actions.register.accept"]);
    assert_eq!(
        std::str::from_utf8(&outside.last_body()).unwrap(),
        format!(
            r#"{{"0":{{"json":{{"transactionId":"t1","eventId":"e1","actionId":"a9","registrationNumber":"B1","declaration":{{"child.nid":"{NUMBER}"}}}}}}}}"#
        )
    );
    let sent = outside.sent.lock().unwrap();
    let (section, request) = sent.first().unwrap();
    let bearer = request.headers.get(header::AUTHORIZATION).unwrap();
    assert!(section.is_none() && bearer == "Bearer a.b.c" && bearer.is_sensitive());
}

#[tokio::test]
async fn a_record_token_that_is_of_no_use_gives_way_to_the_client() {
    for refused in [UNAUTHORIZED, FORBIDDEN] {
        let status = if refused == FORBIDDEN { 403 } else { 401 };
        let (first, book) = (Script::new([says(status, refused), is_silent()]), Book::default());
        let error =
            drive(&first, &core_by_token(true), birth_with(token()), &book).await.map(drop).unwrap_err();
        assert_eq!(error.fault(), Fault::Upstream);
        let again = Work { progress: book.progress(Progress::default()), ..birth_with(token()) };
        let second = Script::new([says(200, WAITS), says(200, WAITS)]);
        drive(&second, &core_by_token(true), again, &Book::default()).await.unwrap();
        assert_eq!(
            second.paths(),
            ["/core/events/event.get", "/core/events/event.actions.register.accept"],
            "after a crash the client goes on"
        );
        assert!(second.sent.lock().unwrap().iter().all(|(section, request)| {
            *section == Some("opencrvs") && !request.headers.contains_key(header::AUTHORIZATION)
        }));
    }
    for kept in [KeptToken::Ended, KeptToken::None] {
        let outside = Script::new([says(200, WAITS), says(200, WAITS)]);
        drive(&outside, &core_by_token(true), birth_with(kept), &Book::default()).await.unwrap();
        assert_eq!(outside.paths()[0], "/core/events/event.get");
    }
}

#[tokio::test]
async fn without_a_client_a_record_token_that_is_of_no_use_parks_and_says_what_to_do() {
    let table = [
        (token(), Some((401, UNAUTHORIZED)), "record-token-expired"),
        (token(), Some((403, FORBIDDEN)), "FORBIDDEN"),
        (KeptToken::Ended, None, "record-token-expired"),
        (KeptToken::None, None, "no-record-token"),
    ];
    for (kept, answer, word) in table {
        let was_called = answer.is_some();
        let outside = Script::new(answer.map(|(status, body)| says(status, body)));
        let outcome = drive(&outside, &core_by_token(false), birth_with(kept), &Book::default()).await;
        let error = outcome.map(drop).unwrap_err();
        assert_eq!((error.fault(), error.retryable()), (Fault::Caller, false), "{word}");
        assert_eq!(error.upstream().unwrap().code, word);
        assert!(error.advice().contains("opencrvs.client_id"), "{}", error.advice());
        assert!(!format!("{error:?}").contains("a.b.c"));
        assert_eq!(error.is_before_call(), !was_called, "{word}: a channel learns of calls alone");
    }
}

#[tokio::test]
async fn a_credential_after_the_record_token_rejected_is_no_missing_token() {
    let outside = Script::new([]);
    let work = birth_with(KeptToken::Rejected);
    let outcome = drive(&outside, &core_by_token(false), work, &Book::default()).await;
    let error = outcome.map(drop).unwrap_err();
    assert_eq!((error.upstream().unwrap().code.as_str(), error.is_before_call()), ("rejected-before", true));
}

#[tokio::test]
async fn an_action_that_core_has_not_stored_yet_is_waited_for_under_a_record_token_too() {
    for (ago, fault, word) in [(0, Fault::Upstream, "nothing-waits"), (3_600, Fault::Caller, "NOT_FOUND")] {
        let numbers = format!(r#"{{"UIN":"{NUMBER}"}}"#);
        let work = Work { record_token: token(), ..confirmation(ago, &numbers) };
        let outside = Script::new([says(404, NOT_FOUND)]);
        let outcome = drive(&outside, &core_by_token(true), work, &Book::default()).await;
        let error = outcome.map(drop).unwrap_err();
        assert_eq!((error.fault(), error.upstream().unwrap().code.as_str()), (fault, word));
    }
}

#[test]
fn record_tokens_alone_ask_for_no_token_of_a_client() {
    assert_eq!(core_with(ConfirmWith::RecordToken, unset()).tokens().len(), 0);
    for (with, client) in [(ConfirmWith::RecordToken, Client::default()), (ConfirmWith::Client, unset())] {
        assert_eq!(core_with(with, client).tokens().len(), 1, "{with:?}");
    }
}
