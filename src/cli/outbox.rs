//! `outbox list|show|retry|discard|keygen|rekey|resume|set-aside|backup|copy`: through the gateway that runs over the database, or on the file itself.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use http::{Method, StatusCode};
use percent_encoding::NON_ALPHANUMERIC;
use serde::Serialize;
use serde_json::{Value, json};

use super::input::{ClientCertificate, ConfigFile};
use super::outbox_copy;
use super::outcome::{self, Failure, Outcome};
use crate::clock::Clock;
use crate::crypto::secret;
use crate::error::Fault;
use crate::ledger::entry::{EntryView, State, parse_state};
use crate::ledger::vault::Vault;
use crate::ledger::{Filter, Ledger, PageView, settings};
use crate::local::Target;
use crate::settings::Config;
use crate::store::{OpenError, Remains};
use crate::{place, regular};

/// Long, because `rekey` of a large database takes minutes.
const DEADLINE: Duration = Duration::from_mins(10);

/// Arguments of `outbox`.
#[derive(Args)]
pub(super) struct Outbox {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    client: ClientCertificate,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists events in order of acceptance, a page at a time.
    List {
        /// Lists only events in this state: queued, leased, done, parked, discarded.
        #[arg(long, value_parser = parse_state)]
        state: Option<State>,
        /// Lists only events whose last attempt failed with this fault.
        #[arg(long)]
        fault: Option<Fault>,
        /// The position at which the previous page ended.
        #[arg(long, default_value_t = 0)]
        cursor: i64,
    },
    /// Shows one event.
    Show {
        /// Its id.
        id: String,
    },
    /// Puts a parked event back into the queue, or all events that were parked with one fault.
    #[command(
        override_usage = "mosip-gateway outbox retry <ID>\n       mosip-gateway outbox retry --fault <FAULT>"
    )]
    Retry {
        /// Its id.
        #[arg(required_unless_present = "fault")]
        id: Option<String>,
        /// Retries all events that were parked with this fault.
        #[arg(long, conflicts_with = "id")]
        fault: Option<Fault>,
    },
    /// Takes an event out for good. MOSIP never receives it.
    Discard {
        /// Its id.
        id: String,
        /// The reason. It is written to the log and kept.
        #[arg(long)]
        reason: String,
    },
    /// Makes `outbox.key_file`, which no start makes for a database that several gateways share. Each of them needs the same file.
    Keygen,
    /// Reads `outbox.key_file` again and seals everything under its first key.
    Rekey,
    /// Lets the running gateway go on after a file of the outbox was removed or replaced, and put back.
    Resume {
        /// Goes on though commits that the database had acknowledged are missing. What was posted since has to be posted again.
        #[arg(long)]
        accept_loss: bool,
    },
    /// Moves the database to another name without changing it, so that the gateway starts with an empty one. The events in it are not sent.
    SetAside,
    /// Copies the whole database into a new file or to standard output, whether or not a gateway runs. Keep `outbox.key_file` apart from
    /// the copy: without the key the copy cannot be opened.
    Backup {
        /// The new file, in a folder that the gateway can write to; `-`: standard output. The folder of the database then needs room for a copy.
        file: PathBuf,
    },
    /// Moves everything to another database, such as one on a server that several gateways share, or back. No gateway may run over either.
    ///
    /// A database is named by the file that `outbox.path` names, by the file that `outbox.url_file` names, or by a URL without a password. A
    /// server is reached with the password and the roots of the configuration, whose `outbox.key_file` has to be that of both databases. All
    /// rows are read back and compared. Then no gateway starts over the former database any more, which keeps its rows. A command that was cut
    /// off is run again as it was; the way back is the same command with the two exchanged.
    Copy {
        /// The database that the gateway has.
        #[arg(long, value_name = "DATABASE")]
        from: PathBuf,
        /// A file that is not there, or an empty database or schema on a server.
        #[arg(long, value_name = "DATABASE")]
        to: PathBuf,
    },
}

impl Outbox {
    pub(super) fn run(&self) -> Outcome {
        let config = self.config.load_local()?;
        if let Command::Copy { from, to } = &self.command {
            return outbox_copy::copy(&config, from, to);
        }
        let location = &config.outbox.location;
        let remains = location.remains();
        let missing = || {
            let what = format!(
                "{location}: there is no outbox; name the configuration of the gateway with --config"
            );
            Err(Failure::Environment(what))
        };
        match &self.command {
            Command::Keygen => return make_key(&config),
            Command::Resume { .. } => return self.on_running_gateway(&config),
            Command::SetAside if remains == Remains::Nothing => return missing(),
            Command::SetAside => return set_aside(&config),
            Command::Backup { .. } if remains != Remains::Database => return missing(),
            Command::Backup { file } if file.as_os_str() == "-" => return backup_to_output(&config),
            Command::Backup { file } => return backup(&config, file),
            _ if remains != Remains::Database => {
                // A running gateway still has the file open after it was removed.
                return match self.on_running_gateway(&config) {
                    Err(Failure::Environment(_)) => missing(),
                    answered => answered,
                };
            }
            _ => {}
        }
        match Ledger::open(config.outbox.clone(), config.quarantine.clone(), Clock::system()) {
            Ok(ledger) => outcome::block_on(self.command.on_file(&ledger))?,
            Err(OpenError::InUse(held)) => {
                self.on_running_gateway(&config).map_err(|failure| failure.of_holder(&held))
            }
            Err(error) => Err(Failure::Unfit(error.to_string())),
        }
    }

    fn on_running_gateway(&self, config: &Config) -> Outcome {
        let target = Target::internal(config, self.client.files()?)?;
        outcome::block_on(self.command.on_gateway(&target, config))?
    }
}

impl Command {
    /// Works on the database itself, since no gateway runs.
    async fn on_file(&self, ledger: &Ledger) -> Outcome {
        let now = ledger.uptime();
        match self {
            Self::List { state, fault, cursor } => {
                let filter = Filter { state: *state, fault: *fault, group: None, after: *cursor };
                print(&PageView::of(ledger.entries(filter).await?, now))
            }
            Self::Show { id } => print(&EntryView::of(ledger.entry(id.clone()).await?, now)),
            Self::Retry { id: Some(id), .. } => print(&EntryView::of(ledger.retry(id.clone()).await?, now)),
            Self::Retry { fault, .. } => {
                let fault = fault.ok_or_else(|| Failure::Usage("name an id or a fault".to_owned()))?;
                print(&json!({ "retried": ledger.retry_all(fault).await? }))
            }
            Self::Discard { id, reason } => {
                print(&EntryView::of(ledger.discard(id.clone(), reason.clone()).await?, now))
            }
            Self::Rekey => print(&ledger.rekey().await?),
            Self::Keygen | Self::Resume { .. } | Self::SetAside | Self::Backup { .. } | Self::Copy { .. } => {
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// Asks the running gateway and prints its answer unchanged.
    async fn on_gateway(&self, target: &Target, config: &Config) -> Outcome {
        let (method, path) = self.request();
        let answer = target.ask(method, &path, config.internal.token.as_ref(), DEADLINE).await;
        let answer = answer.map_err(Failure::no_gateway)?;
        if answer.status == StatusCode::OK {
            let shown: Value = serde_json::from_slice(&answer.body).map_err(Failure::environment)?;
            return print(&shown);
        }
        Err(Failure::of_gateway(&answer))
    }

    fn request(&self) -> (Method, String) {
        let query = |pairs: &[(&str, Option<String>)]| {
            let mut text = form_urlencoded::Serializer::new(String::new());
            for (name, value) in pairs {
                if let Some(value) = value {
                    text.append_pair(name, value);
                }
            }
            text.finish()
        };
        let segment = |id: &str| percent_encoding::utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
        match self {
            Self::List { state, fault, cursor } => {
                let pairs = [
                    ("state", state.map(|state| state.as_str().to_owned())),
                    ("fault", fault.map(|fault| fault.as_str().to_owned())),
                    ("cursor", Some(cursor.to_string())),
                ];
                (Method::GET, format!("/v1/events?{}", query(&pairs)))
            }
            Self::Show { id } => (Method::GET, format!("/v1/events/{}", segment(id))),
            Self::Retry { id: Some(id), .. } => (Method::POST, format!("/v1/events/{}/retry", segment(id))),
            Self::Retry { fault, .. } => {
                let pairs = [("fault", fault.map(|fault| fault.as_str().to_owned()))];
                (Method::POST, format!("/v1/events/retry?{}", query(&pairs)))
            }
            Self::Discard { id, reason } => {
                let pairs = [("reason", Some(reason.clone()))];
                (Method::DELETE, format!("/v1/events/{}?{}", segment(id), query(&pairs)))
            }
            Self::Resume { accept_loss: true } => {
                (Method::POST, "/v1/outbox/resume?accept_loss=true".to_owned())
            }
            Self::Resume { .. } => (Method::POST, "/v1/outbox/resume".to_owned()),
            Self::Keygen | Self::Rekey | Self::SetAside | Self::Backup { .. } | Self::Copy { .. } => {
                (Method::POST, "/v1/outbox/rekey".to_owned())
            }
        }
    }
}

/// Where rows are sealed already, a new key opens none of them.
fn make_key(config: &Config) -> Outcome {
    let settings::Outbox { location, key_file, .. } = &config.outbox;
    if location.remains() == Remains::Database {
        let advice = location.without_key();
        let what = format!("{location}: it is there, or cannot be reached; start it, or {advice}");
        return Err(Failure::Unfit(what));
    }
    let made = Vault::create(key_file).map_err(|error| {
        Failure::Unfit(format!("{error}; correct outbox.key_file, or keep the key that is there"))
    });
    made?;
    outcome::print(format!("made {}\n", key_file.display()).as_bytes())
}

fn backup(config: &Config, file: &Path) -> Outcome {
    config.outbox.location.copy(file).map_err(|error| Failure::Environment(error.to_string()))?;
    outcome::print(format!("copied to {}\n", file.display()).as_bytes())
}

/// As [`backup`], to standard output. The copy is made beside the database, since in a container nothing else can be written to, and has
/// lost its name before its first byte is written.
fn backup_to_output(config: &Config) -> Outcome {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        let what = "a database is not shown on a terminal; lead the output into a file (backup - > FILE), or name one (backup FILE)";
        return Err(Failure::Usage(what.to_owned()));
    }
    let location = &config.outbox.location;
    let (_, database) =
        location.file().ok_or_else(|| Failure::Environment(format!("{location}: it is no file")))?;
    let unique = HEXLOWER.encode(&secret::random::<8>());
    let copy = place::beside(database, &format!(".backup-{unique}"));
    location.copy(&copy).map_err(|error| Failure::Environment(error.to_string()))?;
    let opened = File::open(&copy);
    let removed = std::fs::remove_file(&copy);
    let unusable = |error| {
        let reason = regular::reason(&error);
        Failure::Environment(format!(
            "{}: {reason}; let nobody else touch the folder, and try again",
            copy.display()
        ))
    };
    let mut copied = opened.map_err(unusable)?;
    removed.map_err(unusable)?;
    // A pipe that breaks leaves half a database behind it, so that it is a failure too.
    io::copy(&mut copied, &mut output).and_then(|_| output.flush()).map_err(|error| {
        let reason = regular::reason(&error);
        Failure::Environment(format!(
            "standard output: {reason}; what was written is no whole copy: remove it, and try again"
        ))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn set_aside(config: &Config) -> Outcome {
    let moved_to = config
        .outbox
        .location
        .set_aside(Clock::system().now())
        .map_err(|error| Failure::Unfit(error.to_string()))?;
    outcome::print(format!("moved to {}\n", moved_to.display()).as_bytes())
}

fn print(answer: &impl Serialize) -> Outcome {
    let mut text = serde_json::to_vec_pretty(answer).map_err(Failure::environment)?;
    text.push(b'\n');
    outcome::print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
        let (_, path) = Command::Show { id: "a b/é".to_owned() }.request();
        assert_eq!(path, "/v1/events/a%20b%2F%C3%A9");
    }
}
