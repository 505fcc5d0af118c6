//! One call to the MOSIP-side mediator: token, application id, seal with the keys of now, sign, post, judge the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

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
pub struct Exchange {
    client: Client,
    tokens: TokenCache<access::AccessToken>,
    token: Option<config::Token>,
    mediator: config::Mediator,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
}

/// Why an attempt failed.
pub struct Failure {
    /// What and whose fault.
    pub error: Error,
    /// How long MOSIP asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

impl Exchange {
    /// For the URLs in `upstream`.
    pub fn new(client: Client, upstream: config::Upstream, keys: Keyring, pool: Pool, clock: Clock) -> Self {
        Self {
            client,
            tokens: TokenCache::new(),
            token: upstream.token,
            mediator: upstream.mediator,
            keys,
            pool,
            clock,
        }
    }

    /// Where events of `kind` go; [`Code::KindNotConfigured`].
    pub fn url(&self, kind: EventKind) -> Result<&Uri> {
        let unset = || Error::new(Code::KindNotConfigured, format!("no URL is set for {kind}"));
        self.mediator.events.get(kind.as_str()).ok_or_else(unset)
    }

    /// Posts to each URL at once.
    pub fn concurrency(&self) -> usize {
        self.mediator.concurrency
    }

    /// Whether an application id has to be fetched for `event` before it goes.
    pub fn wants_aid(&self, event: &Event) -> bool {
        self.mediator.aid.is_some() && event.wants_aid()
    }

    /// Seals `event` under `id`, carrying `aid`, with the keys of this moment, and posts it once.
    pub async fn send(&self, event: &Event, id: &str, aid: Option<&Aid>) -> Result<(), Failure> {
        let uri = self.url(event.kind())?;
        let body = match aid {
            Some(aid) => event.with_aid(aid),
            None => event.body().clone(),
        };
        let request = self.seal(id.to_owned(), body).await?;
        let reply = self.call(Method::POST, uri, request).await?;
        mediator::read_acceptance(reply.status, &reply.body)
            .map(drop)
            .map_err(|error| Failure { error, retry_after: retry_after(&reply) })
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

/// Seconds in `Retry-After`. Its other form, a date, is not used by MOSIP and would trust two clocks.
pub(super) fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds = reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
