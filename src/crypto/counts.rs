//! How often each operation was done since the process began, and how often it failed.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Sign,
    Verify,
    Wrap,
    Unwrap,
    Seal,
    Open,
}

/// The words of [`Operation`], in its order.
const NAMES: [&str; 6] = ["sign", "verify", "wrap", "unwrap", "seal", "open"];

/// Those that were done, and those that failed.
static COUNTS: [[AtomicU64; 2]; NAMES.len()] = [const { [const { AtomicU64::new(0) }; 2] }; NAMES.len()];

impl Operation {
    /// Counts `outcome`, and hands it on.
    pub(super) fn count<T, E>(self, outcome: Result<T, E>) -> Result<T, E> {
        let counter = COUNTS.get(self as usize).and_then(|counts| counts.get(usize::from(outcome.is_err())));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

/// Each operation by its word, with how often it was done and how often it failed.
pub(crate) fn counts() -> impl Iterator<Item = (&'static str, [u64; 2])> {
    NAMES
        .into_iter()
        .zip(&COUNTS)
        .map(|(name, counts)| (name, counts.each_ref().map(|count| count.load(Ordering::Relaxed))))
}
