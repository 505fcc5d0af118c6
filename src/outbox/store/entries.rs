//! Entries on their way: accepted once, leased in order, settled, forgotten.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::{Store, Tables, queue, unreadable};
use crate::clock::Timestamp;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::outbox::entry::{Destination, Entry, EntryKind, Lease, Refusal, State, Verdict};
use crate::outbox::subject::Subject;
use crate::outbox::uptime::{Millis, millis};
use crate::pool;

/// `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a header value; [`Code::Field`] for another form.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let fits = (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(text).ok().filter(|_| fits).map(|text| Self(text.to_owned())).ok_or_else(|| {
            Error::new(Code::Field, "Idempotency-Key is not 1 to 255 visible ASCII characters")
        })
    }
}

/// An event that is safe: the entry it is, or was already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id it goes to MOSIP under.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// The application id it carries, once it has one.
    pub aid: Option<Aid>,
    /// False: it was known.
    pub is_new: bool,
}

const TABLE: &str = "entry";
pub(super) const COLUMNS: &str = "seq, id, kind, state, attempts, accepted_at, next_at, refusal, aid";

impl Store {
    /// Stores `event`, or finds the entry that it is already: [`Code::IdempotencyConflict`] if `key` came with other content before.
    /// Once this returns the event is on the disk.
    pub async fn accept(&self, event: Event, key: Option<IdempotencyKey>) -> Result<Accepted> {
        self.accept_from(event, key, None).await
    }

    /// As [`Self::accept`], for a webhook that was kept in quarantine as `push`: in one transaction it leaves there.
    /// [`Code::NotFound`] where it is not kept any more.
    pub async fn accept_push(&self, push: String, event: Event) -> Result<Accepted> {
        self.accept_from(event, None, Some(push)).await
    }

    async fn accept_from(
        &self,
        event: Event,
        key: Option<IdempotencyKey>,
        push: Option<String>,
    ) -> Result<Accepted> {
        self.0.site.health.check()?;
        let (kind, composition) = (event.kind(), event.composition_id().to_owned());
        let store = self.clone();
        let (event, identity) = pool::aside(event.body().len(), move || {
            let content = event.canonical_context()?;
            let parts: [&[u8]; 4] =
                [b"event", kind.as_str().as_bytes(), event.composition_id().as_bytes(), &content];
            let identity = store.identity(&parts)?;
            Ok((event, identity))
        })
        .await?;
        let key = key.map(|key| self.identity(&[b"key", kind.as_str().as_bytes(), key.0.as_bytes()]));
        let key = key.transpose()?;
        self.take(move |tables| {
            if let Some(push) = &push {
                tables.remove_push(push)?;
            }
            if let Some(key) = &key {
                match tables.idempotency(key)? {
                    Some(before) if before != identity => {
                        return Err(Error::new(
                            Code::IdempotencyConflict,
                            "this Idempotency-Key came with another event before",
                        ));
                    }
                    Some(_) => {}
                    None => tables.remember_key(key, &identity)?,
                }
            }
            if let Some(known) = tables.known(&identity)? {
                return Ok(known);
            }
            let id = tables.fresh_id(kind, &composition)?;
            let payload = tables.seal("entry", &id, "payload", event.body())?;
            let given = event.aid().map(|aid| tables.seal("entry", &id, "aid", aid.as_str().as_bytes()));
            let given = given.transpose()?;
            let (wall, now) = (tables.wall.millis(), tables.now);
            let (held, position) = (tables.is_held(Destination::Mediator, &composition)?, tables.next_position()?);
            tables
                .connection
                .prepare_cached(
                    "INSERT INTO entry (id, kind, composition, state, accepted_at, waiting_since, next_at, payload, aid, held, position)
                     VALUES (?1, ?2, ?3, 'queued', ?4, ?5, 0, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![id, kind.as_str(), composition, wall, now, payload, given, held, position])?;
            tables
                .connection
                .prepare_cached("INSERT INTO identity (hash, entry, seen_at) VALUES (?1, ?2, ?3)")?
                .execute(params![identity, id, tables.now])?;
            tables.correlate(&id, &Subject::of(&event))?;
            Ok(Accepted { id, state: State::Queued, aid: event.aid().cloned(), is_new: true })
        })
        .await
    }

    /// Leases up to `limit` entries of any of `kinds` that are due: in order of acceptance, and those whose attempt failed behind what
    /// was accepted before that. An entry whose composition has an older one that is not settled at the same destination waits for it.
    /// One that does not open waits where it is, with fault `storage`.
    pub async fn lease<K: Into<EntryKind> + Copy>(&self, kinds: &[K], limit: usize) -> Result<Vec<Lease>> {
        let kinds: Vec<EntryKind> = kinds.iter().map(|kind| (*kind).into()).collect();
        self.run(move |tables| {
            let mut leases = Vec::new();
            tables.call_entries(&kinds)?;
            while leases.len() < limit
                && let Some(seq) = tables.first_due(&kinds)?
            {
                leases.extend(tables.lease(seq)?);
            }
            Ok(leases)
        })
        .await
    }

    /// When the next queued entry of `kind` falls due after `since`; none: nothing that is not due already.
    pub async fn next_due(&self, kind: impl Into<EntryKind>, since: Millis) -> Result<Option<Millis>> {
        let kind: EntryKind = kind.into();
        self.run(move |tables| {
            let mut soonest = tables.connection.prepare_cached(queue::NEXT_ENTRY)?;
            Ok(soonest.query_row(params![kind.as_str(), since], |row| row.get(0))?)
        })
        .await
    }

    /// Parks up to 100 entries that have waited longer than `give_up_after`, with the reason of their last attempt; how many. One that
    /// does not open is not parked.
    pub async fn park_aged(&self, give_up_after: Duration) -> Result<usize> {
        self.run(move |tables| {
            let aged = "SELECT id, payload, aid FROM entry WHERE state='queued' AND waiting_since<=?1
                        AND id NOT IN (SELECT value FROM json_each(?2)) ORDER BY seq LIMIT 100";
            let mut aged = tables.connection.prepare_cached(aged)?;
            let before = tables.now - millis(give_up_after);
            let mut rows = aged.query(params![before, tables.site.unreadable.ids(TABLE)])?;
            let mut ids: Vec<String> = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, payload, aid): (String, Vec<u8>, Option<Vec<u8>>) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                match tables.open_entry(&id, &payload, aid.as_deref()) {
                    Ok(_) => ids.push(id),
                    Err(error) => tables.put_off(&id, &error)?,
                }
            }
            for id in &ids {
                let refusal = tables.find(id)?.refusal.unwrap_or_else(|| {
                    Refusal::from(&Error::new(
                        Code::Upstream,
                        "its turn never came before outbox.give_up_after",
                    ))
                });
                tables.refuse(id, State::Parked, 0, &refusal)?;
                tables.tell_parked(id, &refusal)?;
            }
            Ok(ids.len())
        })
        .await
    }

    /// Puts back what is leased among `kinds`: whoever held it is gone without a verdict.
    pub async fn void_leases(&self, kinds: Vec<EntryKind>) -> Result<()> {
        self.run(move |tables| {
            for kind in kinds {
                queue::void_leases(tables.connection, "entry", Some(kind))?;
            }
            Ok(())
        })
        .await
    }

    /// Marks an entry as on its way, with the application id that was fetched for it, before the first byte leaves. A fetched id is
    /// told to the mediator, and to OpenCRVS 1.x where that is configured, in the same commit.
    pub async fn begin_send(&self, id: String, aid: Option<Aid>) -> Result<()> {
        self.run(move |tables| {
            let Some(aid) = aid else {
                tables.connection.prepare_cached("UPDATE entry SET sent=1 WHERE id=?1")?.execute([id])?;
                return Ok(());
            };
            let sealed = tables.seal("entry", &id, "aid", aid.as_str().as_bytes())?;
            tables
                .connection
                .prepare_cached("UPDATE entry SET sent=1, aid=?2 WHERE id=?1")?
                .execute(params![id, sealed])?;
            tables.correlate_aid(&id, &aid)?;
            let message = tables.tell_aid(&id, &aid)?;
            tables.post_aid(&id, &aid, &message)
        })
        .await
    }

    /// The link was found: from now on the entry goes with `body`. It stays the same event, by the content that it came with.
    pub async fn keep_linked(&self, id: String, body: bytes::Bytes) -> Result<()> {
        self.run(move |tables| {
            let sealed = tables.seal("entry", &id, "payload", &body)?;
            let update = "UPDATE entry SET payload=?2 WHERE id=?1 AND state='leased'";
            tables.connection.prepare_cached(update)?.execute(params![id, sealed])?;
            Ok(())
        })
        .await
    }

    /// Writes how an attempt ended. What is done loses its payload; that MOSIP took an event, and that an entry is parked, is told to
    /// the mediator in the same commit.
    pub async fn settle(&self, id: String, verdict: Verdict) -> Result<()> {
        self.run(move |tables| match &verdict {
            Verdict::Done => {
                tables.close(&id, State::Done, None)?;
                match tables.find(&id)?.kind {
                    EntryKind::Event(_) if tables.is_settled_by_opencrvs() => Ok(()),
                    EntryKind::Event(_) => tables.tell_accepted(&id),
                    EntryKind::Legacy => tables.settle_message(&id),
                }
            }
            Verdict::Again { next_at, refusal } => tables.refuse(&id, State::Queued, *next_at, refusal),
            Verdict::Park(refusal) => {
                tables.refuse(&id, State::Parked, 0, refusal)?;
                tables.tell_parked(&id, refusal)
            }
        })
        .await
    }
}

impl Tables<'_> {
    fn idempotency(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let find = "SELECT identity FROM idempotency WHERE hash=?1";
        Ok(self.connection.prepare_cached(find)?.query_row([key], |row| row.get(0)).optional()?)
    }

    fn remember_key(&self, key: &[u8], identity: &[u8]) -> Result<()> {
        let insert = "INSERT INTO idempotency (hash, identity, seen_at) VALUES (?1, ?2, ?3)";
        self.connection.prepare_cached(insert)?.execute(params![key, identity, self.now])?;
        Ok(())
    }

    /// The entry with this content. One whose row is past `outbox.retention` is known by its identity alone.
    fn known(&self, identity: &[u8]) -> Result<Option<Accepted>> {
        let find = "SELECT entry, last_state FROM identity WHERE hash=?1";
        let found: Option<(String, Option<String>)> = self
            .connection
            .prepare_cached(find)?
            .query_row([identity], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, last_state)) = found else { return Ok(None) };
        let last = last_state.and_then(|text| text.parse().ok());
        let (state, aid) = match last {
            Some(state) => (state, None),
            None => {
                let entry = self.find(&id)?;
                (entry.state, entry.aid)
            }
        };
        Ok(Some(Accepted { id, state, aid, is_new: false }))
    }

    /// The composition id for its first birth or death; a name of its own for everything else of that composition, since MOSIP answers
    /// a repeated id with a plain success and drops it.
    fn fresh_id(&self, kind: EventKind, composition: &str) -> Result<String> {
        let taken = "SELECT EXISTS (SELECT 1 FROM identity WHERE entry=?1)";
        let taken: bool =
            self.connection.prepare_cached(taken)?.query_row([composition], |row| row.get(0))?;
        if kind.takes_aid() && !taken {
            return Ok(composition.to_owned());
        }
        Ok(format!("{composition}-{:08x}", u32::from_be_bytes(secret::random())))
    }

    /// Leases one entry; none: it does not open, and is put off.
    fn lease(&self, seq: i64) -> Result<Option<Lease>> {
        let mut find = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, payload, sent, waiting_since FROM entry WHERE seq=?1"
        ))?;
        let mut rows = find.query([seq])?;
        let row = rows.next()?.ok_or_else(|| Error::new(Code::Bug, "an entry that is due is not there"))?;
        let mut entry = self.entry(row)?;
        let (sealed, sealed_aid): (Vec<u8>, Option<Vec<u8>>) = (row.get(9)?, row.get(8)?);
        let payload = match self.open_entry(&entry.id, &sealed, sealed_aid.as_deref()) {
            Ok(payload) => payload,
            Err(error) => {
                self.put_off(&entry.id, &error)?;
                return Ok(None);
            }
        };
        self.site.unreadable.forget(TABLE, &entry.id);
        self.connection
            .prepare_cached("UPDATE entry SET state='leased', attempts=attempts+1 WHERE seq=?1")?
            .execute([seq])?;
        entry.state = State::Leased;
        entry.attempts += 1;
        Ok(Some(Lease {
            payload: bytes::Bytes::from_owner(payload),
            sent: row.get(10)?,
            waiting_since: row.get(11)?,
            entry,
        }))
    }

    /// The payload of an entry whose application id, if it has one, opens too.
    fn open_entry(&self, id: &str, payload: &[u8], aid: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
        if let Some(aid) = aid {
            self.unseal_aid(id, aid)?;
        }
        self.unseal(TABLE, id, "payload", payload)
    }

    /// An entry that does not open stays queued, so that what follows it waits too, and shows why.
    fn put_off(&self, id: &str, error: &Error) -> Result<()> {
        self.site.unreadable.note(TABLE, id, error);
        self.refuse(id, State::Queued, self.now + unreadable::REST, &Refusal::from(error))
    }

    fn unseal_aid(&self, id: &str, sealed: &[u8]) -> Result<Option<Aid>> {
        let plain = self.unseal("entry", id, "aid", sealed)?;
        Ok(std::str::from_utf8(&plain).ok().and_then(Aid::parse))
    }

    pub(super) fn find(&self, id: &str) -> Result<Entry> {
        let find = format!("SELECT {COLUMNS} FROM entry WHERE id=?1");
        let mut find = self.connection.prepare_cached(&find)?;
        let mut rows = find.query([id])?;
        let row = rows.next()?.ok_or_else(|| Error::new(Code::NotFound, "there is no such event"))?;
        self.entry(row)
    }

    /// An entry from a row of [`COLUMNS`]. An application id that was damaged on the disk is not shown, and keeps nobody from the rest.
    pub(super) fn entry(&self, row: &Row<'_>) -> Result<Entry> {
        let id: String = row.get(1)?;
        let refusal: Option<String> = row.get(7)?;
        let sealed_aid: Option<Vec<u8>> = row.get(8)?;
        let aid = sealed_aid.and_then(|sealed| self.unseal_aid(&id, &sealed).ok().flatten());
        Ok(Entry {
            seq: row.get(0)?,
            kind: row.get::<_, String>(2)?.parse()?,
            state: state(row, 3)?,
            attempts: row.get(4)?,
            accepted_at: Timestamp::from_millis(row.get(5)?),
            next_at: row.get(6)?,
            refusal: refusal.and_then(|text| serde_json::from_str(&text).ok()),
            aid,
            id,
        })
    }

    pub(super) fn close(&self, id: &str, state: State, reason: Option<&str>) -> Result<()> {
        self.site.unreadable.forget(TABLE, id);
        self.connection
            .prepare_cached(
                "UPDATE entry SET state=?2, reason=?3, settled_at=?4, payload=NULL, refusal=NULL, fault=NULL WHERE id=?1",
            )?
            .execute(params![id, state.as_str(), reason, self.now])?;
        self.release_next(id)
    }

    /// Its attempt failed, or it may not go: it stands behind all others.
    fn refuse(&self, id: &str, state: State, next_at: Millis, refusal: &Refusal) -> Result<()> {
        let text = serde_json::to_string(refusal)
            .map_err(|_| Error::new(Code::Bug, "a refusal does not serialise"))?;
        self.connection
            .prepare_cached(
                "UPDATE entry SET state=?2, next_at=?3, fault=?4, refusal=?5, position=?6 WHERE id=?1",
            )?
            .execute(params![id, state.as_str(), next_at, refusal.fault, text, self.next_position()?])?;
        Ok(())
    }

    /// Removes settled rows older than `retention`, and identities older than `remember` whose entry is gone.
    pub(super) fn forget_entries(&self, retention: Duration, remember: Duration) -> Result<()> {
        let (settled, seen) = (self.now - millis(retention), self.now - millis(remember));
        // A few at a time, so that nobody who posts waits for it.
        let old = "SELECT id FROM entry WHERE settled_at<=?1 ORDER BY settled_at LIMIT 1000";
        let remember = format!(
            "UPDATE identity SET last_state=(SELECT state FROM entry WHERE id=identity.entry) WHERE entry IN ({old})"
        );
        self.connection.prepare_cached(&remember)?.execute([settled])?;
        let forget = format!("DELETE FROM entry WHERE id IN ({old})");
        self.connection.prepare_cached(&forget)?.execute([settled])?;
        self.connection
            .prepare_cached("DELETE FROM identity WHERE seen_at<=?1 AND last_state IS NOT NULL")?
            .execute([seen])?;
        self.connection.prepare_cached("DELETE FROM idempotency WHERE seen_at<=?1")?.execute([seen])?;
        Ok(())
    }
}

pub(super) fn state(row: &Row<'_>, index: usize) -> Result<State> {
    row.get::<_, String>(index)?.parse().map_err(|_| Error::new(Code::Bug, "an entry is in no known state"))
}
