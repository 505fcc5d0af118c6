use std::collections::BTreeMap;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tokio::net::{TcpListener, UnixListener};

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);

fn ops() -> Router {
    Router::new()
        .route(READY, get(|| async { "{}" }))
        .route("/down", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
}

fn target(url: &str) -> Result<(Target, String), TargetError> {
    Target::from_url(&url.parse().unwrap())
}

async fn status(target: &Target, path: &str, deadline: Duration) -> Result<StatusCode, SendError> {
    target.ask(Method::GET, path, None, deadline).await.map(|answer| answer.status)
}

fn config(text: &str) -> Config {
    let read = |_: &Path| Ok(Vec::new());
    let config = Config::from_toml(text, Path::new("/run"), &BTreeMap::new(), &read);
    config.unwrap_or_else(|problems| panic!("{problems}"))
}

fn configured(text: &str) -> Result<Target, TargetError> {
    Target::ops(&config(text), None)
}

#[tokio::test]
async fn the_status_over_tcp_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, ops()).await });
    for (path, wanted) in [("", 200), ("/readyz", 200), ("/down", 503), ("/nothing", 404)] {
        let (target, path) = target(&format!("http://{address}{path}")).unwrap();
        assert_eq!(status(&target, &path, DEADLINE).await.unwrap(), wanted, "{path}");
    }
}

#[tokio::test]
async fn the_status_over_a_unix_socket_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { axum::serve(listener, ops()).await });
    let target = configured(&format!("listen.ops = \"unix:{}\"", path.display())).unwrap();
    assert_eq!(status(&target, READY, DEADLINE).await.unwrap(), 200);
}

#[tokio::test]
async fn nobody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let target = configured(&format!("listen.ops = \"unix:{}/none.sock\"", folder.path().display())).unwrap();
    assert!(matches!(status(&target, READY, DEADLINE).await, Err(SendError::NotSent { .. })));
}

#[tokio::test]
async fn who_speaks_no_http_is_no_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (target, _) = target(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0\r\n").await
    });
    // What comes before the request is read before it leaves, or after.
    let answer = status(&target, READY, DEADLINE).await;
    assert!(matches!(answer, Err(SendError::NotSent { .. } | SendError::Broken { .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_runs_into_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (target, _) = target(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    assert!(matches!(status(&target, READY, DEADLINE).await, Err(SendError::Timeout { .. })));
    drop(listener);
}

#[test]
fn a_listener_on_all_addresses_is_asked_on_the_loopback() {
    let shown = |text: &str| configured(text).unwrap().to_string();
    assert_eq!(shown("listen.ops = \"0.0.0.0:4548\""), "127.0.0.1:4548");
    assert_eq!(shown("listen.ops = \"[::]:4548\""), "[::1]:4548");
    assert_eq!(shown(""), "127.0.0.1:4548");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    assert_eq!(target("https://127.0.0.1:4548").unwrap_err(), TargetError::NotHttp);
    assert_eq!(target("/readyz").unwrap_err(), TargetError::NotHttp);
    let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tls = format!("[internal]\ntls = {{ cert = \"{no_certificate}\", key = \"{no_certificate}\" }}");
    let refused = Target::internal(&config(&tls), None).unwrap_err().to_string();
    assert_eq!(refused, format!("{no_certificate}: this holds no certificate in PEM"));
}
