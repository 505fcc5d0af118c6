//! A token of an IAM: of MOSIP's, whose services read it from a cookie, or of another system's, which goes as RFC 6750 says.

use http::{HeaderName, HeaderValue, Uri, header};

use super::{Grant, Token, TokenRequest};
use crate::clock::Timestamp;
use crate::config::token::Token as Settings;
use crate::error::Result;
use crate::mosip::access::{self, AccessToken, Iam};
use crate::upstream::Reply;

/// Asks for it as the settings of a section say.
pub(crate) struct IamToken {
    iam: Iam,
    settings: Settings,
    header: HeaderName,
    /// The value of `header`.
    write: fn(&AccessToken) -> Result<HeaderValue>,
}

impl IamToken {
    /// A token of MOSIP's IAM, which goes as a cookie.
    pub(crate) fn cookie(section: &'static str, settings: Settings) -> Self {
        let iam = Iam { of: "MOSIP", section };
        Self { iam, settings, header: header::COOKIE, write: |token| Ok(access::cookie(token)) }
    }

    /// A token of the IAM of `of`, which goes as a bearer token.
    pub(crate) fn bearer(section: &'static str, of: &'static str, settings: Settings) -> Self {
        Self { iam: Iam { of, section }, settings, header: header::AUTHORIZATION, write: access::bearer }
    }
}

impl Grant for IamToken {
    fn section(&self) -> &'static str {
        self.iam.section
    }

    fn giver(&self) -> &'static str {
        self.iam.of
    }

    fn url(&self) -> Option<&Uri> {
        Some(&self.settings.url)
    }

    fn request(&self, now: Timestamp) -> Result<TokenRequest> {
        let (uri, headers, body) = self.iam.request(&self.settings, now)?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let Reply { status, headers, body, .. } = reply;
        let token = self.iam.read(&self.settings.kind, *status, headers, body, now)?;
        Ok(Token { header: self.header.clone(), value: (self.write)(&token)?, expires: token.expires() })
    }
}
