//! Where the database of a gateway is: one backend of the list, as `[outbox]` names it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Database, postgres, sqlite};
use crate::config::section::Section;

/// Reads what a backend needs from `[outbox]`; `None`: the section does not name it.
type Named = fn(&mut Section<'_>) -> Option<Location>;

/// The backends that the section has to name. Where it names none of them, the database is one of SQLite. One more backend is a folder of its
/// own and a line here.
const NAMED: &[Named] = &[
    postgres::read,
    #[cfg(test)]
    super::memory::database::read,
];

/// The database that the configuration names. Nothing is opened yet. Clones are the same database.
#[derive(Clone)]
pub(crate) struct Location(Arc<dyn Database>);

impl Location {
    pub(super) fn new(database: impl Database + 'static) -> Self {
        Self(Arc::new(database))
    }

    /// As `[outbox]` says.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        NAMED.iter().find_map(|read| read(section)).unwrap_or_else(|| sqlite::read(section))
    }

    /// The file at `path`.
    #[cfg(test)]
    pub(crate) fn in_file(path: std::path::PathBuf) -> Self {
        sqlite::in_file(path)
    }
}

impl Deref for Location {
    type Target = dyn Database;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}
