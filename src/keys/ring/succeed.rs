//! From one generation of keys to the next.

use std::sync::Arc;

use super::{OwnKey, Peer, Ring, RingEntries, Slot, Trust};

/// How many own keys of former generations go on decrypting: years of rotations, and a bound.
const RETIRED_KEPT: usize = 8;

pub(super) fn succeed(previous: &Ring, next: Ring) -> Ring {
    let RingEntries { own, mut ec, mut peers, ca_troubles, trust } = next.parts;
    // What does not load has no kind: where it was on P-256 before, it still is.
    let was_ec = |slot: &Slot<OwnKey>| {
        slot.key.is_none() && previous.parts.ec.iter().any(|former| former.entry == slot.entry)
    };
    let (broken, mut own): (Vec<_>, Vec<_>) = own.into_iter().partition(was_ec);
    ec.extend(broken.into_iter().map(|slot| slot.holding(None)));
    for slot in &mut ec {
        fall_back(slot, &previous.parts.ec, |_| true);
    }
    for slot in &mut own {
        fall_back(slot, &previous.parts.own, |key| own_is_trusted(key, &trust));
    }
    for slot in &mut peers {
        fall_back(slot, &previous.parts.peers, |peer| peer_is_trusted(peer, &trust));
    }
    let retired = retire(previous, &own);
    Ring::assemble(RingEntries { own, ec, peers, ca_troubles, trust }, retired)
}

/// Puts the key of the former generation where the file broke meanwhile, unless `keys.ca_file` has come to refuse it.
fn fall_back<T>(slot: &mut Slot<T>, previous: &[Slot<T>], is_trusted: impl Fn(&T) -> bool) {
    if slot.key.is_some() {
        return;
    }
    let former =
        previous.iter().find(|former| former.entry == slot.entry).and_then(|former| former.key.as_ref());
    if let Some(key) = former.filter(|key| is_trusted(key)) {
        slot.key = Some(Arc::clone(key));
        for trouble in slot.troubles.iter_mut().filter(|trouble| trouble.fatal) {
            trouble.fatal = false;
            trouble.what.push_str(" (the key loaded before stays in use)");
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

/// Former own keys that decrypt and are no longer among `own`, the latest first.
fn retire(previous: &Ring, own: &[Slot<OwnKey>]) -> Vec<Arc<OwnKey>> {
    let mut retired: Vec<Arc<OwnKey>> = Vec::new();
    for key in previous.own.iter().chain(&previous.retired).filter(|key| key.uses.decrypt) {
        let current = own.iter().filter_map(|slot| slot.key.as_ref()).filter(|key| key.uses.decrypt);
        if !current.chain(&retired).any(|other| is_same(key, other)) && retired.len() < RETIRED_KEPT {
            retired.push(Arc::clone(key));
        }
    }
    retired
}

/// Whether both open the same envelopes: by thumbprint, which a renewed certificate changes, and by key.
fn is_same(one: &OwnKey, other: &OwnKey) -> bool {
    one.certificate == other.certificate && one.private.public_key() == other.private.public_key()
}
