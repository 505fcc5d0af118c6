//! A job: many persons whose UINTOKENs are asked for one by one. What stands in the database about it, without the database.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::mosip::authtoken::Form;

/// Where a record of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// IDA is to be asked.
    Queued,
    /// IDA is being asked.
    Leased,
    /// There is a token.
    Done,
    /// IDA was asked, and there is none; the reason is kept.
    Refused,
    /// IDA is not asked: the record is wrong.
    Invalid,
}

impl RecordState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Leased, Self::Done, Self::Refused, Self::Invalid];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }
}

/// A record as a job begins with it.
pub enum NewRecord {
    /// IDA is to be asked this.
    Ask(Zeroizing<Vec<u8>>),
    /// It is wrong.
    Invalid(Outcome),
}

/// What became of a record; sealed at rest. No `Debug`: it is personal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The number of the person, as it was given.
    pub individual_id: String,
    /// The UINTOKEN.
    pub token: Option<String>,
    /// By what the outcome is known: `signature`, `tls`, `none`; absent where IDA said nothing of this person.
    pub verified: Option<String>,
    /// Why there is no token.
    pub errors: Vec<Reason>,
}

/// Why there is no token. MOSIP's sentence may name what of a person did not fit.
#[derive(Clone, Serialize, Deserialize)]
pub struct Reason {
    /// MOSIP's code, or ours.
    pub code: String,
    /// The sentence that goes with it.
    pub message: String,
    /// Which value of the record, as a JSON pointer into the list that was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl Outcome {
    /// There is no token, because of `reasons`.
    pub fn without_token(individual_id: String, errors: Vec<Reason>) -> Self {
        Self { individual_id, token: None, verified: None, errors }
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

/// A record that IDA is being asked about.
pub struct RecordLease {
    /// Names the record.
    pub id: String,
    /// Attempts begun, this one among them.
    pub attempts: u32,
    /// As it was kept.
    pub kept: Zeroizing<Vec<u8>>,
}

/// How far a job has come.
pub struct Job {
    /// Its id.
    pub id: String,
    /// Of its file.
    pub form: Form,
    /// How many records are in which state.
    pub progress: Progress,
}

/// How many records are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// All.
    pub records: u64,
    /// See [`RecordState`].
    pub queued: u64,
    /// See [`RecordState`].
    pub leased: u64,
    /// See [`RecordState`].
    pub done: u64,
    /// See [`RecordState`].
    pub refused: u64,
    /// See [`RecordState`].
    pub invalid: u64,
    /// How many of the queued ones do not open: they wait until `outbox.key_file` and the database fit each other again.
    /// Left out where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
}

impl Progress {
    /// Whether nothing is left to be asked.
    pub const fn is_finished(&self) -> bool {
        self.queued == 0 && self.leased == 0
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A record that is settled.
#[derive(Serialize)]
pub struct Settled {
    /// Its place in the list, from 0.
    pub record: u64,
    /// Where it stands.
    pub state: RecordState,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}
