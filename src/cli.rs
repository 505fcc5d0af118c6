//! Arguments, subcommands, exit codes: 0 ok, 1 refused, 2 usage, 3 environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::keys::make;
use crate::{gateway, telemetry};

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
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move {
            let mut term = signal(SignalKind::terminate())?;
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            stop.send_replace(true);
            std::io::Result::Ok(())
        });
        gateway::serve(config, allow_example_keys, stopping).await
    }))
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
