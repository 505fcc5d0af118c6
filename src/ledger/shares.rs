//! Credentials that the hub only names. MOSIP may give each share once alone, so it is kept for which message a share was fetched, and what
//! was fetched stays with that message until it verifies.

use bytes::Bytes;

use super::pushes::{Received, TABLE, no_such_message};
use super::{Book, Ledger};
use crate::error::Result;
use crate::store::{ListedPush, PushRow};

/// What is known of a share by its address.
pub(crate) enum KnownShare {
    /// It was never fetched.
    New,
    /// It was fetched for this message, which holds it and has not been verified.
    Kept(Received),
    /// It was fetched for a message that is gone: its credential was delivered, or a person discarded it.
    Gone,
}

impl Ledger {
    /// What the push `id` only named was fetched from `address`, a path: it is kept in quarantine with `body`, which holds it, in place of
    /// its own; [`Code::NotFound`](crate::error::Code::NotFound).
    pub(crate) async fn complete_push(&self, id: String, address: String, body: Bytes) -> Result<()> {
        self.run(move |book| {
            let listed = book.tx().listed_push(&id)?.ok_or_else(no_such_message)?;
            let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let listed = ListedPush { bytes, ..listed };
            let push = PushRow { listed, body: book.seal(TABLE, &id, "body", &body)? };
            book.tx().delete_push(&id)?;
            book.tx().mark_verified(&book.fetched(&id), book.now)?;
            if !book.has_holder(&address)? {
                book.tx().insert_key(&book.share_at(&address), id.as_bytes(), book.now)?;
            }
            book.tx().insert_push(&push).map(drop)
        })
        .await
    }

    /// Whether the push `id`, which only names its credential, repeats a message whose credential was fetched, and which is gone: in the
    /// same bytes, or in others where that message verified, and had the same `own_id` and, its share aside, said the same (`says`). The
    /// repeat is removed.
    pub(crate) async fn is_fetched(&self, id: String, own_id: String, says: [u8; 32]) -> Result<bool> {
        self.run(move |book| {
            for mark in [book.fetched(&id), book.message_of_share(&own_id, &says)] {
                if book.tx().marked_verified(&mark)?.is_some() {
                    return book.remove_push(&id).map(|()| true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// What is known of the share at `address`, a path: another message may have named it before, which anybody who holds the hub's secret
    /// can write.
    pub(crate) async fn known_share(&self, address: String) -> Result<KnownShare> {
        self.run(move |book| {
            let Some(holder) = book.holder(&address)? else { return Ok(KnownShare::New) };
            let push = book.tx().push(&holder)?;
            // One that does not open holds nothing for anybody.
            Ok(push.and_then(|push| book.open_push(push).ok()).map_or(KnownShare::Gone, KnownShare::Kept))
        })
        .await
    }
}

impl Book<'_> {
    /// Marks that what the push `id` names was fetched. The id stands for the bytes as they came.
    fn fetched(&self, id: &str) -> Vec<u8> {
        self.identity(&[b"fetched", id.as_bytes()]).to_vec()
    }

    /// Whether what the push `id` only named was fetched.
    pub(super) fn was_fetched(&self, id: &str) -> Result<bool> {
        Ok(self.tx().marked_verified(&self.fetched(id))?.is_some())
    }

    /// Marks a message that verified with what is in its share, by its own id and by what it says beside that.
    pub(super) fn message_of_share(&self, own_id: &str, says: &[u8]) -> Vec<u8> {
        self.identity(&[b"message-of-share", own_id.as_bytes(), says])
    }

    /// The push for which the share at `address` was fetched, if it was; the push may be gone.
    fn holder(&self, address: &str) -> Result<Option<String>> {
        let holder = self.tx().key(&self.share_at(address))?;
        Ok(holder.and_then(|id| String::from_utf8(id).ok()))
    }

    /// Whether that push is there.
    fn has_holder(&self, address: &str) -> Result<bool> {
        let Some(holder) = self.holder(address)? else { return Ok(false) };
        Ok(self.tx().listed_push(&holder)?.is_some())
    }

    /// Under which [`Self::holder`] is found.
    fn share_at(&self, address: &str) -> Vec<u8> {
        self.identity(&[b"share", address.as_bytes()]).to_vec()
    }
}
