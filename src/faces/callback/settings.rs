//! `[callback]`: who may call it, and how they prove themselves.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::value::{Complaint, complaint};
use crate::config::{Address, ServerTls, Trouble, listeners};
use crate::faces::jwt::JwtSettings;

/// `[callback]`
pub(crate) struct Settings {
    /// Kinds of caller authentication.
    pub(crate) require: Vec<CallerAuth>,
    /// `callback.opencrvs_jwt`; present whenever `require` names it.
    pub(crate) opencrvs_jwt: Option<JwtSettings>,
    /// `callback.mosip_jwt`; present whenever `require` names it.
    pub(crate) mosip_jwt: Option<JwtSettings>,
    /// Accept callers without authentication off the loopback.
    pub(crate) danger_open: bool,
    /// Proxies whose `X-Forwarded-For` says where a request comes from.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// TLS on this listener.
    pub(crate) tls: Option<ServerTls>,
}

/// A kind in `callback.require`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerAuth {
    /// A bearer JWT made by OpenCRVS's auth service, on `/birthReceiveNid`.
    OpencrvsJwt,
    /// A bearer JWT made by MOSIP's IAM, on `/birthReceiveNid`.
    MosipJwt,
    /// The hub's HMAC over the raw body (`X-Hub-Signature`), on `/websub/callback`.
    HubHmac,
    /// A client certificate, on every route; `callback.tls.client_ca` demands it.
    Mtls,
}

/// In `aud` of OpenCRVS's tokens, where nothing else is set.
const AUDIENCE: &str = "opencrvs:mosip-user";

impl Settings {
    /// Reads `[callback]`, which depends on the `address` that it listens on, and on whether a secret is shared with the hub.
    pub(crate) fn read(
        root: &mut Section<'_>,
        plain: &PlainHttp,
        address: Option<&Address>,
        has_hub_secret: bool,
    ) -> Self {
        let mut section = root.section("callback");
        let jwt = section.optional_section("opencrvs_jwt");
        let has_jwt = jwt.is_some();
        let mosip_jwt = section.optional_section("mosip_jwt");
        let has_mosip_jwt = mosip_jwt.is_some();
        let callback = Self {
            require: section.list("require", caller_auth).unwrap_or_default(),
            opencrvs_jwt: jwt
                .and_then(|jwt| JwtSettings::opencrvs("callback.opencrvs_jwt", jwt, plain, Some(AUDIENCE))),
            mosip_jwt: mosip_jwt.and_then(|jwt| JwtSettings::mosip("callback.mosip_jwt", jwt, plain)),
            danger_open: section.danger(
                "danger_open",
                "callers of the callback listener need no authentication off the loopback",
            ),
            trusted_proxies: section.list("trusted_proxies", network).unwrap_or_default(),
            tls: listeners::tls(&mut section),
        };
        if callback.require.contains(&CallerAuth::OpencrvsJwt) && !has_jwt {
            section.missing("opencrvs_jwt");
        }
        if callback.require.contains(&CallerAuth::MosipJwt) && !has_mosip_jwt {
            section.missing("mosip_jwt");
        }
        if callback.require.contains(&CallerAuth::HubHmac) && !has_hub_secret {
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
            section.trouble(
                "opencrvs_jwt",
                "protects nothing while callback.require does not list opencrvs-jwt",
                "list it, or remove the setting",
            );
        } else if callback.mosip_jwt.is_some() && !callback.require.contains(&CallerAuth::MosipJwt) {
            section.trouble(
                "mosip_jwt",
                "protects nothing while callback.require does not list mosip-jwt",
                "list it, or remove the setting",
            );
        }
        section.finish();
        callback
    }
}

impl Settings {
    /// The file in `callback.opencrvs_jwt`, which tokens are demanded by, holds something, and no key.
    pub(crate) fn key_trouble(&self) -> Option<Trouble> {
        let is_demanded = self.require.contains(&CallerAuth::OpencrvsJwt);
        self.opencrvs_jwt.as_ref().filter(|_| is_demanded).and_then(JwtSettings::key_trouble)
    }

    /// Whether `/birthReceiveNid` is meant to be called, and not the callback of the hub alone.
    pub(crate) fn expects_tokens(&self) -> bool {
        let is_listed = |kind| self.require.contains(&kind);
        self.danger_open
            || is_listed(CallerAuth::OpencrvsJwt)
            || is_listed(CallerAuth::MosipJwt)
            || !is_listed(CallerAuth::HubHmac)
    }

    /// What the hub needs of the listener at `address` and is not set.
    pub(crate) fn lacks_for_hub(&self, address: Option<&Address>) -> Option<&'static str> {
        match address {
            None => Some("listen.callback"),
            Some(_) if self.require.contains(&CallerAuth::HubHmac) => None,
            Some(_) => Some("hub-hmac in callback.require"),
        }
    }
}

/// An address, or a network as address and length of its prefix.
fn network(text: &str) -> std::result::Result<IpNet, Complaint> {
    let of_address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse()
        .ok()
        .or_else(of_address)
        .ok_or_else(|| complaint("is neither an address nor a network", "write it as 10.0.0.7 or 10.0.0.0/8"))
}

fn caller_auth(kind: &str) -> std::result::Result<CallerAuth, Complaint> {
    match kind {
        "opencrvs-jwt" => Ok(CallerAuth::OpencrvsJwt),
        "hub-hmac" => Ok(CallerAuth::HubHmac),
        "mtls" => Ok(CallerAuth::Mtls),
        "mosip-jwt" => Ok(CallerAuth::MosipJwt),
        _ => Err(complaint(
            "is not a kind of caller authentication",
            "write \"opencrvs-jwt\", \"mosip-jwt\", \"hub-hmac\" or \"mtls\"",
        )),
    }
}
