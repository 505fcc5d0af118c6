//! How logins end: counted since the process began, and what keeps the last ones from being believed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::clock::{Timestamp, between};
use crate::error::{Code, Error, Fault};

/// A login that failed longer ago says nothing about now.
const RECENT: Duration = Duration::from_hours(1);

/// How a login ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// Its claims verify.
    Believed,
    /// Its claims verify, and are not what its caller can take.
    Unreadable,
    /// The gateway had too much to do for it, which says nothing of eSignet.
    Busy,
    /// Its caller hung up before eSignet saw its code.
    GivenUp,
    /// For this reason.
    Refused(Fault),
}

impl Outcome {
    /// Of a login that `refusal` ended.
    pub(super) fn of(refusal: &Error) -> Self {
        match refusal.code() {
            Code::Busy => Self::Busy,
            _ => Self::Refused(refusal.fault()),
        }
    }

    /// Each of them.
    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Believed, Self::Unreadable, Self::Busy, Self::GivenUp];
        others.into_iter().chain(Fault::ALL.map(Self::Refused))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Believed => "believed",
            Self::Unreadable => "unreadable",
            Self::Busy => "busy",
            Self::GivenUp => "given-up",
            Self::Refused(fault) => fault.as_str(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// How logins ended.
pub(crate) struct Logins {
    ended: Family<Ended, Counter>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    believed: Option<Timestamp>,
    failing: Option<Failing>,
}

/// Logins fail, through no fault of those who log in, and none has been believed since.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    /// When the first of them failed.
    pub(crate) since: Timestamp,
    /// When the last one did.
    pub(crate) last: Timestamp,
    /// Why the last one did.
    pub(crate) error: Error,
}

/// How eSignet stands, as the last logins show it.
pub(crate) struct Status {
    /// `host[:port]` of the issuer.
    pub(crate) host: String,
    /// When a login was last believed; `None`: none since the start.
    pub(crate) believed: Option<Timestamp>,
    /// Logins failed within the last hour, and none was believed since.
    pub(crate) failing: Option<Failing>,
}

impl Logins {
    /// Every outcome starts at zero, so that its first failure is seen as an increase.
    pub(super) fn new() -> Self {
        let ended = Family::<Ended, Counter>::default();
        for outcome in Outcome::all().map(Outcome::as_str) {
            drop(ended.get_or_create(&Ended { outcome }));
        }
        Self { ended, last: Mutex::default() }
    }

    /// A login ended.
    pub(super) fn count(&self, outcome: Outcome) {
        self.ended.get_or_create(&Ended { outcome: outcome.as_str() }).inc();
    }

    /// How many logins ended in each way, for tests.
    #[cfg(test)]
    pub(super) fn counted(&self) -> Vec<(&'static str, u64)> {
        let count = |outcome: Outcome| {
            let outcome = outcome.as_str();
            (outcome, self.ended.get_or_create(&Ended { outcome }).get())
        };
        Outcome::all().map(count).filter(|(_, count)| *count > 0).collect()
    }

    /// eSignet was asked at `now`, and what came of it was refused for this reason. What is wrong with one login alone says nothing of the
    /// others, and neither does a gateway that has too much to do.
    pub(super) fn asked(&self, refusal: Option<&Error>, now: Timestamp) {
        let mut last = self.last();
        match refusal {
            None => *last = Last { believed: Some(now), failing: None },
            Some(error) if matches!(Outcome::of(error), Outcome::Busy | Outcome::Refused(Fault::Caller)) => {}
            Some(error) => {
                let since = last.failing(now).map_or(now, |failing| failing.since);
                last.failing = Some(Failing { since, last: now, error: error.clone() });
            }
        }
    }

    /// When a login was last believed, and why those of the last hour fail.
    pub(super) fn standing(&self, now: Timestamp) -> (Option<Timestamp>, Option<Failing>) {
        let last = self.last();
        (last.believed, last.failing(now).cloned())
    }

    /// `logins_total{outcome}`
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Logins at eSignet, by how they ended: believed, unreadable, busy, given-up, or the fault";
        registry.register("logins", help, self.ended.clone());
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn failing(&self, now: Timestamp) -> Option<&Failing> {
        self.failing.as_ref().filter(|failing| between(failing.last.millis(), now.millis()) < RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn failures_count_from_the_first_until_a_login_is_believed_or_an_hour_is_over() {
        let logins = Logins::new();
        let away = Error::new(Code::Upstream, "eSignet answered 500");
        logins.asked(Some(&away), at(0));
        logins.asked(Some(&away), at(60));
        let (believed, failing) = logins.standing(at(61));
        assert_eq!(
            (believed, failing.map(|failing| (failing.since, failing.last))),
            (None, Some((at(0), at(60))))
        );
        logins.asked(Some(&Error::field("/code", "used")), at(70));
        logins.asked(Some(&Error::new(Code::Busy, "too much")), at(71));
        let (_, failing) = logins.standing(at(72));
        assert_eq!(failing.unwrap().last, at(60), "neither says anything of eSignet");
        assert!(logins.standing(at(60 + 3600)).1.is_none());
        logins.asked(Some(&away), at(60 + 3600));
        assert_eq!(logins.standing(at(60 + 3600)).1.unwrap().since, at(60 + 3600), "another one");
        logins.asked(None, at(4000));
        let (believed, failing) = logins.standing(at(4001));
        assert_eq!((believed, failing.is_none()), (Some(at(4000)), true));
    }

    #[test]
    fn outcomes_that_never_happened_stand_at_zero() {
        let logins = Logins::new();
        logins.count(Outcome::Believed);
        logins.count(Outcome::Refused(Fault::Tampered));
        let mut registry = Registry::default();
        logins.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (outcome, count) in
            [("believed", 1), ("tampered", 1), ("unreadable", 0), ("busy", 0), ("upstream", 0), ("caller", 0)]
        {
            assert!(text.contains(&format!("logins_total{{outcome=\"{outcome}\"}} {count}")), "{text}");
        }
    }
}
