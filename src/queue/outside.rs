//! What the engine reaches in production: the HTTP client with its tokens, the threads for private keys, the key files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};

use crate::clock::Clock;
use crate::destinations::drive::Outside;
use crate::destinations::{Seal, Step, Steps, Token, TokenRequest, TokenSource, Work};
use crate::error::{Error, Result};
use crate::keys::Keyring;
use crate::pool::{self, Pool};
use crate::upstream::{Client, Reply, Request, SendError, host_and_port};

/// Largest answer of a token endpoint, bytes. A token has a few KiB.
const MAX_TOKEN_REPLY: usize = 1 << 20;
/// For the token that `doctor` asks for.
const TOKEN_DEADLINE: Duration = Duration::from_secs(30);

/// The network, the keys and their threads. Share it in an `Arc`.
pub(crate) struct Network {
    client: Client,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
}

impl Network {
    /// Nothing is called yet.
    pub(crate) fn new(client: Client, keys: Keyring, pool: Pool, clock: Clock) -> Self {
        Self { client, keys, pool, clock }
    }

    /// Whether `source` gives a token; [`Code::Keys`](crate::error::Code::Keys) naming what is not set.
    pub(crate) async fn check_token(&self, source: &TokenSource) -> Result<()> {
        self.token(source, TOKEN_DEADLINE).await.map(drop)
    }

    /// A 401 drops the token; the call is then made once more with a new one.
    async fn send_with(&self, source: &TokenSource, request: Request) -> Result<Result<Reply, SendError>> {
        let deadline = request.deadline;
        let token = self.token(source, deadline).await?;
        let first = self.client.send(with(&token, request.clone())).await;
        if !matches!(&first, Ok(reply) if reply.status == StatusCode::UNAUTHORIZED) {
            return Ok(first);
        }
        source.cache().drop_if(&token);
        let token = self.token(source, deadline).await?;
        Ok(self.client.send(with(&token, request)).await)
    }

    /// The token that is kept, else a new one.
    async fn token(&self, source: &TokenSource, deadline: Duration) -> Result<Arc<Token>> {
        let fetch = async || {
            let TokenRequest { uri, headers, body } = source.grant().request(self.clock.now())?;
            let host = host_and_port(&uri);
            let of_call = |error: Error| error.of_call_to(&host);
            let (method, max_response) = (Method::POST, MAX_TOKEN_REPLY);
            let request = Request { method, uri, headers, body, deadline, max_response };
            let token = match self.client.send(request).await {
                Ok(reply) => {
                    source.grant().read(&reply, self.clock.now()).map_err(|error| reply.explain(error))
                }
                Err(failure) => Err(failure.into()),
            };
            self.client.meters().token(&host, token.as_ref().err().map(Error::fault));
            let token = token.map_err(of_call)?;
            let expires = token.expires;
            Ok((token, expires))
        };
        source.cache().get(self.clock.now(), fetch).await
    }
}

impl Outside for Network {
    fn send(
        &self,
        token: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        async move {
            match token {
                Some(source) => self.send_with(&source, request).await,
                None => Ok(self.client.send(request).await),
            }
        }
        .boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let (is_quick, len, steps) = (steps.is_quick(), work.payload.len(), Arc::clone(steps));
        let next = move || {
            let step = steps.next(&work)?;
            Ok((work, step))
        };
        if is_quick { pool::offload(len, next).boxed() } else { self.pool.run(next).boxed() }
    }

    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Bytes>> {
        self.pool.run(seal).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        self.keys.refresh().boxed()
    }
}

/// `request` with `token` where its receiver looks for it.
fn with(token: &Token, mut request: Request) -> Request {
    request.headers.insert(token.header.clone(), token.value.clone());
    request
}

#[cfg(test)]
mod tests;
