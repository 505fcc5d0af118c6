//! Chains of certificates (RFC 5280 6, without policies and name constraints, which MOSIP does not use).
//!
//! Ours and not webpki's, because leaves with `CA:true` occur here and webpki refuses those.

use super::cert::{Certificate, Validity};
use crate::clock::Timestamp;

/// The issuers of `leaf` among `candidates`, its own issuer first, as far as they go.
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

/// Whether a path leads from `leaf` over `candidates` to one of `roots`, all of them CAs that are valid at `now`.
/// A leaf that is itself a root is trusted. The caller checks the leaf's own dates.
pub(super) fn reaches(
    roots: &[Certificate],
    leaf: &Certificate,
    candidates: &[Certificate],
    now: Timestamp,
) -> bool {
    let issued = |subject: &Certificate, issuer: &Certificate| {
        issuer.is_ca() && issuer.validity(now) == Validity::Valid && subject.is_issued_by(issuer)
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
