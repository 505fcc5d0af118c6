mod authority;
mod development;
mod hub;
mod packets;
mod permissions;
mod refused;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::keys::make::{CertificateRequest, KeyMaker, certificate_pem};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: i64 = 86_400;

/// A folder with a key, its certificate valid for `days` from [`NOW`], and a configuration that names both.
struct Site(TempDir);

impl Site {
    fn new(days: std::ops::Range<i64>, extra: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyMaker::from_file(include_bytes!("../../tests/vectors/keys/partner.key.pem"), None);
        let key = key.ok().unwrap();
        let at = |days: i64| Timestamp::from_seconds(NOW.seconds() + days * DAY);
        let request = CertificateRequest {
            country: "XX",
            organization: "Ministry",
            common_name: "partner",
            not_before: at(days.start),
            not_after: at(days.end),
            ca: false,
            names: &[],
        };
        let certificate = certificate_pem(&key.certify(&request, None).ok().unwrap()).ok().unwrap();
        fs::write(folder.path().join("own.key"), &*key.to_pem().ok().unwrap()).unwrap();
        fs::write(folder.path().join("own.crt"), &certificate).unwrap();
        let outbox = outbox();
        let config = format!(
            "{extra}\n[outbox]\npath = \"{outbox}\"\n[keys]\ndir = \".\"\nown = [{{ file = \"own.key\", cert = \"own.crt\" }}]\n\
             peers = [{{ name = \"mosip\", file = \"own.crt\" }}]\n"
        );
        fs::write(folder.path().join("gateway.toml"), config).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn examine(&self) -> Diagnosis {
        examine(Some(&self.path("gateway.toml")), &any_port(), true, NOW)
    }
}

/// Outside the folder of keys, in one that is there.
fn outbox() -> String {
    std::env::temp_dir().join("no-outbox-of-a-gateway.db").display().to_string()
}

/// Addresses that no other process can hold.
fn any_port() -> BTreeMap<String, String> {
    let listeners = ["MOSIP_GATEWAY__LISTEN__INTERNAL", "MOSIP_GATEWAY__LISTEN__OPS"];
    listeners.map(|name| (name.to_owned(), "127.0.0.1:0".to_owned())).into()
}

/// The one finding at `level` whose subject ends with `subject` and which says `what`.
#[track_caller]
fn finding<'d>(diagnosis: &'d Diagnosis, level: Level, subject: &str, what: &str) -> &'d Finding {
    diagnosis
        .findings
        .iter()
        .find(|finding| {
            finding.level == level && finding.subject.ends_with(subject) && finding.what.contains(what)
        })
        .unwrap_or_else(|| panic!("{level:?} {subject} {what}: {diagnosis:#?}"))
}

#[test]
fn a_good_set_has_no_failure_and_counts_the_days() {
    let diagnosis = Site::new(-1..365, "").examine();
    assert_eq!(diagnosis.count(Level::Fail), 0, "{diagnosis:#?}");
    finding(&diagnosis, Level::Ok, "own.key", "signs and decrypts");
    finding(&diagnosis, Level::Ok, "own.crt", "365 days left");
    // Before its mend the certificate was said to be in the file of the key.
    let is_in_the_key =
        |finding: &&Finding| finding.subject.ends_with("own.key") && finding.what.contains("days left");
    assert_eq!(diagnosis.findings.iter().find(is_in_the_key), None);
    finding(&diagnosis, Level::Ok, "own.crt", "key usage Digital Signature, Key Encipherment");
    finding(&diagnosis, Level::Ok, "keys.dir", "set by the file");
    finding(&diagnosis, Level::Ok, "clock", "stands at 2027-01-15T08:00:00.000Z");
}

#[test]
fn a_certificate_with_89_days_left_is_a_warning_and_one_with_90_is_not() {
    finding(&Site::new(-1..89, "").examine(), Level::Warn, "own.crt", "89 days left");
    finding(&Site::new(-1..90, "").examine(), Level::Ok, "own.crt", "90 days left");
}

#[test]
fn an_expired_certificate_is_a_failure_said_once() {
    let diagnosis = Site::new(-10..-1, "").examine();
    let says = |finding: &&Finding| finding.what.contains("expired");
    // Our key and the peer have the same certificate.
    assert_eq!(diagnosis.findings.iter().filter(says).count(), 1, "{diagnosis:#?}");
    finding(&diagnosis, Level::Fail, "own.crt", "the certificate expired on");
}

#[test]
fn a_clock_before_our_own_certificate_is_a_failure() {
    let diagnosis = Site::new(1..365, "").examine();
    finding(&diagnosis, Level::Fail, "clock", "own.key starts (2027-01-16T08:00:00.000Z)");
}

#[test]
fn a_clock_before_the_program_was_written_is_a_failure() {
    let diagnosis = examine(None, &BTreeMap::new(), false, Timestamp::from_seconds(0));
    finding(&diagnosis, Level::Fail, "clock", "stands at 1970-01-01T00:00:00.000Z, before this program");
}

#[test]
fn keys_are_examined_in_spite_of_a_problem_in_the_configuration() {
    let site = Site::new(-1..365, "internal.token_file = \"absent.token\"");
    let diagnosis = site.examine();
    finding(&diagnosis, Level::Fail, "internal.token_file", "cannot read");
    finding(&diagnosis, Level::Ok, "own.key", "signs and decrypts");
}

#[test]
fn example_keys_are_a_failure_unless_they_are_allowed() {
    let site = Site::new(-1..365, "");
    let examine = |allow| examine(Some(&site.path("gateway.toml")), &BTreeMap::new(), allow, NOW);
    finding(&examine(false), Level::Fail, "own.key", "development key");
    finding(&examine(true), Level::Warn, "own.key", "development key");
}

#[test]
fn urls_are_shown_without_their_path_and_plain_http_is_warned_of() {
    let extra = "upstream.danger_plain_http = true\n[upstream.mediator]\n\
                 birth = \"http://mosip.example.org/secret-path\"\ndeath = \"http://127.0.0.1:4600/death\"\naid = \"https://mosip.example.org\"";
    let diagnosis = Site::new(-1..365, extra).examine();
    finding(&diagnosis, Level::Warn, "upstream.mediator.birth", "plain http off the loopback");
    finding(&diagnosis, Level::Ok, "upstream.mediator.death", "http://127.0.0.1:4600/");
    finding(&diagnosis, Level::Warn, "upstream.mediator.aid", "has no path");
    assert!(!format!("{diagnosis:?}").contains("secret-path"));
    let plain = diagnosis.findings.iter().filter(|finding| finding.what.contains("plain http"));
    assert_eq!(plain.count(), 1, "once, at the URL: {diagnosis:#?}");
}

#[test]
fn what_is_dangerous_is_warned_of() {
    let diagnosis = Site::new(-1..365, "envelope.danger_accept_unsigned = true").examine();
    finding(&diagnosis, Level::Warn, "configuration", "envelope.danger_accept_unsigned is on");
}

#[test]
fn webhooks_without_a_socket_that_outlives_a_restart_are_warned_of() {
    let warns = |settings: &str| {
        let diagnosis = Site::new(-1..365, settings).examine();
        diagnosis
            .findings
            .iter()
            .any(|finding| finding.level == Level::Warn && finding.subject == "faces.webhooks")
    };
    assert!(warns("faces = { webhooks = true, webhook_secret_file = \"gateway.toml\" }"));
    assert!(!warns(""));
}

#[test]
fn a_role_that_nobody_fills_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "upstream.mediator.birth = \"https://mosip.example.org/birth\"\n").unwrap();
    let diagnosis = examine(Some(&file), &BTreeMap::new(), false, NOW);
    finding(&diagnosis, Level::Fail, "keys.own", "names no key that signs");
    finding(&diagnosis, Level::Fail, "keys.peers", "names no peer `mosip`");
}

#[test]
fn a_listener_whose_key_is_none_is_a_failure() {
    let site = Site::new(-1..365, "ops.tls = { cert = \"own.crt\", key = \"own.crt\" }");
    let diagnosis = site.examine();
    let refused = finding(&diagnosis, Level::Fail, "ops.tls", "this holds no private key in PEM");
    // Before its mend it spoke as if no gateway could be running.
    let advice = refused.advice.as_deref().unwrap();
    assert!(
        advice.contains("start the gateway again") && advice.contains("keeps what it loaded before"),
        "{advice}"
    );
    let key = fs::read_to_string(site.path("own.key")).unwrap();
    fs::write(site.path("own.crt"), &key[..key.len() / 2]).unwrap();
    finding(&site.examine(), Level::Fail, "ops.tls", "this is cut off");
    let jwt = "[callback]\nrequire = [\"opencrvs-jwt\"]\nopencrvs_jwt = { file = \"gateway.toml\" }";
    finding(
        &Site::new(-1..365, jwt).examine(),
        Level::Fail,
        "callback.opencrvs_jwt.file",
        "neither an RSA public key",
    );
}

/// Every listener is looked at in the same way, whichever it is.
#[test]
fn the_key_and_the_certificate_of_every_listener_are_examined() {
    use std::os::unix::fs::PermissionsExt;
    for listener in crate::gateway::listeners::ALL {
        let settings = format!("{} = {{ cert = \"own.crt\", key = \"tls.key\" }}", listener.tls_setting);
        let site = Site::new(-10..20, &settings);
        fs::copy(site.path("own.key"), site.path("tls.key")).unwrap();
        fs::set_permissions(site.path("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
        let diagnosis = site.examine();
        finding(&diagnosis, Level::Ok, listener.tls_setting, "can be used");
        finding(&diagnosis, Level::Warn, "tls.key", "every user of this machine can read");
        let what = format!("certificate of listener {}: 20 days left", listener.name);
        finding(&diagnosis, Level::Warn, "own.crt", &what);
        let diagnosis = Site::new(-10..-1, &settings.replace("tls.key", "own.key")).examine();
        finding(
            &diagnosis,
            Level::Fail,
            "own.crt",
            &format!("certificate of listener {}: expired", listener.name),
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_the_only_finding() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "[listen\n").unwrap();
    let diagnosis = examine(Some(&file), &BTreeMap::new(), false, NOW);
    assert_eq!(diagnosis.findings.len(), 1);
    finding(&diagnosis, Level::Fail, "line 1", "is not TOML");
}

#[test]
fn a_country_configuration_without_a_client_is_a_failure_by_each_setting_that_is_missing() {
    let legacy = "[opencrvs]\nlegacy_url = \"https://countryconfig.example.org/mosip\"";
    let diagnosis = Site::new(-1..365, legacy).examine();
    for name in ["opencrvs.auth_url", "opencrvs.client_id", "opencrvs.client_secret_file"] {
        let what = format!("{name} is not set, and opencrvs.legacy_url needs it");
        assert!(finding(&diagnosis, Level::Fail, "opencrvs", &what).advice.is_some());
    }
    finding(&diagnosis, Level::Ok, "opencrvs.legacy_url", "https://countryconfig.example.org/… (1 segments)");
    let client_alone = "[opencrvs]\nclient_id = \"gateway\"\nauth_url = \"https://auth.example.org\"";
    let diagnosis = Site::new(-1..365, client_alone).examine();
    assert_eq!(diagnosis.count(Level::Fail), 0, "nothing asks for it: {diagnosis:#?}");
    finding(&diagnosis, Level::Ok, "opencrvs.auth_url", "https://auth.example.org/… (0 segments)");
}

#[test]
fn record_tokens_of_opencrvs_1_9_need_no_client_and_are_explained_and_without_their_face_nothing_confirms() {
    let core = "[opencrvs]\nurl = \"https://gateway.example.org\"";
    let face = "faces = { mosip_api = true, opencrvs_jwt = { file = \"own.crt\" } }";
    let explained = |diagnosis: &Diagnosis| {
        let subject = |finding: &&Finding| finding.subject == "opencrvs.confirm_with";
        diagnosis.findings.iter().find(subject).map(|finding| (finding.level, finding.what.clone()))
    };
    let none = |diagnosis: &Diagnosis| {
        diagnosis.findings.iter().any(|finding| finding.what.contains("no registration can be confirmed"))
    };
    let diagnosis = Site::new(-1..365, &format!("{face}\n{core}")).examine();
    let (level, what) = explained(&diagnosis).unwrap();
    assert!(
        level == Level::Ok && what.contains("seven days") && what.contains("record-token-expired"),
        "{what}"
    );
    assert!(!none(&diagnosis));
    let unset = |finding: &Finding| finding.subject == "opencrvs" && finding.what.contains("is not set");
    assert!(!diagnosis.findings.iter().any(unset), "{diagnosis:#?}");

    let diagnosis = Site::new(-1..365, core).examine();
    assert!(none(&diagnosis) && explained(&diagnosis).is_none(), "{diagnosis:#?}");

    let client =
        "auth_url = \"https://auth.example.org\"\nclient_id = \"gateway\"\nclient_secret_file = \"own.crt\"";
    let diagnosis = Site::new(-1..365, &format!("{core}\n{client}")).examine();
    assert!(!none(&diagnosis) && explained(&diagnosis).is_none(), "{diagnosis:#?}");
}

#[test]
fn a_key_file_that_does_not_open_the_database_is_a_failure_and_disturbs_no_running_gateway() {
    use crate::ledger::Ledger;
    use crate::ledger::vault::Vault;

    let folder = TempDir::new().unwrap();
    let outbox = crate::ledger::settings::Outbox::in_folder(folder.path());
    let quarantine = crate::ledger::settings::Quarantine { max_bytes: 1, max_rows: 1 };
    let levels = |outbox: &crate::ledger::settings::Outbox| -> Vec<Level> {
        super::outbox::examine(outbox).iter().map(|finding| finding.level).collect()
    };
    assert_eq!(levels(&outbox), [Level::Ok], "before the first start");
    let store = Ledger::open(outbox.clone(), quarantine, Clock::fixed(NOW)).unwrap();
    assert_eq!(levels(&outbox), [Level::Ok]);
    assert!(store.is_writable());
    let other =
        crate::ledger::settings::Outbox { key_file: folder.path().join("other.key"), ..outbox.clone() };
    Vault::create(&other.key_file).unwrap();
    let findings = super::outbox::examine(&other);
    assert_eq!(findings[0].level, Level::Fail);
    assert!(findings[0].what.contains("1 value"), "{findings:?}");
    assert_eq!(
        levels(&crate::ledger::settings::Outbox { reserve: u64::MAX, ..outbox }),
        [Level::Warn, Level::Ok]
    );
}

const IDA: &str = "upstream.ida = { url = \"https://ida.example.org/v1\", partner_id = \"p\", misp_license_key_env = \"LK\", api_key_env = \"AK\"";

fn examine_ida(further: &str, roles: &str) -> Diagnosis {
    let (site, outbox) = (Site::new(0..365, ""), outbox());
    let config = format!("{IDA}{further} }}\noutbox.path = \"{outbox}\"\n[keys]\ndir = \".\"\n{roles}\n");
    fs::write(site.path("gateway.toml"), config).unwrap();
    let mut variables = any_port();
    variables.extend([("LK", "l"), ("AK", "a")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    examine(Some(&site.path("gateway.toml")), &variables, true, NOW)
}

#[test]
fn a_configuration_of_ida_alone_is_complete() {
    let roles = "own = [{ file = \"own.key\", cert = \"own.crt\", use = [\"sign\"] }]\n\
                 peers = [{ name = \"ida\", file = \"own.crt\" }, { name = \"ida-sign\", file = \"own.crt\" }]";
    let diagnosis = examine_ida(", reply_signers = [\"ida-sign\"]", roles);
    let failed: Vec<_> = diagnosis.findings.iter().filter(|finding| finding.level == Level::Fail).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_calls_to_ida_lack_is_named() {
    let diagnosis = examine_ida("", "");
    for (subject, what) in [
        ("upstream.ida.reply_signers", "names no peer"),
        ("keys.own", "no key that signs, and upstream.ida wants signatures"),
        ("keys.peers", "no peer `ida`"),
    ] {
        finding(&diagnosis, Level::Fail, subject, what);
    }
}

#[test]
fn webhooks_that_lead_nowhere_and_a_proxy_that_is_not_named_are_warned_of() {
    let faces = "faces.webhooks = true\nfaces.webhook_secret_file = \"own.crt\"\nlisten.callback = \"127.0.0.1:0\"\n\
                 upstream.mediator.death = \"https://mosip.example/death\"";
    let diagnosis = Site::new(-1..365, faces).examine();
    finding(&diagnosis, Level::Warn, "faces.webhooks", "upstream.mediator.birth is not set");
    finding(&diagnosis, Level::Warn, "callback.trusted_proxies", "on the loopback");
    let named = format!(
        "{faces}\nupstream.mediator.birth = \"https://mosip.example/birth\"\ncallback.trusted_proxies = [\"127.0.0.1\"]"
    );
    let diagnosis = Site::new(-1..365, &named).examine();
    finding(&diagnosis, Level::Ok, "callback.trusted_proxies", "told apart");
    assert!(!diagnosis.findings.iter().any(|finding| finding.what.contains("quarantine")), "{diagnosis:#?}");
}

#[test]
fn settings_that_protect_nothing_are_warned_of_and_do_not_stop_the_start() {
    let extra = "faces.token_file = \"own.crt\"\nlisten.callback = \"127.0.0.1:0\"\ncallback.opencrvs_jwt.file = \"own.crt\"";
    let diagnosis = Site::new(-1..365, extra).examine();
    for setting in ["faces.token_file", "callback.opencrvs_jwt"] {
        finding(&diagnosis, Level::Warn, setting, "protects nothing");
    }
    assert!(
        !diagnosis.findings.iter().any(|finding| finding.subject.contains("gateway.toml")),
        "{diagnosis:#?}"
    );
}

#[test]
fn a_secret_that_is_a_pipe_is_a_failure_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let site = Site::new(-1..365, "internal.token_file = \"pipe\"");
    mknodat(CWD, site.path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    finding(&site.examine(), Level::Fail, "internal.token_file", "this is no regular file");
}
