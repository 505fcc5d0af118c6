//! Callers that have proved nothing: what they send and how many they are costs neither an event of the registry nor its answer.

use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::event::{BIRTH, birth};
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::mosip::caller_token;
use crate::support::patience;
use crate::support::process::Gateway;
use crate::support::webhook::{Post, SHA_SECRET};

/// A signature of nobody.
const FORGED: &str = "sha256=00";
/// What the gateway holds of request bodies in all.
const IN_FLIGHT: usize = 64 << 10;

/// A gateway with both doors that have to read a body before they know who sent it.
async fn gateway(dir: &tempfile::TempDir) -> Running {
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SHA_SECRET).unwrap();
    let secret = secret.to_str().unwrap();
    let text = EXAMPLE.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let set = [
        ("LISTEN__BODY_LIMIT", "64KiB"),
        ("LISTEN__IN_FLIGHT_LIMIT", "64KiB"),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__WEBHOOK_SECRET_FILE", secret),
        ("WEBSUB__SECRET_FILE", secret),
        ("WEBSUB__TOPIC", "opencrvs-partner/CREDENTIAL_ISSUED"),
    ];
    Running::start_under(&text, &set).await
}

#[tokio::test]
async fn bodies_at_the_webhook_face_that_nobody_signed_take_no_room_from_events() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir).await;
    let mut stranger = Post::begin(&gateway.api, Some(FORGED), IN_FLIGHT).await;
    stranger.body(&vec![b' '; IN_FLIGHT - 1]).await;
    patience::until("no room for another stranger", async || {
        let other = Post::send_with(&gateway.api, Some(FORGED), b"{}").await.answer();
        match tokio::time::timeout(Duration::from_millis(100), other).await {
            Err(_) => Ok(()),
            Ok(answer) => Err(answer),
        }
    })
    .await;
    assert_eq!(gateway.post_birth(BIRTH).await.0, 202);
}

#[tokio::test]
async fn bodies_at_the_hubs_callback_that_nobody_signed_take_no_room_from_events_and_known_callers() {
    const LARGEST: usize = 6 << 20;
    let dir = tempfile::tempdir().unwrap();
    let gateway = gateway(&dir).await;
    let mut stranger = TcpStream::connect(&gateway.callback).await.unwrap();
    let head = format!(
        "POST /websub/callback HTTP/1.1\r\nHost: x\r\nX-Hub-Signature: {FORGED}\r\nContent-Length: {LARGEST}\r\n\r\n"
    );
    stranger.write_all(head.as_bytes()).await.unwrap();
    stranger.write_all(&vec![b' '; LARGEST - 1]).await.unwrap();
    patience::until("no room for another stranger", async || {
        let headers = HeaderMap::from_iter([("x-hub-signature".parse().unwrap(), FORGED.parse().unwrap())]);
        let hub = format!("http://{}/websub/callback", gateway.callback);
        match gateway.request(Method::POST, hub, headers, "{}").await.status.as_u16() {
            503 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(gateway.post_birth(&birth("beside-strangers")).await.0, 202);
    assert_eq!(gateway.push("{}").await.status, 200, "its token made it known before its body");
}

#[tokio::test]
async fn connections_of_strangers_leave_files_for_the_registry() {
    let mut gateway = Gateway::new();
    gateway.start_with_files(140);
    gateway.ready().await;
    let mut strangers = Vec::new();
    // Fewer than wait in the backlog of a listener anywhere.
    for _ in 0..125 {
        strangers.push(TcpStream::connect(&gateway.callback).await.unwrap());
    }
    let (status, answer) = gateway.post_event("birth", birth("beside-connections")).await;
    assert_eq!(status, 202, "{answer}");
    let log = gateway.log();
    assert!(!log.contains("a connection cannot be accepted"), "{log}");
}

#[tokio::test]
async fn strangers_who_wait_for_a_key_make_room_for_others() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let jwt = EXAMPLE.lines().find(|line| line.starts_with("opencrvs_jwt")).unwrap();
    let at_url = format!("opencrvs_jwt = {{ url = \"http://{}/key\" }}", silent.local_addr().unwrap());
    let mut gateway = Gateway::new();
    gateway.configure(&EXAMPLE.replace(jwt, &at_url));
    gateway.start_with_files(140);
    gateway.ready().await;
    // It could be OpenCRVS's, were it not for the signature.
    let token = caller_token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let post = format!(
        "POST /birthReceiveNid HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {signed}.{}\r\nContent-Length: 0\r\n\r\n",
        "A".repeat(342)
    );
    let mut strangers = Vec::new();
    for _ in 0..125 {
        let mut stranger = TcpStream::connect(&gateway.callback).await.unwrap();
        stranger.write_all(post.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    let other = begins(&gateway.callback, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    let answered = tokio::time::timeout(Duration::from_secs(6), other).await;
    assert_eq!(
        answered.as_deref(),
        Ok("HTTP/1.1 404"),
        "strangers close the listener while a key does not come"
    );
}

/// What the answer of a listener at `address` begins with.
async fn begins(address: &str, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    connection.read_exact(&mut begin).await.unwrap();
    String::from_utf8_lossy(&begin).into_owned()
}

#[tokio::test]
async fn logins_at_an_esignet_that_hangs_leave_room_for_births() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let mut gateway = Gateway::new();
    // Another key than the one that signs for MOSIP.
    let last = r#"use = ["decrypt"] }]"#;
    let with_key = r#"use = ["decrypt"] }, { name = "esignet", file = "esignet-jwk.txt", use = ["sign"] }]"#;
    let text = EXAMPLE.replace(last, with_key);
    gateway.configure(&format!("{text}\n[esignet]\nissuer = \"{issuer}\"\nkey = \"esignet\"\n"));
    gateway.start_with_files(256);
    gateway.ready().await;
    let login = r#"{"code":"c","clientId":"c","redirectUri":"https://r.example.org/"}"#;
    let post = format!(
        "POST /v1/esignet/userinfo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{login}",
        login.len()
    );
    let api = gateway.api();
    let api = api.trim_start_matches("http://");
    let mut logins = Vec::new();
    for _ in 0..240 {
        let mut login = TcpStream::connect(api).await.unwrap();
        login.write_all(post.as_bytes()).await.unwrap();
        logins.push(login);
    }
    let birth = gateway.post_event("birth", birth("beside-logins"));
    let (status, answer) =
        tokio::time::timeout(Duration::from_secs(6), birth).await.expect("a birth waits for logins");
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test]
async fn strangers_at_a_face_on_the_internal_listener_have_a_rate() {
    const TIMES: usize = 3000;
    let gateway = Running::start_under(
        &format!("{EXAMPLE}\n[faces]\nmosip_api = true\ncors_origin = \"https://r.example.org\"\nopencrvs_jwt = {{ file = \"../keys.example/opencrvs-jwt.pem\" }}\n"),
        &[],
    )
    .await;
    let bad = "POST /esignet/get-oidp-user-info?code=c&state=s HTTP/1.1\r\nHost: x\r\nOrigin: https://r.example.org\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 0\r\n";
    let (mut read, mut write) = TcpStream::connect(&gateway.api).await.unwrap().into_split();
    let requests = format!("{bad}\r\n").repeat(TIMES - 1) + bad + "Connection: close\r\n\r\n";
    let writing = tokio::spawn(async move { write.write_all(requests.as_bytes()).await.map(|()| write) });
    let mut answers = Vec::new();
    read.read_to_end(&mut answers).await.unwrap();
    drop(writing.await.unwrap());
    let answers = String::from_utf8(answers).unwrap();
    let (refused, busy) = (answers.matches("HTTP/1.1 401").count(), answers.matches("HTTP/1.1 503").count());
    assert_eq!(refused + busy, TIMES);
    assert!(busy > 0, "{refused} were looked at");
    assert_eq!(
        answers.matches(r#"{"error":"Too much is in flight"}"#).count(),
        busy,
        "in the form of the face"
    );
    assert_eq!(
        answers.matches("access-control-allow-origin: https://r.example.org").count(),
        TIMES,
        "the page reads it"
    );
}

/// Sends `request` so often over one connection, and reads as many answers.
async fn flood(address: &str, request: &str, times: usize) {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let requests = request.repeat(times);
    let writing = tokio::spawn(async move { write.write_all(requests.as_bytes()).await.map(|()| write) });
    let (mut answers, mut buffer) = (0, vec![0; 1 << 16]);
    while answers < times {
        let read = read.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "closed after {answers} answers");
        // An answer has one of these, and one that falls between two reads only makes the flood a little longer.
        answers +=
            buffer[..read].windows(13).filter(|window| window.eq_ignore_ascii_case(b"x-request-id:")).count();
        if answers + 20 > times {
            break;
        }
    }
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn a_flood_without_a_token_costs_no_genuine_push_and_few_lines() {
    const TIMES: usize = 3000;
    let mut gateway = Gateway::new();
    gateway.start();
    gateway.ready().await;
    let bad = "POST /birthReceiveNid HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 0\r\n\r\n";
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    for request in [bad, nowhere] {
        flood(&gateway.callback, request, TIMES).await;
        gateway.push("{}".to_owned()).await;
    }
    let (status, answer) = gateway.post_event("birth", birth("beside-a-flood")).await;
    assert_eq!(status, 202, "{answer}");
    let refused = gateway.whole_log().lines().filter(|line| line.contains("request refused")).count();
    assert!((1..100).contains(&refused), "{refused} lines");
}

#[tokio::test]
async fn idle_connections_of_strangers_make_room_for_the_one_push_of_a_token() {
    let mut gateway = Gateway::new();
    gateway.start_with_files(140);
    gateway.ready().await;
    let mut strangers = Vec::new();
    for _ in 0..125 {
        strangers.push(TcpStream::connect(&gateway.callback).await.unwrap());
    }
    let pushed = tokio::time::timeout(Duration::from_secs(8), gateway.push("{}".to_owned())).await;
    assert!(pushed.is_ok(), "the push waited until strangers were tired of it");
}
