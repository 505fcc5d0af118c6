//! Arguments, subcommands, exit codes: 0 ok, 1 refused, 2 usage, 3 environment.
//!
//! A command reads its files, calls the module that does the work, and prints the result.

mod confine;
#[cfg(feature = "simulator")]
mod conform;
mod doctor;
mod health;
mod import;
mod input;
mod inspect;
mod keygen;
mod openapi;
mod opencrvs;
mod outbox;
mod outbox_copy;
mod outcome;
mod primitives;
mod serve;
#[cfg(feature = "simulator")]
mod simulator;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "mosip-gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway.
    Serve(serve::Serve),
    /// Sends one birth to the simulator and receives its UINTOKEN, with the keys of `keys.example`.
    #[cfg(feature = "simulator")]
    Demo(simulator::Demo),
    /// Runs the simulator of MOSIP's side alone. Never in production.
    #[cfg(feature = "simulator")]
    Simulator(simulator::Simulator),
    /// Examines another mediator, or a stand-in for MOSIP: whether it keeps the rules of the wire, also where its counterpart fails or lies.
    ///
    /// Exit code 0: no finding, 1: findings, 2: wrong arguments, 3: the program cannot be reached.
    #[cfg(feature = "simulator")]
    Conform(Box<conform::Conform>),
    /// Checks configuration, files, keys, certificates, clock and URLs, and says what is wrong and what to do.
    Doctor(doctor::Doctor),
    /// Seals a plaintext to a peer and prints the message as `/v1/seal` answers it.
    Seal(primitives::Seal),
    /// Opens a sealed message, checks its signature and prints the plaintext.
    ///
    /// The file holds a JSON object with `data` (the body of `/v1/open`, what `seal` prints, what MOSIP pushes), base64 of an
    /// envelope, a compact JWE, or a raw envelope. Standard error says which key opened it and what the signature covers.
    Open(primitives::Open),
    /// Signs a payload and prints the signature as `/v1/sign` answers it.
    Sign(primitives::Sign),
    /// Verifies a token under the key of a peer and prints what `/v1/verify` answers.
    ///
    /// The file holds the token, the body of `/v1/verify`, or what `sign` prints. With `--credential` it holds a credential, or the
    /// body of `/v1/credentials/verify`, whose answer is printed.
    Verify(primitives::Verify),
    /// Describes an envelope, a token, a credential, a certificate, a key or a bundle, without decrypting anything.
    ///
    /// Where a configuration is given, the description of a credential says whether its proof verifies and which of its values the proof
    /// does not cover.
    Inspect(inspect::Inspect),
    /// Makes keys, signing requests, and certificates for development.
    ///
    /// The partner's key is made by you: `keygen key --csr`, or OpenSSL. A certificate authority that MOSIP trusts certifies it, since MOSIP takes
    /// a certificate and no request; MOSIP's partner management takes that certificate and returns one that MOSIP has signed.
    /// `docs/onboarding.md` has every step.
    Keygen(keygen::Keygen),
    /// Manages the events in the outbox, through the running gateway or, where none runs, in the database. Prints JSON.
    Outbox(outbox::Outbox),
    /// Takes over what waits in the database of an older system, through the running gateway or, where none runs, into the database itself.
    Import(import::Import),
    /// Subscribes OpenCRVS's webhooks, and lists what OpenCRVS has registered and no webhook brought.
    Opencrvs(opencrvs::Opencrvs),
    /// Prints the API of a listener as OpenAPI 3.1, as `/openapi.json` answers it.
    Openapi(openapi::Openapi),
    /// Asks a running gateway whether it is ready; for containers.
    Health(health::Health),
}

/// Runs the program.
pub fn main() -> ExitCode {
    // clap exits with code 2 where the arguments are wrong.
    match Arguments::parse().command {
        Command::Serve(command) => outcome::conclude(command.run(), false),
        #[cfg(feature = "simulator")]
        Command::Demo(command) => outcome::conclude(command.run(), false),
        #[cfg(feature = "simulator")]
        Command::Simulator(command) => outcome::conclude(command.run(), false),
        #[cfg(feature = "simulator")]
        Command::Conform(command) => outcome::conclude(command.run(), command.json),
        Command::Doctor(command) => outcome::conclude(command.run(), false),
        Command::Seal(command) => outcome::conclude(command.run(), command.common.json),
        Command::Open(command) => outcome::conclude(command.run(), command.common.json),
        Command::Sign(command) => outcome::conclude(command.run(), command.common.json),
        Command::Verify(command) => outcome::conclude(command.run(), command.common.json),
        Command::Inspect(command) => outcome::conclude(command.run(), command.json),
        Command::Keygen(command) => outcome::conclude(command.run(), false),
        Command::Outbox(command) => outcome::conclude(command.run(), false),
        Command::Import(command) => outcome::conclude(command.run(), command.asking.json),
        Command::Opencrvs(command) => outcome::conclude(command.run(), command.asking.json),
        Command::Openapi(command) => outcome::conclude(command.run(), false),
        Command::Health(command) => outcome::conclude(command.run(), false),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_of_no_command_contradict_each_other() {
        super::Arguments::command().debug_assert();
    }
}
