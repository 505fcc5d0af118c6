//! Own keys on P-256, of which eSignet alone makes use.

use std::sync::Arc;

use super::Ring;
use crate::crypto::ec;
use crate::keys::Location;

/// One of our keys on P-256, which signs and does nothing else. It has no certificate: eSignet knows it by its JSON Web Key.
pub(crate) struct EcKey {
    /// From the configuration.
    pub(crate) name: Option<String>,
    /// Where it came from.
    pub(crate) location: Location,
    /// The private key.
    pub(crate) private: ec::PrivateKey,
}

impl Ring {
    /// The own keys on P-256, in configuration order.
    pub(crate) fn ec_keys(&self) -> impl Iterator<Item = &Arc<EcKey>> {
        self.parts.ec.iter().filter_map(|slot| slot.key.as_ref())
    }

    /// The own key on P-256 of this name.
    pub(crate) fn ec_signer(&self, name: &str) -> Option<&Arc<EcKey>> {
        self.ec_keys().find(|key| key.name.as_deref() == Some(name))
    }
}
