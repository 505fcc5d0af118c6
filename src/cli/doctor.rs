//! `doctor`

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;

use super::input::{ConfigFile, variables};
use super::outcome::{self, Outcome};
use crate::clock::Clock;
use crate::doctor::{self, Diagnosis, Level};
use crate::error::with_advice;

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
    /// Prints a line for each check that passed, too.
    #[arg(long)]
    all: bool,
    /// Prints all findings as JSON.
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

/// The findings with what to do about each, one on each line, and their number by level. Without `all`, the checks that passed share
/// one line.
fn text(diagnosis: &Diagnosis, all: bool) -> String {
    let mut lines = String::new();
    for finding in diagnosis
        .findings
        .iter()
        .filter(|finding| all || finding.level != Level::Ok || finding.advice.is_some())
    {
        let advice = finding.advice.as_deref();
        let what = advice.map_or_else(|| finding.what.clone(), |advice| with_advice(&finding.what, advice));
        // Writing to a string never fails.
        let _ = writeln!(lines, "{:4}  {}: {what}", finding.level.as_str(), finding.subject);
    }
    if !all && diagnosis.count(Level::Ok) > 0 {
        let _ = writeln!(lines, "ok    {} (--all says more)", in_order(diagnosis));
    }
    let count = |level| diagnosis.count(level);
    let (fail, warn, ok) = (count(Level::Fail), count(Level::Warn), count(Level::Ok));
    let _ = writeln!(lines, "{fail} failed, {warn} to be looked at, {ok} as they should be");
    lines
}

/// What is in order, counted by what it is, each subject once. Variables that set something are named: who moves from an older system
/// sees at once which of theirs count.
fn in_order(diagnosis: &Diagnosis) -> String {
    let (mut files, mut listeners, mut settings) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut variables = BTreeSet::new();
    for finding in diagnosis.findings.iter().filter(|finding| finding.level == Level::Ok) {
        let subject = finding.subject.as_str();
        match subject.split_once(" (from ") {
            Some((setting, variable)) => {
                settings.insert(setting);
                variables.insert(variable.trim_end_matches(')'));
            }
            None if subject.starts_with("listener ") => drop(listeners.insert(subject)),
            None if subject.contains('/') => drop(files.insert(subject)),
            None => drop(settings.insert(subject)),
        }
    }
    let counted = [(&settings, "setting"), (&files, "file"), (&listeners, "listener")];
    let mut parts: Vec<String> = counted
        .into_iter()
        .filter(|(subjects, _)| !subjects.is_empty())
        .map(|(subjects, what)| {
            format!("{} {what}{}", subjects.len(), if subjects.len() == 1 { "" } else { "s" })
        })
        .collect();
    if !variables.is_empty() {
        parts.push(format!("set by variables: {}", Vec::from_iter(variables).join(", ")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Finding;

    #[test]
    fn advice_that_is_a_sentence_follows_a_full_stop() {
        let line = |what: &str, advice: &str| {
            let (subject, advice) = ("upstream.ida".to_owned(), Some(advice.to_owned()));
            let findings = vec![Finding { level: Level::Fail, subject, what: what.to_owned(), advice }];
            text(&Diagnosis { findings }, false).lines().next().unwrap().to_owned()
        };
        assert_eq!(line("it is refused.", "Correct it."), "fail  upstream.ida: it is refused. Correct it.");
        assert_eq!(line("is missing", "put it there"), "fail  upstream.ida: is missing; put it there");
    }

    #[test]
    fn what_is_in_order_is_counted_once_each_and_variables_are_named() {
        let found = |level, subject: &str| Finding {
            level,
            subject: subject.to_owned(),
            what: subject.to_owned(),
            advice: (level == Level::Fail).then(|| "do it".to_owned()),
        };
        let mut twice = found(Level::Ok, "/keys/own.crt");
        twice.what = "365 days left".to_owned();
        let diagnosis = Diagnosis {
            findings: vec![
                found(Level::Fail, "clock"),
                found(Level::Ok, "/keys/own.crt"),
                twice,
                found(Level::Ok, "listener ops"),
                found(Level::Ok, "keys.dir"),
                found(Level::Ok, "upstream.token.url (from MOSIP_AUTH_URL)"),
            ],
        };
        let told = text(&diagnosis, false);
        assert_eq!(
            told.lines().nth(1),
            Some("ok    2 settings, 1 file, 1 listener, set by variables: MOSIP_AUTH_URL (--all says more)")
        );
        assert_eq!(text(&diagnosis, true).lines().count(), 7);
    }
}
