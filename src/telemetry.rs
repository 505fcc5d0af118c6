//! Structured JSON logs, one object a line, that carry ids and thumbprints and never a payload.
//!
//! A line may hold: ids of requests, entries and deliveries; thumbprints; kinds, states, codes, faults, statuses; the path of a
//! file; a host; counts, sizes, durations; what a person wrote as the reason of a retry or discard, and the address or
//! certificate subject that it came from. It never holds a body, a plaintext, a token, a password, a number of a person, a header,
//! MOSIP's own sentence, or a URL with its path and query, since a path can be a secret (`/websub/callback/<unguessable>`).
//!
//! Nobody can vouch for what dependencies log, so they log at `warn` at most, whatever the level. The names `timestamp`, `level`, `target`,
//! `message` and `span` belong to the line itself, so no field may have them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The variable that sets the level.
pub(crate) const LEVEL_VARIABLE: &str = "MOSIP_GATEWAY_LOG";

/// The level that the content of `LEVEL_VARIABLE` names; `info` without it.
///
/// # Errors
///
/// [`UnknownLevel`] for anything but `off`, `error`, `warn`, `info`, `debug`, `trace`.
pub fn level(text: Option<&str>) -> Result<LevelFilter, UnknownLevel> {
    match text {
        None | Some("info") => Ok(LevelFilter::INFO),
        Some("off") => Ok(LevelFilter::OFF),
        Some("error") => Ok(LevelFilter::ERROR),
        Some("warn") => Ok(LevelFilter::WARN),
        Some("debug") => Ok(LevelFilter::DEBUG),
        Some("trace") => Ok(LevelFilter::TRACE),
        Some(_) => Err(UnknownLevel),
    }
}

/// What `LEVEL_VARIABLE` holds is not a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MOSIP_GATEWAY_LOG is not a level; set it to off, error, warn, info, debug or trace")]
pub struct UnknownLevel;

/// Logs to standard error from now on, for the whole process.
///
/// # Errors
///
/// If the process logs elsewhere already.
pub(crate) fn init(level: LevelFilter) -> Result<(), TryInitError> {
    subscriber(io::stderr, level).try_init()
}

/// The subscriber that `init` installs, on any writer. It writes the gateway's own lines up to `level`, and those of dependencies up to
/// `warn` at most.
pub fn subscriber<W>(writer: W, level: LevelFilter) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer);
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

/// A writer for [`subscriber`] that keeps every line, so that a test can search all that was logged. Clones share the lines.
#[derive(Debug, Clone, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// Everything logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(level: LevelFilter, log: impl FnOnce()) -> Vec<serde_json::Value> {
        let capture = Capture::default();
        tracing::subscriber::with_default(subscriber(capture.clone(), level), log);
        capture.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_flat_json_with_an_iso_timestamp() {
        let lines = logged(LevelFilter::INFO, || tracing::info!(entry = "e-1", status = 202, "accepted"));
        let [line] = lines.as_slice() else { panic!("one line") };
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "accepted");
        assert_eq!(line["entry"], "e-1");
        assert_eq!(line["status"], 202);
        let timestamp = line["timestamp"].as_str().unwrap();
        let format = &time::format_description::well_known::Rfc3339;
        assert!(time::OffsetDateTime::parse(timestamp, format).is_ok_and(|time| time.offset().is_utc()));
    }

    #[test]
    fn our_own_lines_obey_the_level() {
        let log = || {
            tracing::debug!("debug");
            tracing::info!("info");
            tracing::error!("error");
        };
        let count = |level| logged(level, log).len();
        assert_eq!(count(LevelFilter::TRACE), 3);
        assert_eq!(count(LevelFilter::INFO), 2);
        assert_eq!(count(LevelFilter::ERROR), 1);
        assert_eq!(count(LevelFilter::OFF), 0);
    }

    #[test]
    fn dependencies_never_log_below_warn() {
        let log = || {
            tracing::trace!(target: "hyper", "trace");
            tracing::debug!(target: "rustls::client", "debug");
            tracing::info!(target: "h2", "info");
            tracing::warn!(target: "hyper", "warn");
        };
        for level in [LevelFilter::TRACE, LevelFilter::INFO, LevelFilter::WARN] {
            let lines = logged(level, log);
            assert_eq!(lines.len(), 1, "{level}");
            assert_eq!(lines[0]["message"], "warn");
        }
        assert!(logged(LevelFilter::ERROR, log).is_empty());
    }

    #[test]
    fn a_level_is_one_of_six_words() {
        assert_eq!(level(None), Ok(LevelFilter::INFO));
        for (text, wanted) in [
            ("off", LevelFilter::OFF),
            ("error", LevelFilter::ERROR),
            ("warn", LevelFilter::WARN),
            ("info", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ] {
            assert_eq!(level(Some(text)), Ok(wanted));
        }
        for text in ["", "INFO!", "hyper=trace", "mosip_gateway=info,hyper=debug"] {
            assert_eq!(level(Some(text)), Err(UnknownLevel), "{text}");
        }
    }
}
