use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::error::{Code, Error};

mod key_exchange;
mod trust;

/// Long enough to never pass in a test that does not wait for it.
const AMPLE: Duration = Duration::from_secs(60);
/// Passes in every test that waits for it.
const SHORT: Duration = Duration::from_millis(50);

fn client(ca_pem: Option<&str>) -> Client {
    Client::new(&settings(ca_pem, false)).unwrap()
}

fn settings(ca_pem: Option<&str>, danger_plain_http: bool) -> config::Upstream {
    config::Upstream {
        roots: ca_pem.map(|pem| config::Roots::Pem(pem.as_bytes().to_vec())),
        danger_plain_http,
        danger_plain_http_hosts: Vec::new(),
        probe_interval: Duration::from_secs(30),
        client: config::ClientCertificates::default(),
    }
}

fn post(url: String) -> Request {
    Request {
        method: Method::POST,
        uri: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"ping"),
        deadline: AMPLE,
        max_response: 1024,
    }
}

/// A server that takes one request and answers with `answer`, byte for byte, then closes. Gives back what it was sent.
async fn serve(answer: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        take_and_answer(stream, answer).await
    });
    (address, task)
}

async fn take_and_answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let seen = take(&mut stream).await;
    stream.write_all(answer).await.unwrap();
    stream.shutdown().await.unwrap();
    seen
}

/// Reads one `post` to its end.
async fn take(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"ping") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the client went away");
    }
    String::from_utf8(seen).unwrap()
}

async fn failure(client: &Client, request: Request) -> SendError {
    client.send(request).await.err().expect("an answer where a failure was due")
}

#[tokio::test]
async fn a_request_goes_out_and_the_answer_comes_back_as_they_are() {
    let (address, server) = serve(b"HTTP/1.1 418 Teapot\r\nX-A: b\r\nContent-Length: 4\r\n\r\npong").await;
    let mut request = post(format!("http://{address}/birth?x=1"));
    request.headers.insert("cookie", "Authorization=t".parse().unwrap());
    let reply = client(None).send(request).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (418, &b"pong"[..]));
    assert_eq!(reply.headers["x-a"], "b");
    let seen = server.await.unwrap();
    assert!(seen.starts_with("POST /birth?x=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("cookie: Authorization=t\r\n") && seen.contains("content-length: 4\r\n"), "{seen}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, _) =
        serve(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    let reply = client(None).send(post(format!("http://{address}/"))).await.unwrap();
    assert_eq!(reply.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = Request { deadline: SHORT, ..post(format!("http://{}/k", listener.local_addr().unwrap())) };
    let failure = failure(&client(None), request).await;
    assert!(matches!(failure, SendError::Timeout { .. }), "{failure}");
    assert!(!failure.is_retry_safe());
    assert_eq!(Error::from(failure).code(), Code::UpstreamTimeout);
}

#[tokio::test]
async fn a_server_that_stops_inside_the_body_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        take(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    let failure =
        failure(&client(None), Request { deadline: SHORT, ..post(format!("http://{address}/")) }).await;
    assert!(matches!(failure, SendError::Timeout { .. }), "{failure}");
    server.abort();
}

/// A TLS handshake that never ends is a connection that was never made.
#[tokio::test]
async fn a_deadline_that_passes_while_connecting_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = Request { deadline: SHORT, ..post(format!("https://{}/", listener.local_addr().unwrap())) };
    let failure = failure(&client(None), request).await;
    assert!(matches!(failure, SendError::NotSent { .. }) && failure.is_retry_safe(), "{failure}");
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = failure(&client(None), post(format!("http://{address}/LICENCE-KEY"))).await;
    assert!(matches!(failure, SendError::NotSent { .. }) && failure.is_retry_safe(), "{failure}");
    let error = Error::from(failure);
    assert_eq!(error.code(), Code::Upstream);
    assert!(error.detail().contains(&address.to_string()) && error.detail().contains("refused"), "{error}");
    assert!(!error.detail().contains("LICENCE"), "{error}");
}

#[tokio::test]
async fn a_connection_that_closes_before_or_inside_the_answer_is_broken() {
    for answer in
        ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "garbage\r\n\r\n"]
    {
        let (address, _) = serve(answer.as_bytes()).await;
        let failure = failure(&client(None), post(format!("http://{address}/"))).await;
        assert!(
            matches!(failure, SendError::Broken { .. }) && !failure.is_retry_safe(),
            "{answer:?}: {failure}"
        );
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let declared = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong";
    let undeclared = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n0\r\n\r\n";
    for answer in [&declared[..], &undeclared[..]] {
        let (address, _) = serve(answer).await;
        let whole =
            client(None).send(Request { max_response: 4, ..post(format!("http://{address}/")) }).await;
        assert_eq!(&whole.unwrap_or_else(|failure| panic!("{failure}")).body[..], b"pong");
        let (address, _) = serve(answer).await;
        let failure =
            failure(&client(None), Request { max_response: 3, ..post(format!("http://{address}/")) }).await;
        assert!(matches!(failure, SendError::TooLarge { limit: 3, .. }), "{failure}");
    }
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    let refused = failure(&client(None), post("http://192.0.2.1:8080/".to_owned())).await;
    assert_eq!(refused, SendError::PlainHttp { host: "192.0.2.1:8080".to_owned() });
    for (url, loopback) in [
        ("http://localhost:1/", true),
        ("http://127.8.9.1/", true),
        ("http://[::1]:4600/", true),
        ("http://localhost.example/", false),
        ("http://127.0.0.1.example/", false),
        ("http://[2001:db8::1]/", false),
    ] {
        assert_eq!(is_loopback(&url.parse().unwrap()), loopback, "{url}");
    }
}

#[tokio::test]
async fn plain_http_goes_further_only_under_danger() {
    let client = Client::new(&settings(None, true)).unwrap();
    let request = Request { deadline: Duration::ZERO, ..post("http://192.0.2.1:8080/".to_owned()) };
    assert!(matches!(failure(&client, request).await, SendError::NotSent { .. }));
}

#[tokio::test]
async fn plain_http_goes_to_the_hosts_that_are_named_and_to_no_other() {
    let named =
        config::Upstream { danger_plain_http_hosts: vec!["192.0.2.1".to_owned()], ..settings(None, false) };
    let client = Client::new(&named).unwrap();
    let request = |url: &str| Request { deadline: Duration::ZERO, ..post(url.to_owned()) };
    assert!(matches!(failure(&client, request("http://192.0.2.1:8080/")).await, SendError::NotSent { .. }));
    assert!(matches!(failure(&client, request("http://192.0.2.2/")).await, SendError::PlainHttp { .. }));
}

#[tokio::test]
async fn interim_answers_without_end_are_cut_off_and_the_connection_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        take(&mut stream).await;
        let mut sent = 0_u64;
        // Ends when the client closes.
        while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.is_ok() {
            sent += 1;
        }
        sent
    });
    let failure = failure(&client(None), post(url)).await;
    assert!(matches!(&failure, SendError::Broken { reason, .. } if reason.contains("interim")), "{failure}");
    assert!(!failure.is_retry_safe(), "the request may have been taken");
    assert!(server.await.unwrap() > 100);
}

#[tokio::test]
async fn a_few_interim_answers_come_before_the_final_one() {
    let (address, server) = serve(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong",
    )
    .await;
    let reply = client(None).send(post(format!("http://{address}/"))).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"pong"[..]));
    server.await.unwrap();
}

#[tokio::test]
async fn interim_answers_do_not_move_the_deadline() {
    let (mut held, listener) = (None, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        take(&mut stream).await;
        stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.unwrap();
        held = Some(stream);
        std::future::pending::<()>().await;
    };
    let client = client(None);
    let asked = failure(&client, Request { deadline: SHORT, ..post(url) });
    tokio::select! {
        () = serve => {}
        failure = asked => assert!(matches!(failure, SendError::Timeout { .. }), "{failure}"),
    }
    drop(held);
}

#[test]
fn retry_after_is_a_number_of_seconds_however_large_and_nothing_else() {
    let reply = |status: StatusCode, value: &'static [u8]| Reply {
        status,
        headers: HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_bytes(value).unwrap())]),
        body: Bytes::new(),
    };
    let error = || Error::new(Code::Partner, "refused");
    for (value, seconds) in [
        (&b"0"[..], Some(0)),
        (b" 120 ", Some(120)),
        (b"99999999999999999999999999", Some(u64::MAX)),
        (b"-1", None),
        (b"+1", None),
        (b"1.5", None),
        (b"", None),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", None),
        (b"\xff", None),
    ] {
        let explained = reply(StatusCode::FORBIDDEN, value).explain(error());
        assert_eq!(explained.retry_after(), seconds.map(Duration::from_secs), "{value:?}");
        assert_eq!((explained.fault(), explained.is_server_error()), (Fault::Partner, false));
    }
}

#[test]
fn a_5xx_says_that_mosip_is_away_whatever_its_body_says_but_a_wrong_signature_stays_one() {
    let reply = |status| Reply { status, headers: HeaderMap::new(), body: Bytes::new() };
    let partner = || Error::new(Code::Partner, "refused").with_upstream("OPN-AUT-005", "");
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
        let error = reply(status).explain(partner());
        assert_eq!(
            (error.fault(), error.retryable(), error.is_server_error()),
            (Fault::Upstream, true, true)
        );
        assert_eq!(error.upstream().unwrap().code, "OPN-AUT-005");
    }
    assert_eq!(reply(StatusCode::BAD_REQUEST).explain(partner()), partner());
    let tampered = Error::new(Code::Tampered, "the reply does not verify");
    assert_eq!(reply(StatusCode::BAD_GATEWAY).explain(tampered).fault(), Fault::Tampered);
}
