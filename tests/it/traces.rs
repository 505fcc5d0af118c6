//! One birth is one trace, from the post of OpenCRVS to MOSIP and back to OpenCRVS and the mediator; and what is counted of all of it.

mod log_level;
#[cfg(feature = "otlp")]
mod otlp;

use http::{HeaderMap, HeaderValue, Method};
use mosip_gateway::simulator::history::Traced;
use serde_json::{Value, json};

use crate::confirm::{self, NUMBER, confirmation, issue};
use crate::support::event::birth;
use crate::support::gateway::{Running, json as read};
use crate::support::logs::Logs;
use crate::support::patience;
use crate::support::world::{Setup, World};

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// `/metrics`
async fn metrics(gateway: &Running) -> String {
    let url = format!("http://{}/metrics", gateway.ops);
    let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The value of the first sample that begins so.
fn sample(metrics: &str, begins: &str) -> Option<f64> {
    metrics.lines().find(|line| line.starts_with(begins))?.rsplit_once(' ')?.1.parse().ok()
}

/// A registration is posted within a trace, and MOSIP has its packet; its id.
async fn register(world: &World, event: &str, id: &'static str) -> String {
    let body =
        json!({ "trackingId": "T1", "eventId": event, "requestFields": { "birthCertificateNumber": "B1" } });
    let headers = HeaderMap::from_iter([
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (http::HeaderName::from_static("x-request-id"), HeaderValue::from_static(id)),
        (http::HeaderName::from_static("traceparent"), HeaderValue::from_static(PARENT)),
    ]);
    let url = format!("http://{}/v1/packets/birth", world.gateway.api);
    let reply = world.gateway.request(Method::POST, url, headers, &body.to_string()).await;
    assert_eq!(reply.headers["x-request-id"], id);
    let (status, accepted) = read(reply);
    assert_eq!(status, 202, "{accepted}");
    let entry = accepted["id"].as_str().unwrap().to_owned();
    world.gateway.event_in(&entry, "done").await;
    entry
}

fn traces_at(world: &World, part: &str) -> Vec<Traced> {
    let traces = world.simulator.history.record().traces;
    traces.into_iter().filter(|traced| traced.path.contains(part)).collect()
}

#[tokio::test]
async fn one_birth_is_one_trace_from_the_post_to_mosip_and_through_its_answer_to_opencrvs_and_the_mediator() {
    let logs = Logs::from_here();
    let mut world = confirm::world(Setup::default()).await;
    world.simulator.core.asks("e1", "a1", mosip_gateway::simulator::opencrvs::Waiting::Registration);
    let id = register(&world, "e1", "core-1.a_B").await;
    let of_birth = [Some("core-1.a_B".to_owned()), Some(PARENT.to_owned())];
    for part in ["createPacket", "workflowinstance"] {
        let calls = traces_at(&world, part);
        assert!(!calls.is_empty() && calls.iter().all(|call| call.headers == of_birth), "{calls:?}");
    }
    // MOSIP's hub knows nothing of the trace.
    issue(&world, &id, Some(NUMBER));
    let (headers, _) = world.mediator.next_of("credential.issued").await;
    assert_eq!(
        (&headers["x-request-id"], &headers["traceparent"]),
        (&HeaderValue::from_static("core-1.a_B"), &HeaderValue::from_static(PARENT))
    );
    world.gateway.event_in(&confirmation(&id), "done").await;
    let calls = traces_at(&world, "/core/");
    assert!(!calls.is_empty() && calls.iter().all(|call| call.headers == of_birth), "{calls:?}");
    let lines = logs.lines();
    let took = |entry: &str| -> Value {
        let line =
            lines.iter().find(|line| line["message"] == "the destination took it" && line["entry"] == entry);
        line.unwrap()["span"].clone()
    };
    for entry in [id.as_str(), &confirmation(&id)] {
        let span = took(entry);
        assert_eq!((&span["request"], &span["trace"]), (&json!("core-1.a_B"), &json!(TRACE)), "{entry}");
    }
}

#[tokio::test]
async fn a_trace_outlives_a_restart_of_the_gateway() {
    let mut world = World::start(Setup::default()).await;
    world.simulator.controls.set(mosip_gateway::simulator::Behaviour { down: true, ..Default::default() });
    let headers = [("x-request-id", "core-2"), ("traceparent", PARENT)];
    let (status, _) = world.gateway.post_event("birth", &headers, &birth("waits")).await;
    assert_eq!(status, 202);
    world.gateway.failed_event("waits").await;
    world.gateway.restart(&[]).await;
    world.simulator.controls.set(mosip_gateway::simulator::Behaviour::default());
    world.gateway.event_in("waits", "done").await;
    let (headers, _) = world.mediator.next_of("event.accepted").await;
    assert_eq!(
        (&headers["x-request-id"], &headers["traceparent"]),
        (&HeaderValue::from_static("core-2"), &HeaderValue::from_static(PARENT))
    );
}

#[tokio::test]
async fn a_traceparent_that_is_none_and_an_id_that_may_name_a_person_are_passed_on_to_nobody() {
    let mut world = World::start(Setup::default()).await;
    let logs = Logs::from_here();
    let headers = [
        ("x-request-id", "Ada Lovelace"),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
    ];
    let (status, _) = world.gateway.post_event("birth", &headers, &birth("odd")).await;
    assert_eq!(status, 202);
    let (headers, _) = world.mediator.next_of("event.accepted").await;
    let drawn = headers["x-request-id"].to_str().unwrap().to_owned();
    assert!(drawn.len() == 16 && !headers.contains_key("traceparent"), "{headers:?}");
    let calls = traces_at(&world, "/birth");
    assert!(calls.iter().all(|call| call.headers == [Some(drawn.clone()), None]), "{calls:?}");
    assert!(!logs.text().contains("Lovelace"));
    let ignored = "mosip_gateway_traceparents_ignored_total{listener=\"internal\"}";
    assert_eq!(sample(&metrics(&world.gateway).await, ignored), Some(1.0));
}

#[tokio::test]
async fn the_metrics_of_one_birth_and_one_refusal_tell_of_each_part_of_the_way() {
    let mut world = World::start(Setup::default()).await;
    world.gateway.settle("birth", &birth("counted")).await;
    world.mediator.next_of("uin-token.received").await;
    world
        .simulator
        .controls
        .set(mosip_gateway::simulator::Behaviour { bad_client_secret: true, ..Default::default() });
    let (status, _) = world.gateway.post_event("birth", &[], "{}").await;
    assert_eq!(status, 422);
    let host = world.simulator.base_url.strip_prefix("http://").unwrap();
    let counted = [
        "mosip_gateway_request_seconds_count{listener=\"internal\",method=\"POST\",route=\"/v1/events/{id}\",status=\"2xx\"}".to_owned(),
        "mosip_gateway_request_seconds_count{listener=\"internal\",method=\"POST\",route=\"/v1/events/{id}\",status=\"4xx\"}".to_owned(),
        "mosip_gateway_request_seconds_count{listener=\"callback\",method=\"POST\",route=\"/birthReceiveNid\",status=\"2xx\"}".to_owned(),
        format!("mosip_gateway_upstream_seconds_count{{host=\"{host}\",status=\"2xx\"}}"),
        format!("mosip_gateway_token_fetches_total{{host=\"{host}\",outcome=\"done\"}}"),
        "mosip_gateway_crypto_operations_total{operation=\"sign\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_crypto_operations_total{operation=\"verify\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_crypto_operations_total{operation=\"wrap\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_crypto_operations_total{operation=\"unwrap\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_crypto_operations_total{operation=\"seal\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_crypto_operations_total{operation=\"open\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_refused_total{listener=\"internal\",route=\"/v1/events/{id}\",code=\"field\"}".to_owned(),
        "mosip_gateway_events{destination=\"mediator\",kind=\"birth\",state=\"done\"}".to_owned(),
        "mosip_gateway_attempts_total{kind=\"birth\",outcome=\"done\"}".to_owned(),
        "mosip_gateway_taken_total{destination=\"delivery\"}".to_owned(),
    ];
    let text = metrics(&world.gateway).await;
    for begins in counted {
        assert!(sample(&text, &begins).is_some_and(|value| value >= 1.0), "{begins} is not in\n{text}");
    }
    for there in [
        "deliveries_waiting",
        "jobs_unfinished",
        "channel{",
        "face{",
        "certificate_days_left{",
        "quarantine_messages",
    ] {
        assert!(sample(&text, &format!("mosip_gateway_{there}")).is_some(), "{there} is not in\n{text}");
    }
    world.gateway.restart(&[]).await;
    world.gateway.accept("birth", &birth("refused")).await;
    let failed = "mosip_gateway_failures_total{destination=\"mediator\",fault=\"partner\",code=\"partner\"}";
    let refused = format!("mosip_gateway_token_fetches_total{{host=\"{host}\",outcome=\"partner\"}}");
    patience::until("the failure among the metrics", async || {
        let text = metrics(&world.gateway).await;
        let is_counted = [failed, &refused].iter().all(|begins| sample(&text, begins).is_some());
        if is_counted { Ok(()) } else { Err(text) }
    })
    .await;
}
