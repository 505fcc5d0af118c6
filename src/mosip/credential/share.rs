//! `credentials.data_share`: the one place from which credentials are fetched that the hub only names.

use http::Uri;

use crate::error::{Code, Error, Result};

/// Most of a share that is read, bytes: MOSIP's own limit for a share is 5 MB.
pub const SHARE_LIMIT: usize = 6 << 20;

/// Where shares may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataShare {
    scheme: String,
    host: String,
    port: u16,
    /// Ends with `/`.
    path: String,
}

impl DataShare {
    /// Shares below `url`, an absolute http or https one. `None`: its path does not end with `/`, or has parts that lead elsewhere.
    pub fn below(url: &Uri) -> Option<Self> {
        let (scheme, host, port) = origin(url)?;
        let path = url.path().to_owned();
        (path.ends_with('/') && url.query().is_none() && is_plain(&path)).then_some(Self {
            scheme,
            host,
            port,
            path,
        })
    }

    /// The address to call for `share`, the `dataShareUri` of a message: once, without following a redirect, with the token of the
    /// setting, and reading [`SHARE_LIMIT`] at most.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`] where it lies elsewhere: a hub that is not MOSIP's must not choose whom the token is shown to.
    pub fn address(&self, share: &str) -> Result<Uri> {
        let elsewhere = || {
            Error::new(Code::SignatureInvalid, "the message names a share outside credentials.data_share")
                .advise("Correct credentials.data_share.url, if MOSIP shares from another place now.")
        };
        // What is written in two ways is read in two ways.
        if share.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#' | '@')) {
            return Err(elsewhere());
        }
        let uri: Uri = share.parse().map_err(|_| elsewhere())?;
        let (scheme, host, port) = origin(&uri).ok_or_else(elsewhere)?;
        let is_here = (scheme, host, port) == (self.scheme.clone(), self.host.clone(), self.port);
        let below = uri.path().strip_prefix(&self.path);
        match below {
            Some(rest) if is_here && !rest.is_empty() && is_plain(uri.path()) => Ok(uri),
            _ => Err(elsewhere()),
        }
    }
}

/// Scheme, host and port, each in one spelling.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = uri.authority()?;
    // A port that is no number would be read as none.
    if authority.as_str().contains('@') || authority.as_str().ends_with(':') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    (!host.is_empty()).then(|| (scheme, host, authority.port_u16().unwrap_or(usual)))
}

/// Whether every server reads `path` as it is written: no empty or dotted part, no dot, slash or backslash behind a percent sign.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let is_hidden = ["%2e", "%2f", "%5c", "%25", "%00", ";"].iter().any(|hidden| lower.contains(hidden));
    let mut parts = path.split('/').skip(1).peekable();
    let mut are_plain = true;
    while let Some(part) = parts.next() {
        let is_end = parts.peek().is_none();
        are_plain &= !matches!(part, "." | "..") && (is_end || !part.is_empty());
    }
    are_plain && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Option<DataShare> {
        DataShare::below(&url.parse().unwrap())
    }

    #[test]
    fn a_share_below_the_place_is_fetched_as_it_is_named() {
        let place = place("https://API.example.org/v1/datashare/").unwrap();
        for share in [
            "https://api.example.org/v1/datashare/get/policy/partner/key0123",
            "https://api.example.org:443/v1/datashare/key0123",
            "HTTPS://api.EXAMPLE.org/v1/datashare/key0123?transactionsAllowed=1",
        ] {
            assert_eq!(place.address(share).unwrap(), share.parse::<Uri>().unwrap(), "{share}");
        }
    }

    #[test]
    fn the_token_is_shown_nowhere_else() {
        let place = place("https://api.example.org/v1/datashare/").unwrap();
        for share in [
            "http://api.example.org/v1/datashare/key",
            "https://api.example.org:8443/v1/datashare/key",
            "https://api.example.org.evil.example/v1/datashare/key",
            "https://evil.example/v1/datashare/key",
            "https://api.example.org@evil.example/v1/datashare/key",
            "https://user:pass@api.example.org/v1/datashare/key",
            "https://api.example.org/v1/datashare/",
            "https://api.example.org/v1/datashare",
            "https://api.example.org/v1/datashareX/key",
            "https://api.example.org/v1/other/key",
            "https://api.example.org/v1/datashare/../admin",
            "https://api.example.org/v1/datashare/a/../../../admin",
            "https://api.example.org/v1/datashare/%2e%2e/admin",
            "https://api.example.org/v1/datashare/%2E%2E%2Fadmin",
            "https://api.example.org/v1/datashare/..%5cadmin",
            "https://api.example.org/v1/datashare/%252e%252e/admin",
            "https://api.example.org/v1/datashare//evil",
            "https://api.example.org/v1/datashare/..;/admin",
            "https://api.example.org/v1/datashare/key#fragment",
            "https://api.example.org\\.evil.example/v1/datashare/key",
            "https:///v1/datashare/key",
            "/v1/datashare/key",
            "file:///v1/datashare/key",
            "",
            " https://api.example.org/v1/datashare/key",
        ] {
            let error = place.address(share).unwrap_err();
            assert_eq!(error.code(), Code::SignatureInvalid, "{share}");
            assert!(!error.detail().contains("example.org"), "what the hub says is not repeated");
        }
    }

    #[test]
    fn a_place_is_a_folder() {
        for url in ["https://a.example/share", "https://a.example/a/../b/", "https://a.example/b/?x=1"] {
            assert_eq!(place(url), None, "{url}");
        }
        assert!(place("https://a.example/").is_some());
    }
}
