//! `[telemetry]`

use http::Uri;

use super::level::{self, Level};
use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::value::complaint;

/// `[telemetry]`
pub(crate) struct Settings {
    /// `log`: what is logged; default `info`. It can change while the gateway runs.
    pub(crate) level: Level,
    /// `otlp_url`: where traces are sent, over OTLP/HTTP. `None`: nowhere.
    pub(crate) otlp_url: Option<Uri>,
}

impl Settings {
    /// Reads `[telemetry]`.
    pub(crate) fn read(root: &mut Section<'_>, plain: &PlainHttp) -> Self {
        let mut section = root.section("telemetry");
        let log = |text: &str| {
            level::named(text)
                .ok_or_else(|| complaint("is not a level", format!("write one of {}", level::names())))
        };
        let level = Level::new(section.parsed("log", log).unwrap_or(level::DEFAULT));
        let otlp_url = match cfg!(feature = "otlp") {
            true => section.url("otlp_url", plain),
            false => {
                section.refuse(
                    "otlp_url",
                    "needs a gateway that is built with the feature otlp",
                    "take the container image, build with --features otlp, or remove it",
                );
                None
            }
        };
        section.finish();
        Self { level, otlp_url }
    }
}
