//! All that strangers can do at once, beside genuine pushes, posts and probes, none of which fails. `MOSIP_GATEWAY_FLOOD` sets the rounds of
//! genuine traffic; without it there are few of them and few strangers, as fits a test of every change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::event::birth;
use crate::support::mosip::Push;
use crate::support::patience;
use crate::support::process::Gateway;
use crate::support::webhook::SHA_SECRET;

const BAD_TOKEN: &str =
    "POST /birthReceiveNid HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 0\r\n\r\n";
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
/// Requests that are sent before the answers are read.
const AT_ONCE: usize = 50;
/// The soft limit of files that the gateway finds at its start.
const SOFT_LIMIT: u32 = 1_024;

struct Size {
    rounds: usize,
    idle: usize,
    held: usize,
    held_bytes: usize,
}

impl Size {
    fn asked() -> Self {
        match std::env::var("MOSIP_GATEWAY_FLOOD") {
            Ok(rounds) => {
                Self { rounds: rounds.parse().unwrap(), idle: 1_100, held: 66, held_bytes: 4 << 20 }
            }
            Err(_) => Self { rounds: 15, idle: 200, held: 8, held_bytes: 1 << 20 },
        }
    }
}

/// What strangers did.
#[derive(Default)]
struct Counts {
    answers: AtomicU64,
    connections: AtomicU64,
    bodies: AtomicU64,
}

/// Sends `request` at full speed, over one connection after the other, for ever.
async fn send(address: String, request: &'static str, counts: Arc<Counts>) {
    let requests = request.repeat(AT_ONCE);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
        counts.connections.fetch_add(1, Ordering::Relaxed);
        while stream.write_all(requests.as_bytes()).await.is_ok() {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    let answers = buffer[..read].windows(9).filter(|window| window == b"HTTP/1.1 ").count();
                    counts.answers.fetch_add(answers as u64, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Opens a connection, says nothing, and opens the next one when the gateway closes it, for ever.
async fn idle(address: String, counts: Arc<Counts>) {
    loop {
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            tokio::task::yield_now().await;
            continue;
        };
        counts.connections.fetch_add(1, Ordering::Relaxed);
        let _ = stream.read_u8().await;
    }
}

/// Sends a message of the hub that nobody signed, but for its last byte, and again when the gateway gives it up, for ever.
async fn hold(address: String, bytes: usize, counts: Arc<Counts>) {
    let head = format!(
        "POST /websub/callback HTTP/1.1\r\nHost: x\r\nX-Hub-Signature: sha256=00\r\nContent-Length: {bytes}\r\n\r\n"
    );
    let body = vec![b' '; bytes - 1];
    loop {
        let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
        counts.bodies.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&body).await.is_ok() {
            let _ = stream.read_u8().await;
        }
    }
}

/// This process has a socket for each of its strangers.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_fails_no_push_no_post_and_no_probe() {
    raise_own_limit();
    let size = Size::asked();
    let dir = tempfile::tempdir().unwrap();
    let (secret, config) = (dir.path().join("secret"), dir.path().join("gateway.toml"));
    std::fs::write(&secret, SHA_SECRET).unwrap();
    let example = std::fs::read_to_string("deploy/example.toml").unwrap();
    let both = example.replace(r#"require = ["opencrvs-jwt"]"#, r#"require = ["opencrvs-jwt", "hub-hmac"]"#);
    let keys = std::path::absolute("keys.example").unwrap();
    std::fs::write(&config, both.replace("../keys.example", keys.to_str().unwrap())).unwrap();
    let mut gateway = Gateway::new();
    gateway.set(&[
        ("WEBSUB__SECRET_FILE", secret.to_str().unwrap()),
        ("WEBSUB__TOPIC", "opencrvs-partner/CREDENTIAL_ISSUED"),
    ]);
    gateway.start_with_soft_limit(&config, SOFT_LIMIT);
    gateway.ready().await;

    let counts = Arc::<Counts>::default();
    let mut strangers = JoinSet::new();
    let callback = || gateway.callback.clone();
    for request in [BAD_TOKEN, NOWHERE, BAD_TOKEN, NOWHERE] {
        strangers.spawn(send(callback(), request, Arc::clone(&counts)));
    }
    for _ in 0..size.held {
        strangers.spawn(hold(callback(), size.held_bytes, Arc::clone(&counts)));
    }
    for _ in 0..size.idle {
        strangers.spawn(idle(callback(), Arc::clone(&counts)));
    }
    let wanted = (size.idle as u64, size.held as u64);
    patience::until("strangers", async || {
        let found = (counts.connections.load(Ordering::Relaxed), counts.bodies.load(Ordering::Relaxed));
        if found.0 >= wanted.0 && found.1 >= wanted.1 { Ok(()) } else { Err(found) }
    })
    .await;

    for round in 0..size.rounds {
        gateway.push(Push::new(&format!("token-{round}")).body()).await;
        let (status, answer) = gateway.post_event("birth", birth(&format!("flood-{round}"))).await;
        assert_eq!(status, 202, "post {round}: {answer}");
        let (status, ready) = gateway.readiness().await.unwrap_or_else(|| panic!("probe {round}: no answer"));
        assert_eq!(status, 200, "probe {round}: {ready}");
    }
    strangers.shutdown().await;
    let events = gateway.events().await.len();
    println!(
        "strangers: {} answers, {} connections, {} held bodies; genuine: {} pushes, {events} events and {} probes, none failed",
        counts.answers.load(Ordering::Relaxed),
        counts.connections.load(Ordering::Relaxed),
        counts.bodies.load(Ordering::Relaxed),
        size.rounds,
        size.rounds,
    );
    assert_eq!(events, size.rounds);
    assert!(counts.answers.load(Ordering::Relaxed) > 0, "nobody was answered, so nothing was flooded");
}
