//! Which certificates are trusted.

use super::Trouble;
use crate::clock::Timestamp;
use crate::keys::cert::{Certificate, Summary};
use crate::keys::source::LoadError;
use crate::keys::{Location, chain};

/// What certificates have to lead to, and at which moment.
#[derive(Default, Clone)]
pub(super) struct Trust {
    /// Content of `keys.ca_file`; `None`: certificates are pinned by their file alone.
    pub(super) roots: Option<Vec<Certificate>>,
    /// All certificates of that file, also those that can vouch for nothing.
    pub(super) authorities: Vec<Summary>,
    pub(super) now: Timestamp,
}

impl Trust {
    pub(super) fn accepts(&self, certificate: &Certificate, chain: &[Certificate]) -> bool {
        self.roots.as_ref().is_none_or(|roots| chain::reaches(roots, certificate, chain, Some(self.now)))
    }

    /// As [`Self::accepts`], for a certificate of ours: an authority that has expired takes no key away that decrypts.
    pub(super) fn accepts_own(&self, certificate: &Certificate, chain: &[Certificate]) -> bool {
        self.roots.as_ref().is_none_or(|roots| chain::reaches(roots, certificate, chain, None))
    }

    /// Whether a certificate that is not accepted would be, were the authorities there and in their dates.
    fn is_cause(&self, certificate: &Certificate, chain: &[Certificate]) -> bool {
        self.roots
            .as_ref()
            .is_some_and(|roots| roots.is_empty() || chain::reaches(roots, certificate, chain, None))
    }

    /// Why `certificate`, which is not accepted, is not.
    pub(super) fn refusal(
        &self,
        certificate: &Certificate,
        chain: &[Certificate],
        at: impl Into<Location>,
    ) -> Trouble {
        let follows = self.is_cause(certificate, chain);
        Trouble { follows, ..Trouble::new(at, &LoadError::NoChain, true) }
    }
}
