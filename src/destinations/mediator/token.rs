//! The token that MOSIP's services read from a cookie (`[upstream.token]`).

use http::{Uri, header};

use super::super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::Result;
use crate::mosip::access;
use crate::upstream::Reply;

impl Grant for Settings {
    fn section(&self) -> &'static str {
        "upstream.token"
    }

    fn giver(&self) -> &'static str {
        "MOSIP"
    }

    fn url(&self) -> Option<&Uri> {
        Some(&self.url)
    }

    fn request(&self, now: Timestamp) -> Result<TokenRequest> {
        let (uri, headers, body) = access::request(self, now)?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let token = access::read(&self.kind, reply.status, &reply.headers, &reply.body, now)?;
        Ok(Token { header: header::COOKIE, value: access::cookie(&token), expires: token.expires() })
    }
}
