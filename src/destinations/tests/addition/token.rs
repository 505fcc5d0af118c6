//! The key that a notice goes under, in a header of its own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::clock::Timestamp;
use crate::crypto::secret::SecretBytes;
use crate::destinations::{Grant, Token, TokenRequest};
use crate::error::{Code, Error, Result};
use crate::upstream::Reply;

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-example-key");

pub(crate) struct Key {
    pub(crate) url: Uri,
    pub(crate) secret: SecretBytes,
}

impl Grant for Key {
    fn section(&self) -> &'static str {
        "example"
    }

    fn giver(&self) -> &'static str {
        "Exampleland"
    }

    fn url(&self) -> Option<&Uri> {
        Some(&self.url)
    }

    fn request(&self, _: Timestamp) -> Result<TokenRequest> {
        let body = Bytes::copy_from_slice(self.secret.expose());
        Ok(TokenRequest { uri: self.url.clone(), headers: HeaderMap::new(), body })
    }

    fn read(&self, reply: &Reply, _: Timestamp) -> Result<Token> {
        let mut value = HeaderValue::from_bytes(&reply.body)
            .map_err(|_| Error::new(Code::Upstream, "what came is no key"))?;
        value.set_sensitive(true);
        Ok(Token { header: HEADER, value, expires: None })
    }
}
