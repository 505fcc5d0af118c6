use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use bytes::Bytes;
use http::HeaderMap;

use super::*;
use crate::clock::Timestamp;
use crate::config::{self, TokenKind};
use crate::crypto::secret::SecretBytes;
use crate::destinations::Grant;
use crate::destinations::iam::IamToken;
use crate::destinations::opencrvs::{Client as OpencrvsClient, ClientToken, TokenForm};
use crate::error::Fault;
use crate::keys::Ring;

/// Answers one request for each answer, and gives back what it was sent, head and body.
async fn serve(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0, "half a request");
                request.extend_from_slice(&buffer[..read]);
            }
            seen.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    });
    (base, task)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn answer(status: &str, body: &str) -> String {
    answer_with(status, "", body)
}

fn answer_with(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn token(name: &str) -> String {
    answer("200 OK", &format!(r#"{{"access_token":"{name}","expires_in":600}}"#))
}

fn source(grant: impl Grant + 'static) -> Option<Arc<TokenSource>> {
    Some(Arc::new(TokenSource::new(grant)))
}

fn mosip(base: &str) -> Option<Arc<TokenSource>> {
    let settings = config::Token {
        url: format!("{base}/token").parse().unwrap(),
        kind: TokenKind::KeycloakClientCredentials,
        client_id: "opencrvs".to_owned(),
        client_secret: SecretBytes::new(b"secret".to_vec()),
    };
    source(IamToken::cookie("upstream.token", settings))
}

fn client(base: &str, unset: &[&str]) -> ClientToken {
    let client = OpencrvsClient {
        auth_url: Some(base.parse().unwrap()),
        client_id: Some("id".to_owned()).filter(|_| unset.is_empty()),
        client_secret: Some(SecretBytes::new(b"secret".to_vec())),
        unset: unset.iter().map(|name| (*name).to_owned()).collect(),
    };
    ClientToken { client: Arc::new(client), form: TokenForm::Query, section: "opencrvs" }
}

fn network() -> Network {
    let upstream = config::Upstream {
        roots: None,
        danger_plain_http: false,
        danger_plain_http_hosts: Vec::new(),
        probe_interval: Duration::from_secs(30),
        client: config::ClientCertificates::default(),
    };
    let (client, keys) = (Client::new(&upstream).unwrap(), Keyring::fixed(Ring::default()));
    let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
    Network::new(client, keys, Pool::new(1, 4).unwrap(), clock)
}

fn post(base: &str) -> Request {
    Request {
        method: Method::POST,
        uri: format!("{base}/events").parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"body"),
        deadline: Duration::from_secs(60),
        max_response: 1024,
    }
}

#[tokio::test]
async fn a_401_drops_the_token_and_the_call_goes_once_more_with_a_new_one() {
    let denied = || answer("401 Unauthorized", "");
    let (base, seen) = serve(vec![token("one"), denied(), token("two"), denied()]).await;
    let reply = network().send(mosip(&base), post(&base)).await.unwrap().unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "once");
    let seen = seen.await.unwrap();
    assert!(
        seen[1].contains("cookie: Authorization=one\r\n") && seen[1].ends_with("\r\n\r\nbody"),
        "{}",
        seen[1]
    );
    assert!(
        seen[3].contains("cookie: Authorization=two\r\n") && seen[3].ends_with("\r\n\r\nbody"),
        "{}",
        seen[3]
    );
}

#[tokio::test]
async fn a_token_is_kept_for_the_next_call_and_each_receiver_gets_it_where_it_looks() {
    let fine = || answer("200 OK", "{}");
    let (base, seen) = serve(vec![token("one"), fine(), fine(), token("own"), fine(), fine()]).await;
    let (network, mosip) = (network(), mosip(&base));
    for source in [mosip.clone(), mosip, source(client(&base, &[])), None] {
        network.send(source, post(&base)).await.unwrap().unwrap();
    }
    let seen = seen.await.unwrap();
    assert!(seen[2].contains("cookie: Authorization=one"));
    assert!(seen[3].starts_with("POST /token?client_id=id&client_secret=secret"));
    assert!(seen[4].contains("authorization: Bearer own") && !seen[4].contains("cookie"));
    assert!(!seen[5].contains("cookie") && !seen[5].contains("authorization"), "it wants none");
}

#[tokio::test]
async fn who_gives_tokens_is_heard_about_how_long_to_wait() {
    for of_opencrvs in [false, true] {
        let busy = answer_with("503 Service Unavailable", "Retry-After: 7\r\n", "{}");
        let (base, _seen) = serve(vec![busy]).await;
        let source = if of_opencrvs { source(client(&base, &[])) } else { mosip(&base) };
        let error = network().send(source, post(&base)).await.err().unwrap();
        assert_eq!((error.fault(), error.is_server_error()), (Fault::Upstream, true), "{of_opencrvs}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{of_opencrvs}");
    }
}

#[tokio::test]
async fn an_own_client_that_is_not_set_is_named() {
    let client = client("http://127.0.0.1:9", &["opencrvs.client_id"]);
    let error = network().check_token(&source(client).unwrap()).await.unwrap_err();
    assert!(error.fault() == Fault::Keys && error.detail().contains("opencrvs.client_id"));
}
