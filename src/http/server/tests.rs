use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::Extension;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::config::ServerTls;
use crate::error::Result as Answer;
use crate::http::body;

mod deadlines;
mod tls;

/// Long enough to never pass in a test that does not wait for it.
const AMPLE: Duration = Duration::from_secs(60);
/// Passes in every test that waits for it.
const SHORT: Duration = Duration::from_millis(50);

const PATIENT: Limits =
    Limits { head: AMPLE, idle: AMPLE, write: AMPLE, handshake: AMPLE, connections: 16, drain: AMPLE };

struct Running {
    address: Address,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(address: &Address, tls: Option<&ServerTls>, router: Router, limits: Limits) -> Self {
        let tls = tls.map(|tls| Acceptor::load(tls).unwrap().fixed());
        let server = Server::bind(address, tls).await.unwrap();
        let address = server.local_address().clone();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server.run(router, limits, stopped));
        Self { address, stop, task }
    }

    async fn tcp(router: Router, limits: Limits) -> Self {
        Self::start(&Address::Tcp("127.0.0.1:0".parse().unwrap()), None, router, limits).await
    }

    fn port(&self) -> u16 {
        let Address::Tcp(address) = self.address else { panic!("not over TCP") };
        address.port()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port())).await.unwrap()
    }
}

/// Sends `request` and reads until the server closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn echo(limits: body::Limits) -> Router {
    let handler =
        async move |request: Request| -> Answer<Vec<u8>> { Ok(body::read(request, &limits).await?.to_vec()) };
    Router::new().route("/", post(handler))
}

/// A handler that says when it was entered and answers when it may.
fn gated(entered: mpsc::UnboundedSender<()>, gate: Arc<Notify>) -> Router {
    let handler = async move || {
        entered.send(()).unwrap();
        gate.notified().await;
        "done"
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn a_connection_can_be_broken_without_an_answer_and_the_others_go_on() {
    let break_off =
        async |Extension(hangup): Extension<Hangup>| -> &'static str { match hangup.now().await {} };
    let router = Router::new().route("/", get(async || "here")).route("/broken", get(break_off));
    let server = Running::tcp(router, PATIENT).await;
    let other = server.connect().await;
    let broken = GET.replace("GET /", "GET /broken");
    assert_eq!(exchange(server.connect().await, &broken).await, "");
    assert!(exchange(other, GET).await.ends_with("here"));
}

/// Reads until `end` has come.
async fn read_to(stream: &mut TcpStream, end: &str) {
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed before the end");
    }
}

#[tokio::test]
async fn where_all_places_are_taken_idle_strangers_make_room_and_known_callers_stay() {
    let handler = async |caller: Caller| {
        caller.prove();
        "here"
    };
    let limits = Limits { connections: 2, ..PATIENT };
    let server = Running::tcp(Router::new().route("/", get(handler)), limits).await;
    let mut known = server.connect().await;
    known.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_to(&mut known, "here").await;
    let mut stranger = server.connect().await;
    assert!(exchange(server.connect().await, GET).await.ends_with("here"));
    assert_eq!(stranger.read(&mut [0]).await.unwrap(), 0, "the stranger made room");
    assert!(exchange(known, GET).await.ends_with("here"));
}

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer() {
    let router = Router::new().route(
        "/",
        get(async |Extension(peer): Extension<Peer>| {
            format!("{}", matches!(peer.transport, Transport::Tcp(_)))
        }),
    );
    let server = Running::tcp(router, PATIENT).await;
    let answer = exchange(server.connect().await, GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("true"), "{answer}");
}

#[tokio::test]
async fn a_client_that_stops_inside_the_body_hears_408_and_is_closed() {
    let server = Running::tcp(echo(body::Limits::new(100, SHORT, 100)), PATIENT).await;
    let half = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = exchange(server.connect().await, half).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""code":"timeout""#), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_hears_413_before_it_is_sent() {
    let server = Running::tcp(echo(body::Limits::new(9, AMPLE, 100)), PATIENT).await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
    let answer = exchange(server.connect().await, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_that_grows_too_large_hears_413() {
    let server = Running::tcp(echo(body::Limits::new(9, AMPLE, 100)), PATIENT).await;
    let chunks =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n";
    let answer = exchange(server.connect().await, chunks).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_full_budget_hears_503_with_retry_after() {
    let limits = body::Limits::new(100, AMPLE, 10);
    let server = Running::tcp(echo(limits.clone()), PATIENT).await;
    let request =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789";
    let held = body::read(Request::new(axum::body::Body::from("x")), &limits).await.unwrap();
    let answer = exchange(server.connect().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    drop(held);
    let answer = exchange(server.connect().await, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("0123456789"), "{answer}");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let server = Running::tcp(Router::new(), PATIENT).await;
    let answer = exchange(server.connect().await, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.starts_with("HTTP/2"), "{answer}");
}

#[tokio::test]
async fn draining_answers_open_requests_and_refuses_new_connections() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let server = Running::tcp(gated(entered, Arc::clone(&gate)), PATIENT).await;
    let open = tokio::spawn(exchange(server.connect().await, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    entries.recv().await.unwrap();
    server.stop.send(true).unwrap();
    while TcpStream::connect(("127.0.0.1", server.port())).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished(), "the open request was cut");
    gate.notify_one();
    let answer = open.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let server = Running::tcp(gated(entered, Arc::default()), Limits { drain: SHORT, ..PATIENT }).await;
    let open = tokio::spawn(exchange(server.connect().await, GET));
    entries.recv().await.unwrap();
    server.stop.send(true).unwrap();
    server.task.await.unwrap();
    assert_eq!(open.await.unwrap(), "");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let server = Running::tcp(Router::new(), PATIENT).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    server.stop.send(true).unwrap();
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_lost_shutdown_sender_stops_the_server() {
    let server = Running::tcp(Router::new(), PATIENT).await;
    drop(server.stop);
    server.task.await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let handler = async move || {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        now.fetch_sub(1, Ordering::SeqCst);
    };
    let limits = Limits { connections: 2, ..PATIENT };
    let server = Running::tcp(Router::new().route("/", get(handler)), limits).await;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        calls.spawn(exchange(server.connect().await, GET));
    }
    for answer in calls.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_unix_socket_is_served_for_owner_and_group_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let router = Router::new()
        .route("/", get(async |Extension(peer): Extension<Peer>| format!("{:?}", peer.transport)));
    let server = Running::start(&Address::Unix(path.clone()), None, router, PATIENT).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let answer = exchange(UnixStream::connect(&path).await.unwrap(), GET).await;
    assert!(answer.ends_with("Unix"), "{answer}");
    server.stop.send(true).unwrap();
    server.task.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    Server::bind(&Address::Unix(path), None).await.unwrap();
}

#[tokio::test]
async fn a_socket_that_is_served_and_a_file_that_is_none_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (live, file) = (folder.path().join("live.sock"), folder.path().join("file"));
    let _live = std::os::unix::net::UnixListener::bind(&live).unwrap();
    std::fs::write(&file, "precious").unwrap();
    for (path, what) in [(&live, "another process"), (&file, "not a socket")] {
        let error = Server::bind(&Address::Unix(path.clone()), None).await.err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains(what), "{error}");
        assert!(path.exists());
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(&Address::Tcp(address), None).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[tokio::test]
async fn a_head_is_refused_beyond_its_limit_though_a_body_may_come_in_larger_pieces() {
    let running = Running::tcp(Router::new().route("/", get(async || "done")), PATIENT).await;
    let filled = |end: &str| {
        let begin = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-filled: ";
        format!("{begin}{}{end}", "x".repeat(HEAD - begin.len() - end.len()))
    };
    // The second one would go on.
    for (end, status) in [("\r\n\r\n", "200"), ("", "431")] {
        let answer = exchange(running.connect().await, &filled(end)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
