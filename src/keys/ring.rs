//! An immutable snapshot of all keys, by role and by thumbprint.

mod ec;
#[cfg(test)]
pub(crate) mod fake;
mod fill;
mod succeed;
mod trust;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cert::{Certificate, Summary, Thumbprint};
use super::source::{LoadError, Reader};
use super::{Location, example};
use crate::clock::Timestamp;
use crate::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};

pub(crate) use ec::EcKey;
use succeed::Retired;
use trust::Trust;

/// One of our keys, promoted (signed and unwrapped once, cross-checked with the other library).
pub struct OwnKey {
    /// From the configuration.
    pub name: Option<String>,
    /// Where it came from.
    pub location: Location,
    /// The private key.
    pub private: PrivateKey,
    /// Its certificate; a JWK or a bare key may have none.
    pub certificate: Option<Certificate>,
    /// Where that came from: the place of the key, or a file of its own.
    pub certificate_at: Location,
    /// Intermediates that came along, issuer order.
    pub chain: Vec<Certificate>,
    /// What it may be used for.
    pub uses: crate::keys::settings::Uses,
}

/// One of theirs.
pub struct Peer {
    /// `mosip`, …
    pub name: String,
    /// Where it came from.
    pub file: PathBuf,
    /// The certificate; a bare public key verifies, and nothing can be sealed to it.
    pub certificate: Option<Certificate>,
    /// Intermediates that came along, issuer order.
    pub chain: Vec<Certificate>,
    /// The key that verifies.
    pub key: PublicKey,
    /// Policy for envelopes from this peer.
    pub unknown_thumbprint: crate::keys::settings::UnknownThumbprint,
    /// Accepted algorithms.
    pub algs: Vec<SignatureAlgorithm>,
}

/// A file, or another place of a key, that is not as it should be. `Display` is `<place>: <what>; <what to do>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The place.
    pub location: Location,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// `false`: the key is loaded all the same (expired, readable by others).
    pub fatal: bool,
    /// The certificate is outside its dates; of an authority: and a certificate is not trusted for it.
    pub outdated: bool,
    /// What keeps the key cannot be reached now, so that nothing is known of the key.
    pub unavailable: bool,
    /// Nothing could be loaded from there, whatever is in use in its stead.
    pub(crate) refused: bool,
    /// There is no such file.
    missing: bool,
    /// The certificate would be trusted, if `keys.ca_file` were as it should be.
    follows: bool,
}

impl Trouble {
    pub(crate) fn new(location: impl Into<Location>, error: &LoadError, fatal: bool) -> Self {
        Self {
            location: location.into(),
            what: error.to_string(),
            advice: error.advice().to_owned(),
            fatal,
            outdated: matches!(error, LoadError::Expired(_) | LoadError::NotYetValid(_)),
            unavailable: matches!(error, LoadError::Unavailable(_) | LoadError::Hangs(_)),
            refused: fatal,
            missing: matches!(error, LoadError::Missing),
            follows: false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.location, self.what, self.advice)
    }
}

/// All keys of one moment. Never changes; a reload makes another.
#[derive(Default)]
pub struct Ring {
    own: Vec<Arc<OwnKey>>,
    peers: Vec<Arc<Peer>>,
    retired: Vec<Retired>,
    troubles: Vec<Trouble>,
    /// As [`RingEntries::ca_troubles`], with what follows from them.
    ca_troubles: Vec<Trouble>,
    parts: RingEntries,
}

/// What a ring is made of, entry by entry, so that the next one can fall back on it.
#[derive(Default, Clone)]
struct RingEntries {
    own: Vec<Slot<OwnKey>>,
    /// Those entries of `keys.own` whose key is on P-256.
    ec: Vec<Slot<EcKey>>,
    peers: Vec<Slot<Peer>>,
    /// What is wrong with `keys.ca_file`, or with the volume as a whole.
    ca_troubles: Vec<Trouble>,
    trust: Trust,
}

/// One entry of the configuration and what came of it.
struct Slot<T> {
    entry: Entry,
    key: Option<Arc<T>>,
    /// The file of the key is missing: from then on the key is gone.
    until: Option<Timestamp>,
    troubles: Vec<Trouble>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        let Self { entry, key, until, troubles } = self;
        Self { entry: entry.clone(), key: key.clone(), until: *until, troubles: troubles.clone() }
    }
}

impl<T> Slot<T> {
    /// Whether there is no file of the key, which is something else than one that is broken.
    fn lacks_file(&self) -> bool {
        self.troubles.iter().any(|trouble| trouble.missing && trouble.location == self.entry.location)
    }

    fn refuse_example(&mut self, key: impl Fn(&T) -> &PublicKey) {
        if self.key.take_if(|held| example::is_example(key(held))).is_some() {
            self.troubles.push(Trouble::new(self.entry.location.clone(), &LoadError::Example, true));
        }
    }
}

/// Tells the entries of the configuration apart, over reloads of it.
#[derive(PartialEq, Eq, Clone)]
struct Entry {
    location: Location,
    name: Option<String>,
    uses: Option<crate::keys::settings::Uses>,
    /// It is the one by which eSignet knows us, and signs for nobody else.
    is_of_esignet: bool,
}

impl Entry {
    /// Whether it may sign for MOSIP where `name`, or any name, is asked for.
    fn is_signer(&self, name: Option<&str>) -> bool {
        let may_sign = self.uses.is_some_and(|uses| uses.sign) && !self.is_of_esignet;
        may_sign && (name.is_none() || self.name.as_deref() == name)
    }

    /// Whether it signs for eSignet.
    fn is_client(&self) -> bool {
        self.uses.is_some_and(|uses| uses.sign) && self.is_of_esignet
    }
}

impl RingEntries {
    /// Whether the key of `slot` is unavailable, by itself or with the whole volume.
    fn is_away<T>(&self, slot: &Slot<T>) -> bool {
        let mut troubles = self.ca_troubles.iter().chain(&slot.troubles);
        slot.key.is_none() && troubles.any(|trouble| trouble.unavailable)
    }

    /// What is wrong with `keys.ca_file`, and what is wrong with the entries. What keeps certificates from being trusted comes first and
    /// names them; they have no trouble of their own then.
    fn reported(&self) -> (Vec<Trouble>, Vec<Trouble>) {
        let has_no_root = self.trust.roots.as_ref().is_some_and(Vec::is_empty);
        let is_cause = |trouble: &Trouble| trouble.fatal || trouble.outdated || has_no_root;
        let cause = self.ca_troubles.iter().position(is_cause);
        let of_own = self.own.iter().flat_map(|slot| &slot.troubles);
        let of_ec = self.ec.iter().flat_map(|slot| &slot.troubles);
        let of_entries =
            of_own.chain(of_ec).chain(self.peers.iter().flat_map(|slot| &slot.troubles)).cloned();
        let (follow, others): (Vec<Trouble>, Vec<Trouble>) =
            of_entries.partition(|trouble| trouble.follows && cause.is_some());
        let mut of_ca = self.ca_troubles.clone();
        let cause = cause.filter(|_| !follow.is_empty());
        for (at, trouble) in of_ca.iter_mut().enumerate() {
            trouble.outdated &= Some(at) == cause;
        }
        if let Some(cause) = cause {
            let mut names: Vec<String> = follow.iter().map(|trouble| trouble.location.short()).collect();
            names.dedup();
            let mut trouble = of_ca.remove(cause);
            trouble.fatal |= follow.iter().any(|trouble| trouble.fatal);
            trouble.what.push_str(&format!(", so that these are not trusted: {}", names.join(", ")));
            of_ca.insert(0, trouble);
        }
        (of_ca, others)
    }
}

impl Ring {
    /// Loads what `keys` names. Never fails: what cannot be loaded stands in [`Ring::troubles`].
    pub fn load(keys: &crate::keys::settings::Keys, now: Timestamp) -> Self {
        Self::load_by(keys, now, &Reader::default())
    }

    /// As [`Ring::load`]; `files` shows meanwhile which file is being read.
    pub(crate) fn load_by(keys: &crate::keys::settings::Keys, now: Timestamp, files: &Reader) -> Self {
        Self::assemble(fill::load(keys, now, files), Vec::new())
    }

    /// The keys that `keys` names while none of their files can be read because of `trouble`.
    pub(crate) fn unread(keys: &crate::keys::settings::Keys, now: Timestamp, trouble: Trouble) -> Self {
        Self::assemble(fill::unread(keys, now, trouble), Vec::new())
    }

    /// The same with `trouble` before all others.
    pub(crate) fn troubled(&self, trouble: Trouble) -> Self {
        let mut parts = self.parts.clone();
        parts.ca_troubles.insert(0, trouble);
        Self::assemble(parts, self.retired.clone())
    }

    /// The same without development keys: each is a trouble of its file.
    #[must_use]
    pub(crate) fn without_example_keys(mut self) -> Self {
        for slot in &mut self.parts.own {
            slot.refuse_example(|key| key.private.public_key());
        }
        for slot in &mut self.parts.peers {
            slot.refuse_example(|peer| &peer.key);
        }
        Self::assemble(self.parts, self.retired)
    }

    /// The ring that follows `previous`. A key whose file broke meanwhile stays as it was, with its trouble. An own key whose file went
    /// missing stays for `retire_after`, and is gone then. One that was replaced goes on decrypting as long, so that envelopes to the former
    /// certificate still open, and signs no more.
    pub fn succeed(previous: &Ring, next: Ring, retire_after: Duration) -> Self {
        succeed::succeed(previous, next, retire_after)
    }

    fn assemble(parts: RingEntries, retired: Vec<Retired>) -> Self {
        let (ca_troubles, of_entries) = parts.reported();
        let troubles = ca_troubles.iter().cloned().chain(of_entries).collect();
        Self {
            own: parts.own.iter().filter_map(|slot| slot.key.clone()).collect(),
            peers: parts.peers.iter().filter_map(|slot| slot.key.clone()).collect(),
            retired,
            troubles,
            ca_troubles,
            parts,
        }
    }

    /// Own keys, in configuration order.
    pub fn own(&self) -> &[Arc<OwnKey>] {
        &self.own
    }

    /// Peers, in configuration order.
    pub fn peers(&self) -> &[Arc<Peer>] {
        &self.peers
    }

    /// What is wrong with `keys.ca_file` or with the whole volume, where it keeps keys from being loaded.
    pub(crate) fn cause(&self) -> Option<&Trouble> {
        self.ca_troubles.first().filter(|trouble| trouble.fatal)
    }

    /// What is wrong with the files.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// The own key (use decrypt) whose certificate has this thumbprint, be it of a former generation.
    pub(crate) fn decryptor(&self, thumbprint: &Thumbprint) -> Option<&Arc<OwnKey>> {
        self.decryptors().find(|key| {
            key.certificate.as_ref().is_some_and(|certificate| certificate.thumbprint() == *thumbprint)
        })
    }

    /// Own keys (use decrypt) whose modulus has `modulus_len` bytes, in order, each once.
    pub(crate) fn decryptors_of_len(&self, modulus_len: usize) -> Vec<&Arc<OwnKey>> {
        let mut fitting: Vec<&Arc<OwnKey>> = Vec::new();
        for key in self.decryptors().filter(|key| key.private.modulus_len() == modulus_len) {
            if !fitting.iter().any(|found| found.private.public_key() == key.private.public_key()) {
                fitting.push(key);
            }
        }
        fitting
    }

    /// The named signing key, or the first with use `sign`, whatever its dates: `mosip::roles` checks them. The key of eSignet is none.
    ///
    /// One that is unavailable is none, and the next one does not sign in its place.
    pub fn signer(&self, name: Option<&str>) -> Option<&Arc<OwnKey>> {
        let mut slots = self.parts.own.iter().filter(|slot| slot.entry.is_signer(name));
        slots.find(|slot| slot.key.is_some() || self.parts.is_away(slot))?.key.as_ref()
    }

    /// An own key (use decrypt) that is unavailable: what no other key opens may be for it.
    pub(crate) fn decryptor_away(&self) -> Option<&Trouble> {
        let mut slots = self.parts.own.iter();
        let slot = slots
            .find(|slot| slot.entry.uses.is_some_and(|uses| uses.decrypt) && self.parts.is_away(slot))?;
        self.parts.ca_troubles.iter().chain(&slot.troubles).find(|trouble| trouble.unavailable)
    }

    /// The own keys that are unavailable, in configuration order.
    pub(crate) fn away(&self) -> Vec<&Location> {
        let away =
            self.parts.own.iter().filter(|slot| slot.troubles.iter().any(|trouble| trouble.unavailable));
        away.map(|slot| &slot.entry.location).collect()
    }

    /// The peer of this name.
    pub fn peer(&self, name: &str) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// Names of the configured peers, be they loaded or not, in configuration order.
    pub(crate) fn peer_names(&self) -> impl Iterator<Item = &str> {
        self.parts.peers.iter().filter_map(|slot| slot.entry.name.as_deref())
    }

    /// What is wrong with the entry of the peer `name`; `None` where no entry has that name.
    pub(crate) fn peer_troubles(&self, name: &str) -> Option<Vec<&Trouble>> {
        let mut slots = self.parts.peers.iter();
        let slot = slots.find(|slot| slot.entry.name.as_deref() == Some(name))?;
        Some(self.ca_troubles.iter().chain(&slot.troubles).collect())
    }

    /// What is wrong with the entries that [`Ring::signer`] chooses from; `None` where there is no such entry.
    pub(crate) fn signer_troubles(&self, name: Option<&str>) -> Option<Vec<&Trouble>> {
        let slots: Vec<_> = self.parts.own.iter().filter(|slot| slot.entry.is_signer(name)).collect();
        let troubles = slots.iter().flat_map(|slot| &slot.troubles);
        (!slots.is_empty()).then(|| self.ca_troubles.iter().chain(troubles).collect())
    }

    /// The files whose key is a development key (of `keys.example` or `tests/vectors`), known by the public key.
    pub(crate) fn example_keys(&self) -> Vec<Location> {
        let own = self.own.iter().map(|key| (key.private.public_key(), key.location.clone()));
        let peers = self.peers.iter().map(|peer| (&peer.key, Location::from(&peer.file)));
        own.chain(peers).filter(|(key, _)| example::is_example(key)).map(|(_, location)| location).collect()
    }

    /// The moment for which this ring was made: a certificate that began or ended since makes another (see `tasks::key_watch`).
    pub fn moment(&self) -> Timestamp {
        self.parts.trust.now
    }

    /// The certificates of `keys.ca_file`, whatever their keys are.
    pub(crate) fn authorities(&self) -> &[Summary] {
        &self.parts.trust.authorities
    }

    fn decryptors(&self) -> impl Iterator<Item = &Arc<OwnKey>> {
        self.own.iter().chain(self.retired.iter().map(|retired| &retired.key)).filter(|key| key.uses.decrypt)
    }
}

#[cfg(test)]
mod tests;
