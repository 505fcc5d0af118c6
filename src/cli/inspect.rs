//! `inspect`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::input::{self, ConfigFile};
use super::outcome::{self, Failure, Outcome, REFUSED};
use super::primitives::verify_credential;
use crate::inspect::{self, Credential, Report};

/// Arguments of `inspect`.
#[derive(Args)]
pub(super) struct Inspect {
    /// The file to describe; standard input where it is absent or `-`.
    file: Option<PathBuf>,
    /// A file that holds the password of a PKCS#12 file or an encrypted key.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Prints the report, or the refusal, as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl Inspect {
    pub(super) fn run(&self) -> Outcome {
        let password = input::read_password(self.password_file.as_deref())?;
        let bytes = input::read(self.file.as_deref())?;
        let mut report = inspect::inspect(&bytes, password.as_deref().map(Vec::as_slice))?;
        let mut is_refused = false;
        if let Report::Credential(credential) = &mut report {
            self.record_verdict(credential, &bytes)?;
            is_refused = credential.is_refused();
        }
        if self.json {
            outcome::print_json(&report)?;
        } else {
            let mut lines = String::new();
            add_lines("", &serde_json::to_value(&report).map_err(Failure::environment)?, &mut lines);
            outcome::print(lines.as_bytes())?;
        }
        Ok(if is_refused { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    }

    /// Records in `credential`, which `bytes` hold, whether its proof verifies by the configuration, where one is named.
    fn record_verdict(&self, credential: &mut Credential, bytes: &[u8]) -> Result<(), Failure> {
        if self.config.file.is_some() && !credential.is_refused() {
            match verify_credential(&self.config, bytes) {
                Ok(verdict) => credential.record_verdict(verdict),
                Err(Failure::Refused(error)) => credential.record_refusal(&error),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// One line for every value that is there: `certificates[0].subject: C=XX, CN=partner`.
fn add_lines(path: &str, value: &Value, lines: &mut String) {
    let line = |text: &str| format!("{path}: {text}\n");
    match value {
        Value::Null => {}
        Value::Bool(flag) => lines.push_str(&line(if *flag { "yes" } else { "no" })),
        Value::Number(number) => lines.push_str(&line(&number.to_string())),
        // The text of a token comes from strangers and goes to a terminal.
        Value::String(text) => lines.push_str(&line(&text.replace(char::is_control, "\u{fffd}"))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                add_lines(&format!("{path}[{index}]"), item, lines);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                add_lines(&format!("{path}{dot}{name}"), member, lines);
            }
        }
    }
}
