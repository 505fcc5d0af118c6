//! Asks a running gateway on one of its own listeners: the probe of a container that has no curl, and the commands that work on a
//! running outbox.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Address;
use crate::crypto::secret::SecretBytes;
use crate::settings::Config;

/// The path of the ops listener that says whether an event post would be taken.
pub(crate) const READY: &str = "/readyz";

/// Largest answer that is read, bytes.
const LARGEST_ANSWER: usize = 16 << 20;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(Transport);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Transport {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Why there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TargetError {
    /// `https`, a path alone, and everything else.
    #[error("only absolute http URLs are probed")]
    NotHttp,
    /// It would need a name and roots, perhaps a client certificate.
    #[error("the listener speaks TLS, which this command does not; call it over https")]
    Tls,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProbeError {
    /// Nobody is there.
    #[error("cannot reach {0}: {1}")]
    Connect(Target, io::Error),
    /// It was no HTTP, it broke off, or it is too long.
    #[error("{0} does not answer in HTTP: {1}")]
    Http(Target, Box<dyn std::error::Error + Send + Sync>),
    /// The deadline passed.
    #[error("{0} does not answer within {seconds} s", seconds = .1.as_secs())]
    Timeout(Target, Duration),
}

/// What came back.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Target {
    /// From an `http` URL, and the path that it asks for; without one, [`READY`].
    pub(crate) fn from_url(url: &Uri) -> Result<(Self, String), TargetError> {
        if url.scheme_str() != Some("http") {
            return Err(TargetError::NotHttp);
        }
        let host = url.host().ok_or(TargetError::NotHttp)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = Self(Transport::Tcp { host, port: url.port_u16().unwrap_or(80) });
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        Ok((target, if path == "/" { READY } else { path }.to_owned()))
    }

    /// The ops listener of `config`.
    pub(crate) fn ops(config: &Config) -> Result<Self, TargetError> {
        Self::listener(&config.listen.ops, config.ops.tls.is_some())
    }

    /// The plain API of `config`.
    pub(crate) fn internal(config: &Config) -> Result<Self, TargetError> {
        Self::listener(&config.listen.internal, config.internal.tls.is_some())
    }

    /// A listener on all addresses is asked on the loopback.
    fn listener(address: &Address, tls: bool) -> Result<Self, TargetError> {
        if tls {
            return Err(TargetError::Tls);
        }
        Ok(Self(match address {
            Address::Unix(path) => Transport::Unix(path.clone()),
            Address::Tcp(socket) => {
                Transport::Tcp { host: reachable(socket).to_string(), port: socket.port() }
            }
        }))
    }

    /// The answer to one request without a body; `token` is that of the listener.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretBytes>,
        deadline: Duration,
    ) -> Result<Answer, ProbeError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method;
        // The path came from a URL, or is ours.
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        let bearer = token.map(|token| [b"Bearer ", token.expose()].concat());
        if let Some(mut bearer) = bearer.and_then(|bearer| HeaderValue::from_bytes(&bearer).ok()) {
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        tokio::time::timeout(deadline, self.send(request))
            .await
            .unwrap_or_else(|_| Err(ProbeError::Timeout(self.clone(), deadline)))
    }

    async fn send(&self, request: Request<Empty<Bytes>>) -> Result<Answer, ProbeError> {
        let unreachable = |error| ProbeError::Connect(self.clone(), error);
        match &self.0 {
            Transport::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                self.exchange(stream, request).await
            }
            Transport::Unix(path) => {
                self.exchange(UnixStream::connect(path).await.map_err(unreachable)?, request).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, ProbeError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| ProbeError::Http(self.clone(), error.into());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        driver.abort();
        Ok(Answer { status, body: body.map_err(|error| ProbeError::Http(self.clone(), error))?.to_bytes() })
    }
}

/// Where it is asked, without path and query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Transport::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Transport::Tcp { host, port } => write!(f, "{host}:{port}"),
            Transport::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn reachable(socket: &SocketAddr) -> IpAddr {
    match socket.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;
