//! What is wrong at one of two gateways alone counts for that one alone. Time is virtual.

use super::shared::{One, PROBE, Pair};
use super::*;
use crate::queue::channel::Flow;

/// Where messages to the mediator wait.
fn messages() -> Lane {
    Lane { queue: Queue::Deliveries, destination: "delivery".to_owned(), kinds: Vec::new() }
}

fn message(id: &str) -> NewRow {
    NewRow { queue: Queue::Deliveries, destination: "delivery".to_owned(), ..entry(id) }
}

/// A gateway whose mediator, which takes messages, is beside it.
fn beside_its_mediator(pair: &Pair, seed: u64) -> One {
    let (mut worker, lacks) = pair.worker(messages(), 4, seed, pair.rows.clone());
    worker.is_local = true;
    pair.begin((worker, lacks))
}

fn no_key() -> Error {
    Error::new(Code::Keys, "no certificate of peer `mosip` is loaded")
}

#[tokio::test(start_paused = true)]
async fn a_mediator_beside_one_gateway_that_is_gone_stops_no_message_of_the_other() {
    let pair = Pair::new(None);
    let (one, other) = (beside_its_mediator(&pair, 1), beside_its_mediator(&pair, 2));
    *one.lacks.lock().unwrap() = Some(Error::new(Code::Upstream, "no connection"));
    for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
        one.ledger.insert(message(id)).await.unwrap();
    }
    one.flows_as("broken").await;
    let began = Instant::now();
    for id in ["m", "n", "o"] {
        other.ledger.insert(message(id)).await.unwrap();
        while pair.state(Queue::Deliveries, id).await.is_some() {
            assert_eq!(other.flow(), Flow::Open, "its own mediator answers");
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(one.flow().as_str(), "broken");
}

#[tokio::test(start_paused = true)]
async fn a_mediator_beside_one_gateway_that_hangs_takes_no_place_of_the_other() {
    let mut pair = Pair::new(None);
    Arc::get_mut(&mut pair.mosip).unwrap().takes = Duration::from_secs(600);
    let one = beside_its_mediator(&pair, 1);
    for id in ["a", "b", "c", "d", "e"] {
        one.ledger.insert(message(id)).await.unwrap();
    }
    while pair.calls() < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    let _other = beside_its_mediator(&pair, 2);
    let began = Instant::now();
    while pair.calls() < 5 {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_one_gateway_lacks_pauses_it_alone_until_it_has_it() {
    let pair = Pair::new(None);
    let one = pair.start(1);
    *one.lacks.lock().unwrap() = Some(no_key());
    one.ledger.insert(entry("a")).await.unwrap();
    one.flows_as("paused").await;
    let (began, other) = (Instant::now(), pair.start(2));
    for id in ["b", "c"] {
        other.ledger.insert(entry(id)).await.unwrap();
    }
    for id in ["a", "b", "c"] {
        while pair.state(Queue::Entries, id).await != Some(State::Done) {
            assert_eq!(other.flow(), Flow::Open, "it has the key");
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(began.elapsed() < PROBE / 2, "{:?}", began.elapsed());
    assert_eq!(one.flow().as_str(), "paused", "what the other sends gives the one no key");

    other.running.abort();
    *one.lacks.lock().unwrap() = None;
    one.ledger.insert(entry("d")).await.unwrap();
    one.worker.health.probe_now();
    one.ledger.wake();
    one.flows_as("open").await;
    assert_eq!(pair.state(Queue::Entries, "d").await, Some(State::Done));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_lacks_a_key_is_tried_again_however_many_calls_the_other_has_under_way() {
    let mut pair = Pair::new(None);
    Arc::get_mut(&mut pair.mosip).unwrap().takes = Duration::from_secs(600);
    let one = pair.start(1);
    *one.lacks.lock().unwrap() = Some(no_key());
    one.ledger.insert(entry("a")).await.unwrap();
    one.flows_as("paused").await;
    let other = pair.start(2);
    while pair.calls() < 1 {
        sleep(Duration::from_millis(10)).await;
    }
    *one.lacks.lock().unwrap() = None;
    // Nobody takes it but the one.
    other.running.abort();
    one.ledger.insert(entry("b")).await.unwrap();
    let began = Instant::now();
    one.worker.health.probe_now();
    one.ledger.wake();
    while pair.calls() < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() < LEASE / 2, "before the lease of the other has ended: {:?}", began.elapsed());
}
