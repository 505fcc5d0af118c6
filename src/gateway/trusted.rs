//! The certificates that settings trust beside TLS: those of the callers' tokens, of the issuers of credentials and of the
//! database's server. They are read at the start alone, as the settings themselves are.

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
    let renew = "replace its file, and start every gateway again";
    let of_database = place("outbox.ca_file".to_owned(), renew).holds_der(config.outbox.location.roots());
    of_callers.chain(of_issuers).flatten().chain(of_database).collect()
}

fn place(setting: String, renew: &'static str) -> Place {
    Place { role: TRUSTED, name: setting.clone(), subject: setting, renew }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::test_pki::Authority;

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

    #[test]
    fn the_roots_of_the_databases_server_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let url = "postgresql://gateway@db.example.org/outbox?sslmode=verify-full";
        std::fs::write(dir.path().join("url"), url).unwrap();
        let roots = ["one", "other"].map(|name| Authority::new(name).pem().to_owned()).concat();
        std::fs::write(dir.path().join("roots.pem"), roots).unwrap();
        let text = "outbox = { url_file = \"url\", ca_file = \"roots.pem\", key_file = \"key\" }";
        let read = |file: &std::path::Path| std::fs::read(file);
        let config = Config::from_toml(text, dir.path(), &std::collections::BTreeMap::new(), &read);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let told: Vec<_> = dates(&config).into_iter().map(|dated| (dated.place.name, dated.number)).collect();
        assert_eq!(told, [("outbox.ca_file".to_owned(), 1), ("outbox.ca_file".to_owned(), 2)]);
    }
}
