//! From one generation of keys to the next.

use std::sync::Arc;
use std::time::Duration;

use super::{EcKey, OwnKey, Peer, Ring, RingEntries, Slot, Trust};
use crate::clock::{Timestamp, to_millis};
use crate::keys::{Certificate, Location};

/// How many own keys of former generations go on decrypting: a bound for what rotates without an end.
const RETIRED_KEPT: usize = 8;

/// An own key of a former generation. It decrypts and does nothing else.
#[derive(Clone)]
pub(super) struct Retired {
    pub(super) key: Arc<OwnKey>,
    /// From then on it is gone.
    until: Timestamp,
}

/// An own key that will be gone: its file is missing or came back broken, or it holds another key.
pub(crate) struct Retiring<'a> {
    /// From the configuration.
    pub(crate) name: Option<&'a str>,
    /// Where it came from.
    pub(crate) location: &'a Location,
    /// Its certificate; a key on P-256 and a bare one have none.
    pub(crate) certificate: Option<&'a Certificate>,
    /// From then on it is gone.
    pub(crate) until: Timestamp,
    /// Another key has its place, and it does nothing but decrypt; else it is used as before.
    pub(crate) is_replaced: bool,
}

impl<'a> Retiring<'a> {
    fn of(key: &'a OwnKey, until: Timestamp, is_replaced: bool) -> Self {
        let OwnKey { name, location, certificate, .. } = key;
        Self { name: name.as_deref(), location, certificate: certificate.as_ref(), until, is_replaced }
    }

    fn of_ec(EcKey { name, location, .. }: &'a EcKey, until: Timestamp) -> Self {
        Self { name: name.as_deref(), location, certificate: None, until, is_replaced: false }
    }

    /// What a person calls it: its name, else its file.
    pub(crate) fn called(&self) -> String {
        self.name.map_or_else(|| self.location.short(), str::to_owned)
    }
}

impl Ring {
    /// Own keys that will be gone.
    pub(crate) fn retiring(&self) -> impl Iterator<Item = Retiring<'_>> {
        let Self { parts: RingEntries { own, ec, .. }, retired, .. } = self;
        let missing =
            own.iter().filter_map(|slot| Some(Retiring::of(slot.key.as_ref()?, slot.until?, false)));
        let of_ec = ec.iter().filter_map(|slot| Some(Retiring::of_ec(slot.key.as_ref()?, slot.until?)));
        missing.chain(of_ec).chain(retired.iter().map(|one| Retiring::of(&one.key, one.until, true)))
    }

    /// Whether a certificate began or ended, or a key ought to be gone, since this ring was made.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        let own = self.own.iter().filter_map(|key| key.certificate.as_ref());
        let peers = self.peers.iter().filter_map(|peer| peer.certificate.as_ref());
        let authorities = self.authorities().iter().map(|authority| authority.dates);
        self.retiring().any(|key| key.until <= now)
            || own
                .chain(peers)
                .map(Certificate::dates)
                .chain(authorities)
                .any(|dates| dates.validity(now) != dates.validity(self.parts.trust.now))
    }
}

pub(super) fn succeed(previous: &Ring, next: Ring, retire_after: Duration) -> Ring {
    let RingEntries { own, mut ec, mut peers, ca_troubles, trust } = next.parts;
    let now = trust.now;
    let end = Timestamp::from_millis(now.millis().saturating_add(to_millis(retire_after)));
    // What does not load has no kind: where it was on P-256 before, it still is.
    let was_ec = |slot: &Slot<OwnKey>| {
        slot.key.is_none() && previous.parts.ec.iter().any(|former| former.entry == slot.entry)
    };
    let (broken, mut own): (Vec<_>, Vec<_>) = own.into_iter().partition(was_ec);
    ec.extend(broken.into_iter().map(|slot| slot.holding(None)));
    for slot in &mut ec {
        fall_back(slot, &previous.parts.ec, |_| true, Some(end), now);
    }
    for slot in &mut own {
        fall_back(slot, &previous.parts.own, |key| own_is_trusted(key, &trust), Some(end), now);
    }
    for slot in &mut peers {
        fall_back(slot, &previous.parts.peers, |peer| peer_is_trusted(peer, &trust), None, now);
    }
    let retired = retire(previous, &own, end, now);
    Ring::assemble(RingEntries { own, ec, peers, ca_troubles, trust }, retired)
}

/// Puts the key of the former generation where the file broke meanwhile, unless `keys.ca_file` has come to refuse it. One whose file is
/// missing stays until `end`, counted from when that was seen first, also where the file comes back broken; `None`: it stays.
fn fall_back<T>(
    slot: &mut Slot<T>,
    previous: &[Slot<T>],
    is_trusted: impl Fn(&T) -> bool,
    end: Option<Timestamp>,
    now: Timestamp,
) {
    if slot.key.is_some() {
        return;
    }
    let Some(former) = previous.iter().find(|former| former.entry == slot.entry) else { return };
    let until = former.until.or(end.filter(|_| slot.lacks_file()));
    let key = former.key.as_ref().filter(|_| until.is_none_or(|until| until > now));
    if let Some(key) = key.filter(|key| is_trusted(key)) {
        slot.key = Some(Arc::clone(key));
        slot.until = until;
        let until = match until {
            Some(until) => format!(" until {}, and not after a restart", until.to_iso()),
            None => " until a restart".to_owned(),
        };
        for trouble in slot.troubles.iter_mut().filter(|trouble| trouble.fatal) {
            trouble.fatal = false;
            trouble.what.push_str(&format!(" (the key loaded before stays in use{until})"));
        }
    }
}

fn own_is_trusted(key: &OwnKey, trust: &Trust) -> bool {
    key.certificate.as_ref().is_none_or(|certificate| trust.accepts_own(certificate, &key.chain))
}

fn peer_is_trusted(peer: &Peer, trust: &Trust) -> bool {
    match &peer.certificate {
        Some(certificate) => trust.accepts(certificate, &peer.chain),
        None => trust.roots.is_none(),
    }
}

/// Former own keys that decrypt and are no longer among `own`, the latest first. One whose time runs already has no more of it, and any
/// other has until `end`.
fn retire(previous: &Ring, own: &[Slot<OwnKey>], end: Timestamp, now: Timestamp) -> Vec<Retired> {
    let replaced = previous.parts.own.iter().filter_map(|slot| {
        Some(Retired { key: Arc::clone(slot.key.as_ref()?), until: slot.until.unwrap_or(end) })
    });
    let former = replaced.chain(previous.retired.iter().cloned());
    let mut retired: Vec<Retired> = Vec::new();
    for one in former.filter(|one| one.key.uses.decrypt && one.until > now) {
        let current = own.iter().filter_map(|slot| slot.key.as_ref()).filter(|key| key.uses.decrypt);
        let mut others = current.chain(retired.iter().map(|other| &other.key));
        if !others.any(|other| is_same(&one.key, other)) && retired.len() < RETIRED_KEPT {
            retired.push(one);
        }
    }
    retired
}

/// Whether both open the same envelopes: by thumbprint, which a renewed certificate changes, and by key.
fn is_same(one: &OwnKey, other: &OwnKey) -> bool {
    one.certificate == other.certificate && one.private.public_key() == other.private.public_key()
}
