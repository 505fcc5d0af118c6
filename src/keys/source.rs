//! Where our private keys are kept: one file for each kind of place, chosen from the settings.
//!
//! A source gives keys that production uses through [`PrivateKey`] alone, each of them promoted. To add one: a file here, and its line
//! in `Source`.

mod error;
pub mod file;
mod foreign;

use std::path::Path;

use super::Trouble;
use super::cert::{Certificate, Validity};
use crate::clock::Timestamp;
use crate::config;
use crate::crypto::rsa::PrivateKey;

pub use error::LoadError;
pub use foreign::Foreign;

/// How many certificates, and how many private keys, of one file are looked at: which certificate issued which is found by trying, so
/// that a file of a thousand would take minutes.
const MOST_PARTS: usize = 64;

/// Where the key of an entry of `keys.own` is kept.
pub(crate) enum Source<'a> {
    /// In a file of the key volume.
    File(file::KeyFile<'a>),
}

impl<'a> Source<'a> {
    /// The source that `entry` names.
    pub(crate) fn of(entry: &'a config::OwnKey) -> Self {
        Self::File(file::KeyFile::of(entry))
    }

    /// The keys and certificates that are there. Fails where there is no key that can be used.
    pub(crate) fn load(&self, strict_permissions: bool) -> Result<KeyMaterial, Trouble> {
        match self {
            Self::File(file) => file.load(strict_permissions),
        }
    }

    /// The files whose change means that the key has to be loaded again.
    pub(crate) fn watched(&self) -> Vec<&'a Path> {
        match self {
            Self::File(file) => file.watched(),
        }
    }
}

/// What a source holds of an entry: promoted private keys (at least one) and certificates, in the order of the source.
pub struct KeyMaterial {
    /// Each one signed and unwrapped once, checked with the other library.
    pub keys: Vec<PrivateKey>,
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
