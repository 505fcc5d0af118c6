//! Arguments, subcommands, exit codes: 0 ok, 1 refused, 2 usage, 3 environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::keys::make;
use crate::telemetry;

#[derive(Parser)]
#[command(name = "mosip-gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve {
        /// The configuration file.
        #[arg(long, env = "MOSIP_GATEWAY_CONFIG")]
        config: Option<PathBuf>,
        /// Serve with the public keys of `keys.example`. Never in production.
        #[arg(long)]
        allow_example_keys: bool,
    },
    /// One birth there and back against the simulator, with the keys of `keys.example`.
    #[cfg(feature = "simulator")]
    Demo,
    /// Runs the fake of the MOSIP side alone. Never in production.
    #[cfg(feature = "simulator")]
    Simulator {
        /// The development key set.
        #[arg(long, default_value = "keys.example")]
        keys: PathBuf,
        /// Where UINTOKENs are posted, `http://127.0.0.1:4547/birthReceiveNid`.
        #[arg(long)]
        callback: Option<http::Uri>,
        #[command(flatten)]
        knobs: crate::simulator::Knobs,
    },
    /// Makes keys. Never in production: MOSIP hands out the real ones.
    Keygen {
        #[command(subcommand)]
        what: Keygen,
    },
}

#[derive(Subcommand)]
enum Keygen {
    /// The complete development key set, into a new folder.
    Development {
        /// The folder. Existing files are never overwritten.
        dir: PathBuf,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve { config, allow_example_keys } => serve(config.as_deref(), allow_example_keys),
        #[cfg(feature = "simulator")]
        Command::Demo => demo(),
        #[cfg(feature = "simulator")]
        Command::Simulator { keys, callback, knobs } => simulator(&keys, callback, knobs),
        Command::Keygen { what: Keygen::Development { dir } } => {
            report(make::development_set(&dir, Clock::system().now()).map(|_| ()))
        }
    }
}

#[cfg(feature = "simulator")]
fn demo() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, 3),
    };
    report(runtime.block_on(crate::demo::run(&mut std::io::stdout())))
}

#[cfg(feature = "simulator")]
fn simulator(keys: &Path, callback: Option<http::Uri>, knobs: crate::simulator::Knobs) -> ExitCode {
    use crate::simulator::{Callback, Settings, run_alone};
    let mut settings = match Settings::from_key_set(keys) {
        Ok(settings) => settings,
        Err(error) => return failed(&error, 1),
    };
    settings.callback = callback.map(|url| Callback { url, roots_pem: None });
    if let Err(error) = telemetry::init(tracing::level_filters::LevelFilter::INFO) {
        return failed(&error, 3);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, 3),
    };
    report(runtime.block_on(run_alone(settings, knobs, asked_to_stop())))
}

fn serve(file: Option<&Path>, allow_example_keys: bool) -> ExitCode {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = match Config::load(file, &variables) {
        Ok(config) => config,
        Err(problems) => return failed(&problems, 1),
    };
    let level = match telemetry::level(variables.get("MOSIP_GATEWAY_LOG").map(String::as_str)) {
        Ok(level) => level,
        Err(error) => return failed(&error, 2),
    };
    if let Err(error) = telemetry::init(level) {
        return failed(&error, 3);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, 3),
    };
    report(runtime.block_on(async {
        Gateway::bind(config, allow_example_keys).await?.run(asked_to_stop()).await;
        Ok::<_, Error>(())
    }))
}

/// SIGTERM or Ctrl-C. Without handlers, never.
async fn asked_to_stop() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn report<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

fn failed(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(std::io::stderr(), "mosip-gateway: {error}");
    ExitCode::from(code)
}
