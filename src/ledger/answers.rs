//! What MOSIP says of a registration after it took it, and what the mediator learns where it says nothing.
//!
//! A birth or death that goes as a packet is answered by a credential, or by a status event that rejects it. Where neither comes in time,
//! the registrar hears that, once. A rejection that comes later is delivered all the same, and so is a credential.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::correlation::{Named, cause};
use super::deliveries::Message;
use super::work::Held;
use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::error::{Code, Error, Result};
use crate::json::to_wiped;
use crate::mosip::push::Outcome;
use crate::opencrvs::event::EventKind;
use crate::store::{OutcomeRow, Queue};

const TABLE: &str = "correlation";
/// Silent registrations that one transaction reports.
const AT_ONCE: usize = 100;
/// The word of a registration of which MOSIP said nothing in time. What MOSIP says has its words in [`Outcome`].
pub(super) const SILENT: &str = "silent";
/// The word of a registration whose answer was overdue, and that a person has settled with MOSIP.
pub(super) const SETTLED: &str = "settled";
/// What the registrar reads of a rejection after a credential.
const AFTER_CREDENTIAL: &str = "MOSIP issued a credential for this registration before this rejection came. Do not register the record again: ask the MOSIP office whether the credential still stands.";
/// Stands in the database behind the word of an [`Outcome`] that is no answer, where the answer has not come in time.
const OVERDUE: &str = "-overdue";

/// What came of a registration, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    pub(crate) outcome: &'static str,
    #[serde(flatten)]
    pub(crate) details: AnswerDetails,
    /// It is no answer, and one has not come in time.
    #[serde(skip)]
    pub(crate) is_overdue: bool,
}

/// What is kept of an answer, sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnswerDetails {
    /// When, by the machine's clock.
    pub(crate) at: String,
    /// MOSIP's reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    /// What the registrar can do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) advice: Option<String>,
    /// Why a person settled it.
    #[serde(rename = "settledFor", skip_serializing_if = "Option::is_none", default)]
    pub(crate) settled_for: Option<String>,
}

impl Ledger {
    /// From now on MOSIP is expected to say within `time` what came of a registration that went as a packet. Called once, before
    /// anything moves.
    pub(crate) fn expect_answers_within(&self, time: Duration) {
        // A second call changes nothing.
        let _ = self.rules.expected_within.set(time);
    }

    /// What came of the entry `id`, where MOSIP has said it or was silent.
    pub(crate) async fn answer(&self, id: String) -> Result<Option<Answer>> {
        self.read(move |book| book.answer(&id)).await
    }

    /// Delivers a message about each of the registrations that MOSIP has not answered in time.
    pub(super) async fn report_silent(&self) -> Result<()> {
        let Some(within) = self.rules.expected_within.get().copied() else { return Ok(()) };
        loop {
            let reported = self.run(move |book| book.report_silent(within)).await?;
            if reported > 0 {
                tracing::error!(
                    registrations = reported,
                    "MOSIP has not answered registrations within websub.expect_within"
                );
            }
            if reported < AT_ONCE {
                return Ok(());
            }
        }
    }
}

impl Book<'_> {
    /// An entry has arrived where its answer comes later: where it is a birth or death, MOSIP is to say what came of it.
    pub(super) fn expect_answer(&self, held: &Held) -> Result<()> {
        let Some(within) = self.rules.expected_within.get() else { return Ok(()) };
        if !is_answered_later(&held.kind) {
            return Ok(());
        }
        let entry = self.answered_under(&held.id)?;
        // The answer may be faster than the settling of the entry. And silence is reported once, however often the entry arrives.
        let is_reported = self.tx().marked_verified(&self.silence_of("entry", &entry))?.is_some();
        if !is_reported && !self.is_answered(&entry)? {
            let by = self.now.saturating_add(to_millis(*within));
            self.tx().expect(&entry, Some(by))?;
        }
        Ok(())
    }

    /// MOSIP said of the registration of `named` what `data` holds: of its first event, and of every other birth or death of that
    /// registration that may wait for an answer. An entry that is forgotten may: what is kept of it says nothing of its kind.
    pub(super) fn conclude_all(&self, named: &Named, outcome: Outcome, data: &Value) -> Result<()> {
        self.conclude(&named.entry, outcome, data)?;
        for entry in &named.others {
            let row = self.tx().listed(Queue::Entries, entry)?;
            if row.is_none_or(|row| is_answered_later(&row.kind)) {
                self.conclude(entry, outcome, data)?;
            }
        }
        Ok(())
    }

    /// MOSIP said of the registration of `entry` what `data` holds.
    fn conclude(&self, entry: &str, outcome: Outcome, data: &Value) -> Result<()> {
        let text = |name: &str| Some(data.get(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let details = match outcome {
            // What a credential holds is nobody's but the mediator's.
            Outcome::Issued => AnswerDetails { at: self.wall.to_iso(), ..AnswerDetails::default() },
            _ => AnswerDetails {
                at: self.wall.to_iso(),
                reason: text("reason"),
                advice: text("advice"),
                ..AnswerDetails::default()
            },
        };
        if outcome.is_final() {
            // A rejection can be an old message that comes again, and takes back no credential.
            if outcome == Outcome::Issued || !self.is_issued(entry)? {
                self.write_outcome(entry, outcome.as_str(), &details)?;
            }
            return self.tx().expect(entry, None);
        }
        let former = self.tx().outcome(entry)?;
        match former.map(|row| row.outcome) {
            // A verdict is not undone by what was sent before it and comes late.
            Some(word) if said(&word).is_some_and(Outcome::is_final) => Ok(()),
            // Nor does what is no verdict take back what a person settled.
            Some(word) if word == SETTLED => Ok(()),
            Some(word) if is_overdue(&word) => {
                let advice = Some(advice_on_delay(Some(outcome)).to_owned());
                self.write_outcome(entry, &overdue(outcome), &AnswerDetails { advice, ..details })
            }
            _ => self.write_outcome(entry, outcome.as_str(), &details),
        }
    }

    /// What is delivered of `data`, which MOSIP said of the registration of `named`: a rejection after a credential says that one came.
    pub(super) fn in_view_of<'a>(
        &self,
        named: &Named,
        outcome: Outcome,
        data: &'a Value,
    ) -> Result<Cow<'a, Value>> {
        if outcome != Outcome::Rejected {
            return Ok(Cow::Borrowed(data));
        }
        for entry in std::iter::once(&named.entry).chain(&named.others) {
            if self.is_issued(entry)? {
                let mut data = data.clone();
                if let Some(members) = data.as_object_mut() {
                    members.insert("afterCredential".to_owned(), true.into());
                    members.insert("advice".to_owned(), AFTER_CREDENTIAL.into());
                }
                return Ok(Cow::Owned(data));
            }
        }
        Ok(Cow::Borrowed(data))
    }

    pub(super) fn is_issued(&self, entry: &str) -> Result<bool> {
        Ok(self.tx().outcome(entry)?.is_some_and(|row| row.outcome == Outcome::Issued.as_str()))
    }

    pub(super) fn is_answered(&self, entry: &str) -> Result<bool> {
        Ok(self.tx().outcome(entry)?.and_then(|row| said(&row.outcome)).is_some_and(Outcome::is_final))
    }

    /// Whether nothing more is expected of MOSIP for the registration of `entry`: it answered, was silent for too long, or a person has
    /// settled with it what becomes of the registration.
    pub(super) fn is_over(&self, entry: &str) -> Result<bool> {
        let is_ours = |word: &str| [SILENT, SETTLED].contains(&word);
        let is_given_up = self.tx().outcome(entry)?.is_some_and(|row| is_ours(&row.outcome));
        Ok(is_given_up || self.is_answered(entry)?)
    }

    fn report_silent(&self, within: Duration) -> Result<usize> {
        let late = self.tx().overdue(self.now, AT_ONCE)?;
        for entry in &late {
            let former = self.answer(entry)?.filter(|answer| answer.outcome != SILENT);
            let last_said = former.as_ref().and_then(|answer| said(answer.outcome));
            let advice = advice_on_delay(last_said);
            let subject = self.subject_of(entry)?;
            if self.is_first_silence(entry, subject.registration_id.as_deref())? {
                let mut data = json!({
                    "id": entry,
                    "registrationId": subject.registration_id,
                    "expectedWithinSeconds": within.as_secs(),
                    "advice": advice,
                });
                if let (Some(former), Some(members)) = (&former, data.as_object_mut()) {
                    members.insert("outcome".to_owned(), former.outcome.into());
                    if let Some(reason) = &former.details.reason {
                        members.insert("reason".to_owned(), reason.clone().into());
                    }
                }
                let (kind, verified) = ("registration.silent", "tls");
                self.follow(entry)?;
                self.tell(Message {
                    kind,
                    subject: &subject,
                    data: &data,
                    verified,
                    key: None,
                    met_by: None,
                })?;
                self.confirm_silence(entry)?;
            }
            let details = match former {
                Some(former) => former.details,
                None => AnswerDetails { at: self.wall.to_iso(), ..AnswerDetails::default() },
            };
            let details = AnswerDetails { advice: Some(advice.to_owned()), ..details };
            let word = last_said.map_or_else(|| SILENT.to_owned(), overdue);
            self.write_outcome(entry, &word, &details)?;
            self.tx().expect(entry, None)?;
        }
        Ok(late.len())
    }

    /// Whether silence about this registration is reported for the first time. From now on it was: under the name of the entry, and under
    /// the id that several entries of one registration share.
    fn is_first_silence(&self, entry: &str, registration: Option<&str>) -> Result<bool> {
        let names = [("entry", Some(entry)), ("registration", registration)];
        let mut is_first = true;
        for (of, name) in names.into_iter().filter_map(|(of, name)| Some((of, name?))) {
            is_first &= self.tx().mark_verified(&self.silence_of(of, name), self.now)?.is_none();
        }
        Ok(is_first)
    }

    /// Marks that silence was reported.
    fn silence_of(&self, of: &str, name: &str) -> Vec<u8> {
        self.identity(&[b"silence", of.as_bytes(), name.as_bytes()])
    }

    pub(super) fn write_outcome(&self, entry: &str, outcome: &str, details: &AnswerDetails) -> Result<()> {
        let text = to_wiped(details).map_err(|_| Error::new(Code::Bug, "an answer does not serialise"))?;
        let row =
            OutcomeRow { outcome: outcome.to_owned(), answer: self.seal(TABLE, entry, "answer", &text)? };
        self.tx().conclude(entry, &row)
    }

    pub(super) fn answer(&self, id: &str) -> Result<Option<Answer>> {
        let entry = self.answered_under(id)?;
        let Some(row) = self.tx().outcome(&entry)? else { return Ok(None) };
        let of_mosip = said(&row.outcome).map(Outcome::as_str);
        let ours = || [SILENT, SETTLED].into_iter().find(|word| row.outcome == *word);
        let Some(outcome) = of_mosip.or_else(ours) else { return Ok(None) };
        let details = match self.unseal(TABLE, &entry, "answer", &row.answer) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) => {
                self.rules.unreadable.note(TABLE, &entry, &error);
                AnswerDetails::default()
            }
        };
        Ok(Some(Answer { outcome, details, is_overdue: is_overdue(&row.outcome) }))
    }

    /// The name of the correlation row of the entry `id`: its own, or that of the entry that it was accepted with.
    pub(super) fn answered_under(&self, id: &str) -> Result<String> {
        let has_own = self.tx().correlation(id)?.is_some();
        Ok(if has_own { id } else { cause(id) }.to_owned())
    }
}

/// Whether MOSIP says later what came of an event of this kind that went as a packet.
pub(super) fn is_answered_later(kind: &str) -> bool {
    [EventKind::Birth.as_str(), EventKind::Death.as_str()].contains(&kind)
}

/// What MOSIP said, where it did, by the word in the database.
fn said(word: &str) -> Option<Outcome> {
    let word = word.strip_suffix(OVERDUE).unwrap_or(word);
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
}

/// The word in the database of a registration whose answer is overdue and of which MOSIP said `outcome`, which is no answer.
pub(super) fn overdue(outcome: Outcome) -> String {
    format!("{}{OVERDUE}", outcome.as_str())
}

/// Whether a registration of this word in the database has no answer, and should have one.
pub(super) fn is_overdue(word: &str) -> bool {
    word == SILENT || word.ends_with(OVERDUE)
}

/// What the registrar can do where MOSIP has not answered in time, and said `last` before.
fn advice_on_delay(last: Option<Outcome>) -> &'static str {
    match last {
        Some(Outcome::Paused) => {
            "MOSIP has paused this registration until it gets more from the applicant, and has issued no credential in time. Ask the MOSIP \
             office what it waits for; the credential is delivered whenever it comes."
        }
        Some(_) => {
            "MOSIP has processed this registration, and its credential has not come in time. Ask the MOSIP office whether it was issued; \
             the credential is delivered whenever it comes."
        }
        None => {
            "MOSIP has said nothing about this registration. Ask the MOSIP office what became of it; the credential is delivered whenever \
             it comes."
        }
    }
}
