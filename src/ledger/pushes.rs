//! What MOSIP pushed: durable before it is answered, then verified and delivered, or quarantined with its reason. And the webhooks of
//! OpenCRVS that cannot become events yet, which are in quarantine from the first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::confirmations::Follows;
use super::deliveries::Message;
use super::entry::Refusal;
use super::{Book, Ledger};
use crate::clock::{Timestamp, to_millis};
use crate::error::{Code, Error, Result};
use crate::mosip::Stated;
use crate::mosip::push::{Identity, Notice, Outcome, PushKind};
use crate::pool;
use crate::store::{ListedPush, Millis, PushRow};

pub(super) const TABLE: &str = "push";

/// The hub tries a message three times, each for a minute at most, with pauses of seconds: what says the same later than this after the
/// first one is another message.
const HUB_TRIES_FOR: Duration = Duration::from_mins(10);

/// The kind of a webhook that OpenCRVS signed and that cannot become an event as it is. The other kinds are MOSIP's.
pub(crate) const WEBHOOK: &str = "webhook";

/// A push that has to be examined.
pub(crate) struct Received {
    /// Its own id.
    pub(crate) id: String,
    /// Which message.
    pub(crate) kind: String,
    /// The body as it came.
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// When it came, by the machine's clock.
    pub(crate) received_at: Timestamp,
}

/// Whether a push that verifies is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// It says what none before it said.
    New,
    /// An equal one was delivered, and it is delivered once more: MOSIP may mean the same words again. Or somebody posts what they captured.
    Again,
    /// It was delivered.
    Repeat,
}

/// Who brings a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// It has proved itself, as the hub does by its HMAC.
    Known,
    /// Nothing is known of it.
    Stranger,
}

/// A push that did not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quarantined {
    /// Order and cursor.
    pub(crate) seq: i64,
    /// Its own id.
    pub(crate) id: String,
    /// Which message.
    pub(crate) kind: String,
    /// When it came, by the machine's clock.
    pub(crate) received_at: Timestamp,
    /// Size of the body, bytes.
    pub(crate) bytes: u64,
    /// Why it did not verify.
    pub(crate) refusal: Option<Refusal>,
}

impl From<ListedPush> for Quarantined {
    fn from(push: ListedPush) -> Self {
        Self {
            seq: push.seq,
            id: push.id,
            kind: push.kind,
            received_at: Timestamp::from_millis(push.received_at),
            bytes: push.bytes,
            refusal: Refusal::read(push.refusal.as_deref()),
        }
    }
}

/// How much of one kind is in quarantine for reasons of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuarantineCount {
    /// Which message.
    pub(crate) kind: String,
    /// [`Code::as_str`] of the reason; empty where it cannot be read.
    pub(crate) code: String,
    /// How many.
    pub(crate) messages: u64,
    /// Their bodies, bytes.
    pub(crate) bytes: u64,
}

impl Ledger {
    /// Stores a push before it is answered. What a known sender brings is refused only while the disk has less than `outbox.reserve` left,
    /// which belongs to event posts; what a stranger brings, also while the quarantine is full of its kind: [`Code::Busy`]. The same
    /// bytes, as long as they do not verify, are one row.
    pub(crate) async fn receive(&self, kind: PushKind, body: Bytes, sender: Sender) -> Result<String> {
        fn full(what: &str) -> Error {
            Error::new(Code::Busy, format!("{what} is full"))
                .advise("Put right why pushes do not verify, or discard them; raise quarantine.max_bytes and quarantine.max_rows; free the disk.")
        }
        if !self.leaves_reserve() {
            return Err(full("the disk, but for outbox.reserve,"));
        }
        let ledger = self.clone();
        let (body, hash) = pool::offload(body.len(), move || {
            let hash = ledger.identity(&[b"unverified", kind.name.as_bytes(), &body])?;
            Ok((body, hash))
        })
        .await?;
        let id = format!("push_{}", HEXLOWER.encode(hash.get(..16).unwrap_or(&hash)));
        let (max_bytes, max_rows) = (self.rules.quarantine.max_bytes, self.rules.quarantine.max_rows);
        self.take(Vec::new(), move |book| {
            let is_known = book.tx().listed_push(&id)?.is_some();
            if is_known {
                return Ok(id.clone());
            }
            let (rows, bytes) = book.tx().push_size(kind.name)?;
            let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let is_full = rows >= u64::from(max_rows) || bytes.saturating_add(size) > max_bytes;
            if is_full && sender == Sender::Stranger {
                return Err(full("the quarantine"));
            }
            book.insert_push(&id, kind.name, &body, None)?;
            if is_full {
                book.warn_of_quarantine(kind.name, rows + 1, bytes.saturating_add(size));
            }
            Ok(id.clone())
        })
        .await
    }

    /// Keeps a webhook with the reason why it is no event yet. What OpenCRVS signed is never refused for `quarantine.max_rows` and
    /// `quarantine.max_bytes`, which only raise an alarm; [`Code::Busy`] while the disk has less than `outbox.reserve` left.
    pub(crate) async fn keep_webhook(&self, body: Bytes, refusal: Refusal) -> Result<String> {
        if !self.leaves_reserve() {
            return Err(
                Error::new(Code::Busy, "the disk, but for outbox.reserve, is full").advise("Free the disk.")
            );
        }
        self.take(Vec::new(), move |book| {
            let id = format!("push_{}", book.rules.random.name());
            book.insert_push(&id, WEBHOOK, &body, Some(&refusal))?;
            let (rows, bytes) = book.tx().push_size(WEBHOOK)?;
            let limits = &book.rules.quarantine;
            if rows > u64::from(limits.max_rows) || bytes > limits.max_bytes {
                book.warn_of_quarantine(WEBHOOK, rows, bytes);
            }
            Ok(id)
        })
        .await
    }

    /// Whether a message of a known sender would be stored.
    pub(crate) fn has_room(&self) -> bool {
        self.is_writable() && self.leaves_reserve()
    }

    pub(super) fn leaves_reserve(&self) -> bool {
        self.room().left.is_none_or(|left| left >= self.rules.outbox.reserve)
    }

    /// The oldest push after `after` that has not been verified yet. One that does not open is kept in quarantine with fault
    /// `storage`, and looked at again after a start, a rekey, or new keys.
    pub(crate) async fn next_received(&self, after: i64) -> Result<Option<(i64, Received)>> {
        self.run(move |book| {
            loop {
                let Some(next) = book.tx().pushes(false, after, 1)?.pop() else { return Ok(None) };
                let push = book.tx().push(&next.id)?.ok_or_else(no_such_message)?;
                match book.open_push(push) {
                    Ok(push) => return Ok(Some((next.seq, push))),
                    Err(error) => book.quarantine(&next.id, &(&error).into())?,
                }
            }
        })
        .await
    }

    /// A push that is kept, received or quarantined; [`Code::NotFound`].
    pub(crate) async fn push(&self, id: String) -> Result<Received> {
        self.read(move |book| {
            let push = book.tx().push(&id)?;
            book.open_push(push.ok_or_else(no_such_message)?)
        })
        .await
    }

    /// The push verified: `notice` goes to the mediator, under every name of the event that it is about, and its UINTOKEN to OpenCRVS 1.x
    /// where that is configured, unless the same message did before.
    pub(crate) async fn verified(&self, id: String, kind: &str, notice: Stated<Notice>) -> Result<Novelty> {
        let of = kind.to_owned();
        self.run(move |book| {
            book.remove_push(&id)?;
            let Notice { kind, outcome, subject: held, identity, data, uin_token, receipt } = notice.get();
            let novelty = book.novelty(&id, &of, identity)?;
            if novelty == Novelty::Repeat {
                return Ok(novelty);
            }
            let (outcome, named) = (*outcome, book.named(held)?);
            let mut told = Cow::Borrowed(data);
            named.as_ref().map_or(Ok(()), |named| book.follow(&named.entry))?;
            if let (Some(outcome), Some(named)) = (outcome, &named) {
                book.conclude_all(named, outcome, data)?;
                told = book.in_view_of(named, outcome, data)?;
            }
            if outcome.is_some_and(|outcome| !outcome.is_delivered()) {
                return Ok(novelty);
            }
            let subject = named.as_ref().map_or_else(|| held.clone(), |named| held.and(&named.subject));
            let post =
                uin_token.as_deref().map(|token| book.token_post(&id, named.as_ref(), &subject, token));
            let post = post.transpose()?.flatten();
            let confirmation = match book.confirmation_of(named.as_ref(), outcome, data)? {
                Follows::Nothing => None,
                Follows::Confirmation(new) => Some(new),
                Follows::Unconfirmed(why) => {
                    if let Some(members) = told.to_mut().as_object_mut() {
                        members.insert("notConfirmed".to_owned(), why.into());
                    }
                    None
                }
            };
            let settled_by = confirmation.as_ref().filter(|_| outcome == Some(Outcome::Issued));
            book.tell(Message {
                kind,
                subject: &subject,
                data: &told,
                verified: notice.word(),
                key: notice.key().map(|key| key.to_string()).as_deref(),
                met_by: post.as_ref().map(|post| &post.id).or(settled_by.map(|new| &new.id)).cloned(),
            })?;
            post.map_or(Ok(()), |post| book.queue_legacy(post))?;
            confirmation.map_or(Ok(()), |new| book.queue_confirmation(new))?;
            if outcome == Some(Outcome::Issued) {
                book.publish_received(&id, named.as_ref(), &subject, receipt.as_ref())?;
            }
            Ok(novelty)
        })
        .await
    }

    /// The push did not verify: it is kept with its reason.
    pub(crate) async fn quarantine(&self, id: String, refusal: Refusal) -> Result<()> {
        self.run(move |book| book.quarantine(&id, &refusal)).await
    }

    /// Takes a quarantined push out for good; [`Code::NotFound`], [`Code::StateConflict`] while it is to be looked at.
    pub(crate) async fn discard_push(&self, id: String) -> Result<()> {
        self.run(move |book| {
            let push = book.tx().listed_push(&id)?;
            match push.ok_or_else(no_such_message)?.is_quarantined {
                true => book.remove_push(&id),
                false => Err(Error::new(Code::StateConflict, "the message has not been examined yet").advise(
                    "Look at /v1/quarantine in a moment: a message that does not verify is there by then, and can be discarded.",
                )),
            }
        })
        .await
    }

    /// What is quarantined, in order, at most 100 after `after`.
    pub(crate) async fn quarantined(&self, after: i64) -> Result<Vec<Quarantined>> {
        self.read(move |book| {
            let pushes = book.tx().pushes(true, after, 100)?;
            Ok(pushes.into_iter().map(Quarantined::from).collect())
        })
        .await
    }

    /// Has everything quarantined looked at again; how many. After a key reload.
    pub(crate) async fn examine_again(&self) -> Result<usize> {
        self.run(|book| book.tx().release_quarantine()).await
    }

    /// What is in quarantine, by kind and by the code of the reason.
    pub(crate) async fn quarantine_counts(&self) -> Result<Vec<QuarantineCount>> {
        self.read(|book| {
            let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
            for (kind, reason, messages, bytes) in book.tx().push_reasons()? {
                let code = Refusal::read(reason.as_deref()).map(|reason| reason.code).unwrap_or_default();
                let (all, size) = counts.entry((kind, code)).or_default();
                (*all, *size) = (*all + messages, *size + bytes);
            }
            let shown = counts.into_iter().map(|((kind, code), (messages, bytes))| QuarantineCount {
                kind,
                code,
                messages,
                bytes,
            });
            Ok(shown.collect())
        })
        .await
    }
}

impl Book<'_> {
    fn warn_of_quarantine(&self, kind: &str, rows: u64, bytes: u64) {
        tracing::error!(
            kind,
            rows,
            bytes,
            "more messages are in quarantine than quarantine.max_rows and quarantine.max_bytes say; they go on being kept"
        );
    }

    /// Whether the push `push` of `kind`, which verifies, is new. From now on it was delivered.
    fn novelty(&self, push: &str, kind: &str, identity: &Identity) -> Result<Novelty> {
        let hash = |parts: &[&[u8]]| self.identity(&[&[b"push".as_slice(), kind.as_bytes()], parts].concat());
        let mark = |hash: &[u8]| self.tx().mark_verified(hash, self.now);
        let of = |is_repeat| if is_repeat { Novelty::Repeat } else { Novelty::New };
        match identity {
            Identity::Once(says) => Ok(of(mark(&hash(&[says.as_bytes()]))?.is_some())),
            Identity::Message { id, says, of_share } => {
                // Gateways of before knew a message by its id alone.
                let is_former = self.tx().marked_verified(&hash(&[id.as_bytes()]))?.is_some();
                // One that brings the credential beside the address says nothing of what is in the share.
                if let Some(says) = of_share
                    && self.was_fetched(push)?
                {
                    mark(&self.message_of_share(id, says))?;
                }
                Ok(of(mark(&hash(&[id.as_bytes(), says]))?.is_some() || is_former))
            }
            Identity::Repeatable(says) => {
                let hash = hash(&[says.as_bytes()]);
                let before = self.tx().marked_verified(&hash)?;
                let is_soon = |at: &Millis| self.now.saturating_sub(*at) <= to_millis(HUB_TRIES_FOR);
                if before.as_ref().is_some_and(is_soon) {
                    // The time counts from the first one: repeats, which anybody can post who captured one, make it no longer.
                    return Ok(Novelty::Repeat);
                }
                mark(&hash)?;
                Ok(before.map_or(Novelty::New, |_| Novelty::Again))
            }
        }
    }

    /// A new push; with `refusal`, in quarantine already.
    fn insert_push(&self, id: &str, kind: &str, body: &[u8], refusal: Option<&Refusal>) -> Result<()> {
        let listed = ListedPush {
            seq: 0,
            kind: kind.to_owned(),
            is_quarantined: refusal.is_some(),
            received_at: self.wall.millis(),
            bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            refusal: refusal.map(|refusal| refusal.kept().map(|kept| kept.text)).transpose()?,
            id: id.to_owned(),
        };
        let push = PushRow { listed, body: self.seal(TABLE, id, "body", body)? };
        self.tx().insert_push(&push).map(drop)
    }

    /// Takes a push out because it became something else, or is to be nothing; [`Code::NotFound`].
    pub(super) fn remove_push(&self, id: &str) -> Result<()> {
        self.rules.unreadable.forget(TABLE, id);
        match self.tx().delete_push(id)? {
            true => Ok(()),
            false => Err(no_such_message()),
        }
    }

    fn quarantine(&self, id: &str, refusal: &Refusal) -> Result<()> {
        self.tx().quarantine(id, &refusal.kept()?.text)
    }

    pub(super) fn open_push(&self, push: PushRow) -> Result<Received> {
        match self.unseal(TABLE, &push.id, "body", &push.body) {
            Ok(body) => {
                self.rules.unreadable.forget(TABLE, &push.id);
                let ListedPush { id, kind, received_at, .. } = push.listed;
                Ok(Received { id, kind, body, received_at: Timestamp::from_millis(received_at) })
            }
            Err(error) => {
                self.rules.unreadable.note(TABLE, &push.id, &error);
                Err(error)
            }
        }
    }
}

pub(super) fn no_such_message() -> Error {
    Error::new(Code::NotFound, "there is no such message")
}
