//! The hosts beyond this machine to which plain http is allowed.

use std::net::IpAddr;

use http::Uri;

use super::section::Section;
use super::value;
use crate::loopback::names_loopback;

/// `upstream.danger_plain_http` and `upstream.danger_plain_http_hosts`.
pub(crate) struct PlainHttp {
    everywhere: bool,
    hosts: Vec<String>,
}

impl PlainHttp {
    /// Reads the settings in `[upstream]`, and warns of each that is on.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let everywhere = section.danger(
            "danger_plain_http",
            "plain http is spoken off the loopback, where others can read and change it",
        );
        let host = |text: &str| value::host(text).map(|host| host.to_ascii_lowercase());
        let hosts = section.list("danger_plain_http_hosts", host).unwrap_or_default();
        if !hosts.is_empty() {
            section.reader().warn(format!(
                "upstream.danger_plain_http_hosts is set: plain http, which others can read and change, is spoken to {}",
                hosts.join(", ")
            ));
        }
        Self { everywhere, hosts }
    }

    /// Whether plain http is allowed to every host.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.everywhere
    }

    /// The hosts that are named.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The host of `uri`, if `uri` is plain http and that is not allowed to this host.
    pub(crate) fn forbidden_host<'u>(&self, uri: &'u Uri) -> Option<&'u str> {
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"))?;
        let is_allowed = self.everywhere
            || names_loopback(host)
            || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host));
        (!is_allowed).then_some(host)
    }
}

/// Whether `host` cannot be reached over a public network: a private address, a name of one label, the `service.namespace` of a cluster, or
/// a name under `.svc`, `.svc.cluster.local`, `.internal` or `.local`.
pub(crate) fn is_private(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return match address.to_canonical() {
            IpAddr::V4(address) => address.is_private(),
            IpAddr::V6(address) => address.is_unique_local(),
        };
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [] => false,
        // `0x08080808` is an address in another spelling. The last label of a name begins with a letter.
        [.., last] if !last.starts_with(|first: char| first.is_ascii_alphabetic()) => false,
        [_] => true,
        [.., last] if ["svc", "internal", "local"].iter().any(|end| last.eq_ignore_ascii_case(end)) => true,
        // Nobody can register a domain under a label that is no top-level domain.
        [_, namespace] => !tld::exist_case_insensitive(namespace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_cluster_and_private_addresses_are_told_from_public_ones() {
        for host in [
            "mediator",
            "keycloak.keycloak",
            "opencrvs-mediator.opencrvs",
            "mosip-api.opencrvs.svc",
            "MOSIP-mock.opencrvs.svc.cluster.local",
            "mosip.internal",
            "printer.local",
            "auth.opencrvs.svc.",
            "10.0.0.7",
            "172.16.0.1",
            "192.168.1.1",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "example.org",
            "mosip.app",
            "mosip.DEV",
            "api.mosip.net",
            "a.b.c",
            "svc.example.org",
            "172.32.0.1",
            "8.8.8.8",
            "0x08080808",
            "1.0x1",
            "167772161",
            "10.1",
            "[2001:db8::1]",
            "xn--p1ai.xn--p1ai",
            "",
            ".",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }
}
