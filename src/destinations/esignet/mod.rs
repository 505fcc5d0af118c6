//! eSignet: what a browser brought back from a login becomes the claims of the person, while the caller waits. Nothing of a login is kept.

mod call;
mod endpoints;
mod logins;
#[cfg(feature = "simulator")]
mod offline;
mod settings;
mod spent;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::call::{jti, made_once, no_end, posted, secret_value};
use self::endpoints::Endpoints;
pub(crate) use self::logins::{Failing, Logins, Status};
#[cfg(feature = "simulator")]
pub use self::offline::Offline;
pub(crate) use self::settings::{Dpop, Settings};
use self::spent::spent;
use super::drive::Outside;
use super::fetched::Fetched;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::mosip::esignet::{
    self, Authorization, Challenge, DPOP, DpopKey, Expected, Login, Metadata, Opened, Proof, Pushed, Subject,
    TokenReply, Tokens, UserInfo,
};
use crate::mosip::jwks::{Denied, Jwks};
use crate::mosip::{Evidence, Verified, roles};
use crate::pool::Pool;
use crate::upstream::{self, Reply, Request, SendError};

/// Largest answer of the token endpoint, bytes.
const MAX_TOKEN_REPLY: usize = 1 << 20;

/// Largest userinfo, bytes: it may hold a photograph.
const MAX_USERINFO: usize = 8 << 20;

/// Most logins at once, so that an eSignet that hangs holds no more of our places for callers, which births need, too.
const MOST_LOGINS: usize = 32;

/// Most of them whose userinfo is read and verified at once: each may hold [`MAX_USERINFO`], and as much again once it is opened.
const MOST_USERINFOS: usize = 8;

/// Most attempts at one call: a first one, one with the proof of possession that it lacked, and one with another nonce.
const MOST_ATTEMPTS: usize = 3;

/// eSignet, as the routes see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Esignet(Arc<Inner>);

struct Inner {
    settings: Option<Settings>,
    /// `None`: the issuer is not set.
    document: Option<Fetched<Metadata>>,
    /// At the URL that counted last.
    keys_of_issuer: Mutex<Option<Arc<Fetched<Jwks>>>>,
    outside: Arc<dyn Outside>,
    keys: Keyring,
    /// Of their own threads: logins do not stand in the queue in which births are sealed.
    pool: Pool,
    clock: Clock,
    places: Semaphore,
    userinfos: Semaphore,
    logins: Logins,
}

/// The URL at which a login begins.
pub(crate) struct Beginning {
    pub(crate) url: String,
    /// Seconds for which it is good, where eSignet holds the parameters.
    pub(crate) expires_in: Option<i64>,
}

impl Esignet {
    /// Nothing is called yet. Without `settings` every login is refused.
    pub(crate) fn new(
        settings: Option<Settings>,
        outside: Arc<dyn Outside>,
        keys: Keyring,
        pool: Pool,
        clock: Clock,
    ) -> Self {
        let issuer = settings.as_ref().and_then(|settings| settings.issuer.clone());
        let document = issuer.and_then(|issuer| {
            let url = esignet::document_url(&issuer)?;
            let read = move |reply: &Reply| esignet::read_metadata(&issuer, reply.status, &reply.body);
            Some(Fetched::new(url, Arc::clone(&outside), read))
        });
        Self(Arc::new(Inner {
            settings,
            document,
            keys_of_issuer: Mutex::default(),
            outside,
            keys,
            pool,
            clock,
            places: Semaphore::new(MOST_LOGINS),
            userinfos: Semaphore::new(MOST_USERINFOS),
            logins: Logins::new(),
        }))
    }

    /// The claims of the person who logged in.
    pub(crate) async fn userinfo(&self, login: Login) -> Result<Verified<UserInfo>> {
        let logins = &self.0.logins;
        let known = match login.check().and_then(|()| self.configured()) {
            Ok((settings, issuer, key)) => {
                let is_sent = AtomicBool::new(false);
                let asked = async {
                    settings.check_client(&login.client_id)?;
                    let asking = self.ask(settings, issuer, key, Arc::new(login), &is_sent);
                    self.within(settings, asking).await
                };
                let asked = asked.await;
                let asked =
                    asked.map_err(|error| if is_sent.load(Ordering::Relaxed) { spent(error) } else { error });
                logins.asked(asked.as_ref().err(), self.0.clock.now());
                asked
            }
            Err(refusal) => Err(refusal),
        };
        logins.count(known.as_ref().err().map(Error::fault));
        known
    }

    /// How eSignet stands, with how logins ended. `None`: there is no eSignet.
    pub(crate) fn status(&self) -> Option<(Status, &Logins)> {
        let settings = self.0.settings.as_ref()?;
        let issuer = settings.issuer.as_ref().and_then(|issuer| issuer.parse::<Uri>().ok());
        let host = issuer.as_ref().or(settings.token_url.as_ref()).map(upstream::host_and_port);
        let (believed, failing) = self.0.logins.standing(self.0.clock.now());
        Some((Status { host: host.unwrap_or_default(), believed, failing }, &self.0.logins))
    }

    /// Where the browser goes for a login. Its parameters are pushed to eSignet where its document demands that.
    pub(crate) async fn begin(&self, begin: Authorization) -> Result<Beginning> {
        begin.check()?;
        let (settings, _, key) = self.configured()?;
        settings.check_client(&begin.client_id)?;
        self.within(settings, self.push(settings, key, begin)).await
    }

    /// That the document and the keys of the issuer can be had, for `doctor`.
    pub(crate) async fn check(&self) -> Result<()> {
        let (settings, ..) = self.configured()?;
        let endpoints = self.endpoints(settings).await?;
        self.keys_at(&endpoints.jwks).get().await.map(drop)
    }

    async fn within<T>(&self, settings: &Settings, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || {
            Error::new(
                Code::UpstreamTimeout,
                format!("eSignet did not answer within {} s", settings.deadline.as_secs()),
            )
        };
        let full = |_| Error::new(Code::Busy, "as many logins as the gateway takes at once are under way");
        let _place = self.0.places.try_acquire().map_err(full)?;
        timeout_at(Instant::now() + settings.deadline, work).await.unwrap_or_else(|_| Err(late()))
    }

    /// [`Code::Keys`] naming what is not set.
    fn configured(&self) -> Result<(&Settings, &str, &str)> {
        let not_set = |what: &str| {
            Error::new(Code::Keys, format!("eSignet cannot be asked: {what} is not set"))
                .advise("Set it, and start the gateway again.")
        };
        let settings = self.0.settings.as_ref().ok_or_else(|| not_set("esignet.issuer"))?;
        match (&settings.issuer, &settings.key) {
            (Some(issuer), Some(key)) => Ok((settings, issuer, key)),
            _ => Err(not_set(&settings.unset.join(", "))),
        }
    }

    /// `is_sent` becomes true once eSignet may have seen the code of the login, which counts once.
    async fn ask(
        &self,
        settings: &Settings,
        issuer: &str,
        key: &str,
        login: Arc<Login>,
        is_sent: &AtomicBool,
    ) -> Result<Verified<UserInfo>> {
        let endpoints = self.endpoints(settings).await?;
        let keys = self.keys_at(&endpoints.jwks);
        // The code is kept while nothing that it brings could be verified.
        keys.get().await?;
        let mut dpop = None;
        let tokens = Arc::new(self.tokens(settings, &endpoints, (key, &mut dpop), &login, is_sent).await?);
        let (issuer, now) = (Arc::<str>::from(issuer), self.0.clock.now());

        let subject = {
            let (issuer, login, tokens) = (Arc::clone(&issuer), Arc::clone(&login), Arc::clone(&tokens));
            let read = move |keys: &Jwks| {
                Subject::read(&tokens, keys, (&issuer, &login.client_id, login.nonce.as_deref()), now)
            };
            Arc::new(self.verified(&keys, read).await?)
        };
        let closed = |_| Error::new(Code::Bug, "the places for userinfo are closed");
        let _userinfo = self.0.userinfos.acquire().await.map_err(closed)?;
        let opened = self.opened(&endpoints, &mut dpop, &tokens).await?;
        let evidence = match upstream::is_plain(keys.url()) {
            true => Evidence::DangerPlainKeys,
            false => Evidence::Plaintext,
        };
        let read = move |keys: &Jwks| {
            opened.verify(keys, &Expected::of(&subject, &issuer, &login.client_id, now), evidence)
        };
        self.verified(&keys, read).await
    }

    /// What `read` makes of the keys of the issuer; where it misses one, of those that are there now.
    async fn verified<T: Send + 'static>(
        &self,
        keys: &Fetched<Jwks>,
        read: impl Fn(&Jwks) -> Result<T, Denied> + Send + Sync + 'static,
    ) -> Result<T> {
        let read = Arc::new(read);
        let held = keys.get().await?;
        match self.read_with(Arc::clone(&held), Arc::clone(&read)).await? {
            Ok(value) => Ok(value),
            Err(Denied::Refused(error)) => Err(error),
            Err(denied) => match (keys.newer_than(&held).await, denied) {
                (Ok(newer), _) => self.read_with(newer, read).await?.map_err(Error::from),
                (Err(_), Denied::WrongSignature(error)) | (Err(error), _) => Err(error),
            },
        }
    }

    /// On the threads of logins: a verification takes as long as the rest of a request.
    async fn read_with<T: Send + 'static>(
        &self,
        keys: Arc<Jwks>,
        read: Arc<impl Fn(&Jwks) -> Result<T, Denied> + Send + Sync + 'static>,
    ) -> Result<Result<T, Denied>> {
        self.0.pool.run(move || Ok(read(&keys))).await
    }

    async fn tokens(
        &self,
        settings: &Settings,
        endpoints: &Endpoints,
        (key, dpop): (&str, &mut Option<DpopKey>),
        login: &Login,
        is_sent: &AtomicBool,
    ) -> Result<Tokens> {
        let sends_at_once = match settings.dpop {
            Dpop::Auto => endpoints.takes_proofs,
            Dpop::Off => false,
            Dpop::Always => true,
        };
        let audience = settings.audience.clone().unwrap_or_else(|| endpoints.token.to_string());
        let mut challenge = sends_at_once.then_some(Challenge { nonce: None });
        for _ in 0..MOST_ATTEMPTS {
            // An assertion is good for one request, and so is a proof.
            let assertion = self.assertion(key, &login.client_id, &audience).await?;
            let mut headers = posted();
            if let Some(Challenge { nonce }) = &challenge {
                let (url, nonce) = (&endpoints.token, nonce.as_deref());
                let proof = Proof {
                    method: "POST",
                    url,
                    nonce,
                    access_token: None,
                    jti: &jti(),
                    now: self.0.clock.now(),
                };
                headers.insert(DPOP, made_once(dpop)?.prove(&proof)?);
            }
            let request =
                self.request(settings, Method::POST, &endpoints.token, headers, login.form(&assertion));
            is_sent.store(true, Ordering::Relaxed);
            let sent = self.send(request).await?;
            let has_left = !matches!(&sent, Err(failure) if failure.is_retry_safe());
            is_sent.store(has_left, Ordering::Relaxed);
            let reply = sent?;
            let read = TokenReply::read(reply.status, &reply.headers, &reply.body);
            let read = read.map_err(|error| reply.explain(error))?;
            // Who challenges has not used the code.
            is_sent.store(matches!(read, TokenReply::Given(_)), Ordering::Relaxed);
            match read {
                TokenReply::Given(tokens) => return settings.dpop.allows(tokens),
                TokenReply::Challenged(_) if settings.dpop == Dpop::Off => {
                    return Err(Error::new(Code::Partner, "eSignet demands a proof of possession (DPoP)")
                        .advise("Set esignet.dpop = \"auto\", and start the gateway again."));
                }
                TokenReply::Challenged(demanded) => challenge = Some(demanded),
            }
        }
        Err(no_end())
    }

    async fn opened(
        &self,
        endpoints: &Endpoints,
        dpop: &mut Option<DpopKey>,
        tokens: &Tokens,
    ) -> Result<Opened> {
        let (settings, ..) = self.configured()?;
        let mut nonce = tokens.nonce.clone();
        for _ in 0..MOST_ATTEMPTS {
            let mut headers = HeaderMap::new();
            let scheme: &[u8] = if tokens.wants_proof { b"DPoP " } else { b"Bearer " };
            headers.insert(header::AUTHORIZATION, secret_value(&[scheme, tokens.access_token.as_bytes()])?);
            if tokens.wants_proof {
                let (url, nonce) = (&endpoints.userinfo, nonce.as_deref());
                let access_token = Some(tokens.access_token.as_str());
                let proof =
                    Proof { method: "GET", url, nonce, access_token, jti: &jti(), now: self.0.clock.now() };
                headers.insert(DPOP, made_once(dpop)?.prove(&proof)?);
            }
            let request = self.request(settings, Method::GET, &endpoints.userinfo, headers, Bytes::new());
            let reply = self.send(Request { max_response: MAX_USERINFO, ..request }).await??;
            let ring = self.0.keys.current();
            let read = move || Ok((esignet::open(reply.status, &reply.headers, &reply.body, &ring), reply));
            let (opened, reply) = self.0.pool.run(read).await?;
            match opened.map_err(|error| reply.explain(error))? {
                Ok(opened) => return Ok(opened),
                Err(challenge) if tokens.wants_proof => nonce = challenge.nonce,
                Err(_) => {
                    return Err(Error::new(
                        Code::Upstream,
                        "eSignet demands a proof of possession for a Bearer token",
                    ));
                }
            }
        }
        Err(no_end())
    }

    async fn push(&self, settings: &Settings, key: &str, begin: Authorization) -> Result<Beginning> {
        let document = self.document().await?;
        let lacks = |what: &str| {
            Error::new(Code::Upstream, format!("the document of eSignet names no {what}"))
                .advise("Ask the administrator of eSignet for a document that names it.")
        };
        let page = document.authorization.as_ref().ok_or_else(|| lacks("authorization_endpoint"))?;
        if !document.requires_pushed {
            return Ok(Beginning { url: begin.url(page), expires_in: None });
        }
        let url = document.pushed.as_ref().ok_or_else(|| lacks("pushed_authorization_request_endpoint"))?;
        let audience = settings.audience.clone().unwrap_or_else(|| url.to_string());
        let assertion = self.assertion(key, &begin.client_id, &audience).await?;
        let request = self.request(settings, Method::POST, url, posted(), begin.form(&assertion));
        let reply = self.send(request).await??;
        let pushed = Pushed::read(reply.status, &reply.body).map_err(|error| reply.explain(error))?;
        Ok(Beginning { url: begin.url_of_pushed(page, &pushed), expires_in: Some(pushed.expires_in) })
    }

    async fn assertion(
        &self,
        key: &str,
        client_id: &str,
        audience: &str,
    ) -> Result<zeroize::Zeroizing<String>> {
        let (ring, now, jti) = (self.0.keys.current(), self.0.clock.now(), jti());
        let [key, client_id, audience] = [key, client_id, audience].map(str::to_owned);
        let sign = move || {
            esignet::assertion(roles::client_key(&ring, &key, now)?, &client_id, &audience, &jti, now)
        };
        self.0.pool.run(sign).await
    }

    /// Sends once more where nothing has left, since a pooled connection was dead.
    async fn send(&self, request: Request) -> Result<Result<Reply, SendError>> {
        match self.0.outside.send(None, request.clone()).await? {
            Err(failure) if failure.is_retry_safe() => self.0.outside.send(None, request).await,
            sent => Ok(sent),
        }
    }

    fn request(
        &self,
        settings: &Settings,
        method: Method,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Request {
        let (deadline, max_response) = (settings.deadline, MAX_TOKEN_REPLY);
        Request { method, uri: url.clone(), headers, body, deadline, max_response }
    }
}

#[cfg(test)]
mod tests;
