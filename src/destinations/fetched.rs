//! Documents that others publish, which are kept: the keys of an issuer, what eSignet says of itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::drive::Outside;
use crate::error::{Error, Result};
use crate::upstream::{Reply, Request};

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

/// A document at a URL, read as `T`. Callers that need it at once share one fetch.
pub(crate) struct Fetched<T> {
    url: Uri,
    read: Box<Read<T>>,
    outside: Arc<dyn Outside>,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    kept: Option<Arc<T>>,
    /// When the document that is kept came.
    came: Option<Instant>,
    /// When it was last asked for in vain, while there was none.
    failed: Option<(Instant, Error)>,
    /// When it was last asked for again.
    renewed: Option<Instant>,
}

impl<T> Fetched<T> {
    /// Nothing is fetched yet.
    pub(crate) fn new(
        url: Uri,
        outside: Arc<dyn Outside>,
        read: impl Fn(&Reply) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let slot = Slot { kept: None, came: None, failed: None, renewed: None };
        Self { url, read: Box::new(read), outside, slot: Mutex::new(slot) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// The document. One that could not be fetched again goes on counting.
    pub(crate) async fn get(&self) -> Result<Arc<T>> {
        let mut slot = self.slot.lock().await;
        match slot.kept.clone() {
            Some(kept) if slot.came.is_some_and(|came| came.elapsed() < OLDEST) => Ok(kept),
            Some(kept) => Ok(self.renew(&mut slot).await.unwrap_or(kept)),
            None => self.first(&mut slot).await,
        }
    }

    /// The document that came after `former`, which lacks something; `former` itself where it is the newest and was asked for again
    /// within the last minute.
    pub(crate) async fn newer_than(&self, former: &Arc<T>) -> Arc<T> {
        let mut slot = self.slot.lock().await;
        match slot.kept.clone() {
            Some(kept) if !Arc::ptr_eq(&kept, former) => kept,
            _ => self.renew(&mut slot).await.unwrap_or_else(|| Arc::clone(former)),
        }
    }

    async fn first(&self, slot: &mut Slot<T>) -> Result<Arc<T>> {
        if let Some((at, error)) = &slot.failed
            && at.elapsed() < BETWEEN_FAILURES
        {
            return Err(error.clone());
        }
        let asked = Instant::now();
        let fetched = self.fetch(slot).await;
        slot.failed = fetched.as_ref().err().map(|error| (asked, error.clone()));
        fetched
    }

    /// `None`: it was asked for a moment ago, or does not come.
    async fn renew(&self, slot: &mut Slot<T>) -> Option<Arc<T>> {
        if slot.renewed.is_some_and(|at| at.elapsed() < BETWEEN) {
            return None;
        }
        slot.renewed = Some(Instant::now());
        let fetched = self.fetch(slot).await;
        fetched
            .inspect_err(|error| tracing::warn!(%error, "a document is not fetched again; the former one goes on counting"))
            .ok()
    }

    async fn fetch(&self, slot: &mut Slot<T>) -> Result<Arc<T>> {
        let document = Arc::new(self.ask().await?);
        slot.kept = Some(Arc::clone(&document));
        slot.came = Some(Instant::now());
        Ok(document)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::fake::{Script, is_away, says};
    use crate::error::Code;

    fn fetched(script: &Arc<Script>) -> Fetched<String> {
        let read = |reply: &Reply| match reply.status.is_success() {
            true => Ok(String::from_utf8(reply.body.to_vec()).unwrap()),
            false => Err(Error::new(Code::Upstream, "no document")),
        };
        Fetched::new("https://e.example.org/keys".parse().unwrap(), Arc::<Script>::clone(script), read)
    }

    fn asked(script: &Script) -> usize {
        script.paths().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_fetched_again_at_once_and_then_once_a_minute() {
        let script = Arc::new(Script::new(["one", "two", "three"].map(|body| says(200, body))));
        let document = fetched(&script);
        let one = document.get().await.unwrap();
        assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", 1));
        let two = document.newer_than(&one).await;
        assert_eq!((two.as_str(), asked(&script)), ("two", 2));
        // Somebody who still had the first one asks for nothing.
        assert_eq!((document.newer_than(&one).await.as_str(), asked(&script)), ("two", 2));
        for _ in 0..3 {
            assert_eq!((document.newer_than(&two).await.as_str(), asked(&script)), ("two", 2));
        }
        tokio::time::advance(BETWEEN).await;
        assert_eq!((document.newer_than(&two).await.as_str(), asked(&script)), ("three", 3));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_document_is_fetched_again_and_counts_while_it_cannot_be() {
        let script = Arc::new(Script::new([says(200, "one"), is_away(), says(500, ""), says(200, "two")]));
        let document = fetched(&script);
        document.get().await.unwrap();
        for asked_by_now in [2, 3] {
            tokio::time::advance(OLDEST).await;
            assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", asked_by_now));
        }
        tokio::time::advance(BETWEEN).await;
        assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("two", 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_that_never_came_is_asked_for_every_few_seconds() {
        let script = Arc::new(Script::new([is_away(), says(404, ""), says(200, "one")]));
        let document = fetched(&script);
        for _ in 0..3 {
            assert_eq!(document.get().await.err().unwrap().code(), Code::Upstream);
            assert_eq!(asked(&script), 1);
        }
        tokio::time::advance(BETWEEN_FAILURES).await;
        assert!(document.get().await.is_err());
        tokio::time::advance(BETWEEN_FAILURES).await;
        assert_eq!((document.get().await.unwrap().as_str(), asked(&script)), ("one", 3));
    }
}
