//! What waits for the mediator: posted to `deliver.url`, or pulled and acknowledged where none is set. A message that was taken is removed.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::correlation::cause;
use super::entry::Refusal;
use super::{Book, Ledger};
use crate::clock::to_millis;
use crate::destinations::{NationalId, NoNumber};
use crate::error::{Code, Error, Result};
use crate::json::to_wiped;
use crate::mosip::Transport;
use crate::registration::{Aid, Subject};
use crate::store::{Filter, Listed, Millis, NewRow, Queue, Seq};

pub(super) const TABLE: &str = "delivery";
/// The destination of deliveries in the rows.
pub(crate) const DESTINATION: &str = "delivery";
/// Messages about our own events, which `GET /v1/events` shows as well.
const OWN_NEWS: [&str; 2] = ["aid.assigned", "event.accepted"];
/// Bytes of messages after which a page holds no further one.
const PAGE_BYTES: usize = 8 << 20;
/// Old messages that one transaction drops.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// One delivery, as the mediator gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    occurred_at: String,
    subject: &'a Subject,
    data: &'a Value,
    verified: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// A message that the mediator has not taken yet.
pub(crate) struct Undelivered {
    /// Order.
    pub(crate) seq: Seq,
    /// The JSON text.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// The content of a message, without its id and time.
pub(super) struct Message<'a> {
    pub(super) kind: &'static str,
    pub(super) subject: &'a Subject,
    pub(super) data: &'a Value,
    /// `signature`, `hub`, `tls`, `none`.
    pub(super) verified: &'static str,
    /// Thumbprint of our key that opened it.
    pub(super) key: Option<&'a str>,
    /// The entry that meets its purpose.
    pub(super) met_by: Option<String>,
}

impl Ledger {
    /// Up to `limit` messages after `after`, in order, and the cursor of the next page if there is one: at least one message where there is
    /// one, and no further one once they take [`PAGE_BYTES`]. Of one that does not open, its `id`, `type` and `lastFault` are shown.
    pub(crate) async fn undelivered(
        &self,
        after: Seq,
        limit: usize,
    ) -> Result<(Vec<Undelivered>, Option<Seq>)> {
        self.read(move |book| {
            let listed = book.tx().rows(Queue::Deliveries, &Filter::default(), after, limit + 1)?;
            let (mut messages, mut bytes): (Vec<Undelivered>, usize) = (Vec::new(), 0);
            for Listed { seq, id, kind, .. } in &listed {
                if messages.len() == limit || bytes >= PAGE_BYTES {
                    break;
                }
                let row = book.tx().row(Queue::Deliveries, id)?;
                let sealed = row.and_then(|row| row.payload).unwrap_or_default();
                let body = book.unseal(TABLE, id, "body", &sealed).unwrap_or_else(|error| {
                    book.rules.unreadable.note(TABLE, id, &error);
                    let shown = json!({ "id": id, "type": kind, "lastFault": Refusal::from(&error) });
                    Zeroizing::new(shown.to_string().into_bytes())
                });
                bytes = bytes.saturating_add(body.len());
                messages.push(Undelivered { seq: *seq, body });
            }
            let next = messages.last().map(|message| message.seq).filter(|_| messages.len() < listed.len());
            Ok((messages, next))
        })
        .await
    }

    /// The mediator has it. [`Code::NotFound`] if it was taken before, or never was.
    pub(crate) async fn delivered(&self, id: String) -> Result<()> {
        self.run(move |book| {
            let row = book.tx().listed(Queue::Deliveries, &id)?;
            let row = row.ok_or_else(|| Error::new(Code::NotFound, "there is no such message"))?;
            book.tx().delete(Queue::Deliveries, row.seq)?;
            book.rules.unreadable.forget(TABLE, &id);
            Ok(())
        })
        .await
    }

    /// How many messages wait, and since when the oldest does.
    pub(crate) async fn undelivered_count(&self) -> Result<(u64, Option<Millis>)> {
        self.read(|book| {
            let counts = book.tx().counts(Queue::Deliveries)?;
            let oldest = book.tx().rows(Queue::Deliveries, &Filter::default(), 0, 1)?;
            let count = counts.into_iter().map(|(.., count)| count).sum();
            Ok((count, oldest.first().map(|row| row.waiting_since)))
        })
        .await
    }
}

impl Book<'_> {
    /// MOSIP made an application id for the event: it joins the names of the event, and the mediator and OpenCRVS 1.x learn of it.
    pub(super) fn assign_aid(&self, id: &str, aid: &Aid, over: Transport) -> Result<()> {
        self.note_aid(id, aid)?;
        self.correlate_aid(id, aid)?;
        let post = self.aid_post(id, aid)?;
        let data = json!({ "aid": aid.as_str() });
        let met_by = post.as_ref().map(|post| post.id.clone());
        self.tell_of_event("aid.assigned", id, data, over, met_by)?;
        post.map_or(Ok(()), |post| self.queue_legacy(post))
    }

    /// `event.accepted`: its destination took the event. `without`: why its reply gives no number where one was looked for.
    pub(super) fn tell_accepted(&self, id: &str, without: Option<NoNumber>, over: Transport) -> Result<()> {
        let data = without.map_or_else(|| json!({}), |why| json!({ "noNationalId": why.as_str() }));
        // Where OpenCRVS alone is told of a success, one that lacks something is no plain success.
        if without.is_none() && self.is_settled_by_opencrvs() {
            return Ok(());
        }
        self.tell_of_event("event.accepted", id, data, over, None)
    }

    /// `national-id.received`: the number that an ID system beside MOSIP answered with.
    pub(super) fn tell_national_id(&self, id: &str, number: &NationalId, over: Transport) -> Result<()> {
        let data = json!({ "nationalId": *number.0 });
        self.tell_of_event("national-id.received", id, data, over, None)
    }

    /// `event.parked`: it cannot be sent as it is, and the registrar must learn of it.
    pub(super) fn tell_parked(&self, id: &str, refusal: &Refusal) -> Result<()> {
        let data = serde_json::to_value(refusal)
            .map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))?;
        self.tell_of_event("event.parked", id, data, Transport::Protected, None)
    }

    fn tell_of_event(
        &self,
        kind: &'static str,
        id: &str,
        mut data: Value,
        over: Transport,
        met_by: Option<String>,
    ) -> Result<()> {
        let row = self.listed(id)?;
        if cause(id) == id {
            self.follow_row(&row)
        } else {
            self.follow(id)?
        }
        if let Some(members) = data.as_object_mut() {
            members.insert("id".to_owned(), id.into());
            members.insert("kind".to_owned(), row.kind.into());
            members.insert("destination".to_owned(), row.destination.into());
        }
        let subject = self.subject_of(id)?;
        let verified = over.word();
        self.tell(Message { kind, subject: &subject, data: &data, verified, key: None, met_by })
    }

    /// Queues one message for the mediator. Messages of one subject go in order.
    pub(super) fn tell(&self, message: Message<'_>) -> Result<()> {
        let Message { kind, subject, data, verified, key, met_by } = message;
        let id = format!("msg_{}", self.rules.random.name());
        let body =
            DeliveryBody { id: &id, kind, occurred_at: self.wall.to_iso(), subject, data, verified, key };
        let text = to_wiped(&body).map_err(|_| Error::new(Code::Bug, "a delivery does not serialise"))?;
        let row = NewRow {
            queue: Queue::Deliveries,
            destination: DESTINATION.to_owned(),
            kind: kind.to_owned(),
            line: self.line_of(subject),
            accepted_at: self.wall.millis(),
            waiting_since: self.now,
            payload: Some(self.seal(TABLE, &id, "body", &text)?),
            result: None,
            identity: None,
            met_by,
            job: None,
            trace: self.trace(),
            is_invalid: false,
            id,
        };
        self.insert(row)
    }

    /// What orders the messages of a subject: its composition, else a hash of its first name, which is never stored in the open.
    fn line_of(&self, subject: &Subject) -> Option<String> {
        if let Some(composition) = &subject.composition_id {
            return Some(composition.clone());
        }
        let (name, value) = subject.names().next()?;
        let hash = self.identity(&[b"line", name.as_bytes(), value.as_bytes()]);
        Some(HEXLOWER.encode(&hash))
    }

    /// OpenCRVS took the entry `id`: where the mediator does not wait for its message, that message has met its purpose.
    pub(super) fn settle_message(&self, id: &str) -> Result<()> {
        if self.is_settled_by_opencrvs() {
            self.tx().delete_met_by(id)?;
        }
        Ok(())
    }

    /// Whether success is reported to OpenCRVS alone.
    pub(super) fn is_settled_by_opencrvs(&self) -> bool {
        self.rules.legacy.get().is_some_and(|posts| posts.settles)
            || self.rules.confirmations.get().is_some_and(|confirmations| confirmations.settles)
    }

    /// A message about our own events that the mediator did not take within `retention` is dropped. What MOSIP sent, and what is parked,
    /// stays until it is taken; so does what does not open, which cannot be taken.
    pub(super) fn forget_deliveries(&self, retention: Duration) -> Result<()> {
        let filter = Filter {
            kinds: OWN_NEWS.map(str::to_owned).to_vec(),
            waiting_since: Some(self.now - to_millis(retention)),
            ..Filter::default()
        };
        let old = self.tx().rows(Queue::Deliveries, &filter, 0, FORGOTTEN_AT_ONCE)?;
        for row in old.iter().filter(|row| !self.rules.unreadable.holds(TABLE, &row.id)) {
            self.tx().delete(Queue::Deliveries, row.seq)?;
        }
        Ok(())
    }
}
