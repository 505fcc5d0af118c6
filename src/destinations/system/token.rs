//! The token of another ID system, as RFC 6750 carries it.

use http::{Uri, header};

use super::super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::Result;
use crate::mosip::access::{self, Iam};
use crate::upstream::Reply;

/// Asks for it as the settings of `section` say.
pub(super) struct BearerToken {
    pub(super) section: &'static str,
    /// The name of the system.
    pub(super) of: &'static str,
    pub(super) settings: Settings,
}

impl BearerToken {
    fn iam(&self) -> Iam {
        Iam { of: self.of, section: self.section }
    }
}

impl Grant for BearerToken {
    fn section(&self) -> &'static str {
        self.section
    }

    fn giver(&self) -> &'static str {
        self.of
    }

    fn url(&self) -> Option<&Uri> {
        Some(&self.settings.url)
    }

    fn request(&self, now: Timestamp) -> Result<TokenRequest> {
        let (uri, headers, body) = self.iam().request(&self.settings, now)?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let Reply { status, headers, body, .. } = reply;
        let token = self.iam().read(&self.settings.kind, *status, headers, body, now)?;
        Ok(Token { header: header::AUTHORIZATION, value: access::bearer(&token)?, expires: token.expires() })
    }
}
