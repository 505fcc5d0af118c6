//! Structured JSON logs, one object a line, that carry ids and thumbprints and never a payload.
//!
//! A line may hold: ids of requests, entries and deliveries; thumbprints; kinds, states, codes, faults, statuses; the path of a
//! file; a host; counts, sizes, durations; what a person wrote as the reason of a retry or discard, and the address or
//! certificate subject that it came from. It never holds a body, a plaintext, a token, a password, a number of a person, a header,
//! MOSIP's own sentence, or a URL with its path and query, since a path can be a secret (`/websub/callback/<unguessable>`).
//!
//! Nobody can vouch for what dependencies log, so they log at `warn` at most, whatever the level. The names `timestamp`, `level`, `target`,
//! `message` and `span` belong to the line itself, so no field may have them.

mod level;
mod line;
#[cfg(not(feature = "otlp"))]
mod no_spans;
mod settings;
#[cfg(feature = "otlp")]
mod spans;
mod trace;
mod traceparent;

use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use http::StatusCode;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use self::level::Level;
pub(crate) use self::level::{name_of, named, names};
use self::line::Line;
#[cfg(not(feature = "otlp"))]
use self::no_spans as spans;
pub(crate) use self::settings::Settings;
#[cfg(feature = "otlp")]
pub(crate) use self::spans::{Counts, Finished};
pub(crate) use self::spans::{Span, Tracer, begin};
pub(crate) use self::trace::{Trace, X_REQUEST_ID, carried, scoped};

/// The variable that sets the level, over `telemetry.log`.
pub(crate) const LEVEL_VARIABLE: &str = "MOSIP_GATEWAY_LOG";

/// Who does a piece of work for whom, in the words of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    /// A caller waits for it.
    Server,
    /// An entry, a record or a message is taken to where it goes.
    Attempt,
    /// We wait for another system.
    Client,
}

/// `level`, or what the content of [`LEVEL_VARIABLE`] names instead.
///
/// # Errors
///
/// [`UnknownLevel`] for anything but the name of a level.
pub(crate) fn override_level(level: &Level, text: Option<&str>) -> Result<(), UnknownLevel> {
    match text.map(named) {
        None => Ok(()),
        Some(Some(named)) => {
            level.start_with(named);
            Ok(())
        }
        Some(None) => Err(UnknownLevel),
    }
}

/// What `LEVEL_VARIABLE` holds is not a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("MOSIP_GATEWAY_LOG is not a level; set it to one of {}", names())]
pub(crate) struct UnknownLevel;

/// Logs to standard error from now on, for the whole process.
///
/// # Errors
///
/// If the process logs elsewhere already.
pub(crate) fn init(level: Level) -> Result<(), TryInitError> {
    subscriber(io::stderr, level).try_init()
}

/// The subscriber that `init` installs, on any writer. It writes the gateway's own lines up to `level`, and those of dependencies up to
/// `warn` at most. A line that belongs to a request has that request and its trace as `span`.
pub fn subscriber<W>(writer: W, level: impl Into<Level>) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().event_format(Line).with_writer(writer);
    tracing_subscriber::registry().with(lines.with_filter(level.into()))
}

/// Upper bounds of the buckets in which durations are counted, seconds: from an answer out of memory to a packet that the MOSIP-side mediator uploads.
pub(crate) const SECONDS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 90.0];

/// The class of a status, in metrics.
pub(crate) fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// A writer for [`subscriber`] that keeps every line, so that a test can search all that was logged. Clones share the lines.
#[derive(Debug, Clone, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// Keeps what this thread logs up to `level`, until the guard is dropped.
    pub fn listen(&self, level: impl Into<Level>) -> DefaultGuard {
        // Where tracing knows one subscriber alone, it asks that of the thread that comes to a line first, and remembers the answer for all
        // threads: one that logs nowhere would silence the line for this one. So there is always a second.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
        LazyLock::force(&SECOND);
        tracing::subscriber::set_default(subscriber(self.clone(), level))
    }

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

    use serde_json::json;
    use tracing::level_filters::LevelFilter;

    fn logged(level: LevelFilter, log: impl FnOnce()) -> Vec<serde_json::Value> {
        let capture = Capture::default();
        tracing::subscriber::with_default(subscriber(capture.clone(), Level::new(level)), log);
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
    fn a_value_of_any_kind_is_json_and_ends_no_line() {
        let lines = logged(LevelFilter::INFO, || {
            let absent: Option<&str> = None;
            tracing::info!(
                text = "a \"quoted\"\n\u{1b}[31m\u{2028}é",
                displayed = %"b\n\"",
                debugged = ?["c\n"],
                count = 7_u64,
                below = -7,
                part = 0.5,
                is_so = true,
                absent,
                "a {}",
                "message"
            );
        });
        let [line] = lines.as_slice() else { panic!("one line") };
        assert_eq!(line["text"], "a \"quoted\"\n\u{1b}[31m\u{2028}é");
        assert_eq!((&line["displayed"], &line["debugged"]), (&json!("b\n\""), &json!("[\"c\\n\"]")));
        assert_eq!((&line["count"], &line["below"]), (&json!(7), &json!(-7)));
        assert_eq!((&line["part"], &line["is_so"]), (&json!(0.5), &json!(true)));
        assert_eq!((line.get("absent"), &line["message"]), (None, &json!("a message")));
        assert_eq!(line["target"], module_path!());
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
    fn a_line_that_a_thread_without_a_subscriber_comes_to_first_is_kept() {
        let log = || tracing::info!("the same line");
        let capture = Capture::default();
        let _logs = capture.listen(LevelFilter::INFO);
        std::thread::spawn(log).join().unwrap();
        log();
        assert_eq!(capture.text().lines().count(), 1, "{}", capture.text());
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
    fn another_level_counts_from_the_next_line_on_and_dependencies_stay_capped() {
        let (capture, level) = (Capture::default(), Level::new(LevelFilter::INFO));
        let log = || {
            tracing::debug!("ours");
            tracing::info!(target: "hyper", "theirs");
        };
        tracing::subscriber::with_default(subscriber(capture.clone(), level.clone()), || {
            log();
            assert_eq!(capture.text(), "");
            level.replace(LevelFilter::TRACE);
            log();
        });
        assert_eq!(capture.text().lines().count(), 1, "{}", capture.text());
        assert!(capture.text().contains("ours"));
    }

    #[test]
    fn the_variable_counts_over_the_setting_and_a_word_that_is_no_level_is_refused() {
        let level = Level::new(LevelFilter::WARN);
        override_level(&level, None).unwrap();
        assert_eq!(level.get(), LevelFilter::WARN);
        override_level(&level, Some("debug")).unwrap();
        assert_eq!(level.get(), LevelFilter::DEBUG);
        let refused = override_level(&level, Some("loud")).unwrap_err().to_string();
        assert!(refused.contains("off, error, warn, info, debug, trace"), "{refused}");
        assert_eq!(level.get(), LevelFilter::DEBUG);
    }

    #[tokio::test]
    async fn lines_of_a_request_carry_its_id_and_its_trace() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let capture = Capture::default();
        let _logs = capture.listen(LevelFilter::WARN);
        let trace = Trace::read(&format!("core-7 {parent}")).unwrap();
        trace.scope(&Tracer::default(), async { tracing::warn!("within") }).await;
        tracing::warn!("outside");
        let lines: Vec<serde_json::Value> =
            capture.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let span = json!({"name": "work", "request": "core-7", "trace": "4bf92f3577b34da6a3ce929d0e0e4736"});
        assert_eq!(lines[0]["span"], span);
        assert!(lines[1]["span"].is_null());
    }
}
