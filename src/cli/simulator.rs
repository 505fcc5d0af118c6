//! `simulator` and `demo`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

use super::input;
use super::outcome::{Failure, Outcome, REFUSED};
use super::serve::wait_for_stop_signal;
use crate::demo::replicas::{self, Server};
use crate::demo::{self, Scene, postgres};
use crate::simulator::{Behaviour, Callback, Settings, Tls, run_alone};
use crate::telemetry;

/// Arguments of `simulator`.
#[derive(Args)]
pub(super) struct Simulator {
    /// The folder of the development key set.
    #[arg(long, default_value = "keys.example")]
    keys: PathBuf,
    /// The address to listen on. Port 0 takes a free port. The first line that is printed is the URL.
    #[arg(long, env = "SIMULATOR_LISTEN", default_value = "127.0.0.1:4600")]
    listen: SocketAddr,
    /// The URL to post UINTOKENs to, such as `http://127.0.0.1:4547/birthReceiveNid`.
    #[arg(long, env = "SIMULATOR_CALLBACK")]
    callback: Option<http::Uri>,
    /// Root certificates (PEM) that the callback's certificate must chain to, in place of the public ones.
    #[arg(long, env = "SIMULATOR_CALLBACK_CA", requires = "callback")]
    callback_ca: Option<PathBuf>,
    /// Client certificate (PEM chain) for the callback.
    #[arg(long, env = "SIMULATOR_CALLBACK_CERT", requires_all = ["callback", "callback_key"])]
    callback_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, env = "SIMULATOR_CALLBACK_KEY", requires = "callback_cert")]
    callback_key: Option<PathBuf>,
    #[command(flatten)]
    behaviour: Behaviour,
}

impl Simulator {
    pub(super) fn run(&self) -> Outcome {
        let unfit = |error: &dyn std::fmt::Display| Failure::Unfit(error.to_string());
        let make = "name the folder of a development key set with --keys; `mosip-gateway keygen development FOLDER` makes one";
        check_folder(&self.keys, make)?;
        let mut settings = Settings::from_key_set(&self.keys).map_err(|error| unfit(&error))?;
        settings.bind = self.listen;
        settings.callback = self.callback()?;
        telemetry::init(LevelFilter::INFO.into()).map_err(Failure::environment)?;
        let runtime = Runtime::new().map_err(Failure::environment)?;
        let started = |base_url: &str| {
            // A reader that closed the pipe does not need the URL.
            let _ = writeln!(std::io::stdout(), "{base_url}");
        };
        // Handlers of signals belong to the runtime.
        let alone =
            async { run_alone(settings, self.behaviour.clone(), started, wait_for_stop_signal()).await };
        runtime.block_on(alone).map_err(|error| unfit(&error))?;
        Ok(ExitCode::SUCCESS)
    }

    fn callback(&self) -> Result<Option<Callback>, Failure> {
        let Some(url) = self.callback.clone() else { return Ok(None) };
        let client = match (&self.callback_cert, &self.callback_key) {
            (Some(cert), Some(key)) => Some(Tls { cert_pem: read(cert)?, key_pem: read(key)? }),
            _ => None,
        };
        Ok(Some(Callback { url, roots_pem: self.callback_ca.as_deref().map(read).transpose()?, client }))
    }
}

pub(super) fn check_folder(folder: &Path, advice: &str) -> Result<(), Failure> {
    match folder.is_dir() {
        true => Ok(()),
        false => Err(Failure::Environment(format!("{}: no such folder; {advice}", folder.display()))),
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::mem::take(&mut *input::read(Some(file))?))
}

/// Names a database for `demo --replicas`.
const POSTGRES: &str = "MOSIP_GATEWAY_DEMO_POSTGRES";

/// Arguments of `demo`.
#[derive(Args)]
pub(super) struct Demo {
    /// Shows calls of IDA about a person, in place of a birth.
    #[arg(long, conflicts_with_all = ["credentials", "esignet", "opencrvs", "systems"])]
    ida: bool,
    /// Shows what MOSIP's hub delivers: a credential, three false ones, and a rejected registration.
    #[arg(long, conflicts_with_all = ["esignet", "opencrvs", "systems"])]
    credentials: bool,
    /// Shows a login at eSignet that is believed, and three that are not.
    #[arg(long, conflicts_with_all = ["opencrvs", "systems"])]
    esignet: bool,
    /// Shows registrations of OpenCRVS, from its country configuration to the record: one that MOSIP answers, one that comes while MOSIP is off,
    /// and one that MOSIP rejects.
    #[arg(long, conflicts_with = "systems")]
    opencrvs: bool,
    /// Shows a birth that goes to MOSIP and to another ID system, which do not wait for each other.
    #[arg(long)]
    systems: bool,
    /// Shows two gateways over one PostgreSQL, of which one is killed: a server of Debian's packages, which runs for as long as this, or the one that
    /// --postgres names.
    #[arg(long, conflicts_with_all = ["ida", "credentials", "esignet", "opencrvs", "systems"])]
    replicas: bool,
    /// The URL of a database on this machine for --replicas, which makes a schema of its own there, and removes it; else the variable
    /// MOSIP_GATEWAY_DEMO_POSTGRES names it.
    #[arg(long, value_name = "URL", requires = "replicas")]
    postgres: Option<String>,
}

impl Demo {
    pub(super) fn run(&self) -> Outcome {
        let place = "run the demo at the top of the repository, or in the image of the simulator";
        check_folder(Path::new("keys.example"), place)?;
        let runtime = Runtime::new().map_err(Failure::environment)?;
        if self.replicas {
            let server = self.server()?;
            // Whoever stops it leaves no server behind.
            let shown =
                async { replicas::run(&server, wait_for_stop_signal(), &mut std::io::stdout()).await };
            let is_whole = runtime.block_on(shown)?;
            return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) });
        }
        let scenes = [
            (self.ida, Scene::Ida),
            (self.credentials, Scene::Credentials),
            (self.esignet, Scene::Esignet),
            (self.opencrvs, Scene::Opencrvs),
            (self.systems, Scene::Systems),
        ];
        let scene = scenes.into_iter().find_map(|(is_asked, scene)| is_asked.then_some(scene));
        let scene = scene.unwrap_or(Scene::Birth);
        runtime.block_on(demo::run(scene, &mut std::io::stdout()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn server(&self) -> Result<Server, Failure> {
        // Not of clap's, for which a variable that is set says that the scene is asked for.
        let named = self.postgres.clone().or_else(|| std::env::var(POSTGRES).ok());
        if let Some(url) = named {
            return Ok(Server::Named(url));
        }
        const MISSING: &str = "no PostgreSQL of Debian's packages is installed; install the package `postgresql`, or name a database by --postgres or MOSIP_GATEWAY_DEMO_POSTGRES";
        postgres::installed().map(Server::Started).ok_or_else(|| Failure::Environment(MISSING.to_owned()))
    }
}
