//! A listener: accepts, shakes hands, serves HTTP/1.1 under deadlines, and drains.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
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
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt as _;

use super::tls::Acceptor;
use crate::config::{Address, ServerTls};

mod head;

/// Read buffer per connection, and so the largest head, bytes. With [`Limits::connections`] it bounds what heads can hold.
const BUFFER: usize = 64 << 10;

/// Connections that wait in the kernel while all slots are taken.
const BACKLOG: u32 = 1024;

/// Out of file descriptors, most likely: wait for one instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Owner and group may connect to a unix socket.
const SOCKET_MODE: u32 = 0o660;

/// A bound listener.
pub struct Server {
    listener: Listener,
    address: Address,
    tls: Option<Arc<Acceptor>>,
}

/// What connections have to keep to. Bodies have limits of their own (`http::body`).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the head of a request: the first one of a connection from the moment it is made, any other from its first byte.
    pub head: Duration,
    /// From an answer, given whole to the connection and perhaps not yet taken, to the first byte of the next request.
    pub idle: Duration,
    /// For a caller to take the next piece of its answer.
    pub write: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// Open at once; further ones wait.
    pub connections: usize,
    /// For open requests after the signal to stop; then they are cut.
    pub drain: Duration,
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
pub struct Peer {
    /// How it came.
    pub transport: Transport,
    /// Subject of its verified certificate, where the listener demands one.
    pub certificate: Option<Arc<str>>,
}

/// How a peer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over a unix socket.
    Unix,
}

impl Peer {
    /// Whether it runs on this machine.
    pub fn is_local(&self) -> bool {
        match self.transport {
            Transport::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Transport::Unix => true,
        }
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
    /// What to do.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Address { .. } => "stop what listens there, or set another address under [listen]",
            Self::File { .. } => "replace the file",
        }
    }
}

impl Server {
    /// Takes `address`. A unix socket left behind by a dead process is replaced; one that somebody listens on is not.
    pub async fn bind(address: &Address, tls: Option<&ServerTls>) -> Result<Self, BindError> {
        let tls = tls.map(Acceptor::load).transpose()?.map(Arc::new);
        let refuse =
            |error: io::Error| BindError::Address { address: shown(address), what: error.to_string() };
        let (listener, address) = match address {
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted).await.map_err(refuse)?;
                let actual = listener.local_addr().map_err(refuse)?;
                (Listener::Tcp(listener), Address::Tcp(actual))
            }
            Address::Unix(path) => {
                let listener = bind_unix(path).await.map_err(refuse)?;
                (Listener::Unix { listener, _file: SocketFile(path.clone()) }, Address::Unix(path.clone()))
            }
        };
        Ok(Self { listener, address, tls })
    }

    /// Where it listens: the port that the system gave where port 0 was asked for.
    pub fn local_address(&self) -> &Address {
        &self.address
    }

    /// Serves until `shutdown` turns true or its sender is gone. New connections are refused from then on; open requests are
    /// answered within [`Limits::drain`], idle connections close at once.
    pub async fn run(self, router: Router, limits: Limits, mut shutdown: watch::Receiver<bool>) {
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
pub fn check_tls(settings: &ServerTls) -> Result<(), BindError> {
    Acceptor::load(settings).map(drop)
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
        let service = self.router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
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
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    /// The next connection, once a slot is free for it.
    async fn accept(&self, slots: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, Stream) {
        // Never closed, so there always is a slot in the end.
        let slot = Arc::clone(slots).acquire_owned().await.ok();
        loop {
            let accepted = match self {
                Self::Tcp(listener) => {
                    listener.accept().await.map(|(stream, from)| Stream::Tcp(stream, from))
                }
                Self::Unix { listener, .. } => {
                    listener.accept().await.map(|(stream, _)| Stream::Unix(stream))
                }
            };
            match accepted {
                Ok(stream) => return (slot, stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The file of a bound unix socket; gone with the listener.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, and the next start replaces it otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Before `listen`, so that there is no moment in which others could connect.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists and is not a socket"))
        }
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")),
        },
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
