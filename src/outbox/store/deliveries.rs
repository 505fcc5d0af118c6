//! What waits for the mediator: posted to `deliver.url`, or pulled and acknowledged where none is set. Taken = gone from here.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Store, Tables, unreadable};
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::mosip::event::Aid;
use crate::outbox::entry::Refusal;
use crate::outbox::subject::Subject;
use crate::outbox::uptime::{Millis, millis};

const TABLE: &str = "delivery";

/// One delivery, as the mediator gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    occurred_at: String,
    subject: &'a Subject,
    data: Value,
    verified: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A message that the mediator has not taken yet.
pub struct Undelivered {
    /// Order.
    pub seq: i64,
    /// `webhook-id`, the same in every attempt.
    pub id: String,
    /// The JSON text.
    pub body: Zeroizing<Vec<u8>>,
    /// Attempts so far.
    pub attempts: u32,
}

impl Store {
    /// Up to `limit` messages after `after`, in order; only those that are due where `due_only`. One that does not open is put off; a
    /// list of all shows its `id`, `type` and `lastFault`.
    pub async fn undelivered(&self, after: i64, limit: usize, due_only: bool) -> Result<Vec<Undelivered>> {
        self.run(move |tables| {
            let mut find = tables.connection.prepare_cached(
                "SELECT seq, id, body, attempts, type FROM delivery WHERE seq>?1 AND next_at<=?2 ORDER BY seq LIMIT ?3",
            )?;
            let now = if due_only { tables.now } else { Millis::MAX };
            let mut rows = find.query(params![after, now, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, sealed): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
                let body = match tables.unseal(TABLE, &id, "body", &sealed) {
                    Ok(body) => {
                        tables.site.unreadable.forget(TABLE, &id);
                        body
                    }
                    Err(error) => {
                        tables.put_off_delivery(&id, &error)?;
                        if due_only {
                            continue;
                        }
                        let kind: String = row.get(4)?;
                        let shown = json!({ "id": id, "type": kind, "lastFault": Refusal::from(&error) });
                        Zeroizing::new(shown.to_string().into_bytes())
                    }
                };
                found.push(Undelivered { seq: row.get(0)?, id, body, attempts: row.get(3)? });
            }
            Ok(found)
        })
        .await
    }

    /// How long until the next message falls due; none: none waits.
    pub async fn next_delivery(&self) -> Result<Option<Duration>> {
        let soonest: Option<Millis> = self
            .run(|tables| {
                let mut soonest = tables.connection.prepare_cached("SELECT min(next_at) FROM delivery")?;
                Ok(soonest.query_row([], |row| row.get(0))?)
            })
            .await?;
        let wait = soonest.map(|at| at.saturating_sub(self.uptime()).max(0).unsigned_abs());
        Ok(wait.map(Duration::from_millis))
    }

    /// Done when a message is queued after this call.
    pub fn told(&self) -> impl Future<Output = ()> {
        let mut notified = Box::pin(Arc::clone(&self.0.site.told).notified_owned());
        notified.as_mut().enable();
        notified
    }

    /// Whoever waits for a message looks again.
    pub fn wake_deliveries(&self) {
        self.0.site.told.notify_waiters();
    }

    /// The mediator has it. [`Code::NotFound`] if it was taken before, or never was.
    pub async fn delivered(&self, id: String) -> Result<()> {
        self.run(move |tables| {
            match tables.connection.prepare_cached("DELETE FROM delivery WHERE id=?1")?.execute([&id])? {
                0 => Err(Error::new(Code::NotFound, "there is no such message")),
                _ => {
                    tables.site.unreadable.forget(TABLE, &id);
                    Ok(())
                }
            }
        })
        .await
    }

    /// The mediator did not take it; the next attempt is due at `next_at`.
    pub async fn deliver_again(&self, id: String, next_at: Millis) -> Result<()> {
        self.run(move |tables| {
            let update = "UPDATE delivery SET attempts=attempts+1, next_at=?2 WHERE id=?1";
            tables.connection.prepare_cached(update)?.execute(params![id, next_at])?;
            Ok(())
        })
        .await
    }

    /// How many messages wait, and since when the oldest does.
    pub async fn undelivered_count(&self) -> Result<(u64, Option<Millis>)> {
        self.run(|tables| {
            let count = "SELECT count(*), (SELECT made_at FROM delivery ORDER BY seq LIMIT 1) FROM delivery";
            let (count, oldest): (i64, Option<Millis>) = tables
                .connection
                .prepare_cached(count)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((u64::try_from(count).unwrap_or(0), oldest))
        })
        .await
    }
}

impl Tables<'_> {
    /// `aid.assigned`: MOSIP made an application id for the event. The id of the message.
    pub(super) fn tell_aid(&self, id: &str, aid: &Aid) -> Result<String> {
        self.tell_of_event("aid.assigned", id, json!({ "aid": aid.as_str() }))
    }

    /// `event.accepted`: MOSIP took the event.
    pub(super) fn tell_accepted(&self, id: &str) -> Result<()> {
        self.tell_of_event("event.accepted", id, json!({})).map(drop)
    }

    /// `event.parked`: it cannot go as it is, and the registrar must learn of it.
    pub(super) fn tell_parked(&self, id: &str, refusal: &Refusal) -> Result<()> {
        let data = serde_json::to_value(refusal)
            .map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))?;
        self.tell_of_event("event.parked", id, data).map(drop)
    }

    fn tell_of_event(&self, kind: &'static str, id: &str, mut data: Value) -> Result<String> {
        let of = self.find(id)?.kind;
        if let Some(members) = data.as_object_mut() {
            members.insert("id".to_owned(), id.into());
            members.insert("kind".to_owned(), of.as_str().into());
            members.insert("destination".to_owned(), of.destination().as_str().into());
        }
        self.tell(kind, &self.subject_of(id)?, data, "tls", None)
    }

    /// A message that does not open stays and holds nobody up.
    fn put_off_delivery(&self, id: &str, error: &Error) -> Result<()> {
        self.site.unreadable.note(TABLE, id, error);
        self.connection
            .prepare_cached("UPDATE delivery SET next_at=?2 WHERE id=?1")?
            .execute(params![id, self.now + unreadable::REST])?;
        Ok(())
    }

    /// Queues one message for the mediator; its id.
    pub(super) fn tell(
        &self,
        kind: &'static str,
        subject: &Subject,
        data: Value,
        verified: &'static str,
        key: Option<String>,
    ) -> Result<String> {
        let id = fresh_id();
        let body = Body { id: &id, kind, occurred_at: self.wall.to_iso(), subject, data, verified, key };
        let text = serde_json::to_vec(&body)
            .map(Zeroizing::new)
            .map_err(|_| Error::new(Code::Bug, "a delivery does not serialise"))?;
        let sealed = self.seal("delivery", &id, "body", &text)?;
        self.connection
            .prepare_cached(
                "INSERT INTO delivery (id, type, made_at, next_at, body) VALUES (?1, ?2, ?3, 0, ?4)",
            )?
            .execute(params![id, kind, self.now, sealed])?;
        self.told.notify_waiters();
        Ok(id)
    }

    /// News of our own events that nobody took for `retention` is dropped: `GET /v1/events` tells the same. What MOSIP sent, and what
    /// is parked, stays until it is taken; so does what does not open, which nobody could take.
    pub(super) fn forget_deliveries(&self, retention: Duration) -> Result<()> {
        let before = self.now - millis(retention);
        self.connection
            .prepare_cached(
                "DELETE FROM delivery WHERE made_at<=?1 AND type IN ('aid.assigned', 'event.accepted')
                 AND id NOT IN (SELECT value FROM json_each(?2))",
            )?
            .execute(params![before, self.site.unreadable.ids(TABLE)])?;
        Ok(())
    }
}

/// A fresh `webhook-id`.
fn fresh_id() -> String {
    format!("msg_{:032x}", u128::from_be_bytes(secret::random()))
}
