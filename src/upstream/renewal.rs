//! The roots of servers and the certificates that are presented to them, looked at again while the gateway runs: validated, then swapped. A call
//! that is under way ends on the connection that it has; every later one is made under what was swapped in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::client::{Client, hyper_client, tcp};
use super::roots;
use super::servers::{Connections, Servers};
use crate::config::upstream::{CA_FILE, NO_ROOT};
use crate::config::{self, ClientCertificate, ClientCertificates, Trouble};
use crate::error::Result;
use crate::tls_files::{self, Renewed, Roots};

/// What the connections of a [`Client`] are made of.
pub(crate) struct Renewal {
    trusted: Trusted,
    presented: Vec<Presented>,
    certificates: ClientCertificates,
    servers: watch::Sender<Arc<Servers<HttpConnector>>>,
}

/// Whom servers have to be trusted by.
enum Trusted {
    Public,
    /// Absent: what was given holds no roots.
    Given(Option<Roots>),
    File(PathBuf, Renewed<Roots>),
}

impl Trusted {
    /// `None`: the country has named roots, and they cannot be used, so that no server is trusted.
    fn roots(&self) -> Option<Arc<RootCertStore>> {
        match self {
            Self::Public => Some(roots::public()),
            Self::Given(roots) => roots.as_ref().map(|roots| Arc::clone(&roots.store)),
            Self::File(_, roots) => roots.made().ok().map(|roots| Arc::clone(&roots.store)),
        }
    }
}

/// A certificate by which servers know the gateway.
struct Presented {
    settings: ClientCertificate,
    pair: Renewed<CertifiedKey>,
}

impl Renewal {
    /// What `upstream` says, and a client under it, which follows every swap.
    pub(crate) fn begin(upstream: &config::Upstream) -> Result<(Self, Client)> {
        let trusted = match &upstream.roots {
            None => Trusted::Public,
            Some(config::Roots::Pem(pem)) => Trusted::Given(Roots::of(Path::new(CA_FILE), pem).ok()),
            Some(config::Roots::File(file)) => Trusted::File(
                file.clone(),
                Renewed::begin(vec![file.clone()], |contents| Roots::of(file, contents.of(file)?)),
            ),
        };
        let begin = |one: &ClientCertificate| Presented {
            settings: one.clone(),
            pair: Renewed::begin(vec![one.cert.clone(), one.key.clone()], |contents| {
                tls_files::pair(&one.cert, &one.key, contents)
            }),
        };
        let presented = upstream.client.all.iter().map(begin).collect::<Vec<_>>();
        let servers = servers(&trusted, &presented, &upstream.client)?;
        let (servers, current) = watch::channel(Arc::new(servers));
        let client = Client::over(current, upstream);
        Ok((Self { trusted, presented, certificates: upstream.client.clone(), servers }, client))
    }

    /// Looks at the files, and swaps what can be made of those that have changed. The settings that hold what was swapped. A file system that
    /// does not answer holds this thread.
    pub(crate) fn look(&mut self) -> Result<Vec<String>> {
        let mut swapped = Vec::new();
        if let Trusted::File(file, roots) = &mut self.trusted
            && roots.look(|contents| Roots::of(file, contents.of(file)?))
        {
            swapped.push(CA_FILE.to_owned());
        }
        for Presented { settings, pair } in &mut self.presented {
            if pair.look(|contents| tls_files::pair(&settings.cert, &settings.key, contents)) {
                swapped.push(settings.setting());
            }
        }
        if !swapped.is_empty() {
            self.servers.send_replace(Arc::new(servers(&self.trusted, &self.presented, &self.certificates)?));
        }
        Ok(swapped)
    }

    /// Files of which nothing can be made as they are.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let of_roots = match &self.trusted {
            Trusted::File(_, roots) => refused(roots, CA_FILE, NO_ROOT),
            Trusted::Public | Trusted::Given(_) => None,
        };
        let of_presented = self.presented.iter().filter_map(|Presented { settings, pair }| {
            refused(pair, &settings.setting(), "no connection over TLS comes about for which it is set")
        });
        of_roots.into_iter().chain(of_presented).collect()
    }

    /// The certificates in use that are trusted or presented, with the setting that holds them; those of one setting together.
    pub(crate) fn certificates(&self) -> Vec<(String, &[CertificateDer<'static>])> {
        let trusted = match &self.trusted {
            Trusted::File(_, roots) => {
                roots.made().ok().map(|roots| (CA_FILE.to_owned(), &*roots.certificates))
            }
            Trusted::Public | Trusted::Given(_) => None,
        };
        let presented = self.presented.iter().filter_map(|Presented { settings, pair }| {
            pair.made().ok().map(|pair| (settings.setting(), pair.cert.as_slice()))
        });
        trusted.into_iter().chain(presented).collect()
    }
}

/// The trouble of the files in `setting`, where nothing can be made of them. `so`: what does not work where nothing was made before.
fn refused<T>(files: &Renewed<T>, setting: &str, so: &str) -> Option<Trouble> {
    let refusal = files.refusal()?;
    Some(match files.made() {
        Err(_) => Trouble::fatal(setting, format!("{refusal}: {so}"), refusal.advice),
        Ok(_) => Trouble::new(setting, format!("{refusal}; {}", tls_files::STAYS), refusal.advice),
    })
}

/// The connections to all servers.
fn servers(
    trusted: &Trusted,
    presented: &[Presented],
    certificates: &ClientCertificates,
) -> Result<Servers<HttpConnector>> {
    let roots = trusted.roots();
    let lacks_roots = roots.is_none();
    let roots = roots.unwrap_or_else(|| Arc::new(RootCertStore::empty()));
    let under = |presented: Option<&Presented>| -> Result<Connections<HttpConnector>> {
        let pair = presented.map(|one| one.pair.made());
        let unusable = pair.and_then(Result::err);
        let tls = roots::client_config(Arc::clone(&roots), pair.and_then(Result::ok).cloned())?;
        Ok(Connections {
            hyper: hyper_client(tls, tcp()),
            setting: presented.map(|one| one.settings.setting().into()),
            unusable: unusable.cloned().map(Arc::new),
        })
    };
    let by_section: BTreeMap<_, _> = presented
        .iter()
        .map(|one| Ok((one.settings.section.as_str(), under(Some(one))?)))
        .collect::<Result<_>>()?;
    let others = match certificates.of_others().and_then(|one| by_section.get(one.section.as_str())) {
        Some(connections) => connections.clone(),
        None => under(None)?,
    };
    let called = certificates.called.iter().map(|(setting, url)| {
        let own = certificates.of(setting).and_then(|one| by_section.get(one.section.as_str()));
        (url.clone(), own.unwrap_or(&others).clone())
    });
    Ok(Servers { called: called.collect(), others, lacks_roots })
}

#[cfg(test)]
mod tests;
