//! A listener: accepts, shakes hands, serves HTTP/1.1 under deadlines, and drains.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt as _;

use self::listener::{Listener, Stream};
use self::places::{Place, Places};
pub(crate) use self::places::{Standing, UnderWay};
use super::activation::Socket;
use super::caller::Caller;
use super::meters::Meters;
use super::tls::NotLetIn;
pub(crate) use super::tls::{Acceptor, Acceptors};
use crate::config::Address;
use crate::loopback::is_loopback;

mod head;
mod listener;
mod places;

/// Largest head, bytes.
const HEAD: usize = 64 << 10;
/// Largest read buffer of a connection, bytes: 64 KiB in base64 come in one piece. With [`Limits::connections`] it bounds what heads can hold.
const BUFFER: usize = 128 << 10;

/// A bound listener.
pub(crate) struct Server {
    listener: Listener,
    address: Address,
    tls: Option<Acceptors>,
    counts: Counts,
}

/// Where it is counted what a listener does not let in.
#[derive(Clone, Default)]
struct Counts {
    listener: &'static str,
    meters: Meters,
}

/// What connections have to keep to. Bodies have limits of their own (`http::body`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the head of a request: the first one of a connection from the moment it is made, any other from its first byte.
    pub(crate) head: Duration,
    /// From an answer, given whole to the connection and perhaps not yet taken, to the first byte of the next request.
    pub(crate) idle: Duration,
    /// For a caller to take the next piece of its answer.
    pub(crate) write: Duration,
    /// For the TLS handshake.
    pub(crate) handshake: Duration,
    /// Open at once; further ones wait.
    pub(crate) connections: usize,
    /// For open requests after the signal to stop; then they are cut.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            // Longer than callers pool their connections (45 s here, 60 s mostly), so that it is they who close.
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            connections: 1024,
            drain: Duration::from_secs(25),
        }
    }
}

/// Who is on the other end; an extension of every request.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// How it came.
    pub(crate) transport: Transport,
    /// Subject of its verified certificate, where the listener demands one.
    pub(crate) certificate: Option<Arc<str>>,
}

/// How a peer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over a unix socket.
    Unix,
}

impl Transport {
    /// The address of the peer; `None` over a unix socket.
    pub(crate) const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
        }
    }

    /// Whether the peer is a process of this host.
    pub(crate) fn is_local(self) -> bool {
        self.address().is_none_or(|address| is_loopback(address.ip()))
    }
}

/// Breaks the connection of a request without an answer; an extension of every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hangup(Arc<Notify>);

impl Hangup {
    /// Never returns: the connection is closed, and the future that waits here is dropped with it.
    pub(crate) async fn now(&self) -> Infallible {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Why a listener cannot be bound. Names the address or the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {what}")]
    Address {
        /// `ip:port` or `unix:/path`
        address: String,
        /// The reason.
        what: io::Error,
    },
    /// A socket that was passed at start cannot be used.
    #[error("the socket that is passed as `{name}`: {what}")]
    Passed {
        /// Its `FileDescriptorName`.
        name: String,
        /// The reason.
        what: String,
    },
    /// A file of the TLS settings is not usable.
    #[error("{}: {what}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        what: String,
        /// What to do.
        advice: &'static str,
    },
}

impl BindError {
    /// Whether a process listens there.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Address { what, .. } if what.kind() == io::ErrorKind::AddrInUse)
    }

    /// What to do.
    pub(crate) fn advice(&self) -> &'static str {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Address { what, .. } if matches!(what.kind(), NotFound | NotADirectory) => {
                "make the folder of the socket, and give it to the user that the gateway runs as; or set another address under [listen]"
            }
            Self::Address { what, .. } if matches!(what.kind(), PermissionDenied | ReadOnlyFilesystem) => {
                "let the user that the gateway runs as write to the folder of the socket, or use a port from 1024 on; or set another address under [listen]"
            }
            Self::Address { .. } => "stop what listens there, or set another address under [listen]",
            Self::Passed { .. } => {
                "let FileDescriptorName= and ListenStream= of the systemd socket unit say what [listen] and [faces] say"
            }
            Self::File { advice, .. } => advice,
        }
    }
}

impl Server {
    /// Takes `address`. A unix socket left behind by a dead process is replaced; one that a process listens on is not.
    /// Each handshake is made by what is then current of `tls`; connections that stand go on as they are.
    pub(crate) async fn bind(address: &Address, tls: Option<Acceptors>) -> Result<Self, BindError> {
        let refuse = |error: io::Error| BindError::Address { address: text_of(address), what: error };
        let (listener, address) = Listener::bind(address).await.map_err(refuse)?;
        Ok(Self { listener, address, tls, counts: Counts::default() })
    }

    /// Counts in `meters`, under the name `listener`, what is not let in.
    #[must_use]
    pub(crate) fn counting(mut self, listener: &'static str, meters: Meters) -> Self {
        if self.tls.is_some() {
            meters.expect_tls(listener);
        }
        self.counts = Counts { listener, meters };
        self
    }

    /// Goes on with a socket that was passed under `name`. It has to be bound to `address`, since the checks of the configuration are
    /// about that.
    pub(crate) fn adopt(
        name: &str,
        socket: Socket,
        address: &Address,
        tls: Option<Acceptors>,
    ) -> Result<Self, BindError> {
        let refuse = |what: String| BindError::Passed { name: name.to_owned(), what };
        let actual = socket.address().map_err(|error| refuse(error.to_string()))?;
        if actual != *address {
            let what =
                format!("it stands at {}, and the configuration says {}", text_of(&actual), text_of(address));
            return Err(refuse(what));
        }
        let listener = Listener::adopt(socket).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { listener, address: actual, tls, counts: Counts::default() })
    }

    /// Where it listens: the port that the system gave where port 0 was asked for.
    pub(crate) fn local_address(&self) -> &Address {
        &self.address
    }

    /// Serves until `shutdown` turns true or its sender is gone. New connections are refused from then on; open requests are
    /// answered within [`Limits::drain`], idle connections close at once.
    pub(crate) async fn run(self, router: Router, limits: Limits, mut shutdown: watch::Receiver<bool>) {
        let places = Places::new(limits.connections);
        let mut waiting: Option<Stream> = None;
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(ended) = connections.join_next() => report(ended),
                slot = places.free(), if waiting.is_some() => {
                    let Some(stream) = waiting.take() else { continue };
                    let place = places.take(slot, stream.address());
                    let tls = self.tls.as_ref().map(|current| Arc::clone(&current.borrow()));
                    let (router, counts) = (router.clone(), self.counts.clone());
                    let connection = Connection { tls, router, limits, counts, standing: Arc::clone(&place.standing) };
                    let watcher = graceful.watcher();
                    connections.spawn(connection.serve_in(place, stream, watcher));
                }
                stream = self.listener.accept(&places, &self.counts.meters, self.counts.listener), if waiting.is_none() => {
                    waiting = Some(stream);
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            // Those that have ended since are not cut.
            std::iter::from_fn(|| connections.try_join_next()).for_each(report);
            tracing::warn!(
                open = connections.len(),
                address = text_of(&self.address),
                "requests are cut: the time to drain has passed"
            );
        }
        connections.shutdown().await;
    }
}

/// Whether a listener could be bound to `address`, for `doctor`: a port is taken and given back, a socket file is not touched.
pub(crate) fn try_address(address: &Address) -> Result<(), BindError> {
    let tried = match address {
        Address::Tcp(address) => std::net::TcpListener::bind(address).map(drop),
        Address::Unix(path) => listener::try_unix(path),
    };
    tried.map_err(|what| BindError::Address { address: text_of(address), what })
}

fn report(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a handler panicked; its connection is closed");
    }
}

/// What every connection of a listener is served with.
struct Connection {
    tls: Option<Arc<Acceptor>>,
    router: Router,
    limits: Limits,
    counts: Counts,
    standing: Arc<Standing>,
}

impl Connection {
    /// Serves until the connection ends or has to make room.
    async fn serve_in(self, place: Place, stream: Stream, watcher: Watcher) {
        tokio::select! {
            () = place.standing.closing() => {
                tracing::debug!("a connection of a stranger is closed to make room");
            }
            () = self.serve(stream, watcher) => {}
        }
    }

    async fn serve(self, stream: Stream, watcher: Watcher) {
        match stream {
            Stream::Tcp(stream, address) => {
                // Answers are small and final: waiting for more to send only costs time.
                let _ = stream.set_nodelay(true);
                self.shake_hands(stream, Transport::Tcp(address), watcher).await;
            }
            Stream::Unix(stream) => self.shake_hands(stream, Transport::Unix, watcher).await,
        }
    }

    async fn shake_hands<S>(self, stream: S, transport: Transport, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(tls) = &self.tls else {
            return self.speak(stream, Peer { transport, certificate: None }, watcher).await;
        };
        match tls.accept(stream, self.limits.handshake).await {
            Ok((stream, subject)) => {
                if tls.demands_certificates() {
                    self.standing.certify();
                }
                let certificate = subject.map(|subject| Arc::from(subject.to_string()));
                self.speak(stream, Peer { transport, certificate }, watcher).await;
            }
            Err(refusal) => self.refuse(transport, &refusal),
        }
    }

    /// The first refusal of an interval is logged, and each is counted.
    fn refuse(&self, transport: Transport, refusal: &NotLetIn) {
        let Counts { listener, meters } = &self.counts;
        if meters.refuse_tls(listener) {
            let peer = transport.address().map(|address| address.to_string());
            tracing::warn!(
                listener,
                peer,
                why = refusal.why,
                subject = refusal.subject,
                "a TLS handshake is refused"
            );
        }
    }

    async fn speak<S>(self, stream: S, peer: Peer, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let hangup = Hangup::default();
        let extension = hangup.clone();
        let caller = Caller::new(Arc::clone(&self.standing), peer.transport.address().map(|from| from.ip()));
        let (standing, router) = (self.standing, self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let under_way = standing.begin();
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(extension.clone());
            let router = router.clone();
            async move {
                let answer = router.oneshot(request).await;
                drop(under_way);
                answer
            }
        });
        let (timer, stream) = head::watch(stream, self.limits.head);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.limits.write));
        let connection = http1::Builder::new()
            .timer(timer)
            .header_read_timeout(self.limits.idle)
            .max_header_size(HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::select! {
            () = hangup.0.notified() => tracing::debug!("a connection is broken without an answer"),
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
        }
    }
}

fn text_of(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests;
