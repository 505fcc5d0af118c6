use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};

use super::*;

const LIMITS: Limits = Limits {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    write: Duration::from_secs(30),
    ..PATIENT
};
const KEPT: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ANSWER: &[u8] = &[b'x'; 64 << 10];
/// What a connection here holds between its ends, far less than `ANSWER`.
const CAPACITY: usize = 1 << 10;

/// A connection that no system's buffers take part in, so that the paused clock alone decides when what happens.
struct Pipe {
    client: DuplexStream,
    served: JoinHandle<()>,
    _graceful: GracefulShutdown,
}

impl Pipe {
    fn new(limits: Limits) -> Self {
        let (client, server) = tokio::io::duplex(CAPACITY);
        let router = Router::new().route("/", get(async || ANSWER));
        let graceful = GracefulShutdown::new();
        let peer = Peer { transport: Transport::Unix, certificate: None };
        let (counts, standing) = (Counts::default(), Arc::default());
        let connection = Connection { tls: None, router, limits, counts, standing };
        let served = tokio::spawn(connection.speak(server, peer, graceful.watcher()));
        Self { client, served, _graceful: graceful }
    }

    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends one request and reads its whole answer.
    async fn exchange(&mut self) {
        self.send(KEPT).await;
        self.receive(Duration::ZERO).await;
    }

    /// Reads one whole answer, with a pause after each piece.
    async fn receive(&mut self, pause: Duration) {
        let mut answer = Vec::new();
        while !answer.ends_with(ANSWER) {
            assert_ne!(self.client.read_buf(&mut answer).await.unwrap(), 0, "closed inside the answer");
            sleep(pause).await;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }

    /// How long the server goes on serving; nothing more comes from it.
    async fn closes_after(mut self) -> Duration {
        let start = Instant::now();
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        self.served.await.unwrap();
        start.elapsed()
    }
}

/// Whether `elapsed` is `limit`; tokio's clock ticks in milliseconds.
fn is(limit: Duration, elapsed: Duration) -> bool {
    (limit..limit + Duration::from_millis(10)).contains(&elapsed)
}

#[tokio::test(start_paused = true)]
async fn a_pooled_connection_is_not_closed_by_the_limit_of_a_head() {
    let mut pipe = Pipe::new(LIMITS);
    for _ in 0..3 {
        pipe.exchange().await;
        sleep(LIMITS.idle - Duration::from_secs(1)).await;
    }
    pipe.exchange().await;
    let elapsed = pipe.closes_after().await;
    assert!(is(LIMITS.idle, elapsed), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_head_that_never_comes_or_never_ends_is_late_not_idle() {
    for head in ["", "GET / HTTP/1.1\r\nHost: loc"] {
        let mut pipe = Pipe::new(LIMITS);
        pipe.send(head).await;
        let elapsed = pipe.closes_after().await;
        assert!(is(LIMITS.head, elapsed), "{head:?}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_stops_half_way_on_a_pooled_connection_is_closed_by_the_limit_of_a_head() {
    let mut pipe = Pipe::new(LIMITS);
    pipe.exchange().await;
    sleep(LIMITS.idle / 2).await;
    pipe.send("GET / HT").await;
    let elapsed = pipe.closes_after().await;
    assert!(is(LIMITS.head, elapsed), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_does_not_buy_time() {
    let mut pipe = Pipe::new(LIMITS);
    pipe.exchange().await;
    let start = Instant::now();
    let mut drips = KEPT.bytes().map(|byte| char::from(byte).to_string());
    while !pipe.served.is_finished() {
        let drip = drips.next().expect("the whole head was taken");
        let _ = pipe.client.write_all(drip.as_bytes()).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() < LIMITS.head + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_answer_is_closed() {
    for head in [KEPT, GET] {
        let mut pipe = Pipe::new(LIMITS);
        let start = Instant::now();
        pipe.send(head).await;
        pipe.served.await.unwrap();
        assert!(is(LIMITS.write, start.elapsed()), "{head}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let mut pipe = Pipe::new(Limits { idle: Duration::from_hours(1), ..LIMITS });
    pipe.send(KEPT).await;
    pipe.receive(LIMITS.write - Duration::from_secs(1)).await;
}
