//! What the tests of configuration share: a file in `/etc/gateway`, variables, and other files made up.

mod aliases;
mod client_certs;
mod esignet;
mod load;
mod older_systems;
mod opencrvs;
mod packets;
mod precedence;
mod refusals;
mod sample;
mod settings;
mod websub;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Config;
use crate::config::Problems;

const BASE: &str = "/etc/gateway";

/// Files whose name holds `absent`, and those where older systems look by themselves, are not there, `empty` ones hold a newline, and schemas an object; every other one holds its path and a newline.
fn files(file: &Path) -> io::Result<Vec<u8>> {
    let name = file.to_string_lossy();
    match name.as_ref() {
        name if name.contains("absent") || name.starts_with("/certs/") => Err(io::ErrorKind::NotFound.into()),
        name if name.contains("empty") => Ok(b"\n".to_vec()),
        name if name.ends_with("schema.json") => Ok(b"{}\n".to_vec()),
        name => Ok(format!("{name}\n").into_bytes()),
    }
}

fn variables(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str, set: &[(&str, &str)]) -> Result<Config, Problems> {
    Config::from_toml(text, Path::new(BASE), &variables(set), &files)
}

fn accepted(text: &str, set: &[(&str, &str)]) -> Config {
    read(text, set).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str, set: &[(&str, &str)]) -> Vec<String> {
    match read(text, set) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// `text` has exactly one problem, and it reads `line`.
fn refused(text: &str, line: &str) {
    assert_eq!(problems(text, &[]), [line], "{text}");
}

fn exposed(secret: Option<&crate::crypto::secret::SecretBytes>) -> Option<&str> {
    secret.map(|secret| std::str::from_utf8(secret.expose()).unwrap())
}

fn origin<'c>(config: &'c Config, path: &str) -> Option<&'c str> {
    config.origins.iter().find(|(setting, _)| setting == path).map(|(_, origin)| origin.as_str())
}
