//! `client_cert` and `client_key`: by what servers know the gateway.

use std::path::PathBuf;

use http::Uri;

use super::reader::Reader;
use super::section::Section;
use super::value::complaint;

/// Its certificate is for every server that no other section with one calls.
const ALL: &str = "upstream";
/// How the settings end that hold the certificate.
const CERT: &str = ".client_cert";

/// A certificate that the gateway shows to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `systems[0]`: the section whose URLs it is for; `upstream`: it is for all that have none of their own.
    pub section: String,
    /// PEM chain.
    pub cert: PathBuf,
    /// PEM key, without a password.
    pub key: PathBuf,
}

impl ClientCertificate {
    /// Whose value the chain is.
    pub(crate) fn setting(&self) -> String {
        format!("{}{CERT}", self.section)
    }

    /// Whether `setting` stands in its section.
    fn is_around(&self, setting: &str) -> bool {
        setting.strip_prefix(&self.section).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// Which server sees which certificate of the gateway. No `Debug`: paths of URLs are not shown.
#[derive(Clone, Default)]
pub struct ClientCertificates {
    /// One for each section that has one.
    pub all: Vec<ClientCertificate>,
    /// Every URL that is called, with its setting.
    pub called: Vec<(String, Uri)>,
}

impl ClientCertificates {
    /// The certificate for the URL in `setting`: that of the nearest section around it, else that of `[upstream]`.
    pub(crate) fn of(&self, setting: &str) -> Option<&ClientCertificate> {
        let around = self.all.iter().filter(|one| one.is_around(setting));
        around.max_by_key(|one| one.section.len()).or_else(|| self.of_others())
    }

    /// The certificate for every server that no other section with one calls.
    pub(crate) fn of_others(&self) -> Option<&ClientCertificate> {
        self.all.iter().find(|one| one.section == ALL)
    }

    /// Reports each URL that two sections call under different certificates: nothing tells their calls apart.
    pub(crate) fn check(&self, reader: &Reader<'_>) {
        let files = |setting: &str| self.of(setting).map(|one| (&one.cert, &one.key));
        for (place, (setting, url)) in self.called.iter().enumerate() {
            let mut before = self.called.iter().take(place);
            let other = before.find(|(other, same)| same == url && files(other) != files(setting));
            if let Some((other, _)) = other {
                let what = format!("is the URL of {other}, too, which has another client certificate");
                reader.problem(setting, complaint(what, "set the same client_cert and client_key for both"));
            }
        }
    }
}

impl Section<'_> {
    /// Reads `client_cert` and `client_key`, which are for the servers that this section names.
    pub(crate) fn client_certificate(&mut self) {
        let (cert, key) = (self.path("client_cert"), self.path("client_key"));
        for (name, other) in [("client_key", "client_cert"), ("client_cert", "client_key")] {
            if self.is_set(other) && !self.is_set(name) {
                self.problem(name, &format!("is missing beside {other}"), "set both, or neither");
            }
        }
        if let (Some(cert), Some(key)) = (cert, key) {
            let section = self.name().to_owned();
            self.reader().record_client_certificate(ClientCertificate { section, cert, key });
        }
    }
}
