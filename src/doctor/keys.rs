//! Every key and certificate of the ring: loaded or not, whose, for what, and for how many days.

use super::Finding;
use crate::clock::Timestamp;
use crate::keys::cert::{Dates, Validity};
use crate::keys::dated::STAGES;
use crate::keys::settings::Uses;
use crate::keys::{self, Certificate, Location, OwnKey, Peer, Ring};
use crate::settings::Config;

const SECONDS_PER_DAY: i64 = 86_400;

/// All keys, then what no key is configured for.
pub(super) fn examine(
    config: &Config,
    ring: &Ring,
    allow_example_keys: bool,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ring
        .troubles()
        .iter()
        .map(|trouble| {
            let level = if trouble.fatal || trouble.outdated { Finding::fail } else { Finding::warn };
            level(&trouble.location, trouble.what.clone(), trouble.advice.clone())
        })
        .collect();
    for own in ring.own() {
        let is_of_esignet = own.name.is_some() && own.name == config.keys.esignet;
        findings.push(Finding::ok(&own.location, describe_own(own, is_of_esignet)));
        findings.extend(certificates(&own.certificate_at, own.certificate.as_ref(), &own.chain, now));
    }
    for key in ring.ec_keys() {
        let name = key.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
        let what =
            format!("own key{name}, EC on P-256, signs for eSignet alone; its test signature is right");
        findings.push(Finding::ok(&key.location, what));
    }
    for peer in ring.peers() {
        findings.push(Finding::ok(peer.file.display(), describe_peer(peer)));
        findings.extend(certificates(
            &Location::from(&peer.file),
            peer.certificate.as_ref(),
            &peer.chain,
            now,
        ));
    }
    if let Some(file) = &config.keys.ca_file {
        // One outside its dates stands among the troubles already.
        let valid =
            ring.authorities().iter().filter(|authority| authority.dates.validity(now) == Validity::Valid);
        findings.extend(valid.map(|authority| {
            dated(&Location::from(file), authority.dates, &format!("authority {}", authority.subject), now)
        }));
    }
    for file in ring.example_keys() {
        let level = if allow_example_keys { Finding::warn } else { Finding::fail };
        findings.push(level(file, keys::EXAMPLE, keys::NO_EXAMPLE));
    }
    let needs = config.destinations.key_needs();
    let only_verify = needs.iter().filter_map(|needs| needs.only_verified_by(ring));
    findings.extend(only_verify.map(Finding::of_trouble));
    findings
}

fn describe_own(own: &OwnKey, is_of_esignet: bool) -> String {
    let name = own.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    let uses = match own.uses {
        Uses { sign: true, decrypt: true } if is_of_esignet => "signs for eSignet alone and decrypts",
        Uses { sign: true, .. } if is_of_esignet => "signs for eSignet alone",
        Uses { sign: true, decrypt: true } => "signs and decrypts",
        Uses { sign: true, .. } => "signs",
        Uses { decrypt: true, .. } => "decrypts",
        Uses { .. } => "is used for nothing",
    };
    let without = if own.certificate.is_none() { "; it has no certificate" } else { "" };
    format!(
        "own key{name}, RSA {}, {uses}; its test signature and test unwrapping are right{without}",
        own.private.modulus_len() * 8
    )
}

fn describe_peer(peer: &Peer) -> String {
    let what = if peer.certificate.is_some() {
        "certificate"
    } else {
        "bare public key, to which nothing can be sealed,"
    };
    format!("{what} of peer `{}`, RSA {}", peer.name, peer.key.modulus_len() * 8)
}

/// The certificate of a key and its issuers. One outside its dates stands among the troubles of the ring already.
fn certificates(
    location: &Location,
    certificate: Option<&Certificate>,
    issuers: &[Certificate],
    now: Timestamp,
) -> Vec<Finding> {
    let own = certificate.into_iter().filter(|certificate| certificate.validity(now) == Validity::Valid);
    let mut findings: Vec<Finding> = own
        .map(|certificate| dated(location, certificate.dates(), &describe(certificate, issuers), now))
        .collect();
    findings.extend(certificate.and_then(|certificate| stand_in(location, certificate)));
    findings.extend(
        issuers
            .iter()
            .map(|issuer| dated(location, issuer.dates(), &format!("issuer {}", issuer.subject()), now)),
    );
    findings
}

/// A certificate of `keygen development`, which stands in for one of somebody else. One whose key is public is told with its key.
pub(super) fn stand_in(location: &Location, certificate: &Certificate) -> Option<Finding> {
    keys::is_stand_in(certificate).then(|| {
        Finding::warn(
            location,
            "holds a certificate that `keygen development` made (O=Development Only)",
            "replace it before production; docs/onboarding.md says where the real one comes from",
        )
    })
}

pub(super) fn dated(location: &Location, dates: Dates, what: &str, now: Timestamp) -> Finding {
    const RENEW: &str = "have a new certificate issued and replace the file";
    match dates.validity(now) {
        Validity::NotYetValid(at) => Finding::warn(
            location,
            format!("{what}: not valid before {}", at.to_iso()),
            "check this machine's clock, or wait until then",
        ),
        Validity::ExpiredSince(at) => {
            Finding::warn(location, format!("{what}: expired on {}", at.to_iso()), RENEW)
        }
        Validity::Valid => {
            let end = dates.not_after;
            let days = end.seconds().saturating_sub(now.seconds()).div_euclid(SECONDS_PER_DAY);
            let what = format!("{what}: {days} days left, until {}", end.to_iso());
            match STAGES.iter().any(|stage| days < *stage) {
                true => Finding::warn(location, what, RENEW),
                false => Finding::ok(location, what),
            }
        }
    }
}

fn describe(certificate: &Certificate, issuers: &[Certificate]) -> String {
    let chain = match issuers.last() {
        _ if certificate.is_issued_by(certificate) => "issued by itself".to_owned(),
        None => format!("issued by {}, which is not in the file", certificate.issuer()),
        Some(last) => format!("chain of {} up to {}", issuers.len(), last.subject()),
    };
    let usage = certificate.key_usage().unwrap_or_else(|| "not restricted".to_owned());
    format!(
        "certificate {} of {}; {chain}; key usage {usage}",
        certificate.thumbprint(),
        certificate.subject()
    )
}
