//! Where the access tokens of calls come from. A destination brings its own: how a token is asked for, how the answer is read, and where
//! the token stands in a call. The engine asks, and keeps what it got.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::upstream::{Reply, TokenCache};

/// How tokens of one kind are asked for, with the settings that say as whom.
pub(crate) trait Grant: Send + Sync {
    /// The section of its settings, by which it is named.
    fn section(&self) -> &'static str;

    /// Who gives the tokens, as people call it.
    fn giver(&self) -> &'static str;

    /// Where they are asked for; `None`: something of the settings is not set, as [`Self::request`] says.
    fn url(&self) -> Option<&Uri>;

    /// The request for a token. Its deadline is that of the call that the token is for.
    ///
    /// # Errors
    ///
    /// [`Code::Keys`](crate::error::Code::Keys) naming what is not set.
    fn request(&self, now: Timestamp) -> Result<TokenRequest>;

    /// The token in the answer.
    ///
    /// # Errors
    ///
    /// Why there is none, without a secret.
    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token>;
}

/// What is posted for a token.
pub(crate) struct TokenRequest {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A token where its receiver looks for it. No `Debug`.
pub(crate) struct Token {
    pub(crate) header: HeaderName,
    /// Marked sensitive.
    pub(crate) value: HeaderValue,
    /// `None`: nobody says, so that it is not kept.
    pub(crate) expires: Option<Timestamp>,
}

/// A [`Grant`] and the token that it gave last.
pub(crate) struct TokenSource {
    grant: Box<dyn Grant>,
    cache: TokenCache<Token>,
}

impl TokenSource {
    /// Nothing is asked for yet.
    pub(crate) fn new(grant: impl Grant + 'static) -> Self {
        Self { grant: Box::new(grant), cache: TokenCache::new() }
    }

    pub(crate) fn grant(&self) -> &dyn Grant {
        &*self.grant
    }

    pub(crate) fn cache(&self) -> &TokenCache<Token> {
        &self.cache
    }
}
