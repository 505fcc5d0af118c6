//! `[listen]`, `[websub]`, and the certificate of any listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::{GIB, KIB, MIB};
use http::Uri;

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{self, duration, text};
use super::{Address, Listen, ServerTls, Websub, unbuilt};
use crate::crypto::secret::SecretBytes;

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
            .parsed("request_deadline", duration(Duration::from_secs(1)..=Duration::from_mins(10)))
            .unwrap_or(Duration::from_secs(30)),
        drain: section
            .parsed("drain", duration(Duration::ZERO..=Duration::from_mins(10)))
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

/// `[websub]`: what the callback needs of it. Subscribing is not built yet.
pub(crate) fn websub(root: &mut Section<'_>, plain: &PlainHttp) -> Websub {
    let mut section = root.section("websub");
    let reader = section.reader();
    let urls = [
        ("hub_url", section.url("hub_url", plain)),
        ("callback_url", section.url_of_ours("callback_url", plain)),
    ];
    for (name, _) in urls.iter().filter(|(_, url)| url.is_some()) {
        reader.warn_not_built(&format!("websub.{name}"));
    }
    if let Some(token) = section.any_section("token") {
        unbuilt::token(token, plain);
    }
    let callback_path =
        urls.iter().find(|(name, _)| *name == "callback_url").and_then(|(_, url)| url.as_ref());
    let websub = Websub {
        topic: section.parsed("topic", text),
        secret: section.secret("secret", Unset::Refused),
        callback_path: callback_path.and_then(unguessable),
    };
    section.finish();
    websub
}

/// So many characters cannot be guessed.
const UNGUESSABLE: usize = 16;

/// The part of the path of `callback_url` that the hub alone is told.
fn unguessable(url: &Uri) -> Option<SecretBytes> {
    let (_, part) = url.path().rsplit_once("/websub/callback/")?;
    let part = part.trim_end_matches('/');
    (part.len() >= UNGUESSABLE).then(|| SecretBytes::new(part.as_bytes().to_vec()))
}

/// `tls` of the listener that `parent` sets.
pub(crate) fn tls(parent: &mut Section<'_>) -> Option<ServerTls> {
    let mut section = parent.optional_section("tls")?;
    let reader = section.reader();
    let cert = section.required("cert", |text| reader.readable(text));
    let key = section.required("key", |text| reader.readable(text));
    let client_ca = section.parsed("client_ca", |text| reader.readable(text));
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
    let bytes = section.parsed(name, value::size(KIB..=4 * GIB)).unwrap_or(default);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
