//! How much is logged, which can change while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::callsite::rebuild_interest_cache;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// The levels, from nothing to everything.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// The level where none is set.
pub(crate) const DEFAULT: LevelFilter = LevelFilter::INFO;

/// The level of that name.
pub(crate) fn named(text: &str) -> Option<LevelFilter> {
    LEVELS.into_iter().find(|(name, _)| *name == text).map(|(_, level)| level)
}

/// The name of `level`.
pub(crate) fn name_of(level: LevelFilter) -> &'static str {
    LEVELS.into_iter().find(|(_, of)| *of == level).map_or("off", |(name, _)| name)
}

/// The names of all levels, as a sentence lists them.
pub(crate) fn names() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

/// The level of the log. Cheap to clone; clones change together.
#[derive(Debug, Clone)]
pub struct Level(Arc<Places>);

#[derive(Debug)]
struct Places {
    now: AtomicUsize,
    at_start: AtomicUsize,
}

impl From<LevelFilter> for Level {
    fn from(level: LevelFilter) -> Self {
        Self::new(level)
    }
}

impl Level {
    /// `level`, until it is set to another one.
    pub fn new(level: LevelFilter) -> Self {
        let [now, at_start] = [(); 2].map(|()| AtomicUsize::new(place(level)));
        Self(Arc::new(Places { now, at_start }))
    }

    /// The level now.
    pub fn get(&self) -> LevelFilter {
        level_at(self.0.now.load(Ordering::Relaxed))
    }

    /// The level that counts at every start.
    pub(crate) fn at_start(&self) -> LevelFilter {
        level_at(self.0.at_start.load(Ordering::Relaxed))
    }

    /// The start has `level` in place of that of the configuration.
    pub(super) fn start_with(&self, level: LevelFilter) {
        self.0.at_start.store(place(level), Ordering::Relaxed);
        self.replace(level);
    }

    /// From now on `level` counts, for every line; the one that counted until now.
    pub fn replace(&self, level: LevelFilter) -> LevelFilter {
        let former = self.0.now.swap(place(level), Ordering::Relaxed);
        rebuild_interest_cache();
        level_at(former)
    }

    /// The gateway's own lines obey the level. Nobody can vouch for what dependencies log, so they log at `warn` at most.
    fn lets_through(&self, line: &Metadata<'_>) -> bool {
        let target = line.target().strip_prefix(env!("CARGO_CRATE_NAME"));
        let is_own = target.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let level = self.get();
        *line.level() <= if is_own { level } else { level.min(LevelFilter::WARN) }
    }
}

fn level_at(place: usize) -> LevelFilter {
    LEVELS.get(place).map_or(DEFAULT, |(_, level)| *level)
}

fn place(level: LevelFilter) -> usize {
    LEVELS.iter().position(|(_, of)| *of == level).unwrap_or_default()
}

impl<S: Subscriber> Filter<S> for Level {
    fn enabled(&self, line: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(line)
    }

    fn callsite_enabled(&self, line: &'static Metadata<'static>) -> Interest {
        if self.lets_through(line) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_six_words() {
        for (text, wanted) in LEVELS {
            assert_eq!((named(text), name_of(wanted)), (Some(wanted), text));
            assert_eq!(Level::new(wanted).get(), wanted);
        }
        for text in ["", "INFO!", "Info", "hyper=trace", "mosip_gateway=info,hyper=debug"] {
            assert_eq!(named(text), None, "{text}");
        }
        assert_eq!(names(), "off, error, warn, info, debug, trace");
    }
}
