//! A rate limit for listeners that others reach: so many requests a second, and a burst above it.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::error::{Code, Error};

/// A country registers a few births a second; a hub that catches up may send faster for a while.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The limit of one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rate(Arc<DefaultDirectRateLimiter>);

impl Default for Rate {
    fn default() -> Self {
        Self(Arc::new(RateLimiter::direct(Quota::per_second(PER_SECOND).allow_burst(BURST))))
    }
}

/// Middleware: beyond the rate a request is answered [`Code::Busy`] unread.
pub(crate) async fn enforce(State(rate): State<Rate>, request: Request, next: Next) -> Response {
    match rate.0.check() {
        Ok(()) => next.run(request).await,
        Err(_) => Error::new(Code::Busy, "too many requests a second").into_response(),
    }
}
