//! How a command ends: what it prints, and its exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use crate::config::Problems;
use crate::error::{Code, Error, with_advice};
use crate::http::problem::Problem;
use crate::upstream::Reply;

/// The exit code of a command that was refused.
pub(super) const REFUSED: u8 = 1;

/// The exit code, or why there is no answer.
pub(super) type Outcome = Result<ExitCode, Failure>;

/// Why a command has no answer.
pub(super) enum Failure {
    /// The message, the key or the name is refused. Exit code 1.
    Refused(Error),
    /// Something else is refused, with one sentence that says why. Exit code 1.
    Unfit(String),
    /// An argument is wrong. Exit code 2.
    Usage(String),
    /// A file cannot be read or written, or a gateway cannot be reached. Exit code 3.
    Environment(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Unfit(problems.to_string())
    }
}

impl Failure {
    /// For [`Result::map_err`].
    pub(super) fn environment(error: impl Display) -> Self {
        Self::Environment(error.to_string())
    }

    /// For [`Result::map_err`]: no gateway answers.
    pub(super) fn no_gateway(error: impl Display) -> Self {
        Self::Environment(format!("{error}; start the gateway, or name its configuration with --config"))
    }

    /// For [`Result::map_err`] where `held` says that the database is in use: a gateway that does not answer may not be what has it.
    pub(super) fn of_holder(self, held: &str) -> Self {
        match self {
            Self::Environment(error) => Self::Environment(format!("{held} (no gateway answers: {error})")),
            answered => answered,
        }
    }

    /// What a gateway refuses with.
    pub(super) fn of_gateway(answer: &Reply) -> Self {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = |member: &str| problem.get(member).and_then(Value::as_str).unwrap_or("?").to_owned();
        let advice = advice(&said("code"), said("pointer").as_str(), &said("advice"));
        Self::Unfit(with_advice(&format!("{}: {}", said("code"), said("detail")), &advice))
    }

    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Unfit(_) => REFUSED,
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
        }
    }

    /// Prints one refusal to standard error as `code: detail; advice`, or with `json` as the problem of the plain API.
    fn print(&self, json: bool) -> io::Result<()> {
        let mut err = io::stderr();
        match self {
            Self::Refused(error) if json => {
                serde_json::to_writer(&mut err, &Problem::of(error))?;
                writeln!(err)
            }
            Self::Refused(error) => {
                let advice =
                    advice(error.code().as_str(), error.pointer().unwrap_or_default(), error.advice());
                writeln!(err, "mosip-gateway: {}", with_advice(&error.to_string(), &advice))?;
                // Where the plain API writes it to the operator's log.
                match error.operator_detail() {
                    Some(detail) => writeln!(err, "mosip-gateway: for the operator: {detail}"),
                    None => Ok(()),
                }
            }
            Self::Unfit(what) | Self::Usage(what) | Self::Environment(what) => {
                writeln!(err, "mosip-gateway: {what}")
            }
        }
    }
}

/// The advice for `code` in words for a person at a command line: it names options and files in place of routes and JSON pointers. Advice
/// `given` that differs from the usual one of the code is kept.
pub(super) fn advice(code: &str, pointer: &str, given: &str) -> String {
    const OPTIONS: [&str; 5] = ["to", "from", "key", "aad", "signature"];
    let usual = |code: Code| given == Error::new(code, "").advice();
    let member = pointer.trim_start_matches('/');
    if usual(Code::Field) && OPTIONS.contains(&member) {
        return format!("Correct --{member}.");
    }
    if usual(Code::Field) && member.is_empty() {
        return "Correct the file that is read.".to_owned();
    }
    if usual(Code::Field) {
        return format!("Correct `{}` in the file that is read.", member.replace('/', "."));
    }
    match code {
        "malformed" if usual(Code::Malformed) => {
            "Give a file of the form that `--help` of this command names."
        }
        "decrypt" if usual(Code::Decrypt) => {
            "Ask the sender to seal again to the certificate that `mosip-gateway inspect FILE` shows."
        }
        "not-found" if usual(Code::NotFound) => "Check the id; `mosip-gateway outbox list` shows all.",
        "state-conflict" if usual(Code::StateConflict) => {
            "Look at its state with `mosip-gateway outbox show ID`; only what is queued or parked can be retried or discarded."
        }
        _ => given,
    }
    .to_owned()
}

/// Prints the failure, where there is one, and returns the exit code.
pub(super) fn conclude(outcome: Outcome, json: bool) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        // Nothing can be reported where standard error is closed.
        let _ = failure.print(json);
        ExitCode::from(failure.code())
    })
}

/// Prints an answer to standard output, byte for byte. A reader that closes the pipe early, such as `head`, is no failure.
pub(super) fn print(bytes: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::environment(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints an answer as a line of JSON.
pub(super) fn print_json(answer: &impl Serialize) -> Outcome {
    let mut line = serde_json::to_vec(answer).map_err(Failure::environment)?;
    line.push(b'\n');
    print(&line)
}

/// Runs `work` on a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Failure::environment)?.block_on(work))
}
