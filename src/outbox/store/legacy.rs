//! What goes to the country configuration of OpenCRVS 1.x: entries of their own, made in the transaction that causes them, and the
//! messages for the mediator whose purpose they meet.

use std::sync::Arc;

use rusqlite::params;
use tokio::sync::Notify;

use super::correlation::Named;
use super::{Store, Tables};
use crate::crypto::secret;
use crate::error::Result;
use crate::mosip::event::{Aid, EventKind};
use crate::opencrvs::legacy::{self, Number};
use crate::outbox::entry::EntryKind;
use crate::outbox::subject::Subject;

/// How application ids and UINTOKENs reach OpenCRVS 1.x.
#[derive(Debug, Clone, Copy)]
pub struct LegacyPosts {
    /// The member that holds the UINTOKEN.
    pub token_member: &'static str,
    /// Nobody else waits for them: no message is delivered, so one whose purpose is met is settled with that.
    pub settles: bool,
}

impl Store {
    /// From now on application ids and UINTOKENs go to OpenCRVS too. Called once, before anything moves.
    pub fn post_to_opencrvs(&self, posts: LegacyPosts) {
        // A second call changes nothing.
        let _ = self.0.legacy.set(posts);
    }

    /// Told of every entry that was made for OpenCRVS.
    pub fn legacy_queued(&self) -> Arc<Notify> {
        Arc::clone(&self.0.legacy_queued)
    }
}

impl Tables<'_> {
    /// The application id of `entry` goes to OpenCRVS, and with it `message` is settled. Without a registration number OpenCRVS could
    /// not tell whose it is: then the message alone tells of it.
    pub(super) fn post_aid(&self, entry: &str, aid: &Aid, message: &str) -> Result<()> {
        if self.legacy.is_none() {
            return Ok(());
        }
        let EntryKind::Event(kind) = self.find(entry)?.kind else { return Ok(()) };
        let subject = self.subject_of(entry)?;
        let Some(number) = number(kind, &subject) else {
            tracing::warn!(
                event = entry,
                "the event has no registration number, so its application id does not go to OpenCRVS"
            );
            return Ok(());
        };
        let find = "SELECT composition FROM entry WHERE id=?1";
        let composition: String =
            self.connection.prepare_cached(find)?.query_row([entry], |row| row.get(0))?;
        let body = legacy::aid_body(number, aid)?;
        self.queue_legacy(&format!("{entry}@legacy-aid"), &composition, &body, message)
    }

    /// The UINTOKEN that `push` brought for `brn` goes to OpenCRVS, behind what went there for the event `named` before; with it
    /// `message` is settled.
    pub(super) fn post_token(
        &self,
        push: &str,
        named: Option<&Named>,
        brn: &str,
        uin_token: &str,
        message: &str,
    ) -> Result<()> {
        let Some(posts) = self.legacy.filter(|_| !brn.is_empty()) else { return Ok(()) };
        let (cause, composition) = match named {
            Some(named) => (named.entry.as_str(), named.composition.as_str()),
            None => {
                self.correlate(push, &Subject { brn: Some(brn.to_owned()), ..Subject::default() })?;
                (push, push)
            }
        };
        let body = legacy::token_body(brn, posts.token_member, uin_token)?;
        self.queue_legacy(&format!("{cause}@legacy-token"), composition, &body, message)
    }

    /// OpenCRVS took the entry `id`: where nobody else waits for it, its message has met its purpose.
    pub(super) fn settle_message(&self, id: &str) -> Result<()> {
        if self.is_settled_by_opencrvs() {
            self.connection.prepare_cached("DELETE FROM delivery WHERE settled_by=?1")?.execute([id])?;
        }
        Ok(())
    }

    /// Whether good news is for OpenCRVS alone.
    pub(super) fn is_settled_by_opencrvs(&self) -> bool {
        self.legacy.is_some_and(|posts| posts.settles)
    }

    fn queue_legacy(&self, name: &str, composition: &str, body: &[u8], message: &str) -> Result<()> {
        let taken = "SELECT EXISTS (SELECT 1 FROM entry WHERE id=?1)";
        let is_taken: bool = self.connection.prepare_cached(taken)?.query_row([name], |row| row.get(0))?;
        let id = if is_taken {
            format!("{name}-{:08x}", u32::from_be_bytes(secret::random()))
        } else {
            name.to_owned()
        };
        let kind = EntryKind::Legacy;
        let payload = self.seal("entry", &id, "payload", body)?;
        let held = self.is_held(kind.destination(), composition)?;
        self.connection
            .prepare_cached(
                "INSERT INTO entry (id, kind, destination, composition, state, accepted_at, waiting_since, next_at, payload, held, position)
                 VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6, 0, ?7, ?8, ?9)",
            )?
            .execute(params![
                id,
                kind.as_str(),
                kind.destination().as_str(),
                composition,
                self.wall.millis(),
                self.now,
                payload,
                held,
                self.next_position()?
            ])?;
        self.connection
            .prepare_cached("UPDATE delivery SET settled_by=?2 WHERE id=?1")?
            .execute([message, &id])?;
        self.legacy_queued.notify_one();
        Ok(())
    }
}

/// The number by which OpenCRVS knows the registration: a death has its own.
fn number(kind: EventKind, subject: &Subject) -> Option<Number<'_>> {
    match kind {
        EventKind::Death => subject.drn.as_deref().map(Number::Drn),
        _ => subject.brn.as_deref().map(Number::Brn),
    }
}
