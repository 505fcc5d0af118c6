//! What `doctor` says of the certificates in `keys.ca_file`.

use super::*;

#[test]
fn an_authority_is_counted_in_days_and_one_that_has_expired_is_a_failure_and_costs_no_key_of_ours() {
    for (days, level, what) in
        [(365, Level::Ok, "365 days left"), (5, Level::Warn, "5 days left"), (-1, Level::Fail, "expired on")]
    {
        let site = Site::new(-10..300, "");
        let key = KeyMaker::from_file(include_bytes!("../../../tests/vectors/keys/issuer.key.pem"), None);
        let at = |days: i64| Timestamp::from_seconds(NOW.seconds() + days * DAY);
        let request = CertificateRequest {
            country: "XX",
            organization: "Ministry",
            common_name: "root",
            not_before: at(-20),
            not_after: at(days),
            ca: true,
            names: &[],
        };
        let (issuer, ours) =
            (key.ok().unwrap(), KeyMaker::from_file(&fs::read(site.path("own.key")).unwrap(), None));
        let root = issuer.certify(&request, None).ok().unwrap();
        let leaf = CertificateRequest { common_name: "partner", not_after: at(300), ca: false, ..request };
        let leaf = ours.ok().unwrap().certify(&leaf, Some((&root, &issuer))).ok().unwrap();
        fs::write(site.path("own.crt"), certificate_pem(&leaf).ok().unwrap()).unwrap();
        fs::write(site.path("root.crt"), certificate_pem(&root).ok().unwrap()).unwrap();
        let config = fs::read_to_string(site.path("gateway.toml")).unwrap();
        fs::write(site.path("gateway.toml"), format!("{config}ca_file = \"root.crt\"\n")).unwrap();
        let diagnosis = site.examine();
        finding(&diagnosis, level, "root.crt", what);
        // The peer, whose certificate it issued too, is no failure of its own.
        assert_eq!(diagnosis.count(Level::Fail), usize::from(level == Level::Fail), "{diagnosis:#?}");
        if level == Level::Fail {
            finding(&diagnosis, level, "root.crt", ", so that these are not trusted: own.crt");
        }
        finding(&diagnosis, Level::Ok, "own.key", "signs and decrypts");
    }
}

#[test]
fn an_authority_that_has_expired_beside_the_one_that_counts_is_a_warning_that_names_it() {
    let site = Site::new(-10..300, "");
    let key = KeyMaker::from_file(include_bytes!("../../../tests/vectors/keys/issuer.key.pem"), None);
    let former = KeyMaker::from_file(include_bytes!("../../../tests/vectors/keys/partner.key.pem"), None);
    let ours = KeyMaker::from_file(&fs::read(site.path("own.key")).unwrap(), None).ok().unwrap();
    let at = |days: i64| Timestamp::from_seconds(NOW.seconds() + days * DAY);
    let request = CertificateRequest {
        country: "XX",
        organization: "Ministry",
        common_name: "root",
        not_before: at(-20),
        not_after: at(365),
        ca: true,
        names: &[],
    };
    let key = key.ok().unwrap();
    let root = key.certify(&request, None).ok().unwrap();
    let request = CertificateRequest { common_name: "former root", not_after: at(-1), ..request };
    let former = former.ok().unwrap().certify(&request, None).ok().unwrap();
    let leaf = CertificateRequest { common_name: "partner", not_after: at(300), ca: false, ..request };
    let leaf = ours.certify(&leaf, Some((&root, &key))).ok().unwrap();
    fs::write(site.path("own.crt"), certificate_pem(&leaf).ok().unwrap()).unwrap();
    let bundle = [&root, &former].map(|one| certificate_pem(one).ok().unwrap()).concat();
    fs::write(site.path("root.crt"), bundle).unwrap();
    let config = fs::read_to_string(site.path("gateway.toml")).unwrap();
    fs::write(site.path("gateway.toml"), format!("{config}ca_file = \"root.crt\"\n")).unwrap();
    let diagnosis = site.examine();
    let told = finding(&diagnosis, Level::Warn, "root.crt", "expired on");
    assert!(told.what.contains("former root"), "{told:?}");
    assert!(told.advice.as_ref().unwrap().contains("remove this one"), "{told:?}");
    assert_eq!(diagnosis.count(Level::Fail), 0, "{diagnosis:#?}");
}
