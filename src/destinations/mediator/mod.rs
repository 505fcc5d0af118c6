//! The MOSIP-side mediator. A birth or death takes up to three steps: an application id is fetched, the UINTOKEN of a deceased is asked
//! for, and the event is posted. Each is made once and stored, so that every attempt at the post carries the same.

mod link;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use self::settings::Settings;
use super::drive::{Outside, ask};
use super::iam::IamToken;
use super::ida::Requests;
use super::{
    Call, Destination, Done, Listed, News, Progress, Read, ReadReply, Remedy, Route, Rows, Seal, Step, Steps,
    TokenSource, Tools, Work, transport_of,
};
use crate::clock::Clock;
use crate::error::{Code, Error, Fault, Result};
use crate::json;
use crate::keys::Keyring;
use crate::mosip::{Attested, codes, mediator, roles};
use crate::opencrvs::event::{Event, EventKind};
use crate::registration::Aid;
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// Largest answer, bytes. Real ones are below 16 KiB.
const MAX_REPLY: usize = 1 << 20;

/// The MOSIP-side mediator, as what we send to.
pub(crate) struct Mediator {
    settings: Settings,
    /// Absent: calls carry no token.
    token: Option<Arc<TokenSource>>,
    /// Asks IDA about the deceased; absent where `events.death.link` is off.
    link: Option<Arc<Requests>>,
    keys: Keyring,
    clock: Clock,
}

/// What is remembered between the steps of an event. No `Debug`: the token names a person.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Notes {
    /// IDA was asked about the deceased.
    asked_ida: bool,
    /// What IDA gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    uin_token: Option<String>,
}

impl Mediator {
    /// A fresh application id, for a caller who waits.
    pub(crate) async fn fetch_aid(self: &Arc<Self>, outside: &dyn Outside) -> Result<Attested<Aid>> {
        let mediator = Arc::clone(self);
        ask(outside, move |slot| mediator.aid_call(|aid| Ok(slot.put(aid?)))).await
    }

    fn url(&self, kind: EventKind) -> Result<&Uri> {
        let unset = || Error::new(Code::KindNotConfigured, format!("no URL is set for {kind}"));
        self.settings.events.get(kind.as_str()).ok_or_else(unset)
    }

    /// Fetches an application id; `then` says what it means, or what it means that there is none.
    fn aid_call(
        &self,
        then: impl FnOnce(Result<Attested<Aid>>) -> Result<Read> + Send + 'static,
    ) -> Result<Call> {
        let uri = self.settings.aid.clone().ok_or_else(|| {
            Error::new(Code::KindNotConfigured, "no URL is set for application ids")
                .advise("Set upstream.mediator.aid.")
        })?;
        let over = transport_of(&uri);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let read = |reply: Reply| {
                mediator::read_aid(reply.status, &reply.body, over).map_err(|error| reply.explain(error))
            };
            then(reply.map_err(Error::from).and_then(read))
        });
        Ok(self.call(Method::GET, uri, None, None, read))
    }

    /// The application id is stored, and delivered, before the event goes.
    fn aid_step(&self, progress: Progress) -> Result<Call> {
        self.aid_call(move |aid| {
            let aid = aid.map_err(of_registration)?;
            let over = aid.transport();
            let aid = aid.into_inner();
            let result = Some(Zeroizing::new(aid.as_str().as_bytes().to_vec()));
            Ok(Read::Advance {
                progress: Progress { result, ..progress },
                news: Some(News::AidAssigned(aid, over)),
            })
        })
    }

    /// The event under its id, sealed with the current keys. That it may have arrived is stored before its first byte leaves.
    fn send_step(
        &self,
        uri: Uri,
        id: &str,
        event: &Event,
        notes: &Notes,
        progress: &Progress,
    ) -> Result<Call> {
        let linked = notes.uin_token.as_deref().and_then(|token| event.with_uin_token(token).ok());
        let event = linked.as_ref().unwrap_or(event);
        let plaintext = match read_aid(progress)? {
            Some(aid) => event.with_aid(&aid),
            None => event.body().clone(),
        };
        let (ring, now, id) = (self.keys.current(), self.clock.now(), id.to_owned());
        // A key that is missing is told before anything is stored.
        roles::recipient(&ring, roles::MOSIP, now)?;
        let signer = Arc::clone(roles::signer(&ring, self.settings.sign_with.as_deref(), now)?);
        let seal: Seal = Box::new(move || {
            let to = roles::recipient(&ring, roles::MOSIP, now)?;
            mediator::event_request(&id, &plaintext, to, &signer.private, now)
        });
        let before = (!progress.sent).then(|| Progress { sent: true, ..progress.clone() });
        let over = transport_of(&uri);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let reply = reply?;
            let accepted = mediator::read_acceptance(reply.status, &reply.body, over)
                .map_err(|error| of_registration(reply.explain(error)))?;
            Ok(Read::Done(Done { news: Some(News::Accepted(accepted.transport())), ..Done::default() }))
        });
        Ok(self.call(Method::POST, uri, before, Some(seal), read))
    }

    fn call(
        &self,
        method: Method,
        uri: Uri,
        before: Option<Progress>,
        seal: Option<Seal>,
        read: ReadReply,
    ) -> Call {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, JSON)]);
        if seal.is_some() {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        let body = Bytes::new();
        let deadline = self.settings.deadline;
        let request = Request { method, uri, headers, body, deadline, max_response: MAX_REPLY };
        Call { request, token: self.token.clone(), before, seal, resend: false, read }
    }
}

impl Listed for Mediator {
    const ROWS: Rows = Rows {
        destination: "mediator",
        system: "MOSIP",
        queue: Queue::Entries,
        kinds: &EventKind::WORDS,
        speaks: true,
        remedy: Remedy::COMMON,
    };

    type Settings = Settings;

    fn new(mut settings: Settings, tools: &Tools) -> Self {
        let Tools { keys, clock, ida, death_link } = tools;
        Self {
            token: settings
                .token
                .take()
                .map(|settings| Arc::new(TokenSource::new(IamToken::cookie("upstream.token", settings)))),
            settings,
            link: death_link.then(|| Arc::clone(ida)),
            keys: keys.clone(),
            clock: clock.clone(),
        }
    }
}

impl Destination for Mediator {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    /// One for each URL, with all the kinds that go there: they succeed and fail together.
    fn routes(&self) -> Vec<Route> {
        let mut kinds: BTreeMap<String, (&Uri, Vec<String>)> = BTreeMap::new();
        for kind in EventKind::ALL {
            if let Ok(url) = self.url(kind) {
                kinds.entry(url.to_string()).or_insert((url, Vec::new())).1.push(kind.as_str().to_owned());
            }
        }
        let route = |(url, kinds): (&Uri, Vec<String>)| Route {
            host: upstream::host_and_port(url),
            kinds,
            concurrency: self.settings.concurrency,
            deadline: self.settings.deadline,
        };
        kinds.into_values().map(route).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.token.iter().cloned().collect()
    }

    fn is_unread(&self) -> fn(&str) -> bool {
        codes::is_unread
    }
}

impl Steps for Mediator {
    fn next(&self, work: &Work) -> Result<Step> {
        let unknown =
            |_| Error::new(Code::Bug, "an entry for the MOSIP-side mediator is of no kind of event");
        let kind: EventKind = work.kind.parse().map_err(unknown)?;
        let uri = self.url(kind)?.clone();
        let event = Event::parse(kind, work.payload.clone())?;
        let notes = Notes::read(&work.progress)?;
        // What may have arrived goes as it went: MOSIP made a number of its own for it then.
        if !work.progress.sent {
            if self.settings.aid.is_some() && work.progress.result.is_none() && event.wants_aid() {
                return self.aid_step(work.progress.clone()).map(Step::from);
            }
            if let (Some(requests), false) = (&self.link, notes.asked_ida)
                && let Some(call) = link::ask(requests, &event, &work.progress)
            {
                return Ok(Step::from(call));
            }
        }
        self.send_step(uri, &work.id, &event, &notes, &work.progress).map(Step::from)
    }

    /// A request to IDA is signed where it is made.
    fn is_quick(&self) -> bool {
        self.link.is_none()
    }
}

impl Notes {
    fn read(progress: &Progress) -> Result<Self> {
        let Some(notes) = &progress.notes else { return Ok(Self::default()) };
        serde_json::from_slice(notes)
            .map_err(|_| Error::new(Code::Bug, "the notes of an event cannot be read"))
    }

    fn write(&self) -> Result<Zeroizing<Vec<u8>>> {
        json::to_wiped(self).map_err(|_| Error::new(Code::Bug, "the notes of an event cannot be written"))
    }
}

/// What MOSIP says of the person is wrong in the registration, or in what MOSIP holds; whoever learns that the event is parked can have
/// either put right.
fn of_registration(error: Error) -> Error {
    const ADVICE: &str = "Have the registrar correct the registration in OpenCRVS, and discard this event: the corrected one comes as an event of its own. \
                          Where the registration is right, ask the MOSIP administrator to correct what MOSIP holds, and then retry this event.";
    if error.fault() == Fault::Caller && error.upstream().is_some() { error.advise(ADVICE) } else { error }
}

/// The application id that was fetched for the event, or that it came with.
fn read_aid(progress: &Progress) -> Result<Option<Aid>> {
    let Some(result) = &progress.result else { return Ok(None) };
    let aid = std::str::from_utf8(result).ok().and_then(Aid::parse);
    aid.map(Some).ok_or_else(|| Error::new(Code::Bug, "the application id of an event cannot be read"))
}
