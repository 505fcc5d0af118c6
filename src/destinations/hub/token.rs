//! The token that MOSIP's hub reads from a cookie (`websub.token`).

use http::{Uri, header};

use super::super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::{Fault, Result};
use crate::mosip::access;
use crate::upstream::Reply;

/// Asks for it as `websub.token` says.
pub(super) struct HubToken(pub(super) Settings);

impl Grant for HubToken {
    fn section(&self) -> &'static str {
        "websub.token"
    }

    fn giver(&self) -> &'static str {
        "MOSIP"
    }

    fn url(&self) -> Option<&Uri> {
        Some(&self.0.url)
    }

    fn request(&self, now: Timestamp) -> Result<TokenRequest> {
        let (uri, headers, body) = access::request(&self.0, now)?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let token = access::read(&self.0.kind, reply.status, &reply.headers, &reply.body, now).map_err(
            |error| match error.fault() {
                Fault::Partner => error.advise(
                    "Check websub.token with the MOSIP administrator: its URL, the client id, its secret and its roles.",
                ),
                _ => error,
            },
        )?;
        Ok(Token { header: header::COOKIE, value: access::cookie(&token), expires: token.expires() })
    }
}
