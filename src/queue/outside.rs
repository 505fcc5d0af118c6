//! The real outside of the engine: the HTTP client with its tokens, the threads for private keys, the key files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, Uri, header};

use crate::clock::Clock;
use crate::config;
use crate::destinations::drive::Outside;
use crate::destinations::{Step, Steps, TokenOf, Work};
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::mosip::access::{self, AccessToken};
use crate::opencrvs::client_token::{self, ClientToken};
use crate::pool::Pool;
use crate::upstream::{Client, Reply, Request, SendError, TokenCache};

/// Largest answer of who gives tokens, bytes. A token has a few KiB.
const MAX_TOKEN_REPLY: usize = 1 << 20;
/// For the token that `doctor` asks for.
const TOKEN_DEADLINE: Duration = Duration::from_secs(30);

/// The network, the keys and their threads. Share it in an `Arc`.
pub(crate) struct Network {
    client: Client,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
    mosip: Option<config::Token>,
    mosip_tokens: TokenCache<AccessToken>,
    opencrvs: config::OpencrvsClient,
    opencrvs_tokens: TokenCache<ClientToken>,
}

/// A token, and whose it is.
enum Token {
    Mosip(Arc<AccessToken>),
    OpenCrvs(Arc<ClientToken>),
}

impl Network {
    /// Without `mosip` (`upstream.token`) calls to MOSIP carry no token.
    pub(crate) fn new(
        client: Client,
        keys: Keyring,
        pool: Pool,
        clock: Clock,
        mosip: Option<config::Token>,
        opencrvs: config::OpencrvsClient,
    ) -> Self {
        let (mosip_tokens, opencrvs_tokens) = (TokenCache::new(), TokenCache::new());
        Self { client, keys, pool, clock, mosip, mosip_tokens, opencrvs, opencrvs_tokens }
    }

    /// Whether a token of `of` is to be had; [`Code::Keys`] naming what is not set.
    pub(crate) async fn check_token(&self, of: TokenOf) -> Result<()> {
        self.token(of, TOKEN_DEADLINE).await.map(drop)
    }

    /// A 401 drops the token; the call is then made once more with a new one.
    async fn send_with(&self, of: TokenOf, request: Request) -> Result<Result<Reply, SendError>> {
        let deadline = request.deadline;
        let Some(token) = self.token(of, deadline).await? else { return Ok(self.client.send(request).await) };
        let first = self.client.send(token.on(copy(&request))).await;
        if !matches!(&first, Ok(reply) if reply.status == StatusCode::UNAUTHORIZED) {
            return Ok(first);
        }
        match &token {
            Token::Mosip(token) => self.mosip_tokens.drop_if(token),
            Token::OpenCrvs(token) => self.opencrvs_tokens.drop_if(token),
        }
        match self.token(of, deadline).await? {
            Some(token) => Ok(self.client.send(token.on(request)).await),
            None => Ok(first),
        }
    }

    /// The token that is kept, else a new one. `None`: calls go without.
    async fn token(&self, of: TokenOf, deadline: Duration) -> Result<Option<Token>> {
        match of {
            TokenOf::Mosip => match &self.mosip {
                Some(settings) => self.mosip_token(settings, deadline).await.map(Some),
                None => Ok(None),
            },
            TokenOf::OpenCrvs => self.opencrvs_token(deadline).await.map(Some),
        }
    }

    async fn mosip_token(&self, settings: &config::Token, deadline: Duration) -> Result<Token> {
        let fetch = async || {
            let (uri, headers, body) = access::request(settings, self.clock.now())?;
            let reply = self.ask_for_token(uri, headers, body, deadline).await?;
            let now = self.clock.now();
            let token = access::read(&settings.kind, reply.status, &reply.headers, &reply.body, now)
                .map_err(|error| reply.explain(error))?;
            let expires = token.expires();
            Ok((token, expires))
        };
        self.mosip_tokens.get(self.clock.now(), fetch).await.map(Token::Mosip)
    }

    async fn opencrvs_token(&self, deadline: Duration) -> Result<Token> {
        let config::OpencrvsClient { auth_url, client_id, client_secret, unset } = &self.opencrvs;
        let (Some(auth_url), Some(client_id), Some(client_secret)) = (auth_url, client_id, client_secret)
        else {
            let what = format!("OpenCRVS cannot be called without {}", unset.join(", "));
            return Err(Error::new(Code::Keys, what)
                .advise("Set them as OpenCRVS gave them under Integrations, and start the gateway again."));
        };
        let fetch = async || {
            let uri = client_token::request(auth_url, client_id, client_secret)?;
            let reply = self.ask_for_token(uri, HeaderMap::new(), Bytes::new(), deadline).await?;
            let token = client_token::read(reply.status, &reply.body, self.clock.now())
                .map_err(|error| reply.explain(error))?;
            let expires = token.expires();
            Ok((token, expires))
        };
        self.opencrvs_tokens.get(self.clock.now(), fetch).await.map(Token::OpenCrvs)
    }

    async fn ask_for_token(
        &self,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Reply> {
        let (method, max_response) = (Method::POST, MAX_TOKEN_REPLY);
        Ok(self.client.send(Request { method, uri, headers, body, deadline, max_response }).await?)
    }
}

impl Outside for Network {
    fn send(
        &self,
        token: Option<TokenOf>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async move {
            match token {
                Some(of) => self.send_with(of, request).await,
                None => Ok(self.client.send(request).await),
            }
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let steps = Arc::clone(steps);
        self.pool
            .run(move || {
                let step = steps.next(&work)?;
                Ok((work, step))
            })
            .boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        self.keys.refresh().boxed()
    }
}

impl Token {
    /// `request` with this token where its receiver looks for it: MOSIP in a cookie, OpenCRVS as a bearer token.
    fn on(&self, mut request: Request) -> Request {
        match self {
            Self::Mosip(token) => request.headers.insert(header::COOKIE, access::cookie(token)),
            Self::OpenCrvs(token) => request.headers.insert(header::AUTHORIZATION, token.bearer()),
        };
        request
    }
}

/// The same request, for a second try.
fn copy(request: &Request) -> Request {
    Request {
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        deadline: request.deadline,
        max_response: request.max_response,
    }
}

#[cfg(test)]
mod tests;
