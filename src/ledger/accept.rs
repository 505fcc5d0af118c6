//! Takes an event or a registration once, whatever key it carries and however often it comes, under an id that stays.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;

use crate::destinations::Rows;
use crate::error::{Code, Error, Result};
use crate::opencrvs::document::EventDocument;
use crate::opencrvs::event::{Event, EventKind};
use crate::opencrvs::record_token::RecordToken;
use crate::pool;

use super::correlation::cause;
use super::entry::{NewEntry, State};
use super::idempotency::IdempotencyKey;
use super::identity::Identities;
use super::ready::Ready;
use super::registrations::PacketId;
use super::{Book, Ledger};
use crate::registration::{Aid, Subject};
use crate::store::{Lane, Queue};

pub(super) const TABLE: &str = "entry";

/// The one destination of older gateways. What is known of an event there is kept under the plain identity, elsewhere under one of that
/// destination.
pub(super) const OLDEST: &str = "mediator";

/// An event that is safe: the entries it is, or was already, one for each destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The entry that speaks for the event: the one where MOSIP answers, else the first one.
    pub(crate) id: String,
    pub(crate) state: State,
    /// The application id it carries, once it has one.
    pub(crate) aid: Option<Aid>,
    /// False: it was known.
    pub(crate) is_new: bool,
    /// The entries at the other destinations, and where they stand.
    pub(crate) others: Vec<(String, State)>,
}

impl Accepted {
    /// The entries that still move.
    pub(crate) fn unsettled(&self) -> Vec<&str> {
        self.all().filter(|(_, state)| !state.is_settled()).map(|(id, _)| id).collect()
    }

    /// Every entry, the one that speaks first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, State)> {
        let others = self.others.iter().map(|(id, state)| (id.as_str(), *state));
        std::iter::once((self.id.as_str(), self.state)).chain(others)
    }

    /// The entry `id` stands there now.
    pub(crate) fn update(&mut self, id: &str, state: State, aid: Option<Aid>) {
        if self.id == id {
            (self.state, self.aid) = (state, aid);
        }
        for (_, known) in self.others.iter_mut().filter(|(other, _)| other == id) {
            *known = state;
        }
    }
}

/// What is accepted: an event, or a registration that goes as a packet. No `Debug`: it holds personal data.
pub(super) struct Intent {
    pub(super) kind: EventKind,
    pub(super) payload: Bytes,
    /// The application id that it comes with.
    pub(super) aid: Option<Aid>,
    /// Its entries go in the order of acceptance, one at a time.
    pub(super) line: String,
    pub(super) subject: Subject,
    pub(super) name: Name,
}

/// An intent as it is posted: where it goes, in the order of the configuration, and by what it is known.
pub(super) struct Posted {
    pub(super) intent: Intent,
    pub(super) identities: Identities,
    pub(super) destinations: Vec<&'static str>,
    /// The record token with which it came, where that is kept.
    pub(super) token: Option<Arc<RecordToken>>,
}

impl Posted {
    /// Where it goes.
    fn lanes(&self) -> Vec<Lane> {
        let kinds = vec![self.intent.kind.as_str().to_owned()];
        let lane =
            |to: &&str| Lane { queue: Queue::Entries, destination: (*to).to_owned(), kinds: kinds.clone() };
        self.destinations.iter().map(lane).collect()
    }

    /// What is held while it is accepted.
    fn locks(&self) -> impl Iterator<Item = String> {
        let number = match &self.intent.name {
            Name::Composition | Name::Action(_) => None,
            Name::Packet(id) => Some(id.lock()),
        };
        std::iter::once(self.intent.line.clone()).chain(number)
    }
}

/// Under which id it goes.
pub(super) enum Name {
    /// That of its composition, which the line is, or one made of it.
    Composition,
    /// That of its event and its action, or one made of it.
    Action(String),
    /// One that is drawn.
    Packet(PacketId),
}

impl From<&Event> for Intent {
    fn from(event: &Event) -> Self {
        Self {
            kind: event.kind(),
            payload: event.body().clone(),
            aid: event.aid().cloned(),
            line: event.composition_id().to_owned(),
            subject: event.subject(),
            name: Name::Composition,
        }
    }
}

impl From<&EventDocument> for Intent {
    fn from(document: &EventDocument) -> Self {
        Self {
            kind: document.kind(),
            payload: document.body().clone(),
            aid: None,
            line: document.event_id().to_owned(),
            subject: document.subject(),
            name: Name::Action(format!("{}-{}", document.event_id(), document.action_id())),
        }
    }
}

/// What is known of an event at one destination.
struct Known {
    id: String,
    state: State,
    aid: Option<Aid>,
    /// It is no match: a person discarded it, or MOSIP rejected it and it is registered once more.
    is_void: bool,
}

impl Ledger {
    /// Stores `event` for each of `destinations`, in the order of the configuration, or finds the entries that it is already:
    /// [`Code::IdempotencyConflict`] if `key` was already used for other content. Once this returns the event is on the disk.
    pub(crate) async fn accept(
        &self,
        event: Event,
        destinations: Vec<&'static str>,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        self.accept_from(event, destinations, key, None).await
    }

    /// As [`Self::accept`], of an EventDocument: kind, event and action alone say what it is, whatever else differs. A revocation has no
    /// action of its own in OpenCRVS, so that its document may end with the action of the registration.
    pub(crate) async fn accept_document(
        &self,
        document: EventDocument,
        destinations: Vec<&'static str>,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted> {
        self.refuse_in_trouble()?;
        let [kind, event, action] =
            [document.kind().as_str(), document.event_id(), document.action_id()].map(str::as_bytes);
        let identity = self.identity(&[b"document", kind, event, action])?;
        let key = key.map(|key| self.key_identity(document.kind(), &key)).transpose()?;
        let identities = Identities::of_today(identity);
        let posted = Posted { intent: Intent::from(&document), identities, destinations, token: None };
        self.accept_one(posted, key, None).await
    }

    fn key_identity(&self, kind: EventKind, key: &IdempotencyKey) -> Result<Vec<u8>> {
        self.identity(&[b"key", kind.as_str().as_bytes(), key.as_bytes()])
    }

    /// As [`Self::accept`], for a webhook that was kept in quarantine as `push`: in one transaction it leaves there.
    /// [`Code::NotFound`] where it is not kept any more.
    pub(crate) async fn accept_push(
        &self,
        push: String,
        event: Event,
        destinations: Vec<&'static str>,
    ) -> Result<Accepted> {
        self.accept_from(event, destinations, None, Some(push)).await
    }

    async fn accept_from(
        &self,
        event: Event,
        destinations: Vec<&'static str>,
        key: Option<IdempotencyKey>,
        push: Option<String>,
    ) -> Result<Accepted> {
        self.refuse_in_trouble()?;
        let ledger = self.clone();
        let (event, identities) = pool::offload(event.body().len(), move || {
            let identities = ledger.identities(&event)?;
            Ok((event, identities))
        })
        .await?;
        let key = key.map(|key| self.key_identity(event.kind(), &key)).transpose()?;
        let posted = Posted { intent: Intent::from(&event), identities, destinations, token: None };
        self.accept_one(posted, key, push).await
    }

    /// Stores `posted`, or finds the entries that it is already; `key` is the HMAC of its `Idempotency-Key`, and `push` the id in the
    /// quarantine that it leaves.
    pub(super) async fn accept_one(
        &self,
        posted: Posted,
        key: Option<Vec<u8>>,
        push: Option<String>,
    ) -> Result<Accepted> {
        let lanes = posted.lanes();
        // Two posts under one key may be of different compositions.
        let locks = posted.locks().chain(key.as_deref().map(|key| HEXLOWER.encode(key)));
        let accepted = self.take(locks.collect(), move |book| {
            if let Some(push) = &push {
                book.remove_push(push)?;
            }
            let is_retry = match &key {
                Some(key) => book.claim_key(key, &posted.identities)?,
                None => false,
            };
            book.accept(&posted, is_retry)
        });
        let accepted = accepted.await?;
        // A database that stored it before, and did not say so, has not announced it.
        if !accepted.is_new && !accepted.unsettled().is_empty() {
            lanes.into_iter().for_each(|lane| self.rules.announce(Ready::Through(lane)));
        }
        Ok(accepted)
    }

    /// Stores all of `posted`, or none of it.
    pub(super) async fn accept_all(&self, posted: Vec<Posted>) -> Result<()> {
        let mut locks: Vec<_> = posted.iter().flat_map(Posted::locks).collect();
        locks.sort_unstable();
        locks.dedup();
        self.take(locks, move |book| posted.iter().try_for_each(|one| book.accept(one, false).map(drop)))
            .await
    }
}

impl Book<'_> {
    /// Whether `key` came with this event before.
    fn claim_key(&self, key: &[u8], identities: &Identities) -> Result<bool> {
        let before = self.tx().key(key)?;
        match before {
            Some(before) if identities.all().all(|identity| before != identity) => Err(Error::new(
                Code::IdempotencyConflict,
                "this Idempotency-Key came with another event before",
            )),
            Some(_) => Ok(true),
            None => self.tx().insert_key(key, &identities.current, self.now).map(|()| false),
        }
    }

    /// The entries of what is posted, known or new. What is known at one destination is a repeat, and no entry is made of it at one
    /// that was configured later. Where its entry is no match any more, it gets a new one. `is_retry`: the same request came before.
    fn accept(&self, posted: &Posted, is_retry: bool) -> Result<Accepted> {
        let Posted { intent, identities, destinations, token } = posted;
        let mut known = Vec::new();
        for destination in destinations {
            known.push(self.known(posted, destination, is_retry)?);
        }
        let is_void = |known: &Known| known.is_void;
        let is_repeat = known.iter().flatten().any(|known| !is_void(known));
        let is_due = |known: &Option<Known>| known.as_ref().map_or(!is_repeat, is_void);
        let due: Vec<&'static str> =
            destinations.iter().zip(&known).filter(|(_, known)| is_due(known)).map(|(to, _)| *to).collect();
        let stands = known.iter().flatten().find(|known| !is_void(known)).map(|known| known.id.as_str());
        let made = self.insert_intent(intent, &identities.current, (destinations, &due), stands)?;
        let mut made = made.into_iter();
        let entries = destinations.iter().zip(known).filter_map(|(destination, known)| {
            let entry = if due.contains(destination) { made.next() } else { known };
            Some((*destination, entry?))
        });
        let mut entries: Vec<(&str, Known)> = entries.collect();
        if entries.is_empty() {
            return Err(Error::new(Code::Bug, "an event goes nowhere"));
        }
        let speaks = entries.iter().position(|(destination, _)| Rows::speaks(destination)).unwrap_or(0);
        let (_, Known { id, state, aid, .. }) = entries.remove(speaks);
        if due.is_empty() {
            self.follow_action(&id, intent)?;
        }
        if let Some(token) = token {
            self.keep_record_token(&self.answered_under(&id)?, token)?;
        }
        let others = entries.into_iter().map(|(_, known)| (known.id, known.state)).collect();
        Ok(Accepted { id, state, aid, is_new: !due.is_empty(), others })
    }

    /// The entry with this content at `destination`. One whose row is past `outbox.retention` is known by its identity alone.
    fn known(&self, posted: &Posted, destination: &str, is_retry: bool) -> Result<Option<Known>> {
        for identity in posted.identities.all() {
            let found = self.tx().identity(&self.identity_at(identity, destination))?;
            let Some(found) = found else { continue };
            let (state, aid) = match found.last_state {
                Some(state) => (state, None),
                None => {
                    let entry = self.entry(&found.entry)?;
                    (entry.state, entry.aid)
                }
            };
            let is_void = state == State::Discarded
                || !is_retry
                    && Rows::speaks(destination)
                    && self.is_registered_again(&found.entry, &posted.intent)?;
            return Ok(Some(Known { id: found.entry, state, aid, is_void }));
        }
        Ok(None)
    }

    fn identity_at(&self, identity: &[u8], destination: &str) -> Vec<u8> {
        match destination {
            OLDEST => identity.to_vec(),
            other => self.identity(&[b"at", other.as_bytes(), identity]),
        }
    }

    /// Makes the entries of `intent` for those of its `destinations` that are `due`. `stands` is its entry at another one.
    fn insert_intent(
        &self,
        intent: &Intent,
        identity: &[u8],
        (destinations, due): (&[&'static str], &[&'static str]),
        stands: Option<&str>,
    ) -> Result<Vec<Known>> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let is_first = |destination: &&'static str| destinations.first() == Some(destination);
        // What goes as a packet keeps its id, and the names that are kept under it, while MOSIP has it or is to get it.
        let is_packet = matches!(intent.name, Name::Packet(_));
        let kept = stands.filter(|_| is_packet && !due.iter().any(is_first)).map(cause);
        let id = match (&intent.name, kept) {
            (_, Some(id)) => id.to_owned(),
            (Name::Composition, _) => self.fresh_id(intent.kind, &intent.line)?,
            (Name::Action(id), _) if !self.tx().is_taken(id)? => id.clone(),
            (Name::Action(id), _) => self.another_id(id),
            (Name::Packet(packet), _) => self.packet_id(packet, intent.kind)?,
        };
        let mut made = Vec::new();
        for destination in due {
            let name = match (is_first(destination), kept) {
                (true, _) => id.clone(),
                (false, None) => format!("{id}@{destination}"),
                // The plain one is that of the entry which a person discarded.
                (false, Some(_)) => self.another_id(&format!("{id}@{destination}")),
            };
            self.queue(NewEntry {
                destination,
                kind: intent.kind.as_str(),
                id: name.clone(),
                line: intent.line.clone(),
                payload: &intent.payload,
                aid: intent.aid.as_ref(),
                identity: Some(self.identity_at(identity, destination)),
            })?;
            made.push(Known { id: name, state: State::Queued, aid: intent.aid.clone(), is_void: false });
        }
        match &intent.name {
            _ if kept.is_some() => {}
            Name::Composition | Name::Action(_) => self.correlate(&id, &intent.subject)?,
            Name::Packet(packet) => self.correlate_packet(&id, intent, packet)?,
        }
        Ok(made)
    }

    /// The composition id for its first birth or death; a name of its own for everything else of that composition, since MOSIP answers
    /// a repeated id with a plain success and drops it.
    fn fresh_id(&self, kind: EventKind, composition: &str) -> Result<String> {
        if kind.takes_aid() && !self.tx().is_taken(composition)? {
            return Ok(composition.to_owned());
        }
        Ok(self.another_id(composition))
    }

    /// A name of its own for one more entry of what is known by `id`.
    fn another_id(&self, id: &str) -> String {
        format!("{id}-{:08x}", self.rules.random.u32())
    }
}
