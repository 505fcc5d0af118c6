//! The certificates that settings trust beside TLS: those of the callers' tokens and of the issuers of credentials. They are read at the
//! start alone, as the settings themselves are.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::credentials;
use crate::keys::cert::Summary;
use crate::keys::dated::{Dated, Place, TRUSTED};
use crate::settings::Config;

/// What the settings hold, each with its dates. A bare key has none.
pub(crate) fn dates(config: &Config) -> Vec<Dated> {
    let of_callers = config.jwt_callers().filter_map(|jwt| {
        let setting = format!("{}.file", jwt.setting());
        let certificates = CertificateDer::pem_slice_iter(jwt.pem()?).filter_map(Result::ok);
        let renew = "replace its file, and start the gateway again";
        Some(place(setting, renew).holds_der(&Vec::from_iter(certificates)))
    });
    // A former certificate goes on to count for what it signed.
    let current = config.credentials.issuers.iter().filter(|issuer| !issuer.history);
    let of_issuers = current.filter_map(|issuer| {
        let certificate = credentials::issuer(issuer).ok()?.certificate;
        let name = issuer.file.file_name().unwrap_or_default().to_string_lossy();
        let renew = "add the issuer's new certificate to credentials.issuers, set history = true for this one, and start the gateway again";
        let summary = Summary { subject: certificate.subject().to_owned(), dates: certificate.dates() };
        Some(place(format!("credentials.issuers ({name})"), renew).holds([summary]))
    });
    of_callers.chain(of_issuers).flatten().collect()
}

fn place(setting: String, renew: &'static str) -> Place {
    Place { role: TRUSTED, name: setting.clone(), subject: setting, renew }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_of_opencrvs_is_told_of_every_listener() {
        let jwt = "opencrvs_jwt.file = \"tests/vectors/keys/issuer.crt.pem\"\n";
        let text = format!(
            "callback.{jwt}callback.require = [\"opencrvs-jwt\"]\nfaces.mosip_api = true\nfaces.{jwt}"
        );
        let read = |file: &std::path::Path| std::fs::read(file);
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = Config::from_toml(&text, base, &std::collections::BTreeMap::new(), &read);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let told: Vec<_> = dates(&config).into_iter().map(|dated| dated.place.name).collect();
        assert_eq!(told, ["callback.opencrvs_jwt.file", "faces.opencrvs_jwt.file"]);
    }
}
