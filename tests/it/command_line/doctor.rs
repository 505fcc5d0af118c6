//! `doctor` as a script calls it.

use super::*;

/// Listeners that no other process can hold, for `doctor`.
const FREE_PORTS: [(&str, &str); 3] = [
    ("MOSIP_GATEWAY__LISTEN__INTERNAL", "127.0.0.1:0"),
    ("MOSIP_GATEWAY__LISTEN__CALLBACK", "127.0.0.1:0"),
    ("MOSIP_GATEWAY__LISTEN__OPS", "127.0.0.1:0"),
];

#[test]
fn doctor_passes_the_example_set_with_warnings_and_refuses_it_for_production() {
    let doctor = |arguments: &[&str]| {
        let arguments = [&["doctor", "--config", "deploy/example.toml"], arguments].concat();
        let keys = ("MOSIP_GATEWAY__KEYS__DIR", KEYS.path());
        call_under(
            &[&FREE_PORTS.map(|(name, port)| (name, Path::new(port)))[..], &[keys]].concat(),
            &arguments,
            b"",
        )
    };
    let allowed = doctor(&["--allow-example-keys"]).ok();
    assert!(
        allowed.text().contains("warn  ") && allowed.text().contains("\n0 failed, "),
        "{}",
        allowed.text()
    );
    let in_order = allowed.text().lines().filter(|line| line.starts_with("ok  ")).count();
    assert_eq!(in_order, 1, "what is in order is one line: {}", allowed.text());
    assert!(doctor(&["--allow-example-keys", "--all"]).ok().text().contains("signs and decrypts"));

    let refused = doctor(&[]);
    assert_eq!(refused.code, REFUSED);
    let line = refused.text().lines().find(|line| line.contains("keystore.p12: holds a development key"));
    assert!(line.is_some_and(|line| line.starts_with("fail  ")), "{}", refused.text());
}

#[test]
fn doctor_without_a_licence_key_ends_with_1_and_names_the_variable() {
    let variables = [("MOSIP_GATEWAY__UPSTREAM__IDA__MISP_LICENSE_KEY_ENV", Path::new("NO_SUCH_LICENCE"))];
    let doctor = ["doctor", "--config", "deploy/example.toml", "--allow-example-keys"];
    let ended = call_under(&variables, &doctor, b"");
    assert_eq!(ended.code, REFUSED, "{}", ended.text());
    assert!(ended.text().contains("(the variable NO_SUCH_LICENCE) is not set"), "{}", ended.text());
}

#[test]
fn doctor_names_the_broken_file_and_prints_no_secret() {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("keys.example")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(folder.path().join("opencrvs-priv.key"), "-----BEGIN PRIVATE KEY-----\nMIIE").unwrap();
    std::fs::write(folder.path().join("keystore.password"), "not-the-password").unwrap();
    let config = std::fs::read_to_string("deploy/example.toml")
        .unwrap()
        .replace("../keys.example", folder.path().to_str().unwrap());
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, config).unwrap();

    let ended = call(&["doctor", "--allow-example-keys", "--json", "--config", file.to_str().unwrap()], b"");
    assert_eq!(ended.code, REFUSED, "{}", ended.err);
    let report = ended.json();
    let failed = |name: &str, what: &str| {
        report["findings"].as_array().unwrap().iter().any(|finding| {
            finding["level"] == "fail"
                && finding["subject"].as_str().unwrap().ends_with(name)
                && finding["what"].as_str().unwrap().contains(what)
                && !finding["advice"].as_str().unwrap().is_empty()
        })
    };
    assert!(failed("opencrvs-priv.key", "is truncated"), "{report}");
    assert!(failed("keystore.p12", "the password is wrong"), "{report}");
    for secret in [SECRET, "not-the-password", "PRIVATE KEY", "MIIE"] {
        assert!(!ended.text().contains(secret), "{secret}");
    }
}
