//! Posts to the country configuration of OpenCRVS 1.x, with a token of the gateway's own OpenCRVS client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::clock::Clock;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::opencrvs::client_token::{self, ClientToken};
use crate::opencrvs::legacy;
use crate::upstream::{Client, Reply, Request, TokenCache};

/// For one call. The country configuration answers once OpenCRVS's own database has taken it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer, bytes. Of the country configuration only the status counts; a token has a few KiB.
const MAX_REPLY: usize = 1 << 20;
/// Posts at once.
const CONCURRENCY: usize = 4;

/// The country configuration, and the auth service that gives tokens for it.
pub struct Legacy {
    client: Client,
    tokens: TokenCache<ClientToken>,
    url: Uri,
    access: config::OpencrvsClient,
    clock: Clock,
}

impl Legacy {
    /// Posts to `url` as the client `access`.
    pub fn new(client: Client, url: Uri, access: config::OpencrvsClient, clock: Clock) -> Self {
        Self { client, tokens: TokenCache::new(), url, access, clock }
    }

    /// `opencrvs.legacy_url`
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Posts to the URL at once.
    pub const fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    /// Posts `body` once. A 401 drops the token and tries once more with a new one.
    pub async fn post(&self, body: Bytes) -> Result<()> {
        let token = self.token().await?;
        let mut reply = self.send(&token, body.clone()).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            self.tokens.drop_if(&token);
            let token = self.token().await?;
            reply = self.send(&token, body).await?;
        }
        legacy::read_answer(reply.status).map_err(|error| reply.explain(error))
    }

    /// The token that is kept, else a new one. [`Code::Keys`] naming what is not set of the client.
    pub async fn token(&self) -> Result<Arc<ClientToken>> {
        let config::OpencrvsClient { auth_url, client_id, client_secret, unset } = &self.access;
        let (Some(auth_url), Some(client_id), Some(client_secret)) = (auth_url, client_id, client_secret)
        else {
            let what = format!("OpenCRVS cannot be called without {}", unset.join(", "));
            return Err(Error::new(Code::Keys, what)
                .advise("Set them as OpenCRVS gave them under Integrations, and start the gateway again."));
        };
        let fetch = async || {
            let uri = client_token::request(auth_url, client_id, client_secret)?;
            let reply = self.call(uri, HeaderMap::new(), Bytes::new()).await?;
            let token = client_token::read(reply.status, &reply.body, self.clock.now())
                .map_err(|error| reply.explain(error))?;
            let expires = token.expires();
            Ok((token, expires))
        };
        self.tokens.get(self.clock.now(), fetch).await
    }

    async fn send(&self, token: &ClientToken, body: Bytes) -> Result<Reply> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, token.bearer());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.call(self.url.clone(), headers, body).await
    }

    async fn call(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Reply> {
        let (method, deadline, max_response) = (Method::POST, DEADLINE, MAX_REPLY);
        Ok(self.client.send(Request { method, uri, headers, body, deadline, max_response }).await?)
    }
}
