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
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt as _;

use self::listener::{Listener, Stream};
use super::activation::Socket;
use super::tls::Acceptor;
use crate::config::{Address, ServerTls};

mod head;
mod listener;

/// Read buffer per connection, and so the largest head, bytes. With [`Limits::connections`] it bounds what heads can hold.
const BUFFER: usize = 64 << 10;

/// A bound listener.
pub(crate) struct Server {
    listener: Listener,
    address: Address,
    tls: Option<Arc<Acceptor>>,
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

/// Breaks the connection of a request without an answer; an extension of every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hangup(Arc<Notify>);

impl Hangup {
    /// Never returns: the connection is closed, and whoever waits here is dropped with it.
    pub(crate) async fn now(&self) -> Infallible {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Why a listener does not stand. Names the address or the file.
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
    },
}

impl BindError {
    /// Whether somebody listens there.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Address { what, .. } if what.kind() == io::ErrorKind::AddrInUse)
    }

    /// What to do.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::Address { .. } => "stop what listens there, or set another address under [listen]",
            Self::Passed { .. } => {
                "let FileDescriptorName= and ListenStream= of the systemd socket unit say what [listen] and [faces] say"
            }
            Self::File { .. } => "replace the file",
        }
    }
}

impl Server {
    /// Takes `address`. A unix socket left behind by a dead process is replaced; one that somebody listens on is not.
    pub(crate) async fn bind(address: &Address, tls: Option<&ServerTls>) -> Result<Self, BindError> {
        let tls = tls.map(Acceptor::load).transpose()?.map(Arc::new);
        let refuse = |error: io::Error| BindError::Address { address: shown(address), what: error };
        let (listener, address) = Listener::bind(address).await.map_err(refuse)?;
        Ok(Self { listener, address, tls })
    }

    /// Goes on with a socket that was passed under `name`. It has to stand at `address`, since the checks of the configuration are
    /// about that.
    pub(crate) fn adopt(
        name: &str,
        socket: Socket,
        address: &Address,
        tls: Option<&ServerTls>,
    ) -> Result<Self, BindError> {
        let tls = tls.map(Acceptor::load).transpose()?.map(Arc::new);
        let refuse = |what: String| BindError::Passed { name: name.to_owned(), what };
        let actual = socket.address().map_err(|error| refuse(error.to_string()))?;
        if actual != *address {
            let what =
                format!("it stands at {}, and the configuration says {}", shown(&actual), shown(address));
            return Err(refuse(what));
        }
        let listener = Listener::adopt(socket).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { listener, address: actual, tls })
    }

    /// Where it listens: the port that the system gave where port 0 was asked for.
    pub(crate) fn local_address(&self) -> &Address {
        &self.address
    }

    /// Serves until `shutdown` turns true or its sender is gone. New connections are refused from then on; open requests are
    /// answered within [`Limits::drain`], idle connections close at once.
    pub(crate) async fn run(self, router: Router, limits: Limits, mut shutdown: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(ended) = connections.join_next() => report(ended),
                (slot, stream) = self.listener.accept(&slots) => {
                    let connection = Connection { tls: self.tls.clone(), router: router.clone(), limits };
                    let watcher = graceful.watcher();
                    connections.spawn(async move {
                        connection.serve(stream, watcher).await;
                        drop(slot);
                    });
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                open = connections.len(),
                address = shown(&self.address),
                "requests are cut: the time to drain has passed"
            );
        }
        connections.shutdown().await;
    }
}

/// Whether the files of `settings` can be used, for `doctor`.
pub(crate) fn check_tls(settings: &ServerTls) -> Result<(), BindError> {
    Acceptor::load(settings).map(drop)
}

/// Whether a listener could stand at `address`, for `doctor`: a port is taken and given back, a socket file is not touched.
pub(crate) fn try_address(address: &Address) -> Result<(), BindError> {
    let tried = match address {
        Address::Tcp(address) => std::net::TcpListener::bind(address).map(drop),
        Address::Unix(path) => listener::try_unix(path),
    };
    tried.map_err(|what| BindError::Address { address: shown(address), what })
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
}

impl Connection {
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
        if let Some((stream, subject)) = tls.accept(stream, self.limits.handshake).await {
            let certificate = subject.map(|subject| Arc::from(subject.to_string()));
            self.speak(stream, Peer { transport, certificate }, watcher).await;
        }
    }

    async fn speak<S>(self, stream: S, peer: Peer, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let hangup = Hangup::default();
        let extension = hangup.clone();
        let service = self.router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(extension.clone());
            request
        });
        let (timer, stream) = head::watch(stream, self.limits.head);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.limits.write));
        let connection = http1::Builder::new()
            .timer(timer)
            .header_read_timeout(self.limits.idle)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
        tokio::select! {
            () = hangup.0.notified() => tracing::debug!("a connection is broken without an answer"),
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
        }
    }
}

fn shown(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests;
