//! The certificates that settings trust or show to servers, and when they expire. They are read at the start alone, as the settings themselves are.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::listeners;
use crate::clock::Timestamp;
use crate::settings::Config;
use crate::tls_files;

/// The settings that trust a certificate, each with the day on which the next of its certificates expires; where all have, with the
/// last of those days. Those that show one, with the first day on which a certificate of the chain expires. `keys.ca_file` is looked after with the keys.
pub(crate) fn dates(config: &Config, now: Timestamp) -> Vec<(String, Timestamp)> {
    let mut trusted = Vec::new();
    let mut note = |setting: String, pem: &[u8]| trusted.extend(next(pem, now).map(|end| (setting, end)));
    if let Some(pem) = &config.upstream.ca_pem {
        note("upstream.ca_file".to_owned(), pem);
    }
    for jwt in config.jwt_callers() {
        if let Some(pem) = jwt.pem() {
            note(format!("{}.file", jwt.setting()), pem);
        }
    }
    for listener in listeners::ALL {
        let roots = (listener.tls)(config).and_then(|tls| tls.client_ca.as_ref());
        if let Some(pem) = roots.and_then(|file| crate::regular::read(file).ok()) {
            note(format!("{}.client_ca", listener.tls_setting), &pem);
        }
    }
    // A former certificate goes on to count for what it signed.
    for issuer in config.credentials.issuers.iter().filter(|issuer| !issuer.history) {
        let issuer_of = crate::gateway::credentials::issuer(issuer);
        let end = issuer_of.map(|found| found.certificate.not_after());
        let name = issuer.file.file_name().unwrap_or_default().to_string_lossy();
        trusted.extend(end.ok().map(|end| (format!("credentials.issuers ({name})"), end)));
    }
    for shown in &config.upstream.client.all {
        // What makes no pair is a trouble of its own.
        let Ok(pair) = tls_files::pair(&shown.cert, &shown.key) else { continue };
        let end = pair.cert.iter().filter_map(end_of).min();
        trusted.extend(end.map(|end| (shown.setting(), end)));
    }
    trusted
}

fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    Some(crate::keys::cert::Dates::of_der(certificate).ok()?.not_after)
}

/// Of the certificates in `pem` the next end after `now`, else the last before it. `None`: there is no certificate.
fn next(pem: &[u8], now: Timestamp) -> Option<Timestamp> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    let ends: Vec<Timestamp> = certificates.filter_map(|certificate| end_of(&certificate)).collect();
    let coming = ends.iter().filter(|end| **end > now).min();
    coming.or(ends.iter().max()).copied()
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
        let told: Vec<_> =
            dates(&config, Timestamp::from_seconds(0)).into_iter().map(|(setting, _)| setting).collect();
        assert_eq!(told, ["callback.opencrvs_jwt.file", "faces.opencrvs_jwt.file"]);
    }

    #[test]
    fn the_next_to_expire_counts_and_a_bare_key_has_no_date() {
        let pem = std::fs::read("keys.example/ida-partner.crt").unwrap();
        let end = next(&pem, Timestamp::from_seconds(0)).unwrap();
        assert_eq!(next(&pem, end), Some(end), "it has expired, and is still told");
        assert_eq!(next(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", end), None);
    }
}
