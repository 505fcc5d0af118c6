//! The own key by which eSignet knows us, and own keys on P-256, of which eSignet alone makes use.

use std::sync::Arc;

use super::{OwnKey, Ring, Trouble};
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

    /// The own RSA key by which eSignet knows us, which signs for nobody else. One that is unavailable is none.
    pub(crate) fn client(&self) -> Option<&Arc<OwnKey>> {
        self.parts.own.iter().find(|slot| slot.entry.is_client())?.key.as_ref()
    }

    /// Whether an own key is kept for eSignet.
    pub(crate) fn has_client(&self) -> bool {
        let of_own = self.parts.own.iter().map(|slot| &slot.entry);
        of_own.chain(self.parts.ec.iter().map(|slot| &slot.entry)).any(super::Entry::is_client)
    }

    /// What is wrong with the key by which eSignet knows us.
    pub(crate) fn client_troubles(&self) -> impl Iterator<Item = &Trouble> {
        let of_own = self.parts.own.iter().filter(|slot| slot.entry.is_client());
        let of_ec = self.parts.ec.iter().filter(|slot| slot.entry.is_client());
        let of_slots = of_own.flat_map(|slot| &slot.troubles).chain(of_ec.flat_map(|slot| &slot.troubles));
        self.ca_troubles.iter().chain(of_slots)
    }
}
