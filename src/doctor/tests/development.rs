//! Certificates of `keygen development`, which a rehearsal leaves behind.

use super::*;

/// A certificate under a fresh key, in PEM.
fn certificate(organization: &str) -> String {
    let key = KeyMaker::generate(2048).ok().unwrap();
    let at = |days: i64| Timestamp::from_seconds(NOW.seconds() + days * DAY);
    let request = CertificateRequest {
        country: "XX",
        organization,
        common_name: "ida",
        not_before: at(-1),
        not_after: at(365),
        ca: false,
        names: &[],
    };
    certificate_pem(&key.certify(&request, None).ok().unwrap()).ok().unwrap()
}

/// Before its mend they passed for MOSIP's, and nothing said that they had to be replaced.
#[test]
fn what_a_rehearsal_left_behind_is_warned_of_once_each_and_what_is_real_is_not() {
    let site = Site::new(
        -1..365,
        r#"websub.hub_url = "https://hub.example.org"
        credentials.issuers = [{ verification_method = "https://a.example/key", file = "issuer.crt" }]"#,
    );
    let file = site.path("gateway.toml");
    let (own, peer) = (r#"name = "mosip", file = "own.crt""#, r#"name = "mosip", file = "peer.crt""#);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(own), "{text}");
    fs::write(&file, text.replace(own, peer)).unwrap();
    let warned = |of_peer: &str, of_issuer: &str| {
        fs::write(site.path("peer.crt"), certificate(of_peer)).unwrap();
        fs::write(site.path("issuer.crt"), certificate(of_issuer)).unwrap();
        let diagnosis = site.examine();
        let told = diagnosis.findings.iter().filter(|finding| finding.what.contains("`keygen development`"));
        let name = |told: &Finding| told.subject.rsplit('/').next().unwrap().to_owned();
        told.map(|told| (told.level, name(told))).collect::<Vec<_>>()
    };
    let warning = |name: &str| (Level::Warn, name.to_owned());
    assert_eq!(warned("Development Only", "Development Only"), [warning("issuer.crt"), warning("peer.crt")]);
    assert_eq!(warned("Ministry", "Development Only"), [warning("issuer.crt")]);
    assert_eq!(warned("Ministry", "Not for Development Only"), []);
}
