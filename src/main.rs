//! `mosip-gateway`: see [`mosip_gateway::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    mosip_gateway::cli::main()
}
