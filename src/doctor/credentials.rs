//! Credentials: contexts that can be used, and issuers whose certificates are there and have not ended.

use super::Finding;
use super::keys::{dated, stand_in};
use crate::clock::Timestamp;
use crate::destinations::Url;
use crate::gateway::{credentials, troubles};
use crate::keys::Location;
use crate::keys::cert::Validity;
use crate::mosip::credential::Issuer;
use crate::settings::{self, Config};

/// What the section lacks, and what is wrong with its files. Empty where no credential is to come.
pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    if config.expects_credentials() { examine_section(&config.credentials, now) } else { Vec::new() }
}

fn examine_section(settings: &settings::Credentials, now: Timestamp) -> Vec<Finding> {
    let settings::Credentials { contexts_dir, context, issuers, .. } = settings;
    let refusals = credentials::examine(settings).err().unwrap_or_default();
    let mut findings: Vec<Finding> =
        troubles::of_credentials(&refusals).into_iter().map(Finding::of_trouble).collect();
    if contexts_dir.as_ref().is_some_and(|folder| credentials::contexts(folder, context).is_ok()) {
        findings.push(Finding::ok("credentials.contexts_dir", "the contexts can be used"));
    }
    for settings in issuers {
        let Ok(issuer) = credentials::issuer(settings) else { continue };
        findings.extend(examine_issuer(settings, &issuer, now));
        findings.extend(stand_in(&Location::from(&settings.file), &issuer.certificate));
    }
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

/// One that has expired is told with all that settings trust.
fn examine_issuer(
    settings: &settings::credentials::Issuer,
    issuer: &Issuer,
    now: Timestamp,
) -> Option<Finding> {
    let dates = issuer.certificate.dates();
    match (dates.validity(now), issuer.history) {
        (_, true) => Some(Finding::ok(
            settings.file.display(),
            format!(
                "a former certificate of an issuer, for what it signed until {}",
                dates.not_after.to_iso()
            ),
        )),
        (Validity::ExpiredSince(_), false) => None,
        _ => Some(dated(
            &Location::from(&settings.file),
            dates,
            "certificate of an issuer of credentials",
            now,
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::doctor::Level;
    use crate::mosip::credential::ProofKind;

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
            without_issuer: Vec::new(),
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
        assert_eq!(levels, [Level::Ok], "{found:?}");
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
        let unset = |settings| one(&settings, NOW);
        assert_eq!(
            unset(settings::Credentials { issuers: vec![], ..settings() }),
            "credentials: credentials.issuers is not set"
        );
        let methods = ["https://a.example/key", "https://b.example/key"].map(str::to_owned).to_vec();
        let named = settings::Credentials { issuers: vec![], without_issuer: methods, ..settings() };
        let advice = examine_section(&named, NOW).remove(0).advice.unwrap();
        assert!(advice.contains("https://a.example/key, https://b.example/key"), "{advice}");
        assert_eq!(
            unset(settings::Credentials { context: vec![], ..settings() }),
            "credentials: credentials.context is not set"
        );
        assert_eq!(
            unset(settings::Credentials { contexts_dir: None, ..settings() }),
            "credentials: credentials.contexts_dir is not set"
        );
        let unknown = settings::Credentials { context: vec![json!("https://a.example/c")], ..settings() };
        assert!(one(&unknown, NOW).contains("names no file for https://a.example/c"));
        let mut wrong = settings();
        wrong.issuers[0].file = "Cargo.toml".into();
        assert!(one(&wrong, NOW).starts_with("credentials: Cargo.toml holds no certificate"));
        let later = Timestamp::from_seconds(5_000_000_000);
        let mut former = settings();
        former.issuers[0].history = true;
        assert!(findings(&former, later).iter().all(|(level, _)| *level == Level::Ok));
    }
}
