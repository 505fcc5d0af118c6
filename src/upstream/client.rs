//! The HTTP client: it sends a request once, follows no redirect, never repeats a request by itself, and always has a deadline.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connect, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client as HyperClient, Error as HyperError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::sync::{Notify, watch};

use super::failure::{NotTrusted, SendError};
use super::host_and_port;
use super::meters::Meters;
use super::renewal::Renewal;
use super::servers::{Connections, Servers};
use crate::config;
use crate::error::{Error, Fault, Result};
use crate::loopback::names_loopback;
use crate::telemetry::{self, SpanKind};

/// A server counts as unreachable where no TCP connection is made in this time, which is part of the request's own deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed before servers and load balancers close them (usually after 60 s), so that few posts meet a dead one.
const POOL_IDLE: Duration = Duration::from_secs(45);

/// Most interim answers (1xx) to one request. A server that works for long sends one every few seconds.
const MOST_INTERIM: usize = 100;

/// The HTTP client of every upstream, and of the commands that ask a running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Client<C = HttpConnector> {
    /// Each call takes those that are current when it begins.
    servers: watch::Receiver<Arc<Servers<C>>>,
    /// The name of the server in errors; without it, host and port of the URL.
    name: Option<String>,
    danger_plain_http: bool,
    danger_plain_http_hosts: Arc<[String]>,
    meters: Meters,
}

/// A request. No `Debug`: path and headers hold secrets.
#[derive(Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute `http` or `https` URL.
    pub uri: Uri,
    /// Headers; `Host` and `Content-Length` are written by the client.
    pub headers: HeaderMap,
    /// Body, sent as it is.
    pub body: Bytes,
    /// The time for connection, request, answer head and answer body together.
    pub deadline: Duration,
    /// Largest answer body, bytes.
    pub max_response: usize,
}

/// An answer, whatever its status. No `Debug`: it holds tokens and personal data.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// Adds to `error`, which came of reading this answer, what the head of the answer says. A status of 500 or above means that MOSIP is
    /// away or broken whatever the body says, except where a signature is wrong. `Retry-After` says how long to wait.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let error = error.with_retry_after(self.retry_after());
        if self.status.is_server_error() && error.fault() != Fault::Tampered {
            return error.with_server_error();
        }
        error
    }

    /// The seconds in `Retry-After`. Its other form, a date, is ignored: MOSIP does not use it, and it depends on two clocks.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is too large for the type is still a long wait, which the caller limits.
        is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
    }
}

impl Client {
    /// A client that trusts `upstream.roots` alone, or the public roots where none are given. Where those cannot be used, it trusts no
    /// server that speaks TLS. The files are read now, and never again.
    pub fn new(upstream: &config::Upstream) -> Result<Self> {
        Renewal::begin(upstream).map(|(_, client)| client)
    }

    /// A client over the connections of each moment.
    pub(super) fn over(
        servers: watch::Receiver<Arc<Servers<HttpConnector>>>,
        upstream: &config::Upstream,
    ) -> Self {
        Self {
            servers,
            name: None,
            danger_plain_http: upstream.danger_plain_http,
            danger_plain_http_hosts: upstream.danger_plain_http_hosts.as_slice().into(),
            meters: Meters::default(),
        }
    }
}

impl<C> Client<C>
where
    C: Connect + Clone + Send + Sync + 'static,
    HttpsConnector<C>: Connect,
{
    /// A client for one listener of a running gateway, which errors call `name`. Plain http is allowed, wherever the listener is.
    pub(crate) fn for_listener(name: String, tls: ClientConfig, connector: C) -> Self {
        let others = Connections {
            hyper: hyper_client(tls, connector),
            setting: Some(Arc::from("--client-cert")),
            unusable: None,
        };
        let servers = Servers { called: Vec::new(), others, lacks_roots: false };
        Self {
            servers: watch::channel(Arc::new(servers)).1,
            name: Some(name),
            danger_plain_http: true,
            danger_plain_http_hosts: Arc::new([]),
            meters: Meters::default(),
        }
    }

    /// What has been counted of all calls.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Sends once, with the trace of the task that asks. A redirect is an answer like any other.
    pub async fn send(&self, mut request: Request) -> Result<Reply, SendError> {
        let host = self.name.clone().unwrap_or_else(|| host_and_port(&request.uri));
        let (span, trace) = telemetry::begin(SpanKind::Client);
        if let Some(trace) = trace {
            trace.write(&mut request.headers);
        }
        let (method, started) = (request.method.clone(), Instant::now());
        let outcome = self.send_once(&host, request).await;
        let status = outcome.as_ref().map(|reply| reply.status);
        self.meters.called(&host, status, started.elapsed());
        let told = [("http.request.method", method.as_str()), ("server.address", &host)];
        let (status, error) = match status {
            Ok(status) => (
                Some(status.as_u16()),
                Some("status").filter(|_| status.is_client_error() || status.is_server_error()),
            ),
            Err(_) => (None, Some("no-answer")),
        };
        span.end(&[method.as_str()], &told, status, error);
        outcome
    }

    async fn send_once(&self, host: &str, request: Request) -> Result<Reply, SendError> {
        let host = host.to_owned();
        if !self.may_speak_to(&request.uri) {
            return Err(SendError::PlainHttp { host });
        }
        let servers = Arc::clone(&self.servers.borrow());
        let connections = servers.of(&request.uri);
        if let Some(unusable) = &connections.unusable
            && request.uri.scheme_str() == Some("https")
        {
            return Err(SendError::NoCertificate {
                host,
                what: unusable.to_string(),
                advice: unusable.advice,
            });
        }
        let mut outgoing = http::Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = request.uri;
        *outgoing.headers_mut() = request.headers;
        let connection = capture_connection(&mut outgoing);
        let interim = Interim::count(&mut outgoing);
        let exchange = async {
            tokio::select! {
                biased;
                () = interim.exceeds_limit() => Err(SendError::Broken {
                    host: host.clone(),
                    reason: format!("more than {MOST_INTERIM} interim answers (1xx) came, and no final one"),
                }),
                outcome = exchange(connections, &host, outgoing, request.max_response) => {
                    outcome.map_err(|failure| explain(failure, &servers, connections))
                }
            }
        };
        match tokio::time::timeout(request.deadline, exchange).await {
            Ok(outcome) => outcome,
            // hyper hands the request to a connection only once that stands, so nothing was sent where there is none.
            Err(_) if connection.connection_metadata().is_none() => {
                let reason = format!("not made within {} ms", request.deadline.as_millis());
                Err(SendError::NotSent { host, reason, kind: ErrorKind::TimedOut })
            }
            Err(_) => Err(SendError::Timeout { host, after: request.deadline }),
        }
    }

    fn may_speak_to(&self, uri: &Uri) -> bool {
        let named =
            |host: &str| self.danger_plain_http_hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
        uri.scheme_str() != Some("http")
            || self.danger_plain_http
            || is_loopback(uri)
            || uri.host().is_some_and(named)
    }
}

async fn exchange<C>(
    connections: &Connections<C>,
    host: &str,
    request: http::Request<Full<Bytes>>,
    max_response: usize,
) -> Result<Reply, SendError>
where
    C: Connect + Clone + Send + Sync + 'static,
    HttpsConnector<C>: Connect,
{
    let answer = connections
        .hyper
        .request(request)
        .await
        .map_err(|error| SendError::of(host.to_owned(), may_have_been_sent(&error), &error))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, max_response).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            SendError::TooLarge { host: host.to_owned(), limit: max_response }
        } else {
            SendError::of(host.to_owned(), true, &*error)
        }
    })?;
    Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// Names the setting that is at fault where no server can be trusted, or the server does not accept our certificate.
fn explain<C>(failure: SendError, servers: &Servers<C>, connections: &Connections<C>) -> SendError {
    match failure {
        SendError::NotAccepted { host, why, .. } => {
            let setting = connections.setting.as_deref().map(str::to_owned);
            SendError::NotAccepted { host, why, setting }
        }
        SendError::Certificate { host, reason: NotTrusted::UnknownRoot } if servers.lacks_roots => {
            SendError::Certificate { host, reason: NotTrusted::NoRoot }
        }
        failure => failure,
    }
}

/// Connects over TCP.
pub(crate) fn tcp() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http
}

/// One pool of connections.
pub(super) fn hyper_client<C>(tls: ClientConfig, connector: C) -> HyperClient<HttpsConnector<C>, Full<Bytes>>
where
    C: Clone,
    HttpsConnector<C>: Connect + Clone,
{
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .retry_canceled_requests(false)
        .build(https)
}

/// Counts the interim answers (1xx) to one request. hyper skips them without a limit, and a server that keeps sending them would cost a
/// whole core.
struct Interim {
    count: AtomicUsize,
    endless: Notify,
}

impl Interim {
    fn count(request: &mut http::Request<Full<Bytes>>) -> Arc<Self> {
        let interim = Arc::new(Self { count: AtomicUsize::new(0), endless: Notify::new() });
        let counter = Arc::clone(&interim);
        hyper::ext::on_informational(request, move |_| {
            if counter.count.fetch_add(1, Ordering::Relaxed) >= MOST_INTERIM {
                counter.endless.notify_one();
            }
        });
        interim
    }

    /// Resolves once there were too many. The caller then drops the request, and its connection with it.
    async fn exceeds_limit(&self) {
        self.endless.notified().await;
    }
}

/// Whether a part of the request may have been sent. hyper reports a request as canceled only while it still holds all of it, because the
/// pooled connection was dead already.
fn may_have_been_sent(error: &HyperError) -> bool {
    let canceled = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<hyper::Error>())
        .is_some_and(hyper::Error::is_canceled);
    !(error.is_connect() || canceled)
}

/// Whether the URL names this machine.
pub(crate) fn is_loopback(uri: &Uri) -> bool {
    uri.host().is_some_and(names_loopback)
}

#[cfg(test)]
mod tests;
