//! What OpenCRVS's core learns of a registration that went to MOSIP as a packet: an entry of its own, made in the transaction that causes it.
//! A registration is accepted once and rejected once, however many credentials and rejections come.

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::correlation::{ALIKE, Named, cause};
use super::entry::NewEntry;
use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::json::{member, to_wiped};
use crate::mosip::push::Outcome;
use crate::opencrvs::confirm::{Awaited, Confirmation, Verdict};
use crate::opencrvs::event::EventKind;
use crate::registration::Subject;
use crate::store::{Filter, Queue, State};

/// How what came of a registration reaches OpenCRVS's core.
#[derive(Debug, Clone)]
pub(crate) struct Confirmations {
    /// The destination and the kind of their entries.
    pub(crate) destination: &'static str,
    pub(crate) kind: &'static str,
    /// The member of a credential that holds the number, besides `VID` and `UIN`.
    pub(crate) national_id_key: String,
    /// What MOSIP rejects is rejected.
    pub(crate) rejects_rejected: bool,
    /// What MOSIP is silent about is rejected.
    pub(crate) rejects_silent: bool,
    /// They go with the record token that came with the registration, so that it is kept.
    pub(crate) keeps_tokens: bool,
    /// The mediator does not wait for what is confirmed: no message is delivered, so that of a credential is settled with that.
    pub(crate) settles: bool,
}

/// An entry for OpenCRVS's core that is to be made. No `Debug`: it holds numbers of a person.
pub(super) struct NewConfirmation {
    pub(super) id: String,
    line: String,
    confirmation: Confirmation,
}

/// What follows for OpenCRVS from what is said of a registration.
pub(super) enum Follows {
    /// Nothing: it awaits none, or was told before.
    Nothing,
    /// An entry of its own.
    Confirmation(NewConfirmation),
    /// It should learn of it and cannot; why, in a word.
    Unconfirmed(&'static str),
}

impl Ledger {
    /// From now on registrations are confirmed in OpenCRVS. Called once, before anything moves.
    pub(crate) fn confirm_in_opencrvs(&self, confirmations: Confirmations) {
        // A second call changes nothing.
        let _ = self.rules.confirmations.set(confirmations);
    }
}

impl Book<'_> {
    /// What follows for OpenCRVS from `outcome` of the registration that `named` is; `data` is what MOSIP said.
    pub(super) fn confirmation_of(
        &self,
        named: Option<&Named>,
        outcome: Option<Outcome>,
        data: &Value,
    ) -> Result<Follows> {
        let Some(rules) = self.rules.confirmations.get() else { return Ok(Follows::Nothing) };
        let Some(named) = named else {
            if outcome != Some(Outcome::Issued) {
                return Ok(Follows::Nothing);
            }
            tracing::error!("a credential is of no known registration, so nothing is confirmed in OpenCRVS");
            return Ok(Follows::Unconfirmed("unknown-registration"));
        };
        // Of several registrations with the number that a credential names it is that of the last. A webhook or an EventDocument with
        // that number is none.
        let mut entry = &named.entry;
        for other in &named.others {
            if self.subject_of(other)?.registration_id.is_some() {
                entry = other;
            }
        }
        match outcome {
            Some(Outcome::Issued) => self.confirmation(entry, Verdict::Accept, Some(data)),
            // A rejection can be an old message that comes again, and takes back no credential.
            Some(Outcome::Rejected) if rules.rejects_rejected && !self.is_issued(entry)? => {
                self.confirmation(entry, Verdict::Reject, None)
            }
            _ => Ok(Follows::Nothing),
        }
    }

    /// MOSIP is silent about the registration of `entry`.
    pub(super) fn confirm_silence(&self, entry: &str) -> Result<()> {
        if !self.rules.confirmations.get().is_some_and(|rules| rules.rejects_silent) {
            return Ok(());
        }
        match self.confirmation(entry, Verdict::Reject, None)? {
            Follows::Confirmation(confirmation) => self.queue_confirmation(confirmation),
            Follows::Nothing | Follows::Unconfirmed(_) => Ok(()),
        }
    }

    /// The registration of `entry` is accepted. Where nothing names its record, a person hears of it before MOSIP answers.
    pub(super) fn foresee_confirmation(&self, entry: &str, kind: EventKind, subject: &Subject) {
        let awaits = matches!(kind, EventKind::Birth | EventKind::Death | EventKind::BirthCorrection);
        if awaits && subject.event_id.is_none() && self.rules.confirmations.get().is_some() {
            tracing::warn!(
                event = entry,
                "neither the registration nor its token names an eventId, so it cannot be confirmed in OpenCRVS"
            );
        }
    }

    /// What follows from what is decided of the registration of `entry`, and of what its credential says.
    fn confirmation(&self, entry: &str, verdict: Verdict, credential: Option<&Value>) -> Result<Follows> {
        let Some(rules) = self.rules.confirmations.get() else { return Ok(Follows::Nothing) };
        let subject = self.subject_of(entry)?;
        let Some(occasion) = self.occasion(entry, &subject)? else { return Ok(Follows::Nothing) };
        let Some(event_id) = subject.event_id else {
            tracing::error!(
                event = entry,
                "the registration has no eventId, so nothing is confirmed in OpenCRVS: a person decides there"
            );
            return Ok(Follows::Unconfirmed("no-event-id"));
        };
        let later = self.occasions_after(entry, &event_id)?;
        if later.iter().any(|later| later.replaces(occasion)) {
            tracing::error!(
                event = entry,
                "the record was registered once more since, so this registration is not confirmed in OpenCRVS"
            );
            self.forget_record_token(entry)?;
            return Ok(Follows::Unconfirmed("registered-again"));
        }
        let mark = self.confirmation_mark(verdict, entry);
        if self.tx().mark_verified(&mark, self.now)?.is_some() {
            return Ok(Follows::Nothing);
        }
        let registration_number = match occasion {
            Occasion::Birth => subject.brn,
            Occasion::Death => subject.drn,
            Occasion::Untold => subject.registration_number,
            Occasion::Correction => None,
        };
        // Of what nobody has told, the credential tells.
        let is_birth = match occasion {
            Occasion::Untold => credential.is_some_and(|data| data.get("event") == Some(&BIRTH.into())),
            told => told == Occasion::Birth,
        };
        let numbers = ["VID", "UIN", &rules.national_id_key].into_iter();
        let confirmation = Confirmation {
            awaited: match occasion {
                // Of a child whose record was registered without MOSIP, a correction makes the birth, and waits for its number. One that
                // came here as a correction waits for its own credential.
                Occasion::Birth if !later.contains(&Occasion::Correction) => Awaited::Either,
                Occasion::Birth | Occasion::Death => Awaited::Registration,
                Occasion::Correction => Awaited::Correction,
                Occasion::Untold => Awaited::Either,
            },
            verdict,
            transaction_id: format!("mosip-gateway-{}", HEXLOWER.encode(mark.get(..16).unwrap_or(&mark))),
            action_id: subject.action_id,
            registration_number,
            numbers: numbers.filter_map(|name| Some((name.to_owned(), number(credential?, name)?))).collect(),
            wants_number: is_birth && verdict == Verdict::Accept,
            caused_at: self.wall.millis(),
            event_id,
        };
        let line = self.confirmation_line(&confirmation.event_id);
        let id = self.free_name(&format!("{entry}@{}", rules.destination))?;
        Ok(Follows::Confirmation(NewConfirmation { id, line, confirmation }))
    }

    /// By which it is known that the registration of `entry` was decided so.
    fn confirmation_mark(&self, verdict: Verdict, entry: &str) -> Vec<u8> {
        let word = match verdict {
            Verdict::Accept => b"accept".as_slice(),
            Verdict::Reject => b"reject",
        };
        self.identity(&[b"confirmation", word, entry.as_bytes()])
    }

    /// The event orders, and does not stand in the open.
    fn confirmation_line(&self, event_id: &str) -> String {
        HEXLOWER.encode(&self.identity(&[b"confirm-line", event_id.as_bytes()]))
    }

    /// Whether entries of `kind` are confirmations.
    pub(super) fn is_confirmation(&self, kind: &str) -> bool {
        self.rules.confirmations.get().is_some_and(|rules| rules.kind == kind)
    }

    /// Whether the registration of `entry`, of the record `event_id`, was confirmed, and none of its confirmations waits.
    pub(super) fn is_confirmed(&self, entry: &str, event_id: &str) -> Result<bool> {
        let mut was_decided = false;
        for verdict in [Verdict::Accept, Verdict::Reject] {
            was_decided |= self.tx().marked_verified(&self.confirmation_mark(verdict, entry))?.is_some();
        }
        if !was_decided {
            return Ok(false);
        }
        let waits = vec![State::Queued, State::Leased, State::Parked];
        Ok(!self.is_confirmation_in(entry, event_id, waits)?)
    }

    /// Whether a confirmation of the registration of `entry`, of the record `event_id`, is in one of `states`.
    pub(super) fn is_confirmation_in(&self, entry: &str, event_id: &str, states: Vec<State>) -> Result<bool> {
        let of_record = Filter {
            destination: self.rules.confirmations.get().map(|rules| rules.destination.to_owned()),
            states,
            line: Some(self.confirmation_line(event_id)),
            ..Filter::default()
        };
        let of_record = self.tx().rows(Queue::Entries, &of_record, 0, ALIKE)?;
        Ok(of_record.iter().any(|row| cause(&row.id) == entry))
    }

    /// Whether MOSIP rejected the registration of `entry`, or OpenCRVS is told so since MOSIP was silent. A credential that comes after the
    /// telling changes nothing: the record is rejected there.
    pub(super) fn is_rejected(&self, entry: &str) -> Result<bool> {
        let outcome = self.tx().outcome(entry)?;
        Ok(outcome.is_some_and(|row| row.outcome == Outcome::Rejected.as_str())
            || self.was_rejected(entry)?)
    }

    /// Whether the registration of `entry` was rejected in OpenCRVS, or is to be.
    pub(super) fn was_rejected(&self, entry: &str) -> Result<bool> {
        Ok(self.tx().marked_verified(&self.confirmation_mark(Verdict::Reject, entry))?.is_some())
    }

    pub(super) fn queue_confirmation(&self, new: NewConfirmation) -> Result<()> {
        let Some(rules) = self.rules.confirmations.get() else { return Ok(()) };
        let NewConfirmation { id, line, confirmation } = new;
        let payload = to_wiped(&confirmation)
            .map_err(|_| Error::new(Code::Bug, "a confirmation does not serialise"))?;
        let (destination, kind) = (rules.destination, rules.kind);
        self.queue(NewEntry { destination, kind, id, line, payload: &payload, aid: None, identity: None })
    }

    /// As what the same record came after `entry`, once for each time.
    fn occasions_after(&self, entry: &str, event_id: &str) -> Result<Vec<Occasion>> {
        let bearers = self.bearers("eventId", event_id)?;
        // All of them are newer where it is not among the newest.
        let later = bearers.iter().position(|bearer| bearer == entry).map_or(0, |at| at + 1);
        let mut occasions = Vec::new();
        for other in bearers.iter().skip(later) {
            let row = self.tx().listed(Queue::Entries, other)?;
            let is_discarded = row.is_some_and(|row| row.state == State::Discarded);
            let occasion = self.occasion(other, &self.subject_of(other)?)?;
            occasions.extend(occasion.filter(|_| !is_discarded));
        }
        Ok(occasions)
    }

    /// What was registered; `None`: OpenCRVS waits for nothing. An entry that is forgotten is known by its numbers.
    fn occasion(&self, entry: &str, subject: &Subject) -> Result<Option<Occasion>> {
        // What came as a webhook or an EventDocument has no id of a packet, and nobody waits for MOSIP's word about it.
        if subject.registration_id.is_none() {
            return Ok(None);
        }
        if subject.registration_number.is_some() {
            return Ok(Some(Occasion::Untold));
        }
        let row = self.tx().listed(Queue::Entries, entry)?;
        let kind = row.and_then(|row| row.kind.parse().ok());
        Ok(match (kind, &subject.brn, &subject.drn) {
            (Some(EventKind::Birth), ..) | (None, Some(_), _) => Some(Occasion::Birth),
            (Some(EventKind::Death), ..) | (None, None, Some(_)) => Some(Occasion::Death),
            (Some(EventKind::BirthCorrection) | None, ..) => Some(Occasion::Correction),
            (Some(_), ..) => None,
        })
    }
}

/// What was registered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Birth,
    Death,
    Correction,
    /// A birth, a death, or a correction: what was taken over does not say.
    Untold,
}

impl Occasion {
    /// Whether what waits in a record is this, and no more `former`. A birth and a death of one record are one body.
    fn replaces(self, former: Self) -> bool {
        match (former, self) {
            (Self::Birth, Self::Death) | (Self::Death, Self::Birth) => false,
            _ => (former == Self::Correction) == (self == Self::Correction),
        }
    }
}

/// What `credential.issued` calls a birth.
const BIRTH: &str = EventKind::Birth.as_str();

/// The number that the member `name` of a credential holds, where its issuer signed that: `data` is that of `credential.issued`.
fn number(data: &Value, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    };
    let at = member("/credentialSubject", name);
    let covered = data.get("covered").and_then(Value::as_array);
    if covered.is_some_and(|covered| covered.iter().any(|pointer| pointer == at.as_str())) {
        return data.get("credential")?.pointer(&at).and_then(text);
    }
    // Under the hub's word alone nothing is covered, and these two count.
    let of_data = [("VID", "vid"), ("UIN", "uin")].into_iter().find(|(of, _)| *of == name);
    data.get(of_data?.1).and_then(text)
}
