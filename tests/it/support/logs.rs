//! Everything that the gateway logs in this process, at every level.

use std::sync::OnceLock;

use mosip_gateway::telemetry::{self, Capture};
use serde_json::Value;
use tracing::level_filters::LevelFilter;

/// What has been logged since it was made, by every test that runs meanwhile.
pub(crate) struct Logs {
    all: Capture,
    from: usize,
}

impl Logs {
    /// Begins here. The first call makes the whole process log into memory, at `trace`.
    pub(crate) fn from_here() -> Self {
        static ALL: OnceLock<Capture> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let all = Capture::default();
            let subscriber = telemetry::subscriber(all.clone(), LevelFilter::TRACE);
            tracing::subscriber::set_global_default(subscriber).unwrap();
            all
        });
        Self { all: all.clone(), from: all.text().len() }
    }

    /// The lines, without their time: its digits would be taken for those of a number.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for mut line in self.lines() {
            line.as_object_mut().unwrap().remove("timestamp");
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    }

    /// One object a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let all = self.all.text();
        // The last may still be written.
        let whole = all.get(self.from..).unwrap().split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
