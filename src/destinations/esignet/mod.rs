//! eSignet: what a browser brought back from a login becomes the claims of the person, while the caller waits. Nothing of a login is kept.

mod calls;
mod endpoints;
mod logins;
#[cfg(feature = "simulator")]
mod offline;
mod settings;
mod words;

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::Uri;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use self::logins::Outcome;
pub(crate) use self::logins::{Failing, Logins, Status};
#[cfg(feature = "simulator")]
pub use self::offline::Offline;
pub(crate) use self::settings::{Dpop, Settings};
use self::words::of_a_login;
use super::drive::Outside;
use super::fetched::Fetched;
use crate::clock::Clock;
use crate::error::{Code, Error, Fault, Result};
use crate::keys::Keyring;
use crate::mosip::esignet::{self, Authorization, Expected, Login, Metadata, Subject, UserInfo};
use crate::mosip::jwks::{Denied, Jwks};
use crate::mosip::{Evidence, Verified};
use crate::pool::Pool;
use crate::telemetry::carried;
use crate::upstream::{self, Reply};

/// Most logins at once, so that an eSignet that hangs holds no more of our places for callers, which births need, too.
const MOST_LOGINS: usize = 32;

/// Most of them whose userinfo is read and verified at once: each may hold [`calls::MAX_USERINFO`], and as much again once it is opened.
const MOST_USERINFOS: usize = 8;

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

    /// What `read` makes of the claims of the person who logged in. A login whose caller hangs up goes on while eSignet may have used its
    /// code, since how it ends counts.
    pub(crate) async fn userinfo<T: Send + 'static>(
        &self,
        login: Login,
        read: impl FnOnce(Verified<UserInfo>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let logins = &self.0.logins;
        self.configured().inspect_err(|refusal| logins.count(Outcome::of(refusal)))?;
        let esignet = self.clone();
        let (mut caller, answer) = oneshot::channel();
        tokio::spawn(carried(async move {
            let is_sent = AtomicBool::new(false);
            let mut login = pin!(AssertUnwindSafe(esignet.taken(login, read, &is_sent)).catch_unwind());
            let ends = |context: &mut Context<'_>| match caller.poll_closed(context) {
                Poll::Ready(()) if !is_sent.load(Ordering::Relaxed) => Poll::Ready(None),
                _ => login.as_mut().poll(context).map(Some),
            };
            let logins = &esignet.0.logins;
            let Some(ended) = poll_fn(ends).await else { return logins.count(Outcome::GivenUp) };
            let (outcome, read) = ended.unwrap_or_else(|_| (Outcome::Refused(Fault::Bug), Err(broke_off())));
            logins.asked(read.as_ref().err(), esignet.0.clock.now());
            logins.count(outcome);
            // Whoever hung up does not hear of it.
            let _ = caller.send(read);
        }));
        answer.await.unwrap_or_else(|_| Err(broke_off()))
    }

    /// As [`Self::userinfo`], and how the login ended.
    async fn taken<T>(
        &self,
        login: Login,
        read: impl FnOnce(Verified<UserInfo>) -> Result<T>,
        is_sent: &AtomicBool,
    ) -> (Outcome, Result<T>) {
        match self.known(login, is_sent).await.map(read) {
            Ok(Ok(value)) => (Outcome::Believed, Ok(value)),
            Ok(Err(refusal)) => (Outcome::Unreadable, Err(refusal)),
            Err(refusal) => (Outcome::of(&refusal), Err(refusal)),
        }
    }

    async fn known(&self, login: Login, is_sent: &AtomicBool) -> Result<Verified<UserInfo>> {
        let asked = async {
            let (settings, issuer, key) = self.configured()?;
            login.check()?;
            settings.check_client(&login.client_id)?;
            self.within(settings, self.ask(settings, issuer, key, login, is_sent)).await
        };
        asked.await.map_err(|error| of_a_login(error, is_sent.load(Ordering::Relaxed)))
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
        self.within(settings, self.push(settings, key, begin)).await.map_err(|error| of_a_login(error, false))
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
        login: Login,
        is_sent: &AtomicBool,
    ) -> Result<Verified<UserInfo>> {
        let endpoints = self.endpoints(settings).await?;
        let keys = self.keys_at(&endpoints.jwks);
        // The code is kept while nothing that it brings could be verified.
        keys.get().await?;
        let mut dpop = None;
        let tokens = self.tokens(settings, &endpoints, (key, &mut dpop), &login, is_sent).await?;
        let closed = |_| Error::new(Code::Bug, "the places for userinfo are closed");
        let _userinfo = self.0.userinfos.acquire().await.map_err(closed)?;
        let userinfo = self.userinfo_of(settings, &endpoints, &mut dpop, &tokens).await?;
        let evidence = match upstream::is_plain(keys.url()) {
            true => Evidence::DangerPlainKeys,
            false => Evidence::Plaintext,
        };
        let (issuer, clients, now) = (issuer.to_owned(), settings.clients.clone(), self.0.clock.now());
        let ring = self.0.keys.current();
        let is_quick = esignet::is_quick(&userinfo);
        // Both tokens in one piece: handing it to another thread costs as much as verifying one of them.
        let read = move |keys: &Jwks| {
            let subject = Subject::read(&tokens, keys, &issuer, (&login, &clients), now)?;
            let expected = Expected::of(&subject, &issuer, &login.client_id, now);
            esignet::verify_userinfo(&userinfo, &ring, keys, &expected, evidence)
        };
        self.verified(&keys, is_quick, read).await
    }

    /// What `read` makes of the keys of the issuer; where it misses one, of those that are there now.
    async fn verified<T: Send + 'static>(
        &self,
        keys: &Fetched<Jwks>,
        is_quick: bool,
        read: impl Fn(&Jwks) -> Result<T, Denied> + Send + Sync + 'static,
    ) -> Result<T> {
        let read = Arc::new(read);
        let held = keys.get().await?;
        match self.read_with(Arc::clone(&held), is_quick, Arc::clone(&read)).await? {
            Ok(value) => Ok(value),
            Err(Denied::Refused(error)) => Err(error),
            Err(denied) => match (keys.newer_than(&held).await, denied) {
                (Ok(newer), _) => self.read_with(newer, is_quick, read).await?.map_err(Error::from),
                (Err(_), Denied::WrongSignature(error)) | (Err(error), _) => Err(error),
            },
        }
    }

    /// At once where that `is_quick`, else on the threads of logins.
    async fn read_with<T: Send + 'static>(
        &self,
        keys: Arc<Jwks>,
        is_quick: bool,
        read: Arc<impl Fn(&Jwks) -> Result<T, Denied> + Send + Sync + 'static>,
    ) -> Result<Result<T, Denied>> {
        if is_quick { Ok(read(&keys)) } else { self.0.pool.run(move || Ok(read(&keys))).await }
    }
}

fn broke_off() -> Error {
    Error::new(Code::Bug, "a login was not taken to its end")
}

#[cfg(test)]
mod tests;
