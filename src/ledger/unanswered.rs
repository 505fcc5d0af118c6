//! Registrations whose answer of MOSIP is overdue: how many there are, which, and that a person has settled one with MOSIP.

use super::answers::{Answer, AnswerDetails, SETTLED, SILENT, is_overdue, overdue};
use super::operator::Page;
use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::mosip::push::Outcome;

/// A registration whose answer is overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// Order and cursor.
    pub(crate) seq: i64,
    /// The id of its event.
    pub(crate) id: String,
    pub(crate) answer: Answer,
}

impl Ledger {
    /// Of how many registrations MOSIP has said nothing in time, nor since.
    pub(crate) async fn silent(&self) -> Result<u64> {
        self.read(|book| book.tx().outcomes(SILENT)).await
    }

    /// How many registrations MOSIP has neither given a credential in time nor rejected, nor since, and nobody has settled: the silent ones,
    /// and those whose packet it processed or paused.
    pub(crate) async fn unanswered(&self) -> Result<u64> {
        self.read(|book| words().map(|word| book.tx().outcomes(&word)).sum()).await
    }

    /// These registrations in order of acceptance, at most [`Page::SIZE`] after `after`.
    pub(crate) async fn unanswered_after(&self, after: i64) -> Result<Vec<Unanswered>> {
        self.read(move |book| {
            let mut rows = Vec::new();
            for word in words() {
                rows.extend(book.tx().concluded(&word, after, Page::SIZE)?);
            }
            rows.sort_unstable();
            rows.truncate(Page::SIZE);
            let read = |(seq, id): (i64, String)| {
                let answer = book.answer(&id)?;
                Ok(answer.map(|answer| Unanswered { seq, id, answer }))
            };
            rows.into_iter().filter_map(|row| read(row).transpose()).collect()
        })
        .await
    }

    /// A person has settled with MOSIP what becomes of the registration of the event `id`, because of `reason`, and so of every event of that
    /// registration. What MOSIP still says of it is delivered. [`Code::NotFound`]; [`Code::StateConflict`] where its answer is not overdue.
    pub(crate) async fn settle_unanswered(&self, id: String, reason: String) -> Result<Answer> {
        self.run(move |book| {
            let entry = book.answered_under(&id)?;
            let is_known = book.tx().correlation(&entry)?.is_some();
            if !is_known {
                return Err(Error::new(Code::NotFound, "there is no such registration"));
            }
            if !book.is_overdue(&entry)? {
                let detail = "no answer of MOSIP to this registration is overdue";
                return Err(Error::new(Code::StateConflict, detail).advise(
                    "Nothing is to be settled: /v1/unanswered lists what is overdue, and `answer` under /v1/events/{id} says what came of a registration.",
                ));
            }
            book.settle_unanswered(&entry, &reason)?;
            if let Some(registration) = book.subject_of(&entry)?.registration_id {
                for other in book.bearers("registrationId", &registration)? {
                    if book.is_overdue(&other)? {
                        book.settle_unanswered(&other, &reason)?;
                    }
                }
            }
            let answer = book.answer(&entry)?;
            answer.ok_or_else(|| Error::new(Code::Bug, "what came of a registration is not there"))
        })
        .await
    }
}

impl Book<'_> {
    fn is_overdue(&self, entry: &str) -> Result<bool> {
        Ok(self.tx().outcome(entry)?.is_some_and(|row| is_overdue(&row.outcome)))
    }

    fn settle_unanswered(&self, entry: &str, reason: &str) -> Result<()> {
        let former = self.answer(entry)?.map(|answer| answer.details).unwrap_or_default();
        let settled_for = Some(reason.to_owned());
        let details = AnswerDetails { at: self.wall.to_iso(), advice: None, settled_for, ..former };
        self.write_outcome(entry, SETTLED, &details)
    }
}

/// The words in the database of registrations whose answer is overdue.
fn words() -> impl Iterator<Item = String> {
    let goes_on = Outcome::ALL.into_iter().filter(|outcome| !outcome.is_final());
    std::iter::once(SILENT.to_owned()).chain(goes_on.map(overdue))
}
