//! One event to MOSIP: AID, seal with the keys of now, sign, token, post, judge the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::mosip::event::{Aid, Event, EventKind};
use crate::mosip::{Attested, access, mediator, roles};
use crate::pool::Pool;
use crate::upstream::{Client, Reply, Request, TokenCache};

/// Largest answer of the MOSIP-side mediator or of the IAM, bytes. Real ones are below 16 KiB.
const MAX_REPLY: usize = 1 << 20;

/// Everything an exchange needs. Share it in an `Arc`.
pub struct Worker {
    client: Client,
    tokens: TokenCache<access::AccessToken>,
    token: Option<config::Token>,
    mediator: config::Mediator,
    gates: BTreeMap<EventKind, Semaphore>,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
}

/// How an event ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The id it went under.
    pub id: String,
    /// The application id it carried.
    pub aid: Option<Aid>,
}

impl Worker {
    /// A worker for the URLs in `upstream`.
    pub fn new(client: Client, upstream: config::Upstream, keys: Keyring, pool: Pool, clock: Clock) -> Self {
        let gate = || Semaphore::new(upstream.mediator.concurrency);
        let gates = EventKind::ALL.into_iter().map(|kind| (kind, gate())).collect();
        Self {
            client,
            tokens: TokenCache::new(),
            token: upstream.token,
            mediator: upstream.mediator,
            gates,
            keys,
            pool,
            clock,
        }
    }

    /// Sends `event` once. Nothing is kept: an error is the caller's to retry.
    pub async fn send(&self, event: Event) -> Result<Settled> {
        let kind = event.kind();
        let uri = self
            .mediator
            .events
            .get(kind.as_str())
            .ok_or_else(|| Error::new(Code::KindNotConfigured, format!("no URL is set for {kind}")))?;
        let aid = self.aid_for(&event).await?;
        let body = match &aid {
            Some(aid) => event.with_aid(aid),
            None => event.body().clone(),
        };
        let id = event.composition_id().to_owned();
        // The MOSIP-side mediator shares one cipher object between threads: `concurrency` posts at once and no more.
        let gate = self.gates.get(&kind).ok_or_else(|| Error::new(Code::Bug, "a kind without a gate"))?;
        let _turn = gate.acquire().await.map_err(|_| Error::new(Code::Bug, "a closed gate"))?;
        let request = self.seal(id.clone(), body).await?;
        let reply = self.call(Method::POST, uri, request).await?;
        mediator::read_acceptance(reply.status, &reply.body)?;
        Ok(Settled { id, aid })
    }

    /// Fetches a fresh application id.
    pub async fn fetch_aid(&self) -> Result<Attested<Aid>> {
        let uri = self.mediator.aid.as_ref().ok_or_else(|| {
            Error::new(Code::KindNotConfigured, "no URL is set for application ids")
                .advise("Set upstream.mediator.aid.")
        })?;
        let reply = self.call(Method::GET, uri, Bytes::new()).await?;
        mediator::read_aid(reply.status, &reply.body)
    }

    async fn aid_for(&self, event: &Event) -> Result<Option<Aid>> {
        if let Some(aid) = event.aid() {
            return Ok(Some(aid.clone()));
        }
        if self.mediator.aid.is_none() || !event.wants_aid() {
            return Ok(None);
        }
        Ok(Some(self.fetch_aid().await?.into_inner()))
    }

    async fn seal(&self, id: String, plaintext: Bytes) -> Result<Bytes> {
        let ring = self.keys.current();
        let now = self.clock.now();
        let sign_with = self.mediator.sign_with.clone();
        self.pool
            .run(move || {
                let to = roles::recipient(&ring, roles::MOSIP, now)?;
                let signer = roles::signer(&ring, sign_with.as_deref(), now)?;
                mediator::event_request(&id, &plaintext, to, &signer.private, now)
            })
            .await
    }

    /// Calls with a token; a 401 drops the token and tries once more with a new one.
    async fn call(&self, method: Method, uri: &Uri, body: Bytes) -> Result<Reply> {
        let Some(settings) = &self.token else {
            return self.post(method, uri, None, body).await;
        };
        let token = self.access_token(settings).await?;
        let reply = self.post(method.clone(), uri, Some(access::cookie(&token)), body.clone()).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.tokens.drop_if(&token);
        let token = self.access_token(settings).await?;
        self.post(method, uri, Some(access::cookie(&token)), body).await
    }

    async fn post(
        &self,
        method: Method,
        uri: &Uri,
        cookie: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Reply> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(cookie) = cookie {
            headers.insert(header::COOKIE, cookie);
        }
        self.send_request(method, uri.clone(), headers, body).await
    }

    async fn access_token(&self, settings: &config::Token) -> Result<Arc<access::AccessToken>> {
        let fetch = async || {
            let (uri, headers, body) = access::request(settings, self.clock.now())?;
            let reply = self.send_request(Method::POST, uri, headers, body).await?;
            let now = self.clock.now();
            let token = access::read(&settings.kind, reply.status, &reply.headers, &reply.body, now)?;
            let expires = token.expires();
            Ok((token, expires))
        };
        self.tokens.get(self.clock.now(), fetch).await
    }

    async fn send_request(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Reply> {
        let request =
            Request { method, uri, headers, body, deadline: self.mediator.deadline, max_response: MAX_REPLY };
        Ok(self.client.send(request).await?)
    }
}
