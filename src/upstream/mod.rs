//! Outgoing calls: an HTTP/1.1 client over rustls with deadlines and size limits, and a cache for access tokens. It parses no MOSIP body.

mod client;
mod failure;
mod meters;
mod renewal;
mod roots;
mod servers;
#[cfg(test)]
pub(crate) mod test_pki;
mod tokens;

pub use client::{Client, Reply, Request};
pub(crate) use client::{is_loopback, tcp};
pub use failure::{NotTrusted, SendError};
pub(crate) use meters::Meters;
pub(crate) use renewal::Renewal;
pub(crate) use tokens::TokenCache;

use http::Uri;
use http::uri::PathAndQuery;

use crate::crypto::secret::SecretWriter;

/// The URL of `path`, which may have a query, at the server of `base`. The memory of the path is wiped when the URL is dropped, since the
/// pool of connections keeps only scheme and host. `None` where `path` is not a path or `base` names no server.
pub(crate) fn with_secret_path(base: &Uri, path: SecretWriter) -> Option<Uri> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path.into_bytes()).ok()?);
    Uri::from_parts(parts).ok()
}

/// Scheme, host and port of a URL, and the number of path segments. Paths hold IDA's licence and API keys and queries hold client secrets,
/// so nothing else of a URL is ever shown.
pub(crate) fn redact(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("?");
    let segments = uri.path().split('/').filter(|segment| !segment.is_empty()).count();
    format!("{scheme}://{}/… ({segments} segments)", host_and_port(uri))
}

/// `host` or `host:port` as the URL has it, without user and password.
pub(crate) fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("?");
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether others can read and change what goes to `url` and comes from there: plain http to another machine.
pub(crate) fn is_plain(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && !is_loopback(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_keeps_no_path_query_or_password() {
        let cases = [
            (
                "https://ida.example:8443/idauthentication/v1/auth/MISPKEY/partner/APIKEY",
                "https://ida.example:8443/… (6 segments)",
            ),
            ("https://user:pass@mosip.example/?secret=1", "https://mosip.example/… (0 segments)"),
            ("http://[::1]:4600/birth", "http://[::1]:4600/… (1 segments)"),
            ("/only/a/path", "?://?/… (3 segments)"),
        ];
        for (url, shown) in cases {
            assert_eq!(redact(&url.parse().unwrap()), shown);
        }
    }
}
