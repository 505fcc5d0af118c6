//! Spans are sent to a collector of OpenTelemetry, over OTLP/HTTP with protobuf. A collector that is away, slow or broken costs spans, which are
//! counted, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as WireKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::telemetry::{Counts, Finished, SpanKind, Tracer};
use crate::upstream::{Client, Request};

/// Spans of one request.
const BATCH: usize = 512;
/// How long spans gather.
const REST: Duration = Duration::from_secs(1);
/// For one request.
const DEADLINE: Duration = Duration::from_secs(5);
/// For what is left when the gateway stops.
const LAST: Duration = Duration::from_secs(1);
/// The answer holds a status, and how many spans were rejected.
const MAX_REPLY: usize = 64 << 10;

/// Spans on their way to a collector.
pub(crate) struct Traces(Option<Exporter>);

struct Exporter {
    client: Client,
    url: Uri,
    over: mpsc::Receiver<Finished>,
    counts: Counts,
}

/// What records spans, and what sends them to `url`. Without a URL, nothing does.
pub(crate) fn traces(url: Option<Uri>, client: &Client, clock: &Clock) -> (Tracer, Traces) {
    let Some(url) = url else { return (Tracer::default(), Traces(None)) };
    let (tracer, over, counts) = Tracer::recording(clock.clone());
    (tracer, Traces(Some(Exporter { client: client.clone(), url, over, counts })))
}

impl Traces {
    /// Sends spans until `stop` comes, and then what is left, for a second at most.
    pub(crate) async fn run(self, stop: oneshot::Receiver<()>) {
        let Self(Some(mut exporter)) = self else { return };
        let stop = stop.map(drop).shared();
        let late = async {
            stop.clone().await;
            sleep(LAST).await;
        };
        tokio::select! {
            () = exporter.send_all(stop.clone()) => {}
            () = late => tracing::warn!("traces are left at the stop that the collector did not take in a second"),
        }
    }
}

impl Exporter {
    async fn send_all(&mut self, stop: impl Future<Output = ()> + Clone) {
        let (mut is_away, mut is_stopping) = (false, false);
        loop {
            let mut spans = Vec::with_capacity(BATCH);
            if is_stopping {
                spans.extend(std::iter::from_fn(|| self.over.try_recv().ok()).take(BATCH));
            } else {
                tokio::select! {
                    _ = self.over.recv_many(&mut spans, BATCH) => {}
                    () = stop.clone() => {
                        is_stopping = true;
                        continue;
                    }
                }
            }
            if spans.is_empty() {
                return;
            }
            let is_full = spans.len() == BATCH;
            self.export(spans, &mut is_away).await;
            if !is_full && !is_stopping {
                tokio::select! {
                    () = sleep(REST) => {}
                    () = stop.clone() => is_stopping = true,
                }
            }
        }
    }

    async fn export(&self, spans: Vec<Finished>, is_away: &mut bool) {
        let sent = spans.len();
        let request = Request {
            method: Method::POST,
            uri: self.url.clone(),
            headers: HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-protobuf"),
            )]),
            body: Bytes::from(encode(spans)),
            deadline: DEADLINE,
            max_response: MAX_REPLY,
        };
        let (dropped, why) = match self.client.send(request).await {
            Ok(reply) if reply.status.is_success() => match rejected(&reply.body).min(sent) {
                0 => (0, None),
                some => (some, Some(format!("it rejects {some} spans of {sent}"))),
            },
            Ok(reply) => (sent, Some(format!("it answers {}", reply.status.as_str()))),
            Err(failure) => (sent, Some(failure.to_string())),
        };
        self.counts.sent(sent - dropped);
        self.counts.dropped(dropped);
        match why {
            None if *is_away => tracing::info!("the collector takes traces again"),
            Some(error) if !*is_away => tracing::warn!(
                error,
                "the collector of telemetry.otlp_url does not take traces; they are counted and dropped, and nothing else is held up"
            ),
            _ => return,
        }
        *is_away = !*is_away;
    }
}

/// How many spans a collector took no more of than their request, as its answer says ("partial success" of OTLP). What is no such answer says nothing.
fn rejected(answer: &[u8]) -> usize {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| usize::try_from(partial.rejected_spans).unwrap_or(0))
}

/// The request of OTLP that holds `spans`.
fn encode(spans: Vec<Finished>) -> Vec<u8> {
    let program = text("service.name", env!("CARGO_PKG_NAME"));
    let version = text("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource { attributes: vec![program, version], ..Resource::default() };
    let scope = InstrumentationScope { name: env!("CARGO_PKG_NAME").to_owned(), ..Default::default() };
    let scope_spans =
        ScopeSpans { scope: Some(scope), spans: spans.into_iter().map(wire).collect(), ..Default::default() };
    let resource_spans =
        ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans], ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

fn wire(span: Finished) -> Span {
    let Finished { trace, span, parent, kind, name, began, took, attributes, http_status, error } = span;
    let began = began.millis().unsigned_abs().saturating_mul(1_000_000);
    let kind = match kind {
        SpanKind::Server => WireKind::Server,
        SpanKind::Attempt => WireKind::Internal,
        SpanKind::Client => WireKind::Client,
    };
    let mut told: Vec<_> = attributes.iter().map(|(name, value)| text(name, value)).collect();
    told.extend(
        http_status
            .map(|status| value("http.response.status_code", any_value::Value::IntValue(status.into()))),
    );
    told.extend(error.as_deref().map(|code| text("error.type", code)));
    Span {
        trace_id: trace.to_vec(),
        span_id: span.to_vec(),
        parent_span_id: parent.map(Vec::from).unwrap_or_default(),
        name,
        kind: kind.into(),
        start_time_unix_nano: began,
        end_time_unix_nano: began.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)),
        attributes: told,
        status: error.map(|_| Status { code: StatusCode::Error.into(), message: String::new() }),
        ..Span::default()
    }
}

fn text(name: &str, text: &str) -> KeyValue {
    value(name, any_value::Value::StringValue(text.to_owned()))
}

fn value(name: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
