//! A certificate that the gateway uses, shows or trusts, and when it ends.

use super::Ring;
use super::cert::{Dates, Summary, Validity};
use crate::clock::Timestamp;
use crate::config::Trouble;

/// The role of a certificate of an own key.
pub(crate) const OWN: &str = "own";
/// The role of a certificate of a peer.
pub(crate) const PEER: &str = "peer";
/// The role of a certificate that `keys.ca_file` trusts.
pub(crate) const AUTHORITY: &str = "authority";
/// The role of a certificate that a listener shows.
pub(crate) const LISTENER: &str = "listener";
/// The role of a certificate that a setting trusts.
pub(crate) const TRUSTED: &str = "trusted";
/// The role of a certificate by which servers know the gateway.
pub(crate) const CLIENT: &str = "client";

/// With fewer days than these left, a certificate is warned of once more.
pub(crate) const STAGES: [i64; 4] = [90, 30, 7, 1];

const MILLIS_PER_DAY: i64 = 86_400_000;

/// What the certificates of one file are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) role: &'static str,
    /// That of the configuration: of a key, a peer, a listener, or the setting.
    pub(crate) name: String,
    /// The setting, or the file, that says where it is.
    pub(crate) subject: String,
    /// What to do once one of them ends.
    pub(crate) renew: &'static str,
}

/// A certificate by the name that the configuration gives it.
#[derive(Debug, Clone)]
pub(crate) struct Dated {
    pub(crate) place: Place,
    /// Its place in the file, from 1. Behind that of a key stand those of its issuers.
    pub(crate) number: usize,
    pub(crate) whose: String,
    pub(crate) dates: Dates,
}

/// What is read again by itself.
pub(crate) const RENEW: &str = "have a new certificate issued, and replace the file; no restart is needed";

impl Place {
    /// `certificates`, in the order of the file.
    pub(crate) fn holds(self, certificates: impl IntoIterator<Item = Summary>) -> Vec<Dated> {
        let dated = |(at, Summary { subject, dates })| Dated {
            place: self.clone(),
            number: at + 1,
            whose: subject,
            dates,
        };
        certificates.into_iter().enumerate().map(dated).collect()
    }

    /// Certificates in DER, in the order of the file. One that cannot be parsed has no dates and is left out.
    pub(crate) fn holds_der(self, certificates: &[impl AsRef<[u8]>]) -> Vec<Dated> {
        self.holds(certificates.iter().filter_map(|der| Summary::of_der(der.as_ref()).ok()))
    }

    /// Whether it is read with the keys.
    pub(crate) fn is_of_ring(&self) -> bool {
        [OWN, PEER, AUTHORITY].contains(&self.role)
    }

    /// Whether one of its certificates alone has to count.
    fn is_choice(&self) -> bool {
        [TRUSTED, AUTHORITY].contains(&self.role)
    }
}

impl Ring {
    /// The certificates of own keys and of peers, each with its issuers, and of the authorities. A key without a name goes by its file.
    pub(crate) fn certificates(&self) -> Vec<Dated> {
        let place = |role, name, subject| Place { role, name, subject, renew: RENEW };
        let own = self.own().iter().filter_map(|own| {
            let name = own.name.clone().unwrap_or_else(|| own.location.short());
            Some((place(OWN, name, own.certificate_at.short()), own.certificate.as_ref()?, &own.chain))
        });
        let peers = self.peers().iter().filter_map(|peer| {
            let file = peer.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Some((place(PEER, peer.name.clone(), file), peer.certificate.as_ref()?, &peer.chain))
        });
        let of_keys = own.chain(peers).flat_map(|(place, certificate, chain)| {
            let all = std::iter::once(certificate).chain(chain);
            place.holds(all.map(|one| Summary { subject: one.subject().to_owned(), dates: one.dates() }))
        });
        let ca_file = || "keys.ca_file".to_owned();
        let authorities = place(AUTHORITY, ca_file(), ca_file()).holds(self.authorities().iter().cloned());
        of_keys.chain(authorities).collect()
    }
}

impl Dated {
    /// Whole days until it ends; negative once it has.
    pub(crate) fn days_left(&self, now: Timestamp) -> i64 {
        self.dates.not_after.millis().saturating_sub(now.millis()).div_euclid(MILLIS_PER_DAY)
    }

    /// Which of [`STAGES`] it has reached last; 0: it has ended. `None`: it lasts for long.
    pub(crate) fn stage(&self, now: Timestamp) -> Option<i64> {
        let days = self.days_left(now);
        if self.has_ended(now) { Some(0) } else { STAGES.into_iter().filter(|stage| days < *stage).min() }
    }

    pub(crate) fn has_ended(&self, now: Timestamp) -> bool {
        matches!(self.dates.validity(now), Validity::ExpiredSince(_))
    }

    /// How it stands, as the rest of a sentence about its file.
    pub(crate) fn state(&self, now: Timestamp) -> String {
        let Self { place: Place { role, name, .. }, number, whose, dates } = self;
        let days = self.days_left(now);
        let left = format!("{days} day{} left", if days == 1 { "" } else { "s" });
        let (validity, end) = (dates.validity(now), dates.not_after.to_iso());
        if [TRUSTED, CLIENT].contains(role) {
            let of = if *number > 1 { format!(" of {whose}") } else { String::new() };
            let verb = if *role == CLIENT { "shows" } else { "trusts" };
            let one = format!("{verb} a certificate{of}");
            return match validity {
                Validity::ExpiredSince(_) => format!("{one} that has expired on {end}"),
                Validity::NotYetValid(at) => format!("{one} that is not valid before {}", at.to_iso()),
                Validity::Valid => format!("{one} until {end}, {left}"),
            };
        }
        let one = match (*role, *number) {
            (LISTENER, 1) => format!("certificate of listener {name}"),
            (LISTENER, _) => format!("issuer {whose} of the certificate of listener {name}"),
            (AUTHORITY, _) => format!("authority {whose}"),
            (_, 1) => "certificate".to_owned(),
            _ => format!("issuer {whose}"),
        };
        match validity {
            Validity::ExpiredSince(_) => format!("{one}: expired on {end}"),
            Validity::NotYetValid(at) => format!("{one}: not valid before {}", at.to_iso()),
            Validity::Valid => format!("{one}: {left}, until {end}"),
        }
    }
}

/// Of each file the certificate that ends it: the first to end; of those that it trusts, of which one has to count, the next to end, and
/// where all have ended, the last that did.
pub(crate) fn soonest(all: &[Dated], now: Timestamp) -> Vec<&Dated> {
    let mut soonest: Vec<&Dated> = Vec::new();
    for one in all {
        let rank = |dated: &Dated| {
            let end = dated.dates.not_after.millis();
            if dated.place.is_choice() && dated.has_ended(now) { (1, -end) } else { (0, end) }
        };
        match soonest.iter_mut().find(|other| other.place == one.place) {
            Some(other) if rank(one) < rank(other) => *other = one,
            Some(_) => {}
            None => soonest.push(one),
        }
    }
    soonest
}

/// What is to be done about each of `all`, as [`trouble`] has it.
pub(crate) fn troubles(all: &[Dated], now: Timestamp) -> Vec<Trouble> {
    all.iter().filter_map(|dated| trouble(dated, all, now)).collect()
}

/// What is to be done about `dated`, one of `all`: it has ended, is not valid yet, or ends soon. Those of keys, peers and authorities that
/// are outside their dates are told with their keys.
pub(crate) fn trouble(dated: &Dated, all: &[Dated], now: Timestamp) -> Option<Trouble> {
    let Place { role, subject, renew, .. } = &dated.place;
    let is_of_ring = dated.place.is_of_ring();
    let is_told = is_of_ring && (dated.number == 1 || *role == AUTHORITY);
    let has_better =
        dated.place.is_choice() && !soonest(all, now).iter().any(|one| std::ptr::eq(*one, dated));
    let (says, fatal, advice) = match dated.dates.validity(now) {
        Validity::Valid => (dated.stage(now).is_some(), false, *renew),
        Validity::ExpiredSince(_) if has_better => (!is_told, false, "remove it from the file"),
        Validity::ExpiredSince(_) => (!is_told, !is_of_ring, *renew),
        Validity::NotYetValid(_) => {
            let is_fatal = !is_of_ring && !dated.place.is_choice();
            (!is_told, is_fatal, "check this machine's clock, or wait until then")
        }
    };
    says.then(|| Trouble { fatal, ..Trouble::new(subject, dated.state(now), advice) })
}

/// One that lasts for `days` from `now`, for tests.
#[cfg(test)]
pub(crate) fn lasting(role: &'static str, name: &str, number: usize, now: Timestamp, days: i64) -> Dated {
    let at = |days: i64| Timestamp::from_seconds(now.seconds() + days * 86_400);
    Dated {
        place: Place { role, name: name.to_owned(), subject: name.to_owned(), renew: RENEW },
        number,
        whose: format!("CN={number}"),
        dates: Dates { not_before: at(days.min(0) - 1), not_after: at(days) },
    }
}

#[cfg(test)]
mod tests;
