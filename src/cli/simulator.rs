//! `simulator` and `demo`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;

use super::outcome::{Failure, Outcome};
use super::serve::asked_to_stop;
use crate::demo::{self, Scene};
use crate::simulator::{Callback, Knobs, Settings, run_alone};
use crate::telemetry;

/// Arguments of `simulator`.
#[derive(Args)]
pub(super) struct Simulator {
    /// The development key set.
    #[arg(long, default_value = "keys.example")]
    keys: PathBuf,
    /// Where UINTOKENs are posted, `http://127.0.0.1:4547/birthReceiveNid`.
    #[arg(long)]
    callback: Option<http::Uri>,
    #[command(flatten)]
    knobs: Knobs,
}

impl Simulator {
    pub(super) fn run(&self) -> Outcome {
        let unfit = |error: &dyn std::fmt::Display| Failure::Unfit(error.to_string());
        let mut settings = Settings::from_key_set(&self.keys).map_err(|error| unfit(&error))?;
        settings.callback = self.callback.clone().map(|url| Callback { url, roots_pem: None });
        telemetry::init(LevelFilter::INFO).map_err(Failure::environment)?;
        let runtime = Runtime::new().map_err(Failure::environment)?;
        runtime
            .block_on(run_alone(settings, self.knobs.clone(), asked_to_stop()))
            .map_err(|error| unfit(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `demo`.
#[derive(Args)]
pub(super) struct Demo {
    /// What IDA says of a person, in place of a birth.
    #[arg(long)]
    ida: bool,
}

impl Demo {
    pub(super) fn run(&self) -> Outcome {
        let runtime = Runtime::new().map_err(Failure::environment)?;
        let scene = if self.ida { Scene::Ida } else { Scene::Birth };
        runtime.block_on(demo::run(scene, &mut std::io::stdout()))?;
        Ok(ExitCode::SUCCESS)
    }
}
