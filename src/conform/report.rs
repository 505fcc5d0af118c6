//! What was found, and how it is written.

mod html;
mod junit;
mod text;

use std::time::{Duration, Instant};

use http::Uri;
use serde::Serialize;

use crate::upstream;

/// What a check holds a program to.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// One sentence.
    pub text: &'static str,
    /// Where it was read.
    pub source: &'static str,
}

/// What a check found. Texts from outside are cut, and hold no secret and no control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Verdict {
    /// The program keeps the rule.
    Passed,
    /// It breaks the rule.
    Finding {
        /// What was sent.
        sent: String,
        /// What came.
        came: String,
    },
    /// It was not asked.
    Skipped {
        /// Why not.
        why: String,
    },
}

impl Verdict {
    /// [`Self::Passed`] where `holds`, else a finding.
    pub(super) fn of(holds: bool, sent: impl Into<String>, came: impl Into<String>) -> Self {
        if holds { Self::Passed } else { Self::Finding { sent: sent.into(), came: came.into() } }
    }

    pub(super) fn skipped(why: &str) -> Self {
        Self::Skipped { why: why.to_owned() }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Finding { .. } => "finding",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Case {
    /// `webhooks`, …
    pub subject: &'static str,
    /// Its name, unique within the subject.
    pub name: String,
    /// What it holds the program to.
    pub rule: &'static Rule,
    /// What it found.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    #[serde(skip)]
    took: Duration,
}

/// All checks of a run, in order.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `mediator`, `mosip`
    role: &'static str,
    /// Scheme, host and port.
    against: String,
    /// Of this program.
    version: &'static str,
    /// The checks.
    pub cases: Vec<Case>,
    #[serde(skip)]
    since: Instant,
}

impl Report {
    pub(super) fn new(role: &'static str, against: &Uri) -> Self {
        let scheme = against.scheme_str().unwrap_or("?");
        let against = format!("{scheme}://{}", upstream::host_and_port(against));
        let version = env!("CARGO_PKG_VERSION");
        Self { role, against, version, cases: Vec::new(), since: Instant::now() }
    }

    /// Adds a check that ends now.
    pub(super) fn add(
        &mut self,
        subject: &'static str,
        name: impl Into<String>,
        rule: &'static Rule,
        verdict: Verdict,
    ) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.cases.push(Case { subject, name: name.into(), rule, verdict, took });
    }

    /// The checks that found something.
    pub fn findings(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| matches!(case.verdict, Verdict::Finding { .. }))
    }

    /// For a terminal.
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// JUnit XML, as CI systems read it.
    pub fn to_junit(&self) -> String {
        junit::write(self)
    }

    /// A page.
    pub fn to_html(&self) -> String {
        html::write(self)
    }

    fn count(&self, word: &str) -> usize {
        self.cases.iter().filter(|case| case.verdict.word() == word).count()
    }

    /// `2 findings, 30 passed, 1 skipped`
    fn summary(&self) -> String {
        let findings = self.count("finding");
        let plural = if findings == 1 { "" } else { "s" };
        format!(
            "{findings} finding{plural}, {} passed, {} skipped",
            self.count("passed"),
            self.count("skipped")
        )
    }

    /// The subjects with their checks, in order.
    fn subjects(&self) -> Vec<(&'static str, Vec<&Case>)> {
        let mut subjects: Vec<(&'static str, Vec<&Case>)> = Vec::new();
        for case in &self.cases {
            match subjects.iter_mut().find(|(subject, _)| *subject == case.subject) {
                Some((_, cases)) => cases.push(case),
                None => subjects.push((case.subject, vec![case])),
            }
        }
        subjects
    }
}

#[cfg(test)]
mod tests;
