//! `[listen]`, `[internal]`, `[ops]`, `[callback]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytesize::{GIB, KIB, MIB};
use http::Uri;
use ipnet::IpNet;

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{self, Complaint, complaint, duration, text};
use super::{Address, Callback, CallerAuth, Internal, Listen, OpencrvsJwt, Ops, ServerTls, Websub, unbuilt};
use crate::crypto::secret::SecretBytes;

/// `[listen]`
pub(super) fn listen(root: &mut Section<'_>) -> Listen {
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
        "whoever reaches the plain API has messages signed and opened",
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

/// `[internal]`
pub(super) fn internal(root: &mut Section<'_>) -> Internal {
    let mut section = root.section("internal");
    let internal = Internal {
        token: section.secret("token", Unset::Refused),
        primitives: section.flag("primitives", true),
        tls: tls(&mut section),
    };
    section.finish();
    internal
}

/// `[ops]`
pub(super) fn ops(root: &mut Section<'_>) -> Ops {
    let mut section = root.section("ops");
    let ops = Ops {
        name: section.parsed("name", name),
        token: section.secret("token", Unset::Refused),
        tls: tls(&mut section),
    };
    section.finish();
    ops
}

/// `[callback]`, which depends on the address it listens on.
pub(super) fn callback(root: &mut Section<'_>, address: Option<&Address>, plain: &PlainHttp) -> Callback {
    let websub = websub(root, plain);
    let mut section = root.section("callback");
    let jwt = section.optional_section("opencrvs_jwt");
    let has_jwt = jwt.is_some();
    let callback = Callback {
        websub,
        require: section.list("require", caller_auth).unwrap_or_default(),
        opencrvs_jwt: jwt.and_then(opencrvs_jwt),
        danger_open: section.danger(
            "danger_open",
            "callers of the callback listener need no authentication off the loopback",
        ),
        trusted_proxies: section.list("trusted_proxies", network).unwrap_or_default(),
        tls: tls(&mut section),
    };
    if callback.require.contains(&CallerAuth::OpencrvsJwt) && !has_jwt {
        section.missing("opencrvs_jwt");
    }
    if callback.require.contains(&CallerAuth::HubHmac) && callback.websub.secret.is_none() {
        section.problem("require", "lists hub-hmac, and websub.secret_file is not set", "set it");
    }
    if callback.require.contains(&CallerAuth::Mtls)
        && callback.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
    {
        section.problem("require", "lists mtls, and callback.tls.client_ca is not set", "set it");
    }
    let beyond_loopback = address.is_some_and(|address| !address.is_local());
    if callback.require.is_empty() && beyond_loopback && !callback.danger_open {
        section.problem(
            "require",
            "demands no authentication while listen.callback is off the loopback",
            "require one that its caller can bring, or set callback.danger_open = true",
        );
    } else if callback.opencrvs_jwt.is_some() && !callback.require.contains(&CallerAuth::OpencrvsJwt) {
        section.reader().warn(
            "callback.opencrvs_jwt protects nothing while callback.require does not list opencrvs-jwt"
                .to_owned(),
        );
    }
    section.finish();
    callback
}

/// One line that fits a heading.
fn name(text: &str) -> Result<String, Complaint> {
    let fits =
        (1..=60).contains(&text.chars().count()) && !text.contains(char::is_control) && text.trim() == text;
    if fits {
        return Ok(text.to_owned());
    }
    Err(complaint(
        "is not a name of 1 to 60 characters on one line",
        "write one, such as \"Registry of Exampleland, production\"",
    ))
}

/// An address, or a network as address and length of its prefix.
fn network(text: &str) -> Result<IpNet, Complaint> {
    let of_address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse()
        .ok()
        .or_else(of_address)
        .ok_or_else(|| complaint("is neither an address nor a network", "write it as 10.0.0.7 or 10.0.0.0/8"))
}

fn caller_auth(kind: &str) -> Result<CallerAuth, Complaint> {
    match kind {
        "opencrvs-jwt" => Ok(CallerAuth::OpencrvsJwt),
        "hub-hmac" => Ok(CallerAuth::HubHmac),
        "mtls" => Ok(CallerAuth::Mtls),
        "mosip-jwt" => Err(complaint(
            "is a kind of caller authentication that is not built yet",
            "remove it, and let the network keep out whom it would have kept out",
        )),
        _ => Err(complaint(
            "is not a kind of caller authentication",
            "write \"opencrvs-jwt\", \"hub-hmac\" or \"mtls\"",
        )),
    }
}

fn opencrvs_jwt(mut section: Section<'_>) -> Option<OpencrvsJwt> {
    let reader = section.reader();
    let pem = section.required("file", |text| reader.contents(text));
    let issuer = section.parsed("issuer", text).unwrap_or_else(|| "opencrvs:auth-service".to_owned());
    let audience = section.parsed("audience", text).unwrap_or_else(|| "opencrvs:mosip-user".to_owned());
    section.finish();
    Some(OpencrvsJwt { pem: pem?, issuer, audience })
}

/// `[websub]`: what the callback needs of it. Subscribing is not built yet.
fn websub(root: &mut Section<'_>, plain: &PlainHttp) -> Websub {
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

pub(super) fn tls(parent: &mut Section<'_>) -> Option<ServerTls> {
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
