//! `[listen]`, and the certificate of any listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::{GIB, KIB, MIB};

use super::section::Section;
use super::value::{self, text};
use super::{Address, Listen, ServerTls};

/// `[listen]`
pub(crate) fn listen(root: &mut Section<'_>) -> Listen {
    let mut section = root.section("listen");
    let base = section.reader().base();
    let loopback = |port| Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listen = Listen {
        internal: section.parsed("internal", value::address(base)).unwrap_or_else(|| loopback(4546)),
        callback: section.parsed("callback", value::address(base)),
        ops: section.parsed("ops", value::address(base)).unwrap_or_else(|| loopback(4548)),
        body_limit: bytes(&mut section, "body_limit", 50 * MIB),
        in_flight_limit: bytes(&mut section, "in_flight_limit", 256 * MIB),
        request_deadline: section
            .duration("request_deadline", Duration::from_secs(1)..=Duration::from_mins(10))
            .unwrap_or(Duration::from_secs(30)),
        drain: section
            .duration("drain", Duration::ZERO..=Duration::from_mins(10))
            .unwrap_or(Duration::from_secs(25)),
        hosts: section.list("hosts", value::host).unwrap_or_default(),
    };
    let danger = section.danger(
        "danger_internal_beyond_loopback",
        "every caller that reaches the plain API has messages signed and opened",
    );
    if !listen.internal.is_local() && !danger {
        section.problem(
            "internal",
            "is off the loopback",
            "listen on 127.0.0.1 or a unix socket, or set listen.danger_internal_beyond_loopback = true",
        );
    }
    if listen.in_flight_limit < listen.body_limit {
        section.problem("in_flight_limit", "is less than listen.body_limit", "raise it, or lower the other");
    }
    section.finish();
    listen
}

/// `tls` of the listener that `parent` sets.
pub(crate) fn tls(parent: &mut Section<'_>) -> Option<ServerTls> {
    let mut section = parent.optional_section("tls")?;
    let base = section.reader().base();
    let cert = section.required("cert", value::path_under(base));
    let key = section.required("key", value::path_under(base));
    let client_ca = section.path("client_ca");
    let client_subjects = section.list("client_subjects", text).unwrap_or_default();
    if !client_subjects.is_empty() && !section.is_set("client_ca") {
        section.problem(
            "client_subjects",
            "has no effect without client_ca",
            "set client_ca, or remove client_subjects",
        );
    }
    section.finish();
    Some(ServerTls { cert: cert?, key: key?, client_ca, client_subjects })
}

fn bytes(section: &mut Section<'_>, name: &str, default: u64) -> usize {
    let bytes = section.size(name, KIB..=4 * GIB).unwrap_or(default);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
