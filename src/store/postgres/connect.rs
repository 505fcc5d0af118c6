//! Where the database is, as `[outbox]` says, and how it is connected to: over TLS that is verified, or on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database::Server;
use crate::config::section::{Section, Unset};
use crate::config::value::{Complaint, complaint};
use crate::loopback;
use crate::store::Location;
use crate::tls_files::{Contents, Roots};

/// How long one server has to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent to a server may stay unacknowledged, and a connection silent, before it is given up.
const SILENCE: Duration = Duration::from_secs(10);
const TLS_ADVICE: &str =
    "add sslmode=verify-full to the URL; without TLS, only a database on this machine is connected to";

/// A database on a server. No `Debug`: it holds a password.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// `outbox.state_file`
    state_file: Option<PathBuf>,
    /// Of `outbox.ca_file`, where the connection needs them.
    roots: Arc<[CertificateDer<'static>]>,
}

/// `outbox.url_file`
pub(crate) fn read(section: &mut Section<'_>) -> Option<Location> {
    let url = section.secret("url", Unset::Refused);
    if !section.is_secret_set("url") {
        return None;
    }
    let password = section.secret("password", Unset::Refused);
    let ca_file = section.path("ca_file");
    let state_file = section.path("state_file");
    section.refuse("path", "is set beside outbox.url_file", "set one of the two");
    let target = parse(url?.expose(), password.as_ref().map(|secret| secret.expose()), ca_file.as_deref());
    match target {
        Ok(target) => Some(Location::new(Server(Target { state_file, ..target }))),
        Err((name, Complaint { what, advice })) => {
            section.problem(name, &what, &advice);
            None
        }
    }
}

/// How a URL of a database begins, whatever stands before it.
pub(crate) fn is_url(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    text.starts_with(b"postgresql://") || text.starts_with(b"postgres://")
}

/// Whether a password stands in the URL.
pub(crate) fn has_password(url: &[u8]) -> bool {
    let config = std::str::from_utf8(url).ok().and_then(|url| url.parse::<Config>().ok());
    config.is_some_and(|config| config.get_password().is_some())
}

/// The database of a URL that stands in no configuration.
pub(crate) fn at(url: &[u8]) -> Result<Location, String> {
    let target =
        parse(url, None, None).map_err(|(_, Complaint { what, advice })| format!("{what}; {advice}"))?;
    Ok(Location::new(Server(target)))
}

/// Which setting is wrong, and what is.
type Wrong = (&'static str, Complaint);

/// A target of a URL (`postgresql://user@host/database?sslmode=verify-full`), with the password that does not stand in it.
pub(super) fn parse(url: &[u8], password: Option<&[u8]>, ca_file: Option<&Path>) -> Result<Target, Wrong> {
    let url_file = |what: &str, advice: &str| ("url_file", complaint(what, advice));
    // What libpq calls verify-full is what is done for each server that is asked for TLS.
    let url = std::str::from_utf8(url).unwrap_or_default().replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = url.parse().map_err(|_| {
        url_file(
            "is no URL of a PostgreSQL database",
            "write postgresql://user@host:5432/database?sslmode=verify-full into the file; the password may stand in a file of its own",
        )
    })?;
    if config.get_hosts().is_empty() || config.get_user().is_none() || config.get_dbname().is_none() {
        return Err(url_file("names no host, user or database", "name all three in the URL"));
    }
    // A password is cut at its first @, and the rest of it would be shown as a name.
    let has_at = |name: &str| name.contains('@');
    if config.get_hosts().iter().any(|host| has_at(&name_of(host))) || config.get_dbname().is_some_and(has_at)
    {
        return Err(url_file(
            "has an @ in the name of a host or of the database",
            "write %40 for each @ in the user and the password, or put the password into the file of outbox.password_file",
        ));
    }
    if let Some(password) = password {
        config.password(password);
    }
    let is_here = config.get_hosts().iter().all(is_local)
        && config.get_hostaddrs().iter().copied().all(loopback::is_loopback);
    match config.get_ssl_mode() {
        SslMode::Require => {}
        _ if !is_here => return Err(url_file("asks for no verified TLS", TLS_ADVICE)),
        _ => {
            config.ssl_mode(SslMode::Disable);
        }
    }
    let (tls, roots) = match config.get_ssl_mode() {
        SslMode::Require => {
            let roots = ca_file.map(roots).transpose()?;
            let tls = tls(roots.as_ref().map(|roots| Arc::clone(&roots.store)))?;
            (Some(MakeRustlsConnect::new(tls)), roots.map(|roots| roots.certificates).unwrap_or_default())
        }
        _ => (None, Arc::default()),
    };
    if config.get_application_name().is_none() {
        config.application_name("mosip-gateway");
    }
    config
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE)
        .keepalives_interval(CONNECT)
        .keepalives_retries(2);
    if config.get_hosts().len() > 1 {
        // Of several servers, the one that takes writes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(Target { config, tls, state_file: None, roots })
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => loopback::names_loopback(name),
        Host::Unix(_) => true,
    }
}

fn wrong_roots(what: &str) -> Wrong {
    ("ca_file", complaint(what, "name a file with the CA certificates of the database in PEM"))
}

fn roots(file: &Path) -> Result<Roots, Wrong> {
    let contents = Contents::read([file]);
    let pem = contents.of(file).map_err(|refusal| wrong_roots(&refusal.to_string()))?;
    Roots::of(file, pem).map_err(|refusal| wrong_roots(&refusal.to_string()))
}

/// TLS 1.2 and 1.3; chain and name are always verified, up to `roots` or else the public ones.
fn tls(roots: Option<Arc<RootCertStore>>) -> Result<ClientConfig, Wrong> {
    let public = || Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong_roots(&error.to_string()))?;
    Ok(builder.with_root_certificates(roots.unwrap_or_else(public)).with_no_client_auth())
}

impl Target {
    /// For errors and logs: servers and database, and no secret.
    pub(super) fn name(&self) -> String {
        let hosts: Vec<String> = self.config.get_hosts().iter().map(name_of).collect();
        format!("postgresql://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// The database of another `url`, with the password of this one where the URL has none, its roots, and, if it is the same one, its file.
    pub(super) fn likewise(&self, url: &[u8]) -> Result<Self, String> {
        let own = self.config.get_password().filter(|_| !has_password(url));
        let other =
            parse(url, own, None).map_err(|(_, Complaint { what, advice })| format!("{what}; {advice}"))?;
        let (tls, roots) = match (&other.tls, &self.tls) {
            (Some(_), Some(tls)) => (Some(tls.clone()), Arc::clone(&self.roots)),
            _ => (other.tls, other.roots),
        };
        let state_file = self.state_file.clone().filter(|_| other.config == self.config);
        Ok(Self { config: other.config, tls, state_file, roots })
    }

    /// As [`Self::name`], with the ports, so that it tells one database from all others.
    pub(super) fn address_of_all(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.config.get_hosts().iter().enumerate();
        let hosts: Vec<String> = hosts.map(|(at, host)| format!("{}:{}", name_of(host), port(at))).collect();
        format!("postgresql://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// Where the last acknowledged commits are kept, beside memory.
    pub(super) fn state_file(&self) -> Option<&Path> {
        self.state_file.as_deref()
    }

    /// The roots that were read from `outbox.ca_file`.
    pub(super) fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    #[cfg(test)]
    pub(super) fn remembering(self, file: PathBuf) -> Self {
        Self { state_file: Some(file), ..self }
    }

    /// The first server.
    #[cfg(test)]
    pub(super) fn address(&self) -> (String, u16) {
        let host = self.config.get_hosts().first().map(name_of).unwrap_or_default();
        (host, self.config.get_ports().first().copied().unwrap_or(5432))
    }

    /// A connection, whose part that speaks with the server goes on by itself.
    pub(super) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                // How it ends is told by what waits for an answer.
                tokio::spawn(async { drop(connection.await) });
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(async { drop(connection.await) });
                Ok(client)
            }
        }
    }
}

fn name_of(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    }
}
