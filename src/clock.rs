//! Time is an argument: only this module reads the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the Unix epoch (the unit of X.509 and JWT dates).
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From `yyyy-MM-ddTHH:mm:ss`, with or without a fraction, and `Z` or an offset (RFC 3339).
    pub fn from_iso(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `yyyy-MM-ddTHH:mm:ss.SSSZ`, the one form that every MOSIP service accepts (IDA refuses a time without milliseconds).
    pub fn to_iso(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(format).ok())
            .unwrap_or_default()
    }
}

/// The day that `text` is in the form `form`, which begins with a year of four digits. The parser would take a sign before these.
pub(crate) fn day(text: &str, form: &[BorrowedFormatItem<'_>]) -> Option<Date> {
    Date::parse(text, form).ok().filter(|_| text.starts_with(|first: char| first.is_ascii_digit()))
}

/// `duration` in whole milliseconds.
pub(crate) fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// From the moment `earlier` to `later`, both in milliseconds on one clock; zero where `later` is past.
pub(crate) fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_millis(later.saturating_sub(earlier).max(0).unsigned_abs())
}

/// Where the time comes from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that does not move until [`Clock::set`]; for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.millis()))))
    }

    /// Moves a fixed clock, forward or back. It does not change the machine's clock.
    pub fn set(&self, at: Timestamp) {
        if let Some(cell) = &self.0 {
            cell.store(at.millis(), Ordering::SeqCst);
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(cell) => Timestamp(cell.load(Ordering::SeqCst)),
            None => {
                #[allow(clippy::disallowed_methods, reason = "this is where time comes from")]
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(to_millis(since))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_and_an_offset_is_taken_off() {
        let moment = Timestamp::from_millis(1_795_507_200_123);
        assert_eq!(moment.to_iso(), "2026-11-24T08:00:00.123Z");
        for text in ["2026-11-24T08:00:00.123Z", "2026-11-24T13:30:00.123+05:30", "2026-11-24T08:00:00.1239Z"]
        {
            assert_eq!(Timestamp::from_iso(text), Some(moment), "{text}");
        }
        for text in ["", "2026-11-24", "2026-11-24T08:00:00", "2026-13-24T08:00:00Z"] {
            assert_eq!(Timestamp::from_iso(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_its_form_and_nothing_beside_it() {
        let is_day = |text| day(text, format_description!("[year]/[month]/[day]")).is_some();
        assert!(is_day("1990/03/14") && is_day("2024/02/29"));
        for text in [
            "",
            "+1990/03/14",
            "-1990/03/14",
            " 1990/03/14",
            "1990/03/14 ",
            "1990/3/14",
            "1990/02/30",
            "1990-03-14",
        ] {
            assert!(!is_day(text), "{text}");
        }
    }
}
