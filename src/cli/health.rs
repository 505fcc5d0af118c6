//! `health`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode, Uri};

use super::input::{ClientCertificate, ConfigFile};
use super::outcome::{self, Failure, Outcome};
use crate::local::{READY, Target};

/// Shorter than the time-out of the usual probes.
const DEADLINE: Duration = Duration::from_secs(5);

/// Arguments of `health`. Without any, the default ops listener is asked.
#[derive(Args)]
pub(super) struct Health {
    /// The URL to ask, such as `http://127.0.0.1:4548/readyz`. It takes precedence over the configuration.
    #[arg(long)]
    url: Option<Uri>,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    client: ClientCertificate,
}

impl Health {
    pub(super) fn run(&self) -> Outcome {
        let (target, path) = match &self.url {
            Some(url) => Target::from_url(url)?,
            None => (Target::ops(&self.config.load_local()?, self.client.files()?)?, READY.to_owned()),
        };
        let asked = outcome::block_on(target.ask(Method::GET, &path, None, DEADLINE))?;
        match asked.map_err(Failure::no_gateway)?.status {
            StatusCode::OK => outcome::print(b"ready\n"),
            status => {
                let line = format!("not ready: {target} answers {path} with {}\n", status.as_u16());
                outcome::print(line.as_bytes())?;
                Ok(ExitCode::from(outcome::REFUSED))
            }
        }
    }
}
