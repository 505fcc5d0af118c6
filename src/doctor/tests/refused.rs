//! What `serve` refuses, or what cannot work, and where it is.

use super::*;

/// `serve` refuses each of these, and so does `doctor`; neither waits for one.
#[test]
fn an_outbox_over_which_no_gateway_starts_is_a_failure() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let refuses = |of: &str, what: &str, prepare: &dyn Fn(&Path)| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("outbox.db");
        prepare(&path);
        let file = folder.path().join("gateway.toml");
        fs::write(&file, format!("outbox.path = \"{}\"", path.display())).unwrap();
        let diagnosis = examine(Some(&file), &any_port(), true, NOW);
        finding(&diagnosis, Level::Fail, &format!("/{of}"), what);
        let config = Config::load(Some(&file), &any_port()).unwrap();
        let started = crate::ledger::Ledger::open(config.outbox, config.quarantine, Clock::fixed(NOW));
        assert!(started.is_err(), "{what}: serve starts");
    };
    let pipe = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refuses("outbox.db", "this is not an outbox of a gateway", &|path| {
        fs::write(path, "no database at all, and longer than a header of SQLite: 100 bytes or more, so that it is looked at").unwrap()
    });
    refuses("outbox.db", "this is no regular file", &|path| fs::create_dir(path).unwrap());
    refuses("outbox.db", "this is no regular file", &pipe);
    refuses("outbox.db", "the database is missing, and its log", &|path| {
        fs::write(path.with_file_name("outbox.db-wal"), "a log").unwrap()
    });
    for beside in ["outbox.db-wal", "outbox.db.lock"] {
        refuses(beside, "this is no regular file", &|path| pipe(&path.with_file_name(beside)));
    }
}

#[test]
fn listeners_that_share_an_address_are_a_failure() {
    let diagnosis = Site::new(-1..365, "listen.callback = \"0.0.0.0:14568\"\nfaces.listen = \"127.0.0.1:14568\"\ncallback.danger_open = true").examine();
    finding(
        &diagnosis,
        Level::Fail,
        "listener faces",
        "127.0.0.1:14568 is the address of another listener (callback), too",
    );
}

#[test]
fn a_wrong_key_of_opencrvs_is_named_by_its_file() {
    let jwt = "[callback]\nrequire = [\"opencrvs-jwt\"]\nopencrvs_jwt = { file = \"gateway.toml\" }";
    finding(
        &Site::new(-1..365, jwt).examine(),
        Level::Fail,
        "callback.opencrvs_jwt.file",
        "gateway.toml: this is neither",
    );
}

#[test]
fn an_unset_variable_of_ida_is_named_with_its_setting() {
    let diagnosis = Site::new(-1..365, &format!("{IDA} }}")).examine();
    let what = "upstream.ida.misp_license_key_env (the variable LK) is not set";
    finding(&diagnosis, Level::Fail, "upstream.ida", what);
}

/// Before its mend it was told a second time, as a variable that nobody had named.
#[test]
fn a_file_of_a_secret_of_ida_that_is_missing_is_one_failure() {
    let secrets = "misp_license_key_file = \"absent-lk\", api_key_file = \"absent-ak\"";
    let ida = format!(
        "upstream.ida = {{ url = \"https://ida.example\", partner_id = \"p\", {secrets} }}\noutbox.path = \"{}\"\n",
        outbox()
    );
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, ida).unwrap();
    let diagnosis = examine(Some(&file), &any_port(), false, NOW);
    for name in ["misp_license_key", "api_key"] {
        finding(&diagnosis, Level::Fail, &format!("upstream.ida.{name}_file"), "cannot read");
        let is_second = |finding: &&Finding| finding.what.contains(&format!("{name}_env"));
        assert_eq!(diagnosis.findings.iter().find(is_second), None);
    }
}

/// Before its mend the section that was refused was missing, and `doctor` said that the gateway connects nothing.
#[test]
fn a_refused_setting_is_no_second_failure_that_nothing_is_connected() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gateway.toml");
    for (refused, text) in [
        (
            "systems[0].url",
            "[[systems]]\nname = \"nia\"\nurl = \"http://nia.example.org/x\"\nkinds = [\"birth\"]\n",
        ),
        ("upstream.mediator.birth", "upstream.mediator.birth = \"http://mosip.example.org/birth\"\n"),
    ] {
        fs::write(&file, text).unwrap();
        let diagnosis = examine(Some(&file), &BTreeMap::new(), false, NOW);
        finding(&diagnosis, Level::Fail, refused, "is plain http off the loopback");
        let is_false = |finding: &&Finding| finding.what.contains("connects nothing");
        assert_eq!(diagnosis.findings.iter().find(is_false), None);
    }
}

/// Before its mend both had the advice for both.
#[test]
fn what_esignet_lacks_has_an_advice_each() {
    let diagnosis = Site::new(-1..365, "esignet.clients = [\"a\"]").examine();
    let advice = |name: &str| finding(&diagnosis, Level::Fail, "esignet", name).advice.clone().unwrap();
    let (issuer, key) = (advice("esignet.issuer is not set"), advice("esignet.key is not set"));
    assert!(issuer.contains("document") && !issuer.contains("own key"), "{issuer}");
    assert!(key.contains("own key") && !key.contains("document"), "{key}");
}

/// Before its mend `doctor` found nothing, and `serve` refused.
#[test]
fn a_word_that_is_no_level_in_the_variable_of_the_log_is_a_failure() {
    let site = Site::new(-1..365, "");
    let examine = |word: &str| {
        let mut variables = any_port();
        variables.insert("MOSIP_GATEWAY_LOG".to_owned(), word.to_owned());
        examine(Some(&site.path("gateway.toml")), &variables, true, NOW)
    };
    let refused = examine("verbose");
    let told = finding(&refused, Level::Fail, "MOSIP_GATEWAY_LOG", "is not a level");
    assert!(told.advice.as_deref().is_some_and(|advice| advice.contains("debug")), "{told:?}");
    assert!(!format!("{refused:?}").contains("verbose"));
    let taken = examine("debug");
    assert_eq!(taken.count(Level::Fail), 0, "{taken:#?}");
    finding(&taken, Level::Ok, "telemetry.log (from MOSIP_GATEWAY_LOG)", "set by our variable");
}
