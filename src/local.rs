//! Calls a running gateway on one of its own listeners, for the probe of a container that has no curl and for the commands that work on
//! the outbox of a running gateway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::UnixStream;

use crate::config::{Address, ServerTls};
use crate::crypto::secret::{SecretBytes, SecretWriter};
use crate::http::server::Acceptor;
use crate::settings::Config;
use crate::upstream::{Client, Reply, Request, SendError, tcp};

mod tls;

/// The path of the ops listener that says whether the gateway would accept a posted event.
pub(crate) const READY: &str = "/readyz";

/// Largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 16 << 20;

/// A listener to call, and how to reach it.
#[derive(Debug)]
pub(crate) struct Target {
    transport: Transport,
    scheme: &'static str,
    tls: ClientConfig,
}

#[derive(Debug)]
enum Transport {
    /// `host:port`
    Tcp(String),
    Unix(PathBuf),
}

/// The files of a client certificate and its key, PEM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientFiles<'a> {
    pub(crate) cert: &'a Path,
    pub(crate) key: &'a Path,
}

/// Why a listener cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TargetError {
    /// The URL is not an absolute `http` URL.
    #[error(
        "only absolute http URLs are asked; a listener with TLS is asked by the configuration, with --config in place of --url"
    )]
    NotHttp,
    /// The listener has `client_ca`, and no client certificate was given.
    #[error("the listener demands a client certificate: name one with --client-cert and --client-key")]
    ClientCertificate,
    /// A file that TLS needs cannot be used.
    #[error("{}: {what}", file.display())]
    File {
        /// Its path.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Target {
    /// The listener and the path that an `http` URL names. Without a path it is [`READY`].
    pub(crate) fn from_url(url: &Uri) -> Result<(Self, String), TargetError> {
        let (Some("http"), Some(host)) = (url.scheme_str(), url.host()) else {
            return Err(TargetError::NotHttp);
        };
        let transport = Transport::Tcp(format!("{host}:{}", url.port_u16().unwrap_or(80)));
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let target = Self { transport, scheme: "http", tls: tls::unused()? };
        Ok((target, if path == "/" { READY } else { path }.to_owned()))
    }

    /// The ops listener of `config`. Where its TLS files cannot be used, a gateway answers probes there under a certificate of its own,
    /// which nobody can know. Send no secret there: whatever answers is believed.
    pub(crate) fn ops(config: &Config, client: Option<ClientFiles<'_>>) -> Result<Self, TargetError> {
        match &config.ops.tls {
            Some(tls) if Acceptor::load(tls).is_err() => {
                let transport = Transport::of(&config.listen.ops);
                Ok(Self { transport, scheme: "https", tls: tls::to_anybody(client)? })
            }
            tls => Self::listener(&config.listen.ops, tls.as_ref(), client),
        }
    }

    /// The plain API of `config`.
    pub(crate) fn internal(config: &Config, client: Option<ClientFiles<'_>>) -> Result<Self, TargetError> {
        Self::listener(&config.listen.internal, config.internal.tls.as_ref(), client)
    }

    fn listener(
        address: &Address,
        server: Option<&ServerTls>,
        client: Option<ClientFiles<'_>>,
    ) -> Result<Self, TargetError> {
        let transport = Transport::of(address);
        match server {
            None => Ok(Self { transport, scheme: "http", tls: tls::unused()? }),
            Some(server) => Ok(Self { transport, scheme: "https", tls: tls::to_listener(server, client)? }),
        }
    }

    /// Sends one request without a body and returns the answer. `token` is the bearer token of the listener.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretBytes>,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        self.send(method, path, headers(token), Bytes::new(), deadline).await
    }

    /// As [`Self::ask`], a post of `json`.
    pub(crate) async fn post(
        &self,
        path: &str,
        json: Bytes,
        token: Option<&SecretBytes>,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        let mut headers = headers(token);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, path, headers, json, deadline).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        let authority = match &self.transport {
            Transport::Tcp(authority) => authority,
            Transport::Unix(_) => "localhost",
        };
        let request = Request {
            method,
            uri: format!("{}://{authority}{path}", self.scheme).parse().unwrap_or_default(),
            headers,
            body,
            deadline,
            max_response: LARGEST_ANSWER,
        };
        let (name, tls) = (self.to_string(), self.tls.clone());
        match &self.transport {
            Transport::Tcp(_) => Client::for_listener(name, tls, tcp()).send(request).await,
            Transport::Unix(path) => {
                let path = path.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
                });
                Client::for_listener(name, tls, connector).send(request).await
            }
        }
    }
}

impl Transport {
    /// A listener on all addresses is called on the loopback address.
    fn of(address: &Address) -> Self {
        match address {
            Address::Unix(path) => Self::Unix(path.clone()),
            Address::Tcp(socket) => Self::Tcp(with_loopback(socket).to_string()),
        }
    }
}

/// The address of the listener, without path and query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Tcp(authority) => f.write_str(authority),
            Transport::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The headers of a request. Every listener accepts `localhost` in `Host`.
fn headers(token: Option<&SecretBytes>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
    let bearer = token.map(|token| {
        let mut text = SecretWriter::default();
        text.push(b"Bearer ");
        text.push(token.expose());
        text.into_bytes()
    });
    if let Some(mut bearer) = bearer.and_then(|bearer| HeaderValue::from_maybe_shared(bearer).ok()) {
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    headers
}

fn with_loopback(socket: &SocketAddr) -> SocketAddr {
    let address: IpAddr = match socket.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, socket.port())
}

#[cfg(test)]
mod tests;
