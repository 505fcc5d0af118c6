//! In place of `traces` where this program is built without the feature `otlp`: no collector is known, since `telemetry.otlp_url` is refused.

use http::Uri;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::telemetry::Tracer;
use crate::upstream::Client;

/// Nothing is sent.
pub(crate) struct Traces;

/// What records nothing, and sends nothing.
pub(crate) fn traces(_: Option<Uri>, _: &Client, _: &Clock) -> (Tracer, Traces) {
    (Tracer::default(), Traces)
}

impl Traces {
    /// It is done.
    pub(crate) async fn run(self, _: oneshot::Receiver<()>) {}
}
