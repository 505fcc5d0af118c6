//! The token of the gateway's own client at OpenCRVS, which goes as a bearer token.

use bytes::Bytes;
use http::{HeaderMap, Uri, header};

use super::super::{Grant, Token, TokenRequest};
use super::settings::Client;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::opencrvs::client_token;
use crate::upstream::{self, Reply};

impl Grant for Client {
    fn section(&self) -> &'static str {
        "opencrvs"
    }

    fn giver(&self) -> &'static str {
        "OpenCRVS"
    }

    fn url(&self) -> Option<&Uri> {
        self.auth_url.as_ref().filter(|_| self.unset.is_empty())
    }

    fn request(&self, _: Timestamp) -> Result<TokenRequest> {
        let (Some(auth_url), Some(client_id), Some(client_secret)) =
            (&self.auth_url, &self.client_id, &self.client_secret)
        else {
            let what = format!("OpenCRVS cannot be called without {}", self.unset.join(", "));
            return Err(Error::new(Code::Keys, what)
                .advise("Set them as OpenCRVS gave them under Integrations, and start the gateway again."));
        };
        let path = client_token::request(auth_url.path(), client_id, client_secret);
        let uri = upstream::with_secret_path(auth_url, path).ok_or_else(|| {
            Error::new(Code::Partner, "the client of OpenCRVS does not fit into a URL")
                .advise(client_token::REFUSED)
        })?;
        Ok(TokenRequest { uri, headers: HeaderMap::new(), body: Bytes::new() })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let token = client_token::read(reply.status, &reply.body, now)?;
        Ok(Token { header: header::AUTHORIZATION, value: token.bearer(), expires: token.expires() })
    }
}
