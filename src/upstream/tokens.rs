//! A cache for one access token. All callers that wait for a token share one fetch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::clock::Timestamp;
use crate::error::Result;

/// A token is renewed this long before it expires, so that none expires while a request is on its way.
const MARGIN_MILLIS: i64 = 30_000;

/// No token is kept longer than this, whatever its issuer says.
const LONGEST_MILLIS: i64 = 86_400_000;

/// A cache of one token of type `T`. Empty at first.
pub(crate) struct TokenCache<T> {
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    /// The token and the moment from which it is not used any more.
    kept: Option<(Arc<T>, Timestamp)>,
    /// The fetch that is under way.
    fetch_under_way: Option<Arc<Fetch<T>>>,
}

/// The outcome of one fetch: the token and when it expires, or the error. If the task that fetches is dropped, another waiter takes over.
type Fetch<T> = OnceCell<Result<(Arc<T>, Option<Timestamp>)>>;

impl<T> TokenCache<T> {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(Slot { kept: None, fetch_under_way: None }) }
    }

    /// Returns the kept token while it stays valid for 30 s more, else the one that `fetch` returns with its expiry. A token without an
    /// expiry is not kept. Callers that arrive during a fetch share its outcome, even a failure, so that a slow issuer is asked once.
    pub(crate) async fn get<F>(&self, now: Timestamp, fetch: F) -> Result<Arc<T>>
    where
        F: AsyncFnOnce() -> Result<(T, Option<Timestamp>)>,
    {
        let fetch_under_way = {
            let mut slot = self.slot();
            if let Some((token, until)) = &slot.kept
                && now < *until
            {
                return Ok(Arc::clone(token));
            }
            Arc::clone(slot.fetch_under_way.get_or_insert_default())
        };
        let outcome = fetch_under_way
            .get_or_init(async || fetch().await.map(|(token, ends)| (Arc::new(token), ends)))
            .await
            .clone();
        let mut slot = self.slot();
        if slot.fetch_under_way.as_ref().is_some_and(|current| Arc::ptr_eq(current, &fetch_under_way)) {
            slot.fetch_under_way = None;
            slot.kept = match &outcome {
                Ok((token, Some(ends))) => Some((Arc::clone(token), usable_until(*ends, now))),
                _ => None,
            };
        }
        outcome.map(|(token, _)| token)
    }

    /// Forgets `token` after a 401. A token that was fetched since then is kept.
    pub(crate) fn drop_if(&self, token: &Arc<T>) {
        let mut slot = self.slot();
        if slot.kept.as_ref().is_some_and(|(kept, _)| Arc::ptr_eq(kept, token)) {
            slot.kept = None;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn usable_until(ends: Timestamp, now: Timestamp) -> Timestamp {
    let longest = now.millis().saturating_add(LONGEST_MILLIS);
    Timestamp::from_millis(ends.millis().min(longest).saturating_sub(MARGIN_MILLIS))
}

#[cfg(test)]
mod tests;
