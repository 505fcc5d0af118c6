//! Arguments, subcommands, exit codes: 0 ok, 1 refused, 2 usage, 3 environment.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Clock;
use crate::keys::make;

#[derive(Parser)]
#[command(name = "mosip-gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
