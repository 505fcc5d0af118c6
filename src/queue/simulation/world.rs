//! What lies outside the engine: an upstream with two URLs that takes its time, answers in every way there is, and writes down what it
//! saw; and the destination that leads there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::Plant;
use super::crash::Fuse;
use crate::destinations::drive::Outside;
use crate::destinations::{Call, Destination, Done, News, Progress, Read, Route, Step, Steps, TokenOf, Work};
use crate::error::{Code, Error, Result};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::random::Random;
use crate::store::Queue;
use crate::upstream::{Reply, Request, SendError};

/// Calls take up to this long, so that some outlive the lease they were made under.
const SLOWEST: u64 = 100;
const DEADLINE: Duration = Duration::from_secs(90);

/// A post, as the upstream reads it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) id: String,
    pub(super) line: String,
    pub(super) content: String,
    pub(super) aid: Option<String>,
}

/// What the upstream saw, over all lives of the gateway.
#[derive(Default)]
pub(super) struct Seen {
    /// What it took, repeats too, in order.
    pub(super) posts: Vec<Post>,
    /// What must not have happened.
    pub(super) faults: Vec<String>,
    last_aid: u32,
}

/// One life of the gateway's surroundings.
pub(super) struct World {
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) fuse: Fuse,
    pub(super) random: Random,
    /// Lines of which a post is under way.
    under_way: Mutex<BTreeSet<String>>,
}

impl World {
    pub(super) fn new(seen: Arc<Mutex<Seen>>, fuse: Fuse, random: Random) -> Self {
        Self { seen, fuse, random, under_way: Mutex::default() }
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
            return Err(SendError::NotSent { host: host(), reason: "refused".to_owned() });
        }
        if request.uri.path() == "/aid" {
            sleep(Duration::from_millis(u64::from(self.random.u32() % 500))).await;
            let status = if die < 12 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            let body = self.fresh_aid();
            self.fuse.pass().await;
            return Ok(Reply { status, headers: HeaderMap::new(), body });
        }
        let post: Post = serde_json::from_slice(&request.body).unwrap();
        let _under_way = UnderWay::begin(self, &post.line);
        let takes = u64::from(self.random.u32()) % if die < 20 { SLOWEST * 1000 } else { 2000 };
        let deadline = u64::try_from(request.deadline.as_millis()).unwrap();
        sleep(Duration::from_millis(takes.min(deadline))).await;
        let status = match die {
            ..12 => StatusCode::SERVICE_UNAVAILABLE,
            12..15 => StatusCode::UNAUTHORIZED,
            15..17 => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::OK,
        };
        if status == StatusCode::OK {
            self.seen().posts.push(post);
        }
        self.fuse.pass().await;
        if takes > deadline || (status == StatusCode::OK && die < 24) {
            return Err(SendError::Timeout { host: host(), after: request.deadline });
        }
        Ok(Reply { status, headers: HeaderMap::new(), body: Bytes::new() })
    }
}

/// A post of a line while it is under way; no other of that line may be.
struct UnderWay<'a> {
    world: &'a World,
    line: String,
}

impl<'a> UnderWay<'a> {
    fn begin(world: &'a World, line: &str) -> Self {
        if !world.under_way.lock().unwrap().insert(line.to_owned()) {
            world.seen().faults.push(format!("two posts of {line} at once"));
        }
        Self { world, line: line.to_owned() }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.world.under_way.lock().unwrap().remove(&self.line);
    }
}

impl Outside for World {
    fn send(&self, _: Option<TokenOf>, request: Request) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
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

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// Births and deaths go to one URL, what follows them to another; an application id is fetched for the first.
pub(super) struct Upstream {
    pub(super) plant: Option<Plant>,
    pub(super) random: Random,
}

impl Upstream {
    fn call(&self, path: &str, body: Vec<u8>, before: Option<Progress>, read: super::ReadStatus) -> Step {
        let request = Request {
            method: Method::POST,
            uri: format!("http://upstream{path}").parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body),
            deadline: DEADLINE,
            max_response: 1024,
        };
        let read = Box::new(move |reply: Result<Reply, SendError>| {
            let reply = reply?;
            let error = match reply.status {
                StatusCode::OK => return read(&reply),
                StatusCode::UNAUTHORIZED => Error::new(Code::Partner, "refused"),
                StatusCode::UNPROCESSABLE_ENTITY => Error::field("", "wrong").with_upstream("X-1", ""),
                _ => Error::new(Code::Upstream, "away"),
            };
            Err(reply.explain(error))
        });
        Step::from(Call { request, token: None, before, resend: false, read })
    }
}

impl Destination for Upstream {
    fn name(&self) -> &'static str {
        "mediator"
    }

    fn queue(&self) -> Queue {
        Queue::Entries
    }

    fn routes(&self) -> Vec<Route> {
        let mut routes: BTreeMap<bool, Vec<String>> = BTreeMap::new();
        for kind in EventKind::ALL {
            routes.entry(kind.takes_aid()).or_default().push(kind.as_str().to_owned());
        }
        let route = |kinds| Route { host: "upstream".to_owned(), kinds, concurrency: 2, deadline: DEADLINE };
        routes.into_values().map(route).collect()
    }
}

impl Steps for Upstream {
    fn next(&self, work: &Work) -> Result<Step> {
        let kind: EventKind = work.kind.parse()?;
        let event = Event::parse(kind, work.payload.clone())?;
        let progress = work.progress.clone();
        if event.wants_aid() && !progress.sent && progress.result.is_none() {
            let read = Box::new(move |reply: &Reply| {
                let aid = std::str::from_utf8(&reply.body).ok().and_then(Aid::parse).unwrap();
                let result = Some(Zeroizing::new(aid.as_str().as_bytes().to_vec()));
                let progress = Progress { result, ..progress };
                Ok(Read::Advance { progress, news: Some(News::AidAssigned(aid)) })
            });
            return Ok(self.call("/aid", Vec::new(), None, read));
        }
        let id = match self.plant {
            Some(Plant::AnotherId) if self.random.u32().is_multiple_of(16) => {
                format!("{}-{}", work.id, self.random.u32())
            }
            _ => work.id.clone(),
        };
        let aid = match self.plant {
            Some(Plant::UnstoredAid) if progress.result.is_some() => {
                Some(format!("9000{}", self.random.u32()))
            }
            _ => progress.result.as_ref().map(|aid| String::from_utf8(aid.to_vec()).unwrap()),
        };
        let content = String::from_utf8(work.payload.to_vec()).unwrap();
        let post = Post { id, line: event.composition_id().to_owned(), content, aid };
        let before = Some(Progress { sent: true, ..progress });
        let read = Box::new(|_: &Reply| Ok(Read::Done(Done { news: Some(News::Accepted), result: None })));
        Ok(self.call("/events", serde_json::to_vec(&post).unwrap(), before, read))
    }
}
