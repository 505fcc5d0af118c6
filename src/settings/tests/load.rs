//! `Config::load` and files on a real disk.

use std::collections::BTreeMap;
use std::fs;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::variables;
use crate::settings::Config;
use crate::settings::load::LARGEST_FILE;

fn the_problem(result: Result<Config, super::Problems>) -> crate::config::Problem {
    let problems = result.err().unwrap();
    let [problem] = problems.iter().as_slice() else { panic!("{problems}") };
    problem.clone()
}

#[test]
fn without_a_file_there_are_variables_and_defaults() {
    let config = Config::load(None, &variables(&[("MOSIP_GATEWAY__KEYS__DIR", "/keys")]))
        .unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(config.keys.dir, std::path::Path::new("/keys"));
    let token = [
        ("MOSIP_GATEWAY__UPSTREAM__TOKEN__URL", "https://a"),
        ("MOSIP_GATEWAY__UPSTREAM__TOKEN__CLIENT_ID", "c"),
    ];
    let problem = the_problem(Config::load(None, &variables(&token)));
    assert_eq!(problem.source, "environment");
}

#[test]
fn paths_and_problems_go_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "internal.token_file = \"api.token\"\nkeys.dir = \"keys\"\n").unwrap();
    let problem = the_problem(Config::load(Some(&file), &BTreeMap::new()));
    assert_eq!(
        (problem.source, problem.path),
        (file.display().to_string(), "internal.token_file".to_owned())
    );

    fs::write(folder.path().join("api.token"), "secret\n").unwrap();
    let config = Config::load(Some(&file), &BTreeMap::new()).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(config.keys.dir, folder.path().join("keys"));
    assert_eq!(super::exposed(config.internal.token.as_ref()), Some("secret"));
}

#[test]
fn a_file_that_is_absent_or_not_text_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    assert_eq!(
        the_problem(Config::load(Some(&file), &BTreeMap::new())).what,
        "cannot be read (no such file or folder)"
    );
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(the_problem(Config::load(Some(&file), &BTreeMap::new())).what, "is not UTF-8");
}

#[test]
fn a_file_without_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "internal.token_file = \"api.token\"").unwrap();
    let token = folder.path().join("api.token");
    let largest = usize::try_from(LARGEST_FILE).unwrap();
    fs::write(&token, vec![b'x'; largest + 1]).unwrap();
    assert!(the_problem(Config::load(Some(&file), &BTreeMap::new())).what.contains("file too large"));
    fs::write(&token, vec![b'x'; largest]).unwrap();
    assert!(Config::load(Some(&file), &BTreeMap::new()).is_ok());
}

/// The settings of `value` that name a file, by their paths.
fn files_in(value: &toml::Value, path: &str, found: &mut Vec<(String, String)>) {
    const NAMES: [&str; 7] = ["file", "cert", "key", "client_ca", "client_cert", "client_key", "path"];
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                match value.as_str() {
                    Some(file) if name.ends_with("_file") || NAMES.contains(&name.as_str()) => {
                        found.push((below(name), file.to_owned()));
                    }
                    _ => files_in(value, &below(name), found),
                }
            }
        }
        toml::Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                files_in(item, &format!("{path}[{place}]"), found);
            }
        }
        _ => {}
    }
}

/// Every file of the complete sample is a pipe without a writer: what is read with the configuration is named, and nothing is waited for.
#[test]
fn no_file_that_a_setting_names_is_waited_for() {
    // Shown to be read without waiting where that is tested: keys, outbox, issuers, roots, TLS files, and the keys of callers. No file: the
    // key of eSignet.
    const LATER: [&str; 7] = [
        "keys.",
        "outbox.",
        "credentials.issuers",
        "esignet.key",
        "callback.opencrvs_jwt",
        "faces.opencrvs_jwt",
        "upstream.ca_file",
    ];
    let text = super::sample::uncommented().replace("ca_file = \"mosip-ca.pem\"", "");
    let mut named = Vec::new();
    files_in(&toml::Value::Table(text.parse().unwrap()), "", &mut named);
    let folder = tempfile::tempdir().unwrap();
    for (_, file) in &named {
        let pipe = folder.path().join(file);
        if !pipe.exists() {
            mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
    }
    let sample = folder.path().join("gateway.toml");
    std::fs::write(&sample, &text).unwrap();
    let told = Config::load(Some(&sample), &BTreeMap::new()).err().unwrap().to_string();
    let at_once: Vec<_> = named
        .iter()
        .filter(|(path, _)| {
            !path.contains("tls.")
                && !path.contains(".client_")
                && !LATER.iter().any(|later| path.starts_with(later))
        })
        .collect();
    assert!(at_once.len() >= 8, "{at_once:?}");
    for (path, _) in at_once {
        let is_told = told
            .lines()
            .any(|line| line.contains(&format!(" {path}: ")) && line.contains("this is no regular file"));
        assert!(is_told, "{path}: {told}");
    }
}

#[test]
fn a_configuration_that_is_a_pipe_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("gateway.toml");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let told = Config::load(Some(&pipe), &BTreeMap::new()).err().unwrap().to_string();
    assert!(told.contains("cannot be read (this is no regular file)"), "{told}");
}
