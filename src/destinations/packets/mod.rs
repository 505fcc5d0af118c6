//! MOSIP's packet manager and the workflow of its registration processor. A registration takes two steps under the id that was drawn for
//! it: its packet is created, and then processed.
//!
//! A packet may be created again under its id: the later one, which is the same, replaces the earlier one. It is processed once: MOSIP
//! refuses a repeat with a code of its own, which here is the success whose answer was lost.

mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use self::settings::Settings;
use super::iam::IamToken;
use super::{
    Call, Destination, Done, Form, Listed, News, Progress, Read, ReadReply, Remedy, Route, Rows, Step, Steps,
    TokenSource, Tools, Work, transport_of,
};
use crate::clock::Clock;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::packet::{self, NotificationInfo, Packet};
use crate::mosip::{Transport, codes};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::registration::Registration;
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// Largest answer, bytes. Real ones are below 16 KiB.
const MAX_REPLY: usize = 1 << 20;

/// The kinds of registrations, and the process of each at MOSIP unless the settings name another one.
const KINDS: [(&str, &str); Registration::KINDS.len()] = [
    (EventKind::Birth.as_str(), "CRVS_NEW"),
    (EventKind::Death.as_str(), "CRVS_DEATH"),
    (EventKind::BirthCorrection.as_str(), "CRVS_UPDATE"),
    (EventKind::BirthRevocation.as_str(), "CRVS_deactivate_ID"),
    (EventKind::DeathRevocation.as_str(), "CRVS_Fraud_Death"),
];

/// [`KINDS`] without their processes.
const KIND_WORDS: [&str; KINDS.len()] = [KINDS[0].0, KINDS[1].0, KINDS[2].0, KINDS[3].0, KINDS[4].0];

/// The packet manager, as what we send to.
pub(crate) struct Packets {
    settings: Settings,
    /// Absent: calls carry no token.
    token: Option<Arc<TokenSource>>,
    clock: Clock,
}

/// How far a registration has come.
#[derive(Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Notes {
    /// Its packet is at MOSIP.
    created: bool,
    /// MOSIP may have begun to process it, and has not said so.
    asked: bool,
}

impl Packets {
    /// `upstream.packets.id_prefix`
    pub(crate) fn id_prefix(&self) -> &str {
        &self.settings.id_prefix
    }

    /// Creates the packet. A repeat makes it again, so that whatever became of an earlier call is of no interest.
    fn create_step(&self, work: &Work, registration: &Registration, notes: Notes) -> Result<Call> {
        let settings = &self.settings;
        let content = registration.content()?;
        let (center, machine) =
            (set(&settings.center_id, "center_id")?, set(&settings.machine_id, "machine_id")?);
        let (ref_id, schema) = (format!("{center}_{machine}"), settings.schema.as_deref());
        let packet = Packet {
            id: &work.id,
            ref_id: &ref_id,
            process: self.process_of(registration.kind())?,
            source: &settings.source,
            schema_version: &settings.schema_version,
            schema_json: content.schema_json.or(schema),
            fields: content.fields,
            meta_info: content.meta_info,
            audit: content.audit,
            len: registration.body().len() + schema.map_or(0, |schema| schema.get().len()),
        };
        let uri = set(&settings.create, "create")?.clone();
        let body = packet::create_request(&packet, self.clock.now())?;
        let created = progress(Notes { created: true, ..notes })?;
        let over = transport_of(&uri);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let reply = reply?;
            packet::read_created(reply.status, &reply.body, over).map_err(|error| reply.explain(error))?;
            Ok(Read::Advance { progress: created, news: None })
        });
        let before = (!work.progress.sent).then(|| progress(notes)).transpose()?;
        Ok(self.call(Method::PUT, uri, body, before, read))
    }

    /// Has the packet processed. That MOSIP may have begun is stored before the first byte leaves.
    fn process_step(&self, id: &str, registration: &Registration, notes: Notes) -> Result<Call> {
        let recipient = registration.content()?.recipient;
        let recipient =
            NotificationInfo { name: &recipient.name, phone: &recipient.phone, email: &recipient.email };
        let uri = set(&self.settings.process, "process")?.clone();
        let process = self.process_of(registration.kind())?;
        let body = packet::process_request(id, process, &self.settings.source, &recipient, self.clock.now())?;
        let refused = progress(Notes { asked: false, ..notes })?;
        let over = transport_of(&uri);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let reply = reply?;
            match packet::read_taken(reply.status, &reply.body, over).map_err(|error| reply.explain(error)) {
                Ok(_) => Ok(Read::Done(taken(over))),
                Err(error) => after_refusal(error, notes.asked, refused, over),
            }
        });
        let before = (!notes.asked).then(|| progress(Notes { asked: true, ..notes })).transpose()?;
        Ok(self.call(Method::POST, uri, body, before, read))
    }

    fn process_of(&self, kind: EventKind) -> Result<&str> {
        let process = self.settings.processes.get(kind.as_str());
        process.map(String::as_str).ok_or_else(|| Error::new(Code::Bug, "a kind of packets has no process"))
    }

    fn call(&self, method: Method, uri: Uri, body: Bytes, before: Option<Progress>, read: ReadReply) -> Call {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::ACCEPT, JSON), (header::CONTENT_TYPE, JSON)]);
        let deadline = self.settings.deadline;
        let request = Request { method, uri, headers, body, deadline, max_response: MAX_REPLY };
        Call { request, token: self.token.clone(), before, seal: None, resend: false, read }
    }
}

impl Listed for Packets {
    const ROWS: Rows = Rows {
        destination: "packets",
        system: "MOSIP's packet manager",
        queue: Queue::Entries,
        kinds: &KIND_WORDS,
        speaks: true,
        remedy: Remedy { keys: Some("the settings of upstream.packets"), ..Remedy::COMMON },
    };

    type Settings = Settings;

    fn new(mut settings: Settings, tools: &Tools) -> Self {
        let token = settings
            .token
            .take()
            .map(|settings| Arc::new(TokenSource::new(IamToken::cookie("upstream.packets.token", settings))));
        Self { settings, token, clock: tools.clock.clone() }
    }
}

impl Destination for Packets {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    /// Both calls of a registration succeed and fail together: no packet is of use that is not processed.
    fn routes(&self) -> Vec<Route> {
        let route = |url| Route {
            host: upstream::host_and_port(url),
            kinds: KIND_WORDS.map(str::to_owned).to_vec(),
            concurrency: self.settings.concurrency,
            deadline: self.settings.deadline,
        };
        self.settings.create.iter().map(route).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.token.iter().map(Arc::clone).collect()
    }

    fn form(&self) -> Form {
        Form::Registration
    }
}

impl Steps for Packets {
    fn next(&self, work: &Work) -> Result<Step> {
        let unknown = |_| Error::new(Code::Bug, "an entry for the packet manager is of no kind of packets");
        let kind: EventKind = work.kind.parse().map_err(unknown)?;
        let registration = Registration::read(kind, work.payload.clone())?;
        let notes = Notes::read(&work.progress)?;
        let call = match notes.created {
            false => self.create_step(work, &registration, notes),
            true => self.process_step(&work.id, &registration, notes),
        };
        call.map(Step::from)
    }
}

impl Notes {
    fn read(progress: &Progress) -> Result<Self> {
        let Some(notes) = &progress.notes else { return Ok(Self::default()) };
        serde_json::from_slice(notes)
            .map_err(|_| Error::new(Code::Bug, "the notes of a registration cannot be read"))
    }
}

/// A registration that may have left, and has come so far.
fn progress(notes: Notes) -> Result<Progress> {
    let notes = serde_json::to_vec(&notes)
        .map_err(|_| Error::new(Code::Bug, "the notes of a registration cannot be written"))?;
    Ok(Progress { notes: Some(Zeroizing::new(notes)), result: None, sent: true })
}

/// MOSIP has it, as it said `over` this connection, and says later what came of it.
fn taken(over: Transport) -> Done {
    Done { news: Some(News::Accepted(over)), is_answered_later: true, ..Done::default() }
}

/// What it means that MOSIP did not take a packet that was to be processed. `was_asked`: an earlier call may have been taken. `refused`: how
/// far the registration has come where this one was looked at and refused.
fn after_refusal(error: Error, was_asked: bool, refused: Progress, over: Transport) -> Result<Read> {
    let Some(code) = error.upstream().map(|said| said.code.clone()).filter(|_| !error.is_server_error())
    else {
        return Err(error);
    };
    let is_known_failure = error.fault() == Fault::Upstream && codes::is_known(&code);
    match was_asked {
        true if codes::was_here_before(&code) => Ok(Read::Done(taken(over))),
        // Nobody looked at what was to be processed, or MOSIP failed in the middle: a later call shows what it knows.
        _ if is_known_failure || codes::is_of_token(&code) => Err(error),
        true if error.fault() != Fault::Partner => Err(unknown_outcome(&code, &error)),
        true => Err(error),
        false => Ok(Read::Refused { progress: refused, error }),
    }
}

/// MOSIP may be processing the packet, and refuses it now. A person finds out; the other registrations go on.
fn unknown_outcome(code: &str, error: &Error) -> Error {
    let message = error.upstream().map(|said| said.message.clone()).unwrap_or_default();
    let what = format!("MOSIP answered {code} to a repeat, and what came of the first call is not known");
    Error::new(Code::Partner, what)
        .blame(Fault::Partner, false)
        .advise(
            "Look the registration id, which is the id of this event, up in MOSIP. Where MOSIP processes it, discard the event; where \
             MOSIP does not know it, retry the event.",
        )
        .with_upstream(code, message)
}

/// The setting `name`, without which nothing goes.
fn set<'s, T>(value: &'s Option<T>, name: &str) -> Result<&'s T> {
    value.as_ref().ok_or_else(|| {
        Error::new(Code::Keys, format!("upstream.packets.{name} is not set"))
            .advise(format!("Set upstream.packets.{name}, and start the gateway again."))
    })
}
