//! The token of the gateway's own client at OpenCRVS, which goes as a bearer token.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};

use super::super::{Grant, Token, TokenRequest};
use super::settings::Client;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::opencrvs::client_token;
use crate::upstream::{self, Reply};

/// How the client asks for its token.
pub(crate) struct ClientToken {
    pub(crate) client: Arc<Client>,
    pub(crate) form: TokenForm,
    /// Where the client is set.
    pub(crate) section: &'static str,
}

/// Where the auth service looks for the client and its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenForm {
    /// In the query, as OpenCRVS 1.x does.
    Query,
    /// In a form, as OpenCRVS 2.0 and later do.
    Body,
}

impl Grant for ClientToken {
    fn section(&self) -> &'static str {
        self.section
    }

    fn giver(&self) -> &'static str {
        "OpenCRVS"
    }

    fn url(&self) -> Option<&Uri> {
        self.client.auth_url.as_ref().filter(|_| self.client.unset.is_empty())
    }

    fn request(&self, _: Timestamp) -> Result<TokenRequest> {
        let Client { auth_url, client_id, client_secret, unset } = &*self.client;
        let (Some(auth_url), Some(client_id), Some(client_secret)) = (auth_url, client_id, client_secret)
        else {
            let what = format!("OpenCRVS cannot be called without {}", unset.join(", "));
            return Err(Error::new(Code::Keys, what)
                .advise("Set them as OpenCRVS gave them under Integrations, and start the gateway again."));
        };
        let mut headers = HeaderMap::new();
        let (path, body) = match self.form {
            TokenForm::Query => {
                (client_token::query(auth_url.path(), client_id, client_secret), Bytes::new())
            }
            TokenForm::Body => {
                const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(header::CONTENT_TYPE, FORM);
                let body = client_token::form(client_id, client_secret).into_bytes();
                (client_token::path(auth_url.path()), body)
            }
        };
        let uri = upstream::with_secret_path(auth_url, path).ok_or_else(|| {
            Error::new(Code::Partner, "the client of OpenCRVS does not fit into a URL")
                .advise(client_token::refused(self.section))
        })?;
        Ok(TokenRequest { uri, headers, body })
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Token> {
        let token = client_token::read(reply.status, &reply.body, self.section, now)?;
        Ok(Token { header: header::AUTHORIZATION, value: token.bearer(), expires: token.expires() })
    }
}
