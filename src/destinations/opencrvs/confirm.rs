//! What came of a registration, told to OpenCRVS's core. Under the record token that came with it (1.9), in one step: the action that the token
//! names is accepted or rejected, and nothing may be read. Under the gateway's own client (2.0 and later), and where the record token has ended
//! and there is a client, in two: the event is asked for, which says which action waits, and that action is accepted or rejected. A crash after
//! the first goes on with the second, and a repeat of the second is the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::{Call, Done, Progress, Read, ReadReply, Route, Step, TokenSource, Work};
use super::settings::{ConfirmWith, Confirmation as Settings};
use super::{CONFIRM, DEADLINE, JSON, route};
use crate::clock::{Clock, to_millis};
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Fault, Result};
use crate::opencrvs::confirm::{self, Awaited, Confirmation, Decision, Standing, Verdict};
use crate::opencrvs::record_token::{KeptToken, RecordToken};
use crate::upstream::{self, Reply, Request, host_and_port};

/// Largest answer, bytes. An event holds every action of its record; documents are in other places.
const MAX_REPLY: usize = 8 << 20;
/// How long OpenCRVS may take to store the action that waits: it does so after its country configuration has handed the registration over,
/// and a simulated MOSIP is faster than that.
const PATIENCE: Duration = Duration::from_hours(1);

pub(super) struct Confirmations {
    pub(super) settings: Settings,
    /// Our own client is set.
    pub(super) has_client: bool,
    pub(super) token: Arc<TokenSource>,
    pub(super) clock: Clock,
}

/// Under whose token a call goes.
enum Caller {
    Client,
    /// The value of `Authorization`, of the record token.
    Record(HeaderValue),
}

/// How far a confirmation has come.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Notes {
    /// The action that waits.
    action_id: Option<String>,
    /// Of a correction, the request for it.
    request_id: Option<String>,
    /// The record token is of no use any more, and our own client goes on.
    by_client: bool,
}

impl Confirmations {
    pub(super) fn route(&self) -> Option<Route> {
        self.settings.url.as_ref().map(|url| route(host_and_port(url), CONFIRM))
    }

    pub(super) fn token(&self) -> Option<Arc<TokenSource>> {
        let is_used = self.has_client || self.settings.with == ConfirmWith::Client;
        self.settings.url.as_ref().filter(|_| is_used).map(|_| Arc::clone(&self.token))
    }

    pub(super) fn next(&self, work: &Work) -> Result<Step> {
        let url = self.settings.url.as_ref().ok_or_else(|| {
            Error::new(Code::Keys, "opencrvs.url is not set")
                .advise("Set opencrvs.url, and start the gateway again.")
        })?;
        let confirmation: Confirmation = serde_json::from_slice(&work.payload)
            .map_err(|_| Error::new(Code::Bug, "a confirmation cannot be read"))?;
        let notes = Notes::read(&work.progress)?;
        let call = match notes {
            Notes { action_id: Some(action_id), request_id, .. } => {
                self.decide(url, confirmation, &action_id, request_id.as_deref())
            }
            Notes { by_client, .. }
                if by_client && self.has_client || self.settings.with == ConfirmWith::Client =>
            {
                self.look(url, confirmation)
            }
            _ => match &work.record_token {
                KeptToken::Token(token) => self.decide_with(url, confirmation, token),
                _ if self.has_client => self.look(url, confirmation),
                KeptToken::Ended => {
                    Err(token_ended("the record token ended before MOSIP answered").before_call())
                }
                KeptToken::Rejected if confirmation.verdict == Verdict::Accept => {
                    Err(no_confirmation(&Standing::Contradicted, Verdict::Accept).before_call())
                }
                KeptToken::None | KeptToken::Rejected => Err(no_token().before_call()),
            },
        };
        call.map(Step::from)
    }

    /// Asks which action waits.
    fn look(&self, url: &Uri, confirmation: Confirmation) -> Result<Call> {
        let path = confirm::event_path(url.path(), &confirmation.event_id)?;
        let is_young = self.is_young(&confirmation);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let Confirmation { awaited, verdict, transaction_id, event_id, action_id, .. } = &confirmation;
            let reply = reply?;
            let event = confirm::read_event(reply.status, &reply.body, event_id)
                .map_err(|error| reply.explain(error))?;
            match event.standing(*awaited, *verdict, action_id.as_deref(), transaction_id) {
                Standing::Waits { action_id, request_id } => {
                    let notes = Notes { action_id: Some(action_id), request_id, by_client: true };
                    let progress = notes.progress()?;
                    Ok(Read::Advance { progress, news: None })
                }
                Standing::Decided => Ok(Read::Done(Done::default())),
                Standing::Nothing if is_young => Err(nothing_yet()),
                standing => Err(no_confirmation(&standing, *verdict)),
            }
        });
        self.call(url, Caller::Client, Method::GET, path, Bytes::new(), read)
    }

    /// Accepts or rejects the action that waits, under our own client.
    fn decide(
        &self,
        url: &Uri,
        confirmation: Confirmation,
        action_id: &str,
        request_id: Option<&str>,
    ) -> Result<Call> {
        let (path, body) = self.decision(url, &confirmation, action_id, request_id)?;
        // Whatever core said in place of taking it, the record may have changed when it is tried again: it is looked up anew.
        let refused = Notes::default().progress()?;
        let read = Box::new(move |reply: Result<Reply, _>| {
            let reply = reply?;
            match confirm::read_event(reply.status, &reply.body, &confirmation.event_id) {
                Ok(_) => Ok(Read::Done(Done::default())),
                Err(error) => {
                    let is_of_record = error.fault() == Fault::Caller;
                    let error = if is_of_record { error } else { reply.explain(error) };
                    Ok(Read::Refused { progress: refused, error })
                }
            }
        });
        self.call(url, Caller::Client, Method::POST, path, body, read)
    }

    /// Accepts or rejects the action that `token` names, under that token. Once OpenCRVS does not take the token, our own client goes on.
    fn decide_with(&self, url: &Uri, confirmation: Confirmation, token: &RecordToken) -> Result<Call> {
        let (path, body) = self.decision(url, &confirmation, token.action_id(), None)?;
        let (is_young, has_client) = (self.is_young(&confirmation), self.has_client);
        let read = Box::new(move |reply: Result<Reply, _>| {
            let reply = reply?;
            let Err(error) = confirm::read_event(reply.status, &reply.body, &confirmation.event_id) else {
                return Ok(Read::Done(Done::default()));
            };
            match error.upstream().map_or("", |said| &said.code) {
                "UNAUTHORIZED" | "FORBIDDEN" if has_client => {
                    let progress = Notes { by_client: true, ..Notes::default() }.progress()?;
                    Ok(Read::Advance { progress, news: None })
                }
                "UNAUTHORIZED" => Err(token_ended("OpenCRVS does not take the record token any more")),
                "FORBIDDEN" => Err(token_refused()),
                "NOT_FOUND" if is_young && error.fault() == Fault::Caller => Err(nothing_yet()),
                _ if error.fault() == Fault::Caller => Err(error),
                _ => Err(reply.explain(error)),
            }
        });
        self.call(url, Caller::Record(token.bearer()?), Method::POST, path, body, read)
    }

    /// Where the decision about the action `action_id` is posted, and its body.
    fn decision(
        &self,
        url: &Uri,
        confirmation: &Confirmation,
        action_id: &str,
        request_id: Option<&str>,
    ) -> Result<(SecretWriter, Bytes)> {
        let Confirmation { awaited, verdict, .. } = *confirmation;
        // Only a correction has a request.
        let awaited = match request_id {
            Some(_) if awaited == Awaited::Either => Awaited::Correction,
            _ => awaited,
        };
        let is_accepted = verdict == Verdict::Accept;
        let is_registered = is_accepted && awaited != Awaited::Correction;
        let decision = Decision {
            transaction_id: &confirmation.transaction_id,
            event_id: &confirmation.event_id,
            action_id,
            request_id,
            registration_number: confirmation.registration_number.as_deref().filter(|_| is_registered),
            declaration: is_accepted.then(|| self.declaration(confirmation)).transpose()?,
        };
        let body = Bytes::from_owner(confirm::decision_body(&decision)?);
        Ok((confirm::decision_path(url.path(), awaited, verdict), body))
    }

    /// OpenCRVS may not have stored yet what waits.
    fn is_young(&self, confirmation: &Confirmation) -> bool {
        self.clock.now().millis().saturating_sub(confirmation.caused_at) < to_millis(PATIENCE)
    }

    /// The number of the person, under the field that the record has for it. A death brings none.
    fn declaration<'a>(&'a self, confirmation: &'a Confirmation) -> Result<BTreeMap<&'a str, &'a str>> {
        let Settings { national_id_field, national_id_key, .. } = &self.settings;
        let number = confirmation.numbers.get(national_id_key);
        if number.is_none() && confirmation.wants_number {
            let what = format!("the credential of a birth holds no {national_id_key} that its issuer signed");
            return Err(Error::new(Code::Field, what)
                .advise("Set opencrvs.national_id_key to the member that holds the number, such as UIN or VID, start the gateway again, and retry this entry."));
        }
        Ok(number.map(|number| (national_id_field.as_str(), number.as_str())).into_iter().collect())
    }

    fn call(
        &self,
        url: &Uri,
        caller: Caller,
        method: Method,
        path: SecretWriter,
        body: Bytes,
        read: ReadReply,
    ) -> Result<Call> {
        let uri = upstream::with_secret_path(url, path)
            .ok_or_else(|| Error::new(Code::Bug, "a confirmation has no URL"))?;
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, JSON)]);
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        let token = match caller {
            Caller::Client => Some(Arc::clone(&self.token)),
            Caller::Record(bearer) => {
                headers.insert(header::AUTHORIZATION, bearer);
                None
            }
        };
        let request = Request { method, uri, headers, body, deadline: DEADLINE, max_response: MAX_REPLY };
        Ok(Call { request, token, before: None, seal: None, resend: false, read })
    }
}

impl Notes {
    fn read(progress: &Progress) -> Result<Self> {
        let Some(notes) = &progress.notes else { return Ok(Self::default()) };
        serde_json::from_slice(notes)
            .map_err(|_| Error::new(Code::Bug, "the notes of a confirmation cannot be read"))
    }

    fn progress(&self) -> Result<Progress> {
        let notes = serde_json::to_vec(self)
            .map_err(|_| Error::new(Code::Bug, "the notes of a confirmation cannot be written"))?;
        Ok(Progress { notes: Some(Zeroizing::new(notes)), result: None, sent: true })
    }
}

/// It is tried again.
fn nothing_yet() -> Error {
    Error::new(Code::Upstream, "nothing in the record waits for a confirmation yet")
        .advise("It is tried again by itself: OpenCRVS stores what waits a moment after it has handed the registration over.")
        .with_upstream(NOTHING_WAITS, "")
}

/// Stands in place of a code of OpenCRVS.
const NOTHING_WAITS: &str = "nothing-waits";

/// A registration whose record token is of no use is confirmed otherwise, or a person decides.
const OTHERWISE: &str = "Have OpenCRVS hand the registration over once more, which brings a newer token, or set the system client of OpenCRVS 2.0 or later \
                         in opencrvs.client_id and start the gateway again; then retry this entry. Or have the record decided in OpenCRVS, and discard it.";

/// The record token can be used no more, because of `what`.
fn token_ended(what: &str) -> Error {
    of_token(what, "record-token-expired")
}

fn token_refused() -> Error {
    of_token("OpenCRVS does not let the record token decide this; from 2.1 on it takes none", "FORBIDDEN")
}

fn no_token() -> Error {
    let what = "no record token is kept that confirms this: none came with the registration, it was confirmed before, or it is a correction";
    of_token(what, "no-record-token")
}

fn of_token(what: &str, code: &str) -> Error {
    Error::new(Code::Upstream, what).blame(Fault::Caller, false).with_upstream(code, "").advise(OTHERWISE)
}

/// Why the record takes no confirmation. A person decides.
fn no_confirmation(standing: &Standing, verdict: Verdict) -> Error {
    let (code, what, advice) = match (standing, verdict) {
        (Standing::Contradicted, Verdict::Accept) => (
            "rejected-before",
            "the record was rejected before in OpenCRVS, and MOSIP has issued its credential since",
            "Have the registrar register the record once more in OpenCRVS, or ask the MOSIP office to withdraw the credential. Then discard this entry.",
        ),
        (Standing::Contradicted, Verdict::Reject) => (
            "accepted-before",
            "the record was accepted before in OpenCRVS, and MOSIP rejects it",
            "Ask the MOSIP office whether the credential stands, and have the record corrected in OpenCRVS where it does not. Then discard this entry.",
        ),
        (Standing::Several, _) => (
            "several-wait",
            "several actions of the record wait for a confirmation, and nobody knows which is meant",
            "Have all but one of them decided in OpenCRVS, and retry this entry; or confirm by hand and discard it.",
        ),
        _ => (
            NOTHING_WAITS,
            "nothing in the record waits for a confirmation",
            "Look the record up in OpenCRVS. Where it was decided there, discard this entry; where it is registered once more, retry it.",
        ),
    };
    Error::new(Code::Upstream, what).blame(Fault::Caller, false).with_upstream(code, "").advise(advice)
}
