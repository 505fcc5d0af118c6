//! One table of the configuration, read setting by setting. Settings that no code looked for are refused at the end.

mod calls;
mod measure;
mod url;

use std::path::PathBuf;

use toml::{Table, Value};

use super::aliases::Entry;
use super::reader::{Origin, Reader, suggestion};
use super::value::{Complaint, complaint, path_under, unset_variable, wrong_type};
use crate::crypto::secret::SecretBytes;

/// A table of the file. Variables override it, and it overrides the aliases.
pub(crate) struct Section<'r> {
    reader: &'r Reader<'r>,
    path: String,
    table: Table,
    /// The source of `table`.
    origin: Origin,
    /// Names that were looked for.
    asked: Vec<String>,
}

/// A setting as it was found, unparsed.
struct Raw {
    path: String,
    value: Value,
    origin: Origin,
}

/// A secret that is set: the file that holds it, or its content.
pub(crate) enum SecretSetting {
    /// `…_file`, as written.
    File(String),
    /// The content of the variable that `…_env` names.
    Value(SecretBytes),
}

/// What to do where the variable that `…_env` names is not set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// Report a problem.
    Refused,
    /// Treat the setting as absent.
    Absent,
}

impl<'r> Section<'r> {
    pub(crate) fn new(reader: &'r Reader<'r>, path: String, table: Table, origin: Origin) -> Self {
        Self { reader, path, table, origin, asked: Vec::new() }
    }

    /// The sources that this section belongs to.
    pub(crate) fn reader(&self) -> &'r Reader<'r> {
        self.reader
    }

    /// `upstream.ida`, `systems[0]`
    pub(crate) fn name(&self) -> &str {
        &self.path
    }

    /// The table `name`, empty if absent.
    pub(crate) fn section(&mut self, name: &str) -> Section<'r> {
        self.asked.push(name.to_owned());
        let path = self.path_of(name);
        let table = match self.table.remove(name) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.reader.problem_from(&self.origin, &path, wrong_type("a table", &other));
                Table::new()
            }
        };
        Section::new(self.reader, path, table, self.origin.clone())
    }

    /// The table `name`, if it is in the file, or a variable sets something in it, or an alias sets its `url`.
    pub(crate) fn optional_section(&mut self, name: &str) -> Option<Section<'r>> {
        let path = self.path_of(name);
        let present = self.table.contains_key(name)
            || self.reader.has_variable_under(&path)
            || self.reader.alias(&format!("{path}.url")).is_some();
        let section = self.section(name);
        present.then_some(section)
    }

    /// The table `name`, if anything is set in it.
    pub(crate) fn any_section(&mut self, name: &str) -> Option<Section<'r>> {
        let is_set_by_alias = self.reader.has_alias_under(&self.path_of(name));
        match self.optional_section(name) {
            Some(section) => Some(section),
            None => is_set_by_alias
                .then(|| Section::new(self.reader, self.path_of(name), Table::new(), self.origin.clone())),
        }
    }

    /// The tables of the list `name`.
    pub(crate) fn sections(&mut self, name: &str) -> Vec<Section<'r>> {
        let mut sections = Vec::new();
        for (index, value) in self.array(name).unwrap_or_default().into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(name));
            match value {
                Value::Table(table) => {
                    sections.push(Section::new(self.reader, path, table, self.origin.clone()));
                }
                other => self.reader.problem_from(&self.origin, &path, wrong_type("a table", &other)),
            }
        }
        sections
    }

    /// One more table of the list `name`, made from an alias.
    pub(crate) fn added(&self, name: &str, index: usize, entry: Entry) -> Section<'r> {
        let path = format!("{}[{index}]", self.path_of(name));
        Section::new(self.reader, path, entry.table, Origin::Alias(entry.variable))
    }

    /// The setting `name`, if it is set and valid.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let raw = self.take(name)?;
        self.parse_or_report(&raw, |raw| parse(raw.text()?))
    }

    /// As [`Self::parsed`]; absence is a problem.
    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        match self.take(name) {
            Some(raw) => self.parse_or_report(&raw, |raw| parse(raw.text()?)),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// Reports that the setting `name` is absent.
    pub(crate) fn missing(&self, name: &str) {
        self.reader.problem_from(&self.origin, &self.path_of(name), complaint("is missing", "set it"));
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.take(name).and_then(|raw| self.parse_or_report(&raw, Raw::flag)).unwrap_or(default)
    }

    /// A `danger_…` setting, which switches a check off. It is off by default and causes a warning when on.
    pub(crate) fn danger(&mut self, name: &str, means: &str) -> bool {
        let on = self.flag(name, false);
        if on {
            self.reader.warn(format!("{} is on: {means}", self.path_of(name)));
        }
        on
    }

    /// A list of texts, if all of them are valid.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<Vec<T>> {
        let list_path = self.path_of(name);
        let origin = self.origin.clone();
        let items = self.array(name)?.into_iter().enumerate().map(|(index, value)| {
            let raw = Raw { path: format!("{list_path}[{index}]"), value, origin: origin.clone() };
            self.parse_or_report(&raw, |raw| parse(raw.text()?))
        });
        // Every item is parsed, so that all problems are reported.
        items.collect::<Vec<_>>().into_iter().collect()
    }

    /// A list of anything.
    pub(crate) fn array(&mut self, name: &str) -> Option<Vec<Value>> {
        let raw = self.take(name)?;
        self.parse_or_report(&raw, |raw| match &raw.value {
            Value::Array(items) => Ok(items.clone()),
            _ if matches!(raw.origin, Origin::Variable(_)) => {
                Err(complaint("is a list, which no variable can set", "set it in the configuration file"))
            }
            other => Err(wrong_type("a list", other)),
        })
    }

    /// A path relative to the folder of the configuration file.
    pub(crate) fn path(&mut self, name: &str) -> Option<PathBuf> {
        let base = self.reader.base();
        self.parsed(name, path_under(base))
    }

    /// The secret `name`, by `<name>_file` or `<name>_env`; one trailing newline is dropped, and an empty one refused.
    pub(crate) fn secret(&mut self, name: &str, unset: Unset) -> Option<SecretBytes> {
        match self.secret_setting(name, unset)? {
            SecretSetting::Value(value) => Some(value),
            SecretSetting::File(file) => {
                let path = self.path_of(&format!("{name}_file"));
                let read = self.reader.secret(&file).and_then(secret_of);
                read.map_err(|complaint| self.reader.problem(&path, complaint)).ok()
            }
        }
    }

    /// As [`Self::secret`]; absence is a problem.
    pub(crate) fn required_secret(&mut self, name: &str) -> Option<SecretBytes> {
        let secret = self.secret(name, Unset::Refused);
        if !self.is_secret_set(name) {
            self.missing(&format!("{name}_file"));
        }
        secret
    }

    /// The settings that are in the table and were not looked for yet, where any name is a setting.
    pub(crate) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// Whether the table of the file, or of an alias, has the setting `name`. Variables are not looked at, since they set nothing in lists.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Whether the secret `name` is set, even to something invalid.
    pub(crate) fn is_secret_set(&self, name: &str) -> bool {
        self.is_set(&format!("{name}_file")) || self.is_set(&format!("{name}_env")) || self.is_set(name)
    }

    /// The value of `<name>_env`, which is the variable that holds the secret. It has to be called before the secret is taken.
    pub(crate) fn secret_variable(&self, name: &str) -> Option<String> {
        let name = format!("{name}_env");
        let path = self.path_of(&name);
        let by_variable = self.reader.variable(&path).map(|(_, text)| text.to_owned());
        let in_file = || self.table.get(&name).and_then(Value::as_str).map(str::to_owned);
        let by_alias = || self.reader.alias(&path).map(|alias| alias.value.clone());
        by_variable.or_else(in_file).or_else(by_alias)
    }

    /// Whether the setting `name` was found, even with something invalid.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.reader.origin(&self.path_of(name)).is_some()
    }

    /// As [`Self::secret`], but the file is not read yet.
    pub(crate) fn secret_setting(&mut self, name: &str, unset: Unset) -> Option<SecretSetting> {
        let [in_file, in_variable] = [format!("{name}_file"), format!("{name}_env")];
        self.refuse(name, "is a secret in the open", &format!("set {in_file} or {in_variable} instead"));
        let (file, variable) = match (self.find(&in_file), self.find(&in_variable)) {
            (Some(file), Some(variable)) => match file.origin.rank().cmp(&variable.origin.rank()) {
                std::cmp::Ordering::Less => (Some(file), None),
                std::cmp::Ordering::Greater => (None, Some(variable)),
                std::cmp::Ordering::Equal => {
                    let both = complaint(format!("is set beside {in_variable}"), "set one of the two");
                    self.reader.problem_from(&file.origin, &file.path, both);
                    (Some(file), None)
                }
            },
            either => either,
        };
        if let Some(raw) = file {
            self.record_use(&raw);
            return self
                .parse_or_report(&raw, |raw| raw.text().map(|text| SecretSetting::File(text.to_owned())));
        }
        let raw = variable?;
        self.record_use(&raw);
        self.parse_or_report(&raw, |raw| match self.reader.named_variable(raw.text()?) {
            Some(value) if !value.is_empty() => {
                secret_of(value.clone().into_bytes()).map(|secret| Some(SecretSetting::Value(secret)))
            }
            _ if unset == Unset::Absent => Ok(None),
            _ => Err(unset_variable(raw.text()?)),
        })
        .flatten()
    }

    /// Refuses the setting `name` with any value.
    pub(crate) fn refuse(&mut self, name: &str, what: &str, advice: &str) {
        if let Some(raw) = self.take(name) {
            self.reader.problem_from(&raw.origin, &raw.path, complaint(what, advice));
        }
    }

    /// Reports a problem with the setting `name`.
    pub(crate) fn problem(&self, name: &str, what: &str, advice: &str) {
        self.reader.problem(&self.path_of(name), complaint(what, advice));
    }

    /// Refuses the settings that nobody looked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let advice = suggestion(key, self.asked.iter().map(String::as_str));
            let unknown = complaint("is not a setting", advice);
            self.reader.problem_from(&self.origin, &self.path_of(key), unknown);
        }
    }

    /// The setting `name` in the strongest source. This does not record that it is used.
    fn find(&mut self, name: &str) -> Option<Raw> {
        let path = self.path_of(name);
        self.asked.push(name.to_owned());
        self.reader.record_lookup(&path);
        let in_file = self.table.remove(name).map(|value| (value, self.origin.clone()));
        let by_variable =
            self.reader.variable(&path).map(|(name, text)| (text.into(), Origin::Variable(name)));
        let by_alias = || {
            let alias = self.reader.alias(&path)?;
            Some((alias.value.as_str().into(), Origin::Alias(alias.variable.clone())))
        };
        let (value, origin) = by_variable.or(in_file).or_else(by_alias)?;
        Some(Raw { path, value, origin })
    }

    /// Finds the setting `name` and records that it is used.
    fn take(&mut self, name: &str) -> Option<Raw> {
        let raw = self.find(name)?;
        self.record_use(&raw);
        Some(raw)
    }

    fn record_use(&mut self, raw: &Raw) {
        self.reader.record_origin(&raw.path, &raw.origin);
    }

    /// Parses the value, and reports a problem where that fails.
    fn parse_or_report<T>(&self, raw: &Raw, read: impl FnOnce(&Raw) -> Result<T, Complaint>) -> Option<T> {
        read(raw).map_err(|complaint| self.reader.problem_from(&raw.origin, &raw.path, complaint)).ok()
    }

    fn path_of(&self, name: &str) -> String {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = if name.chars().all(is_bare) { name.to_owned() } else { format!("{name:?}") };
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }
}

impl Raw {
    fn text(&self) -> Result<&str, Complaint> {
        match &self.value {
            Value::String(text) if text.is_empty() => Err(complaint("is empty", "set it, or remove it")),
            Value::String(text) => Ok(text),
            other => Err(wrong_type("a string", other)),
        }
    }

    fn flag(&self) -> Result<bool, Complaint> {
        match &self.value {
            Value::Boolean(flag) => Ok(*flag),
            Value::String(text) if self.is_from_variable() => {
                text.parse().map_err(|_| complaint("is not a boolean", "write true or false"))
            }
            other => Err(wrong_type("true or false", other)),
        }
    }

    fn number(&self) -> Result<i64, Complaint> {
        match &self.value {
            Value::Integer(number) => Ok(*number),
            Value::String(text) if self.is_from_variable() => {
                text.parse().map_err(|_| complaint("is not a whole number", "write digits only"))
            }
            other => Err(wrong_type("a whole number", other)),
        }
    }

    /// A variable holds text whatever the type of its setting.
    fn is_from_variable(&self) -> bool {
        self.origin != Origin::File
    }
}

fn secret_of(mut bytes: Vec<u8>) -> Result<SecretBytes, Complaint> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    let secret = SecretBytes::new(bytes);
    if secret.expose().is_empty() {
        return Err(complaint("leads to an empty secret", "put the secret there"));
    }
    Ok(secret)
}
