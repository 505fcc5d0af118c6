//! Reads typed settings from one TOML file, from environment variables, which override it, and from aliases, which both override. All
//! problems are reported at once. Each module reads its own settings from a section. This module holds the reader, and the sections that
//! belong to no module.

mod aliases;
pub(crate) mod client_cert;
pub(crate) mod listeners;
pub(crate) mod plain_http;
mod problem;
pub(crate) mod reader;
pub(crate) mod section;
pub(crate) mod token;
pub(crate) mod unused;
pub(crate) mod upstream;
pub(crate) mod value;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::client_cert::{ClientCertificate, ClientCertificates};
pub(crate) use self::problem::CONNECTS_NOTHING;
pub use self::problem::{Problem, Problems, Trouble};
pub(crate) use self::reader::ReadFile;
pub use self::token::{Token, TokenKind};
use crate::loopback::is_loopback;

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `ip:port`
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// Writes the address as the configuration does.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(socket) => socket.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Whether only processes of this host reach the listener.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(socket) => is_loopback(socket.ip()),
            Self::Unix(_) => true,
        }
    }

    /// Whether no two listeners can have these addresses: they are one, or one of them is every address of the other's port.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => {
                let (ours, theirs) = (one.ip(), other.ip());
                let all =
                    |all: IpAddr, other: IpAddr| all.is_unspecified() && (all.is_ipv6() || other.is_ipv4());
                // Port 0 is a free one.
                one.port() == other.port()
                    && one.port() != 0
                    && (ours == theirs || all(ours, theirs) || all(theirs, ours))
            }
            (Self::Unix(one), Self::Unix(other)) => value::resolved(one) == value::resolved(other),
            _ => false,
        }
    }
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// The plain API; default `127.0.0.1:4546`. Off the loopback only with `danger_internal_beyond_loopback`.
    pub internal: Address,
    /// What MOSIP calls; absent = off.
    pub callback: Option<Address>,
    /// Health and metrics; default `127.0.0.1:4548`.
    pub ops: Address,
    /// Largest body of the plain API, bytes; default 50 MiB.
    pub body_limit: usize,
    /// Bytes of all bodies in flight; default 256 MiB.
    pub in_flight_limit: usize,
    /// Time for the body of one request, and for its head where that is less than 10 s; default 30 s.
    pub request_deadline: Duration,
    /// Time for open requests to finish after SIGTERM; default 25 s.
    pub drain: Duration,
    /// Further names accepted in `Host`.
    pub hosts: Vec<String>,
}

/// Server certificate of a listener. A setting that protects: a listener whose files cannot be loaded at the start is not served.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// PEM chain.
    pub cert: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// PEM roots for client certificates; set = client certificates are demanded.
    pub client_ca: Option<PathBuf>,
    /// Subjects (RFC 4514 text) that are let in; empty = any under `client_ca`.
    pub client_subjects: Vec<String>,
}

impl ServerTls {
    /// Those that are read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key].into_iter().chain(&self.client_ca).map(PathBuf::as_path)
    }
}

/// `[envelope]`
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// Accept an absent signature, never a wrong one.
    pub danger_accept_unsigned: bool,
}

/// Where private roots are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// In this file (PEM), which is read when a client is made, and again while the gateway runs.
    File(PathBuf),
    /// Here (PEM).
    Pem(Vec<u8>),
}

/// `[upstream]`
pub struct Upstream {
    /// Private roots; they replace the public ones. Where they cannot be used, no root is trusted.
    pub roots: Option<Roots>,
    /// Plain http off the loopback, to any host.
    pub danger_plain_http: bool,
    /// Plain http to these hosts, in lower case: those that are named, and those in the cluster that the variables of an older
    /// system lead to.
    pub danger_plain_http_hosts: Vec<String>,
    /// How often a paused channel is tried; default 30 s.
    pub probe_interval: Duration,
    /// By what servers know the gateway.
    pub client: ClientCertificates,
}
