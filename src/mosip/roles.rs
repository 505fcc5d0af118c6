//! Finds the usable key for a role: the peer to seal to, the own key that signs, the peer whose signature counts. A key that is missing or
//! outside its dates is a refusal with fault `keys` that names the file, so that a queued event waits for it. A name that the caller sent
//! and that is not configured is the fault of the caller.

use std::fmt::Display;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::keys::cert::Validity;
use crate::keys::{Certificate, OwnKey, Peer, Ring, Trouble};
use crate::mosip::jwt::Signer;

/// The name of the peer that is the MOSIP-side mediator.
pub(crate) const MOSIP: &str = "mosip";

/// The name of the peer that is IDA, for sealing.
pub(crate) const IDA: &str = "ida";

/// The peer `name`, which the gateway itself needs.
pub(crate) fn peer<'r>(ring: &'r Ring, name: &str) -> Result<&'r Arc<Peer>> {
    ring.peer(name).ok_or_else(|| {
        Error::new(Code::Keys, format!("no certificate of peer `{name}` is loaded"))
            .advise(find_advice(ring.peer_troubles(name), || {
                format!("Add a peer named `{name}` to keys.peers.")
            }))
    })
}

/// That one at least of the peers `names` is loaded, or there are no names.
pub(crate) fn one_of(ring: &Ring, names: &[String]) -> Result<()> {
    match names.first() {
        Some(first) if names.iter().all(|name| ring.peer(name).is_none()) => peer(ring, first).map(drop),
        _ => Ok(()),
    }
}

/// The peer `name`, which the caller named at `pointer`.
pub(crate) fn asked_peer<'r>(ring: &'r Ring, name: &str, pointer: &str) -> Result<&'r Arc<Peer>> {
    match ring.peer_troubles(name) {
        Some(_) => peer(ring, name),
        None => Err(Error::field(pointer, "no peer of this name is configured")
            .advise("Name one of the peers that /v1/keys lists, or have this one added to keys.peers.")),
    }
}

/// The peer `from`, or the only one that is configured. Peers whose files are broken count too, so that a broken file never assigns a
/// message to another peer.
pub(crate) fn peer_or_only<'r>(ring: &'r Ring, from: Option<&str>) -> Result<&'r Arc<Peer>> {
    if let Some(name) = from {
        return asked_peer(ring, name, "/from");
    }
    let mut names = ring.peer_names();
    match (names.next(), names.next()) {
        (Some(only), None) => peer(ring, only),
        (None, _) => Err(Error::field("/from", "no peer is configured").advise("Add it to keys.peers.")),
        _ => Err(Error::field("/from", "several peers are configured; say whose message this is")),
    }
}

/// The certificate of the peer `name` that is sealed to.
pub(crate) fn recipient<'r>(ring: &'r Ring, name: &str, now: Timestamp) -> Result<&'r Certificate> {
    certificate_to_seal_to(peer(ring, name)?, now)
}

/// As [`recipient`], for a name that the caller sent at `pointer`.
pub(crate) fn asked_recipient<'r>(
    ring: &'r Ring,
    name: &str,
    pointer: &str,
    now: Timestamp,
) -> Result<&'r Certificate> {
    certificate_to_seal_to(asked_peer(ring, name, pointer)?, now)
}

/// The own key that signs: the one of this name, or the first with use `sign`.
pub(crate) fn signer<'r>(ring: &'r Ring, name: Option<&str>, now: Timestamp) -> Result<&'r Arc<OwnKey>> {
    if let Some(name) = name.filter(|name| ring.ec_signer(name).is_some()) {
        return Err(Error::new(
            Code::Keys,
            format!("the own key `{name}` is an EC key, which MOSIP does not know"),
        )
        .advise("Name an RSA key. An EC key signs for eSignet alone, as esignet.key."));
    }
    let own = ring.signer(name).ok_or_else(|| {
        let which =
            name.map_or_else(|| "no signing key".to_owned(), |name| format!("no signing key `{name}`"));
        Error::new(Code::Keys, format!("{which} is loaded"))
            .advise(find_advice(ring.signer_troubles(name), || match ring.has_client() {
                true => "Add a key with use = [\"sign\"] to keys.own: the one that esignet.key names signs for eSignet alone.".to_owned(),
                false => "Add a key with use = [\"sign\"] to keys.own.".to_owned(),
            }))
    })?;
    check_own_dates(own, now).map(|()| own)
}

/// The own key `name`, by which eSignet knows us: an RSA key or one on P-256. MOSIP's signatures are made with others.
pub(crate) fn client_key<'r>(ring: &'r Ring, name: &str, now: Timestamp) -> Result<Signer<'r>> {
    if let Some(key) = ring.ec_signer(name) {
        return Ok(Signer::Ec(&key.private));
    }
    let own = ring.client().ok_or_else(|| {
        Error::new(Code::Keys, format!("the key `{name}`, by which eSignet knows us, is not loaded")).advise(
            find_advice(Some(ring.client_troubles().collect()), || {
                "Put right its file in keys.own.".to_owned()
            }),
        )
    })?;
    check_own_dates(own, now).map(|()| Signer::Rsa(&own.private))
}

/// As [`signer`], for a name that the caller may have sent at `pointer`.
pub(crate) fn asked_signer<'r>(
    ring: &'r Ring,
    name: Option<&str>,
    pointer: &str,
    now: Timestamp,
) -> Result<&'r Arc<OwnKey>> {
    if name.is_some() && ring.signer_troubles(name).is_none() {
        return Err(Error::field(pointer, "no own key of this name may sign")
            .advise("Name one of the own keys with use `sign` that /v1/keys lists, or leave it out."));
    }
    signer(ring, name, now)
}

/// The advice for a missing key: why its entry is unusable, or what to do where there is no entry.
fn find_advice(troubles: Option<Vec<&Trouble>>, absent: impl FnOnce() -> String) -> String {
    let hinders = troubles.into_iter().flatten().find(|trouble| trouble.fatal);
    hinders.map_or_else(absent, ToString::to_string)
}

fn certificate_to_seal_to(peer: &Peer, now: Timestamp) -> Result<&Certificate> {
    let certificate = peer.certificate.as_ref().ok_or_else(|| {
        let file = peer.file.display();
        Error::new(Code::Keys, format!("`{file}` is a bare public key; nothing can be sealed to it"))
            .advise(format!("Put the certificate of peer `{}` there.", peer.name))
    })?;
    check_dates(certificate, &peer.file.display(), now)?;
    Ok(certificate)
}

fn check_own_dates(own: &OwnKey, now: Timestamp) -> Result<()> {
    own.certificate.as_ref().map_or(Ok(()), |certificate| check_dates(certificate, &own.location, now))
}

fn check_dates(certificate: &Certificate, place: &impl Display, now: Timestamp) -> Result<()> {
    let refuse = |what: &str, at: Timestamp| {
        Err(Error::new(Code::Keys, format!("{place}: {what} {}", at.to_iso()))
            .advise("Replace this file with the current certificate, or correct the machine's clock."))
    };
    match certificate.validity(now) {
        Validity::Valid => Ok(()),
        Validity::ExpiredSince(at) => refuse("expired on", at),
        Validity::NotYetValid(at) => refuse("not yet valid; it starts at", at),
    }
}

#[cfg(test)]
mod tests;
