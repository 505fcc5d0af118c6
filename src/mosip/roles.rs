//! From a role to a usable key: who is sealed to, who signs, whose signature counts. What is missing or outside its dates is the
//! `keys` refusal that names the file, so that a queued event waits for it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::keys::cert::Validity;
use crate::keys::{Certificate, OwnKey, Peer, Ring};

/// The peer that the MOSIP-side mediator is.
pub const MOSIP: &str = "mosip";

/// The peer that IDA is to those who seal to it.
pub const IDA: &str = "ida";

/// The peer `name`. A name that is not configured is the caller's mistake, unless it is one that the gateway itself needs.
pub fn peer<'r>(ring: &'r Ring, name: &str) -> Result<&'r Arc<Peer>> {
    ring.peer(name).ok_or_else(|| {
        if ![MOSIP, IDA].contains(&name) && !ring.configured_peers().any(|known| known == name) {
            return not_configured("peer", "keys.peers");
        }
        let trouble = ring.troubles().iter().find(|trouble| trouble.fatal).map(ToString::to_string);
        Error::new(Code::Keys, format!("no certificate of peer `{name}` is loaded"))
            .advise(trouble.unwrap_or_else(|| format!("Add a peer named `{name}` to keys.peers.")))
    })
}

/// The peer `from`, or the only one that is configured.
pub fn peer_or_only<'r>(ring: &'r Ring, from: Option<&str>) -> Result<&'r Arc<Peer>> {
    let mut configured = ring.configured_peers();
    match (from, configured.next(), configured.next()) {
        (Some(name), ..) | (None, Some(name), None) => peer(ring, name),
        (None, ..) => Err(Error::field("/from", "several peers are configured; say whose message this is")),
    }
}

/// The certificate that is sealed to.
pub fn recipient<'r>(ring: &'r Ring, name: &str, now: Timestamp) -> Result<&'r Certificate> {
    let peer = peer(ring, name)?;
    let certificate = peer.certificate.as_ref().ok_or_else(|| {
        let file = peer.file.display();
        Error::new(Code::Keys, format!("`{file}` is a bare public key; nothing can be sealed to it"))
            .advise(format!("Put the certificate of peer `{name}` there."))
    })?;
    in_date(certificate, &peer.file, now)?;
    Ok(certificate)
}

/// The own key that signs: the one of this name, or the first with use `sign`.
pub fn signer<'r>(ring: &'r Ring, name: Option<&str>, now: Timestamp) -> Result<&'r Arc<OwnKey>> {
    let own = ring.signer(name).ok_or_else(|| {
        if name.is_some_and(|name| !ring.configured_own().any(|known| known == name)) {
            return not_configured("own key", "keys.own");
        }
        let which =
            name.map_or_else(|| "no signing key".to_owned(), |name| format!("no signing key `{name}`"));
        let trouble = ring.troubles().iter().find(|trouble| trouble.fatal).map(ToString::to_string);
        Error::new(Code::Keys, format!("{which} is loaded"))
            .advise(trouble.unwrap_or_else(|| "Add a key with use = [\"sign\"] to keys.own.".to_owned()))
    })?;
    if let Some(certificate) = &own.certificate {
        in_date(certificate, &own.file, now)?;
    }
    Ok(own)
}

fn not_configured(what: &str, section: &str) -> Error {
    Error::new(Code::Field, format!("no {what} of this name is configured"))
        .advise(format!("Name an entry of {section}."))
}

fn in_date(certificate: &Certificate, file: &std::path::Path, now: Timestamp) -> Result<()> {
    let refuse = |what: &str, at: Timestamp| {
        Err(Error::new(Code::Keys, format!("{}: {what} {}", file.display(), at.to_iso()))
            .advise("Replace this file with the current certificate, or correct the machine's clock."))
    };
    match certificate.validity(now) {
        Validity::Valid => Ok(()),
        Validity::ExpiredSince(at) => refuse("expired since", at),
        Validity::NotYetValid(at) => refuse("not yet valid; it starts at", at),
    }
}
