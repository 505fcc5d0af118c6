//! `[upstream]`: the settings that all destinations share.

use std::time::Duration;

use super::Upstream;
use super::plain_http::PlainHttp;
use super::section::Section;

/// Reads the settings of `[upstream]` itself, and the hosts to which plain http is allowed.
pub(crate) fn upstream(section: &mut Section<'_>) -> (Upstream, PlainHttp) {
    let reader = section.reader();
    let plain = PlainHttp::read(section);
    let probe_interval = section
        .duration("probe_interval", Duration::from_secs(1)..=Duration::from_hours(1))
        .unwrap_or(Duration::from_secs(30));
    let upstream = Upstream {
        ca_pem: section.parsed("ca_file", |text| reader.contents(text)),
        danger_plain_http: plain.is_everywhere(),
        danger_plain_http_hosts: plain.hosts().to_vec(),
        probe_interval,
    };
    (upstream, plain)
}
