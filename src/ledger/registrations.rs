//! Registrations that go to MOSIP as packets: each under an id that is made once, and no second one under a number that is on its way.

use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;

use super::accept::{Accepted, Intent, Name, Posted};
use super::answers::is_answered_later;
use super::correlation::ALIKE;
use super::entry::State;
use super::idempotency::IdempotencyKey;
use super::identity::Identities;
use super::{Book, Ledger, framed};
use crate::destinations::Rows;
use crate::error::{Code, Error, Result};
use crate::opencrvs::event::EventKind;
use crate::opencrvs::record_token::RecordToken;
use crate::opencrvs::registration::Registration;
use crate::pool;
use crate::random::Random;
use crate::registration::Subject;
use crate::store::Queue;

/// The version of the formula of the identity.
const FORMULA: u8 = 1;
/// Numbers that may stand behind the prefix: ten digits.
const NUMBERS: u64 = 10_000_000_000;
/// Numbers that follow one another before one is drawn again.
const RUN: u64 = 100;
/// Drawing so often finds a free id unless nearly all are in use.
const DRAWS: usize = 100;

/// About a registration that MOSIP does not have yet.
const WAITS: &str = "Wait until MOSIP has issued its credential or rejected it. If it is not to go to MOSIP, look it up under /v1/events and discard it before it is sent. Then post this one again.";
/// About one that MOSIP has: nothing takes it back.
const IS_TAKEN: &str = "MOSIP has it, so that it cannot be discarded any more. Post this one again once MOSIP has issued its credential or rejected it, or its answer is overdue. If this one is refused then, too, ask the MOSIP administrator what became of the former one, settle that under /v1/unanswered, and post this one again.";
/// The same where no answer is expected.
const IS_TAKEN_UNEXPECTED: &str = "MOSIP has it, so that it cannot be discarded any more, and its credential does not come here, since websub.topics.credential is not set. Post this one again once MOSIP has rejected it, or outbox.retention has passed.";

/// The next number of a packet. Some follow one another, so that they stand side by side in each index: a number that is drawn lies anywhere
/// there, and costs a page of its own in each.
#[derive(Default)]
pub(super) struct Numbers(Mutex<u64>);

impl Numbers {
    /// `is_drawn`: it follows none.
    fn next(&self, random: &Random, is_drawn: bool) -> u64 {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_drawn || next.is_multiple_of(RUN) {
            let drawn = (u64::from(random.u32()) << 32) | u64::from(random.u32());
            *next = drawn % (NUMBERS / RUN) * RUN;
        }
        *next += 1;
        *next - 1
    }
}

/// How the id of a packet is made.
pub(super) struct PacketId {
    /// `upstream.packets.id_prefix`
    prefix: String,
    /// HMAC of its kind and its number, by which those with the same are found.
    number: Vec<u8>,
    /// The JSON pointer of its number.
    pointer: String,
}

impl PacketId {
    /// Held while it is looked for others with its number.
    pub(super) fn lock(&self) -> String {
        HEXLOWER.encode(&self.number)
    }
}

impl Ledger {
    /// Stores `registration` for each of `destinations`, or finds the entries that it is already: [`Code::IdempotencyConflict`] if `key`
    /// came with another one before, [`Code::Field`] while MOSIP has not answered another one under its number. It goes under
    /// `id_prefix` and ten digits. Once this returns it is on the disk.
    pub(crate) async fn accept_registration(
        &self,
        registration: Registration,
        destinations: Vec<&'static str>,
        key: Option<IdempotencyKey>,
        id_prefix: &str,
    ) -> Result<Accepted> {
        self.refuse_in_trouble()?;
        let kind = registration.kind().as_str().as_bytes();
        let key = key.map(|key| self.identity(&[b"packet-key", kind, key.as_bytes()])).transpose()?;
        let posted = self.packet(registration, destinations, id_prefix, None).await?;
        self.accept_one(posted, key, None).await
    }

    /// As [`Self::accept_registration`], of all `registrations` with their destinations, or of none. `token` came with them, and is kept where
    /// it confirms them.
    pub(crate) async fn accept_registrations(
        &self,
        registrations: Vec<(Registration, Vec<&'static str>)>,
        token: Option<RecordToken>,
        id_prefix: &str,
    ) -> Result<()> {
        self.refuse_in_trouble()?;
        let token = token.map(Arc::new);
        let mut posted = Vec::new();
        for (registration, destinations) in registrations {
            let is_kept = |token: &RecordToken| self.keeps_token(&registration, token);
            let kept = token.as_deref().map(is_kept).transpose()?.unwrap_or_default();
            let token = token.clone().filter(|_| kept);
            posted.push(self.packet(registration, destinations, id_prefix, token).await?);
        }
        self.accept_all(posted).await
    }

    async fn packet(
        &self,
        registration: Registration,
        destinations: Vec<&'static str>,
        id_prefix: &str,
        token: Option<Arc<RecordToken>>,
    ) -> Result<Posted> {
        let kind = registration.kind().as_str().as_bytes();
        // Neither the number nor the tracking id stands in the open.
        let line = HEXLOWER.encode(&self.identity(&[b"packet-line", registration.order().as_bytes()])?);
        let number = self.identity(&[b"packet-number", kind, registration.number().as_bytes()])?;
        let ledger = self.clone();
        let (registration, identity) = pool::offload(registration.body().len(), move || {
            let identity = ledger.registration_identity(&registration)?;
            Ok((registration, identity))
        })
        .await?;
        let intent = Intent {
            kind: registration.kind(),
            payload: registration.body().clone(),
            aid: None,
            line,
            subject: registration.subject(),
            name: Name::Packet(PacketId {
                prefix: id_prefix.to_owned(),
                number,
                pointer: registration.number_pointer(),
            }),
        };
        Ok(Posted { intent, identities: Identities::of_today(identity), destinations, token })
    }

    /// The identity of `registration`: of its kind, its number and its fields.
    fn registration_identity(&self, registration: &Registration) -> Result<Vec<u8>> {
        let opened = self.rules.keys.opened()?;
        let (kind, number) = (registration.kind().as_str().as_bytes(), registration.number().as_bytes());
        opened.identity_key.tag_written(|write| {
            for part in framed(&[b"packet", &[FORMULA], kind, number]) {
                write(&part);
            }
            // It comes last and so needs no length.
            registration.write_fields(&mut |piece: &str| write(piece.as_bytes()))
        })
    }
}

impl Book<'_> {
    /// An id of its own for a registration of `kind` with new content. A birth or death is refused while another one under its number
    /// is on its way; other kinds are sent in their order.
    pub(super) fn packet_id(&self, packet: &PacketId, kind: EventKind) -> Result<String> {
        if is_answered_later(kind.as_str()) {
            let rows = self.tx().named(&packet.number, ALIKE)?;
            for row in rows {
                if let Some(advice) = self.is_on_its_way(&row.entry)? {
                    return Err(Error::field(
                        &packet.pointer,
                        "another registration under this number is on its way, and its fields are different",
                    )
                    .advise(advice));
                }
            }
        }
        for draw in 0..DRAWS {
            let number = self.rules.numbers.next(&self.rules.random, draw > 0);
            let id = format!("{}{number:010}", packet.prefix);
            if !self.tx().is_taken(&id)? {
                return Ok(id);
            }
        }
        Err(Error::new(
            Code::Storage,
            "nearly every registration id under upstream.packets.id_prefix is in use",
        )
        .advise("Set upstream.packets.id_prefix to another one."))
    }

    /// Whether the registration `intent`, of the same content as the entry `id`, is another one: MOSIP rejected the former, and the registrar
    /// registers the record once more as it is. That is another action of the record. Where an action is not known, it is one that comes after
    /// OpenCRVS has heard of the rejection: before, it waits for the former.
    pub(super) fn is_registered_again(&self, id: &str, intent: &Intent) -> Result<bool> {
        let entry = self.answered_under(id)?;
        if !matches!(intent.name, Name::Packet(_)) || !self.is_rejected(&entry)? {
            return Ok(false);
        }
        let former = self.subject_of(&entry)?;
        match (&former.action_id, &intent.subject.action_id, &former.event_id) {
            (Some(former), Some(action), _) => Ok(former != action),
            (_, _, Some(event_id)) => {
                Ok(!self.is_confirmation_in(&entry, event_id, vec![State::Queued, State::Leased])?)
            }
            _ => Ok(true),
        }
    }

    /// `intent` is a repeat of the entry `id`. Where it hands over another action of the record, that one waits now, and is confirmed.
    pub(super) fn follow_action(&self, id: &str, intent: &Intent) -> Result<()> {
        let (entry, Subject { event_id, action_id, .. }) = (self.answered_under(id)?, &intent.subject);
        let former = self.subject_of(&entry)?;
        let is_other = action_id.is_some() && *action_id != former.action_id;
        match former.registration_id.is_some()
            && event_id.is_some()
            && *event_id == former.event_id
            && is_other
        {
            true => self.correlate(&entry, &Subject { action_id: action_id.clone(), ..former }),
            false => Ok(()),
        }
    }

    /// Keeps the names of the registration that goes under `id`.
    pub(super) fn correlate_packet(&self, id: &str, intent: &Intent, packet: &PacketId) -> Result<()> {
        self.foresee_confirmation(id, intent.kind, &intent.subject);
        let subject = Subject { registration_id: Some(id.to_owned()), ..intent.subject.clone() };
        self.correlate_with(id, &subject, Some(&packet.number))
    }

    /// What is to be done about the registration under `id` where MOSIP may yet issue a credential for it: it waits or is being sent, or
    /// MOSIP took it and has neither answered nor been silent for too long. A row that is gone was settled longer ago than
    /// `outbox.retention`.
    fn is_on_its_way(&self, id: &str) -> Result<Option<&'static str>> {
        let Some(row) = self.tx().listed(Queue::Entries, id)? else { return Ok(None) };
        Ok(match row.state {
            // Its reply was lost, and MOSIP's answer was faster than the repeat.
            State::Queued | State::Leased if self.is_answered(id)? => None,
            State::Queued | State::Leased => Some(WAITS),
            State::Done if !Rows::speaks(&row.destination) || self.is_over(id)? => None,
            State::Done if self.rules.expected_within.get().is_none() => Some(IS_TAKEN_UNEXPECTED),
            State::Done => Some(IS_TAKEN),
            State::Parked | State::Discarded | State::Refused | State::Invalid => None,
        })
    }
}
