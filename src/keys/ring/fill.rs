//! From the configuration to loaded keys, entry by entry: a broken entry never hinders another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::{EcKey, Entry, OwnKey, Peer, RingEntries, Slot, Trouble, Trust};
use crate::clock::Timestamp;
use crate::keys::cert::{Certificate, Summary, Validity};
use crate::keys::source::file::{Authorities, parse_authorities, parse_certificates, parse_peer};
use crate::keys::source::{LoadError, Reader};
use crate::keys::{Location, chain};

/// Loads every entry of `keys`; `files` reads what is in files.
pub(super) fn load(keys: &crate::keys::settings::Keys, now: Timestamp, files: &Reader) -> RingEntries {
    let mut ca_troubles = Vec::new();
    // A ca_file that cannot be read leaves no roots, so that every certificate is refused rather than any accepted.
    let found = keys.ca_file.as_ref().map(|path| {
        guarded(&Location::from(path), || read_authorities(path, files)).unwrap_or_else(|trouble| {
            ca_troubles.push(trouble);
            Authorities { certificates: Vec::new(), useless: Vec::new() }
        })
    });
    let mut authorities = Vec::new();
    if let (Some(path), Some(found)) = (&keys.ca_file, &found) {
        let dated = found.certificates.iter().filter_map(|root| Some((root, outside_dates(root, now)?)));
        ca_troubles.extend(dated.map(|(root, dates)| of_authority(path, root, &dates)));
        let useless = found.useless.iter().map(|(authority, why)| {
            Trouble::new(path, &LoadError::Authority(authority.subject.clone(), why.clone()), false)
        });
        ca_troubles.extend(useless);
        let of_use = found
            .certificates
            .iter()
            .map(|root| Summary { subject: root.subject().to_owned(), dates: root.dates() });
        authorities = of_use.chain(found.useless.iter().map(|(authority, _)| authority.clone())).collect();
    }
    let trust = Trust { roots: found.map(|found| found.certificates), authorities, now };
    let (mut own, mut ec) = (Vec::new(), Vec::new());
    for entry in &keys.own {
        match own_slot(keys, entry, &trust, files) {
            (Some(key), slot) => ec.push(slot.holding(key)),
            (None, slot) => own.push(slot),
        }
    }
    let peers = keys.peers.iter().map(|entry| peer_slot(entry, &trust, files)).collect();
    RingEntries { own, ec, peers, ca_troubles, trust }
}

/// A certificate in `keys.ca_file` that is outside its dates. The file may hold others that are not.
fn of_authority(path: &Path, root: &Certificate, dates: &LoadError) -> Trouble {
    let mut trouble = Trouble::new(path, dates, false);
    trouble.what = format!("authority {}: {}", root.subject(), trouble.what);
    if matches!(dates, LoadError::Expired(_)) {
        trouble.advice = "put the authority's new certificate into the file, and remove this one".to_owned();
    }
    trouble
}

/// The entries of `keys` without keys.
pub(super) fn unread(keys: &crate::keys::settings::Keys, now: Timestamp, trouble: Trouble) -> RingEntries {
    let own = keys.own.iter().map(|entry| Slot::empty(of_own(keys, entry), Vec::new()));
    let peers = keys.peers.iter().map(|entry| Slot::empty(of_peer(entry), Vec::new()));
    let trust = Trust { roots: keys.ca_file.as_ref().map(|_| Vec::new()), authorities: Vec::new(), now };
    RingEntries {
        own: own.collect(),
        ec: Vec::new(),
        peers: peers.collect(),
        ca_troubles: vec![trouble],
        trust,
    }
}

fn of_own(keys: &crate::keys::settings::Keys, entry: &crate::keys::settings::OwnKey) -> Entry {
    Entry {
        location: entry.source.location(),
        name: entry.name.clone(),
        uses: Some(entry.uses),
        is_of_esignet: keys.is_of_esignet(entry),
    }
}

fn of_peer(entry: &crate::keys::settings::Peer) -> Entry {
    Entry {
        location: Location::from(&entry.file),
        name: Some(entry.name.clone()),
        uses: None,
        is_of_esignet: false,
    }
}

/// The slot of `entry`; beside it its key where that is on P-256, for which the slot stays empty.
fn own_slot(
    keys: &crate::keys::settings::Keys,
    entry: &crate::keys::settings::OwnKey,
    trust: &Trust,
    files: &Reader,
) -> (Option<EcKey>, Slot<OwnKey>) {
    let load = |troubles: &mut Vec<Trouble>| own_key(entry, keys.strict_permissions, trust, files, troubles);
    let mut slot = Slot::new(of_own(keys, entry), load);
    match slot.key.take().and_then(Arc::into_inner) {
        Some(Own::Ec(key)) => (Some(key), slot.holding(None)),
        Some(Own::Rsa(key)) => (None, slot.holding(*key)),
        None => (None, slot.holding(None)),
    }
}

/// What an entry of `keys.own` holds.
enum Own {
    Rsa(Box<OwnKey>),
    Ec(EcKey),
}

fn peer_slot(entry: &crate::keys::settings::Peer, trust: &Trust, files: &Reader) -> Slot<Peer> {
    Slot::new(of_peer(entry), |troubles| peer(entry, trust, files, troubles))
}

impl<T> Slot<T> {
    /// The same entry with a key of another kind.
    pub(super) fn holding<U>(self, key: impl Into<Option<U>>) -> Slot<U> {
        Slot { key: key.into().map(Arc::new), ..Slot::empty(self.entry, self.troubles) }
    }

    /// One whose key is not loaded.
    fn empty(entry: Entry, troubles: Vec<Trouble>) -> Self {
        Self { entry, key: None, until: None, troubles }
    }

    /// `load` adds what does not hinder to its argument and returns what does.
    pub(super) fn new(entry: Entry, load: impl FnOnce(&mut Vec<Trouble>) -> Result<T, Trouble>) -> Self {
        let mut troubles = Vec::new();
        let key = match guarded(&entry.location, || load(&mut troubles)) {
            Ok(key) => Some(Arc::new(key)),
            Err(trouble) => {
                troubles.push(trouble);
                None
            }
        };
        Self { key, ..Self::empty(entry, troubles) }
    }
}

/// A panic is a trouble of the place that caused it: the other keys are loaded all the same.
fn guarded<T>(location: &Location, load: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let loaded = catch_unwind(AssertUnwindSafe(load));
    loaded.unwrap_or_else(|_| Err(Trouble::new(location.clone(), &LoadError::Defect, true)))
}

fn own_key(
    entry: &crate::keys::settings::OwnKey,
    strict_permissions: bool,
    trust: &Trust,
    files: &Reader,
    troubles: &mut Vec<Trouble>,
) -> Result<Own, Trouble> {
    let location = entry.source.location();
    let certificate_at = entry.cert.as_ref().map_or_else(|| location.clone(), Location::from);
    let mut material = entry.source.load(files, strict_permissions)?;
    let warning = |warning| Trouble::new(location.clone(), &warning, false);
    troubles.extend(material.warnings.drain(..).map(warning));
    if material.keys.is_empty()
        && let Some(private) = std::mem::take(&mut material.ec_keys).into_iter().next()
    {
        if entry.uses.decrypt {
            return Err(Trouble::new(location, &LoadError::EcDecrypts, true));
        }
        return Ok(Own::Ec(EcKey { name: entry.name.clone(), location, private }));
    }
    let configured = entry.cert.as_deref().map(|cert| read_certificates(cert, files));
    let configured = configured.transpose()?.unwrap_or_default();
    let matched = material
        .matched(configured, trust.now)
        .map_err(|error| Trouble::new(certificate_at.clone(), &error, true))?;
    troubles.extend(matched.warnings.into_iter().map(warning));

    let mut chain = Vec::new();
    if let Some(certificate) = &matched.certificate {
        chain = chain::issuers(certificate, &matched.others);
        let wanted = [
            (entry.uses.sign && !certificate.may_sign(), "signatures"),
            (entry.uses.decrypt && !certificate.may_wrap(), "decryption"),
        ];
        if !trust.accepts_own(certificate, &matched.others) {
            return Err(trust.refusal(certificate, &matched.others, certificate_at));
        }
        check_certificate(certificate, &certificate_at, wanted, trust, troubles)?;
    }
    Ok(Own::Rsa(Box::new(OwnKey {
        name: entry.name.clone(),
        location,
        private: matched.private,
        certificate: matched.certificate,
        certificate_at,
        chain,
        uses: entry.uses,
    })))
}

fn peer(
    entry: &crate::keys::settings::Peer,
    trust: &Trust,
    files: &Reader,
    troubles: &mut Vec<Trouble>,
) -> Result<Peer, Trouble> {
    let file = &entry.file;
    let (bytes, _) = files.read(file).map_err(fatal(file))?;
    let material = parse_peer(&bytes, trust.now).map_err(fatal(file))?;
    troubles.extend(material.warnings.iter().map(|warning| Trouble::new(file, warning, false)));
    let mut chain = Vec::new();
    if let Some(certificate) = &material.certificate {
        chain = chain::issuers(certificate, &material.others);
        // Which of the two a peer's certificate serves shows only in use; one of them it must.
        let useless = !certificate.may_sign() && !certificate.may_wrap();
        if !trust.accepts(certificate, &material.others) {
            return Err(trust.refusal(certificate, &material.others, file));
        }
        check_certificate(
            certificate,
            &Location::from(file),
            [(useless, "signatures or encryption")],
            trust,
            troubles,
        )?;
    } else if trust.roots.is_some() {
        return Err(Trouble::new(file, &LoadError::NoChain, true));
    }
    Ok(Peer {
        name: entry.name.clone(),
        file: file.clone(),
        certificate: material.certificate,
        chain,
        key: material.key,
        unknown_thumbprint: entry.unknown_thumbprint,
        algs: entry.algs.clone(),
    })
}

/// Dates are reported: an expired key still opens what was sealed to it, and `mosip::roles` lets none sign or be sealed to. Usage is
/// reported, and enforced where a CA is configured.
fn check_certificate<const N: usize>(
    certificate: &Certificate,
    location: &Location,
    forbidden: [(bool, &'static str); N],
    trust: &Trust,
    troubles: &mut Vec<Trouble>,
) -> Result<(), Trouble> {
    if let Some((_, use_)) = forbidden.iter().find(|(forbidden, _)| *forbidden) {
        let enforced = trust.roots.is_some();
        let trouble = Trouble::new(location.clone(), &LoadError::Usage(use_), enforced);
        if enforced {
            return Err(trouble);
        }
        troubles.push(trouble);
    }
    troubles.extend(
        outside_dates(certificate, trust.now).map(|dates| Trouble::new(location.clone(), &dates, false)),
    );
    Ok(())
}

fn outside_dates(certificate: &Certificate, now: Timestamp) -> Option<LoadError> {
    match certificate.validity(now) {
        Validity::Valid => None,
        Validity::ExpiredSince(moment) => Some(LoadError::Expired(moment)),
        Validity::NotYetValid(moment) => Some(LoadError::NotYetValid(moment)),
    }
}

fn read_authorities(path: &Path, files: &Reader) -> Result<Authorities, Trouble> {
    let (bytes, _) = files.read(path).map_err(fatal(path))?;
    parse_authorities(&bytes).map_err(fatal(path))
}

fn read_certificates(path: &Path, files: &Reader) -> Result<Vec<Certificate>, Trouble> {
    let (bytes, _) = files.read(path).map_err(fatal(path))?;
    parse_certificates(&bytes).map_err(fatal(path))
}

fn fatal(file: &Path) -> impl FnOnce(LoadError) -> Trouble {
    move |error| Trouble::new(file, &error, true)
}
