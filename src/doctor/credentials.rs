//! Credentials: contexts that can be used, and issuers whose certificates are there and have not ended.

use super::Finding;
use super::keys::dated;
use crate::clock::Timestamp;
use crate::destinations::Url;
use crate::gateway::credentials;
use crate::keys::Location;
use crate::keys::cert::Validity;
use crate::mosip::credential::{Issuer, ProofKind};
use crate::settings::{self, Config};

/// What the section lacks, and what is wrong with its files. Empty where no credential is to come.
pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    if config.expects_credentials() { examine_section(&config.credentials, now) } else { Vec::new() }
}

fn examine_section(settings: &settings::Credentials, now: Timestamp) -> Vec<Finding> {
    let settings::Credentials { contexts_dir, context, issuers, require, .. } = settings;
    let unset = |name: &str, why: &str| {
        Finding::fail(format!("credentials.{name}"), "is not set, so that no credential can be verified", why)
    };
    let mut findings = Vec::new();
    match (contexts_dir, context.is_empty()) {
        (Some(folder), false) => findings.push(match credentials::contexts(folder, context) {
            Ok(_) => Finding::ok("credentials.contexts_dir", "the contexts can be used"),
            Err(error) => Finding::fail("credentials.contexts_dir", error.detail(), error.advice()),
        }),
        (Some(_), true) => {
            findings.push(unset("context", "write what @context of MOSIP's credentials holds"))
        }
        // The proof beside a credential needs none, and a credential may hold one of its own.
        (None, true) if !require.contains(&ProofKind::Embedded) => findings.push(Finding::warn(
            "credentials.contexts_dir",
            "is not set, and credentials.require names event-proof alone: a credential that holds a proof inside, as vercred and euin do, stays in quarantine",
            "set credentials.contexts_dir and credentials.context, unless MOSIP issues credentials of type opencrvs alone",
        )),
        (None, _) => findings
            .push(unset("contexts_dir", "name the folder of the JSON-LD contexts and their index.toml")),
    }
    if issuers.is_empty() {
        findings.push(unset("issuers", "add the certificate that MOSIP signs credentials with"));
    }
    findings.extend(issuers.iter().map(|issuer| match credentials::issuer(issuer) {
        Ok(found) => examine_issuer(issuer, &found, now),
        Err(error) => Finding::fail(issuer.file.display(), error.detail(), error.advice()),
    }));
    findings
}

/// Where credentials are fetched that the hub only names.
pub(super) fn urls(settings: &settings::Credentials) -> Vec<Url<'_>> {
    let share = settings.data_share.iter();
    share
        .flat_map(|share| {
            let token = share.token.iter();
            let token = token.map(|token| Url::whole("credentials.data_share.token.url", &token.url));
            token.chain([Url::begun("credentials.data_share.url", &share.url)])
        })
        .collect()
}

fn examine_issuer(settings: &settings::credentials::Issuer, issuer: &Issuer, now: Timestamp) -> Finding {
    let dates = issuer.certificate.dates();
    match (dates.validity(now), issuer.history) {
        (_, true) => Finding::ok(
            settings.file.display(),
            format!(
                "a former certificate of an issuer, for what it signed until {}",
                dates.not_after.to_iso()
            ),
        ),
        (Validity::ExpiredSince(at), false) => Finding::fail(
            settings.file.display(),
            format!("the certificate of an issuer has expired on {}", at.to_iso()),
            "add the issuer's new certificate to credentials.issuers, and set history = true for this one",
        ),
        _ => dated(&Location::from(&settings.file), dates, "certificate of an issuer of credentials", now),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::doctor::Level;

    fn settings() -> settings::Credentials {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        settings::Credentials {
            contexts_dir: Some(vectors.join("contexts")),
            context: vec![json!("https://www.w3.org/2018/credentials/v1")],
            issuers: vec![settings::credentials::Issuer {
                verification_method: "https://a.example/key".to_owned(),
                file: vectors.join("keys/issuer.crt.pem"),
                history: false,
            }],
            require: vec![ProofKind::Event, ProofKind::Embedded],
            data_share: None,
            danger_accept_jcs: false,
            danger_accept_hub_alone: false,
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// Subject, level and words of each finding.
    fn findings(settings: &settings::Credentials, now: Timestamp) -> Vec<(Level, String)> {
        let findings = examine_section(settings, now).into_iter();
        findings.map(|finding| (finding.level, format!("{}: {}", finding.subject, finding.what))).collect()
    }

    #[test]
    fn what_can_verify_credentials_is_in_order() {
        let found = findings(&settings(), NOW);
        assert!(found.len() == 2 && found.iter().all(|(level, _)| *level == Level::Ok), "{found:?}");
        let event = settings::Credentials {
            contexts_dir: None,
            context: vec![],
            require: vec![ProofKind::Event],
            ..settings()
        };
        let found = findings(&event, NOW);
        let levels: Vec<_> = found.iter().map(|(level, _)| *level).collect();
        assert_eq!(levels, [Level::Warn, Level::Ok], "{found:?}");
        assert!(
            found[0].1.starts_with("credentials.contexts_dir:") && found[0].1.contains("vercred"),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let one = |settings: &settings::Credentials, now: Timestamp| {
            let findings = findings(settings, now);
            let mut wrong = findings.into_iter().filter(|(level, _)| *level == Level::Fail);
            let (_, words) = wrong.next().unwrap();
            assert_eq!(wrong.next(), None);
            words
        };
        assert!(
            one(&settings::Credentials { issuers: vec![], ..settings() }, NOW)
                .starts_with("credentials.issuers:")
        );
        assert!(
            one(&settings::Credentials { context: vec![], ..settings() }, NOW)
                .starts_with("credentials.context:")
        );
        assert!(
            one(&settings::Credentials { contexts_dir: None, ..settings() }, NOW)
                .contains("contexts_dir: is not set")
        );
        let unknown = settings::Credentials { context: vec![json!("https://a.example/c")], ..settings() };
        assert!(one(&unknown, NOW).contains("names no file for https://a.example/c"));
        let mut wrong = settings();
        wrong.issuers[0].file = "Cargo.toml".into();
        assert!(one(&wrong, NOW).starts_with("Cargo.toml:"));
        let later = Timestamp::from_seconds(5_000_000_000);
        assert!(one(&settings(), later).contains("issuer.crt.pem: the certificate of an issuer has expired"));
        let mut former = settings();
        former.issuers[0].history = true;
        assert!(findings(&former, later).iter().all(|(level, _)| *level == Level::Ok));
    }
}
