//! Documents that others publish, which are kept: the keys of an issuer, what eSignet says of itself.
//!
//! While a document is kept, nobody waits for it to be fetched again. A fetch is a task of its own that all who need it share: it goes on
//! where they hang up, and what comes of it counts for the others.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::drive::Outside;
use crate::error::{Code, Error, Result};
use crate::upstream::{Reply, Request, host_and_port};

/// A document is fetched again once it is this old, so that a key that was withdrawn does not count for ever.
const OLDEST: Duration = Duration::from_hours(1);

/// Between two fetches of what is there. Whoever sends tokens of unknown keys causes no more than that.
const BETWEEN: Duration = Duration::from_mins(1);

/// Between two fetches while there is no document.
const BETWEEN_FAILURES: Duration = Duration::from_secs(5);

/// For one fetch.
const DEADLINE: Duration = Duration::from_secs(8);

/// Largest document, bytes. A set of a hundred keys with their certificates stays below it.
const MAX_REPLY: usize = 1 << 20;

/// Makes of an answer what is kept.
type Read<T> = dyn Fn(&Reply) -> Result<T> + Send + Sync;

/// A fetch that goes on, for all who wait for it.
type UnderWay<T> = Shared<BoxFuture<'static, Result<Arc<T>>>>;

/// A document at a URL, read as `T`. Clones are the same document.
pub(crate) struct Fetched<T>(Arc<Inner<T>>);

struct Inner<T> {
    url: Uri,
    read: Box<Read<T>>,
    outside: Arc<dyn Outside>,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    kept: Option<Arc<T>>,
    /// When the document that is kept came.
    came: Option<Instant>,
    /// When the last fetch ended, and why it failed. `None`: it did not fail.
    failed: Option<(Instant, Error)>,
    under_way: Option<UnderWay<T>>,
    /// Somebody waits for the fetch that is under way, since the document that is kept lacks something.
    is_missed: bool,
    /// When the last such fetch ended.
    missed: Option<Instant>,
}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// Nothing is fetched yet.
    pub(crate) fn new(
        url: Uri,
        outside: Arc<dyn Outside>,
        read: impl Fn(&Reply) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let slot =
            Slot { kept: None, came: None, failed: None, under_way: None, is_missed: false, missed: None };
        Self(Arc::new(Inner { url, read: Box::new(read), outside, slot: Mutex::new(slot) }))
    }

    /// Why it has not come: no fetch has brought it, and the last one failed. `None`: it has come, or no fetch has ended yet.
    pub(crate) fn never_came(&self) -> Option<Error> {
        let slot = self.0.slot();
        let failed = slot.failed.as_ref().filter(|_| slot.kept.is_none());
        failed.map(|(_, error)| error.clone())
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &Uri {
        &self.0.url
    }

    /// The document that is kept. One that is old is fetched again meanwhile, and goes on counting where that fails.
    pub(crate) fn kept(&self) -> Option<Arc<T>> {
        let mut slot = self.0.slot();
        let kept = slot.kept.clone()?;
        let is_old = slot.came.is_none_or(|came| came.elapsed() >= OLDEST);
        if is_old && slot.failed.as_ref().is_none_or(|(ended, _)| ended.elapsed() >= BETWEEN) {
            drop(self.0.fetch(&mut slot));
        }
        Some(kept)
    }

    /// The document that is kept, else the one that the next fetch brings.
    pub(crate) async fn get(&self) -> Result<Arc<T>> {
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let fetched = {
            let mut slot = self.0.slot();
            match &slot.failed {
                Some((ended, error)) if slot.under_way.is_none() && ended.elapsed() < BETWEEN_FAILURES => {
                    return Err(until(error.clone(), BETWEEN_FAILURES.saturating_sub(ended.elapsed())));
                }
                _ => self.0.fetch(&mut slot),
            }
        };
        fetched.await.map_err(|error| until(error, BETWEEN_FAILURES))
    }

    /// As [`Self::get`]. Where there is none yet, it is waited for until `deadline`.
    pub(crate) async fn get_by(&self, deadline: Instant) -> Result<Arc<T>> {
        loop {
            let refusal = match by(deadline, self.get()).await {
                Ok(document) => return Ok(document),
                Err(refusal) => refusal,
            };
            if Instant::now() + BETWEEN_FAILURES >= deadline {
                return Err(refusal);
            }
            sleep(BETWEEN_FAILURES).await;
        }
    }

    /// The document that came after `former`, which lacks something. An error: nobody knows whether it is missing still, since the
    /// document does not come, or was fetched for the same reason less than a minute ago.
    pub(crate) async fn newer_than(&self, former: &Arc<T>) -> Result<Arc<T>> {
        let fetched = {
            let mut slot = self.0.slot();
            if let Some(kept) = slot.kept.as_ref().filter(|kept| !Arc::ptr_eq(kept, former)) {
                return Ok(Arc::clone(kept));
            }
            let ago = slot.missed.map(|ended| ended.elapsed());
            if let Some(wait) = ago.and_then(|ago| BETWEEN.checked_sub(ago)).filter(|wait| !wait.is_zero()) {
                let failed = slot.failed.as_ref().map(|(_, error)| error.clone());
                return Err(until(failed.unwrap_or_else(moment_ago), wait));
            }
            slot.is_missed = true;
            self.0.fetch(&mut slot)
        };
        fetched.await.map_err(|error| until(error, BETWEEN))
    }

    /// As [`Self::newer_than`], but no later than `deadline`. Where the minute ends before that, its end is waited for.
    pub(crate) async fn newer_than_by(&self, former: &Arc<T>, deadline: Instant) -> Result<Arc<T>> {
        loop {
            let refusal = match by(deadline, self.newer_than(former)).await {
                Ok(newer) => return Ok(newer),
                Err(refusal) => refusal,
            };
            let next = Instant::now() + refusal.retry_after().unwrap_or(BETWEEN);
            if next >= deadline {
                return Err(refusal);
            }
            sleep_until(next).await;
        }
    }

    /// Fetches the document before somebody needs it, again and again until it is there or nobody holds this any more. `what` it is, for
    /// the log.
    pub(crate) fn fetch_beforehand(&self, what: &'static str) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut is_told = false;
            while let Some(document) = inner.upgrade().map(Self) {
                match document.get().await {
                    Ok(_) => return,
                    Err(error) if !is_told => {
                        let host = host_and_port(document.url());
                        tracing::warn!(what, host, %error, "a document does not come; it is asked for again");
                        is_told = true;
                    }
                    Err(_) => {}
                }
                drop(document);
                sleep(BETWEEN_FAILURES).await;
            }
        });
    }
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Inner<T> {
    /// The fetch that is under way, or a new one.
    fn fetch(self: &Arc<Self>, slot: &mut Slot<T>) -> UnderWay<T> {
        if let Some(under_way) = &slot.under_way {
            return under_way.clone();
        }
        let inner = Arc::clone(self);
        let fetching = tokio::spawn(async move { inner.fetched().await });
        let under_way = fetching.map(|ended| ended.unwrap_or_else(|_| Err(broke_off()))).boxed().shared();
        slot.under_way.insert(under_way).clone()
    }

    async fn fetched(&self) -> Result<Arc<T>> {
        let asked = AssertUnwindSafe(self.ask()).catch_unwind().await.unwrap_or_else(|_| Err(broke_off()));
        let ended = Instant::now();
        let mut slot = self.slot();
        slot.under_way = None;
        if std::mem::take(&mut slot.is_missed) {
            slot.missed = Some(ended);
        }
        match asked {
            Ok(document) => {
                (slot.came, slot.failed) = (Some(ended), None);
                Ok(Arc::clone(slot.kept.insert(Arc::new(document))))
            }
            Err(error) => {
                slot.failed = Some((ended, error.clone()));
                if slot.kept.is_some() {
                    tracing::warn!(%error, "a document is not fetched again; the former one goes on counting");
                }
                Err(error)
            }
        }
    }

    async fn ask(&self) -> Result<T> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("*/*"))]);
        let request = Request {
            method: Method::GET,
            uri: self.url.clone(),
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            max_response: MAX_REPLY,
        };
        let reply = self.outside.send(None, request).await??;
        (self.read)(&reply).map_err(|error| reply.explain(error))
    }
}

impl<T> Inner<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `fetch` brings, unless it is late. The fetch itself goes on.
pub(crate) async fn by<T>(deadline: Instant, fetch: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(Code::UpstreamTimeout, "the document did not come in time");
    timeout_at(deadline, fetch).await.map_err(late)?
}

/// The next fetch comes after `wait`, or later where the server asked for more.
fn until(error: Error, wait: Duration) -> Error {
    let asked = error.retry_after().unwrap_or_default();
    error.with_retry_after(Some(asked.max(wait)))
}

fn moment_ago() -> Error {
    Error::new(
        Code::Upstream,
        "the document was fetched less than a minute ago, and lacks what is looked for",
    )
    .advise("Try again in a minute: the document is fetched once a minute at most.")
}

fn broke_off() -> Error {
    Error::new(Code::Bug, "a document was not fetched to its end")
}

#[cfg(test)]
mod tests;
