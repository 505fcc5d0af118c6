//! A line of the log: one JSON object of the time, the level, what the event says, its target, and the work that it belongs to. A span of
//! `tracing` in the place of the last would be written as JSON when the work begins, and read and written again for each line.

use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::trace::Trace;

/// Most lines are shorter, bytes.
const USUAL: usize = 512;

/// Writes lines.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Members { text: Vec::with_capacity(USUAL), written: Ok(()) };
        line.add("timestamp", &time);
        line.add("level", event.metadata().level().as_str());
        event.record(&mut line);
        line.add("target", event.metadata().target());
        Trace::of_line(|work| line.add("span", work));
        writer.write_str(&line.finish()?)
    }
}

/// The members of an object, so far.
struct Members {
    text: Vec<u8>,
    written: serde_json::Result<()>,
}

impl Members {
    /// `name` is one of the program's own, which needs no escape.
    fn add(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.text.extend_from_slice(if self.text.is_empty() { b"{\"" } else { b",\"" });
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        if let Err(error) = serde_json::to_writer(&mut self.text, value) {
            self.written = Err(error);
        }
    }

    fn finish(mut self) -> Result<String, fmt::Error> {
        self.written.map_err(|_| fmt::Error)?;
        self.text.extend_from_slice(b"}\n");
        String::from_utf8(self.text).map_err(|_| fmt::Error)
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format_args!("{value:?}"));
    }
}
