//! Destinations that lead to the faked upstream: two for events, one for records of jobs, one for deliveries.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use zeroize::Zeroizing;

use super::Plant;
use super::world::Post;
use crate::destinations::{
    Call, Destination, Done, News, Progress, Read, Remedy, Route, Rows, Seal, Step, Steps, Work,
};
use crate::error::{Code, Error, Result};
use crate::mosip::Transport;
use crate::mosip::ida::Outcome;
use crate::opencrvs::event::{Event, EventKind};
use crate::random::Random;
use crate::registration::Aid;
use crate::store::Queue;
use crate::upstream::{Reply, Request, SendError};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(90);

type ReadStatus = Box<dyn FnOnce(&Reply) -> Result<Read> + Send>;

fn call(path: &str, body: Vec<u8>, before: Option<Progress>, read: ReadStatus) -> Step {
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
    Step::from(Call { request, token: None, before, seal: None, resend: false, read })
}

fn rows(destination: &'static str, queue: Queue) -> Rows {
    let (speaks, remedy) = (destination == "mediator", Remedy::COMMON);
    Rows { destination, system: destination, queue, kinds: &[], speaks, remedy }
}

fn route(kinds: Vec<String>, concurrency: usize) -> Route {
    Route { host: "upstream".to_owned(), kinds, concurrency, deadline: DEADLINE }
}

/// The MOSIP-side mediator. Births and deaths go to one URL, what follows them to another; an application id is fetched for the first.
pub(super) struct Mediator {
    pub(super) plant: Option<Plant>,
    pub(super) random: Random,
}

impl Destination for Mediator {
    fn rows(&self) -> Rows {
        rows("mediator", Queue::Entries)
    }

    fn routes(&self) -> Vec<Route> {
        let mut routes: BTreeMap<bool, Vec<String>> = BTreeMap::new();
        for kind in EventKind::ALL {
            routes.entry(kind.takes_aid()).or_default().push(kind.as_str().to_owned());
        }
        routes.into_values().map(|kinds| route(kinds, 2)).collect()
    }
}

impl Steps for Mediator {
    fn next(&self, work: &Work) -> Result<Step> {
        let event = Event::parse(work.kind.parse()?, work.payload.clone())?;
        let progress = work.progress.clone();
        if event.wants_aid() && !progress.sent && progress.result.is_none() {
            let read = Box::new(move |reply: &Reply| {
                let aid = std::str::from_utf8(&reply.body).ok().and_then(Aid::parse).unwrap();
                let result = Some(Zeroizing::new(aid.as_str().as_bytes().to_vec()));
                let progress = Progress { result, ..progress };
                Ok(Read::Advance { progress, news: Some(News::AidAssigned(aid, Transport::Protected)) })
            });
            return Ok(call("/aid", Vec::new(), None, read));
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
        Ok(post("mediator", &event, id, aid, progress, false))
    }
}

/// Another ID system, which takes every event at one URL, and says later what came of births and deaths.
pub(super) struct System;

impl Destination for System {
    fn rows(&self) -> Rows {
        rows("system", Queue::Entries)
    }

    fn routes(&self) -> Vec<Route> {
        vec![route(Vec::new(), 2)]
    }
}

impl Steps for System {
    fn next(&self, work: &Work) -> Result<Step> {
        let event = Event::parse(work.kind.parse()?, work.payload.clone())?;
        Ok(post("system", &event, work.id.clone(), None, work.progress.clone(), true))
    }
}

fn post(
    destination: &str,
    event: &Event,
    id: String,
    aid: Option<String>,
    progress: Progress,
    is_answered_later: bool,
) -> Step {
    let content = String::from_utf8(event.body().to_vec()).unwrap();
    let destination = destination.to_owned();
    let post = Post { destination, id, line: event.composition_id().to_owned(), content, aid };
    let before = Some(Progress { sent: true, ..progress });
    let read = Box::new(move |_: &Reply| {
        let news = Some(News::Accepted(Transport::Protected));
        Ok(Read::Done(Done { news, is_answered_later, ..Done::default() }))
    });
    let seal: Seal = Box::new(move || Ok(Bytes::from(serde_json::to_vec(&post).unwrap())));
    match call("/events", Vec::new(), before, read) {
        Step::Call(call) => Step::from(Call { seal: Some(seal), ..*call }),
        done => done,
    }
}

/// IDA, which is asked for the token of a person.
pub(super) struct Ida;

impl Destination for Ida {
    fn rows(&self) -> Rows {
        rows("ida", Queue::Records)
    }

    fn routes(&self) -> Vec<Route> {
        vec![route(Vec::new(), 2)]
    }
}

impl Steps for Ida {
    fn next(&self, work: &Work) -> Result<Step> {
        let individual_id = String::from_utf8(work.payload.to_vec()).unwrap();
        let read = Box::new(|reply: &Reply| {
            let token = Some(String::from_utf8(reply.body.to_vec()).unwrap());
            let outcome =
                Outcome { individual_id, token, verified: Some("signature".to_owned()), errors: Vec::new() };
            let result = Some(Zeroizing::new(serde_json::to_vec(&outcome).unwrap()));
            Ok(Read::Done(Done { result, ..Done::default() }))
        });
        Ok(call("/ida", work.payload.to_vec(), None, read))
    }
}

/// The mediator of OpenCRVS's side, which takes messages.
pub(super) struct Deliveries {
    pub(super) plant: Option<Plant>,
    pub(super) random: Random,
}

impl Destination for Deliveries {
    fn rows(&self) -> Rows {
        rows("delivery", Queue::Deliveries)
    }

    fn routes(&self) -> Vec<Route> {
        vec![route(Vec::new(), 4)]
    }
}

impl Steps for Deliveries {
    fn next(&self, work: &Work) -> Result<Step> {
        if self.plant == Some(Plant::UnansweredDelivery) && self.random.u32().is_multiple_of(16) {
            return Ok(Step::Done(Done::default()));
        }
        let read = Box::new(|_: &Reply| Ok(Read::Done(Done::default())));
        Ok(call("/delivery", work.payload.to_vec(), None, read))
    }
}
