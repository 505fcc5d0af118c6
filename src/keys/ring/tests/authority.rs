//! Chains, and what `keys.ca_file` lets in.

use super::*;

#[test]
fn certificate_file_with_issuers_gives_the_chain() {
    let volume = Volume::new();
    let issuer = KeyMaker::from_file(&vector("issuer.key.pem"), None).ok().unwrap();
    let root = issuer.certify(&request("root", true), None).unwrap();
    let leaf = certify("leaf", Some((&root, &issuer)));
    volume.write("second.key", &vector("partner.key.pem"));
    let bundle = [&root, &leaf].map(|certificate| certificate_pem(certificate).unwrap()).concat();
    volume.write("second.crt", bundle.as_bytes());
    let ring = volume.load();
    assert_eq!(ring.troubles(), []);
    assert_eq!(ring.own()[1].certificate, Some(leaf));
    assert_eq!(ring.own()[1].chain, [root]);
}

#[test]
fn with_a_ca_only_what_chains_to_it_is_loaded() {
    let mut volume = Volume::new();
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    volume.write("ca.pem", &[vector("partner.crt.pem"), vector("partner-3072.crt.pem")].concat());
    let (shown, fatal) = volume.trouble();
    assert!(
        shown.starts_with("mosip-public.key: no chain of valid certificates leads to keys.ca_file; "),
        "{shown}"
    );
    assert!(fatal && volume.load().peers().is_empty());
    assert_eq!(volume.load().own().len(), 2);
}

#[test]
fn with_a_ca_a_bare_public_key_is_refused() {
    let mut volume = Volume::new();
    volume.write("mosip-public.key", &vector("mosip.pub.pem"));
    assert_eq!(volume.load().troubles(), []);
    assert!(volume.load().peer("mosip").unwrap().certificate.is_none());
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    volume.write("ca.pem", &[vector("partner.crt.pem"), vector("partner-3072.crt.pem")].concat());
    assert!(volume.load().peer("mosip").is_none());
}

#[test]
fn unreadable_ca_file_refuses_every_certificate() {
    let mut volume = Volume::new();
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    let ring = volume.load();
    assert_eq!(ring.troubles()[0].location, crate::keys::Location::from(&volume.path("ca.pem")));
    assert_eq!((ring.own().len(), ring.peers().len()), (0, 0));
    let fatal: Vec<_> = ring.troubles().iter().filter(|trouble| trouble.fatal).collect();
    assert_eq!(fatal.len(), 1, "what follows from it is told with it: {fatal:#?}");
    assert!(
        fatal[0].what.contains(", so that these are not trusted: ")
            && fatal[0].what.contains("mosip-public.key")
    );
}

#[test]
fn key_usage_that_forbids_signing_is_reported_and_with_a_ca_refused() {
    let mut volume = Volume::new();
    let (cert, key) = sign_only();
    volume.write("second.crt", cert.as_bytes());
    volume.write("second.key", key.as_bytes());
    let what = "second.crt: the certificate's key usage does not allow decryption";
    volume.assert_trouble(what, false);
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    volume.write("ca.pem", &[vector("partner.crt.pem"), vector("mosip.crt.pem"), cert.into_bytes()].concat());
    volume.assert_trouble(what, true);
}

#[test]
fn an_authority_with_an_ec_key_is_shown_and_said_to_vouch_for_nothing() {
    let mut volume = Volume::new();
    volume.keys.ca_file = Some(volume.path("ca.pem"));
    let bundle = [
        vector("partner.crt.pem"),
        vector("partner-3072.crt.pem"),
        vector("mosip.crt.pem"),
        vector("ec.crt.pem"),
    ];
    volume.write("ca.pem", &bundle.concat());
    let ring = volume.load();
    assert_eq!(
        (ring.own().len(), ring.peers().len(), ring.authorities().len()),
        (2, 1, 4),
        "{:?}",
        ring.troubles()
    );
    let [trouble] = ring.troubles() else { panic!("{:?}", ring.troubles()) };
    assert!(
        trouble.what.contains("vouches for nothing: its certificate holds a key that is not RSA (EC)"),
        "{trouble}"
    );
    assert!(!trouble.fatal);
    volume.write("ca.pem", &vector("ec.crt.pem"));
    assert!(volume.load().own().is_empty(), "it vouches for nothing");
}
