//! The problems of a configuration, all reported at once.

use std::fmt;

/// One setting that cannot be used. Never holds the value that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or the variable to look at.
    pub source: String,
    /// `upstream.token.url`, or a line of the file.
    pub path: String,
    /// What is wrong, as the rest of a sentence: `is not a URL`.
    pub what: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.source, self.path, self.what, self.advice)
    }
}

/// How the trouble of a gateway begins that is connected to nothing.
pub(crate) const CONNECTS_NOTHING: &str = "connects nothing: ";

/// What is not as it should be in the settings, and stops no start. Never holds the value that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A setting, or a file.
    pub subject: String,
    /// What is wrong, as the rest of a sentence.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// Something that the configuration asks for cannot work.
    pub fatal: bool,
}

impl Trouble {
    /// One that works today.
    pub(crate) fn new(subject: impl ToString, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject: subject.to_string(), what: what.into(), advice: advice.into(), fatal: false }
    }

    /// One for which something does not work.
    pub(crate) fn fatal(subject: impl ToString, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new(subject, what, advice) }
    }

    /// Whether it says that the gateway is connected to nothing.
    pub(crate) fn is_unconnected(&self) -> bool {
        self.what.starts_with(CONNECTS_NOTHING)
    }

    /// The subject without the folders before a file: for those who need not know where files are.
    pub(crate) fn short_subject(&self) -> &str {
        self.subject.rsplit('/').next().unwrap_or_default()
    }
}

/// As it is logged: `<subject>: <what>; <what to do>`.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.what, self.advice)
    }
}

/// Everything that is wrong, never empty. `Display` is one line each: `<source>: <path>: <what>; <what to do>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// `Err` if there is any.
    pub(crate) fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// In the order of the sections.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
