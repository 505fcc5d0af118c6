//! One access token, fetched once for all who wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::clock::Timestamp;
use crate::error::Result;

/// A token is renewed this long before it ends, so that none ends on its way.
const MARGIN_MILLIS: i64 = 30_000;

/// No token is kept longer, whatever its issuer says.
const LONGEST_MILLIS: i64 = 86_400_000;

/// A cache of one token of type `T`. Empty at first.
pub(crate) struct TokenCache<T> {
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    /// The token and the moment from which it is not used any more.
    kept: Option<(Arc<T>, Timestamp)>,
    /// The fetch under way.
    flight: Option<Arc<Flight<T>>>,
}

/// Done once: the token and when it ends, or why there is none. If its fetcher is dropped, another waiter takes over.
type Flight<T> = OnceCell<Result<(Arc<T>, Option<Timestamp>)>>;

impl<T> TokenCache<T> {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        Self { slot: Mutex::new(Slot { kept: None, flight: None }) }
    }

    /// The kept token while it lives 30 s longer, else what `fetch` brings: a token and when it ends. Without an end it is not
    /// kept. Callers that come while a fetch is under way share its outcome, a failure too, so that a slow issuer is asked once.
    pub(crate) async fn get<F>(&self, now: Timestamp, fetch: F) -> Result<Arc<T>>
    where
        F: AsyncFnOnce() -> Result<(T, Option<Timestamp>)>,
    {
        let flight = {
            let mut slot = self.slot();
            if let Some((token, until)) = &slot.kept
                && now < *until
            {
                return Ok(Arc::clone(token));
            }
            Arc::clone(slot.flight.get_or_insert_default())
        };
        let outcome = flight
            .get_or_init(async || fetch().await.map(|(token, ends)| (Arc::new(token), ends)))
            .await
            .clone();
        let mut slot = self.slot();
        if slot.flight.as_ref().is_some_and(|current| Arc::ptr_eq(current, &flight)) {
            slot.flight = None;
            slot.kept = match &outcome {
                Ok((token, Some(ends))) => Some((Arc::clone(token), usable_until(*ends, now))),
                _ => None,
            };
        }
        outcome.map(|(token, _)| token)
    }

    /// Forgets `token` after a 401. A token that was fetched since stays.
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
