//! From a file and variables to a [`Config`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Config;
use crate::config::reader::{Found, Reader};
use crate::config::{Problem, Problems, ReadFile};
use crate::regular;

impl Config {
    /// From the file at `path` (none: from variables and defaults alone) and the process's variables.
    ///
    /// A setting comes from our own variable (`keys.dir` from `MOSIP_GATEWAY__KEYS__DIR`), else from the file, else from a
    /// variable of an older system, else it is the default. Secret files, tokens and roots are read now, keys are not.
    ///
    /// # Errors
    ///
    /// All the problems there are; only a file that is not TOML hides the others. No problem repeats a value.
    pub fn load(path: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let (config, problems) = Self::examine(path, variables)?;
        Problems::check(problems)?;
        Ok(config)
    }

    /// As [`Config::load`], with the problems beside what can be read in spite of them, so that `doctor` looks at the keys of a
    /// configuration that lacks a secret. Never to be served where there are problems: defaults replace wrong settings.
    ///
    /// # Errors
    ///
    /// Where nothing can be read: no such file, or it is not TOML.
    pub fn examine(
        path: Option<&Path>,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<Problem>), Problems> {
        let Some(path) = path else {
            return Self::read("environment", "", Path::new(""), variables, &read_named);
        };
        let name = path.display().to_string();
        let unreadable = |what: String| {
            Problems::one(Problem {
                source: name.clone(),
                path: "--config".to_owned(),
                what,
                advice: "name a TOML file that this process can read".to_owned(),
            })
        };
        let bytes = read_named(path)
            .map_err(|error| unreadable(format!("cannot be read ({})", regular::reason(&error))))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8".to_owned()))?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(Path::new(""));
        Self::read(&name, &text, base, variables, &read_named)
    }

    /// From the text of a file in the folder `base`. `read` reads every other file, so that no disk is needed.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_toml(
        text: &str,
        base: &Path,
        variables: &BTreeMap<String, String>,
        read: ReadFile<'_>,
    ) -> Result<Self, Problems> {
        let (config, problems) = Self::read("file", text, base, variables, read)?;
        Problems::check(problems)?;
        Ok(config)
    }

    fn read(
        name: &str,
        text: &str,
        base: &Path,
        variables: &BTreeMap<String, String>,
        read: ReadFile<'_>,
    ) -> Result<(Self, Vec<Problem>), Problems> {
        let table = text.parse::<toml::Table>().map_err(|error| {
            Problems::one(Problem {
                source: name.to_owned(),
                path: error.span().map_or_else(|| "text".to_owned(), |span| line_at(text, span.start)),
                what: format!("is not TOML ({})", error.message()),
                advice: "correct it".to_owned(),
            })
        })?;
        let reader = Reader::new(name, base, variables, read);
        let mut config = Self::settings(reader.root(table));
        let Found { problems, warnings, troubles, origins, secret_files, plain_hosts } = reader.finish();
        config.upstream.danger_plain_http_hosts.extend(plain_hosts);
        let config = Self { warnings, troubles, origins, secret_files, ..config };
        Ok((config, problems))
    }
}

/// No file that is read at start is larger: secrets, tokens, certificates, the configuration itself.
pub(super) const LARGEST_FILE: u64 = 1024 * 1024;

/// The configuration itself, or a file that a setting names.
fn read_named(file: &Path) -> io::Result<Vec<u8>> {
    // Whoever holds a secret wipes it; nothing is copied here.
    regular::read_bounded(file, LARGEST_FILE).map(|mut bytes| std::mem::take(&mut *bytes))
}

fn line_at(text: &str, offset: usize) -> String {
    let before = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    format!("line {}", before + 1)
}
