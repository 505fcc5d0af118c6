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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_counted_under_its_word_as_done_or_as_failed() {
        let of_unwrap = || counts().find(|(name, _)| *name == "unwrap").unwrap().1;
        assert!(counts().map(|(name, _)| name).eq(NAMES));
        let [done, failed] = of_unwrap();
        Operation::Unwrap.count(Ok::<_, ()>(())).unwrap();
        Operation::Unwrap.count(Err::<(), _>(())).unwrap_err();
        // Other tests count beside this one.
        let [done_now, failed_now] = of_unwrap();
        assert!(done_now > done && failed_now > failed);
    }
}
