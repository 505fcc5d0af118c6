//! How attempts ended since the process began, for `/metrics`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::error::{Code, Fault};

/// Counts attempts. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    attempts: Family<Attempt, Counter>,
    failures: Family<Failure, Counter>,
    taken: Family<Taken, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    destination: String,
    fault: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Taken {
    destination: String,
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

    /// An attempt to send a row to `destination` ended, an entry of `kind` where it is one; `failure` says why it failed.
    pub(crate) fn attempt_ended(
        &self,
        destination: &str,
        kind: Option<&str>,
        failure: Option<(Fault, Code)>,
    ) {
        if let Some(kind) = kind {
            let outcome = failure.map_or(DONE, |(fault, _)| fault.as_str());
            self.attempts.get_or_create(&Attempt { kind: kind.to_owned(), outcome }).inc();
        }
        let destination = destination.to_owned();
        match failure {
            None => self.taken.get_or_create_owned(&Taken { destination }).inc(),
            Some((fault, code)) => {
                let (fault, code) = (fault.as_str(), code.as_str());
                self.failures.get_or_create_owned(&Failure { destination, fault, code }).inc()
            }
        };
    }

    /// `attempts_total{kind, outcome}`, `failures_total{destination, fault, code}`, `taken_total{destination}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Attempts to send an entry, by how they ended: done, or the fault";
        registry.register("attempts", help, self.attempts.clone());
        let help = "Attempts to send an entry, a record or a message that failed, by the code of the reason";
        registry.register("failures", help, self.failures.clone());
        let help = "Entries, records and messages that their destination took";
        registry.register("taken", help, self.taken.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_that_never_happened_stand_at_zero_and_clones_count_together() {
        let meters = Meters::default();
        meters.expect("birth");
        meters.clone().attempt_ended("mediator", Some("birth"), Some((Fault::Partner, Code::Partner)));
        meters.attempt_ended("delivery", None, Some((Fault::Upstream, Code::Timeout)));
        meters.attempt_ended("delivery", None, None);
        let mut registry = Registry::default();
        meters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains(r#"attempts_total{kind="birth",outcome="partner"} 1"#), "{text}");
        assert!(text.contains(r#"attempts_total{kind="birth",outcome="done"} 0"#), "{text}");
        let failed = r#"failures_total{destination="mediator",fault="partner",code="partner"} 1"#;
        assert!(text.contains(failed) && text.contains(r#"destination="delivery""#), "{text}");
        assert!(!text.contains(r#"kind="delivery""#), "{text}");
        assert!(text.contains(r#"taken_total{destination="delivery"} 1"#), "{text}");
    }
}
