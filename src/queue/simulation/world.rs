//! What lies outside the engine: an upstream that takes its time, answers in every way there is, and writes down what it saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use super::country::{self, Country};
use super::crash::Fuse;
use super::posts::{DESTINATIONS, EVENTS};
use crate::destinations::drive::Outside;
use crate::destinations::{Seal, Step, Steps, TokenSource, Work};
use crate::error::{Code, Error, Result};
use crate::random::Random;
use crate::store::memory::Memory;
use crate::store::{Filter, Listed, Queue, Seq, State, Store, Tx};
use crate::upstream::{Reply, Request, SendError};

/// Calls take up to this long, so that some outlive the lease they were made under.
const SLOWEST: u64 = 100;
/// A destination that is away refuses fewer events until all have arrived at the other.
const LONGEST_OUTAGE: u32 = 1000;

/// An event, as an upstream reads it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) destination: String,
    pub(super) id: String,
    pub(super) line: String,
    pub(super) content: String,
    pub(super) aid: Option<String>,
}

/// A message, as the mediator of OpenCRVS's side takes it.
pub(super) struct Message {
    pub(super) body: Value,
    /// Its place in the order in which messages were made.
    pub(super) seq: Seq,
    /// Messages of one line go in order.
    pub(super) line: String,
}

/// What the upstream saw, over all lives of the gateway. What must hold of that is looked at as it comes.
#[derive(Default)]
pub(super) struct Seen {
    /// By destination and content, the event as it arrived first.
    first: BTreeMap<(String, String), Post>,
    /// By destination and line, the place of the last event that arrived.
    last: BTreeMap<(String, String), Seq>,
    /// The messages that it took, repeats too, in order.
    pub(super) messages: Vec<Message>,
    /// By line, the place of the last message.
    last_message: BTreeMap<String, Seq>,
    /// Of pushes, what they said.
    pub(super) tokens: BTreeSet<String>,
    /// What became of registrations.
    pub(super) country: Country,
    /// What must not have happened, each once.
    pub(super) faults: Vec<String>,
    last_aid: u32,
    /// A destination of events that is away, until all of them have arrived at the other.
    away: Option<&'static str>,
    /// Events that it refused meanwhile.
    refused: u32,
}

impl Seen {
    /// In every fourth run the one destination of events is away, and in every fourth the other.
    pub(super) fn of(seed: u64) -> Arc<Mutex<Self>> {
        let away = usize::try_from(seed % 4).ok().and_then(|nth| DESTINATIONS.get(nth)).copied();
        Arc::new(Mutex::new(Self { away, ..Self::default() }))
    }

    /// The destination that is away refuses an event. Whether all have arrived at the `other`, which does not wait for it.
    fn refuse(&mut self, other: &str, has_arrived: bool) -> bool {
        self.refused += 1;
        let is_late = self.refused == LONGEST_OUTAGE && !has_arrived;
        if is_late {
            self.fault(format!("{other} waits while another destination is away"));
        }
        if has_arrived || is_late {
            self.away = None;
        }
        !has_arrived
    }

    pub(super) fn fault(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The event with this content as it arrived first at `destination`.
    pub(super) fn first_of(&self, destination: &str, content: &[u8]) -> Option<&Post> {
        let content = std::str::from_utf8(content).unwrap();
        self.first.get(&(destination.to_owned(), content.to_owned()))
    }

    /// An event arrives at a destination, for which `seq` is its place. It comes under one id and with one application id however often,
    /// and the events of one composition arrive first in the order in which they were accepted.
    fn arrive(&mut self, post: Post, seq: Option<Seq>) {
        let key = (post.destination.clone(), post.content.clone());
        let Some(first) = self.first.get(&key) else {
            let line = (post.destination.clone(), post.line.clone());
            if let Some(seq) = seq
                && self.last.insert(line, seq).is_some_and(|before| before > seq)
            {
                self.fault(format!("{} arrived behind its successor at {}", post.id, post.destination));
            }
            self.first.insert(key, post);
            return;
        };
        let (other_id, other_aid) = (first.id != post.id, first.aid != post.aid);
        if other_id {
            self.fault(format!("{} arrived at {} under two ids", post.id, post.destination));
        }
        if other_aid {
            self.fault(format!("{} arrived with two application ids", post.id));
        }
    }

    /// The mediator takes a message. The messages of one line come first in order.
    fn hear(&mut self, message: Message) {
        let is_repeat = self.messages.iter().any(|known| known.seq == message.seq);
        let before = self.last_message.get(&message.line).copied();
        if !is_repeat && before.is_some_and(|before| before > message.seq) {
            self.fault(format!("{} was taken behind its successor", message.body["id"]));
        }
        self.last_message.insert(message.line.clone(), message.seq.max(before.unwrap_or_default()));
        self.tokens.extend(message.body["data"]["uinToken"].as_str().map(str::to_owned));
        self.messages.push(message);
    }
}

/// One life of the gateway's surroundings.
pub(super) struct World {
    seen: Arc<Mutex<Seen>>,
    fuse: Fuse,
    random: Random,
    /// The rows of this life.
    store: Store,
    /// Destinations and lines of which a call is under way.
    under_way: Mutex<BTreeSet<(String, String)>>,
}

/// What the upstream is asked.
enum Asked {
    Aid,
    /// And its place in the order of acceptance, unless its id is none of the gateway's.
    Event(Post, Option<Seq>),
    Person(Bytes),
    Message(Message),
    /// About a registration on its way.
    Country(country::Asked),
}

impl World {
    pub(super) fn new(seen: Arc<Mutex<Seen>>, fuse: Fuse, random: Random, memory: Memory) -> Self {
        Self { seen, fuse, random, store: Store::new(memory), under_way: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn fresh_aid(&self) -> Bytes {
        let mut seen = self.seen();
        seen.last_aid += 1;
        Bytes::from(format!("1000{}", seen.last_aid))
    }

    async fn call(&self, request: Request) -> Result<Reply, SendError> {
        let host = || "upstream".to_owned();
        self.fuse.pass().await;
        let die = self.random.u32() % 100;
        if die < 6 {
            return Err(SendError::NotSent {
                host: host(),
                reason: "refused".to_owned(),
                kind: std::io::ErrorKind::ConnectionRefused,
            });
        }
        let asked = self.read(&request).await;
        let _under_way = match &asked {
            Asked::Event(post, _) => Some(UnderWay::begin(self, &post.destination, &post.line, &post.id)),
            Asked::Message(Message { body, line, .. }) => {
                Some(UnderWay::begin(self, "delivery", line, body["id"].as_str().unwrap_or_default()))
            }
            Asked::Country(asked) => {
                let (destination, line) = asked.line();
                Some(UnderWay::begin(self, destination, &line, &line))
            }
            Asked::Aid | Asked::Person(_) => None,
        };
        let takes = u64::from(self.random.u32()) % if die < 20 { SLOWEST * 1000 } else { 2000 };
        let deadline = u64::try_from(request.deadline.as_millis()).unwrap();
        sleep(Duration::from_millis(takes.min(deadline))).await;
        let status = match die {
            _ if self.is_away(&asked).await => StatusCode::SERVICE_UNAVAILABLE,
            ..12 => StatusCode::SERVICE_UNAVAILABLE,
            12..15 => StatusCode::UNAUTHORIZED,
            15..17 => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::OK,
        };
        let is_taken = status == StatusCode::OK;
        let (status, body) = match asked {
            asked if is_taken => self.take(asked),
            Asked::Country(asked) => asked.refused(status),
            _ => (status, Bytes::new()),
        };
        self.fuse.pass().await;
        if takes > deadline || (is_taken && die < 24) {
            return Err(SendError::Timeout { host: host(), after: request.deadline });
        }
        Ok(Reply { status, headers: HeaderMap::new(), body })
    }

    async fn read(&self, request: &Request) -> Asked {
        let asked = country::Asked::read(request.uri.path(), request.uri.query(), &request.body);
        if let Some(asked) = asked {
            return Asked::Country(asked);
        }
        match request.uri.path() {
            "/aid" => Asked::Aid,
            "/events" => {
                let post: Post = serde_json::from_slice(&request.body).unwrap();
                let (id, destination) = (post.id.clone(), post.destination.clone());
                let find = move |tx: &mut dyn Tx| {
                    let name = format!("{id}@{destination}");
                    let rows = [tx.listed(Queue::Entries, &id)?, tx.listed(Queue::Entries, &name)?];
                    Ok(rows.into_iter().flatten().find(|row| row.destination == destination))
                };
                let row = self.store.run(find).await.unwrap();
                Asked::Event(post, row.map(|row| row.seq))
            }
            "/ida" => Asked::Person(request.body.clone()),
            _ => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let id = body["id"].as_str().unwrap().to_owned();
                let row = self.store.run(move |tx| tx.listed(Queue::Deliveries, &id)).await.unwrap();
                let (seq, line) = row.map(|Listed { seq, line, .. }| (seq, line)).unwrap_or_default();
                Asked::Message(Message { body, seq, line: line.unwrap_or_default() })
            }
        }
    }

    /// Whether what is asked goes to the destination that is away.
    async fn is_away(&self, asked: &Asked) -> bool {
        let Asked::Event(Post { destination, .. }, _) = asked else { return false };
        let is_away = self.seen().away.is_some_and(|away| away == destination);
        let Some(other) = DESTINATIONS.into_iter().find(|other| is_away && **other != **destination) else {
            return false;
        };
        let (destination, states) = (Some(other.to_owned()), vec![State::Done]);
        let arrived = Filter { destination, states, ..Filter::default() };
        let find = move |tx: &mut dyn Tx| tx.rows(Queue::Entries, &arrived, 0, EVENTS as usize);
        let arrived = self.store.run(find).await.unwrap();
        self.seen().refuse(other, arrived.len() == EVENTS as usize)
    }

    fn take(&self, asked: Asked) -> (StatusCode, Bytes) {
        let body = match asked {
            Asked::Aid => self.fresh_aid(),
            Asked::Person(person) => person,
            Asked::Event(post, seq) => {
                self.seen().arrive(post, seq);
                Bytes::new()
            }
            Asked::Message(message) => {
                self.seen().hear(message);
                Bytes::new()
            }
            Asked::Country(asked) => {
                let mut seen = self.seen();
                let (status, body, faults) = seen.country.take(asked);
                faults.into_iter().for_each(|fault| seen.fault(fault));
                return (status, body);
            }
        };
        (StatusCode::OK, body)
    }
}

/// A call of a line while it is under way; no other of that line may be.
struct UnderWay<'a> {
    world: &'a World,
    line: (String, String),
}

impl<'a> UnderWay<'a> {
    fn begin(world: &'a World, destination: &str, line: &str, id: &str) -> Self {
        let line = (destination.to_owned(), line.to_owned());
        if !world.under_way.lock().unwrap().insert(line.clone()) {
            world.seen().fault(format!("{id} goes to {destination} beside another of its line"));
        }
        Self { world, line }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.world.under_way.lock().unwrap().remove(&self.line);
    }
}

impl Outside for World {
    fn send(
        &self,
        _: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async move { Ok(self.call(request).await) }.boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let steps = Arc::clone(steps);
        async move {
            if self.random.u32().is_multiple_of(200) {
                // As a panic, without its message on the terminal.
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            let step = steps.next(&work)?;
            Ok((work, step))
        }
        .boxed()
    }

    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            // As long as a commit takes, more or less.
            sleep(Duration::from_millis(u64::from(self.random.u32() % 4))).await;
            if self.random.u32().is_multiple_of(200) {
                return Err(Error::new(Code::Busy, "on purpose"));
            }
            seal()
        }
        .boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}
