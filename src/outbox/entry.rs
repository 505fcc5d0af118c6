//! An event in the outbox: what is kept of it, and the states it goes through.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::uptime::Millis;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::mosip::event::{Aid, EventKind};

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for its turn.
    Queued,
    /// An attempt is under way.
    Leased,
    /// MOSIP took it.
    Done,
    /// It cannot go as it is; a person decides.
    Parked,
    /// A person decided that it will not go.
    Discarded,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Leased, Self::Done, Self::Parked, Self::Discarded];

    /// The word in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
        }
    }

    /// Whether nothing more will happen to it by itself or by an operator.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Discarded)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            Error::new(Code::Field, "the state is none of queued, leased, done, parked, discarded")
        })
    }
}

/// Why the last attempt failed. It holds nothing personal: MOSIP's own sentence is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The problem code.
    pub code: String,
    /// Whose move it is.
    pub fault: String,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub advice: String,
    /// MOSIP's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            fault: error.fault().as_str().to_owned(),
            detail: error.detail().to_owned(),
            advice: error.advice().to_owned(),
            upstream: error.upstream().map(|upstream| upstream.code.clone()),
        }
    }
}

/// What is told of an entry: everything but its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Order of acceptance; also the cursor of lists.
    pub seq: i64,
    /// The id it goes to MOSIP under, the same in every attempt.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// Where it stands.
    pub state: State,
    /// Attempts begun.
    pub attempts: u32,
    /// When it was accepted, by the machine's clock.
    pub accepted_at: Timestamp,
    /// When the next attempt is due, on the outbox's clock; at or before now: as soon as its turn comes.
    pub next_at: Millis,
    /// Why the last attempt failed.
    pub refusal: Option<Refusal>,
    /// The application id that it carries.
    pub aid: Option<Aid>,
}

/// An [`Entry`] as the API and the command line show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    id: String,
    kind: &'static str,
    state: &'static str,
    attempts: u32,
    accepted_at: String,
    /// Seconds until the next attempt is due; 0: when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_in: Option<i64>,
    aid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<Refusal>,
}

impl Shown {
    /// `entry` at `now` of the outbox's clock.
    pub fn of(entry: Entry, now: Millis) -> Self {
        let waits = entry.state == State::Queued;
        Self {
            id: entry.id,
            kind: entry.kind.as_str(),
            state: entry.state.as_str(),
            attempts: entry.attempts,
            accepted_at: entry.accepted_at.to_iso(),
            next_try_in: waits.then(|| entry.next_at.saturating_sub(now).max(0) / 1000),
            aid: entry.aid.map(|aid| aid.to_string()),
            last_fault: entry.refusal,
        }
    }
}

/// An entry that is being sent.
pub struct Lease {
    /// What is told of it.
    pub entry: Entry,
    /// The webhook as it was accepted.
    pub payload: bytes::Bytes,
    /// Whether an attempt may have reached MOSIP before. Then no application id is fetched any more: MOSIP made its own.
    pub sent: bool,
    /// When it was accepted or last put back by a person, on the outbox's clock.
    pub waiting_since: Millis,
}

/// How an attempt ended, as the store is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// MOSIP took it.
    Done,
    /// Back into the queue until `next_at`.
    Again {
        /// On the outbox's clock.
        next_at: Millis,
        /// Why.
        refusal: Refusal,
    },
    /// It cannot go as it is.
    Park(Refusal),
}
