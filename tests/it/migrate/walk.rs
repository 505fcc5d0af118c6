//! The command lines of the move and of the way back, in the order of `docs/migrate.md`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::country::Country;
use crate::readme::document::{Command, NOT_RUN, commands};
use crate::readme::shell::Shell;
use crate::support::process::PROGRAM;

const DOCUMENT: &str = "docs/migrate.md";
const MOVE: &str = "\n### The move of a running country\n";

/// The keys of the example are public, which fails `doctor` anywhere else.
const ALLOWING: &str = r#"#!/bin/sh
case "$1" in doctor) set -- "$@" --allow-example-keys ;; esac
exec "$PROGRAM" "$@"
"#;

/// A shell in which the document is followed.
pub(super) struct Walk {
    shell: Shell,
    ahead: std::vec::IntoIter<Command>,
}

/// What the document has from the move on, on the lines on which it stands there.
pub(super) fn section() -> String {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, section) = document.split_once(MOVE).unwrap();
    "\n".repeat(before.lines().count() + 2) + section
}

impl Walk {
    /// At its beginning, with the variables of `country`, whose file has the place of a deployment's.
    pub(super) fn of(country: &Country) -> Self {
        let folder = country.gateway.home().join("bin");
        let program = folder.join("mosip-gateway");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&program, ALLOWING).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut variables = country.gateway.variables();
        variables.extend(
            [("PATH", path), ("PROGRAM", PROGRAM.to_owned())].map(|(name, value)| (name.to_owned(), value)),
        );
        let api = country.gateway.api().replace("http://", "");
        let replacements = [
            ("/data/sqlite/mosip-api.db", country.file.display().to_string()),
            ("/etc/mosip-gateway/mosip-gateway.toml", country.gateway.configuration().display().to_string()),
            ("127.0.0.1:4546", api),
            ("127.0.0.1:4548", country.gateway.ops()),
        ];
        let ahead = commands(Path::new(DOCUMENT), &section(), NOT_RUN).into_iter();
        Self { shell: Shell::start(&variables, &replacements), ahead }
    }

    /// The next command line of the document is `line`, and prints what the document shows.
    pub(super) fn step(&mut self, line: &str) {
        let command = self.ahead.next().unwrap_or_else(|| panic!("the document has no {line}"));
        assert_eq!(command.text, line, "it is the next one of {DOCUMENT}");
        if let Err(wrong) = tokio::task::block_in_place(|| self.shell.run(&command)) {
            panic!("{wrong}");
        }
    }

    /// The document has no further command line.
    pub(super) fn ends(mut self) {
        let further = self.ahead.next().map(|command| command.text);
        assert_eq!(further, None, "{DOCUMENT} has one more, which is not walked");
    }
}
