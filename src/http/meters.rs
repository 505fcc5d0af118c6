//! What listeners refuse and hold open since the process began.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::Code;
use crate::telemetry::{SECONDS, class_of};

/// The code of a request whose connection was broken without an answer.
pub(crate) const NO_ANSWER: &str = "no-answer";

/// The code of a TLS handshake that is refused.
const TLS: &str = "tls-handshake";

/// Stands for a code where a request was not refused.
pub(super) const ANSWERED: &str = "answered";

/// A line that a caller can cause at will is written once in this time.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts of all listeners. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    requests: Family<Answered, Histogram, fn() -> Histogram>,
    refused: Family<Refused, Counter>,
    traceparents_ignored: Family<Listener, Counter>,
    held: Gauge,
    /// What was logged within the last interval, and how often it came again since.
    logged: Arc<Mutex<BTreeMap<Refused, u64>>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            requests: Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram),
            refused: Family::default(),
            traceparents_ignored: Family::default(),
            held: Gauge::default(),
            logged: Arc::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    listener: &'static str,
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Refused {
    listener: &'static str,
    route: String,
    code: Cow<'static, str>,
}

/// A request is held open as long as this lives.
pub(crate) struct Held(Gauge);

impl Meters {
    /// A request to `route` of `listener`, a template, was answered with `status`. `method` is one that a standard names, or `-`.
    pub(super) fn answered(
        &self,
        listener: &'static str,
        method: &'static str,
        route: &str,
        status: StatusCode,
        took: Duration,
    ) {
        let answered = Answered { listener, method, route: route.to_owned(), status: class_of(status) };
        self.requests.get_or_create_owned(&answered).observe(took.as_secs_f64());
    }

    /// Shows the ignored `traceparent` headers at `listener` at zero.
    pub(crate) fn expect_traceparents(&self, listener: &'static str) {
        drop(self.traceparents_ignored.get_or_create(&Listener { listener }));
    }

    /// A request at `listener` has a `traceparent` that is none.
    pub(super) fn ignore_traceparent(&self, listener: &'static str) {
        self.traceparents_ignored.get_or_create(&Listener { listener }).inc();
    }

    /// A request to `route` of `listener`, a template, was refused with `code`.
    pub(crate) fn refused(&self, listener: &'static str, route: &str, code: impl Into<Cow<'static, str>>) {
        self.of(listener, route, code.into()).inc();
    }

    /// Shows these refusals of `route` at zero, so that the first one is seen as an increase.
    pub(crate) fn expect(&self, listener: &'static str, route: &str, codes: &[Code]) {
        for code in codes {
            self.of(listener, route, code.as_str().into());
        }
    }

    /// As [`Self::expect`], for connections that are broken without an answer.
    pub(crate) fn expect_no_answer(&self, listener: &'static str, route: &str) {
        self.of(listener, route, NO_ANSWER.into());
    }

    /// Shows the refused TLS handshakes of `listener` at zero.
    pub(crate) fn expect_tls(&self, listener: &'static str) {
        self.of(listener, "-", TLS.into());
    }

    /// A TLS handshake at `listener` is refused; whether it is the first one of an interval, to be logged.
    pub(crate) fn refuse_tls(&self, listener: &'static str) -> bool {
        self.refused(listener, "-", TLS);
        self.is_first(listener, "-", TLS)
    }

    /// Whether a line about `route` and `code` is the first one of an interval, to be written. The others are counted, and the count is
    /// written when the interval ends.
    pub(crate) fn is_first(
        &self,
        listener: &'static str,
        route: &str,
        code: impl Into<Cow<'static, str>>,
    ) -> bool {
        let line = Refused { listener, route: route.to_owned(), code: code.into() };
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = logged.get_mut(&line) {
            *again += 1;
            return false;
        }
        logged.insert(line.clone(), 0);
        drop(logged);
        let logged = Arc::clone(&self.logged);
        tokio::spawn(async move {
            tokio::time::sleep(INTERVAL).await;
            let again = logged.lock().unwrap_or_else(PoisonError::into_inner).remove(&line).unwrap_or(0);
            let Refused { listener, route, code } = line;
            let seconds = INTERVAL.as_secs();
            if again > 0 && code == ANSWERED {
                tracing::info!(listener, route, again, seconds, "requested again");
            } else if again > 0 {
                tracing::warn!(listener, route, code = &*code, again, seconds, "refused again");
            }
        });
        true
    }

    /// A request is held open from now on.
    pub(crate) fn hold(&self) -> Held {
        self.held.inc();
        Held(self.held.clone())
    }

    /// How many requests are held open.
    pub(crate) fn held(&self) -> Gauge {
        self.held.clone()
    }

    /// `request_seconds{listener, method, route, status}`, `refused_total{listener, route, code}`, `traceparents_ignored_total{listener}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "How long requests took until their answer began, by the class of its status";
        registry.register_with_unit("request", help, Unit::Seconds, self.requests.clone());
        let help = "Headers traceparent that are malformed, and so ignored";
        registry.register("traceparents_ignored", help, self.traceparents_ignored.clone());
        let help = "Requests that were refused, by the code of the problem";
        registry.register("refused", help, self.refused.clone());
    }

    fn of(&self, listener: &'static str, route: &str, code: Cow<'static, str>) -> Counter {
        self.refused.get_or_create_owned(&Refused { listener, route: route.to_owned(), code })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_of_strangers_is_the_first_once_in_an_interval() {
        let meters = Meters::default();
        let first = |code: &'static str| meters.is_first("callback", "-", code);
        assert!(first("unauthorized"));
        assert!(!first("unauthorized"));
        assert!(first("busy"), "another refusal has a line of its own");
        tokio::time::sleep(INTERVAL * 2).await;
        assert!(first("unauthorized"));
    }
}
