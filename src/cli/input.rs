//! What commands read: files, standard input, configuration, variables.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::outcome::Failure;
use crate::config::{Problem, Problems};
use crate::keys::source::file;
use crate::local::{ClientFiles, TargetError};
use crate::regular;
use crate::settings::Config;

/// The configuration that a command works with.
#[derive(Args)]
pub(super) struct ConfigFile {
    /// The configuration file; without one, variables and defaults alone.
    #[arg(id = "config", long, value_name = "FILE", env = "MOSIP_GATEWAY_CONFIG", global = true)]
    pub(super) file: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration as `serve` reads it.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        self.check_readable()?;
        Ok(Config::load(self.file.as_deref(), &variables())?)
    }

    /// The configuration for a command that calls no other system. Such a command needs no secret for calls, so it runs even where the
    /// variable of such a secret is set only for the service. Every other problem is refused as `serve` refuses it.
    pub(super) fn load_local(&self) -> Result<Config, Failure> {
        self.load_without(concerns_other_systems)
    }

    /// As [`Self::load_local`], for a command that verifies credentials.
    pub(super) fn load_with_credentials(&self) -> Result<Config, Failure> {
        self.load_without(|problem| {
            let path = &problem.path;
            let is_about_them =
                path.starts_with("credentials") && !path.starts_with("credentials.data_share");
            concerns_other_systems(problem) && !is_about_them
        })
    }

    fn load_without(&self, may_be_ignored: impl Fn(&Problem) -> bool) -> Result<Config, Failure> {
        self.check_readable()?;
        let (config, problems) = Config::examine(self.file.as_deref(), &variables())?;
        Problems::check(problems.into_iter().filter(|problem| !may_be_ignored(problem)).collect())?;
        Ok(config)
    }

    /// A missing file is a failure of the environment (exit code 3). A file with problems is not.
    pub(super) fn check_readable(&self) -> Result<(), Failure> {
        match &self.file {
            Some(path) => regular::check(path).map_err(|error| unreadable(path, &error)),
            None => Ok(()),
        }
    }
}

/// The client certificate that a command presents to a listener of a running gateway.
#[derive(Args)]
pub(super) struct ClientCertificate {
    /// Client certificate in PEM, for a listener whose `tls.client_ca` demands one.
    #[arg(long, value_name = "FILE", global = true)]
    client_cert: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE", global = true)]
    client_key: Option<PathBuf>,
}

/// What a command needs that asks the running gateway, or works alone, and tells what came of it.
#[derive(Args)]
pub(super) struct Asking {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    #[command(flatten)]
    pub(super) client: ClientCertificate,
    /// Prints the answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ClientCertificate {
    /// Its files, where one is given.
    pub(super) fn files(&self) -> Result<Option<ClientFiles<'_>>, Failure> {
        match (&self.client_cert, &self.client_key) {
            (Some(cert), Some(key)) => Ok(Some(ClientFiles { cert, key })),
            (None, None) => Ok(None),
            _ => Err(Failure::Usage("--client-cert and --client-key go together".to_owned())),
        }
    }
}

/// The sections about the systems that the gateway calls and that call it from outside.
const OF_OTHERS: [&str; 10] = [
    "upstream",
    "callback",
    "faces",
    "ops",
    "opencrvs",
    "deliver",
    "websub",
    "esignet",
    "credentials",
    "systems",
];

fn concerns_other_systems(problem: &Problem) -> bool {
    let section = problem.path.split(['.', '[']).next().unwrap_or_default();
    OF_OTHERS.contains(&section)
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::File { .. } => Self::Environment(error.to_string()),
            _ => Self::Usage(error.to_string()),
        }
    }
}

/// The environment variables of the process whose names and values are UTF-8.
pub(super) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What a command reads at most: more than any envelope of the plain API.
const MOST: u64 = 256 << 20;

/// The bytes of a file or of a pipe that a shell hands over, or of standard input where no file is given or it is `-`. Standard input is
/// waited for as long as it takes, since a person may be typing; of neither more than [`MOST`] is read.
pub(super) fn read(file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match file {
        Some(path) if path != Path::new("-") => {
            regular::read_or_receive(path, MOST).map_err(|error| unreadable(path, &error))
        }
        _ => regular::bounded(io::stdin().lock(), MOST).map_err(|error| {
            Failure::Environment(format!("standard input: cannot be read ({})", reason(&error)))
        }),
    }
}

/// The password in a file, without the newline at its end.
pub(super) fn read_password(file: Option<&Path>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    file.map(|path| {
        let bytes = regular::read_or_receive(path, MOST).map_err(|error| unreadable(path, &error))?;
        Ok(file::password(&bytes))
    })
    .transpose()
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::FileTooLarge => "",
        io::ErrorKind::TimedOut => "; standard input is waited for without an end",
        io::ErrorKind::InvalidInput => "; name a file, or give the bytes on standard input",
        _ => "; name a file that this user can read",
    };
    Failure::Environment(format!("{}: cannot be read ({}){advice}", path.display(), reason(error)))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            format!("it has more than the {} MiB that a command reads", MOST >> 20)
        }
        _ => regular::reason(error),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn said<T>(refused: Result<T, Failure>) -> String {
        match refused.err().unwrap() {
            Failure::Environment(what) => what,
            _ => panic!("it is no failure of the environment"),
        }
    }

    #[test]
    fn what_a_shell_hands_over_as_a_pipe_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for _ in 0..2 {
            let writer = std::thread::spawn({
                let pipe = pipe.clone();
                move || std::fs::write(pipe, "secret\n").unwrap()
            });
            let read = read_password(Some(&pipe)).ok().flatten().unwrap();
            assert_eq!(read.as_slice(), b"secret");
            writer.join().unwrap();
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("large");
        std::fs::File::create(&file).unwrap().set_len(MOST + 1).unwrap();
        let what = said(read(Some(&file)));
        assert!(what.contains("large: cannot be read (it has more than the 256 MiB"), "{what}");
        assert!(said(read(Some(&dir.path().join("none")))).contains("none: cannot be read (no such file"));
    }
}
