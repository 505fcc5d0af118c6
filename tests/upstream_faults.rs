//! Whatever MOSIP's side does with an event: a problem that says whose fault it is, in time, and the next event goes through.
//! What the simulator cannot be turned to is done by a server that answers byte for byte.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mosip_gateway::simulator::Knobs;
use serde_json::{Value, json};
use support::gateway::{BIRTH, Running};
use support::mediator::Reserved;
use support::world::{Setup, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ACCEPTANCE: &str = r#"{"response":{"message":"Received"}}"#;

/// Answers whatever it is sent with the same bytes, and closes or falls silent.
struct Fake {
    url: String,
    answer: Arc<Mutex<(Vec<u8>, Then)>>,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Then {
    Closes,
    Hangs,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((Vec::new(), Then::Closes)));
        let requests = Arc::new(AtomicUsize::new(0));
        let fake = Self { url, answer: Arc::clone(&answer), requests: Arc::clone(&requests) };
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                tokio::spawn(async move {
                    take_request(&mut stream).await;
                    requests.fetch_add(1, Ordering::SeqCst);
                    let (bytes, then) = answer.lock().unwrap().clone();
                    // A caller that has heard enough may be gone already.
                    let _ = stream.write_all(&bytes).await;
                    match then {
                        Then::Closes => stream.shutdown().await.unwrap_or_default(),
                        Then::Hangs => std::future::pending().await,
                    }
                });
            }
        });
        fake
    }

    fn answers(&self, bytes: impl Into<Vec<u8>>, then: Then) {
        *self.answer.lock().unwrap() = (bytes.into(), then);
    }

    fn answers_json(&self, status: &str, body: &str) {
        let len = body.len();
        self.answers(
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"),
            Then::Closes,
        );
    }

    /// How many requests came since the last time that this was asked.
    fn take_count(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }
}

/// Reads one request to the end of its body.
async fn take_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return;
            }
        }
        if stream.read_buf(&mut seen).await.unwrap() == 0 {
            return;
        }
    }
}

/// A gateway whose births go to `fake`, and whose tokens and application ids come from the simulator.
async fn with_births_at(fake: &Fake) -> World {
    let set = vec![("UPSTREAM__MEDIATOR__BIRTH", fake.url.as_str()), ("UPSTREAM__MEDIATOR__DEADLINE", "1s")];
    World::start(Setup { set, ..Setup::default() }).await
}

async fn assert_refused(gateway: &Running, status: u16, fault: &str, why: &str) -> Value {
    let (answered, problem) = gateway.post_birth(BIRTH).await;
    assert_eq!(
        (answered, &problem["status"], &problem["fault"], &problem["retryable"]),
        (status, &json!(status), &json!(fault), &json!(true)),
        "{why}: {problem}"
    );
    problem
}

async fn assert_accepted(gateway: &Running) {
    let (status, settled) = gateway.post_birth(BIRTH).await;
    assert_eq!((status, &settled["state"]), (200, &json!("done")), "{settled}");
}

#[tokio::test]
async fn an_answer_that_is_broken_is_upstreams_fault() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    let oversize = vec![b' '; (1 << 20) + 1];
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", oversize.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", oversize.len());
    let cases = [
        ("a body that ends too early", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"resp".to_vec()),
        ("a head that ends too early", b"HTTP/1.1 200 OK\r\nConte".to_vec()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("an announced body beyond the limit", [declared.as_bytes(), &oversize].concat()),
        ("a growing body beyond the limit", [chunked.as_bytes(), &oversize].concat()),
    ];
    for (why, answer) in cases {
        fake.answers(answer, Then::Closes);
        let problem = assert_refused(&world.gateway, 502, "upstream", why).await;
        assert_eq!((&problem["code"], problem.get("upstream")), (&json!("upstream"), None), "{why}");
        assert_eq!(fake.take_count(), 1, "{why}: sent again without being asked");
    }
    fake.answers_json("200 OK", ACCEPTANCE);
    assert_accepted(&world.gateway).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_is_a_504_at_the_deadline() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"resp"] {
        fake.answers(begun, Then::Hangs);
        let problem = assert_refused(&world.gateway, 504, "upstream", begun).await;
        assert_eq!(problem["code"], "upstream");
    }
    fake.answers_json("200 OK", ACCEPTANCE);
    assert_accepted(&world.gateway).await;
}

#[tokio::test]
async fn a_refused_connection_is_upstreams_fault() {
    let nobody = Reserved::new();
    let birth = nobody.url();
    let world =
        World::start(Setup { set: vec![("UPSTREAM__MEDIATOR__BIRTH", &birth)], ..Setup::default() }).await;
    let problem = assert_refused(&world.gateway, 502, "upstream", "refused").await;
    assert!(problem["detail"].as_str().unwrap().contains("refused"), "{problem}");
    assert!(problem["advice"].as_str().unwrap().contains("[upstream]"), "{problem}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (fake, elsewhere) = (Fake::start().await, Fake::start().await);
    let world = with_births_at(&fake).await;
    elsewhere.answers_json("200 OK", ACCEPTANCE);
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let head = format!(
            "HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            elsewhere.url
        );
        fake.answers(head, Then::Closes);
        assert_refused(&world.gateway, 502, "upstream", status).await;
    }
    assert_eq!(elsewhere.take_count(), 0, "an event went where nobody configured");
}

#[tokio::test]
async fn mosips_own_code_and_words_reach_the_caller_whatever_the_status() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    let cases = [
        ("200 OK", "OPN-CRVS-026", "upstream"),
        ("500 Internal Server Error", "OPN-CRVS-010", "upstream"),
        ("400 Bad Request", "OPN-CRVS-022", "upstream"),
        ("200 OK", "KER-KMS-025", "keys"),
        ("403 Forbidden", "OPN-AUT-003", "partner"),
    ];
    for (status, code, fault) in cases {
        let words = json!({"errors": [{"errorCode": code, "errorMessage": "in MOSIP's words"}]});
        fake.answers_json(status, &words.to_string());
        let expected = if fault == "keys" { 503 } else { 502 };
        let problem = assert_refused(&world.gateway, expected, fault, code).await;
        assert_eq!(problem["upstream"], json!({"code": code, "message": "in MOSIP's words"}), "{status}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_again_is_the_partners_fault_after_two_attempts() {
    let fake = Fake::start().await;
    let world = with_births_at(&fake).await;
    fake.answers_json("401 Unauthorized", "{}");
    assert_refused(&world.gateway, 502, "partner", "401").await;
    assert_eq!(fake.take_count(), 2);
    assert_eq!(world.simulator.history.record().tokens_issued, 2);
}

#[tokio::test]
async fn a_token_that_is_not_issued_is_a_problem_and_no_event_goes_without() {
    let fake = Fake::start().await;
    let world = World::start(Setup {
        set: vec![("UPSTREAM__TOKEN__URL", &fake.url), ("UPSTREAM__MEDIATOR__DEADLINE", "1s")],
        ..Setup::default()
    })
    .await;
    let unauthorized = r#"{"error":"unauthorized_client","error_description":"Invalid client"}"#;
    fake.answers_json("401 Unauthorized", unauthorized);
    assert_refused(&world.gateway, 502, "partner", "a wrong secret").await;
    for body in ["<html>login</html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
        fake.answers_json("200 OK", body);
        assert_refused(&world.gateway, 502, "upstream", body).await;
    }
    fake.answers("", Then::Hangs);
    assert_refused(&world.gateway, 504, "upstream", "silence").await;
    let record = world.simulator.history.record();
    assert!(record.accepted.is_empty() && record.refused.is_empty(), "something went without a token");
}

#[tokio::test]
async fn a_wrong_client_secret_is_the_partners_fault_and_put_right_the_event_goes_through() {
    let world = World::start(Setup::default()).await;
    world.simulator.dials.set(Knobs { bad_client_secret: true, ..Knobs::default() });
    let problem = assert_refused(&world.gateway, 502, "partner", "a wrong secret").await;
    assert!(problem["advice"].as_str().unwrap().contains("upstream.token"), "{problem}");
    world.simulator.dials.set(Knobs::default());
    assert_accepted(&world.gateway).await;
}
