//! How attempts ended since the process began, for `/metrics`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::error::Fault;

/// Counts attempts. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    attempts: Family<Attempt, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    kind: String,
    outcome: &'static str,
}

/// The outcome of an attempt whose entry was taken.
const DONE: &str = "done";

impl Meters {
    /// Every outcome of `kind` starts at zero, so that its first failure is seen as an increase.
    pub(crate) fn expect(&self, kind: &str) {
        for outcome in [DONE].into_iter().chain(Fault::ALL.map(Fault::as_str)) {
            drop(self.attempts.get_or_create(&Attempt { kind: kind.to_owned(), outcome }));
        }
    }

    /// An attempt of `kind` ended; `fault` says why it failed.
    pub(crate) fn attempt_ended(&self, kind: &str, fault: Option<Fault>) {
        let outcome = fault.map_or(DONE, Fault::as_str);
        self.attempts.get_or_create(&Attempt { kind: kind.to_owned(), outcome }).inc();
    }

    /// `attempts_total{kind, outcome}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Attempts to send an entry, by how they ended: done, or the fault";
        registry.register("attempts", help, self.attempts.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_that_never_happened_stand_at_zero_and_clones_count_together() {
        let meters = Meters::default();
        meters.expect("birth");
        meters.clone().attempt_ended("birth", Some(Fault::Partner));
        let mut registry = Registry::default();
        meters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains(r#"attempts_total{kind="birth",outcome="partner"} 1"#), "{text}");
        assert!(text.contains(r#"attempts_total{kind="birth",outcome="done"} 0"#), "{text}");
    }
}
