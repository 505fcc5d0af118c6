//! Spans as a collector receives them, read with the published types of OTLP; and collectors that are away, slow or broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use data_encoding::HEXLOWER;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::TcpListener;

use super::{PARENT, TRACE, metrics, sample};
use crate::support::event::{BRN, birth};
use crate::support::mediator::Reserved;
use crate::support::patience;
use crate::support::world::{Setup, World};

/// Keeps the spans that it is sent, and answers with `status`; with none, never.
#[derive(Clone)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    status: Option<StatusCode>,
    /// What else it answers.
    answer: ExportTraceServiceResponse,
}

impl Collector {
    /// It and its URL.
    async fn start(status: Option<StatusCode>) -> (Self, String) {
        Self::answering(status, ExportTraceServiceResponse::default()).await
    }

    async fn answering(status: Option<StatusCode>, answer: ExportTraceServiceResponse) -> (Self, String) {
        let collector = Self { spans: Arc::default(), status, answer };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (collector, url)
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn receive(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap();
        assert_eq!(resource.attributes[0].key, "service.name");
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
    }
    match collector.status {
        Some(status) => (status, collector.answer.encode_to_vec()),
        None => std::future::pending().await,
    }
}

fn told(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let attribute = span.attributes.iter();
    attribute
        .map(|told| (told.key.as_str(), text(told.value.as_ref().unwrap().value.as_ref().unwrap())))
        .collect()
}

#[tokio::test]
async fn a_collector_sees_request_attempt_and_call_of_a_birth_in_one_trace_and_nothing_of_a_person() {
    let (collector, url) = Collector::start(Some(StatusCode::OK)).await;
    let world = World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
    let (status, _) = world.gateway.post_event("birth", &[("traceparent", PARENT)], &birth("traced")).await;
    assert_eq!(status, 202);
    let is_of_birth = |span: &Span| HEXLOWER.encode(&span.trace_id) == TRACE;
    let spans = patience::until("the spans of a birth", async || {
        let spans: Vec<_> = collector.spans().into_iter().filter(is_of_birth).collect();
        let names = |name: &str| spans.iter().any(|span| span.name == name);
        let is_whole =
            names("POST /v1/events/{id}") && names("attempt mediator") && names("attempt delivery");
        if is_whole { Ok(spans) } else { Err(format!("{spans:?}")) }
    })
    .await;
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (request, attempt) = (named("POST /v1/events/{id}"), named("attempt mediator"));
    assert_eq!(HEXLOWER.encode(&request.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(attempt.parent_span_id, request.span_id);
    let call = spans.iter().find(|span| span.parent_span_id == attempt.span_id).unwrap();
    assert_eq!((call.kind(), call.name.as_str()), (SpanKind::Client, "POST"));
    assert!(call.start_time_unix_nano <= call.end_time_unix_nano && call.start_time_unix_nano > 0);
    let request = told(request);
    assert_eq!(
        (request["http.route"].as_str(), request["http.response.status_code"].as_str()),
        ("/v1/events/{id}", "202")
    );
    let host = world.simulator.base_url.strip_prefix("http://").unwrap();
    assert_eq!(told(call)["server.address"], host);
    // What leaves carries the span of the call, so that MOSIP's spans hang below it.
    let birth = super::traces_at(&world, "/v1/birth").pop().unwrap();
    let sent = birth.headers[1].clone().unwrap();
    assert!(
        spans
            .iter()
            .any(|span| sent.contains(&HEXLOWER.encode(&span.span_id)) && span.kind() == SpanKind::Client),
        "{sent}"
    );
    let all = format!("{spans:?}");
    for datum in ["Ada", BRN, "traced", "/opencrvs/", "licence"] {
        assert!(!all.contains(datum), "{datum} stands in\n{all}");
    }
    patience::until("spans that were sent", async || {
        let text = metrics(&world.gateway).await;
        let sent = sample(&text, "mosip_gateway_spans_total{outcome=\"sent\"}");
        if sent.is_some_and(|sent| sent >= 3.0) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_record_reaches_no_collector() {
    let (collector, url) = Collector::start(Some(StatusCode::OK)).await;
    let world = World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
    let unsampled = PARENT.replace("-01", "-00");
    for (parent, id) in [(unsampled.as_str(), "unrecorded"), (PARENT, "recorded")] {
        let (status, _) = world
            .gateway
            .post_event("birth", &[("traceparent", parent), ("prefer", "wait=30")], &birth(id))
            .await;
        assert_eq!(status, 200);
    }
    let requests = patience::until("the request that is recorded", async || {
        let spans = collector.spans();
        let requests = spans.iter().filter(|span| span.name == "POST /v1/events/{id}").count();
        if requests > 0 { Ok(requests) } else { Err("none") }
    })
    .await;
    assert_eq!(requests, 1);
    let birth = super::traces_at(&world, "/v1/birth").remove(0);
    assert_eq!(birth.headers[1].as_deref(), Some(unsampled.as_str()), "it is passed on as it came");
}

#[tokio::test]
async fn a_collector_that_is_away_or_answers_500_costs_counted_spans_and_no_event() {
    let away = Reserved::new();
    let (_broken, broken) = Collector::start(Some(StatusCode::INTERNAL_SERVER_ERROR)).await;
    for url in [away.url(), broken] {
        let world =
            World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
        world.gateway.settle("birth", &birth("goes")).await;
        patience::until("spans that were dropped", async || {
            let text = metrics(&world.gateway).await;
            let dropped = sample(&text, "mosip_gateway_spans_total{outcome=\"dropped\"}");
            if dropped.is_some_and(|dropped| dropped >= 1.0) { Ok(()) } else { Err(text) }
        })
        .await;
        world.gateway.stop().await;
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_no_event_and_no_stop() {
    let (collector, url) = Collector::start(None).await;
    let world = World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
    world.gateway.settle("birth", &birth("goes")).await;
    patience::until("spans that are not answered", async || {
        if collector.spans().is_empty() { Err("none") } else { Ok(()) }
    })
    .await;
    world.gateway.settle("birth", &birth("goes-too")).await;
    world.gateway.stop().await;
}

#[tokio::test]
async fn spans_that_a_collector_rejects_though_it_answers_200_are_dropped_and_not_sent() {
    let rejecting = ExportTracePartialSuccess { rejected_spans: i64::MAX, ..Default::default() };
    let answer = ExportTraceServiceResponse { partial_success: Some(rejecting) };
    let (_rejecting, url) = Collector::answering(Some(StatusCode::OK), answer).await;
    let world = World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
    world.gateway.settle("birth", &birth("rejected")).await;
    let text = patience::until("a dropped span", async || {
        let text = metrics(&world.gateway).await;
        let dropped = sample(&text, "mosip_gateway_spans_total{outcome=\"dropped\"}");
        if dropped.is_some_and(|spans| spans > 0.0) { Ok(text) } else { Err(text) }
    })
    .await;
    assert_eq!(sample(&text, "mosip_gateway_spans_total{outcome=\"sent\"}"), Some(0.0));
}

#[tokio::test]
async fn what_is_left_at_the_stop_is_sent() {
    let (collector, url) = Collector::start(Some(StatusCode::OK)).await;
    let world = World::start(Setup { set: vec![("TELEMETRY__OTLP_URL", &url)], ..Setup::default() }).await;
    world.gateway.settle("birth", &birth("last")).await;
    world.gateway.stop().await;
    assert!(collector.spans().iter().any(|span| span.name == "POST /v1/events/{id}"));
}
