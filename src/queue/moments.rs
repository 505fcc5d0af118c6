//! Waiting for a moment that may be none, or may move.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Waits until the moment has passed that `until` names, which may move.
pub(super) async fn is_past(mut until: watch::Receiver<Instant>) {
    loop {
        let at = *until.borrow_and_update();
        tokio::select! {
            biased;
            Ok(()) = until.changed() => {}
            () = sleep_until(at) => return,
        }
    }
}

/// Sleeps until `alarm`; without one, for ever.
pub(super) async fn sleep_for(alarm: Option<Duration>) {
    match alarm {
        Some(alarm) => sleep(alarm).await,
        None => std::future::pending().await,
    }
}
