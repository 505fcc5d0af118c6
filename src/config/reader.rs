//! The sources of settings, and the problems, warnings and origins that are found in them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use toml::Table;

use super::aliases::{Alias, Aliases, Entry, Variables};
use super::section::Section;
use super::value::Complaint;
use super::{ClientCertificate, Problem, Trouble};
use crate::crypto::secret::SecretBytes;
use crate::regular;

/// The prefix of every variable of the gateway.
const PREFIX: &str = "MOSIP_GATEWAY__";

/// Reads a file. It is a function, so that tests and the fuzzer need no disk.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// The source of a setting, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A variable of the gateway.
    Variable(String),
    /// The configuration file.
    File,
    /// A variable of an older system.
    Alias(String),
}

impl Origin {
    /// The rank of the source. A lower rank overrides a higher one; two variables of the gateway do not override each other.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Variable(_) => 0,
            Self::File => 1,
            Self::Alias(_) => 2,
        }
    }
}

/// All sources of one configuration, and everything that was found in them so far.
pub(crate) struct Reader<'a> {
    file_name: String,
    base: &'a Path,
    variables: &'a Variables,
    aliases: Aliases,
    read: ReadFile<'a>,
    found: RefCell<Gathered>,
}

/// Everything that was found besides the settings themselves.
pub(crate) struct Found {
    pub(crate) problems: Vec<Problem>,
    /// Sentences for the log at start.
    pub(crate) warnings: Vec<String>,
    /// Findings that do not prevent a start.
    pub(crate) troubles: Vec<Trouble>,
    /// The path of each setting that is set, with `file` or the variable that sets it.
    pub(crate) origins: Vec<(String, String)>,
    /// The files that secrets were read from.
    pub(crate) secret_files: Vec<PathBuf>,
    /// Hosts to which variables of an older system allow plain http.
    pub(crate) plain_hosts: Vec<String>,
}

#[derive(Default)]
struct Gathered {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    troubles: Vec<Trouble>,
    origins: BTreeMap<String, Origin>,
    secret_files: Vec<PathBuf>,
    client_certificates: Vec<ClientCertificate>,
    /// Paths of all settings that were looked for.
    asked: BTreeSet<String>,
    /// Variables that settings name, and whose values are read.
    named: BTreeSet<String>,
    /// Hosts that variables of an older system lead to over plain http.
    plain_hosts: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    /// `file_name` is what problems of the file are reported under; relative paths are joined with `base`.
    pub(crate) fn new(file_name: &str, base: &'a Path, variables: &'a Variables, read: ReadFile<'a>) -> Self {
        Self {
            file_name: file_name.to_owned(),
            base,
            variables,
            aliases: Aliases::read(variables, &|file| exists(read, file)),
            read,
            found: RefCell::default(),
        }
    }

    /// The whole file, parsed, as the section without a name.
    pub(crate) fn root(&self, table: Table) -> Section<'_> {
        Section::new(self, String::new(), table, Origin::File)
    }

    /// The folder of the configuration file.
    pub(crate) fn base(&self) -> &'a Path {
        self.base
    }

    /// Entries of `keys.own` that variables of an older system add.
    pub(crate) fn added_own_keys(&self) -> Vec<Entry> {
        self.aliases.own.clone()
    }

    /// Entries of `keys.peers` that variables of an older system add.
    pub(crate) fn added_peers(&self) -> Vec<Entry> {
        self.aliases.peers.clone()
    }

    /// The verification methods that a variable of an older system names.
    pub(crate) fn verification_methods(&self) -> &[String] {
        &self.aliases.verification_methods
    }

    /// The value of the variable that a setting names.
    pub(crate) fn named_variable(&self, name: &str) -> Option<&'a String> {
        self.found.borrow_mut().named.insert(name.to_owned());
        self.variables.get(name)
    }

    /// The gateway's variable for the setting at `path`, if it is set. Settings inside lists have none.
    pub(crate) fn variable(&self, path: &str) -> Option<(String, &'a str)> {
        if is_in_list(path) {
            return None;
        }
        let name = variable_name(path);
        self.variables.get(&name).map(|value| (name, value.as_str()))
    }

    /// Whether one of the gateway's variables is set below `path`.
    pub(crate) fn has_variable_under(&self, path: &str) -> bool {
        let prefix = variable_name(path) + "__";
        self.variables.range(prefix.clone()..).next().is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    /// The alias for the setting at `path`, if it is set.
    pub(super) fn alias(&self, path: &str) -> Option<&Alias> {
        self.aliases.scalars.get(path)
    }

    /// Whether a variable of an older system sets something below `path`.
    pub(crate) fn has_alias_under(&self, path: &str) -> bool {
        let below = |alias: &str| alias.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.aliases.scalars.keys().any(|alias| below(alias))
    }

    /// Records that a variable of an older system allows plain http to `host`, which is in the cluster.
    pub(crate) fn record_plain_http(&self, host: &str, variable: &str) {
        let mut found = self.found.borrow_mut();
        found.plain_hosts.entry(host.to_ascii_lowercase()).or_default().insert(variable.to_owned());
    }

    /// The bytes of the file that a setting names.
    pub(crate) fn contents(&self, text: &str) -> Result<Vec<u8>, Complaint> {
        let file = self.base.join(text);
        (self.read)(&file).map_err(|error| Complaint {
            what: format!("cannot read {} ({})", file.display(), regular::reason(&error)),
            advice: "put the file there, readable for this process".to_owned(),
        })
    }

    /// As [`Self::contents`], of a file without which the gateway starts: where it cannot be read, or is empty, nothing, and a trouble of
    /// the setting at `path`. `so` says what does not work then.
    pub(crate) fn contents_or_trouble(&self, path: &str, text: &str, so: &str) -> Vec<u8> {
        let (what, advice) = match self.contents(text) {
            Ok(contents) if contents.is_empty() => {
                (format!("{} is empty", self.base.join(text).display()), "put the file there".to_owned())
            }
            Ok(contents) => return contents,
            Err(Complaint { what, advice }) => (what, advice),
        };
        self.trouble(Trouble::fatal(
            path,
            format!("{what}: {so}"),
            format!("{advice}, and start the gateway again"),
        ));
        Vec::new()
    }

    /// As [`Self::contents`], of a file that holds a secret.
    pub(crate) fn secret(&self, text: &str) -> Result<Vec<u8>, Complaint> {
        let contents = self.contents(text)?;
        self.found.borrow_mut().secret_files.push(self.base.join(text));
        Ok(contents)
    }

    /// Records a certificate that servers see.
    pub(crate) fn record_client_certificate(&self, certificate: ClientCertificate) {
        self.found.borrow_mut().client_certificates.push(certificate);
    }

    /// The certificates that servers see, of every section that was read.
    pub(crate) fn client_certificates(&self) -> Vec<ClientCertificate> {
        self.found.borrow().client_certificates.clone()
    }

    /// Records that the setting at `path` was looked for.
    pub(crate) fn record_lookup(&self, path: &str) {
        if !is_in_list(path) {
            self.found.borrow_mut().asked.insert(path.to_owned());
        }
    }

    /// Records that the setting at `path` is used, and its source.
    pub(crate) fn record_origin(&self, path: &str, origin: &Origin) {
        self.found.borrow_mut().origins.insert(path.to_owned(), origin.clone());
    }

    /// The source of the setting at `path`, once it has been found.
    pub(crate) fn origin(&self, path: &str) -> Option<Origin> {
        self.found.borrow().origins.get(path).cloned()
    }

    /// A sentence for the log at start.
    pub(crate) fn warn(&self, sentence: String) {
        self.found.borrow_mut().warnings.push(sentence);
    }

    /// Reports what is not as it should be, and stops no start.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.found.borrow_mut().troubles.push(trouble);
    }

    /// Reports a problem with the setting at `path`, under the source it came from.
    pub(crate) fn problem(&self, path: &str, complaint: Complaint) {
        let origin = self.origin(path).unwrap_or(Origin::File);
        self.problem_from(&origin, path, complaint);
    }

    /// Reports a problem of the source `origin`.
    pub(crate) fn problem_from(&self, origin: &Origin, path: &str, Complaint { what, advice }: Complaint) {
        let source = match origin {
            Origin::Variable(name) | Origin::Alias(name) => name.clone(),
            Origin::File => self.file_name.clone(),
        };
        self.found.borrow_mut().problems.push(Problem { source, path: path.to_owned(), what, advice });
    }

    /// Refuses variables that name no setting, and returns everything that was found.
    pub(crate) fn finish(self) -> Found {
        self.refuse_unknown_variables();
        self.warn_of_aliases();
        self.warn_of_plain_hosts();
        let found = self.found.into_inner();
        let origins = found.origins.into_iter().map(|(path, origin)| match origin {
            Origin::Variable(name) | Origin::Alias(name) => (path, name),
            Origin::File => (path, "file".to_owned()),
        });
        Found {
            problems: found.problems,
            warnings: found.warnings,
            troubles: found.troubles,
            origins: origins.collect(),
            secret_files: found.secret_files,
            plain_hosts: found.plain_hosts.into_keys().collect(),
        }
    }

    /// Settings outside lists that were looked for and not found.
    #[cfg(test)]
    pub(crate) fn unset(&self) -> Vec<String> {
        let found = self.found.borrow();
        found.asked.iter().filter(|path| !found.origins.contains_key(*path)).cloned().collect()
    }

    fn refuse_unknown_variables(&self) {
        let known: BTreeSet<String> =
            self.found.borrow().asked.iter().map(|path| variable_name(path)).collect();
        for name in self.variables.keys().filter(|name| name.starts_with(PREFIX) && !known.contains(*name)) {
            // The bare prefix names no setting, but a problem needs a path.
            let rest = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()).unwrap_or("environment");
            let path = rest.to_lowercase().replace("__", ".");
            let advice = suggestion(name, known.iter().map(String::as_str));
            self.problem_from(
                &Origin::Variable(name.escape_debug().to_string()),
                &path.escape_debug().to_string(),
                Complaint { what: "is not a setting".to_owned(), advice },
            );
        }
    }

    fn warn_of_aliases(&self) {
        let mut used = BTreeMap::<String, Vec<String>>::new();
        for (path, origin) in &self.found.borrow().origins {
            if let Origin::Alias(variable) = origin {
                used.entry(variable.clone()).or_default().push(path.clone());
            }
        }
        let used: Vec<String> = used
            .into_iter()
            .map(|(variable, paths)| format!("{variable} sets {}", paths.join(", ")))
            .collect();
        if !used.is_empty() {
            self.warn(format!("names of an older system are read: {}", used.join("; ")));
        }
        // An alias has no effect where its section is absent.
        for (path, alias) in &self.aliases.scalars {
            if !self.found.borrow().asked.contains(*path) {
                let section = path.rsplit_once('.').map_or(*path, |(section, _)| section);
                self.warn(format!("{} does not set {path}, since {section}.url is not set", alias.variable));
            }
        }
        let without_effect = {
            let found = self.found.borrow();
            let names = self.aliases.without_effect.iter().map(String::as_str);
            names.filter(|name| !found.named.contains(*name)).collect::<Vec<_>>().join(", ")
        };
        if !without_effect.is_empty() {
            self.warn(format!("these variables of an older system have no effect here: {without_effect}"));
        }
    }

    fn warn_of_plain_hosts(&self) {
        let hosts = self.found.borrow().plain_hosts.clone();
        for (host, variables) in hosts {
            let variables = Vec::from_iter(variables).join(", ");
            self.warn(format!(
                "plain http, which others can read and change, is spoken to {host}, since {variables} says so: the host counts as named in upstream.danger_plain_http_hosts"
            ));
        }
    }
}

/// A name of fewer letters is the beginning of too many others.
const SHORTEST_BEGINNING: usize = 3;

/// `did you mean …?` for the nearest of `known`, if no more than one letter in four is wrong, or else for the shortest that begins so.
pub(crate) fn suggestion<'k>(name: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let near = known
        .clone()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(wrong, candidate)| *wrong <= (candidate.len() / 4).max(1));
    let begins = known
        .filter(|candidate| {
            name.len() >= SHORTEST_BEGINNING && !name.ends_with('_') && candidate.starts_with(name)
        })
        .map(|candidate| (candidate.len(), candidate));
    near.min()
        .or_else(|| begins.min())
        .map_or_else(|| "remove it".to_owned(), |(_, candidate)| format!("did you mean {candidate}?"))
}

/// Whether the file exists. A file that cannot be read counts as existing, and the code that needs it reports why.
fn exists(read: ReadFile<'_>, file: &Path) -> bool {
    match read(file).map(SecretBytes::new) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn is_in_list(path: &str) -> bool {
    path.contains('[')
}

/// `keys.dir` is `MOSIP_GATEWAY__KEYS__DIR`.
fn variable_name(path: &str) -> String {
    PREFIX.to_owned() + &path.to_uppercase().replace('-', "_").replace('.', "__")
}
