//! `doctor`

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;

use super::input::{ConfigFile, variables};
use super::outcome::{self, Outcome};
use crate::clock::Clock;
use crate::doctor::{self, Diagnosis, Level};

/// Arguments of `doctor`.
#[derive(Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
    /// Only warn about the public keys of `keys.example`.
    #[arg(long)]
    allow_example_keys: bool,
    /// Also reach every server that is configured, fetch a token, and make one harmless call to IDA.
    #[arg(long)]
    online: bool,
    /// What is in order, too, on a line each.
    #[arg(long)]
    all: bool,
    /// All findings as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(&self) -> Outcome {
        self.config.check_readable()?;
        let file = self.config.file.as_deref();
        let clock = Clock::system();
        let mut diagnosis = doctor::examine(file, &variables(), self.allow_example_keys, clock.now());
        if self.online {
            diagnosis.add(outcome::block_on(doctor::call(file, &variables(), clock))?);
        }
        if self.json {
            outcome::print_json(&diagnosis)?;
        } else {
            outcome::print(text(&diagnosis, self.all).as_bytes())?;
        }
        let refused = diagnosis.count(Level::Fail) > 0;
        Ok(ExitCode::from(if refused { outcome::REFUSED } else { 0 }))
    }
}

/// `level  subject: what; advice`, a line each, and how many there are of each level. What is in order is one line without `all`.
fn text(diagnosis: &Diagnosis, all: bool) -> String {
    let mut lines = String::new();
    let mut in_order: Vec<&str> = Vec::new();
    for finding in &diagnosis.findings {
        if finding.level == Level::Ok && !all {
            let subject = finding.subject.as_str();
            if !in_order.contains(&subject) {
                in_order.push(subject);
            }
            continue;
        }
        let advice = finding.advice.as_ref().map_or_else(String::new, |advice| format!("; {advice}"));
        // Writing to a string never fails.
        let _ =
            writeln!(lines, "{:4}  {}: {}{advice}", finding.level.as_str(), finding.subject, finding.what);
    }
    if !in_order.is_empty() {
        let _ = writeln!(lines, "ok    {} (--all says more)", in_order.join(", "));
    }
    let count = |level| diagnosis.count(level);
    let (fail, warn, ok) = (count(Level::Fail), count(Level::Warn), count(Level::Ok));
    let _ = writeln!(lines, "{fail} failed, {warn} to be looked at, {ok} as they should be");
    lines
}
