//! An event in the outbox: what is kept of it, and the states it goes through.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Book;
use super::accept::TABLE;
use super::answers::Answer;
use super::correlation::cause;
use super::overview::Attempt;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::registration::Aid;
pub(crate) use crate::store::State;
use crate::store::{self, Millis, NewRow, Queue};

/// The state of an entry.
pub(crate) const STATES: [State; 5] =
    [State::Queued, State::Leased, State::Done, State::Parked, State::Discarded];

/// Reads the word of the API; [`Code::Field`] for any other.
pub(crate) fn parse_state(text: &str) -> Result<State> {
    STATES.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        Error::new(Code::Field, "the state is none of queued, leased, done, parked, discarded")
            .advise("Write one of them.")
    })
}

/// An entry that is to be made, for one destination.
pub(crate) struct NewEntry<'a> {
    /// The word of its rows.
    pub(crate) destination: &'static str,
    /// One of the kinds that the destination takes.
    pub(crate) kind: &'a str,
    pub(crate) id: String,
    /// Entries of one line go to the destination in order.
    pub(crate) line: String,
    pub(crate) payload: &'a [u8],
    /// The application id that it comes with.
    pub(crate) aid: Option<&'a Aid>,
    /// The HMAC by which it is found when it comes again.
    pub(crate) identity: Option<Vec<u8>>,
}

impl Book<'_> {
    /// Puts `entry` into the queue of its destination.
    pub(super) fn queue(&self, entry: NewEntry<'_>) -> Result<()> {
        let NewEntry { destination, kind, id, line, payload, aid, identity } = entry;
        if cause(&id) != id {
            self.follow(&id)?;
        }
        let row = NewRow {
            queue: Queue::Entries,
            destination: destination.to_owned(),
            kind: kind.to_owned(),
            line: Some(line),
            accepted_at: self.wall.millis(),
            waiting_since: self.now,
            payload: Some(self.seal(TABLE, &id, "payload", payload)?),
            result: aid.map(|aid| self.seal(TABLE, &id, "aid", aid.as_str().as_bytes())).transpose()?,
            identity,
            met_by: None,
            job: None,
            trace: self.trace(),
            is_invalid: false,
            id,
        };
        self.insert(row)
    }
}

/// Why an attempt failed. It holds nothing personal: MOSIP's own sentence is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LastFault)]
pub(crate) struct Refusal {
    /// The problem code, or what IDA's answer about a record comes to.
    pub(crate) code: String,
    /// Who has to act.
    pub(crate) fault: Fault,
    /// What happened.
    pub(crate) detail: String,
    /// What to do.
    pub(crate) advice: String,
    /// MOSIP's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) upstream: Option<String>,
}

impl Refusal {
    /// As the rows keep it.
    pub(crate) fn kept(&self) -> Result<store::Refusal> {
        let text =
            serde_json::to_string(self).map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))?;
        Ok(store::Refusal { fault: self.fault.as_str().to_owned(), text })
    }

    /// As it was when it was noted, for whoever goes on by it.
    pub(crate) fn error(&self) -> Error {
        let code = Code::ALL.into_iter().find(|code| code.as_str() == self.code).unwrap_or(Code::Upstream);
        let error = Error::new(code, self.detail.as_str()).advise(self.advice.as_str());
        let error = error.blame(self.fault, code.retryable());
        match &self.upstream {
            Some(upstream) => error.with_upstream(upstream.as_str(), ""),
            None => error,
        }
    }

    /// From what the rows keep.
    pub(crate) fn read(text: Option<&str>) -> Option<Self> {
        text.and_then(|text| serde_json::from_str(text).ok())
    }
}

impl From<&Error> for Refusal {
    /// Nobody who reads it later has the body at hand, so that a pointer into it becomes a part of the sentence.
    fn from(error: &Error) -> Self {
        let pointer = error.pointer().filter(|pointer| !pointer.is_empty() && error.upstream().is_none());
        let (mut detail, mut advice) = (error.detail().to_owned(), error.advice().to_owned());
        if let Some(pointer) = pointer {
            detail = format!("{detail} (at {pointer})");
            advice = advice.replace("`pointer`", pointer);
        }
        Self {
            code: error.code().as_str().to_owned(),
            fault: error.fault(),
            detail,
            advice,
            upstream: error.upstream().map(|upstream| upstream.code.clone()),
        }
    }
}

/// Why a row is given up that was never tried.
pub(super) fn never_tried() -> Error {
    Error::new(Code::Upstream, "its turn never came before outbox.give_up_after")
}

/// What callers see of an entry: everything but its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Order of acceptance; also the cursor of lists.
    pub(crate) seq: i64,
    /// The id it goes to MOSIP under, the same in every attempt.
    pub(crate) id: String,
    /// What it is, and where it goes.
    pub(crate) kind: String,
    pub(crate) destination: String,
    pub(crate) state: State,
    /// Attempts begun.
    pub(crate) attempts: u32,
    /// When it was accepted, by the machine's clock.
    pub(crate) accepted_at: Timestamp,
    /// When the next attempt is due, on the outbox's clock; at or before now: as soon as its turn comes.
    pub(crate) next_at: Millis,
    /// Why the last attempt failed.
    pub(crate) refusal: Option<Refusal>,
    /// Why a person discarded it.
    pub(crate) discarded_for: Option<String>,
    /// The application id that it carries.
    pub(crate) aid: Option<Aid>,
}

/// An [`Entry`] as the API and the command line show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    id: String,
    kind: String,
    destination: String,
    state: &'static str,
    attempts: u32,
    accepted_at: String,
    /// Seconds until the next attempt is due; 0: when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_in: Option<i64>,
    aid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<Refusal>,
    /// Why a person discarded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded_for: Option<String>,
    /// How its last attempts ended, in order; of one event alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Attempt>>,
    /// What came of it at MOSIP, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

impl EntryView {
    /// `entry` at `now` of the outbox's clock.
    pub(crate) fn of(entry: Entry, now: Millis) -> Self {
        let waits = entry.state == State::Queued;
        Self {
            id: entry.id,
            kind: entry.kind,
            destination: entry.destination,
            state: entry.state.as_str(),
            attempts: entry.attempts,
            accepted_at: entry.accepted_at.to_iso(),
            next_try_in: waits.then(|| entry.next_at.saturating_sub(now).max(0) / 1000),
            aid: entry.aid.map(|aid| aid.to_string()),
            last_fault: entry.refusal,
            discarded_for: entry.discarded_for,
            history: None,
            answer: None,
        }
    }

    /// With what came of it at MOSIP.
    pub(crate) fn answered(self, answer: Option<Answer>) -> Self {
        Self { answer, ..self }
    }

    /// With how its last attempts ended.
    pub(crate) fn tried(self, attempts: Vec<Attempt>) -> Self {
        Self { history: Some(attempts), ..self }
    }
}
