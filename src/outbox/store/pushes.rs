//! What MOSIP pushed: durable before it is answered, then verified and delivered, or quarantined with its reason. And the webhooks of
//! OpenCRVS that cannot become events yet, which are in quarantine from the first.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::params;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Store, Tables};
use crate::clock::Timestamp;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::outbox::entry::Refusal;
use crate::outbox::subject::Subject;
use crate::outbox::uptime::millis;

const TABLE: &str = "push";

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// `POST /birthReceiveNid`
    BirthNid,
    /// A message of the hub at `/websub/callback`.
    Credential,
    /// A webhook that OpenCRVS signed and that cannot become an event as it is.
    Webhook,
}

impl PushKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::BirthNid, Self::Credential, Self::Webhook];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BirthNid => "birth-nid",
            Self::Credential => "credential",
            Self::Webhook => "webhook",
        }
    }
}

/// A push that has to be judged.
pub struct Received {
    /// Its own id.
    pub id: String,
    /// Which message.
    pub kind: PushKind,
    /// The body as it came.
    pub body: Zeroizing<Vec<u8>>,
}

/// A push that did not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Order and cursor.
    pub seq: i64,
    /// Its own id.
    pub id: String,
    /// Which message.
    pub kind: String,
    /// When it came, by the machine's clock.
    pub received_at: Timestamp,
    /// Size of the body, bytes.
    pub bytes: u64,
    /// Why it did not verify.
    pub refusal: Option<Refusal>,
}

/// How much of one kind is in quarantine for reasons of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCount {
    /// Which message, by [`PushKind::as_str`].
    pub kind: String,
    /// [`Code::as_str`] of the reason; empty where it cannot be read.
    pub code: String,
    /// How many.
    pub messages: u64,
    /// Their bodies, bytes.
    pub bytes: u64,
}

/// What a verified push becomes.
pub struct Told {
    /// The type of the delivery.
    pub kind: &'static str,
    /// The birth registration number that it is about, by which it finds its event.
    pub brn: String,
    /// The UINTOKEN that it brings.
    pub uin_token: String,
    /// The plain message.
    pub data: Value,
    /// `signature`, or `none` under `envelope.danger_accept_unsigned`.
    pub verified: &'static str,
    /// Thumbprint of our key that opened it.
    pub key: Option<String>,
}

impl Store {
    /// Stores a push before it is answered. [`Code::Busy`] while the quarantine is full of its kind or the disk has less than
    /// `outbox.reserve` left: that belongs to event posts.
    pub async fn receive(&self, kind: PushKind, body: Vec<u8>) -> Result<String> {
        let full = |what: &str| {
            Error::new(Code::Busy, format!("{what} is full"))
                .advise("Put right why pushes do not verify, or discard them; raise quarantine.max_bytes and quarantine.max_rows; free the disk.")
        };
        if !self.leaves_reserve() {
            return Err(full("the disk, but for outbox.reserve,"));
        }
        let (max_bytes, max_rows) = (self.0.quarantine.max_bytes, self.0.quarantine.max_rows);
        self.take(move |tables| {
            let (rows, bytes) = tables.kept(kind)?;
            let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
            if rows >= u64::from(max_rows) || bytes.saturating_add(size) > max_bytes {
                return Err(full("the quarantine"));
            }
            tables.insert_push(kind, &body, None)
        })
        .await
    }

    /// Keeps a webhook with the reason why it is no event yet. What OpenCRVS signed is never refused for `quarantine.max_rows` and
    /// `quarantine.max_bytes`, which only raise an alarm; [`Code::Busy`] while the disk has less than `outbox.reserve` left.
    pub async fn keep_webhook(&self, body: Bytes, refusal: Refusal) -> Result<String> {
        if !self.leaves_reserve() {
            return Err(
                Error::new(Code::Busy, "the disk, but for outbox.reserve, is full").advise("Free the disk.")
            );
        }
        let limits = self.0.quarantine.clone();
        self.take(move |tables| {
            let id = tables.insert_push(PushKind::Webhook, &body, Some(&refusal))?;
            let (rows, bytes) = tables.kept(PushKind::Webhook)?;
            if rows > u64::from(limits.max_rows) || bytes > limits.max_bytes {
                tracing::error!(
                    rows,
                    bytes,
                    "more webhooks are in quarantine than quarantine.max_rows and quarantine.max_bytes say; they go on being kept"
                );
            }
            Ok(id)
        })
        .await
    }

    fn leaves_reserve(&self) -> bool {
        self.disk_left().is_none_or(|left| left >= self.0.site.settings.reserve)
    }

    /// The oldest push after `after` that nobody has judged yet. One that does not open is kept in quarantine with fault
    /// `storage`, and looked at again after a start, a rekey, or new keys.
    pub async fn next_received(&self, after: i64) -> Result<Option<(i64, Received)>> {
        self.run(move |tables| {
            while let Some(push) = tables.push("state='received' AND seq>?1 ORDER BY seq LIMIT 1", after)? {
                let (seq, id) = (push.seq, push.id.clone());
                match push.unseal(tables) {
                    Ok(push) => return Ok(Some((seq, push))),
                    Err(error) => tables.quarantine(&id, &(&error).into())?,
                }
            }
            Ok(None)
        })
        .await
    }

    /// A push that is kept, received or quarantined; [`Code::NotFound`].
    pub async fn push(&self, id: String) -> Result<Received> {
        self.run(move |tables| {
            let found = tables.push("id=?1", id)?;
            found.ok_or_else(|| Error::new(Code::NotFound, "there is no such message"))?.unseal(tables)
        })
        .await
    }

    /// The push verified: `told` goes to the mediator, under every name of the event that it is about, and to OpenCRVS 1.x where that is
    /// configured, unless the same plaintext did before. False: it did.
    pub async fn verified(&self, id: String, kind: PushKind, plaintext: &[u8], told: Told) -> Result<bool> {
        let hash = self.identity(&[b"push", kind.as_str().as_bytes(), plaintext])?;
        self.run(move |tables| {
            tables.remove_push(&id)?;
            tables.site.unreadable.forget(TABLE, &id);
            let fresh = tables
                .connection
                .prepare_cached("INSERT OR IGNORE INTO verified (hash, seen_at) VALUES (?1, ?2)")?
                .execute(params![hash, tables.now])?;
            if fresh == 0 {
                return Ok(false);
            }
            let named = tables.named("brn", &told.brn)?;
            let known = named.as_ref().map(|named| named.subject.clone()).unwrap_or_default();
            let subject = Subject { brn: Some(told.brn.clone()), ..known };
            let message = tables.tell(told.kind, &subject, told.data, told.verified, told.key)?;
            tables.post_token(&id, named.as_ref(), &told.brn, &told.uin_token, &message)?;
            Ok(true)
        })
        .await
    }

    /// The push did not verify: it is kept with its reason.
    pub async fn quarantine(&self, id: String, refusal: Refusal) -> Result<()> {
        self.run(move |tables| tables.quarantine(&id, &refusal)).await
    }

    /// Takes a quarantined push out for good; [`Code::NotFound`], [`Code::StateConflict`] while it is to be judged.
    pub async fn discard_push(&self, id: String) -> Result<()> {
        self.run(move |tables| {
            let delete = "DELETE FROM push WHERE id=?1 AND state='quarantined'";
            match tables.connection.prepare_cached(delete)?.execute([&id])? {
                0 if tables.push("id=?1", &id)?.is_some() => {
                    Err(Error::new(Code::StateConflict, "the message has not been examined yet"))
                }
                0 => Err(Error::new(Code::NotFound, "there is no such message")),
                _ => {
                    tables.site.unreadable.forget(TABLE, &id);
                    Ok(())
                }
            }
        })
        .await
    }

    /// What is quarantined, in order, at most 100 after `after`.
    pub async fn quarantined(&self, after: i64) -> Result<Vec<Quarantined>> {
        self.run(move |tables| {
            let mut find = tables.connection.prepare_cached(
                "SELECT seq, id, kind, received_at, bytes, refusal FROM push
                 WHERE state='quarantined' AND seq>?1 ORDER BY seq LIMIT 100",
            )?;
            let rows = find.query_map([after], |row| {
                let refusal: Option<String> = row.get(5)?;
                Ok(Quarantined {
                    seq: row.get(0)?,
                    id: row.get(1)?,
                    kind: row.get(2)?,
                    received_at: Timestamp::from_millis(row.get(3)?),
                    bytes: row.get::<_, i64>(4)?.cast_unsigned(),
                    refusal: refusal.and_then(|text| serde_json::from_str(&text).ok()),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// Puts everything quarantined before the line of those to be judged; how many. After a key reload.
    pub async fn judge_again(&self) -> Result<usize> {
        self.run(|tables| {
            let update = "UPDATE push SET state='received' WHERE state='quarantined'";
            Ok(tables.connection.prepare_cached(update)?.execute([])?)
        })
        .await
    }

    /// What is in quarantine, by kind and by the code of the reason.
    pub async fn quarantine_counts(&self) -> Result<Vec<QuarantineCount>> {
        self.run(|tables| {
            let mut count = tables.connection.prepare_cached(
                "SELECT kind, CASE WHEN json_valid(refusal) THEN json_extract(refusal, '$.code') END AS code,
                   count(*), coalesce(sum(bytes), 0)
                 FROM push WHERE state='quarantined' GROUP BY kind, code ORDER BY kind, code",
            )?;
            let counts = count.query_map([], |row| {
                Ok(QuarantineCount {
                    kind: row.get(0)?,
                    code: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                    messages: row.get::<_, i64>(2)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(3)?.cast_unsigned(),
                })
            })?;
            Ok(counts.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }
}

impl Tables<'_> {
    fn push(&self, which: &'static str, value: impl rusqlite::ToSql) -> Result<Option<SealedPush>> {
        let find = format!("SELECT seq, id, kind, body FROM push WHERE {which}");
        let mut find = self.connection.prepare_cached(&find)?;
        let mut rows = find.query([value])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let kind: String = row.get(2)?;
        let kind = PushKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = kind.ok_or_else(|| Error::new(Code::Bug, "a push is of no known kind"))?;
        Ok(Some(SealedPush { seq: row.get(0)?, id: row.get(1)?, kind, sealed: row.get(3)? }))
    }

    /// A new push; with `refusal`, in quarantine already.
    fn insert_push(&self, kind: PushKind, body: &[u8], refusal: Option<&Refusal>) -> Result<String> {
        let id = format!("push_{:032x}", u128::from_be_bytes(secret::random()));
        let sealed = self.seal("push", &id, "body", body)?;
        let state = if refusal.is_some() { "quarantined" } else { "received" };
        let (refusal, size) =
            (refusal.map(written).transpose()?, i64::try_from(body.len()).unwrap_or(i64::MAX));
        self.connection
            .prepare_cached(
                "INSERT INTO push (id, kind, state, received_at, bytes, refusal, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![id, kind.as_str(), state, self.wall.millis(), size, refusal, sealed])?;
        Ok(id)
    }

    /// Takes a push out because it became something else; [`Code::NotFound`].
    pub(super) fn remove_push(&self, id: &str) -> Result<()> {
        match self.connection.prepare_cached("DELETE FROM push WHERE id=?1")?.execute([id])? {
            0 => Err(Error::new(Code::NotFound, "there is no such message")),
            _ => Ok(()),
        }
    }

    /// Rows and bytes of `kind`.
    fn kept(&self, kind: PushKind) -> Result<(u64, u64)> {
        let count = "SELECT count(*), coalesce(sum(bytes), 0) FROM push WHERE kind=?1";
        let (rows, bytes): (i64, i64) = self
            .connection
            .prepare_cached(count)?
            .query_row([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((rows.cast_unsigned(), bytes.cast_unsigned()))
    }

    fn quarantine(&self, id: &str, refusal: &Refusal) -> Result<()> {
        let text = written(refusal)?;
        let update = "UPDATE push SET state='quarantined', refusal=?2 WHERE id=?1";
        self.connection.prepare_cached(update)?.execute(params![id, text])?;
        Ok(())
    }

    /// Forgets which plaintexts were delivered, after `remember`.
    pub(super) fn forget_pushes(&self, remember: Duration) -> Result<()> {
        let before = self.now - millis(remember);
        self.connection.prepare_cached("DELETE FROM verified WHERE seen_at<=?1")?.execute([before])?;
        Ok(())
    }
}

fn written(refusal: &Refusal) -> Result<String> {
    serde_json::to_string(refusal).map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))
}

/// A push as it lies on the disk.
struct SealedPush {
    seq: i64,
    id: String,
    kind: PushKind,
    sealed: Vec<u8>,
}

impl SealedPush {
    fn unseal(self, tables: &Tables<'_>) -> Result<Received> {
        match tables.unseal(TABLE, &self.id, "body", &self.sealed) {
            Ok(body) => {
                tables.site.unreadable.forget(TABLE, &self.id);
                Ok(Received { id: self.id, kind: self.kind, body })
            }
            Err(error) => {
                tables.site.unreadable.note(TABLE, &self.id, &error);
                Err(error)
            }
        }
    }
}
