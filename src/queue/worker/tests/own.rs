//! What is wrong at one of two gateways alone counts for that one alone. Time is virtual.

use super::shared::{One, Pair};
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
