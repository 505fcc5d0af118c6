//! Where the database of a gateway is: one backend of the list, as `[outbox]` names it.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::{Database, postgres, sqlite};
use crate::config::section::Section;
use crate::regular;

/// Reads what a backend needs from `[outbox]`; `None`: the section does not name it.
type Named = fn(&mut Section<'_>) -> Option<Location>;

/// The backends that the section has to name. Where it names none of them, the database is one of SQLite. One more backend is a folder of its
/// own and a line here.
const NAMED: &[Named] = &[
    postgres::read,
    #[cfg(test)]
    super::memory::database::read,
];

/// A file with a URL has no more bytes.
const LONGEST_URL: u64 = 64 << 10;

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

    /// The database that a person names on a command line: a file of SQLite, there or not; a file with the URL of a database on a server, as
    /// `outbox.url_file` names it; or such a URL, which holds no password there. A server is reached as that of `self`.
    pub(crate) fn named(&self, argument: &Path) -> Result<Self, String> {
        let refused = |what: String| format!("{}: {what}", argument.display());
        let shown = argument.to_str().unwrap_or_default().as_bytes();
        if postgres::is_url(shown) {
            if postgres::has_password(shown) {
                let what = "a password on a command line is seen by everybody on the machine; write the URL into a file, and name the file";
                return Err(what.to_owned());
            }
            return self.on_server(shown);
        }
        match regular::read_bounded(argument, LONGEST_URL) {
            Ok(content) if postgres::is_url(&content) => {
                self.on_server(content.trim_ascii()).map_err(refused)
            }
            // It may hold a URL as well as rows. What is missing, large or no regular file is no file with a URL.
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput
                ) =>
            {
                let reason = regular::reason(&error);
                Err(refused(format!("{reason}; name a file that the user who runs this command can read")))
            }
            _ => {
                let path = std::path::absolute(argument);
                let path = path.map_err(|error| refused(regular::reason(&error)))?;
                Ok(sqlite::in_file(path))
            }
        }
    }

    fn on_server(&self, url: &[u8]) -> Result<Self, String> {
        self.0.likewise(url).unwrap_or_else(|| postgres::at(url))
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

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgresql://gateway@127.0.0.1:9/outbox";

    fn named(argument: &Path) -> Result<String, String> {
        Location::in_file("outbox.db".into()).named(argument).map(|location| location.to_string())
    }

    #[test]
    fn a_database_is_named_by_its_file_by_a_file_with_its_url_or_by_the_url() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("url"), format!("{URL}\n")).unwrap();
        std::fs::write(file("secret"), URL.replace("gateway@", "gateway:hidden@")).unwrap();
        std::fs::write(file("away"), URL.replace("127.0.0.1", "db.example")).unwrap();
        std::fs::write(file("outbox.db"), b"SQLite format 3\0").unwrap();
        let on_server = "postgresql://127.0.0.1/outbox";
        assert_eq!(named(Path::new(URL)).unwrap(), on_server);
        assert_eq!(named(&file("url")).unwrap(), on_server);
        assert_eq!(named(&file("secret")).unwrap(), on_server, "a file may hold the password");
        for name in ["outbox.db", "not-there.db"] {
            assert_eq!(named(&file(name)).unwrap(), file(name).display().to_string());
        }
        let refused = named(&file("url/child")).unwrap_err();
        assert!(refused.contains("a part of its path is no folder; name a file"), "{refused}");
        let refused = named(&file("away")).unwrap_err();
        assert!(refused.contains("TLS") && refused.contains("away"), "{refused}");
        let shown = named(Path::new("postgresql://gateway:hidden@127.0.0.1/outbox")).unwrap_err();
        assert!(shown.contains("write the URL into a file") && !shown.contains("hidden"), "{shown}");
    }
}
