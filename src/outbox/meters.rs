//! Counts since the process began; `faces::ops` shows them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::entry::EntryKind;
use crate::error::Fault;

/// How attempts ended. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    attempts: Family<Attempt, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    kind: &'static str,
    outcome: &'static str,
}

/// The outcome of an attempt whose entry was taken.
const DONE: &str = "done";

impl Meters {
    /// With every outcome of `kinds` at zero, so that the first failure is seen as an increase.
    pub fn new(kinds: impl Iterator<Item = EntryKind>) -> Self {
        let meters = Self::default();
        for kind in kinds.map(EntryKind::as_str) {
            for outcome in [DONE].into_iter().chain(Fault::ALL.map(Fault::as_str)) {
                drop(meters.attempts.get_or_create(&Attempt { kind, outcome }));
            }
        }
        meters
    }

    /// An attempt of `kind` ended; `fault`: why it failed.
    pub fn attempt_ended(&self, kind: EntryKind, fault: Option<Fault>) {
        let outcome = fault.map_or(DONE, Fault::as_str);
        self.attempts.get_or_create(&Attempt { kind: kind.as_str(), outcome }).inc();
    }

    /// `attempts_total{kind, outcome}`
    pub fn register(&self, registry: &mut Registry) {
        let help = "Attempts to send an entry, by how they ended: done, or the fault";
        registry.register("attempts", help, self.attempts.clone());
    }
}
