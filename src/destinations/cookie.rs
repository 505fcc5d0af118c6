//! A token that MOSIP reads from a cookie, of a section of its own: `websub.token`, `credentials.data_share.token`.

use http::{Uri, header};

use super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::{Fault, Result};
use crate::mosip::access;
use crate::upstream::Reply;

/// Asks for it as the settings of `section` say.
pub(crate) struct CookieToken {
    pub(crate) section: &'static str,
    pub(crate) settings: Settings,
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
        let (uri, headers, body) = access::request(&self.settings, now)?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let token = access::read(&self.settings.kind, reply.status, &reply.headers, &reply.body, now).map_err(
            |error| match error.fault() {
                Fault::Partner => error.advise(format!(
                    "Check {} with the MOSIP administrator: its URL, the client id, its secret and its roles.",
                    self.section
                )),
                _ => error,
            },
        )?;
        Ok(Token { header: header::COOKIE, value: access::cookie(&token), expires: token.expires() })
    }
}
