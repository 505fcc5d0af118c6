//! Typed settings: one TOML file, environment over it, aliases under both; every problem reported at once.

mod aliases;
mod credentials;
mod faces;
mod keys;
mod listeners;
mod load;
mod opencrvs;
mod outbox;
mod plain_http;
mod problem;
mod reader;
mod section;
#[cfg(test)]
mod tests;
mod unbuilt;
mod upstream;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::credentials::{Credentials, Issuer};
pub use self::faces::WebhookSignature;
pub use self::opencrvs::{Opencrvs, OpencrvsClient};
pub use self::problem::{Problem, Problems};
pub use self::reader::ReadFile;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::crypto::secret::SecretBytes;
use crate::loopback::is_loopback;

/// Everything the gateway is told, checked. Paths are joined already: absolute, or relative to the process's folder.
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[internal]`
    pub internal: Internal,
    /// `[ops]`
    pub ops: Ops,
    /// `[callback]`
    pub callback: Callback,
    /// `[keys]`
    pub keys: Keys,
    /// `[envelope]`
    pub envelope: Envelope,
    /// `[outbox]`
    pub outbox: Outbox,
    /// `[quarantine]`
    pub quarantine: Quarantine,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[faces]`
    pub faces: Faces,
    /// `[seeder]`
    pub seeder: Seeder,
    /// `[events]`
    pub events: Events,
    /// `[opencrvs]`
    pub opencrvs: Opencrvs,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[deliver]`
    pub deliver: Deliver,
    /// Sentences for the log at start: `danger_` settings that are on, sections not built yet, aliases used.
    pub warnings: Vec<String>,
    /// Where each setting that was set came from, for `doctor`: its path, and `file` or the name of the variable. No values.
    pub origins: Vec<(String, String)>,
    /// The files that secrets were read from at start (`…_file` outside `[keys]`), for `doctor`.
    pub secret_files: Vec<PathBuf>,
}

/// Where a listener stands.
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
    pub fn is_local(&self) -> bool {
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

/// `[internal]`
pub struct Internal {
    /// Bearer token that callers must send (content of `token_file`, trimmed of one trailing newline).
    pub token: Option<SecretBytes>,
    /// `false` switches seal, open, sign and verify off; default true.
    pub primitives: bool,
    /// TLS on this listener.
    pub tls: Option<ServerTls>,
}

/// `[ops]`
pub struct Ops {
    /// What this installation is called on the page.
    pub name: Option<String>,
    /// Bearer token for the page and its posts.
    pub token: Option<SecretBytes>,
    /// TLS on this listener.
    pub tls: Option<ServerTls>,
}

/// `[callback]`
pub struct Callback {
    /// Kinds of caller authentication; `mosip-jwt` is not built and refused at start.
    pub require: Vec<CallerAuth>,
    /// `callback.opencrvs_jwt`; present whenever `require` names it.
    pub opencrvs_jwt: Option<OpencrvsJwt>,
    /// `[websub]`; its secret is present whenever `require` names `hub-hmac`.
    pub websub: Websub,
    /// Accept callers without authentication off the loopback.
    pub danger_open: bool,
    /// Proxies whose `X-Forwarded-For` says where a request comes from.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// TLS on this listener.
    pub tls: Option<ServerTls>,
}

/// A kind in `callback.require`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerAuth {
    /// A bearer JWT made by OpenCRVS's auth service, on `/birthReceiveNid`.
    OpencrvsJwt,
    /// The hub's HMAC over the raw body (`X-Hub-Signature`), on `/websub/callback`.
    HubHmac,
    /// A client certificate, on every route; `callback.tls.client_ca` demands it.
    Mtls,
}

/// `[websub]`; subscribing is not built yet.
pub struct Websub {
    /// The topic whose subscription the callback confirms.
    pub topic: Option<String>,
    /// What the hub signs with.
    pub secret: Option<SecretBytes>,
    /// What stands behind `/websub/callback/` in `callback_url`, where it cannot be guessed.
    pub callback_path: Option<SecretBytes>,
}

/// `[faces]`
pub struct Faces {
    /// Serves the faces and nothing else; absent: they stand on the internal listener alone.
    pub listen: Option<Address>,
    /// The secret of OpenCRVS's webhooks; set = `/webhooks` is on.
    pub webhooks: Option<SecretBytes>,
    /// `faces.webhook_signature`: what the signature of a webhook has to cover.
    pub webhook_signature: WebhookSignature,
    /// Bearer token that callers of `/authtoken` must send on `listen`.
    pub token: Option<SecretBytes>,
    /// Serve `/authtoken` off the loopback to anybody.
    pub danger_open: bool,
    /// TLS on `listen`.
    pub tls: Option<ServerTls>,
}

/// `[seeder]`
pub struct Seeder {
    /// The operator answers for the consent of everybody whom the Token Seeder's face asks about; `false` switches that face off.
    /// Default true, as in the Token Seeder.
    pub consent: bool,
}

/// `[events]`
pub struct Events {
    /// `events.death.link`: a death goes with the UINTOKEN of the deceased, where IDA gives it. Default false.
    pub death_link: bool,
}

/// `callback.opencrvs_jwt`
pub struct OpencrvsJwt {
    /// PEM of the public key or certificate: the bytes of the file, read at start.
    pub pem: Vec<u8>,
    /// Demanded `iss`.
    pub issuer: String,
    /// Demanded in `aud`.
    pub audience: String,
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

    /// The files in which they stand.
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
    /// `[upstream.token]`; absent = no token is sent.
    pub token: Option<Token>,
    /// `[upstream.mediator]`
    pub mediator: Mediator,
    /// `[upstream.ida]`
    pub ida: Option<Ida>,
}

/// `[upstream.token]`
pub struct Token {
    /// Keycloak's token endpoint or authmanager's clientidsecretkey.
    pub url: http::Uri,
    /// Which protocol.
    pub kind: TokenKind,
    /// `client_id`
    pub client_id: String,
    /// From `client_secret_file` or `client_secret_env`.
    pub client_secret: SecretBytes,
}

/// How the token is asked for.
pub enum TokenKind {
    /// Grant `client_credentials`.
    KeycloakClientCredentials,
    /// Grant `password`.
    KeycloakPassword {
        /// `username`
        username: String,
        /// From `password_file` or `password_env`.
        password: SecretBytes,
    },
    /// authmanager `clientidsecretkey`.
    Authmanager {
        /// `appId`
        app_id: String,
    },
}

/// `[upstream.mediator]`
#[derive(Debug, Clone)]
pub struct Mediator {
    /// URL by kind: `birth`, `death`, `birth-correction`, …
    pub events: BTreeMap<String, http::Uri>,
    /// `generateAid`; absent = no AID is fetched.
    pub aid: Option<http::Uri>,
    /// Name of the signing key; absent = the first with use `sign`.
    pub sign_with: Option<String>,
    /// Default 90 s.
    pub deadline: Duration,
    /// Posts at once per URL; default 1.
    pub concurrency: usize,
}

/// `[upstream.ida]`
pub struct Ida {
    /// Ends before `/auth`.
    pub url: http::Uri,
    /// Partner id.
    pub partner_id: Option<String>,
    /// MISP licence key.
    pub misp_license_key: Option<SecretBytes>,
    /// API key.
    pub api_key: Option<SecretBytes>,
    /// Peers whose signature on a reply counts.
    pub reply_signers: Vec<String>,
    /// Name of the signing key.
    pub sign_with: Option<String>,
    /// `domainUri`
    pub domain_uri: Option<String>,
    /// `env`
    pub env: Option<&'static str>,
    /// Digits of a UIN.
    pub uin_length: usize,
    /// Digits of a VID; never those of a UIN.
    pub vid_length: usize,
    /// Accept unsigned success replies.
    pub danger_accept_unsigned_replies: bool,
    /// Of partner id, licence key and API key those that are not set, by the setting or by the variable that should hold it.
    pub unset: Vec<String>,
}

/// `[deliver]`
pub struct Deliver {
    /// Where opened messages go; absent = nothing is pushed.
    pub url: Option<http::Uri>,
    /// Secret of the Standard Webhooks signature.
    pub secret: Option<SecretBytes>,
    /// For one attempt; default 10 s.
    pub deadline: Duration,
    /// Messages under way at once; those about one subject go one after the other. Default 8.
    pub concurrency: usize,
}
