use std::sync::Arc;
use std::time::Duration;

use super::super::drive::drive;
use super::super::fake::{Answer, Book, Script, is_silent, says, tools, work};
use super::*;
use crate::error::Fault;
use crate::keys::{Keyring, Ring};
use crate::upstream::SendError;

/// The example of the Standard Webhooks specification.
#[test]
fn the_signature_is_that_of_standard_webhooks() {
    let secret = SecretBytes::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec());
    let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
    let headers = headers(id, body, Some(&secret), Timestamp::from_seconds(1_614_265_330)).unwrap();
    assert_eq!(headers.get("webhook-signature").unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn an_attempt_repeats_the_id_and_signs_the_moment() {
    let secret = SecretBytes::new(b"plain".to_vec());
    let at = |seconds| headers("msg_1", b"{}", Some(&secret), Timestamp::from_seconds(seconds)).unwrap();
    let (first, second) = (at(10), at(20));
    assert_eq!(first.get("webhook-id"), second.get("webhook-id"));
    assert_ne!(first.get("webhook-signature"), second.get("webhook-signature"));
    let unsigned = headers("msg_1", b"{}", None, Timestamp::from_seconds(10)).unwrap();
    assert!(unsigned.get("webhook-signature").is_none());
}

fn delivery(url: Option<&str>) -> Delivery {
    let url = url.map(|url| url.parse().unwrap());
    let (keys, clock) = (Keyring::fixed(Ring::default()), Clock::fixed(Timestamp::from_seconds(10)));
    Delivery::new(Settings { url, ..Settings::default() }, &tools(keys, clock))
}

async fn deliver(answer: Answer) -> (Result<()>, Script) {
    let outside = Script::new([answer]);
    let steps: Arc<dyn Steps> = Arc::new(delivery(Some("http://127.0.0.1:4545/mosip")));
    let outcome =
        drive(&outside, &steps, work("msg_1", "aid.assigned", r#"{"a":1}"#), &Book::default()).await;
    (outcome.map(drop), outside)
}

#[tokio::test]
async fn a_message_is_taken_with_2xx_and_goes_as_it_was_stored() {
    for status in [200, 202, 204] {
        let (outcome, outside) = deliver(says(status, "not json")).await;
        outcome.unwrap();
        let sent = outside.sent.lock().unwrap();
        let (token, request) = sent.first().unwrap();
        assert_eq!((token, request.uri.path(), &request.body[..]), (&None, "/mosip", &br#"{"a":1}"#[..]));
        assert_eq!(request.headers.get("webhook-id").unwrap(), "msg_1");
    }
}

/// Ten transport failures in a row hold every message up; refusals of single messages must not.
#[tokio::test]
async fn a_refused_message_holds_nobody_up_and_an_absent_mediator_does() {
    for (answer, is_about_the_message) in [
        (says(400, ""), true),
        (says(404, ""), true),
        (says(302, ""), true),
        (says(408, ""), false),
        (says(429, ""), false),
        (says(500, ""), false),
        (says(503, ""), false),
        (is_silent(), false),
    ] {
        let error = deliver(answer).await.0.unwrap_err();
        assert_eq!(error.fault(), Fault::Upstream, "{error:?}");
        let counts_for_the_breaker = error.is_server_error() || error.upstream().is_none();
        assert_eq!(counts_for_the_breaker, !is_about_the_message, "{error:?}");
    }
}

#[tokio::test]
async fn how_long_the_mediator_wants_to_be_left_alone_is_heard() {
    let wait = |_: &Request| -> Result<Result<Reply, SendError>> {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        Ok(Ok(Reply { status: StatusCode::TOO_MANY_REQUESTS, headers, body: bytes::Bytes::new() }))
    };
    let error = deliver(Box::new(wait)).await.0.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[test]
fn without_a_url_nothing_is_taken_from_the_queue() {
    assert!(delivery(None).routes().is_empty());
    assert_eq!(
        delivery(Some("http://127.0.0.1:4545/mosip")).routes().first().unwrap().host,
        "127.0.0.1:4545"
    );
}
