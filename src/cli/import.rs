//! `import mosip-api FILE`: through the gateway that runs over the outbox, or into the outbox itself.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::StatusCode;
use serde::Serialize;

use super::input::Asking;
use super::outcome::{self, Failure, Outcome, REFUSED};
use crate::clock::Clock;
use crate::json::to_wiped;
use crate::ledger::{Imported, Ledger, MOST_AT_ONCE, UnusableRow};
use crate::local::Target;
use crate::opencrvs::pending::{self, PendingRow, Token};
use crate::place;
use crate::services::confirmations;
use crate::settings::Config;
use crate::store::{Foreign, ForeignError, ForeignRow, OpenError, Table};

/// What is read of the database of `mosip-api`.
const TABLE: Table = Table {
    name: pending::TABLE,
    required: &[pending::ID, pending::NUMBER],
    either: &[pending::TOKEN, pending::EVENT],
};
/// How long a page may take.
const DEADLINE: Duration = Duration::from_mins(2);

/// Arguments of `import`.
#[derive(Args)]
pub(super) struct Import {
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    /// Takes over the registrations that wait for MOSIP in the database of `mosip-api` (OpenCRVS 1.9 to 2.1). The file is only read, and
    /// nothing is sent to MOSIP. What was taken over before is skipped, so that it may run again.
    MosipApi {
        /// The file that SQLITE_DATABASE_PATH of `mosip-api` names, or a copy of it.
        file: PathBuf,
    },
}

impl Import {
    pub(super) fn run(&self) -> Outcome {
        let Source::MosipApi { file } = &self.source;
        let config = self.asking.config.load_local()?;
        let foreign = Foreign::open(file, &TABLE, &copy_of(&config))?;
        let imported = match Ledger::open(config.outbox.clone(), config.quarantine.clone(), Clock::system()) {
            Ok(ledger) => into_outbox(&foreign, &ledger, &config),
            Err(OpenError::InUse(held)) => {
                self.through_gateway(&foreign, &config).map_err(|failure| failure.of_holder(&held))
            }
            Err(error) => Err(Failure::Unfit(error.to_string())),
        }?;
        if self.asking.json {
            outcome::print_json(&imported)
        } else {
            outcome::print(text(&imported).as_bytes())
        }?;
        Ok(ExitCode::from(if imported.unusable.is_empty() { 0 } else { REFUSED }))
    }

    fn through_gateway(&self, foreign: &Foreign, config: &Config) -> Result<Imported, Failure> {
        let target = Target::internal(config, self.asking.client.files()?)?;
        let token = config.internal.token.as_ref();
        outcome::block_on(each_page(foreign, async |rows| {
            let mut imported = Imported::default();
            for body in bodies(&rows, config.listen.body_limit).map_err(Failure::environment)? {
                let answer = target.post("/v1/import/mosip-api", body, token, DEADLINE).await;
                let answer = answer.map_err(Failure::no_gateway)?;
                if answer.status != StatusCode::OK {
                    return Err(Failure::of_gateway(&answer));
                }
                imported.add(serde_json::from_slice(&answer.body).map_err(Failure::environment)?);
            }
            Ok(imported)
        }))?
    }
}

/// Where a copy of the file is made, if one is necessary: beside the outbox, or what stands for it on this machine.
fn copy_of(config: &Config) -> PathBuf {
    let location = &config.outbox.location;
    let beside = location.file().map(|(_, database)| database).or_else(|| location.state_file());
    beside.map_or_else(
        || std::env::temp_dir().join("mosip-gateway.import"),
        |file| place::beside(file, ".import"),
    )
}

/// The bodies that bring `rows`, each of `limit` bytes at most unless one row alone has more.
fn bodies(rows: &[PendingRow], limit: usize) -> serde_json::Result<Vec<Bytes>> {
    #[derive(Serialize)]
    struct Body<'a> {
        rows: &'a [PendingRow],
    }
    let body = to_wiped(&Body { rows })?;
    if body.len() <= limit || rows.len() < 2 {
        return Ok(vec![Bytes::from_owner(body)]);
    }
    let (first, second) = rows.split_at(rows.len() / 2);
    Ok([bodies(first, limit)?, bodies(second, limit)?].concat())
}

/// No gateway runs over the outbox. MOSIP's answers are waited for, and record tokens kept, as the next one would.
fn into_outbox(foreign: &Foreign, ledger: &Ledger, config: &Config) -> Result<Imported, Failure> {
    if let Some(rules) = confirmations(&config.destinations) {
        ledger.confirm_in_opencrvs(rules);
    }
    if let Some(within) = config.destinations.hub.expects_within() {
        ledger.expect_answers_within(within);
    }
    outcome::block_on(each_page(foreign, async |rows| Ok(ledger.import(rows).await?)))?
}

/// What `take` says of all pages of `foreign` together.
async fn each_page(
    foreign: &Foreign,
    take: impl AsyncFn(Vec<PendingRow>) -> Result<Imported, Failure>,
) -> Result<Imported, Failure> {
    let (mut all, mut from) = (Imported::default(), Some(i64::MIN));
    while let Some(first) = from {
        let page = foreign.page(first, MOST_AT_ONCE)?;
        let Some(last) = page.last() else { break };
        from = last.number.checked_add(1);
        all.add(take(page.into_iter().map(pending_row).collect()).await?);
    }
    Ok(all)
}

fn pending_row(ForeignRow { number, mut texts }: ForeignRow) -> PendingRow {
    let mut text = |column| texts.remove(column);
    PendingRow {
        row: number,
        token: text(pending::TOKEN).map(Token),
        id: text(pending::ID).map(|id| id.to_string()),
        registration_number: text(pending::NUMBER).map(|number| number.to_string()),
        event_id: text(pending::EVENT).map(|event| event.to_string()),
    }
}

fn text(Imported { taken, without_token, already_here, unusable }: &Imported) -> String {
    let of_which = match without_token {
        0 => String::new(),
        many => format!(" of which {many} with no token that can confirm it,"),
    };
    let mut text =
        format!("taken {taken},{of_which} already here {already_here}, unusable {}\n", unusable.len());
    for UnusableRow { row, detail, .. } in unusable {
        // Writing to a `String` never fails.
        let _ = writeln!(text, "rowid {row} of {} is not taken: {detail}", pending::TABLE);
    }
    text
}

impl From<ForeignError> for Failure {
    fn from(error: ForeignError) -> Self {
        let advice = match &error {
            ForeignError::Copy(_, to, _) => {
                format!("give {} room, and let this user write to it", place::folder(to).display())
            }
            ForeignError::Busy(_) => "try again when it has ended".to_owned(),
            ForeignError::Held(_) | ForeignError::Changed(_) => "stop mosip-api, and try again".to_owned(),
            ForeignError::Damaged { .. } => "make the copy again while mosip-api does not run".to_owned(),
            ForeignError::Io(..) => "name a file that this user can read".to_owned(),
            _ => "name the file that SQLITE_DATABASE_PATH of mosip-api names".to_owned(),
        };
        let what = format!("{error}; {advice}");
        if error.is_of_machine() { Self::Environment(what) } else { Self::Unfit(what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_token_can_confirm_is_said_with_what_is_taken() {
        let imported = Imported { taken: 2, without_token: 1, ..Imported::default() };
        assert_eq!(
            text(&imported),
            "taken 2, of which 1 with no token that can confirm it, already here 0, unusable 0\n"
        );
        assert_eq!(text(&Imported::default()), "taken 0, already here 0, unusable 0\n");
    }
}
