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
        self.settle_url(&raw, plain)
    }

    /// As [`Self::url`], of a URL that others call: plain http that comes from an older system is not spoken by us.
    pub(crate) fn url_of_ours(&mut self, name: &str, plain: &PlainHttp) -> Option<Uri> {
        let raw = self.take(name)?;
        match raw.origin {
            Origin::Alias(_) => self.settle(&raw, |raw| value::url(raw.text()?)),
            _ => self.settle_url(&raw, plain),
        }
    }

    /// As [`Self::url`]; absence is a problem.
    pub(crate) fn required_url(&mut self, name: &str, plain: &PlainHttp) -> Option<Uri> {
        match self.take(name) {
            Some(raw) => self.settle_url(&raw, plain),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// Older systems speak plain http inside a cluster; that stops no start.
    fn settle_url(&self, raw: &Raw, plain: &PlainHttp) -> Option<Uri> {
        self.settle(raw, |raw| {
            let uri = value::url(raw.text()?)?;
            match (plain.forbidden_host(&uri), &raw.origin) {
                (None, _) => {}
                (Some(host), Origin::Alias(variable)) if is_private(host) => {
                    self.reader.speaks_plain_http(host, variable);
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
