//! The certificates of a moment, each with the day on which it expires.

use super::standing::Standing;
use crate::clock::Timestamp;
use crate::config::client_cert;

/// The role of a certificate that a listener shows.
pub(super) const LISTENER: &str = "listener";
/// The role of a certificate that a setting trusts.
pub(super) const TRUSTED: &str = "trusted";
/// The role of a certificate by which servers know the gateway.
pub(super) const CLIENT: &str = "client";
/// The role of a certificate that `keys.ca_file` trusts, which is read again with the keys.
pub(super) const AUTHORITY: &str = "authority";

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A certificate by the name that the configuration gives it.
pub(super) struct Dated {
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) not_after: Timestamp,
}

impl Standing {
    /// Every certificate, own ones first, those of authorities, listeners and settings last. A key without a name goes by that of its
    /// file; of the authorities in `keys.ca_file` the next to expire counts, and where all have, the last that did.
    pub(super) fn certificates(&self) -> impl Iterator<Item = Dated> + '_ {
        let own = self.ring.own().iter().filter_map(|own| {
            let name = own.name.clone().unwrap_or_else(|| own.location.short());
            Some(Dated { role: "own", name, not_after: own.certificate.as_ref()?.not_after() })
        });
        let peers = self.ring.peers().iter().filter_map(|peer| {
            let not_after = peer.certificate.as_ref()?.not_after();
            Some(Dated { role: "peer", name: peer.name.clone(), not_after })
        });
        let ends = self.ring.authorities().iter().map(|authority| authority.dates.not_after);
        let coming = ends.clone().filter(|end| *end > self.now).min();
        let authorities = coming.or(ends.max()).map(|not_after| Dated {
            role: AUTHORITY,
            name: "keys.ca_file".to_owned(),
            not_after,
        });
        let listeners = self.listeners.iter().filter_map(|listener| {
            let not_after = listener.dates?.not_after;
            Some(Dated { role: LISTENER, name: listener.name.to_owned(), not_after })
        });
        let trusted = self.trusted.iter().map(|(setting, not_after)| Dated {
            role: if client_cert::is_shown(setting) { CLIENT } else { TRUSTED },
            name: setting.clone(),
            not_after: *not_after,
        });
        own.chain(peers).chain(authorities).chain(listeners).chain(trusted)
    }
}

impl Dated {
    /// It was read at the start alone.
    pub(super) fn needs_restart(&self) -> bool {
        [LISTENER, TRUSTED, CLIENT].contains(&self.role)
    }

    /// Whole days until it expires; negative once it has.
    pub(super) fn days_left(&self, now: Timestamp) -> i64 {
        days_left(self.not_after, now)
    }
}

/// Whole days until `end`; negative once it has passed.
pub(super) fn days_left(end: Timestamp, now: Timestamp) -> i64 {
    end.millis().saturating_sub(now.millis()).div_euclid(MILLIS_PER_DAY)
}
