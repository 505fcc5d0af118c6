//! Waiting for a condition, and no longer than is patient.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// What `look` finds, however often it has to look; panics with what it saw last.
pub(crate) async fn until<T, E: Debug>(what: &str, look: impl AsyncFn() -> Result<T, E>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > end => panic!("{what} never came about; last: {seen:?}"),
            Err(_) => sleep(BETWEEN_LOOKS).await,
        }
    }
}
