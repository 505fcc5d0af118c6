//! What is kept of an event when its payload is gone: the names by which MOSIP, the mediator and OpenCRVS speak of it later, sealed, and
//! for each name an HMAC by which a push finds its event. Nothing else of the payload is kept.

use bytes::Bytes;

use super::accept::{OLDEST, TABLE as ENTRY};
use super::entry::Entry;
use super::{Book, Ledger};
use crate::error::{Code, Error, Result};
use crate::json::to_wiped;
use crate::opencrvs::event::{Event, EventKind};
use crate::registration::{Aid, Subject};
use crate::store::{CorrelationRow, Filter, Listed, Queue, Row, State};

pub(super) const TABLE: &str = "correlation";
/// Stands in the database until every entry of an older version has its row.
const UNCORRELATED: &str = "uncorrelated";
/// Entries of an older database that get their row in one transaction: few, so that a caller who posts does not wait for it.
const AT_ONCE: usize = 100;
/// Events with one name that are looked at, the newest. Real ones have a birth, a few corrections, and an EventDocument for each action.
pub(super) const ALIKE: usize = 100;
/// The names by which a push finds its event, those that fewest events share first.
const BY_PRECISION: [&str; 10] = [
    "registrationId",
    "transactionId",
    "actionId",
    "compositionId",
    "eventId",
    "aid",
    "trackingId",
    "drn",
    "brn",
    "registrationNumber",
];

/// The events that a push is about.
pub(super) struct Named {
    /// The entry that was accepted first.
    pub(super) entry: String,
    /// Those that were accepted after it and bear the same name.
    pub(super) others: Vec<String>,
    /// What orders its entries.
    pub(super) line: String,
    /// What all of them have in common.
    pub(super) subject: Subject,
}

impl Ledger {
    /// Gives the entries of an older database their rows, as far as their payloads are still there. A crash in the middle costs nothing:
    /// the next start goes on. A payload that does not open is skipped and left; while there is one, every start looks again.
    pub(crate) async fn correlate_older(&self) -> Result<()> {
        if self.run(|book| book.tx().number(UNCORRELATED)).await?.unwrap_or_default() == 0 {
            return Ok(());
        }
        let (mut after, mut skipped) = (Some(0), 0_u64);
        while let Some(seq) = after {
            let (last, left) = self.run(move |book| book.correlate_next(seq)).await?;
            (after, skipped) = (last, skipped + left);
        }
        if skipped > 0 {
            tracing::warn!(
                events = skipped,
                "events cannot be read, so a push does not find them; the next start looks again"
            );
            return Ok(());
        }
        self.run(|book| book.tx().set_number(UNCORRELATED, 0)).await
    }
}

impl Ledger {
    /// The entries that are named `text`: by their id, their composition, a number of their registration or their application id.
    pub(crate) async fn find(&self, text: String) -> Result<Vec<Entry>> {
        self.read(move |book| {
            let mut ids = vec![text.clone()];
            for name in Subject::NAMES {
                ids.extend(book.bearers(name, &text)?);
            }
            let mut found: Vec<Entry> = Vec::new();
            for id in ids {
                if book.tx().listed(Queue::Entries, &id)?.is_some()
                    && found.iter().all(|entry| entry.id != id)
                {
                    found.push(book.entry(&id)?);
                }
            }
            Ok(found)
        })
        .await
    }
}

impl Book<'_> {
    /// Keeps the names of `entry`, in place of those that were kept before.
    pub(super) fn correlate(&self, entry: &str, subject: &Subject) -> Result<()> {
        self.correlate_with(entry, subject, None)
    }

    /// As [`Self::correlate`], with one more HMAC by which it is found.
    pub(super) fn correlate_with(
        &self,
        entry: &str,
        subject: &Subject,
        further: Option<&[u8]>,
    ) -> Result<()> {
        let text = to_wiped(subject).map_err(|_| Error::new(Code::Bug, "a subject does not serialise"))?;
        let row = CorrelationRow {
            entry: entry.to_owned(),
            subject: self.seal(TABLE, entry, "subject", &text)?,
            seen_at: self.now,
        };
        let names = subject.names().map(|(name, value)| self.name_hash(name, value));
        // Of which kind it is, a push knows.
        let number = subject.registration_number.as_deref();
        let as_either =
            number.into_iter().flat_map(|number| ["brn", "drn"].map(|name| self.name_hash(name, number)));
        let names: Vec<Vec<u8>> = names.chain(as_either).chain(further.map(<[u8]>::to_vec)).collect();
        self.tx().correlate(&row, &names)
    }

    /// The names of the event that the entry `id` is, or is made for.
    pub(super) fn subject_of(&self, id: &str) -> Result<Subject> {
        let entry = cause(id);
        if let Some(subject) = self.correlated(entry)? {
            return Ok(subject);
        }
        let row = self.tx().listed(Queue::Entries, entry)?.filter(is_event);
        // The id of an event begins with its composition.
        let composition_id = row.and_then(|row| row.line.filter(|line| row.id.starts_with(line)));
        Ok(Subject { composition_id, ..Subject::default() })
    }

    /// The application id joins the names of `entry`.
    pub(super) fn correlate_aid(&self, entry: &str, aid: &Aid) -> Result<()> {
        let entry = cause(entry);
        match self.correlated(entry)? {
            Some(subject) => self.correlate(entry, &Subject { aid: Some(aid.to_string()), ..subject }),
            // A row that cannot be read is left as it is.
            None => Ok(()),
        }
    }

    /// The ids of the events that bear the name `name` with this `value`, the newest [`ALIKE`] of them in their order.
    pub(super) fn bearers(&self, name: &str, value: &str) -> Result<Vec<String>> {
        let rows = self.tx().named(&self.name_hash(name, value), ALIKE)?;
        Ok(rows.into_iter().map(|row| row.entry).collect())
    }

    /// The events that a push is about which held the names `held`: those that bear the most precise of them that any event bears. An
    /// event that bears another value under one of these names is not the one, and one that a person discarded only where no other is.
    pub(super) fn named(&self, held: &Subject) -> Result<Option<Named>> {
        for name in BY_PRECISION {
            let Some((_, value)) = held.names().find(|(of, _)| *of == name) else { continue };
            let (mut bearers, mut discarded) = (Vec::new(), Vec::new());
            let rows = self.tx().named(&self.name_hash(name, value), ALIKE)?;
            for CorrelationRow { entry, subject, .. } in rows {
                let subject = self.open_subject(&entry, &subject);
                let Some(subject) = subject.filter(|subject| !held.contradicts(subject)) else { continue };
                let row = self.tx().listed(Queue::Entries, &entry)?;
                let is_discarded = row.is_some_and(|row| row.state == State::Discarded);
                if is_discarded { &mut discarded } else { &mut bearers }.push((entry, subject));
            }
            for bearers in [bearers, discarded] {
                let mut named = bearers.iter();
                let named =
                    named.find_map(|(entry, subject)| Some((entry.clone(), subject.line()?.to_owned())));
                let Some((entry, line)) = named else { continue };
                let (mut others, subjects): (Vec<String>, Vec<Subject>) = bearers.into_iter().unzip();
                others.retain(|other| *other != entry);
                return Ok(Some(Named { entry, others, line, subject: Subject::common(&subjects) }));
            }
        }
        Ok(None)
    }

    /// What is kept of `entry`; where nothing is, and the payload is still there, it is kept now. `None`: neither can be read.
    pub(super) fn correlated(&self, entry: &str) -> Result<Option<Subject>> {
        let kept = self.tx().correlation(entry)?;
        if let Some(row) = kept {
            return Ok(self.open_subject(entry, &row.subject));
        }
        let row = self.tx().row(Queue::Entries, entry)?.filter(|row| is_event(row));
        row.map_or(Ok(None), |row| self.correlate_row(&row))
    }

    fn correlate_row(&self, row: &Row) -> Result<Option<Subject>> {
        let Some(sealed) = &row.payload else { return Ok(None) };
        let Ok(payload) = self.unseal(ENTRY, &row.id, "payload", sealed) else { return Ok(None) };
        let Ok(kind) = row.kind.parse::<EventKind>() else { return Ok(None) };
        let Ok(event) = Event::parse(kind, Bytes::from_owner(payload)) else { return Ok(None) };
        let mut subject = event.subject();
        if subject.aid.is_none() {
            subject.aid = self.entry(&row.id)?.aid.map(|aid| aid.to_string());
        }
        self.correlate(&row.id, &subject)?;
        Ok(Some(subject))
    }

    fn open_subject(&self, entry: &str, sealed: &[u8]) -> Option<Subject> {
        match self.unseal(TABLE, entry, "subject", sealed) {
            Ok(text) => {
                self.rules.unreadable.forget(TABLE, entry);
                serde_json::from_slice(&text).ok()
            }
            Err(error) => {
                self.rules.unreadable.note(TABLE, entry, &error);
                None
            }
        }
    }

    /// The next entries after `after`: the last one looked at, or none where the table is through, and how many were skipped.
    fn correlate_next(&self, after: i64) -> Result<(Option<i64>, u64)> {
        let destination = Some(OLDEST.to_owned());
        let filter = Filter { destination, ..Filter::default() };
        let rows = self.tx().rows(Queue::Entries, &filter, after, AT_ONCE)?;
        let mut skipped = 0;
        for listed in &rows {
            if self.tx().correlation(&listed.id)?.is_some() {
                continue;
            }
            let row = self.tx().row(Queue::Entries, &listed.id)?.filter(|row| row.payload.is_some());
            if let Some(row) = row
                && self.correlate_row(&row)?.is_none()
            {
                skipped += 1;
            }
        }
        Ok((rows.last().map(|row| row.seq), skipped))
    }

    fn name_hash(&self, name: &str, value: &str) -> Vec<u8> {
        self.identity(&[b"name", name.as_bytes(), value.as_bytes()])
    }
}

fn is_event(row: &Listed) -> bool {
    row.kind.parse::<EventKind>().is_ok()
}

/// The entry or the push that the entry `id` is made for: an entry of its own is named after it, with `@` behind it.
pub(super) fn cause(id: &str) -> &str {
    id.split_once('@').map_or(id, |(cause, _)| cause)
}
