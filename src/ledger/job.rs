//! A job: many persons whose UINTOKENs are asked for one by one. What the database keeps about it, without the database.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::entry::Refusal;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::authtoken::Form;
use crate::mosip::codes::UpstreamError;
use crate::store::State;

/// The records of a new job. They are read one at a time and, where that is needed, again: sealed, all together take several times the
/// memory of what was posted.
pub(crate) trait Records: Send + Sync + 'static {
    /// All, in order; the same each time.
    fn records(&self) -> impl Iterator<Item = NewRecord>;

    /// How many bytes they are made of.
    fn size(&self) -> usize;
}

impl Records for Vec<NewRecord> {
    fn records(&self) -> impl Iterator<Item = NewRecord> {
        self.iter().cloned()
    }

    fn size(&self) -> usize {
        let size = |record: &NewRecord| match record {
            NewRecord::Ask(kept) => kept.len(),
            NewRecord::Invalid(outcome) => outcome.individual_id.len(),
        };
        self.iter().map(size).sum()
    }
}

/// A record as a job begins with it.
#[derive(Clone)]
pub(crate) enum NewRecord {
    /// IDA is to be asked this.
    Ask(Zeroizing<Vec<u8>>),
    /// It is wrong.
    Invalid(Outcome),
}

/// The code of a record whose person IDA confirms without a token.
pub(crate) const NO_TOKEN: &str = "no-token";
/// The code of a record whose person IDA does not confirm, without a reason.
pub(crate) const NOT_CONFIRMED: &str = "not-confirmed";

/// What became of a record; sealed at rest. No `Debug`: it is personal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// The number of the person, as it was given.
    pub(crate) individual_id: String,
    /// The UINTOKEN.
    pub(crate) token: Option<String>,
    /// By what the outcome is known: `signature`, `tls`, `none`; absent where IDA said nothing of this person.
    pub(crate) verified: Option<String>,
    /// Why there is no token.
    pub(crate) errors: Vec<Reason>,
}

/// What a code of ours means.
struct Meaning {
    fault: Fault,
    detail: &'static str,
    advice: &'static str,
}

/// Why there is no token. MOSIP's sentence may name what of a person did not fit.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reason {
    /// MOSIP's code, or ours.
    pub(crate) code: String,
    /// The sentence that goes with it.
    pub(crate) message: String,
    /// Which value of the record, as a JSON pointer into the list that was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
}

impl Outcome {
    /// There is no token, because of `reasons`.
    pub(crate) fn without_token(individual_id: String, errors: Vec<Reason>) -> Self {
        Self { individual_id, token: None, verified: None, errors }
    }

    /// Why there is no token, without anything of a person: MOSIP's sentence is left out, and its code is explained. `None`: there is one.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let reason = self.errors.first().filter(|_| self.token.is_none())?;
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
            fault: fault.as_str().to_owned(),
            detail: detail.to_owned(),
            advice: advice.to_owned(),
            upstream: None,
        })
    }

    /// As it is sealed.
    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| Error::new(Code::Bug, "an outcome does not serialise"))
    }
}

impl Reason {
    /// A person cancelled the job, and said why.
    pub(super) fn cancelled(why: &str) -> Self {
        Self { code: "cancelled".to_owned(), message: format!("the job was cancelled: {why}"), pointer: None }
    }

    /// The record waited too long, and the last attempt failed so.
    pub(super) fn of_last(refusal: &Refusal) -> Self {
        let message = format!("given up after outbox.give_up_after; the last attempt: {}", refusal.detail);
        let code = refusal.upstream.as_ref().unwrap_or(&refusal.code);
        Self { code: code.clone(), message, pointer: None }
    }

    /// The record waited too long, and IDA was never asked.
    pub(super) fn never_asked() -> Self {
        Self::from(&super::entry::never_tried())
    }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        match error.upstream() {
            Some(said) => Self { code: said.code.clone(), message: said.message.clone(), pointer: None },
            None => Self {
                code: error.code().as_str().to_owned(),
                message: error.detail().to_owned(),
                pointer: error.pointer().map(str::to_owned),
            },
        }
    }
}

/// How far a job has come.
pub(crate) struct Job {
    /// Its id.
    pub(crate) id: String,
    /// Of its file.
    pub(crate) form: Form,
    /// How many records are in which state.
    pub(crate) progress: Progress,
}

/// How many records are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    /// All.
    pub(crate) records: u64,
    /// See [`State`].
    pub(crate) queued: u64,
    /// See [`State`].
    pub(crate) leased: u64,
    /// See [`State`].
    pub(crate) done: u64,
    /// See [`State`].
    pub(crate) refused: u64,
    /// See [`State`].
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

/// A record that is settled.
#[derive(Serialize)]
pub(crate) struct Settled {
    /// Its place in the list, from 0.
    pub(crate) record: u64,
    /// Its state.
    pub(crate) state: State,
    /// What became of it.
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}
