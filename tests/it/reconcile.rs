//! What OpenCRVS has registered and no webhook brought is listed, and nothing else: never for ever, and nothing is queued of it.

use http::Method;
use mosip_gateway::clock::{Clock, Timestamp};
use mosip_gateway::simulator::{Behaviour, SearchLie};
use serde_json::{Value, json};

use crate::subscriptions::Site;
use crate::support::event::{COMPOSITION, birth};
use crate::support::gateway::json as read;

const HOUR: i64 = 60 * 60;

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(Clock::system().now().seconds() - seconds)
}

/// What is missing of the last two days.
async fn missing(site: &Site) -> (u16, Value) {
    let route = format!("/v1/opencrvs/missing?since={}", ago(48 * HOUR).to_iso());
    read(site.world.gateway.ask(Method::GET, &route).await)
}

async fn site() -> Site {
    Site::start(Behaviour::default()).await
}

fn lie(site: &Site, lie: SearchLie) {
    site.world.simulator.controls.set(Behaviour { opencrvs_search: Some(lie), ..Behaviour::default() });
}

#[tokio::test]
async fn a_record_without_an_event_is_missing_and_one_with_an_event_is_not_whatever_became_of_it() {
    let site = site().await;
    let (records, gateway) = (&site.world.simulator.records, &site.world.gateway);
    gateway.settle("birth", &birth("known")).await;
    site.world.simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    gateway.accept("birth", &birth("discarded")).await;
    gateway.discard("discarded").await;
    site.world.simulator.controls.set(Behaviour::default());
    for composition in ["known", "discarded", "lost"] {
        records.register("birth", composition, ago(HOUR));
    }
    records.register("death", "lost-too", ago(HOUR));
    records.register("birth", "older", ago(72 * HOUR));
    let (status, answer) = missing(&site).await;
    assert_eq!((status, &answer["records"], &answer["whole"]), (200, &json!(4), &json!(true)), "{answer}");
    assert_eq!(
        answer["missing"],
        json!([
            { "kind": "birth", "compositionId": "lost" },
            { "kind": "death", "compositionId": "lost-too" },
        ])
    );
    assert!(gateway.ids("state=queued").await.is_empty(), "nothing is queued of it");
}

#[tokio::test]
async fn more_records_than_a_page_are_all_asked_for_even_five_at_once() {
    let site = site().await;
    for index in 0..130 {
        site.world.simulator.records.register("birth", &format!("c{index}"), ago(HOUR));
    }
    let (_, answer) = missing(&site).await;
    assert_eq!((&answer["records"], &answer["whole"]), (&json!(130), &json!(true)));
    lie(&site, SearchLie::Five);
    let (_, answer) = missing(&site).await;
    assert_eq!((&answer["records"], &answer["whole"]), (&json!(130), &json!(true)), "older versions do that");
}

#[tokio::test]
async fn a_search_that_pages_for_ever_ends_and_is_said_not_to_be_whole() {
    let site = site().await;
    site.world.simulator.records.register("birth", COMPOSITION, ago(HOUR));
    for (told, records) in [(SearchLie::Endless, 20_000), (SearchLie::Repeats, 1)] {
        lie(&site, told);
        let (status, answer) = missing(&site).await;
        assert_eq!(
            (status, &answer["records"], &answer["whole"]),
            (200, &json!(records), &json!(false)),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_in_an_answer_of_200_is_the_partners_fault_and_repeats_nothing() {
    let site = site().await;
    lie(&site, SearchLie::Refuses);
    let (status, problem) = missing(&site).await;
    assert_eq!((status, &problem["fault"]), (502, &json!("partner")), "{problem}");
    assert!(!problem.to_string().contains("enough scope"), "{problem}");
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_with_the_form_that_is_taken() {
    let site = site().await;
    for (query, pointer) in [
        ("since=yesterday", "/since"),
        ("since=2026-11-31", "/since"),
        ("since=2026-11-01&until=soon", "/until"),
        ("since=2999-01-01", "/since"),
    ] {
        let (status, problem) =
            read(site.world.gateway.ask(Method::GET, &format!("/v1/opencrvs/missing?{query}")).await);
        assert_eq!((status, &problem["pointer"]), (422, &json!(pointer)), "{query}: {problem}");
    }
}
