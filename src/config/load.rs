//! From a file and variables to a [`Config`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::reader::Reader;
use super::section::Section;
use super::{
    Config, Envelope, Problem, Problems, ReadFile, credentials, faces, keys, listeners, opencrvs, outbox,
    unbuilt, upstream,
};
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
    /// configuration that lacks a secret. Never to be served where there are problems: defaults stand in for wrong settings.
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
        let bytes =
            read_itself(path).map_err(|error| unreadable(format!("cannot be read ({})", error.kind())))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is not UTF-8".to_owned()))?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(Path::new(""));
        Self::read(&name, &text, base, variables, &read_named)
    }

    /// From the text of a file that stands in the folder `base`. `read` reads every other file, so that no disk is needed.
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
        let config = Self::settings(reader.root(table));
        Ok(reader.finish(config))
    }

    /// Every section in turn; problems, warnings and origins gather in the reader.
    pub(super) fn settings(mut root: Section<'_>) -> Self {
        let listen = listeners::listen(&mut root);
        let internal = listeners::internal(&mut root);
        let ops = listeners::ops(&mut root);
        let keys = keys::keys(&mut root);
        let envelope = envelope(&mut root);
        let quarantine = outbox::quarantine(&mut root);
        let outbox = outbox::outbox(&mut root, &keys.dir);
        let (upstream, plain) = upstream::upstream(&mut root, &keys);
        let callback = listeners::callback(&mut root, listen.callback.as_ref(), &plain);
        let deliver = upstream::deliver(&mut root, &plain);
        let opencrvs = opencrvs::opencrvs(&mut root, &plain);
        let faces = faces::faces(&mut root, &plain);
        let seeder = faces::seeder(&mut root);
        let events = faces::events(&mut root, upstream.ida.is_some(), &seeder);
        let credentials = credentials::credentials(&mut root);
        unbuilt::check(&mut root, &plain);
        root.finish();
        let (warnings, origins, secret_files) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            listen,
            internal,
            ops,
            callback,
            keys,
            envelope,
            outbox,
            quarantine,
            upstream,
            faces,
            seeder,
            events,
            opencrvs,
            credentials,
            deliver,
            warnings,
            origins,
            secret_files,
        }
    }
}

/// No file that is read at start is larger: secrets, tokens, certificates, the configuration itself.
pub(super) const LARGEST_FILE: u64 = 1024 * 1024;

/// The configuration itself, which whoever starts the gateway may hand over through a pipe.
fn read_itself(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// A file that a setting names.
fn read_named(file: &Path) -> io::Result<Vec<u8>> {
    // Whoever holds a secret wipes it; nothing is copied here.
    regular::read_bounded(file, LARGEST_FILE).map(|mut bytes| std::mem::take(&mut *bytes))
}

fn line_at(text: &str, offset: usize) -> String {
    let before = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    format!("line {}", before + 1)
}

fn envelope(root: &mut Section<'_>) -> Envelope {
    let mut section = root.section("envelope");
    let danger_accept_unsigned =
        section.danger("danger_accept_unsigned", "messages without a signature are accepted");
    section.finish();
    Envelope { danger_accept_unsigned }
}
