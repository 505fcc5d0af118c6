//! What hostile and broken callers put on the wire, byte for byte: the problem of `docs/api.md`, within the deadline, and the gateway
//! goes on answering.

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::mosip::caller_token;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `listen.body_limit` in these tests, bytes.
const BODY_LIMIT: usize = 64 << 10;

async fn gateway() -> Running {
    Running::start(&[("LISTEN__BODY_LIMIT", "64KiB"), ("LISTEN__REQUEST_DEADLINE", "1s")]).await
}

/// A `POST` with `headers` (each ended by a line break) and `body` behind them, as they are.
fn post(route: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {route} HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
}

/// A well-formed `POST` of JSON.
fn json_post(route: &str, body: &str) -> Vec<u8> {
    post(route, &format!("{LOCAL}{JSON}Content-Length: {}\r\n", body.len()), body)
}

const LOCAL: &str = "Host: localhost\r\nConnection: close\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// Sends `bytes` and reads until the gateway closes: every answer that it gave.
async fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let send = async {
        // It may have heard enough, and closed, before all is sent.
        let _ = writer.write_all(bytes).await;
    };
    let receive = async {
        let mut answer = Vec::new();
        // A close with bytes of ours unread is a reset; what was answered before it counts.
        while let Ok(1..) = reader.read_buf(&mut answer).await {}
        String::from_utf8(answer).unwrap()
    };
    tokio::join!(send, receive).1
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map_or(0, |code| code.parse().unwrap())
}

/// The problem that `answer` is, if it is one.
fn problem(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    match head.contains("content-type: application/problem+json") {
        true => serde_json::from_str(body).unwrap(),
        false => Value::Null,
    }
}

async fn assert_problem(gateway: &Running, request: &[u8], expected: (u16, &str), why: &str) -> Value {
    let answer = exchange(&gateway.api, request).await;
    let problem = problem(&answer);
    assert_eq!(
        (status(&answer), problem["status"].as_u64(), problem["code"].as_str()),
        (expected.0, Some(u64::from(expected.0)), Some(expected.1)),
        "{why}: {answer}"
    );
    problem
}

async fn assert_lives(gateway: &Running) {
    let answer = exchange(&gateway.api, format!("GET /v1/keys HTTP/1.1\r\n{LOCAL}\r\n").as_bytes()).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn a_body_that_is_not_what_the_route_reads_is_malformed_or_names_the_field() {
    let gateway = gateway().await;
    let not_an_event = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[{"entry":[]}]}}"#;
    let no_topic = BIRTH.replace("topic", "tropic");
    let no_task = BIRTH.replace("\"Task\"", "\"Tusk\"");
    let depth = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let twice = BIRTH.replacen('{', r#"{"event":{},"#, 1);
    let depth_inside = format!(r#"{{"ignored":{depth}}}"#);
    let cases = [
        ("/v1/open", "", (400, "malformed"), Value::Null),
        ("/v1/open", r#"{"data":"AAAA""#, (400, "malformed"), Value::Null),
        ("/v1/open", "\u{feff}{}", (400, "malformed"), Value::Null),
        ("/v1/open", r#"["AAAA",null,null,null]"#, (422, "field"), json!("")),
        ("/v1/open", &depth, (400, "malformed"), Value::Null),
        ("/v1/open", r#"{"data":"AAAA","data":"BBBB"}"#, (400, "malformed"), Value::Null),
        ("/v1/open", r#"{"data":7}"#, (422, "field"), json!("/data")),
        ("/v1/open", r#"{"from":"mosip"}"#, (422, "field"), json!("/data")),
        ("/v1/open", r#"{"data":"AAAA","date":"AAAA"}"#, (422, "field"), json!("")),
        ("/v1/open", r#"{"data":"AAAA","aad":"?","from":"mosip"}"#, (422, "field"), json!("/aad")),
        ("/v1/open", r#"{"data":"AAAA","over":"both","from":"mosip"}"#, (422, "field"), json!("/over")),
        ("/v1/open", r#"{"data":"AAAA","from":"nobody"}"#, (422, "field"), json!("/from")),
        ("/v1/verify", r#"{"token":"a.b.c","from":"nobody"}"#, (422, "field"), json!("/from")),
        ("/v1/seal?to=nobody", "", (422, "field"), json!("to")),
        ("/v1/seal?to=mosip&key=nobody", "", (422, "field"), json!("key")),
        ("/v1/open", r#"{"data":"a.b.c.d.e","from":"mosip"}"#, (400, "malformed"), Value::Null),
        ("/v1/verify", r#"{"token":"a.b.c","from":"mosip"}"#, (400, "malformed"), Value::Null),
        ("/v1/events/birth", "{", (400, "malformed"), Value::Null),
        ("/v1/events/birth", r#"[{"hub":{"topic":"BIRTH_REGISTERED"}}]"#, (422, "field"), json!("")),
        ("/v1/events/birth", &depth, (400, "malformed"), Value::Null),
        ("/v1/events/birth", &depth_inside, (400, "malformed"), Value::Null),
        ("/v1/events/birth", &twice, (400, "malformed"), Value::Null),
        ("/v1/events/birth", "{}", (422, "field"), json!("/event")),
        ("/v1/events/birth", not_an_event, (422, "field"), json!("/event/context/0/entry")),
        ("/v1/events/birth", &no_topic, (422, "field"), json!("/event/hub/topic")),
        ("/v1/events/death", BIRTH, (422, "field"), json!("/event/hub/topic")),
        ("/v1/events/birth", &no_task, (422, "field"), json!("/event/context/0/entry")),
        ("/v1/events/birth-correction", BIRTH, (422, "kind-not-configured"), Value::Null),
        ("/v1/events/marriage", "{}", (404, "not-found"), Value::Null),
    ];
    for (route, body, expected, pointer) in cases {
        let problem = assert_problem(&gateway, &json_post(route, body), expected, route).await;
        assert_eq!((&problem["fault"], &problem["pointer"]), (&json!("caller"), &pointer), "{route}");
    }
    assert!(gateway.ids("").await.is_empty(), "something of that was stored");
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn an_event_of_60_mib_is_too_large_and_nothing_of_it_is_stored() {
    let gateway = Running::start(&[]).await;
    let megabyte = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let announced = format!("{LOCAL}{JSON}Content-Length: {}\r\n", 60 << 20);
    let chunked = format!("{LOCAL}{JSON}Transfer-Encoding: chunked\r\n");
    for (why, request) in [
        ("announced", post("/v1/events/birth", &announced, BIRTH)),
        ("chunked", post("/v1/events/birth", &chunked, &megabyte.repeat(60))),
    ] {
        assert_problem(&gateway, &request, (413, "too-large"), why).await;
    }
    assert!(gateway.ids("").await.is_empty());
}

#[tokio::test]
async fn two_peers_of_which_one_did_not_load_are_not_an_only_peer() {
    let two = EXAMPLE.replace("peers = [", "peers = [{ name = \"other\", file = \"absent.crt\" }, ");
    let gateway = Running::start_under(&two, &[]).await;
    let request = json_post("/v1/open", r#"{"data":"AAAA"}"#);
    let problem = assert_problem(&gateway, &request, (422, "field"), "no from").await;
    assert_eq!(problem["pointer"], "/from");
    let request = json_post("/v1/open", r#"{"data":"AAAA","from":"other"}"#);
    assert_problem(&gateway, &request, (503, "keys"), "configured and not loaded").await;
}

#[tokio::test]
async fn an_event_that_is_not_text_is_malformed() {
    let gateway = gateway().await;
    let mut request = json_post("/v1/events/birth", "{\"a\":\"..\"}");
    let at = request.len() - 4;
    request[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    assert_problem(&gateway, &request, (400, "malformed"), "not UTF-8").await;
}

#[tokio::test]
async fn a_body_that_is_compressed_is_refused_whatever_is_in_it() {
    let gateway = gateway().await;
    for (route, kind) in [
        ("/v1/events/birth", JSON),
        ("/v1/open", JSON),
        ("/authtoken/json", JSON),
        ("/authtoken/csv", "Content-Type: multipart/form-data; boundary=line\r\n"),
        ("/v1/seal?to=mosip", ""),
        ("/v1/sign?form=jws", ""),
    ] {
        for coding in ["gzip", "identity, br"] {
            let headers =
                format!("{LOCAL}{kind}Content-Encoding: {coding}\r\nContent-Length: {}\r\n", BIRTH.len());
            let problem =
                assert_problem(&gateway, &post(route, &headers, BIRTH), (415, "media-type"), route).await;
            assert!(problem["advice"].as_str().unwrap().contains("Content-Encoding"), "{problem}");
        }
    }
    let plain = format!("{LOCAL}{JSON}Content-Encoding: identity\r\nContent-Length: {}\r\n", BIRTH.len());
    let answer = exchange(&gateway.api, &post("/v1/events/birth", &plain, BIRTH)).await;
    assert_eq!(status(&answer), 202, "{answer}");
}

#[tokio::test]
async fn two_idempotency_keys_are_refused_and_nothing_is_stored() {
    let gateway = gateway().await;
    for keys in
        ["Idempotency-Key: a\r\nIdempotency-Key: b\r\n", "Idempotency-Key: a\r\nidempotency-key: a\r\n"]
    {
        let headers = format!("{LOCAL}{JSON}{keys}Content-Length: {}\r\n", BIRTH.len());
        assert_problem(&gateway, &post("/v1/events/birth", &headers, BIRTH), (400, "malformed"), keys).await;
    }
    assert_eq!(gateway.ids("").await, [""; 0]);
}

#[tokio::test]
async fn an_event_that_is_nested_too_deep_is_malformed_and_a_lone_surrogate_is_taken() {
    let gateway = gateway().await;
    let with = |value: &str| BIRTH.replacen("\"resource\":", &format!("\"note\":{value},\"resource\":"), 1);
    let deep = with(&("[".repeat(128) + &"]".repeat(128)));
    assert_ne!(deep, BIRTH);
    let problem =
        assert_problem(&gateway, &json_post("/v1/events/birth", &deep), (400, "malformed"), "deep").await;
    assert!(problem["detail"].as_str().unwrap().contains("deeper than 128 levels"), "{problem}");
    let answer = exchange(&gateway.api, &json_post("/v1/events/birth", &with(r#""\ud83d""#))).await;
    assert_eq!(status(&answer), 202, "{answer}");
}

#[tokio::test]
async fn a_request_in_the_wrong_form_is_refused_by_name() {
    let gateway = gateway().await;
    let body = r#"{"data":"AAAA"}"#;
    let length = format!("Content-Length: {}\r\n", body.len());
    let cases = [
        ("a form", "/v1/open", format!("{LOCAL}{length}Content-Type: text/plain\r\n"), (415, "media-type")),
        ("no type", "/v1/events/birth", format!("{LOCAL}{length}"), (415, "media-type")),
        ("no route", "/v1/opem", format!("{LOCAL}{JSON}{length}"), (404, "not-found")),
        ("no such method", "/v1/keys", format!("{LOCAL}{JSON}{length}"), (405, "method-not-allowed")),
        ("no host", "/v1/open", format!("Connection: close\r\n{JSON}{length}"), (403, "forbidden")),
        (
            "a rebound host",
            "/v1/open",
            format!("Host: gateway.attacker.example\r\nConnection: close\r\n{JSON}{length}"),
            (403, "forbidden"),
        ),
        (
            "two hosts",
            "/v1/open",
            format!("{LOCAL}Host: attacker.example\r\n{JSON}{length}"),
            (403, "forbidden"),
        ),
        (
            "another site's page",
            "/v1/open",
            format!("{LOCAL}{JSON}{length}Origin: https://attacker.example\r\n"),
            (403, "forbidden"),
        ),
        (
            "a page without an origin",
            "/v1/open",
            format!("{LOCAL}{JSON}{length}Sec-Fetch-Site: cross-site\r\n"),
            (403, "forbidden"),
        ),
    ];
    for (why, route, headers, expected) in cases {
        assert_problem(&gateway, &post(route, &headers, body), expected, why).await;
    }
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large_announced_or_not() {
    let gateway = gateway().await;
    let announced = format!("{LOCAL}{JSON}Content-Length: {}\r\n", BODY_LIMIT + 1);
    let endless = format!("{LOCAL}{JSON}Content-Length: {}\r\n", u64::MAX / 2);
    let chunk = format!("{:x}\r\n{}\r\n", BODY_LIMIT + 1, " ".repeat(BODY_LIMIT + 1));
    let chunked = format!("{LOCAL}{JSON}Transfer-Encoding: chunked\r\n");
    for route in ["/v1/open", "/v1/verify", "/v1/events/birth", "/v1/seal?to=mosip", "/v1/sign?form=jws"] {
        for (why, request) in [
            ("announced", post(route, &announced, "")),
            ("announced without end", post(route, &endless, "")),
            ("chunked", post(route, &chunked, &chunk)),
        ] {
            assert_problem(&gateway, &request, (413, "too-large"), &format!("{route} {why}")).await;
        }
    }
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn a_slow_client_is_answered_or_closed_at_the_deadline() {
    let gateway = gateway().await;
    let half = json_post("/v1/open", r#"{"data":"AAAA"}"#);
    let half = &half[..half.len() - 5];
    let chunked =
        post("/v1/open", &format!("{LOCAL}{JSON}Transfer-Encoding: chunked\r\n"), "5\r\n{\"dat\r\n");
    let (body, chunks, head, nothing) = tokio::join!(
        exchange(&gateway.api, half),
        exchange(&gateway.api, &chunked),
        exchange(&gateway.api, b"POST /v1/open HTTP/1.1\r\nHost: loc"),
        exchange(&gateway.api, b""),
    );
    for answer in [body, chunks] {
        assert_eq!((status(&answer), &problem(&answer)["code"]), (408, &json!("timeout")), "{answer}");
    }
    for answer in [head, nothing] {
        assert!(!answer.contains("200"), "{answer}");
    }
    assert_lives(&gateway).await;
}

/// What is no HTTP/1.1 is refused by hyper; nothing of it may reach a route, and least of all a second reading of one request.
#[tokio::test]
async fn what_is_no_request_reaches_no_route() {
    let gateway = gateway().await;
    let keys = "GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n";
    let cases: [(&str, Vec<u8>); 9] = [
        ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("a line of nothing", b"\r\n\r\n\r\n\0\0\0\0\r\n\r\n".to_vec()),
        ("a header without a name", format!("{keys}: x\r\n\r\n").into_bytes()),
        ("a header that is folded", format!("{keys}X-A: b\r\n c\r\n\r\n").into_bytes()),
        ("a zero in a header", format!("{keys}X-A: \0\r\n\r\n").into_bytes()),
        (
            "two lengths",
            post("/v1/sign?form=jws", "Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "ab"),
        ),
        (
            "a length that is none",
            post("/v1/sign?form=jws", "Host: localhost\r\nContent-Length: +1\r\n", "a"),
        ),
        ("a head beyond the buffer", format!("{keys}X-A: {}\r\n\r\n", "a".repeat(1 << 17)).into_bytes()),
        ("more headers than anybody sends", format!("{keys}{}\r\n", "X-A: b\r\n".repeat(1000)).into_bytes()),
    ];
    for (why, request) in cases {
        let answer = exchange(&gateway.api, &request).await;
        assert!(matches!(status(&answer), 0 | 400 | 431), "{why}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{why}: {answer}");
    }
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn garbage_behind_a_request_costs_neither_its_answer_nor_the_gateway() {
    let gateway = gateway().await;
    let request = "GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answers = exchange(&gateway.api, format!("{request}{request}\0garbage\r\n\r\n").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
    assert_lives(&gateway).await;
}

/// A request that two readers would cut in two ways: what hides in the body is never read as a request.
#[tokio::test]
async fn a_request_is_not_smuggled_in_a_body() {
    let gateway = gateway().await;
    let hidden = "GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let headers = format!(
        "Host: localhost\r\n{JSON}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
        5 + hidden.len()
    );
    let answers = exchange(&gateway.api, &post("/v1/open", &headers, &format!("0\r\n\r\n{hidden}"))).await;
    assert!(!answers.contains("HTTP/1.1 200 "), "{answers}");
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn the_callback_refuses_what_is_too_large_too_slow_or_not_from_a_caller_of_its_own() {
    let gateway = gateway().await;
    let bearer = format!("Authorization: Bearer {}\r\n", caller_token());
    let in_lower_case = |line: &str| line.replace("Bearer", "bearer");
    let in_capitals = |line: &str| line.replace("Bearer", "BEARER");
    let head = |more: &str| post("/birthReceiveNid", &format!("{LOCAL}{JSON}{more}"), "");
    let large = format!("Content-Length: {}\r\n", (6 << 20) + 1);
    let cases = [
        ("large, from a stranger", head(&large), (401, "unauthorized")),
        ("another scheme", head("Authorization: Basic AAAA\r\n"), (401, "unauthorized")),
        ("no token of OpenCRVS", head("Authorization: Bearer a.b.c\r\n"), (401, "unauthorized")),
        ("large", head(&format!("{bearer}{large}")), (413, "too-large")),
        (
            "large, the scheme in lower case",
            head(&format!("{}{large}", in_lower_case(&bearer))),
            (413, "too-large"),
        ),
        (
            "large, the scheme in capitals",
            head(&format!("{}{large}", in_capitals(&bearer))),
            (413, "too-large"),
        ),
        ("slow", head(&format!("{bearer}Content-Length: 9\r\n")), (408, "timeout")),
        ("another route", post("/birthReceiveNidd", LOCAL, ""), (404, "not-found")),
    ];
    for (why, request, expected) in cases {
        let answer = exchange(&gateway.callback, &request).await;
        let problem = problem(&answer);
        assert_eq!(
            (status(&answer), problem["code"].as_str()),
            (expected.0, Some(expected.1)),
            "{why}: {answer}"
        );
    }
    assert_lives(&gateway).await;
}

#[tokio::test]
async fn a_query_on_a_route_that_takes_none_is_refused() {
    let gateway = gateway().await;
    for (method, route) in [
        ("GET", "/v1/keys?name=partner"),
        ("HEAD", "/v1/keys?name=partner"),
        ("POST", "/v1/events/birth?wait=5"),
        ("GET", "/v1/events/none?x="),
        ("POST", "/v1/open?from=mosip"),
    ] {
        let request = format!("{method} {route} HTTP/1.1\r\n{LOCAL}{JSON}Content-Length: 2\r\n\r\n{{}}");
        let answer = exchange(&gateway.api, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 422 "), "{method} {route}: {answer}");
    }
    let request = format!("GET /v1/keys? HTTP/1.1\r\n{LOCAL}\r\n");
    assert!(exchange(&gateway.api, request.as_bytes()).await.starts_with("HTTP/1.1 200 "), "it says nothing");
}
