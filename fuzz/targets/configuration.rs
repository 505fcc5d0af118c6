//! `Config::from_toml` on an arbitrary file, arbitrary variables, and made-up files beside it.

#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mosip_gateway::settings::Config;

/// What every secret file holds.
const SECRET: &str = "canary-0f3a9c5e";
const PEM: &[u8] = include_bytes!("../../tests/vectors/keys/mosip.crt.pem");

// The file, then after a NUL the variables, `NAME=value` a line.
fuzz_target!(|input: &str| {
    let (file, variables) = input.split_once('\0').unwrap_or((input, ""));
    let variables: BTreeMap<String, String> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();

    let mut said: Vec<String> = Vec::new();
    match Config::from_toml(file, Path::new("/etc/gateway"), &variables, &read) {
        Ok(config) => {
            said.extend(config.warnings);
            said.extend(config.origins.into_iter().flat_map(|(path, origin)| [path, origin]));
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some());
            for problem in &problems {
                assert!(!problem.source.is_empty() && !problem.path.is_empty(), "{problem}");
                assert!(!problem.what.is_empty() && !problem.advice.is_empty(), "{problem}");
                said.push(problem.to_string());
            }
        }
    }
    for sentence in said {
        assert!(!sentence.contains(char::is_control), "{sentence:?}");
        assert!(input.contains(SECRET) || !sentence.contains(SECRET), "{sentence}");
    }
});

fn read(file: &Path) -> io::Result<Vec<u8>> {
    match file.to_string_lossy() {
        name if name.contains("absent") => Err(io::ErrorKind::NotFound.into()),
        name if name.contains("empty") => Ok(b"\n".to_vec()),
        name if name.contains("pem") || name.contains("crt") => Ok(PEM.to_vec()),
        _ => Ok(SECRET.into()),
    }
}
