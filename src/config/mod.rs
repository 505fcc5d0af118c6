//! From text to typed settings: one TOML file, environment over it, aliases under both; every problem reported at once. Each room reads
//! its own settings from a section; here stands how that is done, and the sections that are nobody's own.

mod aliases;
pub(crate) mod keys;
pub(crate) mod listeners;
pub(crate) mod outbox;
pub(crate) mod plain_http;
mod problem;
pub(crate) mod reader;
pub(crate) mod section;
pub(crate) mod token;
pub(crate) mod unbuilt;
pub(crate) mod upstream;
pub(crate) mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::problem::{Problem, Problems};
pub(crate) use self::reader::ReadFile;
pub use self::token::{Token, TokenKind};
use crate::crypto::rsa::SignatureAlgorithm;
use crate::crypto::secret::SecretBytes;
use crate::loopback::is_loopback;

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `ip:port`
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// As the configuration names it.
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

/// Server certificate of a listener. A setting that protects: loaded at start or refused.
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

/// `[keys]`
pub struct Keys {
    /// The shared volume; default `/data/secrets/mosip`.
    pub dir: PathBuf,
    /// Our keys.
    pub own: Vec<OwnKey>,
    /// Their certificates.
    pub peers: Vec<Peer>,
    /// Refuse private key files that others can read (otherwise a warning).
    pub strict_permissions: bool,
    /// PEM bundle: peers' and own certificates must chain to it; absent = pinned by file alone.
    pub ca_file: Option<PathBuf>,
}

/// One of `keys.own`.
pub struct OwnKey {
    /// For `sign_with` and `?key=`.
    pub name: Option<String>,
    /// Joined with `keys.dir`.
    pub file: PathBuf,
    /// Certificate beside a bare key; joined with `keys.dir`.
    pub cert: Option<PathBuf>,
    /// Password of the container, and of the private key in it.
    pub password: Password,
    /// What it may be used for.
    pub uses: Uses,
}

/// Where a container's password comes from. Read when the key is loaded, so that a rotated password file is seen; a file in
/// `keys.dir` that cannot be read degrades the key, it does not stop `serve`.
pub enum Password {
    /// None is needed.
    None,
    /// `password_file`, joined with `keys.dir`.
    File(PathBuf),
    /// A variable held it (`password_env`, or an alias).
    Value(SecretBytes),
    /// The private key has a password of its own (`key_password_file`, `key_password_env`).
    AndOfKey {
        /// Of the container.
        container: Box<Password>,
        /// Of the private key.
        key: Box<Password>,
    },
}

impl Password {
    /// That of the container and that of the private key.
    pub fn parts(&self) -> (&Self, &Self) {
        match self {
            Self::AndOfKey { container, key } => (container, key),
            container => (container, &Self::None),
        }
    }

    /// The files that hold them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (container, key) = self.parts();
        [container, key].into_iter().filter_map(|password| match password {
            Self::File(path) => Some(path.as_path()),
            Self::None | Self::Value(_) | Self::AndOfKey { .. } => None,
        })
    }
}

/// `use = ["sign", "decrypt"]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// May sign.
    pub sign: bool,
    /// May unwrap.
    pub decrypt: bool,
}

/// One of `keys.peers`.
pub struct Peer {
    /// `mosip`, `ida`, …
    pub name: String,
    /// Joined with `keys.dir`.
    pub file: PathBuf,
    /// What to do with an envelope from this peer whose thumbprint is not in the ring.
    pub unknown_thumbprint: UnknownThumbprint,
    /// Accepted signature algorithms; default RS256, RS384, RS512, PS256.
    pub algs: Vec<SignatureAlgorithm>,
}

/// `unknown_thumbprint`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownThumbprint {
    /// `unknown-key` (the default).
    #[default]
    Reject,
    /// Try own keys of fitting size, at most four (today's mediators write random or zero thumbprints).
    Try,
}

/// `[envelope]`
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// Accept an absent signature, never a wrong one.
    pub danger_accept_unsigned: bool,
}

/// `[outbox]`
#[derive(Debug, Clone)]
pub struct Outbox {
    /// The database; default `outbox.db` in the folder of the configuration file.
    pub path: PathBuf,
    /// The keys its rows are sealed under; default `outbox.key` beside it. Never inside `keys.dir`.
    pub key_file: PathBuf,
    /// How long settled rows stay listed; default 30 days.
    pub retention: Duration,
    /// How long a repeated event is recognised; default 400 days.
    pub remember: Duration,
    /// After how long an entry that MOSIP never takes is parked; default 30 days.
    pub give_up_after: Duration,
    /// The last bytes of the disk, which belong to event posts; default 512 MiB.
    pub reserve: u64,
}

/// `[quarantine]`
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Bytes of pushes that are kept unverified; default 256 MiB.
    pub max_bytes: u64,
    /// How many; default 10,000.
    pub max_rows: u32,
}

/// `[upstream]`
pub struct Upstream {
    /// Private roots (PEM), read at start; they replace the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// Plain http off the loopback, to any host.
    pub danger_plain_http: bool,
    /// Plain http to these hosts, in lower case: those that are named, and those in the cluster that the variables of an older
    /// system lead to.
    pub danger_plain_http_hosts: Vec<String>,
    /// How often a paused channel is tried; default 30 s.
    pub probe_interval: Duration,
}
