//! `faces.mosip_api` and what belongs to it.

use http::{HeaderValue, Uri};

use super::super::jwt::JwtSettings;
use super::super::{FaceSettings, Sources};
use super::verify::Names;
use crate::config::Trouble;
use crate::config::value::{Complaint, complaint, url, word};

/// The face of `mosip-api`.
pub(crate) struct Settings {
    is_on: bool,
    /// `faces.opencrvs_jwt`: what the tokens of callers are checked with. `None`: nobody is let in.
    pub(crate) jwt: Option<JwtSettings>,
    /// `faces.cors_origin`: the page that may call.
    pub(crate) origin: Option<HeaderValue>,
    /// `faces.consent`: the operator answers for the consent of everybody whom `/verify` asks about; `false` switches that route off.
    /// Default true, as in `mosip-api`.
    pub(crate) consent: bool,
    /// `faces.verify_names`
    pub(crate) names: Names,
}

impl Settings {
    /// The file in `faces.opencrvs_jwt` holds something, and no key.
    pub(crate) fn key_trouble(&self) -> Option<Trouble> {
        self.jwt.as_ref().filter(|_| self.is_on).and_then(JwtSettings::key_trouble)
    }
}

impl FaceSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let section = &mut *sources.faces;
        let is_on = section.flag("mosip_api", false);
        let consent = section.flag("consent", true);
        let names =
            section.parsed("verify_names", word(&[("all", Names::All), ("first-last", Names::FirstLast)]));
        let names = names.unwrap_or(Names::All);
        let origin = section.parsed("cors_origin", origin);
        let jwt = section.any_section("opencrvs_jwt");
        let is_jwt_set = jwt.is_some();
        let jwt = jwt.and_then(|jwt| JwtSettings::opencrvs("faces.opencrvs_jwt", jwt, sources.plain, None));
        if is_on && !is_jwt_set {
            section.trouble(
                "opencrvs_jwt",
                "is not set, so that the face mosip_api knows no caller and lets nobody in",
                "set faces.opencrvs_jwt.url to the public key of OpenCRVS's auth service, or faces.opencrvs_jwt.file",
            );
        }
        Self { is_on, jwt, origin, consent, names }
    }

    fn is_on(&self) -> bool {
        self.is_on
    }
}

/// The origin of a page as browsers send it (RFC 6454 6.2): scheme, host, and the port where it is not the usual one.
fn origin(text: &str) -> Result<HeaderValue, Complaint> {
    let page: Uri = url(text)?;
    let (Some(scheme), Some(host)) = (page.scheme_str(), page.host()) else {
        return Err(complaint("is not a URL", "write the scheme and the host of the page"));
    };
    let usual = if scheme == "https" { 443 } else { 80 };
    let host = host.to_ascii_lowercase();
    let origin = match page.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    HeaderValue::try_from(origin)
        .map_err(|_| complaint("is not a URL", "write the scheme and the host of the page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for (page, sent) in [
            ("https://Register.example.org/", "https://register.example.org"),
            ("https://register.example.org:443", "https://register.example.org"),
            ("http://localhost:3000/a?b", "http://localhost:3000"),
            ("http://localhost:80", "http://localhost"),
        ] {
            assert_eq!(origin(page).unwrap(), sent, "{page}");
        }
        for wrong in ["*", "register.example.org", "null", "ftp://a", ""] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
