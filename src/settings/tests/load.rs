//! `Config::load` and files on a real disk.

use std::collections::BTreeMap;
use std::fs;

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
        "cannot be read (entity not found)"
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
