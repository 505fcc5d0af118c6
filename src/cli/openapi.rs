//! `openapi`

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::outcome::{self, Failure, Outcome};
use crate::gateway::listeners;

/// Arguments of `openapi`.
#[derive(Args)]
pub(super) struct Openapi {
    /// The listener whose document is printed.
    #[arg(long, value_name = "NAME", default_value = "internal", value_parser = PossibleValuesParser::new(listeners::ALL.iter().map(|listener| listener.name)))]
    listener: String,
}

impl Openapi {
    pub(super) fn run(&self) -> Outcome {
        let listener = listeners::ALL.iter().find(|listener| listener.name == self.listener);
        let listener = listener.ok_or_else(|| Failure::Usage("there is no such listener".to_owned()))?;
        let mut text = (listener.document)().to_pretty_json().map_err(Failure::environment)?;
        text.push('\n');
        outcome::print(text.as_bytes())
    }
}
