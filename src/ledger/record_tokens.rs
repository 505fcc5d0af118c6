//! The record tokens of OpenCRVS 1.9, by which registrations are confirmed: each sealed in the row of its registration, replaced by a newer
//! one, and erased once the confirmation is settled or the token has ended. No list, log or message holds one.
//!
//! A token ends by the outbox's clock, so that no step of the machine's clock erases one or hides its end. The time in which no gateway runs
//! does not count there: then OpenCRVS says that it has ended.

use std::time::Duration;

use super::answers::is_answered_later;
use super::correlation::{TABLE, cause};
use super::{Book, Ledger, Rules};
use crate::clock::to_millis;
use crate::error::{Code, Error, Result};
use crate::json::to_wiped;
use crate::opencrvs::record_token::{KeptToken, RecordToken};
use crate::opencrvs::registration::Registration;
use crate::store::{Listed, Millis, TokenRow};

const COLUMN: &str = "token";
/// How long before their end the operator is told of tokens.
pub(crate) const NOTICE: Duration = Duration::from_hours(48);

impl Ledger {
    /// How many registrations wait whose record token ends within [`NOTICE`].
    pub(crate) async fn record_tokens_ending(&self) -> Result<u64> {
        self.read(|book| book.tx().tokens_ending(book.now.saturating_add(to_millis(NOTICE)))).await
    }

    /// Erases the tokens that have ended, and all where the client confirms now.
    pub(super) async fn erase_record_tokens(&self) -> Result<()> {
        let keeps = self.rules.confirmations.get().is_none_or(|rules| rules.keeps_tokens);
        let erase = move |book: &Book<'_>| book.tx().erase_tokens(if keeps { book.now } else { Millis::MAX });
        let erased = self.run(erase).await?;
        if erased > 0 && !keeps {
            tracing::info!(tokens = erased, "record tokens are erased, since the client confirms now");
        } else if erased > 0 {
            tracing::warn!(tokens = erased, "record tokens have ended before MOSIP answered, and are erased");
        }
        Ok(())
    }

    /// Whether the token with which `registration` came is kept.
    ///
    /// # Errors
    ///
    /// [`Code::Field`] where it is the token of another record, which confirms nothing of this one.
    pub(super) fn keeps_token(&self, registration: &Registration, token: &RecordToken) -> Result<bool> {
        if !self.rules.keeps_record_tokens() {
            return Ok(false);
        }
        match registration.event_id() {
            Some(event_id) if event_id != token.event_id() => {
                Err(Error::field("/eventId", "the token of this request is for another record")
                    .advise("Hand the registration over with the token that OpenCRVS gave for it."))
            }
            // Of a correction the call names a request too, which neither the token nor the body does.
            _ => Ok(is_answered_later(registration.kind().as_str())),
        }
    }
}

impl Rules {
    /// Whether registrations are confirmed with the tokens that come with them.
    pub(super) fn keeps_record_tokens(&self) -> bool {
        self.confirmations.get().is_some_and(|rules| rules.keeps_tokens)
    }
}

impl Book<'_> {
    /// Keeps `token`, with which the registration of `entry` came, unless one that ends later, or as late, is kept, or it is confirmed.
    pub(super) fn keep_record_token(&self, entry: &str, token: &RecordToken) -> Result<()> {
        if self.subject_of(entry)?.event_id.as_deref() != Some(token.event_id()) {
            tracing::warn!(
                event = entry,
                "the token of a repeated registration is for another record, so it is not kept"
            );
            return Ok(());
        }
        let kept = self.tx().token(entry)?;
        let kept = kept.and_then(|row| self.open_record_token(entry, &row.token?).ok());
        if kept.is_some_and(|kept| kept.ends() >= token.ends())
            || self.is_confirmed(entry, token.event_id())?
        {
            return Ok(());
        }
        let left = token.ends().millis().saturating_sub(self.wall.millis());
        let text = to_wiped(token).map_err(|_| Error::new(Code::Bug, "a record token does not serialise"))?;
        let token = (left > 0).then(|| self.seal(TABLE, entry, COLUMN, &text)).transpose()?;
        self.tx().keep_token(entry, Some(&TokenRow { token, until: self.now.saturating_add(left) }))
    }

    /// What is kept of the token with which the registration came that the entry `id` confirms; [`Code::Storage`] where it does not open.
    pub(super) fn record_token(&self, id: &str) -> Result<KeptToken> {
        let entry = cause(id);
        let kept = self.tx().token(entry)?;
        Ok(match kept {
            None if self.was_rejected(entry)? => KeptToken::Rejected,
            None => KeptToken::None,
            Some(TokenRow { token: Some(sealed), until }) if until > self.now => {
                KeptToken::Token(self.open_record_token(entry, &sealed)?)
            }
            Some(_) => KeptToken::Ended,
        })
    }

    /// The entry of `row` goes no further: where it is a registration or its confirmation, the token of the registration is erased.
    pub(super) fn forget_record_token_of(&self, row: &Listed) -> Result<()> {
        let is_confirmation = self.is_confirmation(&row.kind);
        self.forget_record_token(if is_confirmation { cause(&row.id) } else { &row.id })
    }

    pub(super) fn forget_record_token(&self, entry: &str) -> Result<()> {
        self.tx().keep_token(entry, None)
    }

    fn open_record_token(&self, entry: &str, sealed: &[u8]) -> Result<RecordToken> {
        let text = self.unseal(TABLE, entry, COLUMN, sealed)?;
        serde_json::from_slice(&text).map_err(|_| Error::new(Code::Bug, "a record token cannot be read"))
    }
}
