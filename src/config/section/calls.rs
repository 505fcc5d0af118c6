//! Settings that all calls of one kind have.

use std::time::Duration;

use super::Section;

impl Section<'_> {
    /// `deadline`: how long one call may take.
    pub(crate) fn deadline(&mut self, default: Duration) -> Duration {
        let range = Duration::from_secs(1)..=Duration::from_mins(10);
        self.duration("deadline", range).unwrap_or(default)
    }

    /// `concurrency`: calls at once.
    pub(crate) fn concurrency(&mut self, default: usize) -> usize {
        self.number("concurrency", 1..=64).map_or(default, |calls| calls as usize)
    }
}
