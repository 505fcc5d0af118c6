//! Settings that are URLs.

use http::Uri;

use super::super::plain_http::{PlainHttp, is_private};
use super::super::reader::Origin;
use super::super::value::{self, complaint};
use super::{Raw, Section};

impl Section<'_> {
    /// The URL `name`; where `plain` does not allow its host, `https` or a loopback one.
    pub(crate) fn url(&mut self, name: &str, plain: &PlainHttp) -> Option<Uri> {
        let raw = self.take(name)?;
        self.parse_url(&raw, plain)
    }

    /// As [`Self::url`], for a URL that others call. Plain http from a variable of an older system needs no warning, since the gateway does
    /// not call it.
    pub(crate) fn url_of_ours(&mut self, name: &str, plain: &PlainHttp) -> Option<Uri> {
        let raw = self.take(name)?;
        match raw.origin {
            Origin::Alias(_) => self.parse_or_report(&raw, |raw| value::url(raw.text()?)),
            _ => self.parse_url(&raw, plain),
        }
    }

    /// As [`Self::url`]; absence is a problem.
    pub(crate) fn required_url(&mut self, name: &str, plain: &PlainHttp) -> Option<Uri> {
        match self.take(name) {
            Some(raw) => self.parse_url(&raw, plain),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// Parses the URL. Older systems use plain http inside a cluster, so a URL from their variables does not prevent a start.
    fn parse_url(&self, raw: &Raw, plain: &PlainHttp) -> Option<Uri> {
        self.parse_or_report(raw, |raw| {
            let uri = value::url(raw.text()?)?;
            match (plain.forbidden_host(&uri), &raw.origin) {
                (None, _) => {}
                (Some(host), Origin::Alias(variable)) if is_private(host) => {
                    self.reader.record_plain_http(host, variable);
                }
                (Some(_), _) => {
                    return Err(complaint(
                        "is plain http off the loopback",
                        "use https, or name the host in upstream.danger_plain_http_hosts",
                    ));
                }
            }
            Ok(uri)
        })
    }
}
