//! What is kept of an event when its payload is gone: the names by which MOSIP, the mediator and OpenCRVS speak of it later, sealed, and
//! for each name an HMAC by which a push finds its event. Nothing else of the payload is kept.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::{Store, Tables};
use crate::error::{Error, Result};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::outbox::subject::Subject;
use crate::outbox::uptime::millis;

const TABLE: &str = "correlation";
/// Entries of an older database that get their row in one transaction: few, so that nobody who posts waits for it.
const AT_ONCE: i64 = 100;
/// Events with one number that are looked at. Real ones have a birth and a few corrections.
const ALIKE: i64 = 100;

/// The events that bear a name.
pub(super) struct Named {
    /// The entry that was accepted first.
    pub(super) entry: String,
    /// Its composition.
    pub(super) composition: String,
    /// What all of them have in common.
    pub(super) subject: Subject,
}

impl Store {
    /// Gives the entries of an older database their rows, as far as their payloads are still there. A crash in the middle costs nothing:
    /// the next start goes on. A payload that does not open is skipped and left; while there is one, every start looks again.
    pub async fn correlate_older(&self) -> Result<()> {
        if !self.run(|tables| tables.has_uncorrelated()).await? {
            return Ok(());
        }
        let (mut after, mut skipped) = (Some(0), 0_u64);
        while let Some(seq) = after {
            let step = self.run(move |tables| tables.correlate_next(seq)).await?;
            (after, skipped) = (step.last, skipped + step.skipped);
        }
        if skipped > 0 {
            tracing::warn!(
                events = skipped,
                "events cannot be read, so a push does not find them; the next start looks again"
            );
            return Ok(());
        }
        self.run(|tables| {
            tables.connection.execute("DELETE FROM meta WHERE name='uncorrelated'", ())?;
            Ok(())
        })
        .await
    }
}

/// How far older entries have come.
struct Step {
    skipped: u64,
    /// The last row looked at; none: the table is through.
    last: Option<i64>,
}

impl Tables<'_> {
    /// Keeps the names of `entry`, in place of those that were kept before.
    pub(super) fn correlate(&self, entry: &str, subject: &Subject) -> Result<()> {
        let text = serde_json::to_vec(subject).map_err(|_| bug("a subject does not serialise"))?;
        let sealed = self.seal("correlation", entry, "subject", &text)?;
        self.connection
            .prepare_cached(
                "INSERT INTO correlation (entry, made_at, subject) VALUES (?1, ?2, ?3)
                 ON CONFLICT (entry) DO UPDATE SET made_at=excluded.made_at, subject=excluded.subject",
            )?
            .execute(params![entry, self.now, sealed])?;
        let insert = "INSERT OR IGNORE INTO correlation_name (hash, entry) VALUES (?1, ?2)";
        let mut insert = self.connection.prepare_cached(insert)?;
        for (name, value) in subject.names() {
            insert.execute(params![self.name_hash(name, value), entry])?;
        }
        Ok(())
    }

    /// The names of the event that the entry `id` is, or is made for.
    pub(super) fn subject_of(&self, id: &str) -> Result<Subject> {
        let entry = cause(id);
        if let Some(subject) = self.correlated(entry)? {
            return Ok(subject);
        }
        let find = "SELECT composition FROM entry WHERE id=?1 AND destination='mediator'";
        let composition_id =
            self.connection.prepare_cached(find)?.query_row([entry], |row| row.get(0)).optional()?;
        Ok(Subject { composition_id, ..Subject::default() })
    }

    /// The application id joins the names of `entry`.
    pub(super) fn correlate_aid(&self, entry: &str, aid: &Aid) -> Result<()> {
        match self.correlated(entry)? {
            Some(subject) => self.correlate(entry, &Subject { aid: Some(aid.to_string()), ..subject }),
            // A row that cannot be read is left as it is.
            None => Ok(()),
        }
    }

    /// The events that bear the name `name` with this `value`.
    pub(super) fn named(&self, name: &'static str, value: &str) -> Result<Option<Named>> {
        let mut find = self.connection.prepare_cached(
            "SELECT correlation.entry, subject FROM correlation_name JOIN correlation USING (entry)
             WHERE hash=?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = find.query(params![self.name_hash(name, value), ALIKE])?;
        let (mut first, mut subjects) = (None, Vec::new());
        while let Some(row) = rows.next()? {
            let entry: String = row.get(0)?;
            let Some(subject) = self.open_subject(&entry, &row.get::<_, Vec<u8>>(1)?) else { continue };
            let composition = subject.composition_id.clone();
            first = first.or(composition.map(|composition| (entry, composition)));
            subjects.push(subject);
        }
        Ok(first.map(|(entry, composition)| Named {
            entry,
            composition,
            subject: Subject::common(&subjects),
        }))
    }

    /// Forgets the names of entries that are gone, after `remember`.
    pub(super) fn forget_correlations(&self, remember: Duration) -> Result<()> {
        let before = self.now - millis(remember);
        let old = "SELECT entry FROM correlation WHERE made_at<=?1
                   AND NOT EXISTS (SELECT 1 FROM entry WHERE id=correlation.entry) ORDER BY made_at LIMIT 1000";
        for table in ["correlation_name", "correlation"] {
            let forget = format!("DELETE FROM {table} WHERE entry IN ({old})");
            self.connection.prepare_cached(&forget)?.execute([before])?;
        }
        Ok(())
    }

    /// What is kept of `entry`; where nothing is, and the payload is still there, it is kept now. `None`: neither can be read.
    fn correlated(&self, entry: &str) -> Result<Option<Subject>> {
        let find = "SELECT subject FROM correlation WHERE entry=?1";
        let sealed: Option<Vec<u8>> =
            self.connection.prepare_cached(find)?.query_row([entry], |row| row.get(0)).optional()?;
        if let Some(sealed) = sealed {
            return Ok(self.open_subject(entry, &sealed));
        }
        let find =
            "SELECT kind, payload FROM entry WHERE id=?1 AND destination='mediator' AND payload IS NOT NULL";
        let found: Option<(String, Vec<u8>)> = self
            .connection
            .prepare_cached(find)?
            .query_row([entry], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((kind, sealed)) = found else { return Ok(None) };
        self.correlate_payload(entry, &kind, &sealed)
    }

    fn correlate_payload(&self, entry: &str, kind: &str, sealed: &[u8]) -> Result<Option<Subject>> {
        let Ok(payload) = self.unseal("entry", entry, "payload", sealed) else { return Ok(None) };
        let kind: EventKind = kind.parse()?;
        let Ok(event) = Event::parse(kind, Bytes::from_owner(payload)) else { return Ok(None) };
        let mut subject = Subject::of(&event);
        if subject.aid.is_none() {
            subject.aid = self.find(entry)?.aid.map(|aid| aid.to_string());
        }
        self.correlate(entry, &subject)?;
        Ok(Some(subject))
    }

    fn open_subject(&self, entry: &str, sealed: &[u8]) -> Option<Subject> {
        match self.unseal(TABLE, entry, "subject", sealed) {
            Ok(text) => {
                self.site.unreadable.forget(TABLE, entry);
                serde_json::from_slice(&text).ok()
            }
            Err(error) => {
                self.site.unreadable.note(TABLE, entry, &error);
                None
            }
        }
    }

    fn has_uncorrelated(&self) -> Result<bool> {
        let find = "SELECT EXISTS (SELECT 1 FROM meta WHERE name='uncorrelated')";
        Ok(self.connection.prepare_cached(find)?.query_row([], |row| row.get(0))?)
    }

    fn correlate_next(&self, after: i64) -> Result<Step> {
        let mut find = self.connection.prepare_cached(
            "SELECT seq, id, kind, payload FROM entry
             WHERE seq>?1 AND destination='mediator' AND payload IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM correlation WHERE entry=entry.id) ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = find.query(params![after, AT_ONCE])?;
        let mut step = Step { skipped: 0, last: None };
        while let Some(row) = rows.next()? {
            step.last = Some(row.get(0)?);
            let (id, kind, sealed): (String, String, Vec<u8>) = (row.get(1)?, row.get(2)?, row.get(3)?);
            step.skipped += u64::from(self.correlate_payload(&id, &kind, &sealed)?.is_none());
        }
        Ok(step)
    }

    fn name_hash(&self, name: &'static str, value: &str) -> Vec<u8> {
        super::identity(&self.identity_key, &[b"name", name.as_bytes(), value.as_bytes()])
    }
}

/// The entry or the push that the entry `id` is made for: an entry of its own is named after it, with `@` behind it.
fn cause(id: &str) -> &str {
    id.split_once('@').map_or(id, |(cause, _)| cause)
}

fn bug(what: &str) -> Error {
    Error::new(crate::error::Code::Bug, what)
}
