//! One more destination: this file is its folder, and its place in the list is its line. Nothing else knows of it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::sync::watch;

use super::super::fake::{Script, says};
use super::super::*;
use crate::error::{Code, Error};
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;
use crate::queue::{Engine, Settings};
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{NewRow, State, Store};

/// An ID system that takes events as they came.
struct System;

impl Destination for System {
    fn name(&self) -> &'static str {
        "system"
    }

    fn queue(&self) -> Queue {
        Queue::Entries
    }

    fn routes(&self) -> Vec<Route> {
        let (kinds, deadline) = (vec!["birth".to_owned()], Duration::from_secs(30));
        vec![Route { host: "id.example.org".to_owned(), kinds, concurrency: 4, deadline }]
    }
}

impl Steps for System {
    fn next(&self, work: &Work) -> Result<Step> {
        let request = Request {
            method: Method::POST,
            uri: "https://id.example.org/events".parse().unwrap(),
            headers: HeaderMap::new(),
            body: work.payload.clone(),
            deadline: Duration::from_secs(30),
            max_response: 1024,
        };
        let read = Box::new(|reply: Result<Reply, SendError>| match reply?.status.is_success() {
            true => Ok(Read::Done(Done::default())),
            false => Err(Error::new(Code::Upstream, "refused")),
        });
        Ok(Step::from(Call { request, token: None, before: None, resend: false, read }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_one_folder_and_one_line() {
    let (memory, dir) = (Memory::default(), tempfile::tempdir().unwrap());
    let store = Store::new(memory.clone());
    let key_file = dir.path().join("outbox.key");
    let ledger = Ledger::over(&key_file, &memory, store.clone(), Random::seeded(1), true);
    let row = |id: &str, destination: &str| NewRow {
        queue: Queue::Entries,
        id: id.to_owned(),
        destination: destination.to_owned(),
        kind: "birth".to_owned(),
        line: Some("c1".to_owned()),
        accepted_at: 0,
        waiting_since: 0,
        payload: Some(b"event".to_vec()),
        result: None,
        met_by: None,
        job: None,
        is_invalid: false,
    };
    // The same event at a destination that does not take it now: each goes its own way.
    ledger.insert(row("c1", "mediator")).await.unwrap();
    ledger.insert(row("c1@system", "system")).await.unwrap();
    let outside = Arc::new(Script::new([says(503, ""), says(200, "")]));

    let list: Vec<Arc<dyn Destination>> = vec![Arc::new(System)];

    let settings = Settings {
        probe_interval: Duration::from_secs(30),
        lease: Duration::from_secs(60),
        random: Random::seeded(1),
    };
    let engine = Engine::new(ledger, Arc::clone(&outside) as Arc<_>, &list, settings);
    let (stop, stopping) = watch::channel(false);
    let settled = async {
        let row = engine.settled("c1@system").await.unwrap();
        stop.send(true).unwrap();
        row
    };
    let ((), row) = tokio::join!(engine.run(stopping, Keyring::fixed(Ring::default())), settled);
    assert_eq!((row.state, row.attempts, outside.paths().len()), (State::Done, 2, 2));
    assert_eq!(engine.status().first().unwrap().host, "id.example.org");
    let other = store.run(|tx| tx.row(Queue::Entries, "c1")).await.unwrap().unwrap();
    assert_eq!((other.state, other.attempts), (State::Queued, 0));
}
