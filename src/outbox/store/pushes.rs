//! What MOSIP pushed: durable before it is answered, then verified and delivered, or quarantined with its reason.

use std::time::Duration;

use rusqlite::params;
use serde_json::Value;
use zeroize::Zeroizing;

use super::deliveries::Subject;
use super::{Store, Tables};
use crate::clock::Timestamp;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::outbox::entry::Refusal;
use crate::outbox::uptime::millis;

const TABLE: &str = "push";

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// `POST /birthReceiveNid`
    BirthNid,
    /// A message of the hub at `/websub/callback`.
    Credential,
}

impl PushKind {
    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BirthNid => "birth-nid",
            Self::Credential => "credential",
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

/// What a verified push becomes.
pub struct Told {
    /// The type of the delivery.
    pub kind: &'static str,
    /// `brn` of the subject.
    pub brn: String,
    /// The plain message.
    pub data: Value,
    /// `signature`, or `none` under `envelope.danger_accept_unsigned`.
    pub verified: &'static str,
    /// Thumbprint of our key that opened it.
    pub key: Option<String>,
}

impl Store {
    /// Stores a push before it is answered. [`Code::Busy`] while the quarantine is full or the disk has less than `outbox.reserve` left:
    /// that belongs to event posts.
    pub async fn receive(&self, kind: PushKind, body: Vec<u8>) -> Result<String> {
        let full = |what: &str| {
            Error::new(Code::Busy, format!("{what} is full"))
                .advise("Put right why pushes do not verify, or discard them; raise quarantine.max_bytes and quarantine.max_rows; free the disk.")
        };
        if self.disk_left().is_some_and(|left| left < self.0.site.settings.reserve) {
            return Err(full("the disk, but for outbox.reserve,"));
        }
        let (max_bytes, max_rows) = (self.0.quarantine.max_bytes, self.0.quarantine.max_rows);
        self.take(move |tables| {
            let (rows, bytes): (i64, i64) = tables
                .connection
                .prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM push")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let size = i64::try_from(body.len()).unwrap_or(i64::MAX);
            if rows >= i64::from(max_rows) || bytes.saturating_add(size).cast_unsigned() > max_bytes {
                return Err(full("the quarantine"));
            }
            let id = format!("push_{:032x}", u128::from_be_bytes(secret::random()));
            let sealed = tables.seal("push", &id, "body", &body)?;
            tables
                .connection
                .prepare_cached(
                    "INSERT INTO push (id, kind, state, received_at, bytes, body) VALUES (?1, ?2, 'received', ?3, ?4, ?5)",
                )?
                .execute(params![id, kind.as_str(), tables.wall.millis(), size, sealed])?;
            Ok(id)
        })
        .await
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

    /// The push verified: `told` goes to the mediator unless the same plaintext did before. False: it did.
    pub async fn verified(&self, id: String, kind: PushKind, plaintext: &[u8], told: Told) -> Result<bool> {
        let hash = self.identity(&[b"push", kind.as_str().as_bytes(), plaintext])?;
        self.run(move |tables| {
            if tables.connection.prepare_cached("DELETE FROM push WHERE id=?1")?.execute([&id])? == 0 {
                return Err(Error::new(Code::NotFound, "there is no such message"));
            }
            tables.site.unreadable.forget(TABLE, &id);
            let fresh = tables
                .connection
                .prepare_cached("INSERT OR IGNORE INTO verified (hash, seen_at) VALUES (?1, ?2)")?
                .execute(params![hash, tables.now])?;
            if fresh == 0 {
                return Ok(false);
            }
            let subject = Subject { brn: Some(&told.brn), composition_id: None };
            tables.tell(told.kind, subject, told.data, told.verified, told.key)?;
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
                    Err(Error::new(Code::StateConflict, "the message has not been judged yet"))
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

    /// Rows and bytes in quarantine.
    pub async fn quarantine_size(&self) -> Result<(u64, u64)> {
        self.run(|tables| {
            let (rows, bytes): (i64, i64) = tables
                .connection
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(bytes), 0) FROM push WHERE state='quarantined'",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((rows.cast_unsigned(), bytes.cast_unsigned()))
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
        let kind = match row.get::<_, String>(2)?.as_str() {
            "birth-nid" => PushKind::BirthNid,
            "credential" => PushKind::Credential,
            _ => return Err(Error::new(Code::Bug, "a push is of no known kind")),
        };
        Ok(Some(SealedPush { seq: row.get(0)?, id: row.get(1)?, kind, sealed: row.get(3)? }))
    }

    fn quarantine(&self, id: &str, refusal: &Refusal) -> Result<()> {
        let text = serde_json::to_string(refusal)
            .map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))?;
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
