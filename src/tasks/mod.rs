//! What runs by itself: keys are kept current, pushes are examined, MOSIP's hub and OpenCRVS's webhooks are subscribed to, OpenCRVS is asked for
//! what did not come, the outbox is looked after.

pub(crate) mod housekeeping;
pub(crate) mod hub;
pub(crate) mod key_watch;
#[cfg(not(feature = "otlp"))]
mod no_traces;
pub(crate) mod pushes;
pub(crate) mod reconcile;
pub(crate) mod subscriptions;
#[cfg(feature = "otlp")]
mod traces;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

#[cfg(not(feature = "otlp"))]
use self::no_traces as traces;
pub(crate) use self::traces::{Traces, traces};

/// How long a task rests that stopped unexpectedly.
const REST: Duration = Duration::from_secs(1);

/// Keeps the task that `begin` begins running: one that panics, or ends, is begun again.
pub(crate) async fn supervised<T: Future<Output = ()> + Send + 'static>(
    task: &'static str,
    begin: impl Fn() -> T + Send,
) {
    loop {
        let mut running = JoinSet::new();
        running.spawn(begin());
        let _ = running.join_next().await;
        tracing::error!(task, "a task stopped unexpectedly; it begins again");
        sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_again() {
        let (begun, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, tell) = (Arc::clone(&begun), Arc::clone(&again));
        let task = supervised("test", move || {
            let (first, tell) = (count.fetch_add(1, Ordering::SeqCst) == 0, Arc::clone(&tell));
            async move {
                assert!(!first, "on purpose");
                tell.notify_one();
                std::future::pending().await
            }
        });
        tokio::select! {
            () = task => {}
            () = again.notified() => {}
        }
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }
}
