//! `doctor --online`: which of partner id, licence key, API key, certificate and clock IDA refuses, and with what advice.

use crate::support::gateway::{EXAMPLE, secrets};
use crate::support::ida_setup::simulator;
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::doctor::{self, Finding, Level};
use mosip_gateway::simulator::Running;

struct Site {
    simulator: Running,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        Self { simulator: simulator(None).await, folder: tempfile::tempdir().unwrap() }
    }

    /// What the call finds under the example's configuration with `set` over it.
    async fn call(&self, set: &[(&str, &str)], clock: Clock) -> Finding {
        self.call_under(EXAMPLE, set, clock).await
    }

    async fn call_under(&self, example: &str, set: &[(&str, &str)], clock: Clock) -> Finding {
        let findings = self.all_under(example, set, clock).await;
        let of_ida = |finding: &&Finding| finding.subject.starts_with("upstream.ida");
        findings.iter().rfind(of_ida).unwrap_or_else(|| panic!("{findings:?}")).clone()
    }

    async fn all_under(&self, example: &str, set: &[(&str, &str)], clock: Clock) -> Vec<Finding> {
        let keys = std::path::absolute("keys.example").unwrap();
        let text = example
            .replace("http://127.0.0.1:4600", &self.simulator.base_url)
            .replace("../keys.example", keys.to_str().unwrap());
        let file = self.folder.path().join("gateway.toml");
        std::fs::write(&file, text).unwrap();
        let mut variables = secrets();
        variables.extend(set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        doctor::call(Some(&file), &variables, clock).await
    }
}

#[track_caller]
fn fails_with(finding: &Finding, code: &str) {
    assert_eq!(finding.level, Level::Fail, "{finding:?}");
    assert!(finding.what.contains(code) && finding.advice.is_some(), "{finding:?}");
}

#[tokio::test]
async fn a_good_registration_is_found_good_and_nobody_is_asked_about() {
    let site = Site::new().await;
    let finding = site.call(&[], Clock::system()).await;
    assert_eq!(finding.level, Level::Ok, "{finding:?}");
}

#[tokio::test]
async fn the_keys_of_callers_are_fetched_and_looked_at() {
    let site = Site::new().await;
    let jwt = EXAMPLE.lines().find(|line| line.starts_with("opencrvs_jwt")).unwrap();
    let base = &site.simulator.base_url;
    // A key set, a page that is none, and nothing.
    for (path, is_ok) in
        [("/v1/esignet/oauth/.well-known/jwks.json", true), ("/authorize", false), ("/nowhere", false)]
    {
        let mosip = format!(
            "mosip_jwt = {{ jwks_url = \"{base}{path}\", issuer_host = \"iam.example.org\", allowed = [\"a\"] }}"
        );
        let text = EXAMPLE.replace(jwt, &format!("opencrvs_jwt = {{ url = \"{base}/nowhere\" }}\n{mosip}"));
        let text = text.replace(r#"["opencrvs-jwt"]"#, r#"["opencrvs-jwt", "mosip-jwt"]"#);
        let findings = site.all_under(&text, &[], Clock::system()).await;
        let of = |setting: &str| {
            let of_it: Vec<_> = findings
                .iter()
                .filter(|finding| finding.subject == setting)
                .map(|finding| finding.level)
                .collect();
            of_it
        };
        assert!(of("callback.opencrvs_jwt.url").contains(&Level::Fail), "{findings:?}");
        assert_eq!(!of("callback.mosip_jwt.jwks_url").contains(&Level::Fail), is_ok, "{path}: {findings:?}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_tried_is_said_not_to_be() {
    let site = Site::new().await;
    let wrong = format!("{}/no/such/path", site.simulator.base_url);
    let set = [("MOSIP_GATEWAY__UPSTREAM__MEDIATOR__BIRTH", wrong.as_str())];
    let findings = site.all_under(EXAMPLE, &set, Clock::system()).await;
    let of_birth = |finding: &&Finding| finding.subject.contains("upstream.mediator.birth");
    let found = findings.iter().find(of_birth).unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(found.level, Level::Ok, "{found:?}");
    // With advice, it is a line of its own.
    assert!(
        found.what.contains("upstream.mediator.birth")
            && found.what.contains("not tried")
            && found.advice.is_some(),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_ida_refuses_is_named_by_its_code() {
    let site = Site::new().await;
    for (name, code) in [
        ("MOSIP_GATEWAY__UPSTREAM__IDA__PARTNER_ID", "IDA-MPA-009"),
        ("PARTNER_APIKEY", "IDA-MPA-009"),
        ("PARTNER_MISP_LK", "IDA-MPA-009"),
    ] {
        let finding = site.call(&[(name, "wrong")], Clock::system()).await;
        fails_with(&finding, code);
        assert!(finding.what.contains("registration"), "{finding:?}");
        assert!(finding.advice.as_ref().unwrap().contains("licence key"), "{finding:?}");
        assert!(!format!("{finding:?}").contains("example-licence-key"), "{finding:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_refused_is_one_failure_whatever_it_is_needed_for() {
    let site = Site::new().await;
    let example = include_str!("../../deploy/example-hub.toml");
    let failed = async |set: &[(&str, &str)]| -> Vec<Finding> {
        let findings = site.all_under(example, set, Clock::system()).await;
        findings.into_iter().filter(|finding| finding.level == Level::Fail).collect()
    };
    let [refused] = &failed(&[("MOSIP_AUTH_CLIENT_SECRET", "wrong")]).await[..] else {
        panic!("{:?}", failed(&[("MOSIP_AUTH_CLIENT_SECRET", "wrong")]).await)
    };
    assert_eq!(refused.subject, "upstream.token, websub.token", "{refused:?}");
    assert!(refused.what.ends_with("; so no topic of MOSIP's hub can be subscribed"), "{refused:?}");
    assert_eq!(failed(&[]).await, []);
}

#[tokio::test]
async fn a_wrong_certificate_is_told_from_a_wrong_signature_and_from_a_replaced_certificate_of_ida() {
    let site = Site::new().await;
    let strange = crate::support::vectors().join("keys");
    let strange = strange.display();
    let from = EXAMPLE.find("own = [").unwrap();
    let own = &EXAMPLE[from..EXAMPLE.find("\npeers").unwrap()];
    for (line, replaced, code, what) in [
        // A certificate that MOSIP trusts, and not the partner's.
        (
            own,
            "own = [{ file = \"opencrvs-priv.key\", cert = \"opencrvs-pub.key\" }]".to_owned(),
            "IDA-MPA-021",
            "our certificate",
        ),
        (
            own,
            format!(
                "own = [{{ file = \"{strange}/stranger.key.pem\", cert = \"{strange}/stranger.crt.pem\" }}]"
            ),
            "IDA-MPA-001",
            "our signature",
        ),
        ("file = \"ida-partner.crt\"", "file = \"issuer.crt\"".to_owned(), "IDA-MPA-003", "peer `ida`"),
    ] {
        let finding = site.call_under(&EXAMPLE.replace(line, &replaced), &[], Clock::system()).await;
        fails_with(&finding, code);
        assert!(finding.what.contains(what), "{finding:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_late_is_named() {
    let site = Site::new().await;
    let late = Timestamp::from_seconds(Clock::system().now().seconds() - 600);
    let finding = site.call(&[], Clock::fixed(late)).await;
    assert_eq!(finding.level, Level::Fail, "{finding:?}");
    let told = format!("{finding:?}").to_lowercase();
    assert!(told.contains("clock") || told.contains("time"), "{finding:?}");
}

#[tokio::test]
async fn an_ida_that_is_away_is_no_fault_of_the_registration() {
    let site = Site::new().await;
    let finding =
        site.call(&[("MOSIP_GATEWAY__UPSTREAM__IDA__URL", "http://127.0.0.1:9/ida")], Clock::system()).await;
    fails_with(&finding, "no connection to 127.0.0.1:9");
    assert!(!format!("{finding:?}").contains("registration"), "{finding:?}");
}
