//! Where our private keys are kept: one file for each kind of place, chosen from the settings.
//!
//! A source reads its own settings of an entry of `keys.own`, and gives keys that production uses through [`PrivateKey`] alone, each of
//! them promoted. To add one: a file here, and its line in `KINDS`.

#[cfg(test)]
mod addition;
mod error;
pub mod file;
mod foreign;
mod reader;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use super::cert::{Certificate, Validity};
use super::{Location, Trouble};
use crate::clock::Timestamp;
use crate::config::section::Section;
use crate::crypto::ec;
use crate::crypto::rsa::PrivateKey;

pub use error::LoadError;
pub use foreign::Foreign;
pub use reader::Reader;

/// How many certificates, and how many private keys, of one file are looked at: which certificate issued which is found by trying, so
/// that a file of a thousand would take minutes.
const MOST_PARTS: usize = 64;

/// Every kind of place in which a private key is kept, a line each.
const KINDS: &[Kind] = &[
    file::KIND,
    #[cfg(test)]
    addition::KIND,
];

/// A kind of place.
struct Kind {
    /// The setting of an entry of `keys.own` that says that its key is there.
    setting: &'static str,
    /// Reads that and the other settings of the place; files are joined with the folder of keys. `None`: a problem has been reported.
    read: fn(&mut Section<'_>, &Path) -> Option<Arc<dyn KeySource>>,
}

/// Where the key of an entry of `keys.own` is kept. It is asked again whenever keys are loaded, so that it holds settings alone.
pub trait KeySource: Any + Send + Sync {
    /// The place, as operators name it. Nothing secret.
    fn location(&self) -> Location;

    /// The keys and certificates that are there. Fails where there is no key that can be used; [`LoadError::Unavailable`] means that
    /// the key is there and cannot be reached now. `files` reads what is in files, and bounds how long it is waited for. A source that waits
    /// for something else, such as a token or a service, does so within `Reader::seen` of `files`, under a name that operators know: for a
    /// wait that nobody sees the start, and everybody who asks for a look at the keys, wait without end.
    fn load(&self, files: &Reader, strict_permissions: bool) -> Result<KeyMaterial, Trouble>;

    /// The files whose change means that the key has to be loaded again.
    fn watched(&self) -> Vec<&Path>;

    /// Those of them that hold nothing but a secret.
    fn secret_files(&self) -> Vec<&Path> {
        Vec::new()
    }
}

/// Reads where the key of `section`, an entry of `keys.own`, is kept. `None`: a problem has been reported.
pub(crate) fn read(section: &mut Section<'_>, dir: &Path) -> Option<Arc<dyn KeySource>> {
    let named: Vec<&Kind> = KINDS.iter().filter(|kind| section.holds(kind.setting)).collect();
    match named.as_slice() {
        [] => (file::KIND.read)(section, dir),
        [kind] => (kind.read)(section, dir),
        [first, others @ ..] => {
            for kind in &named {
                (kind.read)(section, dir);
            }
            for other in others {
                let what = format!("is set beside {}", first.setting);
                section.problem(other.setting, &what, "name one place in which the key is kept");
            }
            None
        }
    }
}

/// What a source holds of an entry: promoted private keys (at least one of either kind) and certificates, in the order of the source.
pub struct KeyMaterial {
    /// Each one signed and unwrapped once, checked with the other library.
    pub keys: Vec<PrivateKey>,
    /// Keys on P-256, each of which signed once. They count where there is no RSA key.
    pub(crate) ec_keys: Vec<ec::PrivateKey>,
    /// Of the keys and of their issuers.
    pub certificates: Vec<Certificate>,
    /// What is odd and does not hinder.
    pub warnings: Vec<LoadError>,
}

/// A private key with what belongs to it.
pub(crate) struct MatchedKey {
    /// The private key.
    pub private: PrivateKey,
    /// The certificate with the same public key; a JWK or a bare key may have none.
    pub certificate: Option<Certificate>,
    /// The other certificates of the source.
    pub others: Vec<Certificate>,
    /// What is odd and does not hinder.
    pub warnings: Vec<LoadError>,
}

impl KeyMaterial {
    /// Finds key and certificate that belong together, by public key and never by alias.
    ///
    /// The certificate is sought among `configured` (the `cert` file), or where that is empty in the source itself. The first key whose
    /// certificate is valid at `now` is taken, else the first that has one; of several certificates of that key (signed by the CA and by
    /// MOSIP) the one valid at `now`, then the latest.
    pub(crate) fn matched(
        mut self,
        configured: Vec<Certificate>,
        now: Timestamp,
    ) -> Result<MatchedKey, LoadError> {
        let pool = if configured.is_empty() { &self.certificates } else { &configured };
        let of_key = |key: &PrivateKey| {
            let mine = pool.iter().filter(|found| found.public_key() == key.public_key());
            mine.max_by_key(|found| (found.validity(now) == Validity::Valid, found.not_before())).cloned()
        };
        let found: Vec<_> =
            self.keys.iter().enumerate().filter_map(|(at, key)| Some((at, of_key(key)?))).collect();
        let valid = found.iter().find(|(_, certificate)| certificate.validity(now) == Validity::Valid);
        let (position, certificate) = valid
            .or(found.first())
            .map(|(at, certificate)| (*at, Some(certificate.clone())))
            .or(pool.is_empty().then_some((0, None)))
            .ok_or(LoadError::Mismatch)?;
        if self.keys.len() > 1 {
            self.warnings.push(LoadError::SeveralKeys(self.keys.len()));
        }
        let private = self.keys.into_iter().nth(position).ok_or(LoadError::NoPrivateKey)?;
        let mut others = [configured, self.certificates].concat();
        others.retain(|found| Some(found) != certificate.as_ref());
        if others.len() > MOST_PARTS {
            others.truncate(MOST_PARTS);
            self.warnings.push(LoadError::TooMany("certificates"));
        }
        Ok(MatchedKey { private, certificate, others, warnings: self.warnings })
    }
}
