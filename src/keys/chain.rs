//! Chains of certificates (RFC 5280 6, without policies and name constraints, which MOSIP does not use).
//!
//! Ours and not webpki's, because leaves with `CA:true` occur here and webpki refuses those.

use super::cert::{Certificate, Validity};
use crate::clock::Timestamp;

/// The issuers of `leaf` among `candidates`, its own issuer first, up to the last that is there.
pub(super) fn issuers(leaf: &Certificate, candidates: &[Certificate]) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut subject = leaf;
    while let Some(issuer) = candidates
        .iter()
        .find(|candidate| *candidate != leaf && !chain.contains(candidate) && subject.is_issued_by(candidate))
    {
        chain.push(issuer.clone());
        subject = issuer;
    }
    chain
}

/// The certificate of a file that is the holder's own.
pub(super) struct EndEntity<'a> {
    pub(super) certificate: &'a Certificate,
    /// How many others, of other keys, could be it as well.
    pub(super) rivals: usize,
}

/// Finds the certificate that issued none of the others, whatever the order. Where there are several, those that are no CA come first,
/// then those that are no root, then those that are valid at `now`, then those that allow signatures or encryption, then the latest,
/// then the first. The dates come after the CA flag, since an authority must not stand in for its holder whose certificate expired.
pub(super) fn end_entity(certificates: &[Certificate], now: Timestamp) -> Option<EndEntity<'_>> {
    let issued_any = |issuer: &Certificate| {
        certificates.iter().any(|other| {
            // Two that issued each other (cross-signed, or one key renewed) leave the choice to what follows.
            other != issuer && other.is_issued_by(issuer) && !issuer.is_issued_by(other)
        })
    };
    let fitness = |certificate: &Certificate| {
        let useful = certificate.may_sign() || certificate.may_wrap();
        let valid = certificate.validity(now) == Validity::Valid;
        let holder = !certificate.is_ca();
        (!issued_any(certificate), holder, holder || !certificate.names_itself_as_issuer(), valid, useful)
    };
    // Computed once: signatures are verified for it.
    let fitnesses: Vec<_> = certificates.iter().map(fitness).collect();
    let best = fitnesses.iter().max()?;
    let fitting = || {
        certificates.iter().zip(&fitnesses).filter(|(_, fitness)| *fitness == best).map(|(found, _)| found)
    };
    let certificate = fitting().rev().max_by_key(|certificate| certificate.not_before())?;
    let mut keys: Vec<_> = Vec::new();
    for other in fitting().map(Certificate::public_key).filter(|key| *key != certificate.public_key()) {
        if !keys.contains(&other) {
            keys.push(other);
        }
    }
    Some(EndEntity { certificate, rivals: keys.len() })
}

/// Whether a path leads from `leaf` over `candidates` to one of `roots`, all of them CAs that are valid at `now`; `None`: whatever
/// their dates.
/// A leaf that is itself a root is trusted. The caller checks the leaf's own dates.
pub(super) fn reaches(
    roots: &[Certificate],
    leaf: &Certificate,
    candidates: &[Certificate],
    now: Option<Timestamp>,
) -> bool {
    let is_valid = |issuer: &Certificate| now.is_none_or(|now| issuer.validity(now) == Validity::Valid);
    let issued = |subject: &Certificate, issuer: &Certificate| {
        issuer.is_ca() && is_valid(issuer) && subject.is_issued_by(issuer)
    };
    let mut reached = vec![leaf];
    let mut next = 0;
    while let Some(subject) = reached.get(next).copied() {
        if roots.iter().any(|root| root == subject || issued(subject, root)) {
            return true;
        }
        for candidate in candidates {
            if !reached.contains(&candidate) && issued(subject, candidate) {
                reached.push(candidate);
            }
        }
        next += 1;
    }
    false
}

#[cfg(test)]
mod tests;
