//! The table of threats in `docs/security.md`: every file and every test that it names is there.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_file_and_every_test_of_the_table_of_threats_is_there() {
    let page = std::fs::read_to_string("docs/security.md").unwrap();
    let (_, table) = page.split_once("| threat | control | where | shipped default | shown by |\n").unwrap();
    let rows: Vec<_> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 30, "{rows:?}");
    let tests: BTreeSet<_> =
        tests_below("src", "").into_iter().chain(tests_below("tests/it", "it::")).collect();
    assert!(tests.len() > 1_000, "{}", tests.len());

    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [threat, control, places, default, shown] = cells[..] else { panic!("five cells: {row}") };
        assert!(!control.is_empty() && !default.is_empty(), "{row}");
        for (what, names) in [("where", quoted(places)), ("shown by", quoted(shown))] {
            assert!(!names.is_empty(), "{threat}: nothing stands under `{what}`");
            let is_there =
                |name: &&str| Path::new(name).is_file() || (what == "shown by" && tests.contains(*name));
            wrong.extend(
                names.into_iter().filter(|name| !is_there(name)).map(|name| format!("{threat}: {name}")),
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The tests in the sources below `folder`, as `cargo test -- --list` names them behind `prefix`.
fn tests_below(folder: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.append(&mut tests_below(path.to_str().unwrap(), &format!("{prefix}{stem}::")));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let module =
                if ["mod", "lib", "main"].contains(&stem) { String::new() } else { format!("{stem}::") };
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(tests_of(&text).into_iter().map(|name| format!("{prefix}{module}{name}")));
        }
    }
    found
}

/// The tests of one source, each behind the module of this source that it stands in.
fn tests_of(text: &str) -> Vec<String> {
    let (mut module, mut is_test, mut found) = ("", false, Vec::new());
    for line in text.lines() {
        let code = line.trim_start();
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = name;
        } else if line == "}" {
            module = "";
        } else if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = code.split_once("fn ").filter(|_| is_test && !code.starts_with('#')) {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let parts = [module, name];
            found.push(parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("::"));
            is_test = false;
        }
    }
    found
}

#[test]
fn a_test_is_found_under_its_module_and_a_helper_is_none() {
    let text = "#[test]\nfn outside() {\n}\nfn helper() {\n}\n#[cfg(test)]\nmod tests {\n    #[tokio::test]\n    #[cfg(unix)]\n    async fn within() {\n    }\n}\n#[test]\nfn behind() {\n}\n";
    assert_eq!(tests_of(text), ["outside", "tests::within", "behind"]);
}
