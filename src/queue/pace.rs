//! How fast entries go to one upstream URL. It does no I/O; time is an argument.

use std::collections::VecDeque;

use crate::store::Millis;

/// Successes before this long ago say nothing about now.
const WINDOW: Millis = 300_000;
/// Successes that are remembered.
const KEPT: usize = 512;

/// When entries were taken.
#[derive(Default)]
pub(crate) struct Pace {
    taken: VecDeque<Millis>,
    last: Option<Millis>,
}

impl Pace {
    /// An entry was taken at `now`.
    pub(crate) fn taken(&mut self, now: Millis) {
        if self.taken.len() == KEPT {
            self.taken.pop_front();
        }
        self.taken.push_back(now);
        self.last = Some(now);
    }

    /// When the last one was taken since the process began.
    pub(crate) fn last(&self) -> Option<Millis> {
        self.last
    }

    /// Entries a minute over the last five minutes. `None`: too few were taken to tell.
    pub(crate) fn per_minute(&self, now: Millis) -> Option<f64> {
        let recent = self.taken.iter().filter(|at| now.saturating_sub(**at) < WINDOW);
        let first = *recent.clone().next()?;
        let entries = u32::try_from(recent.count()).ok().filter(|entries| *entries > 1)?;
        let span = u32::try_from(now.saturating_sub(first).max(1_000)).ok()?;
        Some(f64::from(entries) * 60_000.0 / f64::from(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_minutes() {
        let mut pace = Pace::default();
        assert_eq!((pace.last(), pace.per_minute(0)), (None, None));
        pace.taken(0);
        assert_eq!((pace.last(), pace.per_minute(0)), (Some(0), None), "one tells nothing");
        for at in 1..=60 {
            pace.taken(WINDOW + at * 1_000);
        }
        let rate = pace.per_minute(WINDOW + 60_000).unwrap();
        assert!((59.0..62.0).contains(&rate), "{rate}");
        assert_eq!(pace.per_minute(3 * WINDOW), None, "long ago");
        assert_eq!(pace.last(), Some(WINDOW + 60_000));
    }

    #[test]
    fn a_burst_that_is_longer_than_what_is_remembered_keeps_its_rate() {
        let mut pace = Pace::default();
        for at in 0..2_000 {
            pace.taken(at * 10);
        }
        let rate = pace.per_minute(19_990).unwrap();
        assert!((5_900.0..6_100.0).contains(&rate), "{rate}");
    }
}
