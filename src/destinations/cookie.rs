//! A token that MOSIP reads from a cookie: `upstream.token`, `websub.token`, `credentials.data_share.token`.

use http::{Uri, header};

use super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::Result;
use crate::mosip::access::{self, Iam};
use crate::upstream::Reply;

/// Asks for it as the settings of `section` say.
pub(crate) struct CookieToken {
    pub(crate) section: &'static str,
    pub(crate) settings: Settings,
}

impl CookieToken {
    fn iam(&self) -> Iam {
        Iam { of: self.giver(), section: self.section }
    }
}

impl Grant for CookieToken {
    fn section(&self) -> &'static str {
        self.section
    }

    fn giver(&self) -> &'static str {
        "MOSIP"
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
        Ok(Token { header: header::COOKIE, value: access::cookie(&token), expires: token.expires() })
    }
}
