//! `[upstream]`: the settings that all destinations share.

use std::time::Duration;

use super::plain_http::PlainHttp;
use super::section::Section;
use super::{ClientCertificates, Roots, Upstream};

/// Where the private roots are.
pub(crate) const CA_FILE: &str = "upstream.ca_file";
/// What does not work without them. The public roots do not take their place: the country has said that it does not trust them.
pub(crate) const NO_ROOT: &str = "no root is trusted, so that no connection over TLS comes about";

/// Reads the settings of `[upstream]` itself, and the hosts to which plain http is allowed.
pub(crate) fn upstream(section: &mut Section<'_>) -> (Upstream, PlainHttp) {
    let plain = PlainHttp::read(section);
    let probe_interval = section
        .duration("probe_interval", Duration::from_secs(1)..=Duration::from_hours(1))
        .unwrap_or(Duration::from_secs(30));
    section.client_certificate();
    let upstream = Upstream {
        roots: section.path("ca_file").map(Roots::File),
        danger_plain_http: plain.is_everywhere(),
        danger_plain_http_hosts: plain.hosts().to_vec(),
        probe_interval,
        // They are known once every section has been read.
        client: ClientCertificates::default(),
    };
    (upstream, plain)
}
