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
