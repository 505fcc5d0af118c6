//! Asks a gateway whether it is ready: the probe of a container that has no curl.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{Address, Config};

/// The path of the ops listener that says whether an event post would be taken.
pub const READY: &str = "/readyz";

/// Whom to ask, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    transport: Transport,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Transport {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Why there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// `https`, a path alone, and everything else.
    #[error("only absolute http URLs are probed")]
    NotHttp,
    /// The probe would need a name and roots, perhaps a client certificate.
    #[error("ops.tls is set, and this probe speaks no TLS; let the orchestrator probe over https")]
    Tls,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Nobody is there.
    #[error("cannot reach {0}: {1}")]
    Connect(Target, io::Error),
    /// It was no HTTP, or it broke off.
    #[error("{0} does not answer in HTTP: {1}")]
    Http(Target, hyper::Error),
    /// The deadline passed.
    #[error("{0} does not answer within {seconds} s", seconds = .1.as_secs())]
    Timeout(Target, Duration),
}

impl Target {
    /// From an `http` URL; without a path [`READY`] is meant.
    pub fn from_url(url: &Uri) -> Result<Self, TargetError> {
        if url.scheme_str() != Some("http") {
            return Err(TargetError::NotHttp);
        }
        let host = url.host().ok_or(TargetError::NotHttp)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let transport = Transport::Tcp { host, port: url.port_u16().unwrap_or(80) };
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { transport, path: if path == "/" { READY } else { path }.to_owned() })
    }

    /// The ops listener of `config`; one on all addresses is asked on the loopback.
    pub fn from_config(config: &Config) -> Result<Self, TargetError> {
        if config.ops.tls.is_some() {
            return Err(TargetError::Tls);
        }
        let transport = match &config.listen.ops {
            Address::Unix(path) => Transport::Unix(path.clone()),
            Address::Tcp(socket) => {
                Transport::Tcp { host: reachable(socket).to_string(), port: socket.port() }
            }
        };
        Ok(Self { transport, path: READY.to_owned() })
    }

    /// The status of the answer; its body is not read.
    pub async fn probe(&self, deadline: Duration) -> Result<StatusCode, ProbeError> {
        tokio::time::timeout(deadline, self.ask())
            .await
            .unwrap_or_else(|_| Err(ProbeError::Timeout(self.clone(), deadline)))
    }

    async fn ask(&self) -> Result<StatusCode, ProbeError> {
        let unreachable = |error| ProbeError::Connect(self.clone(), error);
        match &self.transport {
            Transport::Tcp { host, port } => {
                self.exchange(TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?).await
            }
            Transport::Unix(path) => {
                self.exchange(UnixStream::connect(path).await.map_err(unreachable)?).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S) -> Result<StatusCode, ProbeError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error| ProbeError::Http(self.clone(), error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        // The path came from a URL, or is ours.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        driver.abort();
        Ok(answer.map_err(broken)?.status())
    }
}

/// Where it is asked, without path and query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
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
