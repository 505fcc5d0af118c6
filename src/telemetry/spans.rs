//! Spans of OpenTelemetry: what the gateway did for a trace, how long it took, and how it ended. A span that is over waits in a bounded queue to be
//! sent, and is dropped and counted where that is full: no work ever waits for it.
//!
//! A span holds routes as templates, hosts, kinds, statuses and codes. It never holds an id, a path as it came, or anything of a person.

use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::traceparent::Traceparent;
use super::{SpanKind, Trace};
use crate::clock::{Clock, Timestamp};
use crate::crypto::secret;

/// Spans that wait to be sent.
const QUEUE: usize = 2048;

/// Where spans go. Cheap to clone; the default records nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tracer(Option<Recorder>);

#[derive(Debug, Clone)]
struct Recorder {
    over: mpsc::Sender<Finished>,
    clock: Clock,
    counts: Counts,
}

/// What became of spans. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Family<Outcome, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Counts {
    /// The collector has `spans`.
    pub(crate) fn sent(&self, spans: usize) {
        self.add("sent", spans);
    }

    /// Nobody took `spans`.
    pub(crate) fn dropped(&self, spans: usize) {
        self.add("dropped", spans);
    }

    fn add(&self, outcome: &'static str, spans: usize) {
        self.0.get_or_create(&Outcome { outcome }).inc_by(spans as u64);
    }
}

/// A span that is over.
pub(crate) struct Finished {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    /// The span that asked for it; `None`: it begins the trace.
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) kind: SpanKind,
    pub(crate) name: String,
    pub(crate) began: Timestamp,
    pub(crate) took: Duration,
    pub(crate) attributes: Vec<(&'static str, String)>,
    pub(crate) http_status: Option<u16>,
    /// Why it failed, a code.
    pub(crate) error: Option<String>,
}

impl Tracer {
    /// One that records, and where its spans come out.
    pub(crate) fn recording(clock: Clock) -> (Self, mpsc::Receiver<Finished>, Counts) {
        let (over, out) = mpsc::channel(QUEUE);
        let counts = Counts::default();
        counts.sent(0);
        counts.dropped(0);
        (Self(Some(Recorder { over, clock, counts: counts.clone() })), out, counts)
    }

    /// A piece of work for `trace` begins. Returns the trace that its own pieces belong to. It is recorded unless the caller says that its trace is
    /// not.
    pub(crate) fn begin(&self, kind: SpanKind, trace: Option<Trace>) -> (Span, Option<Trace>) {
        let parent = trace.as_ref().and_then(|trace| trace.parent);
        let recorder = self.0.as_ref().filter(|_| parent.is_none_or(|parent| parent.is_sampled()));
        let (Some(recorder), Some(trace)) = (recorder, &trace) else { return (Span(None), trace) };
        let own = Traceparent::recorded(
            parent.map_or_else(secret::random, |parent| parent.trace()),
            secret::random(),
        );
        let begun = Begun {
            own,
            parent: parent.map(|parent| parent.span()),
            kind,
            began: recorder.clock.now(),
            started: Instant::now(),
            recorder: recorder.clone(),
        };
        let mut within = trace.clone();
        within.parent = Some(own);
        (Span(Some(begun)), Some(within))
    }

    /// `spans_total{outcome}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Some(Recorder { counts, .. }) = &self.0 {
            let help = "Spans of OpenTelemetry, by what became of them: the collector took them, or they were dropped";
            registry.register("spans", help, counts.0.clone());
        }
    }
}

/// A piece of work within that of the task that asks.
pub(crate) fn begin(kind: SpanKind) -> (Span, Option<Trace>) {
    match Trace::current_with_tracer() {
        Some((trace, tracer)) => tracer.begin(kind, Some(trace)),
        None => (Span(None), None),
    }
}

/// A piece of work under way. One that is dropped before its end is not told.
pub(crate) struct Span(Option<Begun>);

struct Begun {
    own: Traceparent,
    parent: Option<[u8; 8]>,
    kind: SpanKind,
    began: Timestamp,
    started: Instant,
    recorder: Recorder,
}

impl Span {
    /// It is over: the words of its name, what else is told of it, the status of its answer over HTTP, and the code of why it failed.
    pub(crate) fn end(
        self,
        name: &[&str],
        attributes: &[(&'static str, &str)],
        http_status: Option<u16>,
        error: Option<&str>,
    ) {
        let Some(Begun { own, parent, kind, began, started, recorder }) = self.0 else { return };
        let finished = Finished {
            trace: own.trace(),
            span: own.span(),
            parent,
            kind,
            name: name.join(" "),
            began,
            took: started.elapsed(),
            attributes: attributes.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            http_status,
            error: error.map(str::to_owned),
        };
        if recorder.over.try_send(finished).is_err() {
            recorder.counts.dropped(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn trace(parent: Option<&'static str>) -> Trace {
        let headers = parent
            .map(|parent| (http::HeaderName::from_static("traceparent"), HeaderValue::from_static(parent)));
        Trace::of(&HeaderMap::from_iter(headers)).0
    }

    fn tracer() -> (Tracer, mpsc::Receiver<Finished>, Counts) {
        Tracer::recording(Clock::fixed(Timestamp::from_millis(7)))
    }

    fn dropped(counts: &Counts) -> u64 {
        counts.0.get_or_create(&Outcome { outcome: "dropped" }).get()
    }

    #[test]
    fn a_span_belongs_to_the_one_that_asked_for_it_and_to_its_trace() {
        let (tracer, mut out, _) = tracer();
        let asked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (outer, within) = tracer.begin(SpanKind::Server, Some(trace(Some(asked))));
        let (inner, _) = tracer.begin(SpanKind::Client, within);
        inner.end(&["POST"], &[], Some(200), None);
        outer.end(&["POST", "/"], &[], Some(202), None);
        let (inner, outer) = (out.try_recv().unwrap(), out.try_recv().unwrap());
        assert_eq!(inner.parent, Some(outer.span));
        assert_eq!(outer.parent, Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]));
        assert_eq!((inner.trace, outer.trace[0]), (outer.trace, 0x4b));
        assert_ne!(inner.span, outer.span);
    }

    #[test]
    fn a_trace_that_its_caller_does_not_record_is_passed_on_as_it_came() {
        let (tracer, mut out, _) = tracer();
        let asked = trace(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
        let (span, within) = tracer.begin(SpanKind::Server, Some(asked.clone()));
        span.end(&["POST"], &[], None, None);
        assert_eq!(within, Some(asked));
        assert!(out.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (tracer, out, counts) = tracer();
        let end_one = || tracer.begin(SpanKind::Server, Some(trace(None))).0.end(&["GET"], &[], None, None);
        (0..QUEUE).for_each(|_| end_one());
        assert_eq!(dropped(&counts), 0);
        (0..3).for_each(|_| end_one());
        assert_eq!(dropped(&counts), 3);
        drop(out);
        end_one();
        assert_eq!(dropped(&counts), 4, "nobody sends any more");
    }
}
