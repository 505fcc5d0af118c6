//! What listeners refuse and hold since the process began; `faces::ops` shows it.

use std::borrow::Cow;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::error::Code;

/// The code of a request whose connection was broken without an answer.
pub(crate) const NO_ANSWER: &str = "no-answer";

/// Counts of all listeners. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    refused: Family<Refused, Counter>,
    held: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    listener: &'static str,
    route: String,
    code: Cow<'static, str>,
}

/// A request is held open as long as this lives.
pub(crate) struct Held(Gauge);

impl Meters {
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

    /// A request is held open from now on.
    pub(crate) fn hold(&self) -> Held {
        self.held.inc();
        Held(self.held.clone())
    }

    /// `refused_total{listener, route, code}` and `webhooks_held`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Requests that were refused, by the code of the problem";
        registry.register("refused", help, self.refused.clone());
        let help = "Webhooks of OpenCRVS that are held open because they cannot be stored";
        registry.register("webhooks_held", help, self.held.clone());
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
