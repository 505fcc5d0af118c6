//! How calls to other systems ended since the process began, and how long they took.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::SendError;
use crate::error::Fault;
use crate::telemetry::{SECONDS, class_of};

/// Counts calls. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    calls: Family<Called, Histogram, fn() -> Histogram>,
    tokens: Family<Fetched, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    host: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fetched {
    host: String,
    outcome: &'static str,
}

/// The status of a call that no answer came to.
const NO_ANSWER: &str = "none";

impl Default for Meters {
    fn default() -> Self {
        let calls = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        Self { calls, tokens: Family::default() }
    }
}

impl Meters {
    /// A call to `host` was answered with `status`, or not at all.
    pub(super) fn called(&self, host: &str, status: Result<StatusCode, &SendError>, took: Duration) {
        let status = status.map_or(NO_ANSWER, class_of);
        self.calls.get_or_create_owned(&Called { host: host.to_owned(), status }).observe(took.as_secs_f64());
    }

    /// A token was asked for at `host`; `fault` says why none came.
    pub(crate) fn token(&self, host: &str, fault: Option<Fault>) {
        let outcome = fault.map_or("done", Fault::as_str);
        self.tokens.get_or_create_owned(&Fetched { host: host.to_owned(), outcome }).inc();
    }

    /// `upstream_seconds{host, status}`, `token_fetches_total{host, outcome}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "How long calls to other systems took, by the class of the status of the answer";
        registry.register_with_unit("upstream", help, Unit::Seconds, self.calls.clone());
        let help = "Access tokens that were fetched, by how that ended: done, or the fault";
        registry.register("token_fetches", help, self.tokens.clone());
    }
}
