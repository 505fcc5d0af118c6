//! Configurations under which something cannot work: `doctor` says so of each, and of a good one it does not.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::support::gateway::{EXAMPLE, secrets};
use crate::support::ida_setup::simulator;
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::doctor::{self, Diagnosis, Level};
use mosip_gateway::simulator::Running;

/// The example's configuration in a folder of its own, beside a simulator, on ports that nobody else has.
struct Site {
    simulator: Running,
    folder: tempfile::TempDir,
    text: String,
    variables: BTreeMap<String, String>,
}

impl Site {
    async fn new() -> Self {
        let simulator = simulator(None).await;
        let keys = std::path::absolute("keys.example").unwrap();
        let text = EXAMPLE
            .replace("http://127.0.0.1:4600", &simulator.base_url)
            .replace("../keys.example", keys.to_str().unwrap());
        let mut variables = secrets();
        for listener in ["INTERNAL", "CALLBACK", "OPS"] {
            variables.insert(format!("MOSIP_GATEWAY__LISTEN__{listener}"), "127.0.0.1:0".to_owned());
        }
        Self { simulator, folder: tempfile::tempdir().unwrap(), text, variables }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn replace(&mut self, what: &str, with: &str) {
        assert!(self.text.contains(what), "{what}");
        self.text = self.text.replace(what, with);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As `doctor --online --allow-example-keys`.
    async fn examine(&self) -> Diagnosis {
        self.examine_at(Clock::system()).await
    }

    async fn examine_at(&self, clock: Clock) -> Diagnosis {
        let file = self.path("gateway.toml");
        std::fs::write(&file, &self.text).unwrap();
        let mut diagnosis = doctor::examine(Some(&file), &self.variables, true, clock.now());
        diagnosis.add(doctor::call(Some(&file), &self.variables, clock).await);
        diagnosis
    }
}

/// Something failed, and one failure is about `subject` and says `what`; none stands behind what works, and none is said twice.
#[track_caller]
fn is_red(diagnosis: &Diagnosis, subject: &str, what: &str) {
    let red = diagnosis.findings.iter().any(|finding| {
        finding.level == Level::Fail
            && finding.subject.contains(subject)
            && finding.what.contains(what)
            && finding.advice.is_some()
    });
    assert!(red, "{subject}: {what}: {diagnosis:#?}");
    assert!(diagnosis.findings.is_sorted_by(|one, next| one.level >= next.level), "{diagnosis:#?}");
}

#[tokio::test]
async fn a_configuration_that_works_is_not_red_and_no_warning_comes_twice() {
    let diagnosis = Site::new().await.examine().await;
    assert_eq!(diagnosis.count(Level::Fail), 0, "{diagnosis:#?}");
    for (place, finding) in diagnosis.findings.iter().enumerate() {
        let again = diagnosis.findings.iter().skip(place + 1);
        let repeats = again.filter(|other| other.what == finding.what && other.subject == finding.subject);
        assert_eq!(repeats.count(), 0, "{finding:?}");
    }
    for subject in ["upstream.token", "upstream.ida", "upstream.mediator.birth"] {
        let is_there = diagnosis.findings.iter().any(|finding| finding.subject.contains(subject));
        assert!(is_there, "{subject}: {diagnosis:#?}");
    }
}

#[tokio::test]
async fn a_wrong_client_secret_is_red() {
    let mut site = Site::new().await;
    site.set("MOSIP_AUTH_CLIENT_SECRET", "not-the-secret");
    let diagnosis = site.examine().await;
    is_red(&diagnosis, "upstream.token", "");
    assert!(!format!("{diagnosis:?}").contains("not-the-secret"));
}

#[tokio::test]
async fn a_url_that_nobody_answers_is_red_by_its_setting() {
    let mut site = Site::new().await;
    let birth = format!("birth = \"{}", site.simulator.base_url);
    site.replace(&birth, "birth = \"http://127.0.0.1:9");
    let diagnosis = site.examine().await;
    is_red(&diagnosis, "upstream.mediator.birth", "no connection to 127.0.0.1:9");
    assert_eq!(diagnosis.count(Level::Fail), 1, "the others answer: {diagnosis:#?}");
}

#[tokio::test]
async fn a_url_whose_host_has_no_address_is_red_by_its_setting() {
    let mut site = Site::new().await;
    let token = format!("url = \"{}/auth", site.simulator.base_url);
    site.replace(&token, "url = \"https://auth.mosip.invalid/auth");
    is_red(&site.examine().await, "upstream.token.url", "no connection to auth.mosip.invalid");
}

#[tokio::test]
async fn a_server_without_tls_behind_an_https_url_is_red() {
    let mut site = Site::new().await;
    let secure = site.simulator.base_url.replace("http://", "https://");
    let death = format!("death = \"{}", site.simulator.base_url);
    site.replace(&death, &format!("death = \"{secure}"));
    is_red(&site.examine().await, "upstream.mediator.death", "no connection");
}

#[tokio::test]
async fn a_clock_that_differs_from_that_of_a_server_is_red() {
    let site = Site::new().await;
    let late = Timestamp::from_seconds(Clock::system().now().seconds() - 600);
    is_red(&site.examine_at(Clock::fixed(late)).await, "clock", "behind the clock of 127.0.0.1");
}

#[tokio::test]
async fn a_missing_folder_of_the_outbox_is_red() {
    let mut site = Site::new().await;
    let missing = site.path("missing/outbox.db");
    site.set("MOSIP_GATEWAY__OUTBOX__PATH", missing.to_str().unwrap());
    is_red(&site.examine().await, "outbox.path", "missing");
    assert!(!site.path("missing").exists(), "doctor makes nothing");
}

#[tokio::test]
async fn an_address_that_is_in_use_is_red() {
    let mut site = Site::new().await;
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    site.set("MOSIP_GATEWAY__LISTEN__OPS", &address);
    is_red(&site.examine().await, "listener ops", &address);
    drop(holder);
    site.set("MOSIP_GATEWAY__LISTEN__OPS", "127.0.0.1:65000");
    site.set("MOSIP_GATEWAY__LISTEN__CALLBACK", "127.0.0.1:65000");
    is_red(&site.examine().await, "listener ops", "the address of another listener");
}

#[tokio::test]
async fn addresses_that_the_running_gateway_of_this_outbox_holds_are_as_they_should_be() {
    let mut site = Site::new().await;
    let file = site.path("gateway.toml");
    std::fs::write(&file, &site.text).unwrap();
    let config = mosip_gateway::settings::Config::load(Some(&file), &site.variables).unwrap();
    let gateway = mosip_gateway::gateway::Gateway::bind(config, true).await.unwrap();
    let address = gateway.address("internal").unwrap().to_string();
    site.set("MOSIP_GATEWAY__LISTEN__INTERNAL", &address);
    let diagnosis = site.examine().await;
    assert_eq!(diagnosis.count(Level::Fail), 0, "{diagnosis:#?}");
}

#[tokio::test]
async fn an_expired_certificate_of_a_listener_is_red() {
    let mut site = Site::new().await;
    let mut parameters = rcgen::CertificateParams::new(vec!["gateway.example.org".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(site.path("ops.crt"), certificate.pem()).unwrap();
    std::fs::write(site.path("ops.key"), key.serialize_pem()).unwrap();
    site.text.push_str("\n[ops]\ntls = { cert = \"ops.crt\", key = \"ops.key\" }\n");
    is_red(&site.examine().await, "ops.crt", "certificate of listener ops: expired");
}

#[tokio::test]
async fn a_peer_that_can_only_verify_is_red_where_something_is_sealed_to_it() {
    let mut site = Site::new().await;
    let bare = std::path::absolute("keys.example/opencrvs-jwt.pem").unwrap();
    site.replace("file = \"mosip-public.key\"", &format!("file = \"{}\"", bare.display()));
    is_red(&site.examine().await, "opencrvs-jwt.pem", "peer `mosip` can only verify");
}

#[tokio::test]
async fn an_ida_without_signers_of_replies_is_red_and_it_is_said_once() {
    let mut site = Site::new().await;
    site.replace("reply_signers = [\"ida-sign\"]", "");
    let diagnosis = site.examine().await;
    is_red(&diagnosis, "upstream.ida.reply_signers", "names no peer");
    let said = diagnosis.findings.iter().filter(|finding| finding.what.contains("reply_signers"));
    assert_eq!(said.count(), 0, "the warning of the start says it again: {diagnosis:#?}");
}

#[tokio::test]
async fn a_socket_in_a_folder_that_is_missing_is_red_and_says_to_make_the_folder() {
    let mut site = Site::new().await;
    let socket = format!("unix:{}", site.path("absent/gateway.sock").display());
    site.set("MOSIP_GATEWAY__LISTEN__INTERNAL", &socket);
    let diagnosis = site.examine().await;
    is_red(&diagnosis, "listener internal", "cannot listen on");
    let found = diagnosis.findings.iter().find(|finding| finding.subject == "listener internal").unwrap();
    assert!(found.advice.as_ref().unwrap().starts_with("make the folder of the socket"), "{found:?}");
}

#[tokio::test]
async fn keys_that_are_connected_to_nothing_are_to_be_looked_at() {
    let site = Site::new().await;
    let keys = std::path::absolute("keys.example/opencrvs-jwt.pem").unwrap();
    let text = format!("keys.peers = [{{ name = \"mosip\", file = \"{}\" }}]\n", keys.display());
    let file = site.path("keys-alone.toml");
    std::fs::write(&file, text).unwrap();
    let diagnosis = doctor::examine(Some(&file), &BTreeMap::new(), true, Clock::system().now());
    let says = |finding: &&doctor::Finding| finding.what.starts_with("connects nothing");
    let found = diagnosis.findings.iter().find(says).unwrap_or_else(|| panic!("{diagnosis:#?}"));
    assert_eq!(found.level, Level::Warn, "{found:?}");
    assert!(found.advice.as_ref().unwrap().contains("upstream.mediator.birth"), "{found:?}");
}

#[test]
fn no_configuration_at_all_is_red() {
    let diagnosis = doctor::examine(None, &BTreeMap::new(), true, Clock::system().now());
    is_red(&diagnosis, "configuration", "no key and no URL is set");
}
