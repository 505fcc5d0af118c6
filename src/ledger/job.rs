//! A job: many persons whose UINTOKENs are asked for one by one. What the database keeps about it, without the database.

use serde::Serialize;
use zeroize::Zeroizing;

use super::entry::Refusal;
use crate::error::{Error, Fault};
use crate::mosip::authtoken::Form;
use crate::mosip::codes::UpstreamError;
use crate::mosip::ida::{NO_TOKEN, NOT_CONFIRMED, Outcome, Reason};
use crate::store::{Millis, State};

/// The records of a new job. They are read one at a time and, where that is needed, again: sealed, all together take several times the
/// memory of what was posted.
pub(crate) trait Records: Send + Sync + 'static {
    /// All, in order; the same each time.
    fn records(&self) -> impl Iterator<Item = NewRecord>;

    /// How many bytes they are made of.
    fn size(&self) -> usize;
}

/// A record as a job begins with it.
#[cfg_attr(test, derive(Clone))]
pub(crate) enum NewRecord {
    /// IDA is to be asked this.
    Ask(Zeroizing<Vec<u8>>),
    /// It is wrong.
    Invalid(Outcome),
}

/// What a code of ours means.
struct Meaning {
    fault: Fault,
    detail: &'static str,
    advice: &'static str,
}

/// Why `outcome` has no token, without anything of a person: MOSIP's sentence is left out, and its code is explained. `None`: it has one.
pub(super) fn refusal(outcome: &Outcome) -> Option<Refusal> {
    let reason = outcome.errors.first().filter(|_| outcome.token.is_none())?;
    let Meaning { fault, detail, advice } = match reason.code.as_str() {
        NO_TOKEN => Meaning {
            fault: Fault::Partner,
            detail: "IDA confirms the person, and the policy of this partner shares no token",
            advice: "Have the MOSIP administrator give this partner a policy that shares the token.",
        },
        NOT_CONFIRMED => Meaning {
            fault: Fault::Caller,
            detail: "IDA does not confirm the person, and gives no reason",
            advice: "Correct the details of the person, and ask again in another job.",
        },
        code => {
            let (error_code, error_message) = (code.to_owned(), reason.message.clone());
            return Some(Refusal::from(&Error::from(UpstreamError { error_code, error_message })));
        }
    };
    Some(Refusal {
        code: reason.code.clone(),
        fault,
        detail: detail.to_owned(),
        advice: advice.to_owned(),
        upstream: None,
    })
}

/// The reason of a record whose job a person cancelled, and said why.
pub(super) fn cancelled(why: &str) -> Reason {
    Reason::new("cancelled", format!("the job was cancelled: {why}"))
}

/// The reason of a record that waited too long; its last attempt failed so.
pub(super) fn given_up(last: &Refusal) -> Reason {
    let message = format!("given up after outbox.give_up_after; the last attempt: {}", last.detail);
    Reason::new(last.upstream.as_ref().unwrap_or(&last.code), message)
}

/// The reason of a record that waited too long, and about which IDA was never asked.
pub(super) fn never_asked() -> Reason {
    Reason::from(&super::entry::never_tried())
}

/// How far a job has come.
pub(crate) struct Job {
    pub(crate) id: String,
    /// Of its file.
    pub(crate) form: Form,
    /// How many records are in which state.
    pub(crate) progress: Progress,
}

/// How many records are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Progress {
    pub(crate) records: u64,
    pub(crate) queued: u64,
    pub(crate) leased: u64,
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) invalid: u64,
    /// How many of the queued ones do not open: they wait until `outbox.key_file` and the database fit each other again.
    /// Left out where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unreadable: u64,
}

impl Progress {
    /// This job and `other` together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            queued: self.queued + other.queued,
            leased: self.leased + other.leased,
            done: self.done + other.done,
            refused: self.refused + other.refused,
            invalid: self.invalid + other.invalid,
            unreadable: self.unreadable + other.unreadable,
        }
    }

    /// Whether nothing is left to be asked.
    pub(crate) const fn is_finished(&self) -> bool {
        self.queued == 0 && self.leased == 0
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Jobs that are not finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) jobs: u64,
    /// How far all of them together have come.
    pub(crate) progress: Progress,
    /// When the oldest was accepted, on the outbox's clock.
    pub(crate) since: Option<Millis>,
}

/// A record that is settled.
#[derive(Serialize)]
pub(crate) struct Settled {
    /// Its place in the list, from 0.
    pub(crate) record: u64,
    pub(crate) state: State,
    /// What became of it.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}
