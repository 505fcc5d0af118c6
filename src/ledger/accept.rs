//! Taking an event: once, whatever key it carries and however often it comes, under an id that stays.

use crate::error::{Code, Error, Result};
use crate::mosip::event::{Aid, Event, EventKind};
use crate::pool;
use crate::store::{NewRow, Queue};

use super::entry::{EntryKind, State};
use super::identity::Identities;
use super::{Book, Ledger};
use crate::mosip::subject::Subject;

pub(super) const TABLE: &str = "entry";

/// `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Clone)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Reads a header value; [`Code::Field`] for another form.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let fits = (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(text).ok().filter(|_| fits).map(|text| Self(text.to_owned())).ok_or_else(|| {
            Error::new(Code::Field, "Idempotency-Key is not 1 to 255 visible ASCII characters")
                .advise("Send a header of that form.")
        })
    }
}

/// An event that is safe: the entry it is, or was already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The id it goes to MOSIP under.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) state: State,
    /// The application id it carries, once it has one.
    pub(crate) aid: Option<Aid>,
    /// False: it was known.
    pub(crate) is_new: bool,
}

impl Ledger {
    /// Stores `event`, or finds the entry that it is already: [`Code::IdempotencyConflict`] if `key` came with other content before.
    /// Once this returns the event is on the disk.
    pub(crate) async fn accept(&self, event: Event, key: Option<IdempotencyKey>) -> Result<Accepted> {
        self.accept_from(event, key, None).await
    }

    /// As [`Self::accept`], for a webhook that was kept in quarantine as `push`: in one transaction it leaves there.
    /// [`Code::NotFound`] where it is not kept any more.
    pub(crate) async fn accept_push(&self, push: String, event: Event) -> Result<Accepted> {
        self.accept_from(event, None, Some(push)).await
    }

    async fn accept_from(
        &self,
        event: Event,
        key: Option<IdempotencyKey>,
        push: Option<String>,
    ) -> Result<Accepted> {
        if let Some(trouble) = self.trouble() {
            return Err((&trouble).into());
        }
        let kind = event.kind();
        let ledger = self.clone();
        let (event, identities) = pool::offload(event.body().len(), move || {
            let identities = ledger.identities(&event)?;
            Ok((event, identities))
        })
        .await?;
        let key = key.map(|key| self.identity(&[b"key", kind.as_str().as_bytes(), key.0.as_bytes()]));
        let key = key.transpose()?;
        let locks = vec![event.composition_id().to_owned()];
        let accepted = self
            .take(locks, move |book| {
                if let Some(push) = &push {
                    book.remove_push(push)?;
                }
                if let Some(key) = &key {
                    book.claim_key(key, &identities)?;
                }
                for identity in identities.all() {
                    if let Some(known) = book.known(identity)? {
                        return Ok(known);
                    }
                }
                book.insert_event(&event, &identities.current)
            })
            .await?;
        if accepted.is_new {
            self.wake();
        }
        Ok(accepted)
    }
}

impl Book<'_> {
    fn claim_key(&self, key: &[u8], identities: &Identities) -> Result<()> {
        let before = self.tx().key(key)?;
        match before {
            Some(before) if identities.all().all(|identity| before != identity) => Err(Error::new(
                Code::IdempotencyConflict,
                "this Idempotency-Key came with another event before",
            )),
            Some(_) => Ok(()),
            None => self.tx().insert_key(key, &identities.current, self.now),
        }
    }

    /// The entry with this content; one that a person discarded is none. One whose row is past `outbox.retention` is known by its identity
    /// alone.
    fn known(&self, identity: &[u8]) -> Result<Option<Accepted>> {
        let Some(found) = self.tx().identity(identity)? else { return Ok(None) };
        let (state, aid) = match found.last_state {
            Some(state) => (state, None),
            None => {
                let entry = self.entry(&found.entry)?;
                (entry.state, entry.aid)
            }
        };
        let known = Accepted { id: found.entry, state, aid, is_new: false };
        Ok(Some(known).filter(|known| known.state != State::Discarded))
    }

    fn insert_event(&self, event: &Event, identity: &[u8]) -> Result<Accepted> {
        let id = self.fresh_id(event.kind(), event.composition_id())?;
        let kind = EntryKind::Event(event.kind());
        let aid = event.aid().map(|aid| self.seal(TABLE, &id, "aid", aid.as_str().as_bytes())).transpose()?;
        let row = NewRow {
            queue: Queue::Entries,
            destination: kind.destination().as_str().to_owned(),
            kind: kind.as_str().to_owned(),
            line: Some(event.composition_id().to_owned()),
            accepted_at: self.wall.millis(),
            waiting_since: self.now,
            payload: Some(self.seal(TABLE, &id, "payload", event.body())?),
            result: aid,
            met_by: None,
            job: None,
            is_invalid: false,
            id: id.clone(),
        };
        self.tx().insert(&[row])?;
        self.tx().insert_identity(identity, &id, self.now)?;
        self.correlate(&id, &Subject::of(event))?;
        Ok(Accepted { id, state: State::Queued, aid: event.aid().cloned(), is_new: true })
    }

    /// The composition id for its first birth or death; a name of its own for everything else of that composition, since MOSIP answers
    /// a repeated id with a plain success and drops it.
    fn fresh_id(&self, kind: EventKind, composition: &str) -> Result<String> {
        let is_taken = self.tx().is_named(composition)?
            || self.tx().correlation(composition)?.is_some()
            || self.tx().row(Queue::Entries, composition)?.is_some();
        if kind.takes_aid() && !is_taken {
            return Ok(composition.to_owned());
        }
        Ok(format!("{composition}-{:08x}", self.rules.random.u32()))
    }
}
