//! What counts as this machine.

use std::net::IpAddr;

/// Whether `address` leads to this machine. An IPv4 address that is written as an IPv6 one (`::ffff:127.0.0.1`) counts as what it is.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether the host of a URL names this machine: `localhost`, or an address, an IPv6 one in brackets.
pub(crate) fn names_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::Uri;

    use super::*;
    use crate::config::Address;
    use crate::upstream;

    const ADDRESSES: [(&str, bool); 9] = [
        ("127.0.0.1", true),
        ("127.8.9.1", true),
        ("[::1]", true),
        ("[::ffff:127.0.0.1]", true),
        ("[::ffff:10.0.0.1]", false),
        ("[::127.0.0.1]", false),
        ("10.0.0.1", false),
        ("0.0.0.0", false),
        ("[2001:db8::1]", false),
    ];

    /// The same rule serves a listener and a URL.
    #[test]
    fn an_address_is_local_for_listeners_and_urls_alike() {
        for (address, expected) in ADDRESSES {
            let socket: SocketAddr = format!("{address}:4546").parse().unwrap();
            let url: Uri = format!("http://{address}:4546/").parse().unwrap();
            assert_eq!(Address::Tcp(socket).is_local(), expected, "listener at {address}");
            assert_eq!(upstream::is_loopback(&url), expected, "URL of {address}");
            assert_eq!(names_loopback(address), expected, "host {address}");
        }
    }

    #[test]
    fn a_name_is_local_only_if_it_is_localhost() {
        for (host, expected) in [
            ("localhost", true),
            ("LocalHost", true),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("[[::1]]", false),
            ("", false),
        ] {
            assert_eq!(names_loopback(host), expected, "{host}");
        }
    }
}
