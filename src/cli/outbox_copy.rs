//! `outbox copy`: moves the rows of a stopped gateway to another database.

use std::path::Path;

use super::outcome::{self, Failure, Outcome};
use crate::ledger;
use crate::settings::Config;

/// Moves the rows of the database that `from` names to the one that `to` names, and says what is there now.
pub(super) fn copy(config: &Config, from: &Path, to: &Path) -> Outcome {
    let settings = &config.outbox;
    let named = |argument: &Path| settings.location.named(argument).map_err(Failure::Usage);
    let (from, to) = (named(from)?, named(to)?);
    if from.file().is_some() && to.file().is_some() {
        // What was meant for a URL may be among them, with its password.
        let what = "--from and --to name files; one of them has to name a database on a server: by the file with its URL, as outbox.url_file has it, or by a URL that begins with postgresql://";
        return Err(Failure::Usage(what.to_owned()));
    }
    let moved = ledger::copy(&from, &to, &settings.key_file);
    let moved = moved.map_err(|error| Failure::Unfit(error.to_string()))?;
    let [source, target] = &moved.names;
    let mut text = String::new();
    match &moved.tables {
        Some(tables) => {
            for (table, rows) in tables {
                text.push_str(&format!("{table:<12} {rows:>10}\n"));
            }
            let key_file = settings.key_file.display();
            text.push_str(&format!(
                "{:<12} {:>10} rows, each read back and compared; {key_file} holds every key that they need\n",
                "all",
                tables.iter().map(|(_, rows)| rows).sum::<u64>()
            ));
        }
        None => text.push_str("the rows were moved before\n"),
    }
    text.push_str(&format!(
        "moved from {source}, which no gateway starts over any more\nto {target}: let the configuration of the gateway name it, and start the gateway\n"
    ));
    outcome::print(text.as_bytes())
}
