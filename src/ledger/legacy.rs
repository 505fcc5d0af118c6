//! What goes to the country configuration of OpenCRVS 1.x: entries of their own, made in the transaction that causes them, and the
//! messages for the mediator whose purpose they meet.

use super::correlation::Named;
use super::entry::NewEntry;
use super::{Book, Ledger};
use crate::error::Result;
use crate::opencrvs::event::EventKind;
use crate::opencrvs::legacy::{self, Number};
use crate::registration::{Aid, Subject};
use crate::store::Queue;

/// How application ids and UINTOKENs reach OpenCRVS 1.x.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LegacyPosts {
    /// The destination and the kind of their entries.
    pub(crate) destination: &'static str,
    pub(crate) kind: &'static str,
    /// The member that holds the UINTOKEN.
    pub(crate) token_member: &'static str,
    /// The mediator does not wait for them: no message is delivered, so one whose purpose is met is settled with that.
    pub(crate) settles: bool,
}

/// An entry for OpenCRVS that is to be made.
pub(super) struct LegacyPost {
    pub(super) id: String,
    destination: &'static str,
    kind: &'static str,
    line: String,
    body: Vec<u8>,
}

impl Ledger {
    /// From now on application ids and UINTOKENs go to OpenCRVS too. Called once, before anything moves.
    pub(crate) fn post_to_opencrvs(&self, posts: LegacyPosts) {
        // A second call changes nothing.
        let _ = self.rules.legacy.set(posts);
    }
}

impl Book<'_> {
    /// The application id of `entry`, for OpenCRVS. Without a registration number OpenCRVS could not tell whose it is: then the
    /// message for the mediator alone tells of it.
    pub(super) fn aid_post(&self, entry: &str, aid: &Aid) -> Result<Option<LegacyPost>> {
        let Some(posts) = self.rules.legacy.get() else { return Ok(None) };
        let row = self.listed(entry)?;
        let Ok(kind) = row.kind.parse::<EventKind>() else { return Ok(None) };
        let subject = self.subject_of(entry)?;
        let Some(number) = number(kind, &subject) else {
            tracing::warn!(
                event = entry,
                "the event has no registration number, so its application id does not go to OpenCRVS"
            );
            return Ok(None);
        };
        let body = legacy::aid_body(number, aid)?;
        self.legacy_post(posts, &format!("{entry}@legacy-aid"), row.line.unwrap_or_default(), body).map(Some)
    }

    /// The UINTOKEN that `push` brought for `subject`, for OpenCRVS, behind what went there for the event `named` before. Without a birth
    /// registration number OpenCRVS could not tell whose it is.
    pub(super) fn token_post(
        &self,
        push: &str,
        named: Option<&Named>,
        subject: &Subject,
        uin_token: &str,
    ) -> Result<Option<LegacyPost>> {
        let brn = subject.brn.as_deref().filter(|brn| !brn.is_empty());
        let Some((posts, brn)) = self.rules.legacy.get().zip(brn) else { return Ok(None) };
        let (cause, line) = match named {
            Some(named) => (named.entry.as_str(), named.line.as_str()),
            None => {
                self.correlate(push, subject)?;
                (push, push)
            }
        };
        let body = legacy::token_body(brn, posts.token_member, uin_token)?;
        self.legacy_post(posts, &format!("{cause}@legacy-token"), line.to_owned(), body).map(Some)
    }

    fn legacy_post(
        &self,
        posts: &LegacyPosts,
        name: &str,
        line: String,
        body: Vec<u8>,
    ) -> Result<LegacyPost> {
        let LegacyPosts { destination, kind, .. } = *posts;
        Ok(LegacyPost { id: self.free_name(name)?, destination, kind, line, body })
    }

    /// `name`, with an end of its own where an entry has it.
    pub(super) fn free_name(&self, name: &str) -> Result<String> {
        let is_taken = self.tx().listed(Queue::Entries, name)?.is_some();
        Ok(match is_taken {
            true => format!("{name}-{:08x}", self.rules.random.u32()),
            false => name.to_owned(),
        })
    }

    pub(super) fn queue_legacy(&self, post: LegacyPost) -> Result<()> {
        let LegacyPost { id, destination, kind, line, body } = post;
        self.queue(NewEntry { destination, kind, id, line, payload: &body, aid: None, identity: None })
    }
}

/// The number by which OpenCRVS knows the registration: a death has its own.
fn number(kind: EventKind, subject: &Subject) -> Option<Number<'_>> {
    match kind {
        EventKind::Death => subject.drn.as_deref().map(Number::Drn),
        _ => subject.brn.as_deref().map(Number::Brn),
    }
}
